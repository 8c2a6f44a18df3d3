/** What a log decides about a batch before it is written; nothing here changes the log. */
import { singleBatch, validateBatch } from './append-validation.ts'
import type { AppendOrigin } from './append-validation.ts'
import type { LogConfig } from './log-config.ts'
import type { AppendResult } from './log-read.ts'
import type { ProducerState } from './producer-state.ts'
import { RecordBatchView } from './record-batch.ts'
import { recompressed } from './recompress.ts'
import type { Segment } from './segment.ts'

/** Of batches that stand one behind the other and are not in the segment yet. */
export interface RunLength {
  readonly batches: number
  readonly bytes: number
  readonly offsets: number
}

/** The batch as it will be stored. @throws as `PartitionLog.append`, for what is wrong with the batch itself */
export function storedBatch(bytes: Uint8Array, origin: AppendOrigin, config: LogConfig, nowMs: number): RecordBatchView {
  const sent = origin === 'client' ? singleBatch(bytes) : new RecordBatchView(bytes)
  validateBatch(sent, origin, config, nowMs)
  return origin === 'coordinator' ? sent : recompressed(sent, config)
}

/** What was answered when its producer sent the batch before; null when it is to be appended. @throws as `PartitionLog.append`, for the producer */
export function repeatedResult(batch: RecordBatchView, origin: AppendOrigin, producers: ProducerState): AppendResult | null {
  if (batch.producerId < 0) return null
  const sequenced = origin !== 'coordinator'
  const original = sequenced ? producers.findDuplicate(batch) : null
  if (original === null) producers.check(batch, sequenced)
  return original && { baseOffset: original.lastOffset - original.offsetDelta, lastOffset: original.lastOffset, logAppendTime: original.timestamp, duplicate: true }
}

/** Whether the segment takes the batch behind what is there and what goes `before` it. An empty one takes any. */
export function hasRoom(segment: Segment, batch: RecordBatchView, before: RunLength, config: LogConfig, logEndOffset: number): boolean {
  if (segment.sizeBytes === 0 && before.batches === 0) return true
  const { segmentBytes, segmentMs, segmentIndexBytes, maxCompactionLagMs, cleanup } = config
  const bytes = before.bytes + batch.sizeBytes
  if (segment.sizeBytes + bytes > segmentBytes || segment.hasFullIndex(segmentIndexBytes, before.batches)) return false
  if (!segment.canHold(bytes, logEndOffset + before.offsets + batch.lastOffsetDelta)) return false
  const maxAgeMs = cleanup.compact ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs
  const { firstTimestamp } = segment
  return firstTimestamp === null ? before.batches === 0 : batch.maxTimestamp - firstTimestamp <= maxAgeMs
}

/** Of a batch that has its offsets. */
export function resultOf(batch: RecordBatchView): AppendResult {
  return { baseOffset: batch.baseOffset, lastOffset: batch.lastOffset, logAppendTime: batch.isLogAppendTime ? batch.maxTimestamp : -1, duplicate: false }
}
