import type { AssignmentInput, Assignor, GroupOptions, TopicPartition } from '../../core/index.ts'
import { topicInBroker } from '../topology/internal-topics.ts'
import { wholeName } from '../topology/names.ts'
import type { SubTopology, TopologyData } from '../topology/node.ts'
import { assignTasks } from './assign-tasks.ts'
import type { AssignmentRules, TaskAssignment } from './assign-tasks.ts'
import { consumerClientId, decodeMemberData, encodeLeaderData, encodeMemberData } from './member-data.ts'
import type { MemberData } from './member-data.ts'
import type { ThreadOptions } from './thread-options.ts'

/** A unit of work that a member takes as a whole: one sub-topology for one partition. */
export interface TaskPlan {
  /** `<sub-topology>_<partition>`. */
  readonly taskId: string
  readonly subTopology: SubTopology
  readonly partition: number
  /** As the broker names them. */
  readonly inputs: readonly TopicPartition[]
  /** False when all inputs are repartition topics. */
  readonly readsInput: boolean
}

/** Every task of a topology, given the partitions of its source topics in the broker. */
export function taskPlans(topology: TopologyData, applicationId: string, partitionCounts: ReadonlyMap<string, number>): readonly TaskPlan[] {
  const internal = new Set(topology.repartitionTopics.map((spec) => spec.name))
  return topology.subTopologies.flatMap((subTopology) => {
    const topics = sourceTopicsInBroker(topology, applicationId, subTopology, partitionCounts)
    const readsInput = subTopology.nodes.some((node) => node.kind === 'source' && !node.topics.some((topic) => internal.has(topic)))
    const tasks = topics.reduce((most, topic) => Math.max(most, partitionCounts.get(topic) ?? 0), 0)
    return Array.from({ length: tasks }, (_, partition) => ({
      taskId: `${subTopology.id}_${partition}`,
      subTopology,
      partition,
      readsInput,
      inputs: topics.filter((topic) => partition < (partitionCounts.get(topic) ?? 0)).map((topic) => ({ topic, partition })),
    }))
  })
}

/** Names in the broker of the topics that a sub-topology reads; patterns take what matches among those that exist. */
export function sourceTopicsInBroker(
  topology: TopologyData,
  applicationId: string,
  subTopology: SubTopology,
  existing: { keys(): Iterable<string> },
): readonly string[] {
  const named = subTopology.sourceTopics.map((topic) => topicInBroker(applicationId, topology, topic))
  const patterns = subTopology.nodes.flatMap((node) => (node.kind === 'source' && node.pattern !== null ? [wholeName(node.pattern)] : []))
  const matched = patterns.flatMap((pattern) => [...existing.keys()].filter((topic) => pattern.test(topic)))
  return [...new Set([...named, ...matched.sort()])]
}

/** Nothing of its stores would be found again elsewhere, unless a changelog has it. */
export function hasState({ subTopology }: TaskPlan): boolean {
  return subTopology.stores.some(({ changelog }) => changelog !== null)
}

/** How a thread takes part in the group of its application. `self`: what it has at present. */
export function membershipOf({ topology, config, name }: Pick<ThreadOptions, 'topology' | 'config' | 'name'>, self: () => MemberData): Omit<GroupOptions, 'topics'> {
  const { applicationId, offsetReset, sessionTimeoutMs, standbyReplicas, acceptableRecoveryLag, maxWarmupReplicas } = config
  const rules = { standbyReplicas, acceptableRecoveryLag, maxWarmupReplicas }
  return {
    groupId: applicationId,
    assignors: [taskAssignor({ topology, applicationId, rules, self })],
    offsetReset,
    sessionTimeoutMs,
    ...(config.isStaticMember && { groupInstanceId: name }),
    clientId: consumerClientId(name, config.endpoint),
  }
}

export interface TaskAssignorOptions {
  readonly topology: TopologyData
  readonly applicationId: string
  readonly rules: AssignmentRules
  /** What this member has at present. */
  readonly self: () => MemberData
}

/** Gives every task to one member, whole, and tells each which stores of others it follows. */
export function taskAssignor({ topology, applicationId, rules, self }: TaskAssignorOptions): Assignor {
  const divide = ({ members, partitionCounts }: AssignmentInput) => {
    const plans = taskPlans(topology, applicationId, partitionCounts)
    const known = new Map(members.map(({ memberId, userData }) => [memberId, decodeMemberData(memberId, userData)]))
    const tasks = plans.map((plan) => ({ taskId: plan.taskId, hasState: hasState(plan) }))
    return { plans, known, division: assignTasks(tasks, [...known].map(([member, data]) => ({ member, ...data })), rules) }
  }
  return {
    name: 'millrace-tasks',
    userData: () => encodeMemberData(self()),
    assign(input) {
      const { plans, division } = divide(input)
      return new Map([...division].map(([memberId, { active }]) => {
        const own = new Set(active)
        return [memberId, plans.filter(({ taskId }) => own.has(taskId)).flatMap((plan) => plan.inputs)]
      }))
    },
    assignedData(input) {
      const { known, division } = divide(input)
      const asking = [...known.values()].filter(({ asksShutdown }) => asksShutdown).length
      const shutdown = asking === 0 ? 'none' : asking < known.size ? 'asked' : 'known'
      const standbyEndpoints = endpointsOf(known, division)
      return new Map([...division].map(([memberId, { standby, warmUp }]) => [memberId, encodeLeaderData({ standbys: standby, warmUps: warmUp, standbyEndpoints, shutdown })]))
    },
  }
}

function endpointsOf(members: ReadonlyMap<string, MemberData>, division: ReadonlyMap<string, TaskAssignment>): ReadonlyMap<string, readonly string[]> {
  const endpoints = new Map<string, string[]>()
  for (const [memberId, { standby }] of division) {
    const { endpoint } = members.get(memberId)!
    if (endpoint !== null) for (const taskId of standby) endpoints.set(taskId, [...(endpoints.get(taskId) ?? []), endpoint])
  }
  return endpoints
}
