import type { CompressionName } from './compression-codec.ts'

/** What can be set for each partition's log; the topic configs of Kafka, typed, with the same defaults. */
export interface LogConfig {
  /** `segment.bytes`: a segment rolls before it would grow beyond this. Default 1 GiB. A batch larger than this is refused. */
  readonly segmentBytes: number
  /** `segment.ms`: a segment rolls when a record is younger than the segment's first record by more than this. Default 7 days. */
  readonly segmentMs: number
  /** `index.interval.bytes`: one offset index entry for about so many bytes. Default 4096. */
  readonly indexIntervalBytes: number
  /** `segment.index.bytes`: a segment rolls when one of its indexes would grow beyond this. Default 10 MiB. */
  readonly segmentIndexBytes: number
  /** `compression.type`: batches of clients are stored with this codec. Default `producer`: as they were sent. */
  readonly compression: 'producer' | CompressionName
  /** `max.message.bytes`: of a batch as it was sent, header included. Default 1,048,588. */
  readonly maxBatchBytes: number
  /** `message.timestamp.type`. Default `create-time`: the producer's; `log-append-time`: this machine's clock at the append. */
  readonly timestampType: 'create-time' | 'log-append-time'
  /** `message.timestamp.before.max.ms`: how far in the past a record may be. Default no limit. */
  readonly timestampBeforeMaxMs: number
  /** `message.timestamp.after.max.ms`: how far in the future. Default 1 hour. */
  readonly timestampAfterMaxMs: number
  /** `cleanup.policy`. Under `compact` a record without a key is refused. Default delete. */
  readonly cleanup: { readonly delete: boolean; readonly compact: boolean }
  /** `delete.retention.ms`: how long compaction keeps a tombstone after it first saw it, so that readers see the deletion. Default 1 day. */
  readonly deleteRetentionMs: number
  /** `min.compaction.lag.ms`: a segment with a younger record is not compacted. Default 0. */
  readonly minCompactionLagMs: number
  /** `max.compaction.lag.ms`: a record this old is compacted however little else is new; on a compacted topic segments roll for it. Default no limit. */
  readonly maxCompactionLagMs: number
  /** `min.cleanable.dirty.ratio`: compaction runs when so much of what could be compacted is new since the last time. Default 0.5. */
  readonly minCleanableRatio: number
  /** `retention.ms`: default 7 days; -1 keeps everything. */
  readonly retentionMs: number
  /** `retention.bytes`: default -1, no limit. */
  readonly retentionBytes: number
}

const dayMs = 86_400_000

export const defaultLogConfig: LogConfig = {
  segmentBytes: 1024 * 1024 * 1024,
  segmentMs: 7 * dayMs,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 10 * 1024 * 1024,
  compression: 'producer',
  maxBatchBytes: 1_048_588,
  timestampType: 'create-time',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  cleanup: { delete: true, compact: false },
  deleteRetentionMs: dayMs,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  minCleanableRatio: 0.5,
  retentionMs: 7 * dayMs,
  retentionBytes: -1,
}
