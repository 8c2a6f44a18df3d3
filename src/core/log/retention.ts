/** Which segments are too old or too many: a pure decision, with Kafka's rules. */
import type { LogConfig } from './log-config.ts'

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
