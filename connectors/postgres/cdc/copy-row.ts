/** Rows in the text format of COPY: cells divided by tabs, a newline behind the last, and a backslash before what has a meaning in it. */
import { nullCell } from './pgoutput.ts'

export const tab = 0x09
export const newline = 0x0a
export const backslash = 0x5c
const letterN = 0x4e

const characters: ReadonlyMap<number, number> = new Map([['b', '\b'], ['f', '\f'], ['n', '\n'], ['r', '\r'], ['t', '\t'], ['v', '\v']].map(([letter, character]) => [letter!.charCodeAt(0), character!.charCodeAt(0)]))

/** The cells of one row without their escapes. */
export class CopyRow {
  bytes: Buffer = Buffer.allocUnsafe(256)
  /** Start and end of each cell; `nullCell` in place of both of a null. */
  cells: number[] = []
  #length = 0

  /** The row that stands between the two places. */
  read(row: Buffer, start: number, end: number): this {
    this.cells = []
    this.#length = 0
    for (let at = start; at < end;) at = this.#add(row, at, end) + 1
    return this
  }

  /** Only the cell that begins there. @returns where it ends */
  readCell(row: Buffer, start: number, end: number): number {
    this.cells = []
    this.#length = 0
    return this.#add(row, start, end)
  }

  #add(row: Buffer, start: number, end: number): number {
    if (this.#length + end - start > this.bytes.length) this.bytes = enlarged(this.bytes, this.#length, this.#length + end - start)
    const { bytes } = this
    let length = this.#length
    let at = start
    let isNull = false
    for (; at < end; at++) {
      const byte = row[at]!
      if (byte === tab || byte === newline) break
      if (byte !== backslash) bytes[length++] = byte
      else {
        const escaped = row[++at]!
        if (escaped === letterN) isNull = true
        else bytes[length++] = characters.get(escaped) ?? escaped
      }
    }
    this.cells.push(isNull ? nullCell : this.#length, isNull ? nullCell : length)
    this.#length = length
    return at
  }
}

function enlarged(bytes: Buffer, length: number, wanted: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(2 * bytes.length, wanted))
  larger.set(bytes.subarray(0, length))
  return larger
}
