import { deserializeCopy } from '../../core/index.ts'
import type { Serde } from '../../core/index.ts'
import type { MemoryByteStore } from './memory-byte-store.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import { windowStartIn, windowSuffix } from './store-keys.ts'
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
  #segments: readonly MemoryByteStore[] = noSegments
  #keyLength = 0
  #from = 0
  #to = 0
  #valueSerde: Serde<V> | null = null
  /** Where rows cannot be reached so: those that `fetch` gives. */
  #fetched: Iterator<WindowValue<V>> | null = null
  #value: V | null = null
  #segment = 0
  #rows: readonly number[] = noRows
  #next = 0
  #row = -1

  /** For the store: the key stands in `key`. */
  walk(segments: readonly MemoryByteStore[], keyLength: number, from: number, to: number, valueSerde: Serde<V>): void {
    this.#fetched = null
    this.#segments = segments
    this.#keyLength = keyLength
    this.#from = from
    this.#to = to
    this.#valueSerde = valueSerde
    this.#segment = 0
    this.#rows = noRows
    this.#next = 0
  }

  /** For the store: `rows` instead of a walk. */
  follow(rows: Iterable<WindowValue<V>>): void {
    this.#fetched = rows[Symbol.iterator]()
  }

  /** To the next row; false when there is none. */
  move(): boolean {
    if (this.#fetched !== null) return this.#moveFetched(this.#fetched)
    for (;;) {
      if (this.#next === this.#rows.length) {
        if (this.#segment === this.#segments.length) return false
        this.#rows = this.#segments[this.#segment++]!.rowsIn(this.key, this.#keyLength, windowSuffix)
        this.#next = 0
        continue
      }
      const row = this.#rows[this.#next++]!
      const { table } = this.#segments[this.#segment - 1]!
      if (!table.isRow(row) || table.valueLength(row) < 0) continue
      const start = windowStartIn(table.page(row), table.offset(row) + this.#keyLength)
      if (start < this.#from || start > this.#to) continue
      this.#row = row
      this.start = start
      return true
    }
  }

  /** Of the row that `move` came to; decoded for each who asks. */
  get value(): V {
    if (this.#fetched !== null) return this.#value as V
    const { table } = this.#segments[this.#segment - 1]!
    const row = this.#row
    const at = table.offset(row) + table.keyLength(row)
    return deserializeCopy(this.#valueSerde!, table.page(row), at, at + table.valueLength(row))
  }

  #moveFetched(rows: Iterator<WindowValue<V>>): boolean {
    const next = rows.next()
    if (next.done === true) return false
    this.start = next.value.start
    this.#value = next.value.value
    return true
  }
}

const noRows: readonly number[] = []
const noSegments: readonly MemoryByteStore[] = []
