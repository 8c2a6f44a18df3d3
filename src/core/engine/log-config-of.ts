import type { LogConfig } from '../log/log-config.ts'
import { listConfig, numberConfig, textConfig } from './topic-config.ts'
import type { TopicConfigs } from './topic-config.ts'

/** The part of a topic's configs that its logs act on, typed. `spread`, from 0 to 1, says how much of `segment.jitter.ms` this partition takes off. */
export function logConfigOf(configs: TopicConfigs, spread = 0): LogConfig {
  const policies = listConfig(configs, 'cleanup.policy')
  const internalSegmentBytes = numberConfig(configs, 'internal.segment.bytes')
  return {
    segmentBytes: internalSegmentBytes > 0 ? internalSegmentBytes : numberConfig(configs, 'segment.bytes'),
    segmentMs: jitteredSegmentMs(configs, spread),
    indexIntervalBytes: numberConfig(configs, 'index.interval.bytes'),
    segmentIndexBytes: numberConfig(configs, 'segment.index.bytes'),
    compression: compressionOf(textConfig(configs, 'compression.type')),
    maxBatchBytes: numberConfig(configs, 'max.message.bytes'),
    timestampType: textConfig(configs, 'message.timestamp.type') === 'LogAppendTime' ? 'log-append-time' : 'create-time',
    timestampBeforeMaxMs: numberConfig(configs, 'message.timestamp.before.max.ms'),
    timestampAfterMaxMs: numberConfig(configs, 'message.timestamp.after.max.ms'),
    cleanup: { delete: policies.includes('delete'), compact: policies.includes('compact') },
    deleteRetentionMs: numberConfig(configs, 'delete.retention.ms'),
    minCompactionLagMs: numberConfig(configs, 'min.compaction.lag.ms'),
    maxCompactionLagMs: numberConfig(configs, 'max.compaction.lag.ms'),
    minCleanableRatio: numberConfig(configs, 'min.cleanable.dirty.ratio'),
    retentionMs: numberConfig(configs, 'retention.ms'),
    retentionBytes: numberConfig(configs, 'retention.bytes'),
  }
}

/** Partitions that were created together shall not all roll at once. */
function jitteredSegmentMs(configs: TopicConfigs, spread: number): number {
  const segmentMs = numberConfig(configs, 'segment.ms')
  return Math.max(1, segmentMs - Math.floor(spread * Math.min(numberConfig(configs, 'segment.jitter.ms'), segmentMs)))
}

function compressionOf(type: string): LogConfig['compression'] {
  return type === 'uncompressed' ? 'none' : (type as LogConfig['compression'])
}

/** When appends that were not asked to be durable are made so all the same. */
export interface FlushPolicy {
  /** `flush.messages`: after so many records. */
  readonly records: number
  /** `flush.ms`: so long after the first of them. */
  readonly ms: number
}

export function flushPolicyOf(configs: TopicConfigs): FlushPolicy {
  return { records: numberConfig(configs, 'flush.messages'), ms: numberConfig(configs, 'flush.ms') }
}
