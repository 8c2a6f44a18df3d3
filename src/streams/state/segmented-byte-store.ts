import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import type { ByteRows } from './byte-rows.ts'
import { beginsWith, readInt64 } from './bytes.ts'
import { putRowTo } from './changelog-byte-store.ts'
import { DuplicateRows } from './duplicate-rows.ts'
import { LmdbByteStore } from './lmdb-byte-store.ts'
import { MemoryByteStore } from './memory-byte-store.ts'
import { timeBound } from './store-keys.ts'
import type { TimedKeys } from './store-keys.ts'
import type { ScratchBytes } from './scratch-bytes.ts'
import type { WindowCursor } from './window-cursor.ts'

export interface SegmentedOptions {
  readonly keys: TimedKeys
  readonly retentionMs: number
  /** Time that one segment spans. Whole segments are dropped, so expiry costs nothing per row. */
  readonly segmentMs: number
  /** What is written too late: `row`: everything out of retention; `segment`: only what falls into a segment that is gone. */
  readonly refuses: 'row' | 'segment'
  /** Keeps a second order, by time, from the first row on; otherwise it is made by the first scan that needs it. */
  readonly byTime: boolean
  /** Keys are those of windows of which there may be many of one key and start. */
  readonly duplicates: boolean
  /** So many bytes of segments that are gone stay to be looked at, as they would in a cache; with more, all of them go. Only where rows are in memory. */
  readonly keptBytes: number
  /** A row was refused. */
  readonly onExpired: () => void
  /** Absent: rows are in memory. */
  readonly disk?: SegmentsOnDisk
}

type RowsInMemory = MemoryByteStore | DuplicateRows
type Rows = RowsInMemory | LmdbByteStore

/** Where segments are that outlive the process, and how far time had come. */
export interface SegmentsOnDisk {
  open(segment: number): LmdbByteStore
  /** For the keys of the segment in the order of time. */
  openOrder(segment: number): LmdbByteStore
  readonly existing: readonly number[]
  readonly observedTime: number
  setObservedTime(time: number): void
}

export interface Segment {
  readonly rows: Rows
  times: Rows | null
}

/** What the next commit is about, when more has been changed since. */
interface Sealed {
  readonly tables: readonly RowsInMemory[]
  readonly observedTime: number
  /** As `#dropped`. */
  readonly dropped: ReadonlyMap<number, Segment>
}

/**
 * Rows whose keys hold a time, cut into segments of time. A row is visible while its time is later than the largest time
 * ever put minus the retention (strictly, at once for all scans); segments wholly before that are dropped.
 */
export class SegmentedByteStore implements ByteStore {
  readonly #options: SegmentedOptions
  readonly #segments = new Map<number, Segment>()
  /** Segments dropped since the last commit, for a rollback. */
  #dropped = new Map<number, Segment>()
  #sealed: Sealed | null = null
  #observedTime = -1
  #committedTime = -1
  /** Largest time of what a cache in front has; -1: there is none. */
  #noticedTime = -1

  constructor(options: SegmentedOptions) {
    this.#options = options
    const { disk } = options
    if (disk === undefined) return
    this.#observedTime = disk.observedTime
    this.#committedTime = disk.observedTime
    for (const id of disk.existing) this.#segments.set(id, this.#open(id))
  }

  get segmentMs(): number {
    return this.#options.segmentMs
  }

  get isInMemory(): boolean {
    return this.#options.disk === undefined
  }

  /** True: `addDuplicate` and `walk` may be used. */
  get hasDuplicatesInMemory(): boolean {
    return this.#options.duplicates && this.isInMemory
  }

  /** The oldest time that is in retention. */
  get firstVisibleTime(): number {
    return this.#observedTime - this.#options.retentionMs + 1
  }

  /** As `firstVisibleTime`, with what is still in the cache. */
  get firstNoticedTime(): number {
    return Math.max(this.#observedTime, this.#noticedTime) - this.#options.retentionMs + 1
  }

  /** Also a row out of retention that is still there: what it may be used for, the caller knows. */
  get(key: Uint8Array): Uint8Array | null {
    return this.#segments.get(this.segmentOf(this.#options.keys.timeOf(key)))?.rows.get(key) ?? null
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.#segments.get(this.segmentOf(this.#options.keys.timeOf(key)))?.rows.borrow(key) ?? null
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    const { keys } = this.#options
    const segment = this.#segmentToPut(keys.timeOf(key))
    if (segment === null) return
    segment.rows.put(key, value)
    segment.times?.put(keys.byTime(key), value === null ? null : nothing)
  }

  putRow(table: ByteRows, row: number): void {
    const { keys } = this.#options
    const segment = this.#segmentToPut(readInt64(table.page(row), table.offset(row) + table.keyLength(row) - keys.suffixBytes))
    if (segment === null) return
    const { rows, times } = segment
    putRowTo(rows, table, row)
    times?.put(keys.byTime(table.key(row)), table.valueLength(row) < 0 ? null : nothing)
  }

  /** null: it comes too late. */
  #segmentToPut(time: number): Segment | null {
    this.#observe(time)
    if (!this.#isRefused(time)) return this.#segmentOfId(this.segmentOf(time))
    this.#options.onExpired()
    return null
  }

  /** As `put`, of a row among duplicates in memory, which was written as `DuplicateRows.add` takes it. */
  addDuplicate(written: ScratchBytes, keyLength: number, start: number, number: number, valueLength: number): void {
    const segment = this.#segmentToPut(start)
    if (segment === null) return
    if (segment.rows instanceof DuplicateRows) segment.rows.add(written, keyLength, start, number, valueLength)
    segment.times?.put(this.#options.keys.byTime(written.first(keyLength + this.#options.keys.suffixBytes)), nothing)
  }

  /** As `get`, but not of segments that are gone. */
  getLive(key: Uint8Array): Uint8Array | null {
    return this.segmentOf(this.#options.keys.timeOf(key)) < this.#firstLive ? null : this.get(key)
  }

  /** For who keeps rows in their segments himself (in memory, no duplicates): the one of that time; undefined: there is none. */
  segmentAt(time: number): Segment | undefined {
    return this.#segments.get(this.segmentOf(time))
  }

  /** As `segmentAt`; it is made where there is none. */
  segmentFor(time: number): Segment {
    return this.#segmentOfId(this.segmentOf(time))
  }

  /** A row of that time that is not put here moves time all the same, and counts when it comes too late. */
  passBy(time: number): void {
    this.#observe(time)
    if (this.#isRefused(time)) this.#options.onExpired()
  }

  /** Segment by segment, in each by key, unless asked for the order of time. */
  *scan(range: ByteRange): Iterable<ByteEntry> {
    const fromTime = Math.max(range.fromTime ?? 0, range.includesExpired ? 0 : this.firstVisibleTime)
    const toTime = range.toTime ?? Number.MAX_SAFE_INTEGER
    if (range.byTime === true) {
      yield* this.scanByTime(fromTime, toTime, range.reverse)
      return
    }
    for (const segment of this.#between(fromTime, toTime, range.reverse ?? false)) {
      for (const entry of segment.rows.scan(range)) {
        const time = this.#options.keys.timeOf(entry.key)
        if (time >= fromTime && time <= toTime) yield entry
      }
    }
  }

  /** The visible rows of one key with a time from `fromTime` to `toTime`, inclusive: what a scan gives, by a look-up. Only where rows are in memory. */
  *scanKey(base: Uint8Array, fromTime: number, toTime: number, reverse: boolean): Iterable<ByteEntry> {
    const { keys } = this.#options
    const from = Math.max(fromTime, this.firstVisibleTime)
    for (const { rows } of this.#between(from, toTime, reverse)) {
      if (rows instanceof LmdbByteStore) continue
      const found = rows instanceof DuplicateRows ? rows.rowsOf(base) : rows.rowsOf(base, keys.suffixBytes)
      for (let index = 0; index < found.length; index++) {
        const entry = rows.entryAt(found[reverse ? found.length - 1 - index : index]!)
        if (entry === null) continue
        const time = keys.timeOf(entry.key)
        // Who takes one entry now and one after a commit may meet the row of another key.
        if (time >= from && time <= toTime && beginsWith(entry.key, base, keys.suffixBytes)) yield entry
      }
    }
  }

  /** Adds to the walk the visible rows of the cursor's key with a time from `fromTime` to `toTime`, the oldest first. Only of duplicates in memory. */
  walk<V>(cursor: WindowCursor<V>, keyLength: number, fromTime: number, toTime: number): void {
    const from = Math.max(fromTime, this.firstVisibleTime)
    const first = this.segmentOf(from)
    const last = this.segmentOf(toTime)
    if (last - first <= this.#segments.size) for (let id = first; id <= last; id++) walkSegment(this.#segments.get(id), cursor, keyLength, from, toTime)
    else for (const segment of this.#between(from, toTime, false)) walkSegment(segment, cursor, keyLength, from, toTime)
  }

  /** All rows with a time from `fromTime` to `toTime`, inclusive, in the order of time and then of key; also those out of retention that are still there. */
  *scanByTime(fromTime: number, toTime: number, reverse = false): Iterable<ByteEntry> {
    const bounds = { from: timeBound(Math.max(0, fromTime)), to: timeBound(Math.min(toTime, Number.MAX_SAFE_INTEGER - 1) + 1), reverse }
    for (const segment of this.#between(fromTime, toTime, reverse)) {
      for (const { key: timeKey } of (segment.times ??= this.#timesOf(segment)).scan(bounds)) {
        const key = this.#options.keys.fromByTime(timeKey)
        const value = segment.rows.get(key)
        if (value !== null) yield { key, value }
      }
    }
  }

  #timesOf({ rows }: Segment): MemoryByteStore {
    const times = new MemoryByteStore()
    for (const { key } of rows.scan({})) times.put(this.#options.keys.byTime(key), nothing)
    times.commit()
    return times
  }

  count(): number {
    let count = 0
    for (const segment of this.#segments.values()) count += segment.rows.count()
    return count
  }

  /** True: the next commit is about what was sealed. */
  get isSealed(): boolean {
    return this.#sealed !== null
  }

  /** What changes from now on is not for the next commit, but for the one after it. Only where rows are in memory. */
  seal(): void {
    const tables: RowsInMemory[] = []
    this.#eachSegment((table) => tables.push(table as RowsInMemory))
    for (const table of tables) table.seal()
    this.#sealed = { tables, observedTime: this.#observedTime, dropped: this.#dropped }
    this.#dropped = new Map()
  }

  commit(): void {
    if (this.#sealed !== null) {
      for (const table of this.#sealed.tables) table.commit()
      this.#committedTime = this.#sealed.observedTime
      this.#sealed = null
      return
    }
    for (const segment of this.#dropped.values()) wipe(segment)
    this.#dropped.clear()
    if (this.#committedTime !== this.#observedTime) this.#options.disk?.setObservedTime(this.#observedTime)
    this.#committedTime = this.#observedTime
    this.#eachSegment((segment) => segment.commit())
  }

  rollback(): void {
    for (const [id, segment] of [...this.#dropped, ...(this.#sealed?.dropped ?? [])]) this.#segments.set(id, segment)
    this.#dropped.clear()
    this.#sealed = null
    this.#observedTime = this.#committedTime
    this.#noticedTime = -1
    this.#eachSegment((rows) => rows.rollback())
    // An order that was made since the last commit does not know the rows that are back.
    if (!this.#options.byTime) for (const segment of this.#segments.values()) segment.times = null
  }

  /** Forgets everything, at once and for ever. */
  wipe(): void {
    for (const segment of [...this.#segments.values(), ...this.#dropped.values()]) wipe(segment)
    this.#segments.clear()
    this.#dropped.clear()
    this.#sealed = null
    this.#observedTime = -1
    this.#committedTime = -1
    this.#noticedTime = -1
    this.#options.disk?.setObservedTime(-1)
  }

  /** A cache has a row of that time, and will bring it: by then what is too old will be gone. */
  notice(time: number): void {
    if (time > this.#noticedTime) this.#noticedTime = time
  }

  #observe(time: number): void {
    if (time <= this.#observedTime) return
    const firstBefore = this.#firstLive
    this.#observedTime = time
    if (this.#firstLive !== firstBefore) this.#drop()
  }

  #drop(): void {
    const gone = [...this.#segments].filter(([id]) => id < this.#firstLive)
    const bytes = this.#options.keptBytes > 0 ? sum(gone, ([, { rows }]) => (rows instanceof MemoryByteStore ? rows.heldBytes : 0)) : 1
    if (bytes <= this.#options.keptBytes) return
    for (const [id, segment] of gone) {
      this.#segments.delete(id)
      this.#dropped.set(id, segment)
    }
  }

  /** Segments before it are gone. */
  get #firstLive(): number {
    return this.segmentOf(this.#observedTime - this.#options.retentionMs)
  }

  /** Rows of that time are gone for good, or would be without a cache. */
  isGone(time: number): boolean {
    return this.segmentOf(time) < this.segmentOf(Math.max(this.#observedTime, this.#noticedTime) - this.#options.retentionMs)
  }

  #isRefused(time: number): boolean {
    const horizon = this.#observedTime - this.#options.retentionMs
    return this.#options.refuses === 'row' ? time <= horizon : this.segmentOf(time) < this.segmentOf(horizon)
  }

  segmentOf(time: number): number {
    return Math.floor(time / this.#options.segmentMs)
  }

  #segmentOfId(id: number): Segment {
    const known = this.#segments.get(id)
    if (known !== undefined) return known
    const segment = this.#open(id)
    this.#segments.set(id, segment)
    return segment
  }

  #open(id: number): Segment {
    const { disk, byTime, duplicates } = this.#options
    return { rows: disk?.open(id) ?? (duplicates ? new DuplicateRows() : new MemoryByteStore()), times: byTime ? (disk?.openOrder(id) ?? new MemoryByteStore()) : null }
  }

  #between(fromTime: number, toTime: number, reverse: boolean): readonly Segment[] {
    const first = this.segmentOf(fromTime)
    const last = this.segmentOf(toTime)
    if (first === last) {
      const only = this.#segments.get(first)
      return only === undefined ? [] : [only]
    }
    const ids = [...this.#segments.keys()].filter((id) => id >= first && id <= last).sort((a, b) => (reverse ? b - a : a - b))
    return ids.map((id) => this.#segments.get(id)!)
  }

  #eachSegment(visit: (store: Rows) => void): void {
    for (const { rows, times } of this.#segments.values()) {
      visit(rows)
      if (times !== null) visit(times)
    }
  }
}

function walkSegment<V>(segment: Segment | undefined, cursor: WindowCursor<V>, keyLength: number, from: number, to: number): void {
  if (segment !== undefined && segment.rows instanceof DuplicateRows) cursor.add(segment.rows, keyLength, from, to)
}

function sum<T>(items: readonly T[], numberOf: (item: T) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0)
}

function wipe({ rows, times }: Segment): void {
  for (const table of [rows, times]) if (table instanceof LmdbByteStore) table.wipe()
}

/** Value of the rows in the order of time. */
export const nothing: Uint8Array = new Uint8Array(0)
