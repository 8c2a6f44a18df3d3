import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { bytesToText, copyBytes, textToBytes } from './bytes.ts'

/** Keeps the `maxEntries` keys that were read or written last; what is pushed out is reported, so that the changelog forgets it too. */
export class LruByteStore implements ByteStore {
  readonly #maxEntries: number
  /** In the order of use, the oldest first. */
  #values = new Map<string, Uint8Array>()
  /** The content at the last commit, taken when the first call after it changed the content or its order. */
  #committed: Map<string, Uint8Array> | null = null
  #onEvicted: (key: Uint8Array) => void = () => {}

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  onEvicted(listener: (key: Uint8Array) => void): void {
    this.#onEvicted = listener
  }

  get(key: Uint8Array): Uint8Array | null {
    const value = this.borrow(key)
    return value && copyBytes(value)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    const text = bytesToText(key)
    const value = this.#values.get(text)
    if (value === undefined) return null
    this.#remember()
    this.#values.delete(text)
    this.#values.set(text, value)
    return value
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    this.#remember()
    const text = bytesToText(key)
    this.#values.delete(text)
    if (value !== null) this.#values.set(text, copyBytes(value))
    if (this.#values.size > this.#maxEntries) this.#evictOldest()
  }

  *scan({ from, to, reverse }: ByteRange): Iterable<ByteEntry> {
    const [low, high] = [bytesToText(from ?? empty), to && bytesToText(to)]
    const keys = [...this.#values.keys()].filter((text) => text >= low && (high === undefined || text < high)).sort()
    for (const text of reverse ? keys.reverse() : keys) {
      const value = this.#values.get(text)
      if (value !== undefined) yield { key: textToBytes(text), value: copyBytes(value) }
    }
  }

  count(): number {
    return this.#values.size
  }

  commit(): void {
    this.#committed = null
  }

  rollback(): void {
    if (this.#committed !== null) this.#values = this.#committed
    this.#committed = null
  }

  #remember(): void {
    this.#committed ??= new Map(this.#values)
  }

  #evictOldest(): void {
    for (const text of this.#values.keys()) {
      this.#values.delete(text)
      this.#onEvicted(textToBytes(text))
      return
    }
  }
}

const empty = new Uint8Array(0)
