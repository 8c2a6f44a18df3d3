import type { RecordHead } from '../record-head.ts'
import { StreamRecord, noHeaders, noOrigin } from '../stream-record.ts'
import type { InputPlace, RecordOrigin } from '../stream-record.ts'
import type { Header } from '../../core/index.ts'

/**
 * By row number of a table, what a record was without key and value: time, headers, and where it was read. Kept as numbers,
 * so that a row holds no object and no batch alive.
 */
export class RowOrigins {
  #numbers = new Float64Array(2 * 16)
  #inputs = new Int32Array(16)
  /** Only of rows whose record had any. */
  readonly #headers = new Map<number, readonly Header[]>()
  /** The partitions that records came from; a task has few. */
  readonly #partitions: { readonly topic: string; readonly partition: number }[] = []
  #lastInput = 0
  /** Where the last record that was not made was read: that of `#lastInput`. */
  #lastPlace: InputPlace | null = null

  set(row: number, { timestamp, headers, origin }: StreamRecord): void {
    if (row >= this.#inputs.length) this.#grow(row)
    this.#numbers[2 * row] = timestamp
    this.#numbers[2 * row + 1] = origin.offset
    this.#inputs[row] = this.#inputOf(origin)
    this.#setHeaders(row, headers)
  }

  /** As `set`, of a record that was not made. Numbers go from field to array: passed to a function they would be objects. */
  setRead(row: number, head: RecordHead): void {
    if (row >= this.#inputs.length) this.#grow(row)
    this.#numbers[2 * row] = head.timestamp
    this.#numbers[2 * row + 1] = head.offset
    this.begin(head.batch!.place)
    this.#inputs[row] = this.#lastInput
    this.#setHeaders(row, head.headers)
  }

  /** Records of that place follow, for `setAhead`. */
  begin(place: InputPlace): void {
    if (place !== this.#lastPlace) {
      this.#inputOf(place)
      this.#lastPlace = place
    }
  }

  /** For `setAhead`, of a row that may never have been set. */
  makeRoom(row: number): void {
    if (row >= this.#inputs.length) this.#grow(row)
  }

  /** As `setRead`, of a record without headers from the place of `begin`, where there is room for the row. */
  setAhead(row: number, timestamp: number, offset: number): void {
    this.#numbers[2 * row] = timestamp
    this.#numbers[2 * row + 1] = offset
    this.#inputs[row] = this.#lastInput
    if (this.#headers.size > 0) this.#headers.delete(row)
  }

  #setHeaders(row: number, headers: readonly Header[]): void {
    if (headers.length > 0) this.#headers.set(row, headers)
    else if (this.#headers.size > 0) this.#headers.delete(row)
  }

  get(row: number): StreamRecord {
    const { topic, partition } = this.#partitions[this.#inputs[row]!]!
    const offset = this.#numbers[2 * row + 1]!
    const origin = offset < 0 ? noOrigin : { topic, partition, offset, rawKey: null, rawValue: null }
    return new StreamRecord(null, null, this.timestamp(row), this.headers(row), origin)
  }

  headers(row: number): readonly Header[] {
    return this.#headers.get(row) ?? noHeaders
  }

  timestamp(row: number): number {
    return this.#numbers[2 * row]!
  }

  #inputOf({ topic, partition }: Pick<RecordOrigin, 'topic' | 'partition'>): number {
    const last = this.#partitions[this.#lastInput]
    this.#lastPlace = null
    if (last !== undefined && last.topic === topic && last.partition === partition) return this.#lastInput
    const known = this.#partitions.findIndex((input) => input.topic === topic && input.partition === partition)
    this.#lastInput = known >= 0 ? known : this.#partitions.push({ topic, partition }) - 1
    return this.#lastInput
  }

  #grow(row: number): void {
    const numbers = new Float64Array(4 * row)
    numbers.set(this.#numbers)
    this.#numbers = numbers
    const inputs = new Int32Array(2 * row)
    inputs.set(this.#inputs)
    this.#inputs = inputs
  }
}
