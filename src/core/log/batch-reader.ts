import { RecordPosition } from '../record-position.ts'
import type { KeysAhead, RecordsAhead } from '../record-position.ts'
import type { Header, ReadBlock, RecordReader, RecordView } from '../record.ts'
import type { Serde } from '../serde.ts'
import { ensureExhausted, headersAt, readKeyAs, readRecord, readValueAs } from './lazy-record.ts'
import type { RecordBase } from './lazy-record.ts'
import type { ByteCursor } from './varint.ts'

/** Reads the records of a batch in place: positions in fields of its own, nothing made for a record. */
export class BatchReader implements RecordReader {
  readonly #bytes: Uint8Array
  readonly #base: RecordBase
  readonly #fromOffset: number
  readonly #limit: number
  readonly #count: number
  readonly #position: RecordPosition
  #left: number
  /** Where the next record begins. */
  #at: number
  /** Where the length of its key stands; below 0: not known. */
  #bodyAt = -1
  #keyAt = 0
  #keyLength = -1
  #valueAt = 0
  #valueLength = -1
  /** The last ones; others may have been written over them since. */
  #ahead: RecordsAhead | null = null
  offset = -1
  timestamp = -1
  mark = 0

  /** Records below `fromOffset` are passed over. */
  constructor({ bytes, at, end }: ByteCursor, base: RecordBase, recordCount: number, fromOffset: number) {
    this.#bytes = bytes
    this.#base = base
    this.#position = new RecordPosition(base.window)
    this.#count = this.#left = recordCount
    this.#fromOffset = fromOffset
    this.#limit = end
    this.#at = at
  }

  next(): boolean {
    while (this.#left > 0) {
      this.#left--
      this.mark = this.#at
      if (!this.#readShort()) this.#readAny()
      if (this.offset >= this.#fromOffset) return true
    }
    if (this.#count > 0) ensureExhausted({ at: this.#at, end: this.#limit })
    return false
  }

  get headers(): readonly Header[] {
    return headersAt(this.#base.window, this.#valueAt + Math.max(0, this.#valueLength), this.#at)
  }

  get block(): ReadBlock | null {
    return this.#base.window.block
  }

  get hasKey(): boolean {
    return this.#keyLength >= 0
  }

  get hasValue(): boolean {
    return this.#valueLength >= 0
  }

  keyAs<T>(serde: Serde<T>): T | null {
    return this.#keyLength < 0 ? null : readKeyAs(serde, this.#base.window, this.#keyAt, this.#keyAt + this.#keyLength)
  }

  valueAs<T>(serde: Serde<T>): T | null {
    return this.#valueLength < 0 ? null : readValueAs(serde, this.#base.window, this.#valueAt, this.#valueAt + this.#valueLength)
  }

  recordAt(mark: number): RecordView {
    this.#base.window.share()
    return readRecord({ bytes: this.#bytes, at: mark, end: this.#limit }, this.#base)
  }

  isKeyReadable(serde: Serde<unknown>): boolean {
    return this.#keyLength >= 0 && serde.isReadable !== undefined && serde.isReadable(this.#base.window, this.#keyAt, this.#keyAt + this.#keyLength)
  }

  keyOf<T>(mark: number, serde: Serde<T>): T {
    const { keyAt, keyLength } = this.positionOf(mark)
    return readKeyAs(serde, this.#base.window, keyAt, keyAt + keyLength)
  }

  isValueReadable(serde: Serde<unknown>): boolean {
    return this.#valueLength >= 0 && serde.isReadable !== undefined && serde.isReadable(this.#base.window, this.#valueAt, this.#valueAt + this.#valueLength)
  }

  wholeNumberOf(serde: Serde<unknown>, name: string): number {
    return this.#valueLength < 0 || serde.wholeNumberOf === undefined ? -1 : serde.wholeNumberOf(name, this.#base.window, this.#valueAt, this.#valueAt + this.#valueLength)
  }

  valueAt<T>(mark: number, serde: Serde<T>): T {
    return readRecord({ bytes: this.#bytes, at: mark, end: this.#limit }, this.#base).valueAs(serde) as T
  }

  positionOf(mark: number): RecordPosition {
    const position = this.#position
    const ahead = this.#ahead
    if (ahead !== null && ahead.window === position.window && ahead.index < ahead.count && ahead.mark[ahead.index] === mark) {
      const { index } = ahead
      position.bodyAt = ahead.bodyAt[index]!
      position.keyAt = ahead.keyAt[index]!
      position.keyLength = ahead.keyLength[index]!
      position.end = ahead.mark[index + 1]!
    } else if (mark !== this.mark || this.#bodyAt < 0) position.find(mark)
    else {
      position.bodyAt = this.#bodyAt
      position.keyAt = this.#keyAt
      position.keyLength = this.#keyLength
      position.end = this.#at
    }
    return position
  }

  findKeysAhead(keys: KeysAhead): number {
    const { keyAt, keyLength } = keys
    const bytes = this.#bytes
    keys.view = this.#base.window.view
    let at = this.mark
    let count = 0
    for (let left = Math.min(keyAt.length, this.#left + 1); left > 0; left--) {
      let raw = bytes[at++]!
      if (raw >= 128) raw = (raw & 127) | (bytes[at++]! << 7)
      const end = at + (raw >>> 1)
      if (raw >= 16_384 || end > this.#limit) break
      at++ // attributes
      while (bytes[at++]! >= 128);
      while (bytes[at++]! >= 128);
      let key = bytes[at++]!
      if (key >= 128) key = (key & 127) | (bytes[at++]! << 7)
      const length = (key >>> 1) ^ -(key & 1)
      if (key >= 16_384 || at + length > end) break
      keyAt[count] = at
      keyLength[count] = length
      if (length >= 0) count++
      at = end
    }
    return count
  }

  /** As `#readShort`, in a loop that has no fields to write, and only of records that are plain. */
  readAhead(records: RecordsAhead, limit = records.keyAt.length, maxBytes = this.#limit): void {
    const bytes = this.#bytes
    const { offset: baseOffset, timestamp: baseTime, appendTime, window } = this.#base
    const { mark, bodyAt, keyAt, keyLength, valueAt, valueLength, offset, timestamp } = records
    const shortestKey = records.takesNullKeys ? -1 : 0
    const most = Math.min(limit, keyAt.length, this.#left - 1)
    const begin = this.#at
    const stop = Math.min(this.#limit, begin + maxBytes)
    let from = begin
    let payload = 0
    let count = 0
    for (; count < most; count++) {
      let at = from
      let raw = bytes[at++]!
      if (raw >= 128) raw = (raw & 127) | (bytes[at++]! << 7)
      const end = at + (raw >>> 1)
      if (raw >= 16_384 || (raw & 1) !== 0 || end > stop || bytes[at++] !== 0) break
      let time = bytes[at++]!
      if (time >= 128) time = (time & 127) | (bytes[at++]! << 7)
      if (time >= 16_384) time = (time & 16_383) | (bytes[at++]! << 14)
      if (time >= 2_097_152) time = (time & 2_097_151) | (bytes[at++]! << 21)
      let delta = bytes[at++]!
      if (delta >= 128) delta = (delta & 127) | (bytes[at++]! << 7)
      if (delta >= 16_384) delta = (delta & 16_383) | (bytes[at++]! << 14)
      const body = at
      let key = bytes[at++]!
      if (key >= 128) key = (key & 127) | (bytes[at++]! << 7)
      const keyBytes = (key >>> 1) ^ -(key & 1)
      if (time >= 268_435_456 || delta >= 2_097_152 || key >= 16_384 || keyBytes < shortestKey) break
      const keyFrom = at
      if (keyBytes > 0) at += keyBytes
      let value = bytes[at++]!
      if (value >= 128) value = (value & 127) | (bytes[at++]! << 7)
      const valueBytes = value >>> 1
      // Behind the value is the number of headers alone.
      if (value >= 16_384 || (value & 1) !== 0 || at + valueBytes + 1 !== end || bytes[end - 1] !== 0) break
      const stamp = appendTime ?? baseTime + ((time >>> 1) ^ -(time & 1))
      if (stamp < 0) break
      mark[count] = from
      bodyAt[count] = body
      keyAt[count] = keyFrom
      keyLength[count] = keyBytes
      valueAt[count] = at
      valueLength[count] = valueBytes
      offset[count] = baseOffset + ((delta >>> 1) ^ -(delta & 1))
      timestamp[count] = stamp
      payload += valueBytes + Math.max(0, keyBytes)
      from = end
    }
    mark[count] = from
    records.window = window
    records.left = this.#left
    records.count = count
    records.index = 0
    // The seven numbers of each record: all bytes of one but the last are above 127, and no other byte is.
    records.highBytes = from - begin - payload - 7 * count
    this.#ahead = records
    this.#left -= count
    this.#at = from
    this.mark = -1
  }

  goTo(records: RecordsAhead, index: number): void {
    this.#at = records.mark[index]!
    this.#left = records.left - index
  }

  isBefore(records: RecordsAhead, index: number): boolean {
    return records.window === this.#base.window && index < records.count && records.mark[index] === this.#at
  }

  /** A record as nearly all are: false, with nothing changed, where a number in front of key or value is longer, or anything is wrong. */
  #readShort(): boolean {
    const bytes = this.#bytes
    let at = this.#at
    let raw = bytes[at++]!
    if (raw >= 128) raw = (raw & 127) | (bytes[at++]! << 7)
    const end = at + (raw >>> 1)
    if (raw >= 16_384 || (raw & 1) !== 0 || end > this.#limit) return false
    at++ // attributes: none are defined
    let time = bytes[at++]!
    if (time >= 128) time = (time & 127) | (bytes[at++]! << 7)
    if (time >= 16_384) time = (time & 16_383) | (bytes[at++]! << 14)
    if (time >= 2_097_152) time = (time & 2_097_151) | (bytes[at++]! << 21)
    let delta = bytes[at++]!
    if (delta >= 128) delta = (delta & 127) | (bytes[at++]! << 7)
    if (delta >= 16_384) delta = (delta & 16_383) | (bytes[at++]! << 14)
    const bodyAt = at
    let key = bytes[at++]!
    if (key >= 128) key = (key & 127) | (bytes[at++]! << 7)
    if (time >= 268_435_456 || delta >= 2_097_152 || key >= 16_384) return false
    const keyLength = (key >>> 1) ^ -(key & 1)
    const keyAt = at
    if (keyLength > 0) at += keyLength
    let value = bytes[at++]!
    if (value >= 128) value = (value & 127) | (bytes[at++]! << 7)
    const valueLength = (value >>> 1) ^ -(value & 1)
    if (value >= 16_384 || at + Math.max(0, valueLength) >= end) return false
    const base = this.#base
    this.offset = base.offset + ((delta >>> 1) ^ -(delta & 1))
    this.timestamp = base.appendTime ?? base.timestamp + ((time >>> 1) ^ -(time & 1))
    this.#bodyAt = bodyAt
    this.#keyAt = keyAt
    this.#keyLength = keyLength
    this.#valueAt = at
    this.#valueLength = valueLength
    this.#at = end
    return true
  }

  #readAny(): void {
    const cursor = { bytes: this.#bytes, at: this.#at, end: this.#limit }
    const record = readRecord(cursor, this.#base)
    this.offset = record.offset
    this.timestamp = record.timestamp
    this.#bodyAt = -1
    this.#keyAt = record.keyAt
    this.#keyLength = record.keyLength
    this.#valueAt = record.valueAt
    this.#valueLength = record.valueLength
    this.#at = cursor.at
  }
}
