import type { ByteEntry, ByteStore } from './byte-store.ts'
import { compareBytes } from './bytes.ts'

/**
 * A byte store of which rows leave mostly at the beginning. Stores keep rows that were deleted until the commit: who looked for
 * the first from the beginning each time would pass all of them. So this remembers where the first was.
 */
export class LeavingRows {
  readonly #bytes: ByteStore
  /** No row is before it; null: not known. */
  #from: Uint8Array | null = null

  constructor(bytes: ByteStore) {
    this.#bytes = bytes
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#bytes.get(key)
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#bytes.put(key, value)
    if (this.#from !== null && compareBytes(key, this.#from) < 0) this.#from = new Uint8Array(key)
  }

  delete(key: Uint8Array): void {
    this.#bytes.put(key, null)
  }

  first(): ByteEntry | null {
    for (const entry of this.all()) return entry
    return null
  }

  /** In key order; rows may be deleted while it runs. */
  *all(): Iterable<ByteEntry> {
    let isFirst = true
    for (const entry of this.#bytes.scan(this.#from === null ? {} : { from: this.#from })) {
      if (isFirst) this.#from = entry.key
      isFirst = false
      yield entry
    }
  }

  commit(): void {
    this.#bytes.commit()
  }

  rollback(): void {
    this.#bytes.rollback()
    this.#from = null
  }
}
