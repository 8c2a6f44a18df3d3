import { maxShapeLength, notThisShape, shapeNumber, shapeReader, shapeTest } from './json-shape.ts'
import type { ShapeNumber, ShapeReader, ShapeReaderOptions, ShapeTest } from './json-shape.ts'
import { latin1Of } from './text-bytes.ts'

/** Shapes that are known at a time; a topic with more takes JSON.parse for the rest. */
const maxShapes = 4
/** Shapes tried in all before nothing new is learned. */
const maxLearned = 32
/** After so many records in a row of no known shape, as many are left to JSON.parse without a try, and again twice as many. */
const patience = 16
const maxPause = 65_536

interface Shape {
  readonly sample: string
  readonly reader: ShapeReader
  /** Made when somebody asks for it. */
  test: ShapeTest | null | undefined
  /** By name of the member, as `test`. */
  readonly numbers: Map<string, ShapeNumber | null>
}

/** The shapes of the values of one topic (`json-shape.ts`): `read`, and where that knows none, JSON.parse and `learn`. */
export class JsonShapes {
  readonly #options: ShapeReaderOptions
  /** The one that read the last record first. */
  readonly #shapes: Shape[] = []
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
    const shapes = this.#shapes
    for (let index = 0; index < shapes.length; index++) {
      const value = shapes[index]!.reader(bytes, start, end, text, from, view)
      if (value === notThisShape) continue
      this.#hit(index)
      return value
    }
    return notThisShape
  }

  /** True: these bytes are JSON of a known shape; false says nothing. Nothing is made of them. */
  accepts(bytes: Uint8Array, start: number, end: number, view: DataView): boolean {
    if (this.#pause > 0 || end - start > maxShapeLength) return false
    const shapes = this.#shapes
    for (let index = 0; index < shapes.length; index++) {
      const shape = shapes[index]!
      if (shape.test === undefined) shape.test = shapeTest(shape.sample)
      if (shape.test === null || !shape.test(bytes, start, end, view)) continue
      this.#hit(index)
      return true
    }
    return false
  }

  /** The number that the member of that name has in an object of a known shape, if it is a whole one without a sign; -1: not so, or not known. */
  wholeNumber(name: string, bytes: Uint8Array, start: number, end: number, view: DataView): number {
    if (this.#pause > 0 || end - start > maxShapeLength) return -1
    const shapes = this.#shapes
    for (let index = 0; index < shapes.length; index++) {
      const { sample, numbers } = shapes[index]!
      let read = numbers.get(name)
      if (read === undefined) numbers.set(name, (read = shapeNumber(sample, name)))
      const found = read === null ? -1 : read(bytes, start, end, view)
      if (found < 0) continue
      this.#hit(index)
      return found
    }
    return -1
  }

  #hit(index: number): void {
    if (index > 0) {
      const shapes = this.#shapes
      const shape = shapes[index]!
      shapes[index] = shapes[0]!
      shapes[0] = shape
    }
    this.#missesInARow = 0
    this.#nextPause = patience
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
    const sample = latin1Of(bytes, start, end)
    const reader = shapeReader(sample, this.#options)
    if (reader === null) return
    if (this.#shapes.length === maxShapes) this.#shapes.pop()
    this.#shapes.unshift({ sample, reader, test: undefined, numbers: new Map() })
  }
}
