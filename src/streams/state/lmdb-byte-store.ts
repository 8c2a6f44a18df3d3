import { StreamError } from '../../core/index.ts'
import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { compareBytes, prefixEnd } from './bytes.ts'
import type { LmdbDatabase } from './lmdb.ts'
import { MemoryByteStore } from './memory-byte-store.ts'

/**
 * A byte store on disk, which may be larger than memory. The disk always has the content of a commit: changes since then are
 * in memory, and a process that dies takes with it what was not committed, and nothing else.
 * ```
 *   changes   MemoryByteStore   key → 1, value        put since the last commit
 *                               key → 0               deleted since the last commit
 *   on disk   prefix, key → value
 * ```
 * Whether a commit waits for the disk is decided by who opens the database (DiskState).
 */
export class LmdbByteStore implements ByteStore {
  readonly #database: LmdbDatabase
  readonly #prefix: Uint8Array
  readonly #life: { readonly isClosed: boolean }
  #changes = new MemoryByteStore()

  /** The prefix, at least one byte, keeps stores of one database apart; none begins with another. `life` is that of the database. */
  constructor(database: LmdbDatabase, prefix: Uint8Array, life: { readonly isClosed: boolean }) {
    this.#database = database
    this.#prefix = prefix
    this.#life = life
  }

  get(key: Uint8Array): Uint8Array | null {
    const change = this.#changes.get(key)
    if (change !== null) return valueOf(change)
    const value = this.#database.getBinary(this.#onDisk(key))
    return value === undefined ? null : new Uint8Array(value)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.get(key)
  }

  /** @throws RECORD_TOO_LARGE for a key that is longer than LMDB takes */
  put(key: Uint8Array, value: Uint8Array | null): void {
    if (key.length + this.#prefix.length > maxKeyBytes) {
      throw new StreamError('RECORD_TOO_LARGE', `a key of ${key.length} bytes is longer than a store on disk takes (${maxKeyBytes - this.#prefix.length}); keep this store in memory with type: 'inMemory'`)
    }
    this.#changes.put(key, value === null ? deleted : marked(value))
  }

  /** @throws STORE_NOT_AVAILABLE when the database was closed since the scan began */
  *scan(range: ByteRange): Iterable<ByteEntry> {
    const order = range.reverse ? -1 : 1
    const changes = this.#changes.scan(range)[Symbol.iterator]()
    const stored = this.#scanDisk(range)[Symbol.iterator]()
    try {
      let change = nextOf(changes)
      let row = nextOf(stored)
      while (change !== null || row !== null) {
        const difference = change === null ? 1 : row === null ? -1 : order * compareBytes(change.key, row.key)
        if (difference > 0) {
          // A row that was changed while the scan ran is as it is now.
          const value = this.get(row!.key)
          if (value !== null) yield { key: row!.key, value }
          row = nextOf(stored)
          continue
        }
        if (difference === 0) row = nextOf(stored)
        const value = valueOf(change!.value)
        if (value !== null) yield { key: change!.key, value }
        change = nextOf(changes)
      }
    } catch (cause) {
      throw this.#life.isClosed ? new StreamError('STORE_NOT_AVAILABLE', 'the store was closed while its rows were read', { retriable: true, cause }) : cause
    } finally {
      // Who takes only the first rows must not leave a cursor of the database open.
      stored.return?.()
    }
  }

  count(): number {
    let count = this.#database.getKeysCount(this.#diskRange({}))
    for (const { key, value } of this.#changes.scan({})) {
      const isStored = this.#database.getBinary(this.#onDisk(key)) !== undefined
      if (valueOf(value) === null) count -= isStored ? 1 : 0
      else count += isStored ? 0 : 1
    }
    return count
  }

  commit(): void {
    if (this.#changes.count() === 0) return
    this.#database.transactionSync(() => {
      for (const { key, value } of this.#changes.scan({})) {
        const row = valueOf(value)
        if (row === null) this.#database.removeSync(this.#onDisk(key))
        else this.#database.putSync(this.#onDisk(key), row)
      }
    })
    this.#changes = new MemoryByteStore()
  }

  rollback(): void {
    this.#changes = new MemoryByteStore()
  }

  /** Forgets everything, at once and for ever. */
  wipe(): void {
    this.#changes = new MemoryByteStore()
    this.#database.transactionSync(() => {
      for (const key of this.#database.getKeys(this.#diskRange({}))) this.#database.removeSync(key)
    })
  }

  *#scanDisk(range: ByteRange): Iterable<ByteEntry> {
    for (const { key, value } of this.#database.getRange(this.#diskRange(range))) {
      yield { key: new Uint8Array(key.subarray(this.#prefix.length)), value: new Uint8Array(value) }
    }
  }

  #diskRange({ from, to, reverse = false }: ByteRange) {
    const low = from === undefined ? this.#prefix : this.#onDisk(from)
    const high = to === undefined ? prefixEnd(this.#prefix) : this.#onDisk(to)
    if (!reverse) return { start: low, ...(high !== undefined && { end: high }) }
    return { ...(high !== undefined && { start: high, exclusiveStart: true }), end: low, inclusiveEnd: true, reverse }
  }

  #onDisk(key: Uint8Array): Uint8Array {
    const whole = Buffer.allocUnsafe(this.#prefix.length + key.length)
    whole.set(this.#prefix)
    whole.set(key, this.#prefix.length)
    return whole
  }
}

/** With pages of 8 KiB. */
const maxKeyBytes = 4026
const deleted = Uint8Array.of(0)

function marked(value: Uint8Array): Uint8Array {
  const change = new Uint8Array(1 + value.length)
  change[0] = 1
  change.set(value, 1)
  return change
}

/** null: the key was deleted. */
function valueOf(change: Uint8Array): Uint8Array | null {
  return change[0] === 0 ? null : change.slice(1)
}

function nextOf(entries: Iterator<ByteEntry>): ByteEntry | null {
  const next = entries.next()
  return next.done === true ? null : next.value
}
