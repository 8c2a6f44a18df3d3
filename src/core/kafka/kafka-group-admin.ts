import type { CommittedOffset, GroupAdmin, GroupDescription } from '../broker.ts'
import { consumerProtocolType, decodeAssignment } from '../consumer-protocol.ts'
import { isStreamError, StreamError } from '../errors.ts'
import type { TopicPartition } from '../record.ts'
import { validateOffsets, validateTarget } from '../validate.ts'
import { byTopic } from './by-topic.ts'
import { commitOffsets, fetchCommitted } from './committed-offsets.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { throwIfError } from './kafka-errors.ts'
import type { KafkaLane } from './kafka-lane.ts'
import { deleteGroups, describeGroups, listGroups, offsetDelete } from './wire/index.ts'

const states: ReadonlyMap<string, GroupDescription['state']> = new Map([
  ['Empty', 'empty'],
  ['PreparingRebalance', 'preparing-rebalance'],
  ['CompletingRebalance', 'completing-rebalance'],
  ['Stable', 'stable'],
])

export class KafkaGroupAdmin implements GroupAdmin {
  readonly #cluster: KafkaCluster
  readonly #lane: KafkaLane

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster
    this.#lane = cluster.openLane()
  }

  /** Each broker knows the groups that it coordinates. */
  async list(): Promise<readonly string[]> {
    await this.#cluster.retrying(() => this.#cluster.refresh([]))
    const perNode = await Promise.all(this.#cluster.nodeIds.map((nodeId) => this.#cluster.retrying(async () => {
      const answer = await this.#lane.send(nodeId, listGroups, {}, this.#cluster.requestTimeoutMs)
      throwIfError(answer.errorCode, `listing the groups of node ${nodeId}`)
      return answer.groups.map(({ groupId }) => groupId)
    })))
    return [...new Set(perNode.flat())].sort()
  }

  /** The generation is -1: Kafka does not tell it to those who are not members. */
  async describe(groupId: string): Promise<GroupDescription> {
    const group = await this.#cluster.withCoordinator('group', groupId, async (nodeId) => {
      const answer = await this.#lane.send(nodeId, describeGroups, { groups: [groupId], includeAuthorizedOperations: false }, this.#cluster.requestTimeoutMs)
      const [found] = answer.groups
      if (found === undefined) throw new StreamError('GROUP_ID_NOT_FOUND', `the coordinator says nothing about group ${groupId}`)
      if (found.errorCode !== groupIdNotFound) throwIfError(found.errorCode, `describing group ${groupId}`)
      return found
    })
    const isStable = group.groupState === 'Stable'
    return {
      groupId,
      state: states.get(group.groupState) ?? 'dead',
      generation: -1,
      assignor: group.protocolData === '' ? null : group.protocolData,
      members: group.members.map(({ memberId, groupInstanceId, clientId, memberAssignment }) => ({
        memberId,
        groupInstanceId,
        clientId,
        assignment: isStable && group.protocolType === consumerProtocolType ? decodeAssignment(memberAssignment).partitions : [],
      })),
      offsets: await fetchCommitted(this.#cluster, this.#lane, groupId, null),
    }
  }

  async setOffsets(groupId: string, offsets: readonly CommittedOffset[]): Promise<void> {
    validateOffsets(offsets)
    try {
      await commitOffsets(this.#cluster, this.#lane, { groupId, generation: -1, memberId: '', groupInstanceId: null }, offsets)
    } catch (error) {
      if (!isStreamError(error, 'UNKNOWN_MEMBER_ID')) throw error
      throw new StreamError('NON_EMPTY_GROUP', `group ${groupId} has members; stop them before you set its offsets`, { cause: error })
    }
  }

  async removeOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    for (const target of partitions) validateTarget(target)
    const topics = byTopic(partitions).map(([name, group]) => ({ name, partitions: group.map(({ partition }) => ({ partitionIndex: partition })) }))
    await this.#cluster.withCoordinator('group', groupId, async (nodeId) => {
      const answer = await this.#lane.send(nodeId, offsetDelete, { groupId, topics }, this.#cluster.requestTimeoutMs)
      throwIfError(answer.errorCode, `forgetting offsets of group ${groupId}`)
      for (const { name, partitions: removed } of answer.topics) {
        for (const { partitionIndex, errorCode } of removed) {
          if (errorCode === groupSubscribedToTopic) throw new StreamError('NON_EMPTY_GROUP', `members of group ${groupId} read topic ${name}`, { details: { groupId, topic: name } })
          throwIfError(errorCode, `forgetting the offset of group ${groupId} for ${name}-${partitionIndex}`)
        }
      }
    })
  }

  async remove(groupIds: readonly string[]): Promise<void> {
    for (const groupId of groupIds) {
      await this.#cluster.withCoordinator('group', groupId, async (nodeId) => {
        const answer = await this.#lane.send(nodeId, deleteGroups, { groupsNames: [groupId] }, this.#cluster.requestTimeoutMs)
        for (const { errorCode } of answer.results) throwIfError(errorCode, `deleting group ${groupId}`)
      })
    }
  }
}

const groupIdNotFound = 69
const groupSubscribedToTopic = 86
