import type { Serde } from '../../core/index.ts'
import { bytesToText, copyBytes } from './bytes.ts'

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

/** One value (or deletion) of a key and the time from which it holds; it ends where the next one begins. */
interface Version {
  readonly timestamp: number
  readonly value: Uint8Array | null
}

/**
 * Every value of a key with the time from which it held. Rows may come out of order. Semantics: VersionedKeyValueStore of
 * Kafka Streams (KIP-889). Versions that ended before the history begins are dropped.
 */
export class VersionedStore<K, V> implements ReadOnlyVersionedStore<K, V> {
  readonly #options: VersionedStoreOptions<K, V>
  /** Ascending by timestamp; arrays are never changed, only replaced. */
  readonly #versions = new Map<string, readonly Version[]>()
  readonly #undo = new Map<string, readonly Version[]>()
  /** Keys with versions that end, in the order in which they got their end, for the clean-up. */
  #ending: { readonly text: string; readonly validTo: number }[] = []
  #endingDone = 0
  #observedTime = -1
  #committedTime = -1

  constructor(options: VersionedStoreOptions<K, V>) {
    this.#options = options
  }

  /** Gives the time at which the row ends: `validForever` for the current one, `notPut` when it was too old. null deletes from `timestamp` on. */
  put(key: K, value: V | null, timestamp: number): number {
    const keyBytes = this.#options.keySerde.serialize(key)
    const bytes = value === null ? null : this.#options.valueSerde.serialize(value)
    const validTo = this.#insert(bytesToText(keyBytes), bytes, timestamp)
    this.#options.onPut(keyBytes, bytes, timestamp)
    return validTo
  }

  /** Deletes from `timestamp` on; gives what held then. */
  delete(key: K, timestamp: number): VersionedRecord<V> | null {
    const existing = timestamp < this.#historyStart() ? null : this.getAsOf(key, timestamp)
    this.put(key, null, timestamp)
    return existing
  }

  get(key: K): VersionedRecord<V> | null {
    const versions = this.#versions.get(bytesToText(this.#options.keySerde.serialize(key)))
    return versions === undefined ? null : this.#decode(versions, versions.length - 1)
  }

  getAsOf(key: K, asOf: number): VersionedRecord<V> | null {
    const versions = this.#versions.get(bytesToText(this.#options.keySerde.serialize(key)))
    if (versions === undefined) return null
    const index = lastAtOrBefore(versions, asOf)
    const isLatest = index === versions.length - 1
    return isLatest || asOf >= this.#historyStart() ? this.#decode(versions, index) : null
  }

  /** A row of the changelog, without a report. */
  restore(key: Uint8Array, value: Uint8Array | null, timestamp: number): void {
    this.#insert(bytesToText(key), value, timestamp)
  }

  commit(): void {
    this.#undo.clear()
    this.#committedTime = this.#observedTime
  }

  rollback(): void {
    for (const [text, versions] of this.#undo) this.#set(text, versions)
    this.#undo.clear()
    this.#observedTime = this.#committedTime
  }

  #insert(text: string, value: Uint8Array | null, timestamp: number): number {
    if (timestamp < this.#historyStart()) {
      this.#options.onExpired()
      return notPut
    }
    this.#observedTime = Math.max(this.#observedTime, timestamp)
    const versions = this.#versions.get(text) ?? []
    const index = lastAtOrBefore(versions, timestamp)
    const replaces = versions[index]?.timestamp === timestamp
    const version = { timestamp, value: value && copyBytes(value) }
    this.#change(text, versions.toSpliced(replaces ? index : index + 1, replaces ? 1 : 0, version))
    this.#dropEnded()
    return versions[index + 1]?.timestamp ?? validForever
  }

  #change(text: string, versions: readonly Version[]): void {
    if (!this.#undo.has(text)) this.#undo.set(text, this.#versions.get(text) ?? [])
    this.#set(text, versions)
    const last = versions.at(-1)
    if (last !== undefined && (versions.length > 1 || last.value === null)) this.#ending.push({ text, validTo: last.timestamp })
  }

  #set(text: string, versions: readonly Version[]): void {
    if (versions.length === 0) this.#versions.delete(text)
    else this.#versions.set(text, versions)
  }

  /** Drops what no `getAsOf` within the history can see. Rows that end out of order wait for those before them. */
  #dropEnded(): void {
    const historyStart = this.#historyStart()
    for (let next = this.#ending[this.#endingDone]; next !== undefined && next.validTo < historyStart; next = this.#ending[this.#endingDone]) {
      this.#trim(next.text, historyStart)
      this.#endingDone++
    }
    if (this.#endingDone < 1_000) return
    this.#ending = this.#ending.slice(this.#endingDone)
    this.#endingDone = 0
  }

  #trim(text: string, historyStart: number): void {
    const versions = this.#versions.get(text)
    if (versions === undefined) return
    const visible = versions.slice(Math.max(0, lastAtOrBefore(versions, historyStart)))
    if (!this.#undo.has(text)) this.#undo.set(text, versions)
    const isGone = visible.length === 1 && visible[0]!.value === null && visible[0]!.timestamp < historyStart
    this.#set(text, isGone ? [] : visible)
  }

  #historyStart(): number {
    return this.#observedTime - this.#options.historyMs
  }

  #decode(versions: readonly Version[], index: number): VersionedRecord<V> | null {
    const version = versions[index]
    if (version === undefined || version.value === null) return null
    return {
      value: this.#options.valueSerde.deserialize(version.value),
      timestamp: version.timestamp,
      validTo: versions[index + 1]?.timestamp ?? null,
    }
  }
}

/** Index of the version that holds at `time`; -1 when all begin later. */
function lastAtOrBefore(versions: readonly Version[], time: number): number {
  let low = 0
  let high = versions.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (versions[middle]!.timestamp <= time) low = middle + 1
    else high = middle
  }
  return low - 1
}
