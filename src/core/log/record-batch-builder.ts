import { assert } from '../assert.ts'
import type { UnsealedBatch } from '../broker.ts'
import { StreamError } from '../errors.ts'
import type { Header } from '../record.ts'
import { compressionCodec, compressionNames } from './compression.ts'
import type { CompressionName } from './compression-codec.ts'
import { batchHeaderBytes, writeUncheckedHeader } from './record-batch.ts'
import { varintSize, writeVarint } from './varint.ts'

export interface RecordBatchBuilderOptions {
  /** Of the batch with its header, before compression. A first record that is larger still fits, alone. */
  readonly maxBytes: number
  /** Default `none`. */
  readonly compression?: CompressionName
}

const initialBytes = 4096
const maxBatchBytes = 2147483647

/**
 * Encodes records one after the other into one reused buffer: no object and no buffer per record.
 * ```
 *   empty ──add──▶ filling ──add… (false: full)──▶ build ──▶ empty
 * ```
 */
export class RecordBatchBuilder {
  readonly #maxBytes: number
  readonly #compression: CompressionName
  #bytes: Uint8Array
  #end = batchHeaderBytes
  #count = 0
  #baseTimestamp = -1
  #maxTimestamp = -1

  constructor(options: RecordBatchBuilderOptions) {
    this.#maxBytes = options.maxBytes
    this.#compression = options.compression ?? 'none'
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(batchHeaderBytes, Math.min(options.maxBytes, initialBytes)))
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
    ensureTimestamp(timestamp)
    if (this.#count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp
    const timestampDelta = timestamp - this.#baseTimestamp
    const keyLength = key === null ? -1 : key.length
    const valueLength = value === null ? -1 : value.length
    let length = 1 + varintSize(timestampDelta) + varintSize(this.#count) + varintSize(keyLength) + varintSize(valueLength)
    if (keyLength > 0) length += keyLength
    if (valueLength > 0) length += valueLength
    const encodedHeaders = headers === undefined || headers.length === 0 ? null : headers.map(encodeHeaderKey)
    length += encodedHeaders === null ? 1 : headersSize(headers!, encodedHeaders)
    if (!this.#makeRoom(varintSize(length) + length)) return false
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.#write(length, timestampDelta, key, value, headers, encodedHeaders)
    this.#count++
    return true
  }

  /** The batch, in bytes of its own; the builder is empty again. @throws nothing; an empty builder is a bug of the caller */
  build(): UnsealedBatch {
    assert(this.#count > 0, 'build() of an empty RecordBatchBuilder')
    const bytes = this.#finishedBytes()
    writeUncheckedHeader(bytes, {
      baseOffset: 0, leaderEpoch: 0, attributes: compressionNames.indexOf(this.#compression), lastOffsetDelta: this.#count - 1,
      baseTimestamp: this.#baseTimestamp, maxTimestamp: this.#maxTimestamp,
      producerId: -1, producerEpoch: -1, baseSequence: -1, recordCount: this.#count,
    })
    const batch = { bytes, recordCount: this.#count }
    this.#end = batchHeaderBytes
    this.#count = 0
    return batch
  }

  #finishedBytes(): Uint8Array {
    if (this.#compression === 'none') return copyOf(this.#bytes, this.#end)
    const records = compressionCodec(compressionNames.indexOf(this.#compression)).deflate(this.#bytes.subarray(batchHeaderBytes, this.#end))
    const bytes = Buffer.allocUnsafeSlow(batchHeaderBytes + records.length)
    bytes.set(records, batchHeaderBytes)
    return bytes
  }

  #makeRoom(bytes: number): boolean {
    const needed = this.#end + bytes
    if (needed <= this.#bytes.length && needed <= this.#maxBytes) return true
    if (this.#count > 0 && needed > this.#maxBytes) return false
    if (needed > maxBatchBytes) throw new StreamError('RECORD_TOO_LARGE', `a record of ${bytes} bytes does not fit the batch format, which ends at ${maxBatchBytes} bytes`)
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.#maxBytes, this.#bytes.length * 2)))
      larger.set(this.#bytes.subarray(0, this.#end))
      this.#bytes = larger
    }
    return true
  }

  #write(
    length: number, timestampDelta: number, key: Uint8Array | null, value: Uint8Array | null,
    headers: readonly Header[] | undefined, encodedKeys: readonly Uint8Array[] | null,
  ): void {
    const bytes = this.#bytes
    let at = writeVarint(bytes, this.#end, length)
    bytes[at++] = 0
    at = writeVarint(bytes, at, timestampDelta)
    at = writeVarint(bytes, at, this.#count)
    at = writeBytes(bytes, at, key)
    at = writeBytes(bytes, at, value)
    if (encodedKeys === null) bytes[at++] = 0
    else at = writeHeaders(bytes, at, headers!, encodedKeys)
    this.#end = at
  }
}

function ensureTimestamp(timestamp: number): void {
  if (Number.isSafeInteger(timestamp) && timestamp >= -1) return
  throw new StreamError('INVALID_TIMESTAMP', `${timestamp} is not a timestamp: give milliseconds since the epoch, as an integer of at least 0`)
}

function writeBytes(bytes: Uint8Array, at: number, part: Uint8Array | null): number {
  if (part === null) {
    bytes[at] = 1 // -1
    return at + 1
  }
  const start = writeVarint(bytes, at, part.length)
  bytes.set(part, start)
  return start + part.length
}

function encodeHeaderKey(header: Header): Uint8Array {
  return Buffer.from(header.key, 'utf8')
}

function headersSize(headers: readonly Header[], encodedKeys: readonly Uint8Array[]): number {
  let size = varintSize(headers.length)
  for (const [i, { value }] of headers.entries()) {
    const keyLength = encodedKeys[i]!.length
    size += varintSize(keyLength) + keyLength + (value === null ? 1 : varintSize(value.length) + value.length)
  }
  return size
}

function writeHeaders(bytes: Uint8Array, from: number, headers: readonly Header[], encodedKeys: readonly Uint8Array[]): number {
  let at = writeVarint(bytes, from, headers.length)
  for (const [i, { value }] of headers.entries()) {
    at = writeBytes(bytes, at, encodedKeys[i]!)
    at = writeBytes(bytes, at, value)
  }
  return at
}

function copyOf(bytes: Uint8Array, end: number): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(end)
  copy.set(bytes.subarray(0, end))
  return copy
}
