import type { Serde } from '../../core/index.ts'
import type { ByteEntry, ByteStore } from './byte-store.ts'
import { copyInto, noBytes, readInt64, writeInt32, writeInt64 } from './bytes.ts'
import { LeavingRows } from './leaving-rows.ts'
import type { StoreNumber, StorePlace } from './store-place.ts'

/** `validTo` of the row that is current: it has no end yet. */
export const validForever = -1
/** What `put` gives when the row is older than the history: it was not put. */
export const notPut = -Number.MAX_SAFE_INTEGER

export interface VersionedRecord<V> {
  readonly value: V
  /** From when on the value held. */
  readonly timestamp: number
  /** Until when (exclusive); null for the current value. */
  readonly validTo: number | null
}

export interface ReadOnlyVersionedStore<K, V> {
  /** The latest value; null when there is none or it was deleted. */
  get(key: K): VersionedRecord<V> | null
  /** What held at `asOf`. Before the history begins only the latest value can answer. */
  getAsOf(key: K, asOf: number): VersionedRecord<V> | null
}

export interface VersionedStoreOptions<K, V> {
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  /** How far back `getAsOf` sees and out-of-order rows are taken, measured from the largest timestamp of any key. */
  readonly historyMs: number
  /** Reports every put, taken or not. */
  readonly onPut: (key: Uint8Array, value: Uint8Array | null, timestamp: number) => void
  /** A row older than the history was refused. */
  readonly onExpired: () => void
}

/** One value (or deletion) of a key and the time from which it holds. */
interface Version {
  readonly timestamp: number
  /** Where the next one begins; `validForever` of the latest. */
  readonly validTo: number
  readonly value: Uint8Array | null
}

/**
 * Every value of a key with the time from which it held. Rows may come out of order. Semantics: VersionedKeyValueStore of
 * Kafka Streams (KIP-889). Versions that ended before the history begins are dropped. A put costs the same however many
 * versions the key has:
 * ```
 *   rows      key                              → timestamp (8) · validTo (8) · version      the latest
 *   history   key length (4) · key · time (8)  → timestamp (8) · validTo (8) · version      those before, by their timestamps
 *   order     time (8) · key                   → timestamp (8) of the version that ended then, or nothing      what may go when the history begins later
 *   version   0, or 1 · value bytes            0: deleted
 *   time      as text of bytes it goes in the order of time, also before 1970
 * ```
 */
export class VersionedStore<K, V> implements ReadOnlyVersionedStore<K, V> {
  readonly #options: VersionedStoreOptions<K, V>
  readonly #latest: ByteStore
  readonly #history: ByteStore
  readonly #order: LeavingRows
  readonly #observedTime: StoreNumber
  /** Nothing in `#order` is older; only a bound. */
  #oldestEnd = Number.NEGATIVE_INFINITY

  constructor(place: StorePlace, options: VersionedStoreOptions<K, V>) {
    this.#options = options
    this.#latest = place.table('rows')
    this.#history = place.table('history')
    this.#order = new LeavingRows(place.table('order'))
    this.#observedTime = place.number('time', -1)
  }

  /** Gives the time at which the row ends: `validForever` for the current one, `notPut` when it was too old. null deletes from `timestamp` on. */
  put(key: K, value: V | null, timestamp: number): number {
    const keyBytes = this.#options.keySerde.serialize(key)
    const bytes = value === null ? null : this.#options.valueSerde.serialize(value)
    const validTo = this.#insert(keyBytes, bytes, timestamp)
    this.#options.onPut(keyBytes, bytes, timestamp)
    return validTo
  }

  /** Deletes from `timestamp` on; gives what held then. */
  delete(key: K, timestamp: number): VersionedRecord<V> | null {
    const existing = timestamp < this.#historyStart ? null : this.getAsOf(key, timestamp)
    this.put(key, null, timestamp)
    return existing
  }

  get(key: K): VersionedRecord<V> | null {
    return this.#decode(this.#latestOf(this.#options.keySerde.serialize(key)))
  }

  getAsOf(key: K, asOf: number): VersionedRecord<V> | null {
    const keyBytes = this.#options.keySerde.serialize(key)
    const latest = this.#latestOf(keyBytes)
    if (latest === null || latest.timestamp <= asOf) return this.#decode(latest)
    return asOf < this.#historyStart ? null : this.#decode(this.#before(keyBytes, asOf))
  }

  /** A row of the changelog, without a report. */
  restore(key: Uint8Array, value: Uint8Array | null, timestamp: number): void {
    this.#insert(key, value, timestamp)
  }

  commit(): void {
    for (const part of this.#parts) part.commit()
  }

  rollback(): void {
    for (const part of this.#parts) part.rollback()
    this.#oldestEnd = Number.NEGATIVE_INFINITY
  }

  get #parts() {
    return [this.#latest, this.#history, this.#order, this.#observedTime]
  }

  get #historyStart(): number {
    return this.#observedTime.value - this.#options.historyMs
  }

  #insert(key: Uint8Array, value: Uint8Array | null, timestamp: number): number {
    if (timestamp < this.#historyStart) {
      this.#options.onExpired()
      return notPut
    }
    if (timestamp > this.#observedTime.value) this.#observedTime.value = timestamp
    const latest = this.#latestOf(key)
    const validTo = latest !== null && timestamp < latest.timestamp ? this.#putBefore(key, latest, value, timestamp) : this.#putLatest(key, latest, value, timestamp)
    this.#dropEnded()
    return validTo
  }

  #putLatest(key: Uint8Array, latest: Version | null, value: Uint8Array | null, timestamp: number): number {
    if (latest !== null && latest.timestamp < timestamp) this.#putEnded(key, { ...latest, validTo: timestamp })
    this.#latest.put(key, encodeVersion({ timestamp, validTo: validForever, value }))
    if (value === null && this.#order.get(orderKey(timestamp, key)) === null) this.#noteEnd(key, timestamp, noBytes)
    return validForever
  }

  /** Out of order: the version before now ends where this one begins. */
  #putBefore(key: Uint8Array, latest: Version, value: Uint8Array | null, timestamp: number): number {
    const before = this.#before(key, timestamp)
    const validTo = before?.validTo ?? this.#firstOf(key)?.timestamp ?? latest.timestamp
    if (before !== null && before.timestamp < timestamp) this.#putEnded(key, { ...before, validTo: timestamp })
    this.#putEnded(key, { timestamp, validTo, value })
    return validTo
  }

  #putEnded(key: Uint8Array, version: Version): void {
    this.#history.put(historyKey(key, version.timestamp), encodeVersion(version))
    this.#noteEnd(key, version.validTo, timeBytes(version.timestamp))
  }

  #noteEnd(key: Uint8Array, time: number, ended: Uint8Array): void {
    this.#order.put(orderKey(time, key), ended)
    if (time < this.#oldestEnd) this.#oldestEnd = time
  }

  #latestOf(key: Uint8Array): Version | null {
    const bytes = this.#latest.get(key)
    return bytes === null ? null : decodeVersion(bytes)
  }

  /** Of those that ended, the one that held at `time`. */
  #before(key: Uint8Array, time: number): Version | null {
    const found = first(this.#history.scan({ from: historyKey(key, Number.MIN_SAFE_INTEGER), to: historyKey(key, time + 1), reverse: true }))
    const version = found === null ? null : decodeVersion(found.value)
    return version !== null && version.validTo > time ? version : null
  }

  #firstOf(key: Uint8Array): Version | null {
    const found = first(this.#history.scan({ from: historyKey(key, Number.MIN_SAFE_INTEGER), to: historyKey(key, Number.MAX_SAFE_INTEGER) }))
    return found === null ? null : decodeVersion(found.value)
  }

  /** Drops what no `getAsOf` within the history can see. */
  #dropEnded(): void {
    const historyStart = this.#historyStart
    if (this.#oldestEnd >= historyStart) return
    this.#oldestEnd = Number.POSITIVE_INFINITY
    for (let next = this.#order.first(); next !== null; next = this.#order.first()) {
      const time = readTime(next.key, 0)
      if (time >= historyStart) {
        this.#oldestEnd = time
        return
      }
      this.#drop(next.key.subarray(timeLength), time, next.value)
      this.#order.delete(next.key)
    }
  }

  #drop(key: Uint8Array, endedBy: number, ended: Uint8Array): void {
    if (ended.length > 0) this.#history.put(historyKey(key, readTime(ended, 0)), null)
    const latest = this.#latestOf(key)
    if (latest !== null && latest.value === null && latest.timestamp <= endedBy) this.#latest.put(key, null)
  }

  #decode(version: Version | null): VersionedRecord<V> | null {
    if (version === null || version.value === null) return null
    const { timestamp, validTo, value } = version
    return { value: this.#options.valueSerde.deserialize(value), timestamp, validTo: validTo === validForever ? null : validTo }
  }
}

function first(entries: Iterable<ByteEntry>): ByteEntry | null {
  for (const entry of entries) return entry
  return null
}

const timeLength = 8

/** With the sign turned round, so that times before 1970 come first. */
function writeTime(bytes: Uint8Array, at: number, time: number): void {
  writeInt64(bytes, at, time)
  bytes[at]! ^= 0x80
}

function readTime(bytes: Uint8Array, at: number): number {
  const plain = bytes.slice(at, at + timeLength)
  plain[0]! ^= 0x80
  return readInt64(plain, 0)
}

function timeBytes(time: number): Uint8Array {
  return orderKey(time, noBytes)
}

function orderKey(time: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(timeLength + key.length)
  writeTime(bytes, 0, time)
  copyInto(bytes, timeLength, key, 0, key.length)
  return bytes
}

function historyKey(key: Uint8Array, time: number): Uint8Array {
  const bytes = new Uint8Array(4 + key.length + timeLength)
  writeInt32(bytes, 0, key.length)
  copyInto(bytes, 4, key, 0, key.length)
  writeTime(bytes, 4 + key.length, time)
  return bytes
}

function encodeVersion({ timestamp, validTo, value }: Version): Uint8Array {
  const bytes = new Uint8Array(17 + (value?.length ?? 0))
  writeInt64(bytes, 0, timestamp)
  writeInt64(bytes, timeLength, validTo)
  bytes[16] = value === null ? 0 : 1
  if (value !== null) copyInto(bytes, 17, value, 0, value.length)
  return bytes
}

function decodeVersion(bytes: Uint8Array): Version {
  return { timestamp: readInt64(bytes, 0), validTo: readInt64(bytes, timeLength), value: bytes[16] === 0 ? null : bytes.subarray(17) }
}
