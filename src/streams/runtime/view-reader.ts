import type { Header, RecordReader, RecordView, Serde } from '../../core/index.ts'

/** Reads what can only be iterated over: batches that tests and simulations make. */
export class ViewReader implements RecordReader {
  readonly #views: Iterator<RecordView>
  readonly #read: RecordView[] = []
  #current: RecordView | null = null

  constructor(views: Iterable<RecordView>) {
    this.#views = views[Symbol.iterator]()
  }

  next(): boolean {
    const next = this.#views.next()
    if (next.done) return false
    this.#current = next.value
    this.#read.push(next.value)
    return true
  }

  get offset(): number {
    return this.#view.offset
  }

  get timestamp(): number {
    return this.#view.timestamp
  }

  get headers(): readonly Header[] {
    return this.#view.headers
  }

  get hasKey(): boolean {
    return this.#view.key !== null
  }

  get hasValue(): boolean {
    return this.#view.value !== null
  }

  keyAs<T>(serde: Serde<T>): T | null {
    return deserialized(this.#view.key, serde)
  }

  valueAs<T>(serde: Serde<T>): T | null {
    return deserialized(this.#view.value, serde)
  }

  get mark(): number {
    return this.#read.length - 1
  }

  recordAt(mark: number): RecordView {
    return this.#read[mark]!
  }

  get #view(): RecordView {
    return this.#current!
  }
}

function deserialized<T>(bytes: Uint8Array | null, serde: Serde<T>): T | null {
  return bytes === null ? null : serde.deserialize(bytes)
}
