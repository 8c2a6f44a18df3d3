import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { LeavingRows } from './leaving-rows.ts'
import { joinBytes, timeBound } from './store-keys.ts'
import type { StoreNumber, StorePlace } from './store-place.ts'
import { joinTimestamp, timestampBytes, timestampOf } from './value-and-timestamp.ts'

/**
 * Keeps the `maxEntries` keys that were read or written last; what is pushed out is reported, so that the changelog forgets it too.
 * ```
 *   rows     key → number of its last use (8) · row
 *   order    number of the last use (8) · key
 * ```
 */
export class LruByteStore implements ByteStore {
  readonly #maxEntries: number
  readonly #rows: ByteStore
  readonly #order: LeavingRows
  readonly #uses: StoreNumber
  readonly #count: StoreNumber
  #onEvicted: (key: Uint8Array) => void = () => {}

  constructor(place: StorePlace, maxEntries: number) {
    this.#maxEntries = maxEntries
    this.#rows = place.table('rows')
    this.#order = new LeavingRows(place.table('order'))
    this.#uses = place.number('uses', 0)
    this.#count = place.number('count', 0)
  }

  onEvicted(listener: (key: Uint8Array) => void): void {
    this.#onEvicted = listener
  }

  get(key: Uint8Array): Uint8Array | null {
    const row = this.#rows.get(key)
    if (row === null) return null
    const value = row.subarray(useBytes)
    // Who reads the same key again leaves it where it is.
    if (useOf(row) < this.#uses.value) this.#use(key, useOf(row), value)
    return value
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.get(key)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    const before = this.#rows.borrow(key)
    if (before === null) this.#count.value += value === null ? 0 : 1
    else if (value === null) this.#count.value--
    const lastUse = before === null ? null : useOf(before)
    if (value !== null) this.#use(key, lastUse, value)
    else if (lastUse !== null) {
      this.#order.delete(orderKey(lastUse, key))
      this.#rows.put(key, null)
    }
    while (this.#count.value > this.#maxEntries) this.#evictOldest()
  }

  *scan(range: ByteRange): Iterable<ByteEntry> {
    for (const { key, value } of this.#rows.scan(range)) yield { key, value: value.subarray(useBytes) }
  }

  count(): number {
    return this.#count.value
  }

  commit(): void {
    for (const part of this.#parts) part.commit()
  }

  rollback(): void {
    for (const part of this.#parts) part.rollback()
  }

  get #parts(): readonly { commit(): void; rollback(): void }[] {
    return [this.#rows, this.#order, this.#uses, this.#count]
  }

  #use(key: Uint8Array, lastUse: number | null, value: Uint8Array): void {
    if (lastUse !== null) this.#order.delete(orderKey(lastUse, key))
    this.#uses.value++
    this.#order.put(orderKey(this.#uses.value, key), nothing)
    this.#rows.put(key, joinTimestamp(this.#uses.value, value))
  }

  #evictOldest(): void {
    const oldest = this.#order.first()!
    const key = oldest.key.subarray(useBytes)
    this.#order.delete(oldest.key)
    this.#rows.put(key, null)
    this.#count.value--
    this.#onEvicted(key)
  }
}

const nothing = new Uint8Array(0)
/** Uses are numbered as times are written. */
const useBytes = timestampBytes
const useOf = timestampOf

function orderKey(use: number, key: Uint8Array): Uint8Array {
  return joinBytes(timeBound(use), key)
}
