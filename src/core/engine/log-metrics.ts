/** What the engine counts, as a snapshot: whoever serves HTTP hands it to prom-client. Names are those that dashboards for Kafka use. */
import type { GroupCoordinator } from './group-coordinator.ts'
import type { LogEngine } from './log-engine.ts'
import type { Partition } from './partition.ts'
import type { HistogramValues } from './sync-latency.ts'
import { isInternalTopic } from './topic-manager.ts'

interface LogMetricBase {
  /** `kafka_server_brokertopicmetrics_bytesin_total` */
  readonly name: string
  readonly help: string
  /** Which topic, partition, group. */
  readonly labels: Readonly<Record<string, string>>
}

export type LogMetric =
  /** A counter only grows while the directory is open. */
  | (LogMetricBase & { readonly kind: 'counter' | 'gauge'; readonly value: number })
  | (LogMetricBase & HistogramValues & { readonly kind: 'histogram' })

interface Measured {
  readonly log: LogEngine
  readonly groups: GroupCoordinator
}

/** Nothing is counted for it that the engine does not count anyway; sizes, offsets and lag are read now. */
export function collectMetrics(engine: Measured): readonly LogMetric[] {
  const partitions = [...engine.log.allPartitions()]
  return [
    ...trafficMetrics(partitions),
    ...partitions.flatMap(partitionMetrics),
    { kind: 'histogram', name: 'kafka_log_logflushstats_logflushtimems', help: 'Milliseconds that a sync of a partition to disk took.', labels: {}, ...engine.log.syncLatency.snapshot() },
    ...groupMetrics(engine),
  ]
}

function trafficMetrics(partitions: readonly Partition[]): readonly LogMetric[] {
  const byTopic = new Map<string, { recordsIn: number; bytesIn: number; bytesOut: number }>()
  for (const { topic, traffic } of partitions) {
    if (isInternalTopic(topic)) continue
    const sums = byTopic.get(topic) ?? { recordsIn: 0, bytesIn: 0, bytesOut: 0 }
    sums.recordsIn += traffic.recordsIn
    sums.bytesIn += traffic.bytesIn
    sums.bytesOut += traffic.bytesOut
    byTopic.set(topic, sums)
  }
  return [...byTopic].flatMap(([topic, { recordsIn, bytesIn, bytesOut }]) => {
    const counter = (name: string, help: string, value: number): LogMetric => ({ kind: 'counter', name: `kafka_server_brokertopicmetrics_${name}_total`, help, labels: { topic }, value })
    return [counter('messagesin', 'Records appended.', recordsIn), counter('bytesin', 'Bytes of batches appended.', bytesIn), counter('bytesout', 'Bytes of batches read.', bytesOut)]
  })
}

function partitionMetrics({ topic, partition, log }: Partition): readonly LogMetric[] {
  const labels = { topic, partition: String(partition) }
  const gauge = (name: string, help: string, value: number): LogMetric => ({ kind: 'gauge', name: `kafka_log_log_${name}`, help, labels, value })
  return [
    gauge('size', 'Bytes of the segments on disk.', log.sizeBytes),
    gauge('logstartoffset', 'The first offset that is there.', log.logStartOffset),
    gauge('logendoffset', 'The offset that the next record gets.', log.logEndOffset),
  ]
}

function groupMetrics({ groups, log }: Measured): readonly LogMetric[] {
  return groups.list().flatMap((groupId) => {
    const { members, offsets } = groups.describe(groupId)
    const count: LogMetric = { kind: 'gauge', name: 'kafka_consumergroup_members', help: 'Members of the group.', labels: { consumergroup: groupId }, value: members.length }
    return [count, ...offsets.flatMap(({ topic, partition, offset }): readonly LogMetric[] => {
      const found = log.partitionIfExists({ topic, partition })
      const labels = { consumergroup: groupId, topic, partition: String(partition) }
      return found === undefined ? [] : [{ kind: 'gauge', name: 'kafka_consumergroup_lag', help: 'Records that the group has not read yet.', labels, value: Math.max(0, found.log.highWatermark - offset) }]
    })]
  })
}
