import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { bytesToText, textToBytes } from './bytes.ts'
import { OrderedKeys } from './ordered-keys.ts'

/**
 * A byte store on the heap. Reads and writes of single keys go through a hash map; the sorted keys exist only once
 * something was scanned. The first change of a key since the last commit remembers what was there before.
 */
export class MemoryByteStore implements ByteStore {
  readonly #values = new Map<string, Uint8Array>()
  readonly #undo = new Map<string, Uint8Array | null>()
  #order: OrderedKeys | null = null
  // A read-modify-write comes with the same array twice: its text is made once.
  #lastKey: Uint8Array | null = null
  #lastText = ''

  get(key: Uint8Array): Uint8Array | null {
    return this.#values.get(this.#text(key)) ?? null
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    const text = this.#text(key)
    const before = this.#values.get(text)
    if (!this.#undo.has(text)) this.#undo.set(text, before ?? null)
    this.#set(text, value, before !== undefined)
  }

  *scan({ from, to, reverse }: ByteRange): Iterable<ByteEntry> {
    this.#order ??= new OrderedKeys(this.#values.keys())
    const bounds = [from && bytesToText(from), to && bytesToText(to)] as const
    for (const text of reverse ? this.#order.descending(...bounds) : this.#order.ascending(...bounds)) {
      const value = this.#values.get(text)
      if (value !== undefined) yield { key: textToBytes(text), value }
    }
  }

  count(): number {
    return this.#values.size
  }

  commit(): void {
    this.#undo.clear()
  }

  rollback(): void {
    for (const [text, value] of this.#undo) this.#set(text, value, this.#values.has(text))
    this.#undo.clear()
  }

  #set(text: string, value: Uint8Array | null, existed: boolean): void {
    if (value === null) {
      if (!existed) return
      this.#values.delete(text)
      this.#order?.delete(text)
    } else {
      this.#values.set(text, value)
      if (!existed) this.#order?.add(text)
    }
  }

  #text(key: Uint8Array): string {
    if (key !== this.#lastKey) {
      this.#lastKey = key
      this.#lastText = bytesToText(key)
    }
    return this.#lastText
  }
}
