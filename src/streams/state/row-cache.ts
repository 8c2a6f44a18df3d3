import type { Serde } from '../../core/index.ts'
import type { ByteRows, RowsAhead } from './byte-rows.ts'
import type { ByteStore } from './byte-store.ts'
import { CachingByteStore } from './caching-byte-store.ts'
import type { FlushedRow } from './flushed-row.ts'
import type { ScratchBytes } from './scratch-bytes.ts'
import { WriteBackSegments } from './write-back-segments.ts'
import { WriteBackStore } from './write-back-store.ts'

/** A write-back cache as those see it who read a row and write it again: by the number of the row, without looking for it twice. */
export interface RowCache {
  /** The row of a key that was written to `key`: its number is good until `removals` is another one. -1: it is not here, and `borrowInner` knows of the rest. */
  findIn(key: ScratchBytes, length: number): number
  /** Counts up whenever numbers of rows that were found may be others': as rows leave, or where `findIn` turned to another table. */
  readonly removals: number
  /** For rows from `findIn`, to be read where they lie. */
  readonly table: Pick<ByteRows, 'keyLength' | 'valueLength' | 'page' | 'view' | 'offset'>
  /** The value of a row; null where it has none. */
  read<V>(row: number, serde: Serde<V>): V | null
  /**
   * True: the value of the row, which waits for a flush anyway, may be written over where it lies, by as many bytes; it counts as written by the current record.
   * That is `replace` where nothing but the bytes changes.
   */
  overwrites(row: number): boolean
  /** As `put`, of the key of a row, and the first `valueLength` bytes of `value`; below 0: null. */
  replace(row: number, value: ScratchBytes, valueLength: number): void
  /** As `replace`, of a key that was written to `key`. */
  putIn(key: ScratchBytes, length: number, value: ScratchBytes, valueLength: number): void
  /** As `borrow`, of a key for which `findIn` has found nothing. */
  borrowInner(key: Uint8Array): Uint8Array | null
  /**
   * The operator that owns the store sends flushed rows on. With `withOldValues` they come with what they were before. `ahead`: hears of a group of rows before
   * the first of them is flushed, if the cache knows of that.
   */
  onFlush(listener: (row: FlushedRow) => void, withOldValues: boolean, ahead?: (rows: RowsAhead) => void): void
  /** True: there is something for a flush. */
  readonly hasUnflushed: boolean
  /** Logs and sends on what was written since the last time. Called before a commit; may lead to more processing. */
  flush(): void
}

/** The cache in front of a store; null: there is none. */
export function rowCacheOf(bytes: ByteStore): (ByteStore & RowCache) | null {
  return bytes instanceof CachingByteStore || bytes instanceof WriteBackStore || bytes instanceof WriteBackSegments ? bytes : null
}
