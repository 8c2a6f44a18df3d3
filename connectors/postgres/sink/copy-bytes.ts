import { copyHeaderBytes } from '../cdc/copy-tap.ts'
import type { Column } from './table.ts'

/** Writes rows into messages of COPY. */
export interface CopyForm {
  readonly isFull: boolean
  startRow(cellCount: number): void
  /** @throws a data error, or `hasNoBytes` */
  addCell(value: unknown, column: Column, isDatabaseText: boolean): void
  endRow(): void
  /** Behind the last row. */
  end(): void
  /** A message with all that was added since the last one. */
  take(): Buffer
}

/** A message is full at so many bytes. */
export const fullBytes = 65_536
const roomBytes = fullBytes + 4_096
const copyDataTag = 0x64

/** Messages with the data of a COPY, which are written in place. */
export class CopyBytes {
  protected bytes: Buffer = Buffer.allocUnsafe(roomBytes)
  protected length = copyHeaderBytes

  get isFull(): boolean {
    return this.length >= fullBytes
  }

  get isEmpty(): boolean {
    return this.length === copyHeaderBytes
  }

  /** A message with all that was added since the last one. */
  take(): Buffer {
    const message = this.bytes.subarray(0, this.length)
    message[0] = copyDataTag
    message.writeUInt32BE(message.length - 1, 1)
    this.bytes = Buffer.allocUnsafe(roomBytes)
    this.length = copyHeaderBytes
    return message
  }

  protected reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, this.length + size))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }
}
