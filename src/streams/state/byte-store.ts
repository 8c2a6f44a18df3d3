import type { KeysAhead } from '../../core/index.ts'
import type { BaseLength } from './key-chains.ts'

/**
 * What every state store stands on: an ordered map of bytes to bytes, inside one transaction that spans commits.
 *
 * ```
 *   put, put … ──commit──▶ the content is now what a rollback returns to
 *            └──rollback─▶ the content is that of the last commit
 * ```
 * All calls are synchronous: a read-modify-write of an operator must not interleave with another. Keys are ordered byte by
 * byte, as unsigned numbers. The store copies what it is given, and what it gives is the caller's own, but for `borrow`;
 * only the keys of a scan must stay as they are until it ends.
 */
export interface ByteStore {
  /** null when there is no such key. */
  get(key: Uint8Array): Uint8Array | null
  /** As `get`, but the bytes are good only until the next call of this store: for who decodes them at once. */
  borrow(key: Uint8Array): Uint8Array | null
  /** null as the value deletes. */
  put(key: Uint8Array, value: Uint8Array | null): void
  /** Entries of a range in key order. The store may be changed while the scan runs; changes behind its position are not seen. */
  scan(range: ByteRange): Iterable<ByteEntry>
  /**
   * The entries whose keys begin with `key`, where that is the first `baseLength` bytes of each key of the store, always asked with the same function: as a scan, but
   * nothing is kept in order for it. null or absent: it has no such way.
   */
  scanOf?(key: Uint8Array, baseLength: BaseLength): Iterable<ByteEntry> | null
  /** A hint that rows of these keys will be asked for soon: where they lie in memory, they are fetched into the processor's cache. Nothing changes by it. */
  lookAhead?(keys: KeysAhead): void
  /** Number of keys. */
  count(): number
  /** Makes the content permanent: a rollback returns to here. Called by the task after its transaction is committed. */
  commit(): void
  /** Forgets every change since the last commit. */
  rollback(): void
}

export interface ByteRange {
  /** Inclusive; absent: from the first key. */
  readonly from?: Uint8Array
  /** Exclusive; absent: to the last key. */
  readonly to?: Uint8Array
  readonly reverse?: boolean
  /** Inclusive bounds of the time in the key, for stores whose keys have one; such stores go segment by segment, then by key. */
  readonly fromTime?: number
  readonly toTime?: number
  /** Of such stores: every row by its time, then by key. `from` and `to` do not count then. */
  readonly byTime?: boolean
  /** Also rows out of retention that are still there. */
  readonly includesExpired?: boolean
}

export interface ByteEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}
