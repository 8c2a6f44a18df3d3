/** JSON text that is put together in one piece of memory, from values of the database as they came. */
import { jsonText } from '../json-text.ts'
import { columnValue, textType } from './column-value.ts'
import type { ColumnType } from './column-value.ts'
import { backslash, CopyRow, newline, tab } from './copy-row.ts'
import { nullCell } from './pgoutput.ts'

const quote = 0x22
const firstPlain = 0x20
/** Longer parts are copied in one go. */
const shortBytes = 64
/** One huge value must not cost its memory for ever. */
const largestKept = 8 * 1_048_576

export class JsonBytes {
  /** Only good until more is written. */
  bytes: Buffer = Buffer.allocUnsafe(65_536)
  length = 0
  readonly #copied = new CopyRow()

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
    const to = this.bytes
    let length = this.length
    this.length = length + size
    if (size > shortBytes) to.set(start === 0 && end === json.length ? json : json.subarray(start, end), length)
    else for (let at = start; at < end; at++) to[length++] = json[at]!
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

  /** As `addCell`, of a cell in a row of COPY, which ends at `end`. @returns where the cell ends */
  addCopied(row: Buffer, start: number, end: number, type: ColumnType): number {
    if (type.kind === 'text') return this.#addCopiedText(row, start, end)
    let at = start
    for (let byte = row[at]!; byte !== tab && byte !== newline && byte !== backslash && at < end;) byte = row[++at]!
    if (row[at] === backslash) return this.#addEscaped(row, start, end, type)
    this.addCell(row, start, at, type)
    return at
  }

  #addCopiedText(row: Buffer, start: number, end: number): number {
    this.#reserve(end - start + 2)
    const to = this.bytes
    let length = this.length
    to[length++] = quote
    let at = start
    for (; at < end; at++) {
      const byte = row[at]!
      if (byte <= quote ? byte < firstPlain || byte === quote : byte === backslash) {
        if (byte === tab || byte === newline) break
        return this.#addEscaped(row, start, end, textType)
      }
      to[length++] = byte
    }
    to[length++] = quote
    this.length = length
    return at
  }

  #addEscaped(row: Buffer, start: number, end: number, type: ColumnType): number {
    const at = this.#copied.readCell(row, start, end)
    const [from, to] = this.#copied.cells
    if (from === nullCell) this.add(nothing)
    else this.addCell(this.#copied.bytes, from!, to!, type)
    return at
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
const nothing = Buffer.from('null')

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
