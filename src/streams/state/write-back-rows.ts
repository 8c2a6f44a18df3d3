import { deserializeCopy } from '../../core/index.ts'
import type { Serde } from '../../core/index.ts'
import type { ByteRows } from './byte-rows.ts'
import type { CachingOptions } from './caching-byte-store.ts'
import type { FlushList } from './flush-list.ts'
import type { MemoryByteStore } from './memory-byte-store.ts'
import { RowOrigins } from './row-origins.ts'
import type { ScratchBytes } from './scratch-bytes.ts'

/**
 * The rows of a table in memory that are written back: a write changes the row where it lies, at once, and the row waits in a flush list.
 * ```
 *   flags    by row    1: it waits
 *   origins  by row    the record that wrote it last
 * ```
 */
export class WriteBackRows {
  readonly store: MemoryByteStore
  readonly table: ByteRows
  readonly origins = new RowOrigins()
  /** What the store has that a flush puts the rows into, if it takes them; null: they are where they belong. */
  readonly below: ((key: Uint8Array) => Uint8Array | null) | null
  readonly #list: FlushList
  readonly #noteOrigin: CachingOptions['noteOrigin']
  #flags = new Uint8Array(16)

  constructor(store: MemoryByteStore, list: FlushList, below: WriteBackRows['below'] = null) {
    this.store = store
    this.table = store.table
    this.below = below
    this.#list = list
    this.#noteOrigin = list.noteOrigin
  }

  waits(row: number): boolean {
    return row < this.#flags.length && this.#flags[row] === 1
  }

  /** The value of a row; null where it has none. */
  read<V>(row: number, serde: Serde<V>): V | null {
    const { table } = this
    const length = table.valueLength(row)
    if (length < 0) return null
    const start = table.offset(row) + table.keyLength(row)
    return deserializeCopy(serde, table.page(row), start, start + length)
  }

  /** Of a key that was just not found. */
  add(key: ScratchBytes, length: number, value: ScratchBytes, valueLength: number): void {
    this.#written(this.store.addIn(key, length, value, valueLength), -1)
  }

  replace(row: number, value: ScratchBytes, valueLength: number): void {
    const before = this.table.valueLength(row)
    if (this.waits(row)) this.#list.use(Math.max(0, valueLength) - Math.max(0, before))
    else if (before >= 0) this.#list.keepValue(this, row)
    this.store.replaceBy(row, value, valueLength)
    this.#written(row, before)
  }

  /** A row that waits counts as changed in the table since the last commit, or seal. */
  overwrites(row: number): boolean {
    if (!this.waits(row) || this.#list.mustFlush) return false
    this.#noteOrigin(this.origins, row)
    this.table.overwritten()
    return true
  }

  /** A row with a value is written over where it lies, and waits from now on: `replace` but for the bytes. False, and nothing is done: a flush would follow. */
  waitsFromNow(row: number): boolean {
    if (!this.#list.hasRoom(this.sizeOf(row))) return false
    this.#list.keepValue(this, row)
    this.store.touch(row)
    this.origins.makeRoom(row)
    this.#wait(row, this.table.valueLength(row))
    return true
  }

  get mustFlush(): boolean {
    return this.#list.mustFlush
  }

  /** The row waits no longer. */
  leave(row: number): void {
    this.#flags[row] = 0
  }

  /** A row that waited at the commit to which the store went back. */
  waitAgain(row: number): void {
    if (!this.table.isRow(row)) return
    this.store.touch(row)
    this.#wait(row, this.table.valueLength(row))
  }

  /** What the row counts in the budget. */
  sizeOf(row: number): number {
    return this.table.keyLength(row) + Math.max(0, this.table.valueLength(row)) + bytesPerRowOverhead
  }

  /** `before`: the length of its value until now; below 0: it had none. */
  #written(row: number, before: number): void {
    this.#noteOrigin(this.origins, row)
    if (!this.waits(row)) this.#wait(row, before)
    if (this.#list.mustFlush) this.#list.flush()
  }

  #wait(row: number, before: number): void {
    if (row >= this.#flags.length) {
      const larger = new Uint8Array(2 * row)
      larger.set(this.#flags)
      this.#flags = larger
    }
    this.#flags[row] = 1
    this.#list.add(this, row, before)
  }
}

/** As in a cache with rows of its own. */
const bytesPerRowOverhead = 120
