import type { TopicSpec } from '../../core/index.ts'
import type { StoreSpec, TopologyData } from './node.ts'

/** How long changelogs of window and session stores keep records beyond the store's own retention. */
export const defaultAdditionalRetentionMs = 24 * 60 * 60 * 1000

export function changelogTopic(applicationId: string, store: StoreSpec): string | null {
  if (store.changelog === null) return null
  return store.changelog.sourceTopic ?? `${applicationId}-${store.name}-changelog`
}

/** True for topics that only this application reads: repartition topics, changelogs and those of foreign-key joins. */
export function isInternalTopic(applicationId: string, topic: string): boolean {
  return topic.startsWith(`${applicationId}-`) && /-(repartition|changelog|subscription-registration-topic|subscription-response-topic)$/.test(topic)
}

/** The name in the broker: internal topics carry the application id. */
export function topicInBroker(applicationId: string, topology: TopologyData, topic: string): string {
  return topology.repartitionTopics.some(spec => spec.name === topic) ? `${applicationId}-${topic}` : topic
}

/** Topic configs of a store's changelog, as Kafka Streams sets them. */
export function changelogConfigs(store: StoreSpec, additionalRetentionMs = defaultAdditionalRetentionMs): Readonly<Record<string, string>> {
  return { 'message.timestamp.type': 'CreateTime', ...policyConfigs(store, additionalRetentionMs), ...store.changelog?.topicConfig }
}

function policyConfigs(store: StoreSpec, additionalRetentionMs: number): Readonly<Record<string, string>> {
  switch (store.type) {
    case 'window':
    case 'timestamped-window':
    case 'session': {
      const policy = store.retainDuplicates === true ? 'delete' : 'compact,delete'
      return { 'cleanup.policy': policy, 'retention.ms': longText((store.retentionMs ?? Infinity) + additionalRetentionMs) }
    }
    case 'versioned':
      return { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': longText((store.historyMs ?? Infinity) + additionalRetentionMs) }
    default:
      return { 'cleanup.policy': 'compact' }
  }
}

const largestLong = '9223372036854775807'

function longText(ms: number): string {
  return Number.isSafeInteger(ms) ? String(ms) : largestLong
}

export const repartitionConfigs: Readonly<Record<string, string>> = Object.freeze({
  'cleanup.policy': 'delete',
  'message.timestamp.type': 'CreateTime',
  'retention.ms': '-1',
  'segment.bytes': '52428800',
})

/** What an application needs beside its own topics, given the partitions of each repartition topic and of each sub-topology. */
export function internalTopicSpecs(
  topology: TopologyData,
  applicationId: string,
  partitions: { readonly ofTopic: ReadonlyMap<string, number>; readonly ofSubTopology: ReadonlyMap<number, number> },
  additionalRetentionMs = defaultAdditionalRetentionMs,
): { readonly repartition: readonly TopicSpec[]; readonly changelog: readonly TopicSpec[] } {
  const repartition = topology.repartitionTopics.map(spec => ({
    topic: `${applicationId}-${spec.name}`,
    partitions: partitions.ofTopic.get(spec.name)!,
    configs: repartitionConfigs,
  }))
  const changelog = topology.subTopologies.flatMap(part => part.stores
    .filter(store => store.changelog !== null && store.changelog.sourceTopic === null)
    .map(store => ({
      topic: changelogTopic(applicationId, store)!,
      partitions: partitions.ofSubTopology.get(part.id)!,
      configs: changelogConfigs(store, additionalRetentionMs),
    })))
  return { repartition, changelog }
}
