import type { KeysAhead, Serde } from '../../core/index.ts'
import type { ByteRows, RowsAhead } from './byte-rows.ts'
import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import type { CachingOptions } from './caching-byte-store.ts'
import type { FlushedRow } from './flushed-row.ts'
import type { WriteReporter } from './changelog-byte-store.ts'
import { FlushList } from './flush-list.ts'
import type { MemoryByteStore } from './memory-byte-store.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import { WriteBackRows } from './write-back-rows.ts'

/**
 * A store in memory with a write-back cache that has no rows of its own: what is written changes the row of the store at once, and waits for a flush.
 * To readers it is as a `CachingByteStore` in front of the same store.
 */
export class WriteBackStore implements ByteStore {
  readonly #store: MemoryByteStore
  readonly #table: ByteRows
  readonly #list: FlushList
  readonly #rows: WriteBackRows
  #removals = 0
  readonly #asked = new ScratchBytes()
  readonly #given = new ScratchBytes()

  constructor(store: MemoryByteStore, reporter: WriteReporter | null, options: CachingOptions) {
    this.#store = store
    this.#table = store.table
    this.#list = new FlushList(reporter, options)
    this.#rows = new WriteBackRows(store, this.#list)
  }

  onFlush(listener: (row: FlushedRow) => void, withOldValues: boolean, ahead?: (rows: RowsAhead) => void): void {
    this.#list.onFlush(listener, withOldValues, ahead)
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#store.get(key)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.#store.borrow(key)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    this.putIn(this.#asked, this.#asked.take(key), this.#given, this.#given.take(value))
  }

  findIn(key: ScratchBytes, length: number): number {
    return this.#table.findIn(key, length)
  }

  get removals(): number {
    return this.#removals
  }

  get table(): ByteRows {
    return this.#table
  }

  read<V>(row: number, serde: Serde<V>): V | null {
    return this.#rows.read(row, serde)
  }

  putIn(key: ScratchBytes, length: number, value: ScratchBytes, valueLength: number): void {
    const row = this.#table.findIn(key, length)
    if (row >= 0) this.#rows.replace(row, value, valueLength)
    else this.#rows.add(key, length, value, valueLength)
  }

  replace(row: number, value: ScratchBytes, valueLength: number): void {
    this.#rows.replace(row, value, valueLength)
  }

  overwrites(row: number): boolean {
    return this.#rows.overwrites(row)
  }

  get rows(): WriteBackRows {
    return this.#rows
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
    return this.#list.count > 0
  }

  flush(): void {
    this.#list.flush()
  }

  /** As of the store. */
  seal(): void {
    this.#store.seal()
    this.#list.sealed()
  }

  commit(): void {
    if (!this.#store.isSealed && this.hasUnflushed) this.seal()
    this.#store.commit()
    this.#list.committed()
    this.#removals++
  }

  rollback(): void {
    this.#store.rollback()
    this.#list.rolledBack()
    this.#removals++
  }
}
