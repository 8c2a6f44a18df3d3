import { StreamError } from '../errors.ts'
import type { Header, RecordView } from '../record.ts'
import type { Serde } from '../serde.ts'
import type { TextWindow } from '../text-window.ts'
import { readVarint, readVarlong, varintSize, writeMediumVarint, writeShortVarint, writeVarint } from './varint.ts'
import type { ByteCursor } from './varint.ts'

/**
 * A record of the v2 format, over the bytes of its batch:
 * ```
 *   length varint | attributes i8 | timestampDelta varlong | offsetDelta varint
 *   | keyLength varint, key | valueLength varint, value | headerCount varint, headers…      (a length below 0 is null)
 * ```
 * Made with the positions of its parts; bytes are looked at when a getter is called.
 */
export class LazyRecord implements RecordView {
  readonly offset: number
  readonly timestamp: number
  readonly #bytes: Uint8Array
  /** Where the length of the key stands. */
  readonly #bodyAt: number
  readonly #keyLength: number
  readonly #valueAt: number
  readonly #valueLength: number
  /** One past the last byte of the record. */
  readonly #end: number
  readonly #window: TextWindow

  constructor(offset: number, timestamp: number, bytes: Uint8Array, bodyAt: number, keyLength: number, valueAt: number, valueLength: number, end: number, window: TextWindow) {
    this.offset = offset
    this.timestamp = timestamp
    this.#bytes = bytes
    this.#bodyAt = bodyAt
    this.#keyLength = keyLength
    this.#valueAt = valueAt
    this.#valueLength = valueLength
    this.#end = end
    this.#window = window
  }

  /** Below 0: null. */
  get valueLength(): number {
    return this.#valueLength
  }

  /** From the length of the key to the last header: what does not depend on the batch. */
  get bodyBytes(): Uint8Array {
    return this.#bytes.subarray(this.#bodyAt, this.#end)
  }

  get hasKey(): boolean {
    return this.#keyLength >= 0
  }

  /** Below 0: null. */
  get keyLength(): number {
    return this.#keyLength
  }

  /** Where the key begins in the bytes of the batch. The length is passed over again rather than kept in a field that most records never need. */
  get keyAt(): number {
    let at = this.#bodyAt
    while (this.#bytes[at]! >= 128) at++
    return at + 1
  }

  get valueAt(): number {
    return this.#valueAt
  }

  get key(): Uint8Array | null {
    if (this.#keyLength < 0) return null
    const at = this.keyAt
    return this.#bytes.subarray(at, at + this.#keyLength)
  }

  get value(): Uint8Array | null {
    if (this.#valueLength < 0) return null
    return this.#bytes.subarray(this.#valueAt, this.#valueAt + this.#valueLength)
  }

  keyAs<T>(serde: Serde<T>): T | null {
    if (this.#keyLength < 0) return null
    const at = this.keyAt
    return readKeyAs(serde, this.#window, at, at + this.#keyLength)
  }

  valueAs<T>(serde: Serde<T>): T | null {
    if (this.#valueLength < 0) return null
    return readValueAs(serde, this.#window, this.#valueAt, this.#valueAt + this.#valueLength)
  }

  /** @throws CORRUPT_RECORD when the bytes after the value are not exactly the headers */
  ensureHeaders(): void {
    this.#readHeaders()
  }

  /** @throws as `ensureHeaders` */
  get headers(): readonly Header[] {
    return this.#readHeaders()
  }

  #readHeaders(): readonly Header[] {
    return headersAt(this.#window, this.#valueAt + Math.max(0, this.#valueLength), this.#end)
  }
}

/** V8 copies strings that are no longer when they are cut from others. */
const copiedCharacters = 12

const noHeaders: readonly Header[] = Object.freeze([])

/**
 * Of the bytes of a key. Keys are what programs keep: a long one, cut from the window, would keep that. The window is not moved back for one that is
 * looked at late.
 */
export function readKeyAs<T>(serde: Serde<T>, window: TextWindow, start: number, end: number): T {
  return end - start <= copiedCharacters && start >= window.from ? readValueAs(serde, window, start, end) : readBytesAs(serde, window, start, end)
}

export function readValueAs<T>(serde: Serde<T>, window: TextWindow, start: number, end: number): T {
  if (serde.deserializeFrom !== undefined && window.covers(start, end)) return serde.deserializeFrom(window, start, end)
  return readBytesAs(serde, window, start, end)
}

function readBytesAs<T>(serde: Serde<T>, window: TextWindow, start: number, end: number): T {
  if (serde.deserializeRange !== undefined) return serde.deserializeRange(window.bytes, start, end)
  window.share()
  return serde.deserialize(window.bytes.subarray(start, end))
}

/** The headers of a record that begin at `at`. @throws CORRUPT_RECORD when they do not end at `end` */
export function headersAt(window: TextWindow, at: number, end: number): readonly Header[] {
  const { bytes } = window
  if (bytes[at] === 0 && at + 1 === end) return noHeaders
  window.share()
  return readHeaders({ bytes, at, end })
}

/** What the records of a batch are relative to. */
export interface RecordBase {
  readonly offset: number
  readonly timestamp: number
  /** The timestamp of every record where the log stamped them; null where each has its own. */
  readonly appendTime: number | null
  /** Over the records of the batch. */
  readonly window: TextWindow
}

/** Reads the record at the cursor and leaves the cursor behind it. @throws CORRUPT_RECORD */
export function readRecord(cursor: ByteCursor, base: RecordBase): LazyRecord {
  const length = readVarint(cursor)
  const end = cursor.at + length
  if (length <= 0 || end > cursor.end) throw badLength('record', length, cursor)
  cursor.at++ // attributes: none are defined
  const delta = readVarlong(cursor)
  const timestamp = base.appendTime ?? base.timestamp + delta
  const offset = base.offset + readVarint(cursor)
  const bodyAt = cursor.at
  const keyLength = readVarint(cursor)
  if (keyLength > 0) cursor.at += keyLength
  if (cursor.at >= end) throw badLength('key', keyLength, cursor)
  const valueLength = readVarint(cursor)
  if (cursor.at + valueLength >= end) throw badLength('value', valueLength, cursor)
  if (cursor.at >= end) throw badLength('record', length, cursor)
  const valueAt = cursor.at
  cursor.at = end
  return new LazyRecord(offset, timestamp, cursor.bytes, bodyAt, keyLength, valueAt, valueLength, end, base.window)
}

/** @throws CORRUPT_RECORD when a batch goes on behind its last record */
export function ensureExhausted({ at, end }: Pick<ByteCursor, 'at' | 'end'>): void {
  if (at !== end) throw new StreamError('CORRUPT_RECORD', `a record batch has ${end - at} bytes after its last record`)
}

function readHeaders(cursor: ByteCursor): readonly Header[] {
  const count = readVarint(cursor)
  // A header takes two bytes at least: a larger count cannot be true, and nothing is allocated for it.
  if (count < 0 || count > (cursor.end - cursor.at) / 2) throw badLength('header count', count, cursor)
  const headers: Header[] = []
  for (let i = 0; i < count; i++) headers.push({ key: readHeaderKey(cursor), value: readHeaderValue(cursor) })
  if (cursor.at !== cursor.end) throw badLength('record', cursor.end, cursor)
  return headers
}

function readHeaderKey(cursor: ByteCursor): string {
  const length = readVarint(cursor)
  if (length < 0 || cursor.at + length > cursor.end) throw badLength('header key', length, cursor)
  const { bytes } = cursor
  const key = Buffer.from(bytes.buffer, bytes.byteOffset + cursor.at, length).toString('utf8')
  cursor.at += length
  return key
}

function readHeaderValue(cursor: ByteCursor): Uint8Array | null {
  const length = readVarint(cursor)
  if (cursor.at + length > cursor.end) throw badLength('header value', length, cursor)
  if (length < 0) return null
  const value = cursor.bytes.subarray(cursor.at, cursor.at + length)
  cursor.at += length
  return value
}

function badLength(what: string, length: number, cursor: ByteCursor): StreamError {
  return new StreamError('CORRUPT_RECORD', `a record does not fit its batch: ${what} of ${length} at position ${cursor.at} of ${cursor.end}`, {
    details: { position: cursor.at },
  })
}

// ---------------------------------------------------------------------------------------------------- writing

/** Of a key, a value, or the value of a header, with its length. */
export function partSize(part: Uint8Array | null): number {
  return part === null ? 1 : varintSize(part.length) + part.length
}

export function writePart(bytes: Uint8Array, at: number, part: Uint8Array | null): number {
  if (part === null) {
    bytes[at] = 1 // -1
    return at + 1
  }
  const start = writeVarint(bytes, at, part.length)
  bytes.set(part, start)
  return start + part.length
}

/** Called directly: V8 looks `bytes.set` up through the prototypes each time, which costs a third of the copy. */
export const setBytes = Reflect.get(Uint8Array.prototype, 'set') as (this: Uint8Array, source: Uint8Array, at: number) => void
/** Copied by words: a call into the runtime takes longer. */
const shortBytes = 160

/**
 * Length and bytes of a key or a value of less than `shortVarints`, which stands in other bytes; below 0: null. By words, the last of which is written twice
 * where it is no whole one.
 */
export function copyPart(bytes: Uint8Array, view: DataView, lengthAt: number, source: Uint8Array, sourceView: DataView, from: number, length: number): number {
  if (length < 0) {
    bytes[lengthAt] = 1 // -1
    return lengthAt + 1
  }
  const at = writeShortVarint(bytes, lengthAt, length)
  if (length > shortBytes) setBytes.call(bytes, source.subarray(from, from + length), at)
  else if (length < 4) for (let index = 0; index < length; index++) bytes[at + index] = source[from + index]!
  else {
    const last = length - 4
    for (let index = 0; index < last; index += 4) view.setInt32(at + index, sourceView.getInt32(from + index, true), true)
    view.setInt32(at + last, sourceView.getInt32(from + last, true), true)
  }
  return at + length
}

export function encodeHeaderKey(header: Header): Uint8Array {
  return Buffer.from(header.key, 'utf8')
}

/** Of all of them, with their count. */
export function headersSize(headers: readonly Header[], encodedKeys: readonly Uint8Array[]): number {
  let size = varintSize(headers.length)
  for (const [i, { value }] of headers.entries()) {
    const keyLength = encodedKeys[i]!.length
    size += varintSize(keyLength) + keyLength + partSize(value)
  }
  return size
}

export function writeHeaders(bytes: Uint8Array, from: number, headers: readonly Header[], encodedKeys: readonly Uint8Array[]): number {
  let at = writeVarint(bytes, from, headers.length)
  for (const [i, { value }] of headers.entries()) {
    at = writePart(bytes, at, encodedKeys[i]!)
    at = writePart(bytes, at, value)
  }
  return at
}

/** With the length before it, four words of memory. */
const longestWord = 15
/** What such a record may take, and what may be written behind it. */
export const maxWordRecord = 1 + 1 + 3 + 3 + 2 * (longestWord + 1) + 1 + 16

/**
 * A record whose key and value are the same word, without headers; both numbers are medium varints. All lengths are known before, so nothing is moved or written
 * twice, and the value is copied by words of memory. Gives where it ends, or -1 where the word is not short or not ASCII.
 */
export function writeWordRecord(bytes: Uint8Array, view: DataView, from: number, timestampDelta: number, offsetDelta: number, word: string): number {
  const { length } = word
  if (length > longestWord) return -1
  bytes[from + 1] = 0 // attributes
  const keyAt = writeMediumVarint(bytes, writeMediumVarint(bytes, from + 2, timestampDelta), offsetDelta)
  bytes[keyAt] = length << 1
  let all = 0
  for (let index = 0, at = keyAt + 1; index < length; index++) {
    const code = word.charCodeAt(index)
    all |= code
    bytes[at++] = code
  }
  if (all > 127) return -1
  // Length and text once more: as much as they can be, and what follows is written over the rest. All is read before anything is written.
  const valueAt = keyAt + 1 + length
  const first = view.getInt32(keyAt)
  const second = view.getInt32(keyAt + 4)
  const third = view.getInt32(keyAt + 8)
  const fourth = view.getInt32(keyAt + 12)
  view.setInt32(valueAt, first)
  view.setInt32(valueAt + 4, second)
  view.setInt32(valueAt + 8, third)
  view.setInt32(valueAt + 12, fourth)
  const end = valueAt + 1 + length + 1
  bytes[end - 1] = 0 // headers
  bytes[from] = (end - from - 1) << 1
  return end
}
