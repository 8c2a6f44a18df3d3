/**
 * A record batch of Kafka's format v2, as it is on disk, on the wire and in memory:
 * ```
 *   0 baseOffset i64 | 8 batchLength i32 (bytes after this field) | 12 partitionLeaderEpoch i32 | 16 magic i8 = 2
 *   17 crc u32 (CRC-32C of bytes 21 to the end) | 21 attributes i16 | 23 lastOffsetDelta i32 | 27 baseTimestamp i64
 *   35 maxTimestamp i64 | 43 producerId i64 | 51 producerEpoch i16 | 53 baseSequence i32 | 57 recordCount i32 | 61 records
 *   attributes: 0-2 compression | 3 log append time | 4 transactional | 5 control | 6 base timestamp is a delete horizon
 * ```
 */
import type { RecordBatch } from '../broker.ts'
import { StreamError } from '../errors.ts'
import type { ReadBlock, RecordView } from '../record.ts'
import { TextWindow } from '../text-window.ts'
import { BatchReader } from './batch-reader.ts'
import { readInt16, readInt32, readInt64, readUint32, writeInt16, writeInt32, writeInt64 } from './big-endian.ts'
import { compressionCodec, defaultMaxInflatedBytes } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { ensureExhausted, readRecord } from './lazy-record.ts'
import type { RecordBase } from './lazy-record.ts'
import type { ByteCursor } from './varint.ts'

export const batchHeaderBytes = 61
/** Base offset and length: what must be there to know the size of a batch. */
export const batchFrameBytes = 12

const maxBatchBytes = 2147483647

const at = {
  length: 8, leaderEpoch: 12, magic: 16, crc: 17, attributes: 21, lastOffsetDelta: 23, baseTimestamp: 27, maxTimestamp: 35,
  producerId: 43, producerEpoch: 51, baseSequence: 53, recordCount: 57,
} as const

export const batchAttributes = { compression: 7, logAppendTime: 8, transactional: 16, control: 32, deleteHorizon: 64 } as const

/** A lazy view: the header fields are read when they are asked for, the records when they are iterated. */
export class RecordBatchView implements RecordBatch {
  readonly bytes: Uint8Array
  /** Where the batch begins in `bytes`. */
  readonly position: number
  readonly #fromOffset: number
  readonly #block: ReadBlock | null
  #inflated: Uint8Array | null = null

  /** The caller knows that the whole batch is there (`batchSizeAt`). Records below `fromOffset` are left out of iterations. `block`: what the bytes are of. */
  constructor(bytes: Uint8Array, position = 0, fromOffset = -Infinity, block: ReadBlock | null = null) {
    this.bytes = bytes
    this.position = position
    this.#fromOffset = fromOffset
    this.#block = block
  }

  get baseOffset(): number { return readInt64(this.bytes, this.position) }
  get lastOffset(): number { return this.baseOffset + this.lastOffsetDelta }
  get nextOffset(): number { return this.lastOffset + 1 }
  get sizeBytes(): number { return batchFrameBytes + readInt32(this.bytes, this.position + at.length) }
  get leaderEpoch(): number { return readInt32(this.bytes, this.position + at.leaderEpoch) }
  get magic(): number { return (this.bytes[this.position + at.magic]! << 24) >> 24 }
  get crc(): number { return readUint32(this.bytes, this.position + at.crc) }
  get attributes(): number { return readInt16(this.bytes, this.position + at.attributes) }
  get compression(): number { return this.attributes & batchAttributes.compression }
  get isLogAppendTime(): boolean { return (this.attributes & batchAttributes.logAppendTime) !== 0 }
  get isTransactional(): boolean { return (this.attributes & batchAttributes.transactional) !== 0 }
  get isControl(): boolean { return (this.attributes & batchAttributes.control) !== 0 }
  get hasDeleteHorizon(): boolean { return (this.attributes & batchAttributes.deleteHorizon) !== 0 }
  get lastOffsetDelta(): number { return readInt32(this.bytes, this.position + at.lastOffsetDelta) }
  /** The delete horizon when `hasDeleteHorizon`; the deltas of the records count from it all the same. */
  get baseTimestamp(): number { return readInt64(this.bytes, this.position + at.baseTimestamp) }
  get maxTimestamp(): number { return readInt64(this.bytes, this.position + at.maxTimestamp) }
  get producerId(): number { return readInt64(this.bytes, this.position + at.producerId) }
  get producerEpoch(): number { return readInt16(this.bytes, this.position + at.producerEpoch) }
  get baseSequence(): number { return readInt32(this.bytes, this.position + at.baseSequence) }
  /** Sequences wrap from 2^31 - 1 to 0; -1 without one. */
  get lastSequence(): number { return this.baseSequence < 0 ? -1 : sequenceAfter(this.baseSequence, this.lastOffsetDelta) }
  get recordCount(): number { return readInt32(this.bytes, this.position + at.recordCount) }
  get computedCrc(): number { return crc32c(this.bytes, this.position + at.attributes, this.position + this.sizeBytes) }
  /** Just the bytes of this batch, sharing memory. */
  get batchBytes(): Uint8Array { return this.bytes.subarray(this.position, this.position + this.sizeBytes) }

  /** @throws CORRUPT_RECORD unless the size can hold a header, the format is v2 and the checksum is right */
  ensureValid(): void {
    if (this.sizeBytes < batchHeaderBytes) throw corrupt(`a record batch of ${this.sizeBytes} bytes is smaller than its header of ${batchHeaderBytes}`)
    if (this.magic !== 2) throw corrupt(`a record batch has format ${this.magic}; only format 2 is known here`)
    const { crc, computedCrc } = this
    if (crc !== computedCrc) throw corrupt(`a record batch is damaged: its checksum is ${crc}, that of its bytes is ${computedCrc}`)
  }

  /** @throws CORRUPT_RECORD, RECORD_TOO_LARGE or UNSUPPORTED_COMPRESSION_TYPE, possibly after some records were visited */
  forEach(visit: (record: RecordView) => void): void {
    const { cursor, base } = this.recordReader()
    base.window.share()
    for (let left = this.recordCount; left > 0; left--) {
      const record = readRecord(cursor, base)
      if (record.offset >= this.#fromOffset) visit(record)
    }
    if (this.recordCount > 0) ensureExhausted(cursor)
  }

  [Symbol.iterator](): IterableIterator<RecordView> {
    const { cursor, base } = this.recordReader()
    base.window.share()
    return new RecordIterator(cursor, base, this.recordCount, this.#fromOffset)
  }

  reader(): BatchReader {
    const { cursor, base } = this.recordReader()
    return new BatchReader(cursor, base, this.recordCount, this.#fromOffset)
  }

  /** The records section, inflated when it is compressed (once). @throws as `forEach` */
  recordsSection(maxInflatedBytes: number = defaultMaxInflatedBytes): ByteCursor {
    const start = this.position + batchHeaderBytes
    const end = this.position + this.sizeBytes
    if (this.compression === 0) return { bytes: this.bytes, at: start, end }
    this.#inflated ??= this.recordCount === 0 ? noBytes : compressionCodec(this.compression).inflate(this.bytes.subarray(start, end), maxInflatedBytes)
    return { bytes: this.#inflated, at: 0, end: this.#inflated.length }
  }

  /** For `readRecord`, `recordCount` times. @throws as `forEach` */
  recordReader(): { readonly cursor: ByteCursor; readonly base: RecordBase } {
    if (this.recordCount < 0) throw corrupt(`a record batch says it has ${this.recordCount} records`)
    const cursor = this.recordsSection()
    const window = new TextWindow(cursor.bytes, cursor.end, this.#block)
    return { cursor, base: { offset: this.baseOffset, timestamp: this.baseTimestamp, appendTime: this.isLogAppendTime ? this.maxTimestamp : null, window } }
  }
}

/** Not a generator: that takes several times as long for each record. */
class RecordIterator implements IterableIterator<RecordView> {
  readonly #cursor: ByteCursor
  readonly #base: RecordBase
  readonly #fromOffset: number
  readonly #count: number
  #left: number

  constructor(cursor: ByteCursor, base: RecordBase, count: number, fromOffset: number) {
    this.#cursor = cursor
    this.#base = base
    this.#count = this.#left = count
    this.#fromOffset = fromOffset
  }

  [Symbol.iterator](): IterableIterator<RecordView> {
    return this
  }

  /** @throws as `forEach` */
  next(): IteratorResult<RecordView> {
    while (this.#left > 0) {
      this.#left--
      const record = readRecord(this.#cursor, this.#base)
      if (record.offset >= this.#fromOffset) return { done: false, value: record }
    }
    if (this.#count > 0) ensureExhausted(this.#cursor)
    return { done: true, value: undefined }
  }

  return(): IteratorResult<RecordView> {
    this.#left = 0
    return { done: true, value: undefined }
  }
}

const noBytes = new Uint8Array(0)

function corrupt(message: string): StreamError {
  return new StreamError('CORRUPT_RECORD', message)
}

/** The sequence number `count` after this one. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % 2147483648
}

/**
 * The size of the batch at `position`, or 0 when its end lies beyond `end`.
 * @throws CORRUPT_RECORD when no batch can begin like this
 */
export function batchSizeAt(bytes: Uint8Array, position: number, end: number = bytes.length): number {
  if (end - position < batchFrameBytes) return 0
  const sizeBytes = batchFrameBytes + readInt32(bytes, position + at.length)
  if (sizeBytes < batchHeaderBytes) throw corrupt(`a record batch of ${sizeBytes} bytes is smaller than its header of ${batchHeaderBytes}`)
  if (sizeBytes > maxBatchBytes) throw corrupt(`a record batch of ${sizeBytes} bytes is larger than the format allows`)
  if (end - position <= at.magic) return 0
  const magic = (bytes[position + at.magic]! << 24) >> 24
  if (magic !== 2) throw corrupt(`a record batch has format ${magic}; only format 2 is known here`)
  return sizeBytes <= end - position ? sizeBytes : 0
}

/** Views over the whole batches in `bytes`; an incomplete one at the end is left out. Checksums are not verified here. @throws CORRUPT_RECORD */
export function splitBatches(bytes: Uint8Array, fromOffset = -Infinity): RecordBatchView[] {
  const batches: RecordBatchView[] = []
  for (let position = 0, size; (size = batchSizeAt(bytes, position)) > 0; position += size) batches.push(new RecordBatchView(bytes, position, fromOffset))
  return batches
}

// ---------------------------------------------------------------------------------------------------- writing

export interface BatchHeader {
  readonly baseOffset: number
  readonly leaderEpoch: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** Writes all header fields of the batch that is the whole of `bytes`, with length and checksum. */
export function writeBatchHeader(bytes: Uint8Array, header: BatchHeader): void {
  writeUncheckedHeader(bytes, header)
  writeInt32(bytes, at.crc, crc32c(bytes, at.attributes))
}

/** As `writeBatchHeader`, with the checksum left for `sealBatch`. */
export function writeUncheckedHeader(bytes: Uint8Array, header: BatchHeader): void {
  writeInt64(bytes, 0, header.baseOffset)
  writeInt32(bytes, at.length, bytes.length - batchFrameBytes)
  writeInt32(bytes, at.leaderEpoch, header.leaderEpoch)
  bytes[at.magic] = 2
  writeInt16(bytes, at.attributes, header.attributes)
  writeInt32(bytes, at.lastOffsetDelta, header.lastOffsetDelta)
  writeInt64(bytes, at.baseTimestamp, header.baseTimestamp)
  writeInt64(bytes, at.maxTimestamp, header.maxTimestamp)
  writeInt64(bytes, at.producerId, header.producerId)
  writeInt16(bytes, at.producerEpoch, header.producerEpoch)
  writeInt32(bytes, at.baseSequence, header.baseSequence)
  writeInt32(bytes, at.crc, 0)
  writeInt32(bytes, at.recordCount, header.recordCount)
}

/** Offset and leader epoch are outside the checksum: the log patches them in place when it appends. */
export function patchOffset(bytes: Uint8Array, baseOffset: number, leaderEpoch: number): void {
  writeInt64(bytes, 0, baseOffset)
  writeInt32(bytes, at.leaderEpoch, leaderEpoch)
}

/** Sets attributes and max timestamp, and the checksum that follows from them. */
export function patchTimestamps(bytes: Uint8Array, attributes: number, maxTimestamp: number): void {
  writeInt16(bytes, at.attributes, attributes)
  writeInt64(bytes, at.maxTimestamp, maxTimestamp)
  writeInt32(bytes, at.crc, crc32c(bytes, at.attributes))
}

export interface BatchSeal {
  /** -1: not idempotent, and epoch and sequence -1 with it. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly transactional: boolean
}

/** Fills in what only the producer knows, and closes the batch with its checksum. */
export function sealBatch(bytes: Uint8Array, seal: BatchSeal): void {
  const attributes = readInt16(bytes, at.attributes)
  writeInt16(bytes, at.attributes, seal.transactional ? attributes | batchAttributes.transactional : attributes & ~batchAttributes.transactional)
  writeInt64(bytes, at.producerId, seal.producerId)
  writeInt16(bytes, at.producerEpoch, seal.producerEpoch)
  writeInt32(bytes, at.baseSequence, seal.baseSequence)
  writeInt32(bytes, at.crc, crc32c(bytes, at.attributes))
}

// ------------------------------------------------------------------------------------------------ memory of batches

/** The smallest block that is kept, and by how much they differ: so one fits the next batch that is a little longer. */
const blockStepBytes = 16 * 1024
const defaultMostBytes = 4 * 1024 * 1024

/**
 * Memory of batches that were written or read, for the next ones. Without it each is garbage that V8 does not see in its heap: it marks the
 * whole heap each time so much of it has come together.
 */
export class SpareMemory {
  /** The one that came last is the last: its pages are in the processor's cache. */
  readonly #blocks: ArrayBuffer[] = []
  readonly #mostBytes: number
  #bytes = 0

  /** `mostBytes`: what is kept; beyond it the block that came first is forgotten. */
  constructor(mostBytes = defaultMostBytes) {
    this.#mostBytes = mostBytes
  }

  /** At least so many bytes, with anything in them; of what is kept, no block of more than `atMost`. */
  take(bytes: number, atMost = Infinity): ArrayBuffer {
    const at = this.#blocks.findLastIndex(({ byteLength }) => byteLength >= bytes && byteLength <= atMost)
    if (at < 0) return uninitialised(bytes < blockStepBytes ? bytes : Math.ceil(bytes / blockStepBytes) * blockStepBytes).buffer as ArrayBuffer
    const [block] = this.#blocks.splice(at, 1)
    this.#bytes -= block!.byteLength
    return block!
  }

  /** Nobody looks at it any more. Blocks that are small, or were transferred, are not worth keeping. */
  giveBack(block: ArrayBufferLike): void {
    if (!(block instanceof ArrayBuffer) || block.byteLength < blockStepBytes) return
    this.#blocks.push(block)
    this.#bytes += block.byteLength
    while (this.#bytes > this.#mostBytes) this.#bytes -= this.#blocks.shift()!.byteLength
  }
}

/** What a batch takes, if that is worth giving back. */
export function spareBlockOf({ buffer }: Uint8Array): ArrayBuffer | null {
  return buffer instanceof ArrayBuffer && buffer.byteLength >= blockStepBytes ? buffer : null
}

export function uninitialised(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
}
