import { deserializeCopy } from '../../core/index.ts'
import type { KeysAhead, Serde } from '../../core/index.ts'
import { StreamRecord, noHeaders, noOrigin } from '../stream-record.ts'
import type { ByteRows } from './byte-rows.ts'
import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { copyInto } from './bytes.ts'
import type { CachingOptions, FlushedRow } from './caching-byte-store.ts'
import type { WriteReporter } from './changelog-byte-store.ts'
import type { MemoryByteStore } from './memory-byte-store.ts'
import { RowOrigins } from './row-origins.ts'
import { ScratchBytes } from './scratch-bytes.ts'

/**
 * A store in memory with a write-back cache that has no rows of its own. What is written changes the row of the store at once; what waits for a flush
 * (a commit, or the budget is used up) is what others see of it, the changelog and the operator that sends it on: only the last of several
 * updates of a key. To readers it is as a `CachingByteStore` in front of the same store; the budget counts rows that wait, since letting others go would free nothing.
 * ```
 *   flags    by row    1: it waits
 *   origins  by row    the record that wrote it last
 *   waiting  list      rows in the order in which they came, and what they were before (old values only where somebody wants them)
 * ```
 */
export class WriteBackStore implements ByteStore {
  readonly #store: MemoryByteStore
  readonly #table: ByteRows
  /** Of the changelog; null: there is none. */
  readonly #reporter: WriteReporter | null
  readonly #options: CachingOptions
  #flags = new Uint8Array(16)
  readonly #origins = new RowOrigins()
  #waiting = new WaitingRows()
  /** The list that is filled while the other one is flushed. */
  #spare = new WaitingRows()
  #flushing = false
  /** Those that waited when the store was sealed, or committed: where what a flush leads to comes back to its own store. */
  #sealedWaiting = noRows
  #committedWaiting = noRows
  #usedBytes = 0
  #removals = 0
  readonly #asked = new ScratchBytes()
  readonly #flushed: { -readonly [Part in keyof FlushedRow]: FlushedRow[Part] }
  #onFlush: { readonly listener: (row: FlushedRow) => void; readonly withOldValues: boolean } | null = null

  constructor(store: MemoryByteStore, reporter: WriteReporter | null, options: CachingOptions) {
    this.#store = store
    this.#table = store.table
    this.#reporter = reporter
    this.#options = options
    this.#flushed = { table: store.table, row: -1, oldValue: null, record: new StreamRecord(null, null, -1, noHeaders, noOrigin) }
  }

  onFlush(listener: (row: FlushedRow) => void, withOldValues: boolean): void {
    this.#onFlush = { listener, withOldValues }
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#store.get(key)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.#store.borrow(key)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    copyInto(this.#asked.room(key.length), 0, key, 0, key.length)
    this.putIn(this.#asked, key.length, value)
  }

  findIn(key: ScratchBytes, length: number): number {
    return this.#table.findIn(key, length)
  }

  get removals(): number {
    return this.#removals
  }

  get table(): Pick<ByteRows, 'keyLength' | 'valueLength' | 'page' | 'offset'> {
    return this.#table
  }

  read<V>(row: number, serde: Serde<V>): V | null {
    const table = this.#table
    const length = table.valueLength(row)
    if (length < 0) return null
    const start = table.offset(row) + table.keyLength(row)
    return deserializeCopy(serde, table.page(row), start, start + length)
  }

  putIn(key: ScratchBytes, length: number, value: Uint8Array | null): void {
    const row = this.#table.findIn(key, length)
    if (row >= 0) this.replace(row, value)
    else this.#written(this.#store.addIn(key, length, value), -1)
  }

  replace(row: number, value: Uint8Array | null): void {
    const before = this.#table.valueLength(row)
    if (this.#waits(row)) this.#count((value?.length ?? 0) - Math.max(0, before))
    else if (before >= 0 && this.#onFlush?.withOldValues === true) this.#waiting.keepValue(this.#table, row)
    this.#store.replace(row, value)
    this.#written(row, before)
  }

  overwrites(row: number): boolean {
    if (!this.#waits(row) || this.#mustFlush) return false
    this.#store.touch(row)
    this.#options.noteOrigin(this.#origins, row)
    return true
  }

  /** Nothing: what the table does not have is not there. */
  borrowInner(_key: Uint8Array): null {
    return null
  }

  scan(range: ByteRange): Iterable<ByteEntry> {
    return this.#store.scan(range)
  }

  lookAhead(keys: KeysAhead): void {
    this.#table.lookAhead(keys)
  }

  count(): number {
    return this.#store.count()
  }

  get hasUnflushed(): boolean {
    return this.#waiting.count > 0
  }

  flush(): void {
    // What this leads to may write here again, which is for the next time.
    if (this.#flushing || this.#waiting.count === 0) return
    const rows = this.#waiting
    const { currentRecord, enter } = this.#options
    const before = currentRecord()
    this.#waiting = this.#spare
    this.#flushing = true
    try {
      for (let index = 0; index < rows.count; index++) {
        const row = rows.row(index)
        this.#flags[row] = 0
        this.#count(-this.#sizeOf(row))
        const record = this.#origins.get(row)
        enter(record)
        this.#flushRow(row, record, rows, index)
      }
    } finally {
      rows.clear()
      this.#spare = rows
      this.#flushing = false
      enter(before)
    }
  }

  /** As of the store. */
  seal(): void {
    this.#store.seal()
    this.#sealedWaiting = this.#waiting.rows()
    for (const row of this.#sealedWaiting) this.#store.touch(row)
  }

  commit(): void {
    if (!this.#store.isSealed && this.hasUnflushed) this.seal()
    this.#store.commit()
    this.#committedWaiting = this.#sealedWaiting
    this.#sealedWaiting = noRows
    this.#removals++
  }

  rollback(): void {
    this.#waiting.clear()
    this.#flags.fill(0)
    this.#count(-this.#usedBytes)
    this.#store.rollback()
    this.#sealedWaiting = noRows
    for (const row of this.#committedWaiting) if (this.#table.isRow(row)) this.#wait(row, this.#table.valueLength(row))
    this.#removals++
  }

  /** `before`: the length of its value until now; below 0: it had none. */
  #written(row: number, before: number): void {
    this.#options.noteOrigin(this.#origins, row)
    if (!this.#waits(row)) this.#wait(row, before)
    if (this.#mustFlush) this.flush()
  }

  get #mustFlush(): boolean {
    return !this.#flushing && this.#options.budget.exceeded
  }

  #waits(row: number): boolean {
    return row < this.#flags.length && this.#flags[row] === 1
  }

  #wait(row: number, before: number): void {
    if (row >= this.#flags.length) {
      const larger = new Uint8Array(2 * row)
      larger.set(this.#flags)
      this.#flags = larger
    }
    this.#flags[row] = 1
    this.#waiting.add(row, before)
    this.#count(this.#sizeOf(row))
  }

  #flushRow(row: number, record: StreamRecord, rows: WaitingRows, index: number): void {
    // A row that was written and deleted between two flushes never existed for anyone else.
    if (this.#onFlush !== null && this.#table.valueLength(row) < 0 && !rows.hadValue(index)) return
    this.#reporter?.putRow(this.#table, row)
    if (this.#onFlush === null) return
    const flushed = this.#flushed
    flushed.row = row
    flushed.oldValue = this.#onFlush.withOldValues ? rows.oldValue(index) : null
    flushed.record = record
    this.#onFlush.listener(flushed)
  }

  #count(bytes: number): void {
    this.#usedBytes += bytes
    this.#options.budget.usedBytes += bytes
  }

  #sizeOf(row: number): number {
    return this.#table.keyLength(row) + Math.max(0, this.#table.valueLength(row)) + bytesPerRowOverhead
  }
}

/** Rows that wait for a flush, with what they were before: numbers and bytes, so that there is no object for each. */
class WaitingRows {
  #rows = new Int32Array(16)
  /** Lengths of values; below 0: there was none. */
  #lengths = new Int32Array(16)
  /** Old values, one after the other, where they are kept: `#ends` has where that of a row ends. */
  #ends = new Int32Array(16)
  #values = new Uint8Array(64)
  #valuesEnd = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  row(index: number): number {
    return this.#rows[index]!
  }

  /** A copy. */
  rows(): readonly number[] {
    return this.#count === 0 ? noRows : [...this.#rows.subarray(0, this.#count)]
  }

  hadValue(index: number): boolean {
    return this.#lengths[index]! >= 0
  }

  /** A copy; null where there was none. Only of rows of which `keepValue` was called. */
  oldValue(index: number): Uint8Array | null {
    const length = this.#lengths[index]!
    return length < 0 ? null : this.#values.slice(this.#ends[index]! - length, this.#ends[index])
  }

  /** Of a row that has a value and is added next. */
  keepValue(table: ByteRows, row: number): void {
    const length = table.valueLength(row)
    if (this.#valuesEnd + length > this.#values.length) {
      const larger = new Uint8Array(Math.max(this.#valuesEnd + length, 2 * this.#values.length))
      larger.set(this.#values)
      this.#values = larger
    }
    const at = table.offset(row) + table.keyLength(row)
    copyInto(this.#values, this.#valuesEnd, table.page(row), at, at + length)
    this.#valuesEnd += length
  }

  /** `length`: of the value that it had. */
  add(row: number, length: number): void {
    const index = this.#count++
    if (index === this.#rows.length) {
      this.#rows = enlarged(this.#rows)
      this.#lengths = enlarged(this.#lengths)
      this.#ends = enlarged(this.#ends)
    }
    this.#rows[index] = row
    this.#lengths[index] = length
    this.#ends[index] = this.#valuesEnd
  }

  clear(): void {
    this.#count = 0
    this.#valuesEnd = 0
    // Many old values at one time are not held for ever.
    if (this.#values.length > keptBytes) this.#values = new Uint8Array(keptBytes)
  }
}

const noRows: readonly number[] = []
/** As in a cache with rows of its own. */
const bytesPerRowOverhead = 120
const keptBytes = 1 << 20

function enlarged(numbers: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * numbers.length)
  larger.set(numbers)
  return larger
}
