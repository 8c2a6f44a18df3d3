import { maxShapeLength, notThisShape, shapeReader } from './json-shape.ts'
import type { ShapeReader, ShapeReaderOptions } from './json-shape.ts'
import { latin1Of } from './text-bytes.ts'

/** Shapes that are known at a time; a topic with more takes JSON.parse for the rest. */
const maxShapes = 4
/** Shapes tried in all before nothing new is learned. */
const maxLearned = 32
/** After so many records in a row of no known shape, as many are left to JSON.parse without a try, and again twice as many. */
const patience = 16
const maxPause = 65_536

/** The shapes of the values of one topic (`json-shape.ts`): `read`, and where that knows none, JSON.parse and `learn`. */
export class JsonShapes {
  readonly #options: ShapeReaderOptions
  /** The one that read the last record first. */
  readonly #readers: ShapeReader[] = []
  #learned = 0
  #missesInARow = 0
  /** Records still to be left to JSON.parse without a try. */
  #pause = 0
  #nextPause = patience

  constructor(options: ShapeReaderOptions = {}) {
    this.#options = options
  }

  /** Of bytes[start, end); with `text`, that has a character for each byte from position `from` on, and with a view of them in less time. `notThisShape`: of none that is known. */
  read(bytes: Uint8Array, start: number, end: number, text: string | null = null, from = 0, view: DataView | null = null): unknown {
    if (this.#pause > 0) {
      this.#pause--
      return notThisShape
    }
    if (end - start > maxShapeLength) return notThisShape
    const readers = this.#readers
    for (let index = 0; index < readers.length; index++) {
      const reader = readers[index]!
      const value = reader(bytes, start, end, text, from, view)
      if (value === notThisShape) continue
      if (index > 0) {
        readers[index] = readers[0]!
        readers[0] = reader
      }
      this.#missesInARow = 0
      this.#nextPause = patience
      return value
    }
    return notThisShape
  }

  /** From bytes that `read` did not know, and JSON.parse has taken. */
  learn(bytes: Uint8Array, start: number, end: number): void {
    if (this.#pause > 0 || end - start > maxShapeLength) return
    if (++this.#missesInARow % patience === 0 && this.#learned >= maxShapes) {
      this.#pause = this.#nextPause
      this.#nextPause = Math.min(maxPause, 2 * this.#nextPause)
    }
    if (this.#learned >= maxLearned) return
    this.#learned++
    const reader = shapeReader(latin1Of(bytes, start, end), this.#options)
    if (reader === null) return
    if (this.#readers.length === maxShapes) this.#readers.pop()
    this.#readers.unshift(reader)
  }
}
