/**
 * Kafka's range and round-robin assignors: pure functions from members and partition counts to an assignment, in the very
 * order that Kafka's give. Static members sort by instance id and come first, the others by member id.
 */
import type { AssignmentInput, Assignor } from './broker.ts'
import type { TopicPartition } from './record.ts'

type Member = AssignmentInput['members'][number]

/** For each topic, consecutive partitions to each member; the first members take one more when it does not divide evenly. */
export const rangeAssignor: Assignor = {
  name: 'range',
  assign(input) {
    const assignment = emptyAssignment(input)
    for (const topic of subscribedTopics(input)) {
      const members = sortedMembers(input).filter((member) => member.topics.includes(topic))
      const count = input.partitionCounts.get(topic)!
      const share = Math.floor(count / members.length)
      const withOneMore = count % members.length
      members.forEach((member, index) => {
        const from = share * index + Math.min(index, withOneMore)
        const to = from + share + (index < withOneMore ? 1 : 0)
        for (let partition = from; partition < to; partition++) assignment.get(member.memberId)!.push({ topic, partition })
      })
    }
    return assignment
  },
}

/** Partition by partition over all topics, to one member after the other, passing over those that do not subscribe to the topic. */
export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  assign(input) {
    const assignment = emptyAssignment(input)
    const members = sortedMembers(input)
    let turn = 0
    for (const topic of subscribedTopics(input)) {
      for (let partition = 0; partition < input.partitionCounts.get(topic)!; partition++) {
        while (!members[turn % members.length]!.topics.includes(topic)) turn++
        assignment.get(members[turn++ % members.length]!.memberId)!.push({ topic, partition })
      }
    }
    return assignment
  },
}

function emptyAssignment(input: AssignmentInput): Map<string, TopicPartition[]> {
  return new Map(input.members.map((member) => [member.memberId, []]))
}

/** Those that exist and somebody wants, sorted by name. */
function subscribedTopics(input: AssignmentInput): readonly string[] {
  const topics = new Set(input.members.flatMap((member) => member.topics))
  return [...topics].filter((topic) => input.partitionCounts.has(topic)).sort(compareText)
}

function sortedMembers(input: AssignmentInput): readonly Member[] {
  return [...input.members].sort((a, b) => {
    if (a.groupInstanceId !== null && b.groupInstanceId !== null) return compareText(a.groupInstanceId, b.groupInstanceId)
    if (a.groupInstanceId !== null) return -1
    if (b.groupInstanceId !== null) return 1
    return compareText(a.memberId, b.memberId)
  })
}

/** By UTF-16 code unit, as Java compares strings; never by locale. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
