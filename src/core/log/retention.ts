/** Which segments are too old or too many, with Kafka's rules. */
import { join } from 'node:path'
import { segmentFileName } from './file-names.ts'
import type { FileSystem } from './file-system.ts'
import { writeLeaderEpochCheckpoint } from './leader-epoch-checkpoint.ts'
import type { LogConfig } from './log-config.ts'
import type { SegmentList } from './segment-list.ts'
import type { Segment } from './segment.ts'

export interface RetainedSegment {
  readonly sizeBytes: number
  /** Of its youngest record, or of its file when no record has one. */
  readonly maxTimestamp: number
  /** One past its last offset. */
  readonly endOffset: number
}

export interface RetentionSituation {
  /** In order of offset. */
  readonly segments: readonly RetainedSegment[]
  readonly config: LogConfig
  readonly nowMs: number
  readonly logStartOffset: number
  readonly highWatermark: number
}

/**
 * How many segments go, from the oldest on: those before the log start offset, those whose youngest record is older than
 * `retentionMs` (a segment that is young enough protects all behind it), and those without which the log still has
 * `retentionBytes`. Nothing beyond the high watermark goes.
 */
export function countExpired({ segments, config, nowMs, logStartOffset, highWatermark }: RetentionSituation): number {
  let surplus = config.retentionBytes < 0 ? -1 : segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) - config.retentionBytes
  let count = 0
  for (const { sizeBytes, maxTimestamp, endOffset } of segments) {
    const isBeforeStart = endOffset <= logStartOffset
    const isOld = config.cleanup.delete && config.retentionMs >= 0 && nowMs - maxTimestamp > config.retentionMs
    const isSurplus = config.cleanup.delete && surplus >= sizeBytes
    if (endOffset > highWatermark || !(isBeforeStart || isOld || isSurplus)) break
    surplus -= sizeBytes
    count++
  }
  return count
}

/** @throws STORAGE_CORRUPT when the segment cannot tell its age */
export function retainedSegment(segment: Segment, fileSystem: FileSystem, logEndOffset: number): RetainedSegment {
  segment.ensureTimeIndex()
  const maxTimestamp = segment.maxTimestamp >= 0 ? segment.maxTimestamp : fileSystem.stat(segment.path)?.modifiedMs ?? Infinity
  return { sizeBytes: segment.sizeBytes, maxTimestamp, endOffset: Math.min(segment.endOffset, logEndOffset) }
}

/** Those that lie wholly before the offset, with what belongs to them; gone for good when it resolves. */
export async function removeSegmentsBefore(offset: number, segments: SegmentList, { fileSystem, directory }: { readonly fileSystem: FileSystem; readonly directory: string }): Promise<void> {
  for (const segment of segments.takeBefore(offset)) {
    segment.remove()
    fileSystem.remove(join(directory, segmentFileName(segment.baseOffset, 'snapshot')))
  }
  writeLeaderEpochCheckpoint(fileSystem, directory, offset)
  await fileSystem.syncDirectory(directory)
}
