/** Rows in the binary format of COPY, which the server reads with less work than texts. The result is the same, or there is none. */
import { cellText, storableText } from './cell-text.ts'
import { CopyBytes, fullBytes } from './copy-bytes.ts'
import type { CopyForm } from './copy-bytes.ts'
import { daysOf, momentOf } from './moment-bytes.ts'
import type { Column } from './table.ts'

/** A value that only PostgreSQL itself can read, or that it will refuse: rows go as texts then, and the server says what it thinks of them. */
export const hasNoBytes = new Error('a value has no form in bytes')

// Its signature, no flags, no extension.
const header = Buffer.from('PGCOPY\n\u00ff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const shortText = 64
const lastPlain = 0x7e
const largestInt = { int2: 32_767, int4: 2_147_483_647 } as const

export class CopyBinary extends CopyBytes implements CopyForm {
  #view = viewOf(this.bytes)

  constructor() {
    super()
    this.begin()
  }

  /** In front of the first row. */
  begin(): void {
    this.#addBytes(header)
  }

  override take(): Buffer {
    const message = super.take()
    this.#view = viewOf(this.bytes)
    return message
  }

  startRow(cellCount: number): void {
    this.#room(2)
    this.#view.setInt16(this.length, cellCount)
    this.length += 2
  }

  endRow(): void {}

  end(): void {
    this.startRow(-1)
  }

  /** As `cellText` would be read by the column. @throws a data error, or `hasNoBytes` */
  addCell(value: unknown, column: Column, isDatabaseText: boolean): void {
    if (value === null || value === undefined) return this.#addLength(-1)
    switch (column.binary!) {
      case 'int4':
      case 'int2':
        return this.#addInteger(value, column.binary as 'int2' | 'int4')
      case 'text':
        return this.#addText(typeof value === 'string' ? value : cellText(value, column.kind)!)
      case 'timestamptz':
      case 'timestamp':
        return this.#addMoment(value, column.binary === 'timestamptz')
      case 'int8':
        return this.#addBigint(value)
      case 'float8':
      case 'float4':
        return this.#addFloat(value, column.binary === 'float4')
      case 'bool':
        if (typeof value !== 'boolean') throw hasNoBytes
        this.#addLength(1)
        this.bytes[this.length++] = value ? 1 : 0
        return undefined
      case 'json':
        return this.#addText(cellText(value, 'json', undefined, isDatabaseText)!)
      case 'jsonb':
        return this.#addJsonb(cellText(value, 'json', undefined, isDatabaseText)!)
      case 'date':
        return this.#addDate(value)
      case 'uuid':
        return this.#addUuid(value)
      case 'bytea':
        return this.#addBytea(value)
    }
  }

  #addInteger(value: unknown, form: 'int2' | 'int4'): void {
    if (typeof value !== 'number' || (value | 0) !== value || value > largestInt[form] || value < -largestInt[form] - 1) throw hasNoBytes
    if (form === 'int4') {
      this.#addLength(4)
      this.#view.setInt32(this.length, value)
      this.length += 4
    } else {
      this.#addLength(2)
      this.#view.setInt16(this.length, value)
      this.length += 2
    }
  }

  #addBigint(value: unknown): void {
    if (typeof value === 'bigint') {
      if (BigInt.asIntN(64, value) !== value) throw hasNoBytes
      this.#addLength(8)
      this.#view.setBigInt64(this.length, value)
    } else {
      if (!Number.isSafeInteger(value)) throw hasNoBytes
      this.#addLength(8)
      this.#view.setInt32(this.length, Math.floor((value as number) / 4_294_967_296))
      this.#view.setUint32(this.length + 4, (value as number) >>> 0)
    }
    this.length += 8
  }

  /** Rounding twice may not be rounding once. */
  #addFloat(value: unknown, isSingle: boolean): void {
    if (typeof value !== 'number' || (isSingle && !Object.is(Math.fround(value), value))) throw hasNoBytes
    const size = isSingle ? 4 : 8
    this.#addLength(size)
    if (isSingle) this.#view.setFloat32(this.length, value)
    else this.#view.setFloat64(this.length, value)
    this.length += size
  }

  #addMoment(value: unknown, isWithZone: boolean): void {
    const moment = momentOf(value, isWithZone)
    if (moment === undefined) throw hasNoBytes
    this.#addLength(8)
    // Milliseconds times 1,000 have more than 53 bits.
    const low = (moment.ms >>> 0) * 1_000 + moment.micros
    this.#view.setInt32(this.length, Math.floor(moment.ms / 4_294_967_296) * 1_000 + Math.floor(low / 4_294_967_296))
    this.#view.setUint32(this.length + 4, low >>> 0)
    this.length += 8
  }

  #addDate(value: unknown): void {
    const days = typeof value === 'string' ? daysOf(value) : momentOf(value, false)
    if (days === undefined) throw hasNoBytes
    this.#addLength(4)
    this.#view.setInt32(this.length, typeof days === 'number' ? days : Math.floor(days.ms / 86_400_000))
    this.length += 4
  }

  #addUuid(value: unknown): void {
    if (typeof value !== 'string' || !uuid.test(value)) throw hasNoBytes
    this.#addLength(16)
    this.length += this.bytes.write(value.replaceAll('-', ''), this.length, 'hex')
  }

  #addBytea(value: unknown): void {
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) throw hasNoBytes
    const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : value
    if (typeof value === 'string' && (bytes as Buffer).toString('base64') !== value) throw hasNoBytes
    this.#addLength(bytes.length)
    this.#addBytes(bytes)
  }

  #addJsonb(text: string): void {
    const start = this.length
    this.#room(5 + (text.length < fullBytes ? 3 * text.length : Buffer.byteLength(text)))
    this.bytes[start + 4] = 1 // the version of the format
    this.#endValue(start, 1 + this.bytes.write(storableText(text), start + 5))
  }

  #addText(text: string): void {
    const start = this.length
    if (text.length > shortText) return this.#addLongText(text)
    this.#room(4 + text.length)
    const bytes = this.bytes
    let length = start + 4
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === 0 || code > lastPlain) return this.#addLongText(text)
      bytes[length++] = code
    }
    this.#endValue(start, text.length)
  }

  #addLongText(text: string): void {
    const start = this.length
    this.#room(4 + (text.length < fullBytes ? 3 * text.length : Buffer.byteLength(text)))
    this.#endValue(start, this.bytes.write(storableText(text), start + 4))
  }

  /** Its bytes stand behind the place of their length. */
  #endValue(start: number, size: number): void {
    this.#view.setInt32(start, size)
    this.length = start + 4 + size
  }

  #addBytes(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /** Of a value that takes no more than 16 bytes, or makes its own room. -1: null. */
  #addLength(size: number): void {
    this.#room(20)
    this.#view.setInt32(this.length, size)
    this.length += 4
  }

  #room(size: number): void {
    const before = this.bytes
    this.reserve(size)
    if (this.bytes !== before) this.#view = viewOf(this.bytes)
  }
}

const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
