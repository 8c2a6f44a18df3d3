import type { ByteStore } from './state/byte-store.ts'

/**
 * A state store of the program's own, of any structure: it says in its changelog what changes, and can be rebuilt from that.
 * It commits and rolls back with everything else that the StreamTask does.
 * ```
 *   opened ──restore …, commit──▶ in use ──flush──▶ all is logged ──commit / rollback──▶ in use … ──close──▶ gone
 * ```
 * Calls are synchronous and come one at a time. What processors call besides is theirs to define: `context.store(definition)`
 * gives them the object itself. An error thrown here ends the task, as one of a processor does.
 */
export interface CustomStore {
  /** A record of the changelog, in the order of offsets: the row was put, or with null deleted. The bytes are good until it returns. */
  restore(key: Uint8Array, value: Uint8Array | null, timestamp: number): void
  /** Before a commit: what is held back must be logged now. Absent: nothing is ever held back. */
  flush?(): void
  /** What was changed so far is committed, or was restored: a rollback returns to here. */
  commit(): void
  /** The transaction has failed: the content is that of the last commit. */
  rollback(): void
  /** The task ends; another instance may open the store from now on. */
  close?(): void
}

/** What a store of the program's own may ask of its StreamTask. */
export interface CustomStoreContext {
  /** The store's name. */
  readonly name: string
  /** Timestamp of the record that is being processed. */
  readonly timestamp: number
  /**
   * Adds a record to the changelog, in the transaction of the next commit; null deletes the key there. Without a changelog
   * it does nothing. The bytes are copied. `timestamp`: default that of the record being processed.
   */
  log(key: Uint8Array, value: Uint8Array | null, timestamp?: number): void
}

/** Opens an empty store: once for each StreamTask that has it, and again where it must be restored from the beginning. */
export type CustomStoreFactory = (context: CustomStoreContext) => CustomStore

/** Where a key-value store keeps its rows. */
export interface RowStore extends ByteStore {
  /** The task ends; nothing is asked any more. */
  close?(): void
}

/** Opens an empty place for the rows of a store: once for each StreamTask that has it, and again where it must be restored from the beginning. */
export type RowStoreFactory = (store: string) => RowStore
