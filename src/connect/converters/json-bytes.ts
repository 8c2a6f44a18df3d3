/**
 * JSON of plain data as bytes, as JSON.stringify and UTF-8 would have it, without the text between: a writer is made for each shape of
 * object, and short texts and numbers are written byte by byte, which takes a fraction of the time.
 */
import { compiled, LearningBudget, ShapeTable } from '../shape-table.ts'
import type { PlainMembers } from '../shape-table.ts'
import { isPlainObject } from './json-writer.ts'

const slabBytes = 64 * 1024
/** Deeper data is left to others: it may be a circle. */
const maxDepth = 32
/** Objects nested deeper are written name by name: there would be too many writers. */
const maxShapedDepth = 4
/** After so many the writers are dropped and made anew where they are still used. */
const maxWriters = 256
/** Longer text is written by the runtime, which has a price for each call. */
const shortText = 32

const quote = 34
const backslash = 92
const space = 32
const comma = 44
const colon = 58
const minus = 45
const zero = 48

interface BufferMethods {
  readonly utf8Write: (this: Uint8Array, text: string, at: number, length: number) => number
}
const { utf8Write } = Buffer.prototype as unknown as BufferMethods

/** Where to write: bytes[start, at) are what is there of the value. */
interface Cursor {
  bytes: Uint8Array
  start: number
  at: number
}

/** Where in its value an object or an array stands: the shapes seen there, and the one place for what is in it. */
interface Site {
  shapes: ShapeTable<ObjectWriter> | null
  rest: Site | null
}

/** False: there is something that others have to write. */
type ObjectWriter = (cursor: Cursor, members: PlainMembers, depth: number) => boolean

const noBytes = new Uint8Array(0)

export class JsonBytes {
  readonly #cursor: Cursor = { bytes: noBytes, start: 0, at: 0 }
  #root = newSite()
  #budget = new LearningBudget()
  #writers = 0

  /** Undefined for data that JSON.stringify would not write as it must be; the bytes are the caller's. */
  write(value: unknown): Uint8Array | undefined {
    if (this.#writers > maxWriters) this.#forget()
    const cursor = this.#cursor
    cursor.start = cursor.at
    if (!this.#put(cursor, value, this.#root, 0)) {
      cursor.at = cursor.start
      return undefined
    }
    const written = cursor.bytes.subarray(cursor.start, cursor.at)
    if (cursor.bytes.length === slabBytes) return written
    cursor.bytes = noBytes // nobody is to hold on to a large one for a few small values
    cursor.at = 0
    return written.slice()
  }

  #forget(): void {
    this.#root = newSite()
    this.#budget = new LearningBudget()
    this.#writers = 0
  }

  #put(cursor: Cursor, value: unknown, site: Site, depth: number): boolean {
    switch (typeof value) {
      case 'string': putText(cursor, value); return true
      case 'number': putNumber(cursor, value); return true
      case 'boolean': putAscii(cursor, value ? 'true' : 'false'); return true
      case 'object': break
      default: return false
    }
    if (value === null) {
      putAscii(cursor, 'null')
      return true
    }
    if (depth > maxDepth) return false
    if (Array.isArray(value)) return this.#putArray(cursor, value, site, depth)
    return isPlainObject(value) && this.#putObject(cursor, value, site, depth)
  }

  #putObject(cursor: Cursor, members: PlainMembers, site: Site, depth: number): boolean {
    if (depth < maxShapedDepth) {
      site.shapes ??= new ShapeTable((names) => this.#writerOf(names), this.#budget)
      const write = site.shapes.of(members)
      if (write !== undefined) return write(cursor, members, depth)
    }
    return this.#putNames(cursor, members, Object.keys(members), site, depth)
  }

  #putNames(cursor: Cursor, members: PlainMembers, names: readonly string[], site: Site, depth: number): boolean {
    const inner = (site.rest ??= newSite())
    putByte(cursor, 123)
    for (let index = 0; index < names.length; index++) {
      if (index > 0) putByte(cursor, comma)
      putText(cursor, names[index]!)
      putByte(cursor, colon)
      if (!this.#put(cursor, members[names[index]!], inner, depth + 1)) return false
    }
    putByte(cursor, 125)
    return true
  }

  #putArray(cursor: Cursor, values: readonly unknown[], site: Site, depth: number): boolean {
    const inner = (site.rest ??= newSite())
    putByte(cursor, 91)
    for (let index = 0; index < values.length; index++) {
      if (index > 0) putByte(cursor, comma)
      if (!this.#put(cursor, values[index], inner, depth + 1)) return false
    }
    putByte(cursor, 93)
    return true
  }

  #writerOf(names: readonly string[]): ObjectWriter {
    this.#writers++
    const sites = names.map(newSite)
    const put = (cursor: Cursor, value: unknown, index: number, depth: number) => this.#put(cursor, value, sites[index]!, depth)
    const made = compiled<ObjectWriter>(writerSource(names), { put, putText, putNumber, room })
    const all = newSite()
    return made ?? ((cursor, members, depth) => this.#putNames(cursor, members, names, all, depth))
  }
}

function newSite(): Site {
  return { shapes: null, rest: null }
}

/** Names and marks stand in the code as bytes, between calls that write the values. */
function writerSource(names: readonly string[]): string {
  const values = names.map((name, index) => `${literalSource(`${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)}value = members[${JSON.stringify(name)}]; ${valueSource(index)}`)
  return `(cursor, members, depth) => {\nlet at = 0, bytes, value\n${values.join('')}${literalSource(names.length === 0 ? '{}' : '}')}return true\n}`
}

/** What a member holds mostly: V8 learns it for each of them. */
function valueSource(index: number): string {
  return `if (typeof value === 'string') putText(cursor, value); else if (typeof value === 'number') putNumber(cursor, value); else if (!put(cursor, value, ${index}, depth + 1)) return false\n`
}

function literalSource(text: string): string {
  const bytes = Buffer.from(text)
  const stores = Array.from(bytes, (byte, index) => `bytes[at${index === 0 ? '' : ` + ${index}`}] = ${byte}`)
  return `room(cursor, ${bytes.length}); bytes = cursor.bytes; at = cursor.at; ${stores.join('; ')}; cursor.at = at + ${bytes.length}\n`
}

/** Makes room for `length` bytes more. */
function room(cursor: Cursor, length: number): void {
  if (cursor.at + length > cursor.bytes.length) moveOn(cursor, length)
}

/** Into a new slab: views of the old one are with the callers. */
function moveOn(cursor: Cursor, length: number): void {
  const written = cursor.bytes.subarray(cursor.start, cursor.at)
  const slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * (written.length + length)))
  cursor.bytes = new Uint8Array(slab.buffer, slab.byteOffset, slab.length)
  cursor.bytes.set(written)
  cursor.start = 0
  cursor.at = written.length
}

function putByte(cursor: Cursor, byte: number): void {
  room(cursor, 1)
  cursor.bytes[cursor.at++] = byte
}

function putAscii(cursor: Cursor, text: string): void {
  const { length } = text
  room(cursor, length)
  const { bytes, at } = cursor
  for (let index = 0; index < length; index++) bytes[at + index] = text.charCodeAt(index)
  cursor.at = at + length
}

function putText(cursor: Cursor, text: string): void {
  const { length } = text
  if (length > shortText) {
    putLongText(cursor, text)
    return
  }
  room(cursor, length + 2)
  const { bytes, at } = cursor
  bytes[at] = quote
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code > 127 || code < space || code === quote || code === backslash) {
      putEscaped(cursor, text)
      return
    }
    bytes[at + 1 + index] = code
  }
  bytes[at + 1 + length] = quote
  cursor.at = at + length + 2
}

/** Written as it is, and looked through then: what takes more bytes than characters is not ASCII. */
function putLongText(cursor: Cursor, text: string): void {
  const { length } = text
  room(cursor, length + 2)
  const { bytes, at } = cursor
  const end = at + 1 + length
  if (utf8Write.call(bytes, text, at + 1, length) !== length || !isPlain(bytes, at + 1, end)) {
    putEscaped(cursor, text)
    return
  }
  bytes[at] = quote
  bytes[end] = quote
  cursor.at = end + 1
}

function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index++) {
    const byte = bytes[index]!
    if (byte > 127 || byte < space || byte === quote || byte === backslash) return false
  }
  return true
}

function putEscaped(cursor: Cursor, text: string): void {
  const json = JSON.stringify(text)
  room(cursor, 3 * json.length)
  cursor.at += utf8Write.call(cursor.bytes, json, cursor.at, 3 * json.length)
}

/** Numbers that JSON cannot write are texts, as upstream's `"NaN"`. */
function putNumber(cursor: Cursor, value: number): void {
  if (!Number.isSafeInteger(value)) {
    if (Number.isFinite(value)) putAscii(cursor, String(value))
    else putText(cursor, String(value))
    return
  }
  room(cursor, 17)
  let rest = value
  if (rest < 0) {
    cursor.bytes[cursor.at++] = minus
    rest = -rest
  }
  if (rest < lowPart) {
    putDigits(cursor, rest, digitCount(rest))
    return
  }
  const high = Math.floor(rest / lowPart)
  putDigits(cursor, high, digitCount(high))
  putDigits(cursor, rest - high * lowPart, lowDigits)
}

/** Integers are written in two parts that divide as 32 bits: 2^53 has 16 digits. */
const lowDigits = 8
const lowPart = 1e8

function digitCount(value: number): number {
  if (value < 1e4) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4
  return value < 1e6 ? (value < 1e5 ? 5 : 6) : value < 1e7 ? 7 : 8
}

function putDigits(cursor: Cursor, value: number, count: number): void {
  const { bytes, at } = cursor
  let rest = value | 0
  for (let index = at + count - 1; index >= at; index--) {
    const next = (rest / 10) | 0
    bytes[index] = zero + rest - next * 10
    rest = next
  }
  cursor.at = at + count
}
