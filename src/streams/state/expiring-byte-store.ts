import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { bytesToText, textToBytes } from './bytes.ts'
import { MemoryByteStore } from './memory-byte-store.ts'

export interface ExpiringOptions {
  readonly ttlMs: number
  /** Event time of what is being put. */
  readonly now: () => number
}

/**
 * Rows that are gone when they were not written for `ttlMs`, by the largest time that the store has seen. What is gone is no
 * longer given at once; it is taken out, and reported, as further rows are put, about in the order in which rows were written.
 */
export class ExpiringByteStore implements ByteStore {
  readonly #options: ExpiringOptions
  readonly #rows = new MemoryByteStore()
  /** When each key was written, the one that was written last at the end. */
  readonly #writtenAt = new Map<string, number>()
  /** What `#writtenAt` had at the last commit, of keys that changed since; undefined: it did not have the key. */
  readonly #before = new Map<string, number | undefined>()
  #observedTime = -1
  #committedTime = -1
  #onExpired: (key: Uint8Array) => void = () => {}

  constructor(options: ExpiringOptions) {
    this.#options = options
  }

  /** So that the changelog forgets the row, too. */
  onExpired(listener: (key: Uint8Array) => void): void {
    this.#onExpired = listener
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#isGone(bytesToText(key)) ? null : this.#rows.get(key)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.#isGone(bytesToText(key)) ? null : this.#rows.borrow(key)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    this.putAt(key, value, this.#options.now())
  }

  putAt(key: Uint8Array, value: Uint8Array | null, time: number): void {
    this.#observedTime = Math.max(this.#observedTime, time)
    this.#set(bytesToText(key), value === null ? undefined : time)
    this.#rows.put(key, value)
    this.#takeOutExpired()
  }

  *scan(range: ByteRange): Iterable<ByteEntry> {
    for (const entry of this.#rows.scan(range)) if (!this.#isGone(bytesToText(entry.key))) yield entry
  }

  count(): number {
    let count = 0
    for (const text of this.#writtenAt.keys()) if (!this.#isGone(text)) count++
    return count
  }

  commit(): void {
    this.#rows.commit()
    this.#before.clear()
    this.#committedTime = this.#observedTime
  }

  rollback(): void {
    this.#rows.rollback()
    for (const [text, time] of this.#before) {
      this.#writtenAt.delete(text)
      if (time !== undefined) this.#writtenAt.set(text, time)
    }
    this.#before.clear()
    this.#observedTime = this.#committedTime
  }

  #isGone(text: string): boolean {
    const time = this.#writtenAt.get(text)
    return time === undefined || time <= this.#observedTime - this.#options.ttlMs
  }

  #set(text: string, time: number | undefined): void {
    if (!this.#before.has(text)) this.#before.set(text, this.#writtenAt.get(text))
    this.#writtenAt.delete(text)
    if (time !== undefined) this.#writtenAt.set(text, time)
  }

  #takeOutExpired(): void {
    for (const text of this.#writtenAt.keys()) {
      if (!this.#isGone(text)) return
      const key = textToBytes(text)
      this.#set(text, undefined)
      this.#rows.put(key, null)
      this.#onExpired(key)
    }
  }
}
