import type { LogConfig } from '../log/log-config.ts'
import { listConfig, numberConfig, textConfig } from './topic-config.ts'
import type { TopicConfigs } from './topic-config.ts'

/** The part of a topic's configs that its logs act on, typed. */
export function logConfigOf(configs: TopicConfigs): LogConfig {
  const policies = listConfig(configs, 'cleanup.policy')
  const internalSegmentBytes = numberConfig(configs, 'internal.segment.bytes')
  return {
    segmentBytes: internalSegmentBytes > 0 ? internalSegmentBytes : numberConfig(configs, 'segment.bytes'),
    segmentMs: numberConfig(configs, 'segment.ms'),
    indexIntervalBytes: numberConfig(configs, 'index.interval.bytes'),
    segmentIndexBytes: numberConfig(configs, 'segment.index.bytes'),
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
