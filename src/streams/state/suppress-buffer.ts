import type { Serde } from '../../core/index.ts'
import type { Change } from '../change.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { ByteStore } from './byte-store.ts'
import { decodeBuffered, encodeBuffered } from './buffered-row.ts'
import type { BufferedRow } from './buffered-row.ts'
import { bytesToText, equalBytes, readInt64, textToBytes, writeInt64 } from './bytes.ts'
import { LeavingRows } from './leaving-rows.ts'
import { joinBytes } from './store-keys.ts'
import type { StoreNumber, StorePlace } from './store-place.ts'

export interface SuppressBufferOptions {
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  /** What a row without a prior value counts for beside its bytes. */
  readonly newRowBytes: number
  /** Adds a record to the changelog; null: the row has left the buffer. */
  readonly log: (key: Uint8Array, value: Uint8Array | null) => void
}

/** A row that leaves the buffer: the change, and the record that brought it last. */
export interface EvictedRow {
  readonly key: unknown
  readonly change: Change<unknown>
  readonly row: BufferedRow
}

const empty = new Uint8Array(0)

/**
 * Rows of a table in the order of a time of their own, one per key: a later change of a key takes the place of the one
 * before. What changed is logged at the flush. Semantics and changelog layout: InMemoryTimeOrderedKeyValueChangeBuffer.
 */
export class SuppressBuffer {
  readonly #options: SuppressBufferOptions
  /** Key bytes → the row with its time, as in the changelog. */
  readonly #rows: ByteStore
  /** Time (8) · key bytes → nothing. */
  readonly #order: LeavingRows
  readonly #unlogged = new Set<string>()
  /** undefined: not known. */
  #firstTime: number | null | undefined
  readonly #records: StoreNumber
  readonly #sizeBytes: StoreNumber

  constructor(place: StorePlace, options: SuppressBufferOptions) {
    this.#options = options
    this.#rows = place.table('rows')
    this.#order = new LeavingRows(place.table('order'))
    this.#records = place.number('records', 0)
    this.#sizeBytes = place.number('bytes', 0)
  }

  get records(): number {
    return this.#records.value
  }

  /** As upstream counts: 8, the key, the values and the record's origin for each row. */
  get sizeBytes(): number {
    return this.#sizeBytes.value
  }

  /** The time of the row that leaves first; null when there is none. */
  get firstTime(): number | null {
    if (this.#firstTime === undefined) {
      const first = this.#order.first()
      this.#firstTime = first === null ? null : readInt64(first.key, 0)
    }
    return this.#firstTime
  }

  put(time: number, record: StreamRecord, change: Change<unknown>): void {
    const { keySerde, valueSerde } = this.#options
    const key = keySerde.serialize(record.key)
    const before = this.#get(key)
    const oldValue = change.oldValue === null ? null : valueSerde.serialize(change.oldValue)
    const row: BufferedRow = {
      timestamp: record.timestamp,
      offset: record.origin.offset,
      topic: record.origin.topic,
      partition: record.origin.partition,
      headers: record.headers,
      priorValue: before === null ? oldValue : before.row.priorValue,
      oldValue,
      newValue: change.newValue === null ? null : valueSerde.serialize(change.newValue),
    }
    const placedAt = before === null ? time : before.time
    if (before === null) this.#records.value++
    this.#sizeBytes.value += this.#sizeOf(key, row) - (before === null ? 0 : this.#sizeOf(key, before.row))
    this.#rows.put(key, encodeBuffered(row, placedAt))
    if (before === null) {
      this.#order.put(orderKey(placedAt, key), empty)
      if (this.#firstTime !== undefined && (this.#firstTime === null || placedAt < this.#firstTime)) this.#firstTime = placedAt
    }
    this.#unlogged.add(bytesToText(key))
  }

  /** Takes the first row out, if there is one, after it was sent: look-ups on its way still find what was known before. */
  evictFirst(send: (evicted: EvictedRow) => void): void {
    const first = this.#order.first()
    if (first === null) return
    const key = first.key.subarray(8)
    const { row } = this.#get(key)!
    const change = { newValue: this.#value(row.newValue), oldValue: this.#value(row.oldValue), isLatest: true }
    send({ key: this.#options.keySerde.deserialize(key), change, row })
    this.#rows.put(key, null)
    this.#order.delete(first.key)
    this.#firstTime = undefined
    this.#records.value--
    this.#sizeBytes.value -= this.#sizeOf(key, row)
    this.#unlogged.add(bytesToText(key))
  }

  /** For look-ups behind the buffer: what downstream knows of a row that waits here; undefined when none does. */
  priorValueOf(key: unknown): { readonly value: unknown } | undefined {
    const found = this.#get(this.#options.keySerde.serialize(key))
    return found === null ? undefined : { value: this.#value(found.row.priorValue) }
  }

  flush(): void {
    for (const text of this.#unlogged) this.#options.log(textToBytes(text), this.#rows.get(textToBytes(text)))
    this.#unlogged.clear()
  }

  commit(): void {
    for (const part of this.#parts) part.commit()
  }

  rollback(): void {
    for (const part of this.#parts) part.rollback()
    this.#firstTime = undefined
    this.#unlogged.clear()
  }

  restore(key: Uint8Array, value: Uint8Array | null): void {
    const before = this.#get(key)
    this.#firstTime = undefined
    if (before !== null) {
      this.#order.delete(orderKey(before.time, key))
      this.#records.value--
      this.#sizeBytes.value -= this.#sizeOf(key, before.row)
    }
    this.#rows.put(key, value)
    if (value === null) return
    const { row, time } = decodeBuffered(value)
    this.#order.put(orderKey(time, key), empty)
    this.#records.value++
    this.#sizeBytes.value += this.#sizeOf(key, row)
  }

  get #parts() {
    return [this.#rows, this.#order, this.#records, this.#sizeBytes]
  }

  #get(key: Uint8Array) {
    const bytes = this.#rows.get(key)
    return bytes === null ? null : decodeBuffered(bytes)
  }

  #sizeOf(key: Uint8Array, { priorValue, oldValue, newValue, topic, headers }: BufferedRow): number {
    const prior = priorValue?.length ?? this.#options.newRowBytes
    const old = oldValue === null || (priorValue !== null && equalBytes(oldValue, priorValue)) ? 0 : oldValue.length
    const headerBytes = headers.reduce((sum, header) => sum + header.key.length + (header.value?.length ?? 0), 0)
    return 8 + key.length + prior + old + (newValue?.length ?? 0) + 20 + topic.length + headerBytes
  }

  #value(bytes: Uint8Array | null): unknown {
    return bytes === null ? null : this.#options.valueSerde.deserialize(bytes)
  }
}

function orderKey(time: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8)
  writeInt64(bytes, 0, time)
  return joinBytes(bytes, key)
}
