/**
 * What the log checks before it takes a batch that was made elsewhere: Kafka's rules (its LogValidator), with one addition,
 * the cap on inflated sizes. A batch that breaks one changes nothing.
 */
import { StreamError, isStreamError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { readRecord } from './lazy-record.ts'
import type { LogConfig } from './log-config.ts'
import { batchAttributes, batchFrameBytes, batchSizeAt, patchTimestamps, RecordBatchView } from './record-batch.ts'
import { readInt32 } from './big-endian.ts'

/**
 * - `builder`: made by RecordBatchBuilder and sealed in this process; what the builder guarantees is not checked again.
 * - `keyed-builder`: as `builder`, which saw a key in each record, so that nobody has to look again in a compacted topic.
 * - `client`: anybody's bytes.
 * - `coordinator`: the engine's own records in internal topics, which carry a producer id but no sequence.
 */
export type AppendOrigin = 'builder' | 'keyed-builder' | 'client' | 'coordinator'

const invalid = (message: string, code: ErrorCode = 'INVALID_RECORD', details: Readonly<Record<string, unknown>> = {}) => new StreamError(code, message, { details })

/**
 * The one batch in the bytes.
 * @throws INVALID_RECORD when there is none, an old one or more than one; CORRUPT_RECORD when what is there cannot be a batch
 */
export function singleBatch(bytes: Uint8Array): RecordBatchView {
  ensureNewFormat(bytes)
  const size = batchSizeAt(bytes, 0)
  if (size === 0) throw invalid(`${bytes.length} bytes are not a whole record batch`)
  // What is too short for a batch after the first is ignored, as Kafka does.
  if (bytes.length - size >= batchFrameBytes && batchSizeAt(bytes, size) > 0) throw invalid('more than one record batch was sent at once')
  return new RecordBatchView(bytes)
}

function ensureNewFormat(bytes: Uint8Array): void {
  const magic = bytes.length > 16 && readInt32(bytes, 8) >= 14 ? bytes[16]! : 2
  if (magic < 2) throw invalid(`a message set of format ${magic} was sent; only record batches of format 2 are taken`)
}

/** Checks the batch against the rules of the topic and brings its timestamps into the form they are stored in. @throws as `PartitionLog.append` */
export function validateBatch(batch: RecordBatchView, origin: AppendOrigin, config: LogConfig, nowMs: number): void {
  if (batch.baseOffset !== 0) throw invalid(`a batch to append has base offset ${batch.baseOffset}; it must be 0, the log assigns offsets`)
  ensureSize(batch, config)
  if (origin === 'client') ensureClientBatch(batch)
  const maxTimestamp = needsRecords(origin, config) ? checkRecords(batch, config, nowMs) : checkedMaxTimestamp(batch, origin, config, nowMs)
  stampTimestamps(batch, config, maxTimestamp, nowMs)
}

/** @throws RECORD_TOO_LARGE */
export function ensureSize(batch: RecordBatchView, config: LogConfig): void {
  const { sizeBytes } = batch
  if (sizeBytes > config.maxBatchBytes) {
    throw invalid(`a record batch has ${sizeBytes} bytes; the topic takes at most ${config.maxBatchBytes} (max.message.bytes)`, 'RECORD_TOO_LARGE', { limit: 'max.message.bytes' })
  }
  if (sizeBytes > config.segmentBytes) {
    throw invalid(`a record batch has ${sizeBytes} bytes, more than a segment of ${config.segmentBytes} (segment.bytes)`, 'RECORD_TOO_LARGE', { limit: 'segment.bytes' })
  }
}

function ensureClientBatch(batch: RecordBatchView): void {
  batch.ensureValid()
  const { recordCount, lastOffsetDelta } = batch
  if (batch.isControl) throw invalid('clients cannot append control batches')
  if (recordCount <= 0 || lastOffsetDelta !== recordCount - 1) throw invalid(`a batch of ${recordCount} records says that its last offset delta is ${lastOffsetDelta}`)
  if (batch.producerId >= 0 && (batch.producerEpoch < 0 || batch.baseSequence < 0)) throw invalid(`producer ${batch.producerId} sent a batch without epoch or sequence`)
  if (batch.isTransactional && batch.producerId < 0) throw invalid('a transactional batch has no producer id')
}

/** A builder's batch is looked into only where the topic makes rules about single records. */
function needsRecords(origin: AppendOrigin, config: LogConfig): boolean {
  if (origin === 'coordinator') return false
  return origin === 'client' || (config.cleanup.compact && origin !== 'keyed-builder') || config.timestampBeforeMaxMs < Number.MAX_SAFE_INTEGER
}

/** Walks the records; returns their largest timestamp. */
function checkRecords(batch: RecordBatchView, config: LogConfig, nowMs: number): number {
  const withoutKey: number[] = []
  let maxTimestamp = -1
  let index = 0
  forEachChecked(batch, (timestamp, hasKey) => {
    if (config.timestampType === 'create-time') ensureTimestamp(timestamp, config, nowMs)
    if (!hasKey && config.cleanup.compact) withoutKey.push(index)
    if (timestamp > maxTimestamp) maxTimestamp = timestamp
    index++
  })
  if (withoutKey.length > 0) {
    throw invalid(`${withoutKey.length} of ${index} records have no key, and the topic is compacted: each record needs one`, 'INVALID_RECORD', { recordIndexes: withoutKey })
  }
  return maxTimestamp
}

/** The checksum was right, so a form that is wrong is what the client meant: INVALID_RECORD, which clients do not retry. */
function forEachChecked(batch: RecordBatchView, visit: (timestamp: number, hasKey: boolean) => void): void {
  try {
    const { cursor, base } = batch.recordReader()
    // A client may set the bit for append time; its own timestamps count all the same.
    const ownTimes = { ...base, appendTime: null }
    for (let left = batch.recordCount; left > 0; left--) {
      const record = readRecord(cursor, ownTimes)
      record.ensureHeaders()
      visit(record.timestamp, record.hasKey)
    }
    if (cursor.at !== cursor.end) throw invalid(`a record batch has ${cursor.end - cursor.at} bytes after its last record`)
  } catch (error) {
    if (isStreamError(error, 'CORRUPT_RECORD')) throw new StreamError('INVALID_RECORD', error.message, { cause: error })
    throw error
  }
}

function checkedMaxTimestamp(batch: RecordBatchView, origin: AppendOrigin, config: LogConfig, nowMs: number): number {
  const { maxTimestamp } = batch
  if (origin !== 'coordinator' && config.timestampType === 'create-time') ensureTimestamp(maxTimestamp, config, nowMs)
  return maxTimestamp
}

function ensureTimestamp(timestamp: number, config: LogConfig, nowMs: number): void {
  if (timestamp === -1) return
  if (timestamp - nowMs > config.timestampAfterMaxMs) {
    throw invalid(`timestamp ${timestamp} is more than ${config.timestampAfterMaxMs} ms in the future (message.timestamp.after.max.ms); the clock here says ${nowMs}`, 'INVALID_TIMESTAMP', { timestamp })
  }
  if (nowMs - timestamp > config.timestampBeforeMaxMs) {
    throw invalid(`timestamp ${timestamp} is more than ${config.timestampBeforeMaxMs} ms in the past (message.timestamp.before.max.ms); the clock here says ${nowMs}`, 'INVALID_TIMESTAMP', { timestamp })
  }
}

function stampTimestamps(batch: RecordBatchView, config: LogConfig, maxTimestamp: number, nowMs: number): void {
  const appendTime = config.timestampType === 'log-append-time'
  const attributes = appendTime ? batch.attributes | batchAttributes.logAppendTime : batch.attributes & ~batchAttributes.logAppendTime
  const stored = appendTime ? nowMs : maxTimestamp
  if (attributes !== batch.attributes || stored !== batch.maxTimestamp) patchTimestamps(batch.batchBytes, attributes, stored)
}
