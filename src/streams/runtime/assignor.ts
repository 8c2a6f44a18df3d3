import type { Assignor, TopicPartition } from '../../core/index.ts'
import { topicInBroker } from '../topology/internal-topics.ts'
import type { SubTopology, TopologyData } from '../topology/node.ts'

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

export function wholeName(pattern: RegExp): RegExp {
  return new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gy]/g, ''))
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Gives every task to one member, whole; a member keeps the tasks it had as long as nobody has more than a fair share, so
 * that little state moves. `ownTasks` are the tasks whose state this member has.
 */
export function taskAssignor(topology: TopologyData, applicationId: string, ownTasks: () => readonly string[]): Assignor {
  return {
    name: 'millrace-tasks',
    userData: () => encoder.encode(JSON.stringify({ tasks: ownTasks() })),
    assign({ members, partitionCounts }) {
      const plans = taskPlans(topology, applicationId, partitionCounts)
      const previous = members.map((member) => ({ member: member.memberId, tasks: tasksOf(member.userData) }))
      const owner = distribute(plans.map((plan) => plan.taskId), previous)
      return new Map(members.map(({ memberId }) => [
        memberId,
        plans.filter((plan) => owner.get(plan.taskId) === memberId).flatMap((plan) => plan.inputs),
      ]))
    },
  }
}

/** The owner of each task: the previous one up to a fair share, then whoever has least. */
export function distribute(
  tasks: readonly string[],
  members: readonly { readonly member: string; readonly tasks: readonly string[] }[],
): ReadonlyMap<string, string> {
  const owner = new Map<string, string>()
  const load = new Map(members.map(({ member }) => [member, 0]))
  const open = new Set(tasks)
  const give = (task: string, member: string) => {
    owner.set(task, member)
    load.set(member, load.get(member)! + 1)
    open.delete(task)
  }
  const share = Math.floor(tasks.length / members.length)
  let extra = tasks.length % members.length
  for (const { member, tasks: kept } of members) {
    for (const task of kept) {
      if (!open.has(task) || load.get(member)! > share) continue
      if (load.get(member)! === share && extra-- <= 0) continue
      give(task, member)
    }
  }
  for (const task of open) give(task, leastLoaded(members.map(({ member }) => member), load))
  return owner
}

function leastLoaded(members: readonly string[], load: ReadonlyMap<string, number>): string {
  return members.reduce((least, member) => (load.get(member)! < load.get(least)! ? member : least))
}

function tasksOf(userData: Uint8Array | null): readonly string[] {
  if (userData === null || userData.byteLength === 0) return []
  try {
    const { tasks } = JSON.parse(decoder.decode(userData)) as { readonly tasks?: unknown }
    return Array.isArray(tasks) ? tasks.filter((task) => typeof task === 'string') : []
  } catch {
    return []
  }
}
