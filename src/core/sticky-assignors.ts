/**
 * Kafka's sticky assignors (KIP-54, KIP-429, KIP-881): balanced first, and then as much as possible stays where it was.
 * Which of several equally good divisions comes out is Kafka's choice too, so that members of both can share a group.
 */
import { RackPlan } from './assignor-racks.ts'
import type { AssignmentInput, Assignor } from './broker.ts'
import { partitionKey } from './record.ts'
import type { TopicPartition } from './record.ts'
import { collectClaims, decodeCooperativeUserData, decodeStickyUserData, encodeCooperativeUserData, encodeStickyUserData, noGeneration } from './sticky-claims.ts'
import type { Claim } from './sticky-claims.ts'
import { divideConstrained } from './sticky-constrained.ts'
import type { StickyDivision } from './sticky-constrained.ts'
import { divideGeneral } from './sticky-general.ts'

type Member = AssignmentInput['members'][number]

/** With eager rebalancing: members give up everything before they join, and say in their user data what it was. */
export const stickyAssignor: Assignor = {
  name: 'sticky',
  userData(_topics, last) {
    return last === null ? null : encodeStickyUserData(last.partitions, last.generation)
  },
  assign(input) {
    return divide(input, (member) => decodeStickyUserData(member.userData)).assignment
  },
}

/** With cooperative rebalancing: what changes hands is given up in one rebalance, and given to its new owner in the one that follows. */
export const cooperativeStickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  rebalanceProtocol: 'cooperative',
  userData(_topics, last) {
    return encodeCooperativeUserData(last?.generation ?? noGeneration)
  },
  assign(input) {
    const { assignment, transferring } = divide(input, claimOfOwned)
    const withheld = transferring ?? changingHands(input, assignment)
    return new Map([...assignment].map(([memberId, partitions]) => [memberId, partitions.filter((target) => withheld.get(keyOf(target)) !== memberId)]))
  },
}

function divide(input: AssignmentInput, claimOf: (member: Member) => Claim): StickyDivision {
  const wanted = new Set(input.members.flatMap(({ topics }) => topics))
  const topics = [...input.partitionCounts].filter(([topic, count]) => wanted.has(topic) && count > 0).sort(([a], [b]) => (a < b ? -1 : 1))
  const partitions = topics.flatMap(([topic, count]) => Array.from({ length: count }, (_, partition) => ({ topic, partition })))
  const exists = ({ topic, partition }: TopicPartition) => wanted.has(topic) && partition >= 0 && partition < (input.partitionCounts.get(topic) ?? 0)
  const claims = collectClaims(input.members, claimOf, exists)
  const racks = new RackPlan(input, partitions)
  return claims.sameSubscriptions ? divideConstrained(partitions, racks, claims) : divideGeneral(partitions, input.members, racks, claims)
}

/** From the subscription itself; members of old versions say their generation in the user data. */
function claimOfOwned({ ownedPartitions, generation, userData }: Member): Claim {
  const said = generation !== undefined && generation >= 0 ? generation : decodeCooperativeUserData(userData)
  return { partitions: ownedPartitions, generation: said }
}

/** Partitions that one member gets and another one, which has them still, does not keep: by partition key, who is to get them. */
function changingHands({ members }: AssignmentInput, assignment: ReadonlyMap<string, readonly TopicPartition[]>): ReadonlyMap<string, string> {
  const added = new Map<string, string>()
  const revoked = new Set<string>()
  for (const { memberId, ownedPartitions } of members) {
    const owned = new Set(ownedPartitions.map(keyOf))
    const assigned = new Set(assignment.get(memberId)!.map(keyOf))
    for (const key of assigned) if (!owned.has(key)) added.set(key, memberId)
    for (const key of owned) if (!assigned.has(key)) revoked.add(key)
  }
  return new Map([...added].filter(([key]) => revoked.has(key)))
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
