import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'

/** Reports every write of a byte store after it was made; the runtime turns the reports into records of the changelog topic. */
export class ChangelogByteStore implements ByteStore {
  readonly #inner: ByteStore
  readonly #report: (key: Uint8Array, value: Uint8Array | null) => void

  constructor(inner: ByteStore, report: (key: Uint8Array, value: Uint8Array | null) => void) {
    this.#inner = inner
    this.#report = report
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#inner.get(key)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.#inner.borrow(key)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    this.#inner.put(key, value)
    this.#report(key, value)
  }

  scan(range: ByteRange): Iterable<ByteEntry> {
    return this.#inner.scan(range)
  }

  count(): number {
    return this.#inner.count()
  }

  commit(): void {
    this.#inner.commit()
  }

  rollback(): void {
    this.#inner.rollback()
  }
}
