import { RecordBatchView } from './record-batch.ts'
import type { Segment } from './segment.ts'

export interface TimestampedOffset {
  readonly offset: number
  readonly timestamp: number
}

export interface TimestampSearch {
  readonly segments: Iterable<Segment>
  readonly timestamp: number
  /** Records below are not looked at. */
  readonly fromOffset: number
  /** Nor from here on. */
  readonly limitOffset: number
}

const stepBytes = 64 * 1024

/** The first record, in the order of offsets, that is at least as young; null when none is. @throws STORAGE_CORRUPT */
export function findTimestamp(search: TimestampSearch): TimestampedOffset | null {
  for (const segment of search.segments) {
    const start = segment.searchStart(search.timestamp)
    const found = start === null ? null : findInSegment(segment, start, search)
    if (found !== null) return found
  }
  return null
}

function findInSegment(segment: Segment, start: number, search: TimestampSearch): TimestampedOffset | null {
  let offset = Math.max(search.fromOffset, start)
  for (;;) {
    const batches = segment.read({ offset, limitOffset: search.limitOffset, maxBytes: stepBytes })
    if (batches.length === 0) return null
    for (const batch of batches) {
      const found = batch.maxTimestamp >= search.timestamp ? findInBatch(batch, search) : null
      if (found !== null) return found
    }
    offset = batches.at(-1)!.nextOffset
  }
}

function findInBatch(batch: RecordBatchView, search: TimestampSearch): TimestampedOffset | null {
  for (const { offset, timestamp } of batch) if (timestamp >= search.timestamp && offset >= search.fromOffset) return { offset, timestamp }
  return null
}

/** The first record with the largest timestamp, control records included; -1 for a log without timestamps, null for an empty one. @throws STORAGE_CORRUPT */
export function findMaxTimestamp(segments: Iterable<Segment>, limitOffset: number): TimestampedOffset | null {
  const [first, ...others] = segments
  let newest = first!
  newest.ensureTimeIndex()
  for (const segment of others) {
    segment.ensureTimeIndex()
    if (segment.maxTimestamp > newest.maxTimestamp) newest = segment
  }
  if (newest.maxTimestamp < 0) return limitOffset > first!.baseOffset ? { offset: first!.baseOffset, timestamp: -1 } : null
  const [batch] = newest.read({ offset: newest.offsetOfMaxTimestamp, limitOffset, maxBytes: 0 })
  if (batch === undefined) return null
  // The read left out what is before the batch's last record; all of it counts here.
  for (const { offset, timestamp } of new RecordBatchView(batch.bytes, batch.position)) if (timestamp === newest.maxTimestamp) return { offset, timestamp }
  return null
}
