import { assert } from '../assert.ts'
import type { UnsealedBatch } from '../broker.ts'
import { StreamError } from '../errors.ts'
import { readKeySerde } from '../record-position.ts'
import type { RecordPosition } from '../record-position.ts'
import type { RecordSpan } from '../record-span.ts'
import type { Header } from '../record.ts'
import type { Serde } from '../serde.ts'
import { shortWrite, writeAscii, writeText } from '../text-bytes.ts'
import { GatheredTexts, TextWindow } from '../text-window.ts'
import { compressionCodec, compressionNames } from './compression.ts'
import type { CompressionName } from './compression-codec.ts'
import { copyPart, encodeHeaderKey, headersSize, maxWordRecord, partSize, readRecord, setBytes, writeHeaders, writePart, writeWordRecord } from './lazy-record.ts'
import { batchHeaderBytes, uninitialised, writeUncheckedHeader } from './record-batch.ts'
import type { SpareMemory } from './record-batch.ts'
import { mediumVarints, shortVarints, varintSize, writeLengthBefore, writeMediumVarint, writeShortVarint, writeVarint } from './varint.ts'

export interface RecordBatchBuilderOptions {
  /** Of the batch with its header, before compression. A first record that is larger still fits, alone. */
  readonly maxBytes: number
  /** Default `none`. */
  readonly compression?: CompressionName
  /** Where its memory comes from; whoever knows that a batch is written, and looked at by nobody, gives it back there. Default: new memory. */
  readonly memory?: SpareMemory
}

const initialBytes = 4096
const maxBatchBytes = 2147483647
const costlyCopyBytes = 16 * 1024
/** Of a record without headers, beside key and value: attributes, two deltas, two lengths, the count of headers. */
const minFramingBytes = 6
const maxFramingBytes = 1 + 10 + 5 + 5 + 5 + 1
/** Length, attributes and two deltas, where the last number takes three bytes at most and the others two; and what such a record may have beside them. */
const maxShortFraming = 2 + 1 + 2 + 3
const longestShortBody = shortVarints - 1 - maxShortFraming
/** Of a record with a text: its length, and as much as is copied beyond its key. */
const maxBytesBehindText = 2 + 15
/** A batch of so many gains nothing where its texts are written together. */
const fewRecords = 8
const noHeaders: readonly Header[] = []
const noBytes = new Uint8Array(0)

/**
 * Encodes records one after the other into one reused buffer: no object and no buffer per record.
 * ```
 *   empty ──add──▶ filling ──add… (false: full)──▶ build ──▶ empty
 * ```
 */
export class RecordBatchBuilder {
  readonly #maxBytes: number
  readonly #compression: CompressionName
  readonly #memory: SpareMemory | null
  #bytes: Uint8Array
  #view: DataView
  /** No batch ends beyond. */
  #limit: number
  /** What the last batch took, and a little more. */
  #usualBytes = Infinity
  #end = batchHeaderBytes
  #count = 0
  /** No record without a key was added. */
  #isKeyed = true
  #baseTimestamp = -1
  #maxTimestamp = -1
  /** Of what `addSerialized` wrote: the next is taken to be as long. */
  #lastValueLength = 0
  #lastKeyLength = 8
  /** Values that are not written yet; what more they may take is no longer within `#limit`, as far as that is `#maxBytes`. null: there was none. */
  #texts: GatheredTexts | null = null

  constructor(options: RecordBatchBuilderOptions) {
    this.#maxBytes = options.maxBytes
    this.#compression = options.compression ?? 'none'
    this.#memory = options.memory ?? null
    this.#bytes = uninitialised(Math.max(batchHeaderBytes, Math.min(options.maxBytes, initialBytes)))
    this.#view = new DataView(this.#bytes.buffer)
    this.#limit = Math.min(options.maxBytes, this.#bytes.length)
  }

  get recordCount(): number {
    return this.#count
  }

  /** Header included, before compression; 0 when empty. */
  get sizeBytes(): number {
    return this.#count === 0 ? 0 : this.#end
  }

  /**
   * False when the record does not fit: nothing was added, and the caller builds first. Key and value are copied.
   * @throws INVALID_TIMESTAMP below -1 (no timestamp) or not an integer, RECORD_TOO_LARGE beyond what the format can express
   */
  add(key: Uint8Array | null, value: Uint8Array | null, timestamp: number, headers?: readonly Header[]): boolean {
    if (!(Number.isSafeInteger(timestamp) && timestamp >= -1)) throw notATimestamp(timestamp)
    const count = this.#count
    if (count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp
    const keyLength = key === null ? 0 : key.length
    const valueLength = value === null ? 0 : value.length
    const payload = keyLength + valueLength
    const lengthBytes = lengthBytesOf(payload)
    const start = this.#end + lengthBytes
    const isPlain = lengthBytes > 0 && count < mediumVarints && start + payload + maxFramingBytes <= this.#limit && (headers === undefined || headers.length === 0)
    if (!isPlain) return this.#addExactly(key, value, timestamp, headers ?? noHeaders)
    const bytes = this.#bytes
    const delta = timestamp - this.#baseTimestamp
    bytes[start] = 0
    let at = delta >= 0 && delta < shortVarints ? writeShortVarint(bytes, start + 1, delta) : writeVarint(bytes, start + 1, delta)
    at = writeMediumVarint(bytes, at, count)
    if (key === null) {
      bytes[at++] = 1 // -1
      this.#isKeyed = false
    } else {
      at = writeShortVarint(bytes, at, keyLength)
      setBytes.call(bytes, key, at)
      at += keyLength
    }
    if (value === null) bytes[at++] = 1
    else {
      at = writeShortVarint(bytes, at, valueLength)
      setBytes.call(bytes, value, at)
      at += valueLength
    }
    bytes[at++] = 0
    const length = at - start
    if (lengthBytes === 1) bytes[start - 1] = length << 1
    else {
      bytes[start - 2] = ((length << 1) & 127) | 128
      bytes[start - 1] = length >>> 6
    }
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.#end = at
    this.#count = count + 1
    return true
  }

  /** As `add`, of what stands in other bytes, without headers. */
  addSpan(span: RecordSpan, timestamp: number): boolean {
    if (!(Number.isSafeInteger(timestamp) && timestamp >= -1)) throw notATimestamp(timestamp)
    const count = this.#count
    if (count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp
    const { bytes: source, view, keyAt, keyLength, valueAt, valueLength } = span
    const payload = valueLength < 0 ? keyLength : keyLength + valueLength
    const lengthBytes = lengthBytesOf(payload)
    const start = this.#end + lengthBytes
    if (lengthBytes === 0 || count >= mediumVarints || start + payload + maxFramingBytes > this.#limit) {
      return this.#addExactly(source.subarray(keyAt, keyAt + keyLength), valueLength < 0 ? null : source.subarray(valueAt, valueAt + valueLength), timestamp, noHeaders)
    }
    const bytes = this.#bytes
    const delta = timestamp - this.#baseTimestamp
    bytes[start] = 0
    let at = delta >= 0 && delta < shortVarints ? writeShortVarint(bytes, start + 1, delta) : writeVarint(bytes, start + 1, delta)
    at = writeMediumVarint(bytes, at, count)
    at = copyPart(bytes, this.#view, at, source, view, keyAt, keyLength)
    at = copyPart(bytes, this.#view, at, source, view, valueAt, valueLength)
    bytes[at++] = 0
    writeShortVarint(bytes, start - lengthBytes, at - start)
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.#end = at
    this.#count = count + 1
    return true
  }

  /**
   * As `add`, of what the serdes write, which goes straight into the batch. False: not in this way, or there is no room within
   * `maxBytes`; nothing was added. @throws what the serdes throw
   */
  addSerialized<K, V>(keySerde: Serde<K>, key: K | null, valueSerde: Serde<V>, value: V | null, timestamp: number): boolean {
    if ((value as unknown) === key && isSameText(value, keySerde as Serde<unknown>, valueSerde as Serde<unknown>) && this.#addWord(key as string, timestamp)) return true
    const isTextBehindKey = typeof value === 'string' && valueSerde.serializeInto === (writeText as unknown) && (key === null || keySerde === (readKeySerde as unknown))
    if (isTextBehindKey && this.#addText(key as RecordPosition | null, value, timestamp)) return true
    return this.#addByParts(keySerde, key, valueSerde, value, timestamp)
  }

  /**
   * As `addSerialized`, of a text that may wait or is short, behind no key or one as it was read: all lengths are known before anything is written, so nothing
   * is written twice or moved, and no serde is called. False: nothing was added.
   */
  #addText(key: RecordPosition | null, text: string, timestamp: number): boolean {
    const count = this.#count
    const texts = this.#texts
    const exactDelta = timestamp - this.#baseTimestamp
    const delta = exactDelta | 0
    const { length } = text
    const isShort = length <= shortWrite
    if (count < fewRecords || count >= mediumVarints || delta !== exactDelta || delta < 0 || delta >= shortVarints || timestamp > Number.MAX_SAFE_INTEGER) return false
    if (!isShort && (texts === null || !texts.takes(text))) return false
    const keyBytes = key === null ? 1 : key.keyAt + key.keyLength - key.bodyAt
    const recordBytes = 1 + (delta < 64 ? 1 : 2) + (count < 64 ? 1 : count < shortVarints ? 2 : 3) + keyBytes + (length < 64 ? 1 : 2) + length + 1
    const recordFrom = this.#end
    if (recordBytes >= shortVarints || recordFrom + recordBytes + maxBytesBehindText + GatheredTexts.moreBytesOf(text) > this.#limit) return false
    const bytes = this.#bytes
    let at = writeShortVarint(bytes, recordFrom, recordBytes)
    bytes[at] = 0
    at = writeMediumVarint(bytes, writeShortVarint(bytes, at + 1, delta), count)
    if (key === null) bytes[at] = 1 // -1
    else if (!key.window.copyWholeWords(key.bodyAt, keyBytes, this.#view, at)) return false
    at = writeShortVarint(bytes, at + keyBytes, length)
    if (isShort && !writeAscii(text, bytes, at)) return false
    at += length
    bytes[at] = 0
    this.#end = at + 1
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.#count = count + 1
    if (key === null) this.#isKeyed = false
    if (!isShort) this.#gather(texts!, text, at - length, recordFrom)
    return true
  }

  /** As `addSerialized`. */
  #addByParts<K, V>(keySerde: Serde<K>, key: K | null, valueSerde: Serde<V>, value: V | null, timestamp: number): boolean {
    const count = this.#count
    const bytes = this.#bytes
    const limit = this.#limit - maxFramingBytes
    if (count >= mediumVarints || this.#end > limit || !(Number.isSafeInteger(timestamp) && timestamp >= -1)) return false
    if (count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp
    const delta = timestamp - this.#baseTimestamp
    const expectedKey = typeof key === 'string' ? key.length : this.#lastKeyLength
    const expectedValue = typeof value === 'string' ? value.length : this.#lastValueLength
    let gathered: string | null = null
    const reserved = expectedKey + expectedValue < 56 ? 1 : 2
    const start = this.#end + reserved
    bytes[start] = 0
    let at = delta >= 0 && delta < mediumVarints ? writeMediumVarint(bytes, start + 1, delta) : writeVarint(bytes, start + 1, delta)
    at = writeMediumVarint(bytes, at, count)
    const keyLengthAt = at
    if (key === null) bytes[at++] = 1 // -1
    else {
      const keyAt = at + (expectedKey < 64 ? 1 : 2)
      const end = keySerde.serializeInto?.(key, bytes, keyAt) ?? -1
      if (end < 0 || end > limit) return false
      this.#lastKeyLength = end - keyAt
      at = writeLengthBefore(bytes, at, keyAt, end)
    }
    if (value === null) bytes[at++] = 1
    else if ((value as unknown) === key && isSameText(value, keySerde as Serde<unknown>, valueSerde as Serde<unknown>) && 2 * at - keyLengthAt <= limit) {
      // What is grouped by itself: the same length and text once more.
      for (let index = keyLengthAt, stop = at; index < stop; index++) bytes[at++] = bytes[index]!
    } else if (valueSerde.serializeInto === (writeText as unknown) && typeof value === 'string' && count >= fewRecords && this.#gathers(value, at, limit)) {
      gathered = value
      at = writeMediumVarint(bytes, at, value.length) + value.length
    } else {
      const valueAt = at + (expectedValue < 64 ? 1 : 2)
      const end = valueSerde.serializeInto?.(value, bytes, valueAt) ?? -1
      if (end < 0 || end > limit) return false
      this.#lastValueLength = end - valueAt
      at = writeLengthBefore(bytes, at, valueAt, end)
    }
    bytes[at++] = 0
    const recordFrom = this.#end
    this.#end = writeLengthBefore(bytes, recordFrom, start, at)
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.#count = count + 1
    if (key === null) this.#isKeyed = false
    if (gathered !== null) this.#gather(this.#texts!, gathered, this.#end - 1 - gathered.length, recordFrom)
    return true
  }

  /** As `addSerialized`, of a short word that is key and value: what is grouped by itself. False: nothing was added. */
  #addWord(word: string, timestamp: number): boolean {
    const count = this.#count
    const exactDelta = timestamp - this.#baseTimestamp
    const delta = exactDelta | 0
    if (count === 0 || count >= mediumVarints || delta !== exactDelta || delta < 0 || delta >= mediumVarints || timestamp > Number.MAX_SAFE_INTEGER) return false
    if (this.#end + maxWordRecord + maxFramingBytes > this.#limit) return false
    const end = writeWordRecord(this.#bytes, this.#view, this.#end, delta, count, word)
    if (end < 0) return false
    this.#end = end
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.#count = count + 1
    return true
  }

  /** True: the text, which begins behind a length at `at`, may wait to be written with others. */
  #gathers(text: string, at: number, limit: number): boolean {
    const texts = (this.#texts ??= new GatheredTexts())
    return texts.takes(text) && at + text.length <= Math.min(limit, this.#maxBytes - maxFramingBytes - texts.moreBytes - GatheredTexts.moreBytesOf(text))
  }

  /** The value of the last record, which begins at `recordFrom`, waits. */
  #gather(texts: GatheredTexts, text: string, place: number, recordFrom: number): void {
    if (texts.count === 0) {
      texts.recordsFrom = recordFrom
      texts.recordsBefore = this.#count - 1
    }
    texts.add(text, place)
    const limit = this.#maxBytes - texts.moreBytes
    if (limit < this.#limit) this.#limit = limit
    if (texts.isFull) this.#writeTexts()
  }

  /** Before the batch is built, or its memory or its room changes. */
  #writeTexts(): void {
    const texts = this.#texts
    if (texts === null || texts.count === 0) return
    this.#limit = Math.min(this.#maxBytes, this.#bytes.length)
    if (!texts.writeTo(this.#view)) this.#addAgain(texts)
  }

  /** Not all of them are ASCII: the records from the first of them on are taken out, and added with the bytes that their values have. There is room for that, or more memory. */
  #addAgain(texts: GatheredTexts): void {
    const { recordsFrom, recordsBefore } = texts
    const bytes = this.#bytes.slice(recordsFrom, this.#end)
    const base = { offset: 0, timestamp: this.#baseTimestamp, appendTime: null, window: new TextWindow(bytes, bytes.length) }
    const values = texts.takeBytes()
    this.#end = recordsFrom
    this.#count = recordsBefore
    for (const cursor = { bytes, at: 0, end: bytes.length }; cursor.at < cursor.end;) {
      const { key, value, valueAt, timestamp, headers } = readRecord(cursor, base)
      const isAdded = this.add(key, values.get(recordsFrom + valueAt) ?? value, timestamp, headers)
      assert(isAdded, 'a text takes more room than was left for it')
    }
  }

  /**
   * Adds key, value and headers of a record that was read, as they stand in its batch. False: as `add`.
   * @throws INVALID_TIMESTAMP
   */
  addRead(position: RecordPosition, timestamp: number): boolean {
    if (!(Number.isSafeInteger(timestamp) && timestamp >= -1)) throw notATimestamp(timestamp)
    const count = this.#count
    if (count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp
    const delta = timestamp - this.#baseTimestamp
    const { window, bodyAt, end } = position
    const bodyLength = end - bodyAt
    const bytes = this.#bytes
    if (delta >= 0 && delta < shortVarints && count < mediumVarints && bodyLength <= longestShortBody && this.#end + bodyLength + maxShortFraming <= this.#limit) {
      const length = 1 + (delta < 64 ? 1 : 2) + (count < 64 ? 1 : count < shortVarints ? 2 : 3) + bodyLength
      let at = writeShortVarint(bytes, this.#end, length)
      bytes[at] = 0
      at = writeShortVarint(bytes, at + 1, delta)
      at = writeMediumVarint(bytes, at, count)
      window.copy(bodyAt, end, bytes, this.#view, at)
      this.#end = at + bodyLength
      if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
      this.#count = count + 1
      if (position.keyLength < 0) this.#isKeyed = false
      return true
    }
    return this.#addReadExactly(position, timestamp)
  }

  #addReadExactly({ window, bodyAt, keyLength, end }: RecordPosition, timestamp: number): boolean {
    this.#writeTexts()
    const delta = timestamp - this.#baseTimestamp
    const count = this.#count
    const bodyLength = end - bodyAt
    const length = 1 + varintSize(delta) + varintSize(count) + bodyLength
    if (!this.#makeRoom(this.#end + varintSize(length) + length)) return false
    const bytes = this.#bytes
    let at = writeVarint(bytes, this.#end, length)
    bytes[at] = 0
    at = writeVarint(bytes, at + 1, delta)
    at = writeVarint(bytes, at, count)
    window.copy(bodyAt, end, bytes, this.#view, at)
    this.#end = at + bodyLength
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.#count = count + 1
    if (keyLength < 0) this.#isKeyed = false
    return true
  }

  /** For what is large, not known to fit, or has headers: the length is reckoned before anything is written. */
  #addExactly(key: Uint8Array | null, value: Uint8Array | null, timestamp: number, headers: readonly Header[]): boolean {
    this.#writeTexts()
    const delta = timestamp - this.#baseTimestamp
    const encodedKeys = headers.map(encodeHeaderKey)
    const length = 1 + varintSize(delta) + varintSize(this.#count) + partSize(key) + partSize(value) + headersSize(headers, encodedKeys)
    if (!this.#makeRoom(this.#end + varintSize(length) + length)) return false
    const bytes = this.#bytes
    let at = writeVarint(bytes, this.#end, length)
    bytes[at] = 0
    at = writeVarint(bytes, at + 1, delta)
    at = writeVarint(bytes, at, this.#count)
    if (key === null) this.#isKeyed = false
    at = writePart(bytes, at, key)
    at = writePart(bytes, at, value)
    this.#end = writeHeaders(bytes, at, headers, encodedKeys)
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.#count++
    return true
  }

  /** The batch, in bytes of its own; the builder is empty again. @throws nothing; an empty builder is a bug of the caller */
  build(): UnsealedBatch {
    assert(this.#count > 0, 'build() of an empty RecordBatchBuilder')
    this.#writeTexts()
    const bytes = this.#compression === 'none' ? this.#takeBytes() : this.#compressed()
    writeUncheckedHeader(bytes, {
      baseOffset: 0, leaderEpoch: 0, attributes: compressionNames.indexOf(this.#compression), lastOffsetDelta: this.#count - 1,
      baseTimestamp: this.#baseTimestamp, maxTimestamp: this.#maxTimestamp,
      producerId: -1, producerEpoch: -1, baseSequence: -1, recordCount: this.#count,
    })
    const batch = { bytes, recordCount: this.#count, isKeyed: this.#isKeyed }
    this.#end = batchHeaderBytes
    this.#count = 0
    this.#isKeyed = true
    return batch
  }

  /**
   * Gives back the bytes of a batch from `build` that nobody looks at any more: the next one is written there, not into new
   * memory. Bytes that were transferred to another thread are gone, and nothing happens.
   */
  reuse(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const whole = new Uint8Array(bytes.buffer)
    if (this.#count === 0 && whole.length > this.#bytes.length) this.#writeInto(whole)
  }

  #writeInto(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
    this.#limit = Math.min(this.#maxBytes, bytes.length)
  }

  /**
   * A buffer that is nearly full is handed over; what is in a larger one is copied, so that a small batch holds little memory. After a
   * copy that was worth noticing the next batch begins with as much as this one took, and is handed over.
   */
  #takeBytes(): Uint8Array {
    const bytes = this.#bytes
    const end = this.#end
    this.#usualBytes = end + (end >>> 3)
    if (bytes.length - end <= end / 4) {
      this.#writeInto(noBytes)
      return bytes.subarray(0, end)
    }
    const copy = uninitialised(end)
    copy.set(bytes.subarray(0, end))
    if (end < costlyCopyBytes) return copy
    this.#writeInto(noBytes)
    this.#memory?.giveBack(bytes.buffer)
    return copy
  }

  #compressed(): Uint8Array {
    const records = compressionCodec(compressionNames.indexOf(this.#compression)).deflate(this.#bytes.subarray(batchHeaderBytes, this.#end))
    const bytes = uninitialised(batchHeaderBytes + records.length)
    bytes.set(records, batchHeaderBytes)
    return bytes
  }

  /** For a batch that ends at `needed`. False: what is there must be built first. */
  #makeRoom(needed: number): boolean {
    if (this.#count > 0 && needed > this.#maxBytes) return false
    if (needed > maxBatchBytes) throw new StreamError('RECORD_TOO_LARGE', `a record of ${needed - this.#end} bytes does not fit the batch format, which ends at ${maxBatchBytes} bytes`)
    if (needed > this.#bytes.length) {
      const wanted = Math.max(needed, Math.min(this.#maxBytes, this.#bytes.length === 0 ? this.#usualBytes : 2 * this.#bytes.length))
      const larger = this.#memory === null ? uninitialised(wanted) : new Uint8Array(this.#memory.take(wanted))
      larger.set(this.#bytes.subarray(0, this.#end))
      this.#writeInto(larger)
    }
    return true
  }
}

function notATimestamp(timestamp: number): StreamError {
  return new StreamError('INVALID_TIMESTAMP', `${timestamp} is not a timestamp: give milliseconds since the epoch, as an integer of at least 0`)
}

/** Both serdes write the same for it. */
function isSameText(text: unknown, serde: Serde<unknown>, other: Serde<unknown>): boolean {
  return typeof text === 'string' && serde.isExact === true && serde.serializeInto === other.serializeInto
}

/** Bytes that the length of a record takes, where that follows from its payload alone; 0 where it depends on its framing. */
function lengthBytesOf(payload: number): number {
  if (payload + maxFramingBytes < 64) return 1
  return payload + minFramingBytes >= 64 && payload + maxFramingBytes < 8192 ? 2 : 0
}
