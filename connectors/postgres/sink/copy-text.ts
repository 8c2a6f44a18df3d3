/** Rows in the text format of COPY, written into the messages that carry them. */
import { cellText, storableText } from './cell-text.ts'
import { CopyBytes, fullBytes } from './copy-bytes.ts'
import type { CopyForm } from './copy-bytes.ts'
import { momentBytes, writeMoment } from './moment-text.ts'
import type { Column } from './table.ts'

/** Longer texts are written in one go. */
const shortText = 64

const [tab, newline, minus, zero, space, backslash, letterN, lastPlain] = [0x09, 0x0a, 0x2d, 0x30, 0x20, 0x5c, 0x4e, 0x7e]

export class CopyText extends CopyBytes implements CopyForm {
  startRow(): void {}

  endRow(): void {
    this.bytes[this.length - 1] = newline
  }

  end(): void {}

  /** As `cellText`. @throws a data error */
  addCell(value: unknown, column: Column, isDatabaseText: boolean): void {
    this.#addValue(value, column, isDatabaseText)
    this.#addByte(tab)
  }

  #addValue(value: unknown, { kind, array }: Column, isDatabaseText: boolean): void {
    if (kind === 'other') {
      if (typeof value === 'string') return this.#addText(value)
      if (typeof value === 'number' && (value | 0) === value && !Object.is(value, -0)) return this.#addInteger(value)
    }
    if (kind === 'timestamptz' && typeof value === 'number' && this.#addMoment(value)) return
    const text = cellText(value, kind, array, isDatabaseText)
    if (text !== null) return this.#addText(text)
    this.#addByte(backslash)
    this.#addByte(letterN)
  }

  /** Of 32 bits. */
  #addInteger(value: number): void {
    this.reserve(11)
    const bytes = this.bytes
    let rest = value
    if (rest < 0) {
      bytes[this.length++] = minus
      rest = -rest
    }
    let end = this.length + 1
    for (let power = 10; power <= rest; power *= 10) end++
    this.length = end
    do {
      const tens = Math.trunc(rest / 10)
      bytes[--end] = zero + rest - 10 * tens
      rest = tens
    } while (rest > 0)
  }

  /** @returns whether it is written */
  #addMoment(ms: number): boolean {
    this.reserve(momentBytes)
    const isWritten = writeMoment(ms, this.bytes, this.length)
    if (isWritten) this.length += momentBytes
    return isWritten
  }

  #addText(text: string): void {
    if (text.length > shortText) return this.#addLongText(text)
    this.reserve(text.length)
    const bytes = this.bytes
    let length = this.length
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code < space || code === backslash || code > lastPlain) return this.#addLongText(text)
      bytes[length++] = code
    }
    this.length = length
  }

  #addLongText(text: string): void {
    const escaped = /[\\\t\n\r]/.test(text) ? text.replace(/[\\\t\n\r]/g, (character) => escapes[character]!) : text
    this.reserve(escaped.length < fullBytes ? 3 * escaped.length : Buffer.byteLength(escaped))
    this.length += this.bytes.write(storableText(escaped), this.length)
  }

  #addByte(byte: number): void {
    this.reserve(1)
    this.bytes[this.length++] = byte
  }
}

const escapes: Readonly<Record<string, string>> = { '\\': String.raw`\\`, '\t': String.raw`\t`, '\n': String.raw`\n`, '\r': String.raw`\r` }
