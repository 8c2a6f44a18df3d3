import type { ByteEntry, ByteRange } from '../../src/streams/state/byte-store.ts'
import type { RowStore } from '../../src/streams/index.ts'

/** Rows as a program may keep them itself, as simply as can be: a map by hexadecimal key, and the one of the last commit. */
export class PlainRows implements RowStore {
  #rows = new Map<string, Uint8Array>()
  #committed = new Map<string, Uint8Array>()

  get(key: Uint8Array): Uint8Array | null {
    return this.#rows.get(hex(key))?.slice() ?? null
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.get(key)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    if (value === null) this.#rows.delete(hex(key))
    else this.#rows.set(hex(key), value.slice())
  }

  *scan({ from, to, reverse }: ByteRange): Iterable<ByteEntry> {
    const keys = [...this.#rows.keys()].filter((key) => (from === undefined || key >= hex(from)) && (to === undefined || key < hex(to))).sort()
    for (const key of reverse === true ? keys.reverse() : keys) {
      const value = this.#rows.get(key)
      if (value !== undefined) yield { key: new Uint8Array(Buffer.from(key, 'hex')), value: value.slice() }
    }
  }

  count(): number {
    return this.#rows.size
  }

  commit(): void {
    this.#committed = new Map(this.#rows)
  }

  rollback(): void {
    this.#rows = new Map(this.#committed)
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
