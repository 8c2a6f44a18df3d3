import { compressionCodec } from './compression.ts'
import { readRecord } from './lazy-record.ts'
import type { LazyRecord } from './lazy-record.ts'
import { batchAttributes, batchHeaderBytes, writeBatchHeader } from './record-batch.ts'
import type { RecordBatchView } from './record-batch.ts'
import { varintSize, writeVarint } from './varint.ts'

export interface CompactionRules {
  /** `drop` the whole batch; else decide by record. */
  keepRecord(record: LazyRecord): boolean
  /** What becomes of a batch without records: gone, or only its header left (it holds a producer's last sequence). */
  readonly whenEmpty: 'drop' | 'keep-header'
  /** Until when tombstones are kept; set once, at the first compaction that keeps one. */
  readonly deleteHorizonMs: number
  /** The batch gets a delete horizon although it has no tombstone: a marker whose transaction is gone. */
  readonly alwaysSetHorizon: boolean
}

/** The batch without the records that are not kept, in the same offsets; the same bytes when nothing changed; null when nothing is left. @throws CORRUPT_RECORD */
export function compactBatch(batch: RecordBatchView, rules: CompactionRules): Uint8Array | null {
  const kept = keptRecords(batch, rules)
  if (kept.length === 0) return rules.whenEmpty === 'drop' ? null : emptied(batch)
  const needsHorizon = !batch.hasDeleteHorizon && (rules.alwaysSetHorizon || kept.some(({ valueLength }) => valueLength < 0))
  if (kept.length === batch.recordCount && !needsHorizon) return batch.batchBytes
  return rebuilt(batch, kept, needsHorizon ? rules.deleteHorizonMs : null)
}

function keptRecords(batch: RecordBatchView, rules: CompactionRules): readonly LazyRecord[] {
  if (batch.recordCount === 0) return []
  const { cursor, base } = batch.recordReader()
  // The times that producers gave are kept, also where readers see the time of the append.
  const ownTimes = { ...base, appendTime: null }
  const kept: LazyRecord[] = []
  for (let left = batch.recordCount; left > 0; left--) {
    const record = readRecord(cursor, ownTimes)
    if (rules.keepRecord(record)) kept.push(record)
  }
  return kept
}

function emptied(batch: RecordBatchView): Uint8Array {
  const bytes = new Uint8Array(batchHeaderBytes)
  const attributes = batch.attributes & (batchAttributes.logAppendTime | batchAttributes.transactional | batchAttributes.control)
  writeBatchHeader(bytes, { ...headerOf(batch), attributes, baseTimestamp: -1, recordCount: 0 })
  return bytes
}

/** Kafka counts timestamps from the first record that is left, or from the delete horizon. */
function rebuilt(batch: RecordBatchView, kept: readonly LazyRecord[], newHorizonMs: number | null): Uint8Array {
  const horizonMs = newHorizonMs ?? (batch.hasDeleteHorizon ? batch.baseTimestamp : null)
  const baseTimestamp = horizonMs ?? kept[0]!.timestamp
  const records = encodeRecords(kept, batch.baseOffset, baseTimestamp)
  const section = batch.compression === 0 ? records : compressionCodec(batch.compression).deflate(records)
  const bytes = new Uint8Array(batchHeaderBytes + section.length)
  bytes.set(section, batchHeaderBytes)
  writeBatchHeader(bytes, {
    ...headerOf(batch), baseTimestamp, recordCount: kept.length,
    attributes: horizonMs === null ? batch.attributes : batch.attributes | batchAttributes.deleteHorizon,
    maxTimestamp: batch.isLogAppendTime ? batch.maxTimestamp : Math.max(...kept.map(({ timestamp }) => timestamp)),
  })
  return bytes
}

function headerOf(batch: RecordBatchView) {
  const { baseOffset, leaderEpoch, attributes, lastOffsetDelta, baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence, recordCount } = batch
  return { baseOffset, leaderEpoch, attributes, lastOffsetDelta, baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence, recordCount }
}

/** Only length and deltas are new; key, value and headers are copied as they are. */
function encodeRecords(records: readonly LazyRecord[], baseOffset: number, baseTimestamp: number): Uint8Array {
  const heads = records.map((record) => ({ body: record.bodyBytes, offsetDelta: record.offset - baseOffset, timestampDelta: record.timestamp - baseTimestamp }))
  const lengths = heads.map(({ body, offsetDelta, timestampDelta }) => 1 + varintSize(timestampDelta) + varintSize(offsetDelta) + body.length)
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + varintSize(length) + length, 0))
  let at = 0
  for (const [i, { body, offsetDelta, timestampDelta }] of heads.entries()) {
    at = writeVarint(bytes, at, lengths[i]!)
    bytes[at++] = 0
    at = writeVarint(bytes, at, timestampDelta)
    at = writeVarint(bytes, at, offsetDelta)
    bytes.set(body, at)
    at += body.length
  }
  return bytes
}
