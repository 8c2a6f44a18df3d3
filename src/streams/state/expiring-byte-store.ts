import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { LeavingRows } from './leaving-rows.ts'
import { joinBytes, timeBound } from './store-keys.ts'
import type { StoreNumber, StorePlace } from './store-place.ts'
import { joinTimestamp, timestampBytes, timestampOf } from './value-and-timestamp.ts'

export interface ExpiringOptions {
  readonly ttlMs: number
  /** Event time of what is being put. */
  readonly now: () => number
}

/**
 * Rows that are gone when they were not written for `ttlMs`, by the largest time that the store has seen. Each put takes out, and
 * reports, what is gone by then, the oldest first.
 * ```
 *   rows     key → time (8) · row
 *   order    time (8) · key
 * ```
 */
export class ExpiringByteStore implements ByteStore {
  readonly #options: ExpiringOptions
  readonly #rows: ByteStore
  readonly #order: LeavingRows
  readonly #observedTime: StoreNumber
  #onExpired: (key: Uint8Array) => void = () => {}

  constructor(place: StorePlace, options: ExpiringOptions) {
    this.#options = options
    this.#rows = place.table('rows')
    this.#order = new LeavingRows(place.table('order'))
    this.#observedTime = place.number('time', -1)
  }

  /** So that the changelog forgets the row, too. */
  onExpired(listener: (key: Uint8Array) => void): void {
    this.#onExpired = listener
  }

  get(key: Uint8Array): Uint8Array | null {
    return withoutTime(this.#rows.get(key))
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return withoutTime(this.#rows.borrow(key))
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    this.putAt(key, value, this.#options.now())
  }

  putAt(key: Uint8Array, value: Uint8Array | null, time: number): void {
    const before = this.#rows.borrow(key)
    if (before !== null) this.#order.delete(orderKey(timestampOf(before), key))
    this.#rows.put(key, value && joinTimestamp(time, value))
    if (value !== null) this.#order.put(orderKey(time, key), nothing)
    this.#observedTime.value = Math.max(this.#observedTime.value, time)
    this.#takeOutExpired()
  }

  *scan(range: ByteRange): Iterable<ByteEntry> {
    for (const { key, value } of this.#rows.scan(range)) yield { key, value: value.subarray(timestampBytes) }
  }

  count(): number {
    return this.#rows.count()
  }

  commit(): void {
    this.#rows.commit()
    this.#order.commit()
    this.#observedTime.commit()
  }

  rollback(): void {
    this.#rows.rollback()
    this.#order.rollback()
    this.#observedTime.rollback()
  }

  #takeOutExpired(): void {
    const youngest = this.#observedTime.value - this.#options.ttlMs
    for (let first = this.#order.first(); first !== null && timestampOf(first.key) <= youngest; first = this.#order.first()) {
      const key = first.key.subarray(timestampBytes)
      this.#order.delete(first.key)
      this.#rows.put(key, null)
      this.#onExpired(key)
    }
  }
}

const nothing = new Uint8Array(0)

/** Timestamps are never negative, so that their bytes have their order. */
function orderKey(time: number, key: Uint8Array): Uint8Array {
  return joinBytes(timeBound(time), key)
}

function withoutTime(row: Uint8Array | null): Uint8Array | null {
  return row === null ? null : row.subarray(timestampBytes)
}
