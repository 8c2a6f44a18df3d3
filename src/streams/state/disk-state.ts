import type { Clock } from '../../core/index.ts'
import { LmdbByteStore } from './lmdb-byte-store.ts'
import type { Lmdb, LmdbDatabase, LmdbEnvironment } from './lmdb.ts'

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
  readonly clock: Clock
}

/**
 * The stores of one task on disk, in a directory of their own: a database for each store, and one for the checkpoints. What
 * the stores have may be later than a checkpoint, never earlier: restoring from it repeats changes that are there already.
 */
export class DiskState {
  readonly #environment: LmdbEnvironment
  readonly #checkpoints: LmdbDatabase
  readonly #clock: Clock

  constructor({ lmdb, directory, clock }: DiskStateOptions) {
    this.#clock = clock
    this.#environment = lmdb.open({ path: directory, noSubdir: false, noSync: true, maxDbs: mostStores, pageSize, ...binary })
    this.#checkpoints = this.#environment.openDB({ name: 'checkpoints', ...binary })
  }

  /** The rows of a store; with a segment, those of one segment of it. */
  rows(store: string, segment?: number): LmdbByteStore {
    return new LmdbByteStore(this.#database(store), segment === undefined ? plainRows : segmentPrefix(segment))
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
  number(store: string): number | null {
    const bytes = this.#checkpoints.getBinary(numberKey(store))
    return bytes === undefined ? null : Number(Buffer.from(bytes).toString())
  }

  setNumber(store: string, value: number): void {
    this.#checkpoints.putSync(numberKey(store), Buffer.from(String(value)))
  }

  async close(): Promise<void> {
    await this.#environment.close()
  }

  #database(store: string): LmdbDatabase {
    return this.#environment.openDB({ name: `store-${store}`, ...binary })
  }
}

/** No topic has such a name. */
function numberKey(store: string): Uint8Array {
  return Buffer.from(`/${store}`)
}

const binary = { encoding: 'binary', keyEncoding: 'binary' } as const
/** Allows keys of up to 4,026 bytes. */
const pageSize = 8192
const mostStores = 1024
const plainRows = Uint8Array.of(1)
const segmentMark = 2

function segmentPrefix(segment: number): Uint8Array {
  const prefix = Buffer.alloc(9)
  prefix[0] = segmentMark
  prefix.writeBigUInt64BE(BigInt(segment), 1)
  return prefix
}
