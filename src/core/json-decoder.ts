import { maxShapeLength, notThisShape, shapeReader } from './json-shape.ts'
import type { ShapeReader } from './json-shape.ts'
import { latin1Of, textOf } from './text-bytes.ts'

/** Shapes that one decoder knows at a time; a topic with more takes JSON.parse for the rest. */
const maxShapes = 4
/** Shapes tried in all before nothing new is learned. */
const maxLearned = 32
/** After so many records in a row of no known shape, as many are left to JSON.parse without a try, and again twice as many. */
const patience = 16
const maxPause = 65_536

/**
 * JSON.parse for the values of one topic. It learns how they look (`json-shape.ts`), reads those alike in a fraction of the
 * time, and leaves the others to JSON.parse: the results are the same, errors too.
 */
export class JsonDecoder {
  /** The one that read the last record first. */
  readonly #readers: ShapeReader[] = []
  #learned = 0
  #missesInARow = 0
  /** Records still to be left to JSON.parse without a try. */
  #pause = 0
  #nextPause = patience

  /** Of bytes[start, end); with `text`, that has a character for each byte from position `from` on. */
  decode(bytes: Uint8Array, start: number, end: number, text: string | null = null, from = 0): unknown {
    if (this.#pause > 0 || end - start > maxShapeLength) {
      this.#pause--
      return JSON.parse(textOf(bytes, start, end))
    }
    const readers = this.#readers
    for (let index = 0; index < readers.length; index++) {
      const reader = readers[index]!
      const value = reader(bytes, start, end, text, from)
      if (value === notThisShape) continue
      if (index > 0) {
        readers[index] = readers[0]!
        readers[0] = reader
      }
      this.#missesInARow = 0
      this.#nextPause = patience
      return value
    }
    return this.#parse(bytes, start, end)
  }

  #parse(bytes: Uint8Array, start: number, end: number): unknown {
    const value: unknown = JSON.parse(textOf(bytes, start, end))
    if (++this.#missesInARow % patience === 0 && this.#learned >= maxShapes) {
      this.#pause = this.#nextPause
      this.#nextPause = Math.min(maxPause, 2 * this.#nextPause)
    }
    if (this.#learned < maxLearned) this.#learn(latin1Of(bytes, start, end))
    return value
  }

  #learn(sample: string): void {
    this.#learned++
    const reader = shapeReader(sample)
    if (reader === null) return
    if (this.#readers.length === maxShapes) this.#readers.pop()
    this.#readers.unshift(reader)
  }
}
