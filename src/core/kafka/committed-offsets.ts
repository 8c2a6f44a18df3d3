import type { CommittedOffset, GroupMetadata } from '../broker.ts'
import type { TopicPartition } from '../record.ts'
import { byTopic } from './by-topic.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { kafkaError, throwIfError } from './kafka-errors.ts'
import type { KafkaLane } from './kafka-lane.ts'
import { offsetOnWire } from './kafka-transaction.ts'
import { topicPatience } from './topic-patience.ts'
import { offsetCommit, offsetFetch } from './wire/index.ts'

/** Committed offsets of a group, of all partitions for null; waits out an open transaction over them. */
export function fetchCommitted(cluster: KafkaCluster, lane: KafkaLane, groupId: string, partitions: readonly TopicPartition[] | null): Promise<readonly CommittedOffset[]> {
  const topics = partitions === null ? null : byTopic(partitions).map(([name, group]) => ({ name, partitionIndexes: group.map(({ partition }) => partition) }))
  return cluster.withCoordinator('group', groupId, async (nodeId) => {
    const answer = await lane.send(nodeId, offsetFetch, { groupId, topics, requireStable: true }, cluster.requestTimeoutMs)
    throwIfError(answer.errorCode, `fetching offsets of group ${groupId}`)
    return answer.topics.flatMap(({ name, partitions: found }) => found.flatMap(({ partitionIndex, committedOffset, metadata, errorCode }): CommittedOffset[] => {
      throwIfError(errorCode, `fetching the offset of group ${groupId} for ${name}-${partitionIndex}`)
      if (committedOffset < 0) return []
      return [{ topic: name, partition: partitionIndex, offset: committedOffset, metadata: metadata ?? '' }]
    }))
  })
}

/** With generation -1 and no member id: for a group without members. */
export async function commitOffsets(cluster: KafkaCluster, lane: KafkaLane, group: GroupMetadata, offsets: readonly CommittedOffset[]): Promise<void> {
  const { groupId, generation, memberId, groupInstanceId } = group
  const topics = byTopic(offsets).map(([name, partitions]) => ({ name, partitions: partitions.map(offsetOnWire) }))
  const patient = topicPatience(cluster.clock)
  await cluster.withCoordinator('group', groupId, async (nodeId) => {
    const answer = await lane.send(nodeId, offsetCommit, { groupId, generationId: generation, memberId, groupInstanceId, topics }, cluster.requestTimeoutMs)
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        if (errorCode !== 0) throw patient(kafkaError(errorCode, `committing the offset of group ${groupId} for ${name}-${partitionIndex}`))
      }
    }
  })
}
