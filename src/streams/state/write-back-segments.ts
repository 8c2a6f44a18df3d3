import type { Serde } from '../../core/index.ts'
import type { ByteRows } from './byte-rows.ts'
import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { compareBytes, readInt64 } from './bytes.ts'
import type { CachingOptions } from './caching-byte-store.ts'
import type { FlushedRow } from './flushed-row.ts'
import type { WriteReporter } from './changelog-byte-store.ts'
import { FlushList } from './flush-list.ts'
import { MemoryByteStore } from './memory-byte-store.ts'
import { mergedScan } from './merged-scan.ts'
import type { UpperEntry } from './merged-scan.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import { nothing } from './segmented-byte-store.ts'
import type { Segment, SegmentedByteStore } from './segmented-byte-store.ts'
import type { TimedKeys } from './store-keys.ts'
import { WriteBackRows } from './write-back-rows.ts'

/**
 * Segments in memory with a write-back cache, as `WriteBackStore` is one over a single table: what is written changes the row in its segment at once,
 * and waits for a flush. To readers it is as a `CachingByteStore` in front of the same segments: time moves on with the flush, and what the store has given up
 * is seen as long as there is room.
 * ```
 *   late     table     rows that were out of retention when they were written: the flush puts them into the store as anyone would, which may refuse them
 * ```
 */
export class WriteBackSegments implements ByteStore {
  readonly #segments: SegmentedByteStore
  readonly #keys: TimedKeys
  readonly #keptBytes: number
  readonly #list: FlushList
  /** While its segment lives. */
  readonly #rowsOf = new WeakMap<Segment, WriteBackRows>()
  #late: WriteBackRows
  /** Where `findIn` came to last, and its segment (none: `late`). */
  #at: WriteBackRows
  #segment: Segment | null = null
  /** Times of which it is known that their rows are all in that segment: none while there are late ones. */
  #from = 0
  #end = 0
  #removals = 0
  readonly #key = new ScratchBytes()
  readonly #given = new ScratchBytes()

  constructor(segments: SegmentedByteStore, keys: TimedKeys, reporter: WriteReporter | null, options: CachingOptions) {
    this.#segments = segments
    this.#keys = keys
    this.#keptBytes = options.budget.maxBytes
    this.#list = new FlushList(reporter, options, { leaves: (owner, row) => this.#leaves(owner, row), ended: () => this.#flushed() })
    this.#at = this.#late = this.#noneLate()
  }

  onFlush(listener: (row: FlushedRow) => void, withOldValues: boolean): void {
    this.#list.onFlush(listener, withOldValues)
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#hasLate && this.#late.table.find(key) >= 0 ? this.#late.store.get(key) : this.#segments.get(key)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.#hasLate && this.#late.table.find(key) >= 0 ? this.#late.store.borrow(key) : this.#segments.borrow(key)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    this.putIn(this.#key, this.#key.take(key), this.#given, this.#given.take(value))
  }

  findIn(key: ScratchBytes, length: number): number {
    const time = this.#timeAt(key.room(length), length)
    if (time >= this.#from && time < this.#end) return this.#at.table.findIn(key, length)
    if (this.#hasLate) {
      const row = this.#late.table.findIn(key, length)
      if (row >= 0) {
        this.#turn(null, this.#late)
        return row
      }
    }
    const segment = this.#segments.segmentAt(time)
    if (segment === undefined) return -1
    this.#turnTo(segment, time)
    return this.#at.table.findIn(key, length)
  }

  /** Row numbers are those of the table that `findIn` came to: they are not good any more, too, when that is another one. */
  get removals(): number {
    return this.#removals
  }

  get table(): Pick<ByteRows, 'keyLength' | 'valueLength' | 'page' | 'view' | 'offset'> {
    return this.#at.table
  }

  read<V>(row: number, serde: Serde<V>): V | null {
    return this.#at.read(row, serde)
  }

  putIn(key: ScratchBytes, length: number, value: ScratchBytes, valueLength: number): void {
    const row = this.findIn(key, length)
    if (row >= 0) {
      this.replace(row, value, valueLength)
      return
    }
    const time = this.#timeAt(key.room(length), length)
    if (this.#comesLate(time)) {
      this.#addLate(key, length, value, valueLength)
      return
    }
    const segment = this.#segments.segmentFor(time)
    if (segment !== this.#segment) {
      this.#turnTo(segment, time)
      // A table adds what it was asked for last.
      this.#at.table.findIn(key, length)
    }
    if (valueLength >= 0) this.#noteInOrder(key.first(length), false)
    this.#at.add(key, length, value, valueLength)
  }

  replace(row: number, value: ScratchBytes, valueLength: number): void {
    const at = this.#at
    if (at !== this.#late) {
      if (!at.waits(row) && this.#comesLate(this.#timeOf(at, row))) {
        this.#addLate(this.#key, this.#key.take(at.table.key(row)), value, valueLength)
        return
      }
      if (valueLength < 0 !== at.table.valueLength(row) < 0) this.#noteInOrder(at.table.key(row), valueLength < 0)
    }
    at.replace(row, value, valueLength)
  }

  overwrites(row: number): boolean {
    return this.#at.overwrites(row)
  }

  /** Nothing: what the tables do not have is not there. */
  borrowInner(_key: Uint8Array): null {
    return null
  }

  scan(range: ByteRange): Iterable<ByteEntry> {
    const below = this.#segments.scan({ ...range, includesExpired: true })
    if (!this.#hasLate) return below
    const compare = range.byTime === true ? (a: Uint8Array, b: Uint8Array) => this.#compareTimes(a, b) : (a: Uint8Array, b: Uint8Array) => this.#compareSegments(a, b)
    const sign = range.reverse === true ? -1 : 1
    return mergedScan(this.#lateIn(range).sort((a, b) => sign * compare(a.key, b.key)), below, range.reverse === true, compare)
  }

  count(): number {
    let count = this.#segments.count()
    for (const { key, value } of this.#lateIn({})) count += Number(value !== null) - Number(this.#segments.borrow(key) !== null)
    return count
  }

  get hasUnflushed(): boolean {
    return this.#list.count > 0
  }

  flush(): void {
    this.#list.flush()
  }

  seal(): void {
    this.#segments.seal()
    this.#list.sealed()
  }

  commit(): void {
    if (!this.#segments.isSealed && this.hasUnflushed) this.seal()
    this.#segments.commit()
    this.#list.committed()
    this.#forgetPlace()
  }

  rollback(): void {
    this.#segments.rollback()
    this.#list.rolledBack()
    this.#forgetLate()
    this.#forgetPlace()
  }

  get #hasLate(): boolean {
    return this.#late.table.count > 0
  }

  /** By the time of those that were flushed, and of those that are before it in the next flush. */
  #comesLate(time: number): boolean {
    return time < this.#segments.firstNoticedTime
  }

  #addLate(key: ScratchBytes, length: number, value: ScratchBytes, valueLength: number): void {
    this.#turn(null, this.#late)
    this.#late.table.findIn(key, length)
    this.#late.add(key, length, value, valueLength)
  }

  #leaves(owner: WriteBackRows, row: number): void {
    if (owner.below === null) this.#segments.passBy(this.#timeOf(owner, row))
    else this.#segments.putRow(owner.table, row)
  }

  /** Where a flush has led to more, that is flushed later. */
  #flushed(): void {
    if (this.#late.store.heldBytes > this.#keptBytes && this.#list.count === 0) this.#forgetLate()
    this.#forgetPlace()
  }

  #forgetLate(): void {
    if (this.#hasLate) this.#late = this.#noneLate()
  }

  #noneLate(): WriteBackRows {
    return new WriteBackRows(new MemoryByteStore(), this.#list, (key) => this.#segments.getLive(key))
  }

  #turnTo(segment: Segment, time: number): void {
    let rows = this.#rowsOf.get(segment)
    if (rows === undefined) {
      rows = new WriteBackRows(segment.rows as MemoryByteStore, this.#list)
      this.#rowsOf.set(segment, rows)
    }
    this.#turn(segment, rows)
    if (this.#hasLate) return
    this.#from = this.#segments.segmentOf(time) * this.#segments.segmentMs
    this.#end = this.#from + this.#segments.segmentMs
  }

  #turn(segment: Segment | null, rows: WriteBackRows): void {
    if (rows !== this.#at) this.#removals++
    this.#at = rows
    this.#segment = segment
    this.#end = this.#from
  }

  #forgetPlace(): void {
    this.#turn(null, this.#late)
    this.#removals++
  }

  /** Where the segment has its rows in the order of time, too. */
  #noteInOrder(key: Uint8Array, isDeletion: boolean): void {
    this.#segment!.times?.put(this.#keys.byTime(key), isDeletion ? null : nothing)
  }

  #timeOf({ table }: WriteBackRows, row: number): number {
    return this.#timeAt(table.page(row), table.offset(row) + table.keyLength(row))
  }

  /** Of a key that ends there. */
  #timeAt(bytes: Uint8Array, end: number): number {
    return readInt64(bytes, end - this.#keys.suffixBytes)
  }

  /** Without a value: deleted. In the order of keys. */
  #lateIn({ from, to, fromTime = 0, toTime = Number.MAX_SAFE_INTEGER }: Omit<ByteRange, 'reverse'>): UpperEntry[] {
    const { store, table } = this.#late
    const entries: UpperEntry[] = []
    for (const row of store.rowsIn({ ...(from && { from }), ...(to && { to }) })) {
      const time = this.#timeOf(this.#late, row)
      if (time >= fromTime && time <= toTime) entries.push({ key: table.key(row), value: table.value(row) })
    }
    return entries
  }

  #compareTimes(key: Uint8Array, other: Uint8Array): number {
    return compareBytes(this.#keys.byTime(key), this.#keys.byTime(other))
  }

  #compareSegments(key: Uint8Array, other: Uint8Array): number {
    return this.#segments.segmentOf(this.#keys.timeOf(key)) - this.#segments.segmentOf(this.#keys.timeOf(other)) || compareBytes(key, other)
  }
}
