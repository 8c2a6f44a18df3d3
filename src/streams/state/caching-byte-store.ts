import { StreamRecord } from '../stream-record.ts'
import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { bytesToText, copyBytes } from './bytes.ts'
import { OrderedKeys } from './ordered-keys.ts'

/** Bytes that all caches of a task may hold together. */
export class CacheBudget {
  readonly maxBytes: number
  usedBytes = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get exceeded(): boolean {
    return this.usedBytes > this.maxBytes
  }
}

/** A row on its way from the cache to the store and downstream. `record` is the one whose processing wrote it last. */
export interface FlushedRow {
  readonly key: Uint8Array
  readonly newValue: Uint8Array | null
  /** What the store had; null too when nobody asked for old values. */
  readonly oldValue: Uint8Array | null
  readonly record: StreamRecord
}

export interface CachingOptions {
  readonly budget: CacheBudget
  /** The record being processed. */
  readonly currentRecord: () => StreamRecord
  /** Runs `work` as if `record` were being processed. */
  readonly asRecord: (record: StreamRecord, work: () => void) => void
  /** For stores that scan segment by segment. */
  readonly timed?: { readonly timeOf: (key: Uint8Array) => number; readonly segmentOf: (time: number) => number }
}

interface CachedRow {
  readonly key: Uint8Array
  value: Uint8Array | null
  record: StreamRecord
  /** Not yet in the store. */
  dirty: boolean
  /** Read or written since an eviction last passed by: it is spared once. */
  used: boolean
  /** Rows are ordered by segment, then by text (that of the key). */
  readonly segment: number
  readonly text: string
}

/**
 * A write-back cache in front of a store. Writes stay here until a flush (a commit, or the budget is used up), which
 * writes the last value of each key to the store and hands it to the operator that sends it on: only the last of several
 * updates of a key is seen downstream. Rows stay for reads after the flush; when there is no room, those go first that
 * were not used for longest (second chance: a use costs a flag and no move). Semantics: CachingKeyValueStore, CachingWindowStore and ThreadCache of Kafka Streams.
 */
export class CachingByteStore implements ByteStore {
  readonly #inner: ByteStore
  readonly #options: CachingOptions
  /** In the order in which they came in or were spared. */
  readonly #rows = new Map<string, CachedRow>()
  // All rows that it has passed are gone or at the end: a new iterator would have to skip the holes they left, each time.
  #oldest: Iterator<CachedRow, undefined> = this.#rows.values()
  /** In the order in which they became so. */
  #dirty: CachedRow[] = []
  /** Keys of each segment; exists once something was scanned. */
  #orders: Map<number, OrderedKeys> | null = null
  // A read-modify-write comes with the same array twice: its text is made once.
  #lastKey: Uint8Array | null = null
  #lastText = ''
  #onFlush: { readonly listener: (row: FlushedRow) => void; readonly withOldValues: boolean } | null = null

  constructor(inner: ByteStore, options: CachingOptions) {
    this.#inner = inner
    this.#options = options
  }

  /** The operator that owns the store sends flushed rows on. With `withOldValues` each row is read from the store before it is replaced. */
  onFlush(listener: (row: FlushedRow) => void, withOldValues: boolean): void {
    this.#onFlush = { listener, withOldValues }
  }

  get(key: Uint8Array): Uint8Array | null {
    const row = this.#rows.get(this.#text(key))
    if (row === undefined) return this.#inner.get(key)
    row.used = true
    return row.value
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    const text = this.#text(key)
    const record = withoutContent(this.#options.currentRecord())
    let row = this.#rows.get(text)
    if (row === undefined) row = this.#insert({ key: copyBytes(key), value, record, dirty: false, used: false, segment: this.#segmentOf(key), text })
    else {
      this.#options.budget.usedBytes += (value?.length ?? 0) - (row.value?.length ?? 0)
      row.value = value
      row.record = record
      row.used = true
    }
    if (!row.dirty) {
      row.dirty = true
      this.#dirty.push(row)
    }
    while (this.#options.budget.exceeded && this.#rows.size > 0) this.#evict()
  }

  *scan(range: ByteRange): Iterable<ByteEntry> {
    const stored = this.#inner.scan(range)[Symbol.iterator]()
    const direction = range.reverse ? -1 : 1
    let below = stored.next()
    for (const row of this.#cachedIn(range)) {
      while (!below.done && this.#compare(below.value.key, row) * direction < 0) {
        yield below.value
        below = stored.next()
      }
      if (!below.done && this.#compare(below.value.key, row) === 0) below = stored.next()
      if (row.value !== null) yield { key: row.key, value: row.value }
    }
    for (; !below.done; below = stored.next()) yield below.value
  }

  count(): number {
    let count = this.#inner.count()
    for (const { key, value } of this.#dirty) count += Number(value !== null) - Number(this.#inner.get(key) !== null)
    return count
  }

  /** Writes what is dirty to the store and sends it on. Called before a commit; may lead to more processing. */
  flush(): void {
    const rows = this.#dirty
    this.#dirty = []
    for (const row of rows) {
      row.dirty = false
      this.#options.asRecord(row.record, () => this.#flushRow(row))
    }
  }

  commit(): void {
    this.#inner.commit()
  }

  rollback(): void {
    for (const row of [...this.#rows.values()]) this.#forget(row)
    this.#dirty = []
    this.#inner.rollback()
  }

  #flushRow({ key, value, record }: CachedRow): void {
    if (this.#onFlush === null) {
      this.#inner.put(key, value)
      return
    }
    const { listener, withOldValues } = this.#onFlush
    const before = value === null || withOldValues ? this.#inner.get(key) : null
    // A row that was written and deleted between two flushes never existed for anyone else.
    if (value === null && before === null) return
    this.#inner.put(key, value)
    listener({ key, newValue: value, oldValue: withOldValues ? before : null, record })
  }

  #insert(row: CachedRow): CachedRow {
    this.#rows.set(row.text, row)
    if (this.#orders !== null) this.#orderOf(row.segment, this.#orders).add(row.text)
    this.#options.budget.usedBytes += sizeOf(row)
    return row
  }

  /** Takes out the first row that was not used since the last time; what is dirty is flushed before. There is a row. */
  #evict(): void {
    for (;;) {
      const { done, value: row } = this.#oldest.next()
      if (done) this.#oldest = this.#rows.values()
      else if (row.used) {
        row.used = false
        this.#rows.delete(row.text)
        this.#rows.set(row.text, row)
      } else {
        if (row.dirty) this.flush()
        this.#forget(row)
        return
      }
    }
  }

  #forget(row: CachedRow): void {
    if (!this.#rows.delete(row.text)) return
    this.#orders?.get(row.segment)?.delete(row.text)
    this.#options.budget.usedBytes -= sizeOf(row)
  }

  *#cachedIn(range: ByteRange): Iterable<CachedRow> {
    const orders = (this.#orders ??= this.#sortRows())
    const bounds = [range.from && bytesToText(range.from), range.to && bytesToText(range.to)] as const
    for (const segment of this.#segmentsIn(range, orders)) {
      const order = orders.get(segment)!
      for (const text of range.reverse ? order.descending(...bounds) : order.ascending(...bounds)) {
        const row = this.#rows.get(text)
        if (row !== undefined && this.#isInTime(row.key, range)) yield row
      }
    }
  }

  #sortRows(): Map<number, OrderedKeys> {
    const orders = new Map<number, OrderedKeys>()
    for (const { segment, text } of this.#rows.values()) this.#orderOf(segment, orders).add(text)
    return orders
  }

  #orderOf(segment: number, orders: Map<number, OrderedKeys>): OrderedKeys {
    const known = orders.get(segment)
    if (known !== undefined) return known
    const order = new OrderedKeys([])
    orders.set(segment, order)
    return order
  }

  #segmentsIn({ fromTime, toTime, reverse }: ByteRange, orders: ReadonlyMap<number, OrderedKeys>): readonly number[] {
    const { timed } = this.#options
    const sorted = [...orders.keys()].sort((a, b) => (reverse ? b - a : a - b))
    if (timed === undefined) return sorted
    const first = timed.segmentOf(fromTime ?? 0)
    const last = timed.segmentOf(toTime ?? Number.MAX_SAFE_INTEGER)
    return sorted.filter((segment) => segment >= first && segment <= last)
  }

  #isInTime(key: Uint8Array, { fromTime, toTime }: ByteRange): boolean {
    const time = this.#options.timed?.timeOf(key) ?? 0
    return time >= (fromTime ?? 0) && time <= (toTime ?? Number.MAX_SAFE_INTEGER)
  }

  #compare(key: Uint8Array, row: CachedRow): number {
    const segment = this.#segmentOf(key)
    if (segment !== row.segment) return segment - row.segment
    const text = bytesToText(key)
    return text < row.text ? -1 : text > row.text ? 1 : 0
  }

  #text(key: Uint8Array): string {
    if (key !== this.#lastKey) {
      this.#lastKey = key
      this.#lastText = bytesToText(key)
    }
    return this.#lastText
  }

  #segmentOf(key: Uint8Array): number {
    const { timed } = this.#options
    return timed === undefined ? 0 : timed.segmentOf(timed.timeOf(key))
  }
}

/** The record without what it shares with a batch, which a cached row would keep alive. */
function withoutContent({ timestamp, headers, origin: { topic, partition, offset } }: StreamRecord): StreamRecord {
  return new StreamRecord(null, null, timestamp, headers, { topic, partition, offset, rawKey: null, rawValue: null })
}

const bytesPerRowOverhead = 120

function sizeOf({ key, value }: CachedRow): number {
  return key.length + (value?.length ?? 0) + bytesPerRowOverhead
}
