import { createHash } from 'node:crypto'
import { isStreamError } from '../../src/core/errors.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import { encodeMarker, readMarker } from '../../src/core/log/control-batch.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../src/core/log/record-batch-builder.ts'
import { batchAttributes, patchOffset, patchTimestamps, RecordBatchView, sealBatch, sequenceAfter, splitBatches } from '../../src/core/log/record-batch.ts'
import { compressionNames } from '../../src/core/log/compression.ts'
import type { RecordView } from '../../src/core/record.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import { Difference, bytesFrom, eachCase, expectBytes, expectEqual, int64, Pending } from './core-values.ts'
import type { NamedCase, RecordedBytes } from './core-values.ts'

export interface RecordedHeader {
  readonly baseOffset: number | string
  readonly lastOffset: number | string
  readonly sizeInBytes: number
  readonly magic: number
  readonly partitionLeaderEpoch: number
  readonly crc: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestampField: number | string
  readonly maxTimestamp: number | string
  readonly producerId: number | string
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly recordCount: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly deleteHorizonMs: number | null
  readonly timestampType: string
  readonly codec: string
}

export interface RecordedRecord {
  readonly offset: number | string
  readonly timestamp: number | string
  readonly key: RecordedBytes
  readonly value: RecordedBytes
  readonly sequence?: number
  readonly headers: readonly { readonly key: string; readonly value: RecordedBytes }[]
}

interface RecordedBatch {
  readonly header: RecordedHeader
  readonly records: readonly RecordedRecord[]
}

interface BatchCase extends NamedCase, Partial<RecordedBatch> {
  readonly decodeOnly: boolean
  readonly recordsFrom?: string
  readonly uncompressedLength?: number
  readonly uncompressedSha256?: string
  readonly control?: { readonly type: string; readonly typeId: number; readonly coordinatorEpoch?: number }
  readonly batches?: readonly RecordedBatch[]
  /** Without a header: read by the reader, with the records of another case. */
  readonly reader?: InvalidCase['reader']
  readonly validBytes?: number
  readonly bytes: string
}

// ---------------------------------------------------------------------------------------------------- record-batch

export const runRecordBatch = eachCase<BatchCase>((recorded, all) => {
  const bytes = Buffer.from(recorded.bytes, 'base64')
  if (recorded.reader !== undefined) return checkReader(bytes, { ...recorded.reader, content: recordsOf(recorded, all) })
  const batches = splitBatches(bytes)
  const expected = recorded.batches ?? [{ header: recorded.header!, records: recordsOf(recorded, all) }]
  expectEqual('batches', batches.length, expected.length)
  for (const [i, batch] of batches.entries()) checkBatch(batch, expected[i]!)
  if (recorded.validBytes !== undefined) expectEqual('whole bytes', batches.reduce((sum, batch) => sum + batch.sizeBytes, 0), recorded.validBytes)
  if (recorded.uncompressedSha256 !== undefined) checkInflated(batches[0]!, recorded)
  if (recorded.control !== undefined) checkControl(batches[0]!, recorded)
  if (!recorded.decodeOnly && recorded.control === undefined) checkEncoded(expected[0]!, bytes)
})

function recordsOf({ records, recordsFrom }: BatchCase, all: readonly BatchCase[]): readonly RecordedRecord[] {
  return records ?? all.find(({ name }) => name === recordsFrom)!.records!
}

function checkBatch(batch: RecordBatchView, { header, records }: RecordedBatch): void {
  batch.ensureValid()
  expectEqual('header', headerOf(batch), { ...header, ...numbersOf(header) })
  checkRecords(iterated(batch), records, batch)
}

const longFields = ['baseOffset', 'lastOffset', 'baseTimestampField', 'maxTimestamp', 'producerId'] as const

function numbersOf(header: RecordedHeader): Readonly<Record<string, number>> {
  return Object.fromEntries(longFields.map((name) => [name, int64(header[name])]))
}

export function headerOf(batch: RecordBatchView): RecordedHeader {
  return {
    baseOffset: batch.baseOffset, lastOffset: batch.lastOffset, sizeInBytes: batch.sizeBytes, magic: batch.magic, partitionLeaderEpoch: batch.leaderEpoch,
    crc: batch.crc, attributes: batch.attributes, lastOffsetDelta: batch.lastOffsetDelta, baseTimestampField: batch.baseTimestamp,
    maxTimestamp: batch.maxTimestamp, producerId: batch.producerId, producerEpoch: batch.producerEpoch, baseSequence: batch.baseSequence,
    lastSequence: batch.lastSequence, recordCount: batch.recordCount, isTransactional: batch.isTransactional, isControl: batch.isControl,
    deleteHorizonMs: batch.hasDeleteHorizon ? batch.baseTimestamp : null, timestampType: batch.isLogAppendTime ? 'LogAppendTime' : 'CreateTime',
    codec: compressionNames[batch.compression]!,
  }
}

function iterated(batch: RecordBatchView): readonly RecordView[] {
  try {
    return [...batch]
  } catch (error) {
    if (isStreamError(error, 'UNSUPPORTED_COMPRESSION_TYPE')) throw new Pending(compressionNames[batch.compression] ?? 'an unknown codec')
    throw error
  }
}

function checkRecords(records: readonly RecordView[], expected: readonly RecordedRecord[], batch?: RecordBatchView): void {
  expectEqual('number of records', records.length, expected.length)
  for (const [i, record] of records.entries()) {
    const { offset, timestamp, key, value, headers, sequence } = expected[i]!
    expectEqual(`record ${i}`, [record.offset, record.timestamp], [int64(offset), int64(timestamp)])
    expectBytes(`record ${i}: key`, record.key, key)
    expectBytes(`record ${i}: value`, record.value, value)
    expectEqual(`record ${i}: headers`, record.headers.map((header) => header.key), headers.map((header) => header.key))
    for (const [j, header] of record.headers.entries()) expectBytes(`record ${i}: header ${j}`, header.value, headers[j]!.value)
    if (sequence !== undefined && batch) expectEqual(`record ${i}: sequence`, sequenceAfter(batch.baseSequence, record.offset - batch.baseOffset), sequence)
  }
}

function checkInflated(batch: RecordBatchView, { uncompressedLength, uncompressedSha256 }: BatchCase): void {
  const { bytes, at, end } = batch.recordsSection()
  expectEqual('inflated', [end - at, createHash('sha256').update(bytes.subarray(at, end)).digest('hex')], [uncompressedLength, uncompressedSha256])
}

function checkControl(batch: RecordBatchView, { control, bytes }: BatchCase): void {
  const marker = readMarker(batch)
  if (marker === null) return expectEqual('control type', control!.typeId > 1, true)
  expectEqual('marker', [marker.type.toUpperCase(), marker.coordinatorEpoch], [control!.type, control!.coordinatorEpoch])
  const { producerId, producerEpoch, maxTimestamp: timestamp, baseOffset, leaderEpoch } = batch
  const encoded = encodeMarker({ producerId, producerEpoch, timestamp, ...marker })
  patchOffset(encoded, baseOffset, leaderEpoch)
  expectBytes('encoded marker', encoded, bytes)
}

/** What the builder and the log can make: records in a row, numbers that fit. */
function checkEncoded({ header, records }: RecordedBatch, bytes: Buffer): void {
  const isInRow = records.length > 0 && header.lastOffsetDelta === records.length - 1 && records.every(({ offset }, i) => int64(offset) === int64(header.baseOffset) + i)
  const isExact = [...longFields.map((name) => header[name]), ...records.map(({ timestamp }) => timestamp)].every((value) => Number.isSafeInteger(value))
  if (!isInRow || !isExact || header.deleteHorizonMs !== null) return
  const appendTime = header.timestampType === 'LogAppendTime'
  const builder = new RecordBatchBuilder({ maxBytes: bytes.length })
  for (const [i, { timestamp, key, value, headers }] of records.entries()) {
    const own = appendTime && i === 0 ? Number(header.baseTimestampField) : Number(timestamp)
    builder.add(nullable(key), nullable(value), appendTime ? ownTimestamp(bytes, i) : own, headers.map((entry) => ({ key: entry.key, value: nullable(entry.value) })))
  }
  const built = builder.build().bytes
  sealBatch(built, { producerId: Number(header.producerId), producerEpoch: header.producerEpoch, baseSequence: header.baseSequence, transactional: header.isTransactional })
  if (appendTime) patchTimestamps(built, header.attributes, Number(header.maxTimestamp))
  patchOffset(built, Number(header.baseOffset), header.partitionLeaderEpoch)
  expectBytes('encoded batch', built, bytes.toString('base64'))
}

/** The timestamp that a record had before the log stamped it, which only its bytes still say. */
function ownTimestamp(bytes: Buffer, index: number): number {
  const copy = Uint8Array.from(bytes)
  copy[22]! &= ~batchAttributes.logAppendTime
  return [...new RecordBatchView(copy)][index]!.timestamp
}

function nullable(recorded: RecordedBytes): Buffer | null {
  return recorded === null ? null : bytesFrom(recorded)
}

// ---------------------------------------------------------------------------------------------------- record-batch-invalid, message-set-legacy

interface InvalidCase extends NamedCase {
  readonly reader: { readonly result: 'read' | 'error'; readonly batches?: number; readonly records?: number; readonly content?: readonly RecordedRecord[] }
  readonly broker: BrokerAnswer
  readonly stored?: { readonly bytes: RecordedBytes }
  readonly bytes: string
}

interface BrokerAnswer {
  readonly errorCode: number
  readonly baseOffset: number
}

/** The wire codes of the errors that an append can throw. */
const wireCodes: Partial<Readonly<Record<ErrorCode, number>>> = { CORRUPT_RECORD: 2, RECORD_TOO_LARGE: 10, INVALID_TIMESTAMP: 32, INVALID_RECORD: 87 }
/** An exception that Kafka did not expect; any refusal of ours is as good. */
const unknownServerError = -1
/** Decided above the log, from the transactional id of the request. */
const transactionalIdAuthorizationFailed = 53

export const runInvalidBatch = eachCase<InvalidCase>(async (recorded) => {
  const bytes = Buffer.from(recorded.bytes, 'base64')
  checkReader(bytes, recorded.reader)
  await checkAppend(bytes, recorded.broker, { mayRefuse: recorded.reader.result === 'error', stored: recorded.stored?.bytes })
})

export const runLegacyMessageSet = eachCase<NamedCase & { readonly bytes: string; readonly broker: Readonly<Record<string, BrokerAnswer>> }>(async ({ bytes, broker }) => {
  for (const answer of Object.values(broker)) await checkAppend(Buffer.from(bytes, 'base64'), answer)
})

function checkReader(bytes: Buffer, expected: InvalidCase['reader']): void {
  let batches: readonly RecordBatchView[]
  let records: readonly RecordView[]
  try {
    batches = splitBatches(bytes)
    for (const batch of batches) batch.ensureValid()
    records = batches.flatMap((batch) => [...batch])
    for (const { headers } of records) if (headers.length > bytes.length) throw new Difference('more headers than bytes')
  } catch (error) {
    if (isStreamError(error, 'UNSUPPORTED_COMPRESSION_TYPE') && (bytes[22]! & 7) <= 4) throw new Pending(compressionNames[bytes[22]! & 7]!)
    if (isStreamError(error) && expected.result === 'error') return
    throw error
  }
  expectEqual('reader', { result: 'read', batches: batches.length, records: records.length }, { result: expected.result, batches: expected.batches, records: expected.records })
  if (expected.content !== undefined) checkRecords(records, expected.content)
}

/** `mayRefuse`: Kafka looks less closely into compressed batches and stores some that its own reader cannot read; here they are refused. */
async function checkAppend(bytes: Buffer, expected: BrokerAnswer, { mayRefuse = false, stored }: { mayRefuse?: boolean; stored?: RecordedBytes | undefined } = {}): Promise<void> {
  const log = await PartitionLog.open({ directory: '/log/t-0', name: 't-0', fileSystem: new MemoryFileSystem(), clock: new ManualClock(1_790_000_000_000), config: defaultLogConfig })
  try {
    const { baseOffset } = log.append(Uint8Array.from(bytes), 'client')
    expectEqual('broker', { errorCode: 0, baseOffset }, { errorCode: expected.errorCode, baseOffset: expected.baseOffset })
  } catch (error) {
    if (!isStreamError(error)) throw error
    if ((mayRefuse && expected.errorCode === 0) || expected.errorCode === unknownServerError || expected.errorCode === transactionalIdAuthorizationFailed) return
    expectEqual(`broker (${error.message})`, wireCodes[error.code] ?? error.code, expected.errorCode)
    return
  }
  await log.sync()
  const [batch] = log.read({ offset: 0, maxBytes: bytes.length, isolation: 'read-uncommitted' }).batches
  if (stored !== undefined) expectBytes('stored', batch!.batchBytes, stored)
}
