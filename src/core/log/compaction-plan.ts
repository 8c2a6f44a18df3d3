/** What compaction may touch, and whether it is worth it: pure decisions, with Kafka's rules. */
import type { LogConfig } from './log-config.ts'

export interface CompactableSegment {
  readonly baseOffset: number
  /** Where the next one begins. */
  readonly endOffset: number
  readonly sizeBytes: number
  /** Of its first batch; null when it is empty. */
  readonly firstTimestamp: number | null
  readonly maxTimestamp: number
  /** Sealed: nothing is appended to it any more, and its indexes are on disk. */
  readonly isSealed: boolean
}

export interface CompactionSituation {
  /** In order of offset. */
  readonly segments: readonly CompactableSegment[]
  readonly config: LogConfig
  readonly nowMs: number
  /** Everything before was compacted already. */
  readonly cleanedOffset: number
  readonly lastStableOffset: number
}

/**
 * How many segments, from the first on, can be compacted: sealed ones that lie before the last stable offset and whose youngest
 * record is old enough. 0 when too little of them is new and none of it has waited for too long.
 */
export function countCompactable({ segments, config, nowMs, cleanedOffset, lastStableOffset }: CompactionSituation): number {
  let count = 0
  let cleanBytes = 0
  let dirtyBytes = 0
  let isOverdue = false
  for (const { endOffset, sizeBytes, firstTimestamp, maxTimestamp, isSealed } of segments) {
    const isYoung = config.minCompactionLagMs > 0 && nowMs - maxTimestamp < config.minCompactionLagMs
    if (!isSealed || endOffset > lastStableOffset || isYoung) break
    count++
    if (endOffset <= cleanedOffset) {
      cleanBytes += sizeBytes
      continue
    }
    dirtyBytes += sizeBytes
    isOverdue ||= firstTimestamp !== null && nowMs - firstTimestamp > config.maxCompactionLagMs
  }
  const isWorthIt = dirtyBytes / (cleanBytes + dirtyBytes) >= config.minCleanableRatio
  return dirtyBytes > 0 && (isWorthIt || isOverdue) ? count : 0
}

const maxInt32 = 2147483647

/** Neighbours that become one segment: together not larger than a segment, and in reach of its relative offsets. */
export function groupSegments<Member extends Pick<CompactableSegment, 'baseOffset' | 'endOffset' | 'sizeBytes'>>(segments: readonly Member[], segmentBytes: number): readonly (readonly Member[])[] {
  const groups: Member[][] = []
  let groupBytes = 0
  for (const segment of segments) {
    const group = groups.at(-1)
    const fits = group !== undefined && groupBytes + segment.sizeBytes <= segmentBytes && segment.endOffset - group[0]!.baseOffset <= maxInt32
    if (fits) group.push(segment)
    else groups.push([segment])
    groupBytes = fits ? groupBytes + segment.sizeBytes : segment.sizeBytes
  }
  return groups
}
