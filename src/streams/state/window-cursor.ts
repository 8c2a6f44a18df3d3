import { deserializeCopy } from '../../core/index.ts'
import type { Serde } from '../../core/index.ts'
import type { DuplicateRows } from './duplicate-rows.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import type { WindowValue } from './window-store.ts'

/**
 * Goes over the rows of one key, oldest first, as `fetch` of a window store does, but without an object for each row: they are
 * decoded where they lie. One belongs to an operator, which ends a walk before it begins the next one; nothing may be
 * committed on the way.
 */
export class WindowCursor<V> {
  /** Of the row that `move` came to. */
  start = -1
  /** For the store: the key that is walked. */
  readonly key = new ScratchBytes()
  /** Those that have rows of the key, in their order; each ends in `#rows` where `#ends` says. None is taken out, so that no array changes its length. */
  readonly #segments: DuplicateRows[] = []
  readonly #ends: number[] = []
  #segmentCount = 0
  readonly #rows: number[] = []
  #valueSerde: Serde<V> | null = null
  /** Where rows cannot be reached so: those that `fetch` gives. */
  #fetched: Iterator<WindowValue<V>> | null = null
  #value: V | null = null
  #segment = 0
  #end = 0
  #next = 0
  #row = -1

  /** For the store: begins a walk, over no segment yet. */
  begin(valueSerde: Serde<V>): void {
    this.#fetched = null
    this.#valueSerde = valueSerde
    this.#segment = 0
    this.#segmentCount = 0
    this.#end = 0
    this.#next = 0
  }

  /** For the store: adds to the walk the rows of the key in `key`, in a segment that follows those before. */
  add(segment: DuplicateRows, keyLength: number, from: number, to: number): void {
    const end = segment.collect(this.key, keyLength, from, to, this.#rows, this.#end)
    if (end === this.#end) return
    this.#segments[this.#segmentCount] = segment
    this.#ends[this.#segmentCount++] = end
    this.#end = end
  }

  /** For the store: `rows` instead of a walk. */
  follow(rows: Iterable<WindowValue<V>>): void {
    this.#fetched = rows[Symbol.iterator]()
  }

  /** To the next row; false when there is none. */
  move(): boolean {
    if (this.#fetched !== null) return this.#moveFetched(this.#fetched)
    if (this.#next === this.#end) return false
    if (this.#next === this.#ends[this.#segment]) this.#segment++
    this.#row = this.#rows[this.#next++]!
    this.start = this.#segments[this.#segment]!.startOf(this.#row)
    return true
  }

  /** Of the row that `move` came to; decoded for each who asks. */
  get value(): V {
    if (this.#fetched !== null) return this.#value as V
    const segment = this.#segments[this.#segment]!
    const at = segment.valueAt(this.#row)
    return deserializeCopy(this.#valueSerde!, segment.page(this.#row), at, at + segment.valueLength(this.#row))
  }

  #moveFetched(rows: Iterator<WindowValue<V>>): boolean {
    const next = rows.next()
    if (next.done === true) return false
    this.start = next.value.start
    this.#value = next.value.value
    return true
  }
}
