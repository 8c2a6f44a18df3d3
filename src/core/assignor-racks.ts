/** Which member is near which partition: what the rack-aware assignors of Kafka ask (KIP-881). */
import type { AssignmentInput } from './broker.ts'
import { partitionKey } from './record.ts'
import type { TopicPartition } from './record.ts'

type Member = AssignmentInput['members'][number]

/** Racks of a topic's partitions; none are known for partitions that the input says nothing about. */
export function racksOf(input: AssignmentInput, { topic, partition }: TopicPartition): readonly string[] {
  return input.partitionRacks?.get(topic)?.[partition] ?? []
}

export function hasRack(member: Member): member is Member & { readonly rackId: string } {
  return typeof member.rackId === 'string' && member.rackId !== ''
}

/** Racks are worth a thought when members and replicas share one, and not every partition is in all of them anyway. */
export function racksMatter(memberRacks: ReadonlySet<string>, partitionRacks: readonly (readonly string[])[]): boolean {
  const all = new Set(partitionRacks.flat())
  if (![...memberRacks].some((rack) => all.has(rack))) return false
  return partitionRacks.some((racks) => new Set(racks).size !== all.size)
}

/** The racks of one assignment; without any that matter it sees no mismatch and no neighbours. */
export class RackPlan {
  readonly #memberRacks: ReadonlyMap<string, string>
  readonly #partitionRacks: ReadonlyMap<string, ReadonlySet<string>>
  /** Per partition, how many members are in one of its racks. */
  readonly #neighbours: ReadonlyMap<string, number>

  constructor(input: AssignmentInput, partitions: readonly TopicPartition[]) {
    const placed = input.members.filter(hasRack)
    const racks = placed.length === 0 ? [] : partitions.map((target) => racksOf(input, target))
    const matter = racksMatter(new Set(placed.map(({ rackId }) => rackId)), racks)
    this.#memberRacks = new Map(matter ? placed.map(({ memberId, rackId }) => [memberId, rackId]) : [])
    this.#partitionRacks = new Map(matter ? partitions.map((target, index) => [keyOf(target), new Set(racks[index])]) : [])
    const membersIn = (rack: string) => placed.filter(({ rackId }) => rackId === rack).length
    this.#neighbours = new Map(racks.map((some, index) => [keyOf(partitions[index]!), [...new Set(some)].reduce((sum, rack) => sum + membersIn(rack), 0)]))
  }

  get matters(): boolean {
    return this.#memberRacks.size > 0
  }

  /** The member is placed, and the partition is elsewhere. */
  mismatch(memberId: string, target: TopicPartition): boolean {
    const rack = this.#memberRacks.get(memberId)
    return rack !== undefined && this.#partitionRacks.get(keyOf(target))?.has(rack) !== true
  }

  /** The member is placed where the partition is. */
  match(memberId: string, target: TopicPartition): boolean {
    const rack = this.#memberRacks.get(memberId)
    return rack !== undefined && this.#partitionRacks.get(keyOf(target))?.has(rack) === true
  }

  /** Those with the fewest neighbours first, because they have the fewest places to go to. */
  fewestNeighboursFirst(partitions: readonly TopicPartition[]): readonly TopicPartition[] {
    const neighbours = (target: TopicPartition) => this.#neighbours.get(keyOf(target)) ?? 0
    return [...partitions].sort((a, b) => neighbours(a) - neighbours(b))
  }

  /** The place in the list of the first neighbour at or after `from`, going round; -1: there is none. */
  nextNeighbour(target: TopicPartition, memberIds: readonly string[], from: number): number {
    for (let step = 0; step < memberIds.length; step++) {
      const index = (from + step) % memberIds.length
      if (this.match(memberIds[index]!, target)) return index
    }
    return -1
  }
}

/** By UTF-16 code unit, as Java compares strings; never by locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
