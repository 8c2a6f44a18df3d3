import { deserializeCopy } from '../../core/index.ts'
import type { Serde } from '../../core/index.ts'
import type { RowsAhead } from './byte-rows.ts'
import type { ByteStore } from './byte-store.ts'
import type { FlushedRow } from './flushed-row.ts'
import { rowCacheOf } from './row-cache.ts'
import type { RowCache } from './row-cache.ts'
import { RowValues } from './row-values.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import { WriteBackStore } from './write-back-store.ts'

/**
 * One row of a byte store at a time, by the key that its owner writes to `key`. Where there is a cache, a row that was read is
 * replaced without being looked for again, and decoded where it lies.
 */
export class KeyedRows<V> {
  readonly key = new ScratchBytes()
  readonly #value = new ScratchBytes()
  readonly #bytes: ByteStore
  readonly #cache: RowCache | null
  readonly #valueSerde: Serde<V>
  /** Of rows that another table asks for. */
  readonly #values = new RowValues()
  /** Where the cache has the row of the key; -1: it is not known. */
  #row = -1
  /** Of the cache, when that was found out. */
  #removals = -1

  constructor(bytes: ByteStore, valueSerde: Serde<V>) {
    this.#bytes = bytes
    this.#cache = rowCacheOf(bytes)
    this.#valueSerde = valueSerde
  }

  /** Another key is being written. */
  keyChanges(): void {
    this.#row = -1
  }

  /** `length`: of the key. What is given is the caller's own, also where a serde keeps the bytes that it reads. */
  get(length: number): V | null {
    const cache = this.#cache
    if (cache !== null) {
      const row = this.#isKnown(cache) ? this.#row : cache.findIn(this.key, length)
      this.#row = row
      this.#removals = cache.removals
      if (row >= 0) return cache.read(row, this.#valueSerde)
    }
    const value = cache === null ? this.#bytes.borrow(this.key.first(length)) : cache.borrowInner(this.key.first(length))
    return value === null ? null : deserializeCopy(this.#valueSerde, value, 0, value.length)
  }

  /** As `get`, of the key of a row of another table: a table in memory knows its hash, and copies nothing. */
  getOfRow({ table, row }: FlushedRow): V | null {
    this.keyChanges()
    if (this.#bytes instanceof WriteBackStore) {
      const found = this.#bytes.table.findOf(table, row)
      return found < 0 || this.#bytes.table.valueLength(found) < 0 ? null : this.#values.read(this.#valueSerde, this.#bytes.table, found, 0)
    }
    const at = table.offset(row)
    this.key.copy(table.page(row), at, at + table.keyLength(row))
    return this.get(table.keyLength(row))
  }

  /** A hint that `getOfRow` comes for these rows. */
  lookAheadOf(rows: RowsAhead): void {
    if (this.#bytes instanceof WriteBackStore) this.#bytes.table.lookAheadOf(rows)
  }

  /** null deletes. */
  put(length: number, value: V | null): void {
    const cache = this.#cache
    if (cache === null) {
      this.#bytes.put(this.key.first(length), value === null ? null : this.#valueSerde.serialize(value))
      return
    }
    const valueLength = value === null ? -1 : this.#value.write(this.#valueSerde, value, 0)
    if (this.#isKnown(cache)) cache.replace(this.#row, this.#value, valueLength)
    else cache.putIn(this.key, length, this.#value, valueLength)
  }

  #isKnown(cache: RowCache): boolean {
    return this.#row >= 0 && this.#removals === cache.removals
  }
}
