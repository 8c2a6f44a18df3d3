import { deserializeCopy } from '../../core/index.ts'
import type { KeysAhead, Serde } from '../../core/index.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { ByteRows } from './byte-rows.ts'
import { compareBytes } from './bytes.ts'
import { putRowTo } from './changelog-byte-store.ts'
import type { RowTarget } from './changelog-byte-store.ts'
import { FlushedRow } from './flushed-row.ts'
import { mergedScan } from './merged-scan.ts'
import type { UpperEntry } from './merged-scan.ts'
import { OrderedRows } from './ordered-rows.ts'
import { RowOrigins } from './row-origins.ts'
import { ScratchBytes } from './scratch-bytes.ts'

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

  /** False: with so many bytes more it would be exceeded. */
  hasRoom(bytes: number): boolean {
    return this.usedBytes + bytes <= this.maxBytes
  }
}

export interface CachingOptions {
  readonly budget: CacheBudget
  /** The record being processed. */
  readonly currentRecord: () => StreamRecord
  /** Keeps of it, for a row that it has written, what goes downstream with the row. */
  readonly noteOrigin: (origins: RowOrigins, row: number) => void
  /** From now on `record` is the one being processed. */
  readonly enter: (record: StreamRecord) => void
  /** As `enter`, of the record that wrote a row last: it is made when somebody asks for it. */
  readonly enterRow: (origins: RowOrigins, row: number) => void
  /** For stores that scan segment by segment. */
  readonly timed?: TimedRows
}

export interface TimedRows {
  readonly timeOf: (key: Uint8Array) => number
  readonly segmentOf: (time: number) => number
  /** Bytes in the order of time, then of key. */
  readonly byTime: (key: Uint8Array) => Uint8Array
}

/**
 * A write-back cache in front of a store. Writes stay here until a flush (a commit, or the budget is used up), which
 * writes the last value of each key to the store and hands it to the operator that sends it on: only the last of several
 * updates of a key is seen downstream. Rows stay for reads after the flush; when there is no room, those go first that
 * were not used for longest (second chance: a use costs a flag and no move). Semantics: CachingKeyValueStore, CachingWindowStore and ThreadCache of Kafka Streams.
 * ```
 *   rows     table     key → value (none: deleted, and the store may not know yet)
 *   flags    by row    dirty: not yet in the store · used: read or written since an eviction last passed by, spared once
 *   origins  by row    the record that wrote it last
 *   dirty    list      rows in the order in which they became so
 * ```
 */
export class CachingByteStore implements ByteStore {
  readonly #inner: RowTarget
  readonly #options: CachingOptions
  readonly #rows = new ByteRows()
  #flags = new Uint8Array(16)
  readonly #origins = new RowOrigins()
  #removals = 0
  /** The row that an eviction looks at next: the hand goes round over the numbers of rows. */
  #hand = 0
  #dirty: number[] = []
  /** While dirty rows are sent on they stay here, whatever is written meanwhile. */
  #flushing = false
  /** Rows of each segment; exists once something was scanned. */
  #orders: Map<number, OrderedRows> | null = null
  readonly #borrowed = new ScratchBytes()
  readonly #rowKey = new ScratchBytes()
  readonly #flushed = new FlushedRow(this.#rows, this.#origins)
  #onFlush: { readonly listener: (row: FlushedRow) => void; readonly withOldValues: boolean } | null = null

  constructor(inner: RowTarget, options: CachingOptions) {
    this.#inner = inner
    this.#options = options
  }

  /** The operator that owns the store sends flushed rows on. With `withOldValues` each row is read from the store before it is replaced. */
  onFlush(listener: (row: FlushedRow) => void, withOldValues: boolean): void {
    this.#onFlush = { listener, withOldValues }
  }

  get(key: Uint8Array): Uint8Array | null {
    const row = this.#rows.find(key)
    if (row < 0) return this.#inner.get(key)
    this.#flags[row]! |= used
    return this.#rows.value(row)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    const rows = this.#rows
    const row = rows.find(key)
    if (row < 0) return this.#inner.borrow(key)
    this.#flags[row]! |= used
    const length = rows.valueLength(row)
    if (length < 0) return null
    const start = rows.offset(row) + rows.keyLength(row)
    return this.#borrowed.copy(rows.page(row), start, start + length)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    const row = this.#rows.find(key)
    if (row >= 0) this.#replace(row, value)
    else this.#written(this.#insert(key, value))
  }

  /**
   * The row of a key that was written to `key`, for `read` and `replace`: its number is good until `removals` is another one.
   * -1: it is not here, which says nothing about the store below.
   */
  findIn(key: ScratchBytes, length: number): number {
    return this.#rows.findIn(key, length)
  }

  putIn(key: ScratchBytes, length: number, value: ScratchBytes, valueLength: number): void {
    const row = this.#rows.findIn(key, length)
    if (row >= 0) this.replace(row, value, valueLength)
    else this.#written(this.#insert(key.first(length), valueLength < 0 ? null : value.first(valueLength)))
  }

  /** As `borrow`, of a key for which `findIn` has found nothing. */
  borrowInner(key: Uint8Array): Uint8Array | null {
    return this.#inner.borrow(key)
  }

  /** For rows from `findIn`, to be read where they lie. */
  get table(): Pick<ByteRows, 'keyLength' | 'valueLength' | 'page' | 'view' | 'offset'> {
    return this.#rows
  }

  /** Rows that have left the cache so far. */
  get removals(): number {
    return this.#removals
  }

  /** The value of a row; null where it has none. */
  read<V>(row: number, serde: Serde<V>): V | null {
    const rows = this.#rows
    this.#flags[row]! |= used
    const length = rows.valueLength(row)
    if (length < 0) return null
    const start = rows.offset(row) + rows.keyLength(row)
    return deserializeCopy(serde, rows.page(row), start, start + length)
  }

  overwrites(row: number): boolean {
    if ((this.#flags[row]! & dirty) === 0 || this.#options.budget.exceeded) return false
    this.#flags[row]! |= used
    this.#options.noteOrigin(this.#origins, row)
    this.#rows.overwritten()
    return true
  }

  replace(row: number, value: ScratchBytes, valueLength: number): void {
    this.#replace(row, valueLength < 0 ? null : value.first(valueLength))
  }

  #replace(row: number, value: Uint8Array | null): void {
    const rows = this.#rows
    this.#options.budget.usedBytes += (value?.length ?? 0) - Math.max(0, rows.valueLength(row))
    rows.setValue(row, value)
    this.#flags[row]! |= used
    this.#written(row)
  }

  #written(row: number): void {
    this.#options.noteOrigin(this.#origins, row)
    if ((this.#flags[row]! & dirty) === 0) {
      this.#flags[row]! |= dirty
      this.#dirty.push(row)
    }
    if (!this.#flushing) this.#makeRoom()
  }

  scan(range: ByteRange): Iterable<ByteEntry> {
    const timed = range.byTime === true ? this.#options.timed : undefined
    const compare = timed === undefined ? (a: Uint8Array, b: Uint8Array) => this.#compare(a, b) : (a: Uint8Array, b: Uint8Array) => compareBytes(timed.byTime(a), timed.byTime(b))
    return mergedScan(this.#entriesIn(range, timed), this.#inner.scan(range), range.reverse === true, compare)
  }

  *#entriesIn(range: ByteRange, timed: TimedRows | undefined): Iterable<UpperEntry> {
    for (const row of timed === undefined ? this.#cachedIn(range) : this.#cachedByTime(range, timed)) yield { key: this.#rows.key(row), value: this.#rows.value(row) }
  }

  lookAhead(keys: KeysAhead): void {
    this.#rows.lookAhead(keys)
  }

  count(): number {
    let count = this.#inner.count()
    for (const row of this.#dirty) count += Number(this.#rows.valueLength(row) >= 0) - Number(this.#inner.borrow(this.#keyOf(row)) !== null)
    return count
  }

  get hasUnflushed(): boolean {
    return this.#dirty.length > 0
  }

  /** Writes what is dirty to the store and sends it on. Called before a commit; may lead to more processing. */
  flush(): void {
    // What this leads to may write here again, but nothing leaves while rows are numbers in a list.
    if (this.#flushing) return
    const rows = this.#dirty
    const { currentRecord, enter, enterRow } = this.#options
    const before = currentRecord()
    this.#dirty = []
    this.#flushing = true
    try {
      for (const row of rows) {
        this.#flags[row]! &= ~dirty
        enterRow(this.#origins, row)
        this.#flushRow(row)
      }
    } finally {
      this.#flushing = false
      enter(before)
    }
    this.#makeRoom()
  }

  commit(): void {
    this.#inner.commit()
  }

  rollback(): void {
    for (let row = 0; row < this.#rows.limit; row++) if (this.#rows.isRow(row)) this.#forget(row)
    this.#dirty = []
    this.#inner.rollback()
  }

  #flushRow(row: number): void {
    const flushed = this.#flushed
    if (this.#onFlush === null) {
      putRowTo(this.#inner, this.#rows, row)
      return
    }
    const { listener, withOldValues } = this.#onFlush
    const isDeletion = this.#rows.valueLength(row) < 0
    const before = isDeletion || withOldValues ? this.#inner.get(this.#keyOf(row)) : null
    // A row that was written and deleted between two flushes never existed for anyone else.
    if (isDeletion && before === null) return
    putRowTo(this.#inner, this.#rows, row)
    flushed.row = row
    flushed.oldValue = withOldValues ? before : null
    listener(flushed)
  }

  /** Directly after a `find` without success. */
  #insert(key: Uint8Array, value: Uint8Array | null): number {
    const row = this.#rows.add(key, value)
    if (row >= this.#flags.length) {
      const larger = new Uint8Array(2 * row)
      larger.set(this.#flags)
      this.#flags = larger
    }
    this.#flags[row] = 0
    if (this.#orders !== null) this.#orderOf(this.#segmentOf(key), this.#orders).add(row)
    this.#options.budget.usedBytes += this.#sizeOf(row)
    return row
  }

  #makeRoom(): void {
    while (this.#options.budget.exceeded && this.#rows.count > 0) this.#evict()
  }

  /** Takes out the first row that was not used since the last time; if it is dirty, all that is dirty is flushed first, which makes room itself. There is a row. */
  #evict(): void {
    for (;;) {
      if (this.#hand >= this.#rows.limit) this.#hand = 0
      const row = this.#hand++
      if (!this.#rows.isRow(row)) continue
      if ((this.#flags[row]! & used) !== 0) this.#flags[row]! &= ~used
      else {
        // Written again while it was flushed, it is dirty again.
        if ((this.#flags[row]! & dirty) !== 0) this.flush()
        else this.#forget(row)
        return
      }
    }
  }

  #forget(row: number): void {
    this.#options.budget.usedBytes -= this.#sizeOf(row)
    this.#orders?.get(this.#segmentOf(this.#keyOf(row)))?.delete(row)
    this.#rows.remove(row)
    this.#removals++
  }

  *#cachedIn(range: ByteRange): Iterable<number> {
    const orders = (this.#orders ??= this.#sortRows())
    for (const segment of this.#segmentsIn(range, orders)) {
      const order = orders.get(segment)!
      for (const row of range.reverse ? order.descending(range.from, range.to) : order.ascending(range.from, range.to)) {
        if (this.#isInTime(this.#keyOf(row), range)) yield row
      }
    }
  }

  #sortRows(): Map<number, OrderedRows> {
    const members = new Map<number, number[]>()
    for (let row = 0; row < this.#rows.limit; row++) {
      if (!this.#rows.isRow(row)) continue
      const segment = this.#segmentOf(this.#keyOf(row))
      const known = members.get(segment)
      if (known === undefined) members.set(segment, [row])
      else known.push(row)
    }
    return new Map([...members].map(([segment, rows]) => [segment, new OrderedRows(this.#rows, rows)]))
  }

  #orderOf(segment: number, orders: Map<number, OrderedRows>): OrderedRows {
    const known = orders.get(segment)
    if (known !== undefined) return known
    const order = new OrderedRows(this.#rows, [])
    orders.set(segment, order)
    return order
  }

  #segmentsIn({ fromTime, toTime, reverse }: ByteRange, orders: ReadonlyMap<number, OrderedRows>): readonly number[] {
    const { timed } = this.#options
    const sorted = [...orders.keys()].sort((a, b) => (reverse ? b - a : a - b))
    if (timed === undefined) return sorted
    const first = timed.segmentOf(fromTime ?? 0)
    const last = timed.segmentOf(toTime ?? Number.MAX_SAFE_INTEGER)
    return sorted.filter((segment) => segment >= first && segment <= last)
  }

  #cachedByTime(range: ByteRange, { byTime }: TimedRows): readonly number[] {
    const direction = range.reverse ? -1 : 1
    const rows = [...this.#cachedIn(range)].map((row) => ({ row, time: byTime(this.#keyOf(row)) }))
    return rows.sort((a, b) => direction * compareBytes(a.time, b.time)).map(({ row }) => row)
  }

  #isInTime(key: Uint8Array, { fromTime, toTime }: ByteRange): boolean {
    const time = this.#options.timed?.timeOf(key) ?? 0
    return time >= (fromTime ?? 0) && time <= (toTime ?? Number.MAX_SAFE_INTEGER)
  }

  #compare(key: Uint8Array, other: Uint8Array): number {
    return this.#segmentOf(key) - this.#segmentOf(other) || compareBytes(key, other)
  }

  #segmentOf(key: Uint8Array): number {
    const { timed } = this.#options
    return timed === undefined ? 0 : timed.segmentOf(timed.timeOf(key))
  }

  /** Good until the next row is asked for. */
  #keyOf(row: number): Uint8Array {
    const start = this.#rows.offset(row)
    return this.#rowKey.copy(this.#rows.page(row), start, start + this.#rows.keyLength(row))
  }

  #sizeOf(row: number): number {
    return this.#rows.keyLength(row) + Math.max(0, this.#rows.valueLength(row)) + bytesPerRowOverhead
  }
}

const dirty = 1
const used = 2
/** Table, flags, origin, and what of a block is left unused: an upper bound. */
const bytesPerRowOverhead = 120
