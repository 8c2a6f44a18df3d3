import { StreamError } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import { LmdbByteStore } from './lmdb-byte-store.ts'
import type { Lmdb, LmdbDatabase, LmdbEnvironment } from './lmdb.ts'
import { orderMarks } from './store-keys.ts'
import type { StoreTable } from './store-place.ts'

/** How far a changelog is in the stores on disk. */
export interface Checkpoint {
  /** The next offset to restore. */
  readonly offset: number
  /** When it was written, milliseconds since the epoch. */
  readonly writtenAtMs: number
}

export interface DiskStateOptions {
  readonly lmdb: Lmdb
  readonly directory: string
  /** Each commit is on disk when it returns; else only when everything is closed and synced (`UnsyncedDirectory`). */
  readonly syncs: boolean
  readonly clock: Clock
}

/**
 * The stores of one task on disk, in a directory of their own: a database for each store, and one for the checkpoints. What
 * the stores have may be later than a checkpoint, never earlier: restoring from it repeats changes that are there already.
 * ```
 *   database of a store   1 · key                      the rows
 *                         2 · segment (8) · 1 · key    those of a store that is cut by time
 *                         2 · segment (8) · 0 · key    their order by time
 *                         4 · key                      an order of the rows, for stores that keep one
 *                         5 · key                      rows of before
 * ```
 */
export class DiskState {
  readonly #environment: LmdbEnvironment
  readonly #checkpoints: LmdbDatabase
  readonly #clock: Clock
  readonly #databases = new Map<string, LmdbDatabase>()
  readonly #life = { isClosed: false }

  /** @throws STORAGE_ERROR when the directory is none, or may not be written to */
  constructor({ lmdb, directory, syncs, clock }: DiskStateOptions) {
    this.#clock = clock
    try {
      this.#environment = lmdb.open({ path: directory, noSubdir: false, noSync: !syncs, overlappingSync: false, maxDbs: mostStores, pageSize, ...binary })
      this.#checkpoints = this.#environment.openDB({ name: 'checkpoints', ...binary })
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new StreamError('STORAGE_ERROR', `the stores in ${directory} cannot be opened: ${reason}; see to it or remove it, and they are filled from their changelogs`, { cause, details: { directory } })
    }
  }

  table(store: string, table: StoreTable): LmdbByteStore {
    return new LmdbByteStore(this.#database(store), Uint8Array.of(tableMarks[table]), this.#life)
  }

  /** The rows of one segment of a store. */
  segment(store: string, segment: number): LmdbByteStore {
    return new LmdbByteStore(this.#database(store), segmentPrefix(segment, orderMarks.byKey), this.#life)
  }

  /** The keys of a segment in another order. */
  segmentOrder(store: string, segment: number): LmdbByteStore {
    return new LmdbByteStore(this.#database(store), segmentPrefix(segment, orderMarks.byTime), this.#life)
  }

  /** What stores commit in `work` is on disk as a whole, or not at all. */
  transaction(work: () => void): void {
    this.#checkpoints.transactionSync(work)
  }

  /** Segments of a store of which there are rows, in order. */
  segments(store: string): readonly number[] {
    const database = this.#database(store)
    const found: number[] = []
    for (let start = segmentPrefix(0); ;) {
      const [first] = database.getKeys({ start })
      if (first === undefined || first[0] !== segmentMark) return found
      const segment = Number(Buffer.from(first).readBigUInt64BE(1))
      found.push(segment)
      start = segmentPrefix(segment + 1)
    }
  }

  checkpoint(changelog: string): Checkpoint | null {
    const bytes = this.#checkpoints.getBinary(Buffer.from(changelog))
    return bytes === undefined ? null : (JSON.parse(Buffer.from(bytes).toString()) as Checkpoint)
  }

  setCheckpoint(changelog: string, offset: number): void {
    const checkpoint: Checkpoint = { offset, writtenAtMs: this.#clock.now() }
    this.#checkpoints.putSync(Buffer.from(changelog), Buffer.from(JSON.stringify(checkpoint)))
  }

  forgetCheckpoint(changelog: string): void {
    this.#checkpoints.removeSync(Buffer.from(changelog))
  }

  /** A number that a store keeps beside its rows. */
  number(store: string, name: string): number | null {
    const bytes = this.#checkpoints.getBinary(numberKey(store, name))
    return bytes === undefined ? null : Number(Buffer.from(bytes).toString())
  }

  setNumber(store: string, name: string, value: number): void {
    this.#checkpoints.putSync(numberKey(store, name), Buffer.from(String(value)))
  }

  async close(): Promise<void> {
    this.#life.isClosed = true
    await this.#environment.close()
  }

  #database(store: string): LmdbDatabase {
    const known = this.#databases.get(store)
    if (known !== undefined) return known
    const database = this.#environment.openDB({ name: `store-${store}`, ...binary })
    this.#databases.set(store, database)
    return database
  }
}

/** No topic has such a name. */
function numberKey(store: string, name: string): Uint8Array {
  return Buffer.from(`/${store}/${name}`)
}

const binary = { encoding: 'binary', keyEncoding: 'binary' } as const
/** Allows keys of up to 4,026 bytes. */
const pageSize = 8192
const mostStores = 1024
const segmentMark = 2
const tableMarks: Readonly<Record<StoreTable, number>> = { rows: 1, order: 4, history: 5 }

function segmentPrefix(segment: number, ...order: readonly number[]): Uint8Array {
  const prefix = Buffer.from([segmentMark, 0, 0, 0, 0, 0, 0, 0, 0, ...order])
  prefix.writeBigUInt64BE(BigInt(segment), 1)
  return prefix
}
