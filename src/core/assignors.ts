/**
 * Kafka's range and round-robin assignors: pure functions from members and partition counts to an assignment, in the very
 * order that Kafka's give. Static members sort by instance id and come first, the others by member id.
 */
import { compareText, hasRack, racksMatter, racksOf } from './assignor-racks.ts'
import type { AssignmentInput, Assignor } from './broker.ts'
import type { TopicPartition } from './record.ts'

type Member = AssignmentInput['members'][number]

/**
 * For each topic, consecutive partitions to each member; the first members take one more when it does not divide evenly.
 * Where racks matter, members first get what is near them within their share, and topics with the same members and the
 * same number of partitions stay co-partitioned (KIP-881).
 */
export const rangeAssignor: Assignor = {
  name: 'range',
  assign(input) {
    const shares = subscribedTopics(input).map((topic) => new TopicShare(input, topic))
    const racksCount = shares.some((share) => share.racksMatter)
    if (racksCount) for (const group of coPartitioned(shares)) assignNear(group)
    for (const share of shares) share.assignRanges(() => true)
    return new Map(input.members.map(({ memberId }) => {
      const partitions = shares.flatMap((share) => share.given.get(memberId) ?? [])
      return [memberId, racksCount ? partitions.sort((a, b) => compareText(a.topic, b.topic) || a.partition - b.partition) : partitions]
    }))
  },
}

/** Partition by partition over all topics, to one member after the other, passing over those that do not subscribe to the topic. */
export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  assign(input) {
    const assignment = new Map<string, TopicPartition[]>(input.members.map((member) => [member.memberId, []]))
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

/** One topic on its way to its members (`RangeAssignor.TopicAssignmentState`). */
class TopicShare {
  readonly topic: string
  readonly partitionCount: number
  readonly members: readonly Member[]
  readonly racksMatter: boolean
  readonly given: ReadonlyMap<string, TopicPartition[]>
  readonly #racks: readonly (readonly string[])[]
  readonly #share: number
  /** How many may still have one more than the others. */
  #withOneMore: number
  #unassigned: readonly TopicPartition[]

  constructor(input: AssignmentInput, topic: string) {
    this.topic = topic
    this.partitionCount = input.partitionCounts.get(topic)!
    this.members = sortedMembers(input).filter((member) => member.topics.includes(topic))
    this.given = new Map(this.members.map(({ memberId }) => [memberId, []]))
    this.#unassigned = Array.from({ length: this.partitionCount }, (_, partition) => ({ topic, partition }))
    this.#racks = this.#unassigned.map((target) => racksOf(input, target))
    this.racksMatter = racksMatter(new Set(this.members.filter(hasRack).map(({ rackId }) => rackId)), this.#racks)
    this.#share = Math.floor(this.partitionCount / this.members.length)
    this.#withOneMore = this.partitionCount % this.members.length
  }

  /** How many more this member may have. */
  room(memberId: string): number {
    return Math.max(0, this.#share + (this.#withOneMore > 0 ? 1 : 0) - this.given.get(memberId)!.length)
  }

  /** A member without a rack is near everything. */
  isNear(member: Member, partition: number): boolean {
    return !hasRack(member) || this.#racks[partition]!.includes(member.rackId)
  }

  give(memberId: string, targets: readonly TopicPartition[]): void {
    const given = this.given.get(memberId)!
    given.push(...targets)
    if (given.length > this.#share) this.#withOneMore--
    this.#unassigned = this.#unassigned.filter(({ partition }) => !targets.some((target) => target.partition === partition))
  }

  assignRanges(mayHave: (member: Member, partition: number) => boolean): void {
    for (const member of this.members) {
      const targets = this.#unassigned.filter(({ partition }) => mayHave(member, partition)).slice(0, this.room(member.memberId))
      if (targets.length > 0) this.give(member.memberId, targets)
    }
  }
}

/** Topics with the same members and the same number of partitions. */
function coPartitioned(shares: readonly TopicShare[]): readonly (readonly TopicShare[])[] {
  const groups = new Map<string, TopicShare[]>()
  for (const share of shares) {
    const key = JSON.stringify([share.partitionCount, ...share.members.map(({ memberId }) => memberId)])
    groups.set(key, [...(groups.get(key) ?? []), share])
  }
  return [...groups.values()]
}

function assignNear(group: readonly TopicShare[]): void {
  const [first] = group
  if (group.length > 1) assignNearTogether(group)
  else if (first!.racksMatter) first!.assignRanges((member, partition) => first!.isNear(member, partition))
}

/** Partition n of all the topics goes to the first member that is near all of them and has room. */
function assignNearTogether(group: readonly TopicShare[]): void {
  const { members, partitionCount } = group[0]!
  let remaining = members
  for (let partition = 0; partition < partitionCount && remaining.length > 0; partition++) {
    const match = remaining.find((member) => group.every((share) => share.isNear(member, partition) && share.room(member.memberId) > 0))
    if (match === undefined) continue
    for (const share of group) share.give(match.memberId, [{ topic: share.topic, partition }])
    if (!group.some((share) => share.room(match.memberId) > 0)) remaining = remaining.filter((member) => member !== match)
  }
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
