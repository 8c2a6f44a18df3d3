/** JSON text that is put together in one piece of memory, from values of the database as they came. */
import { jsonText } from '../json-text.ts'
import { columnValue } from './column-value.ts'
import type { ColumnType } from './column-value.ts'

const quote = 0x22
const backslash = 0x5c
const firstPlain = 0x20
/** Longer parts are copied in one go. */
const shortBytes = 24
/** One huge value must not cost its memory for ever. */
const largestKept = 8 * 1_048_576

export class JsonBytes {
  /** Only good until more is written. */
  bytes: Buffer = Buffer.allocUnsafe(65_536)
  length = 0

  clear(): void {
    this.length = 0
    if (this.bytes.length > largestKept) this.bytes = Buffer.allocUnsafe(65_536)
  }

  /** JSON as it is. */
  add(json: Uint8Array): void {
    this.addPart(json, 0, json.length)
  }

  addPart(json: Uint8Array, start: number, end: number): void {
    const size = end - start
    this.#reserve(size)
    if (size > shortBytes) this.bytes.set(start === 0 && end === json.length ? json : json.subarray(start, end), this.length)
    else for (let at = 0; at < size; at++) this.bytes[this.length + at] = json[start + at]!
    this.length += size
  }

  addText(json: string): void {
    this.#reserve(3 * json.length)
    this.length += this.bytes.write(json, this.length)
  }

  /** What a column of that type holds, whose text stands in `bytes`; as JSON.stringify of `columnValue` would write it. */
  addCell(bytes: Buffer, start: number, end: number, type: ColumnType): void {
    switch (type.kind) {
      case 'text':
        return this.#addQuoted(bytes, start, end)
      case 'integer':
        return this.addPart(bytes, start, end)
      case 'boolean':
        return this.add(bytes[start] === 0x74 /* t */ ? yes : no)
      case 'timestamptz':
        if (isUsualMoment(bytes, start, end)) return this.#addMoment(bytes, start, end - 3, true)
        break
      case 'timestamp':
        if (isUsualTime(bytes, start, end)) return this.#addMoment(bytes, start, end, false)
        break
      case 'float':
        if (isPlainNumber(bytes, start, end)) return this.addPart(bytes, start, end)
        break
      default:
    }
    this.addValue(columnValue(bytes.toString('utf8', start, end), type))
  }

  addValue(value: unknown): void {
    this.addText(jsonText(value))
  }

  /** Text as it is while nothing in it has a meaning in JSON. */
  #addQuoted(bytes: Buffer, start: number, end: number): void {
    this.#reserve(end - start + 2)
    const to = this.bytes
    let length = this.length
    to[length++] = quote
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      if (byte === quote || byte === backslash || byte < firstPlain) return this.addText(JSON.stringify(bytes.toString('utf8', start, end)))
      to[length++] = byte
    }
    to[length++] = quote
    this.length = length
  }

  /** `2026-11-21 07:00:00.5` */
  #addMoment(bytes: Buffer, start: number, end: number, isUtc: boolean): void {
    this.#reserve(end - start + 3)
    const to = this.bytes
    let length = this.length
    to[length++] = quote
    for (let at = start; at < end; at++) to[length++] = bytes[at]!
    to[this.length + 11] = 0x54 // T
    if (isUtc) to[length++] = 0x5a // Z
    to[length++] = quote
    this.length = length
  }

  #reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, this.length + size))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }
}

const yes = Buffer.from('true')
const no = Buffer.from('false')

/** `2026-11-21 07:00:00` and more digits of the second: infinity, years BC and years beyond 9999 are not. */
function isUsualTime(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= 19 && bytes[start + 4] === 0x2d /* - */ && bytes[start + 10] === 0x20 && bytes[end - 1]! <= 0x39 /* 9 */
}

function isUsualMoment(bytes: Buffer, start: number, end: number): boolean {
  return isUsualTime(bytes, start, end - 3) && bytes[end - 3] === 0x2b /* + */ && bytes[end - 2] === 0x30 && bytes[end - 1] === 0x30
}

/** What JSON has a number for, written so that it reads as the same one: not NaN, not Infinity. */
function isPlainNumber(bytes: Buffer, start: number, end: number): boolean {
  return end > start && bytes[end - 1]! <= 0x39 /* 9 */
}
