import type { Serde } from '../../core/index.ts'
import { StreamRecord } from '../stream-record.ts'
import type { ByteStore } from './byte-store.ts'
import { decodeBuffered, encodeBuffered } from './buffered-row.ts'
import { readInt32, readInt64, writeInt32, writeInt64 } from './bytes.ts'
import { LeavingRows } from './leaving-rows.ts'
import type { StoreNumber, StorePlace } from './store-place.ts'

export interface JoinBufferOptions {
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  /** A record that is more than this behind the newest is not taken. */
  readonly graceMs: number
}

/**
 * Stream records that wait for a table to catch up, in the order of time. Keys are `0 (1) · timestamp (8) · key bytes ·
 * sequence number (4)`. Semantics: RocksDBTimeOrderedKeyValueBuffer of Kafka Streams (KIP-923).
 */
export class JoinBuffer {
  readonly #bytes: LeavingRows
  readonly #options: JoinBufferOptions
  readonly #sequence: StoreNumber
  readonly #observedTime: StoreNumber

  /** `bytes` may have a changelog around the rows of `place`. */
  constructor(bytes: ByteStore, place: StorePlace, options: JoinBufferOptions) {
    this.#bytes = new LeavingRows(bytes)
    this.#options = options
    this.#sequence = place.number('sequence', 0)
    this.#observedTime = place.number('time', -1)
  }

  /** False: the record is too late to wait. */
  put(record: StreamRecord): boolean {
    if (record.timestamp < this.#observedTime.value - this.#options.graceMs) return false
    this.#observedTime.value = Math.max(this.#observedTime.value, record.timestamp)
    this.#sequence.value = (this.#sequence.value + 1) & 0x7fff_ffff
    const { topic, partition, offset } = record.origin
    const row = {
      topic, partition, offset,
      timestamp: record.timestamp,
      headers: record.headers,
      priorValue: null,
      oldValue: null,
      newValue: this.#options.valueSerde.serialize(record.value),
    }
    this.#bytes.put(bufferKey(this.#options.keySerde.serialize(record.key), record.timestamp, this.#sequence.value), encodeBuffered(row, 0))
    return true
  }

  /** Takes out what has waited long enough, the oldest first; each leaves when all that follows from it has happened. */
  *evictDue(): Iterable<StreamRecord> {
    const due = this.#observedTime.value - this.#options.graceMs
    if (due < 0) return
    for (let first = this.#bytes.first(); first !== null && readInt64(first.key, 1) <= due; first = this.#bytes.first()) {
      const { key, value } = first
      const { row } = decodeBuffered(value)
      const origin = { topic: row.topic, partition: row.partition, offset: row.offset, rawKey: null, rawValue: null }
      const bufferedKey = this.#options.keySerde.deserialize(key.subarray(beforeKey, key.length - 4))
      const bufferedValue = row.newValue === null ? null : this.#options.valueSerde.deserialize(row.newValue)
      try {
        yield new StreamRecord(bufferedKey, bufferedValue, row.timestamp, row.headers, origin)
      } finally {
        this.#bytes.delete(key)
      }
    }
  }

  /** A row of the changelog was put: time goes on from the newest of them, and numbers from the largest, so that no row is written over. */
  restored(key: Uint8Array, value: Uint8Array | null): void {
    this.#sequence.value = Math.max(this.#sequence.value, readInt32(key, key.length - 4))
    if (value !== null) this.#observedTime.value = Math.max(this.#observedTime.value, readInt64(key, 1))
  }

  commit(): void {
    this.#bytes.commit()
    this.#sequence.commit()
    this.#observedTime.commit()
  }

  /** Numbers go on: what was aborted may stand in the changelog, where nothing must be taken for it. */
  rollback(): void {
    this.#bytes.rollback()
    this.#observedTime.rollback()
  }
}

export function bufferKey(key: Uint8Array, timestamp: number, sequence: number): Uint8Array {
  const bytes = new Uint8Array(beforeKey + key.length + 4)
  writeInt64(bytes, 1, timestamp)
  bytes.set(key, beforeKey)
  writeInt32(bytes, beforeKey + key.length, sequence)
  return bytes
}

/** A zero says that the time comes first; the time takes 8 bytes. */
const beforeKey = 9
