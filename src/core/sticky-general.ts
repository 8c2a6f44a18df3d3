/**
 * The sticky division for a group whose members want different topics (`GeneralAssignmentBuilder` of Kafka's
 * `AbstractStickyAssignor`): as balanced as the subscriptions allow, and with as few moves as that takes.
 *
 * 1. members keep what they own and still want (and, where racks matter, what is near)
 * 2. what is left goes, partition by partition, to the member that has least: near ones first, then anyone
 * 3. partitions are moved from who has more to who has less until that changes nothing any more
 * 4. if that did not lead to a better balance, it is undone: nothing is moved for nothing
 */
import type { AssignmentInput } from './broker.ts'
import { compareText, RackPlan } from './assignor-racks.ts'
import { partitionKey } from './record.ts'
import type { TopicPartition } from './record.ts'
import type { Claims } from './sticky-claims.ts'
import type { StickyDivision } from './sticky-constrained.ts'
import { PartitionMoves } from './sticky-moves.ts'

type Member = AssignmentInput['members'][number]

/** @param partitions all of them, by topic name and number */
export function divideGeneral(partitions: readonly TopicPartition[], members: readonly Member[], racks: RackPlan, claims: Claims): StickyDivision {
  const division = new GeneralDivision(partitions, members, racks, claims)
  division.keepOwned()
  division.balance()
  return { assignment: division.assignment, transferring: null }
}

class GeneralDivision {
  assignment: Map<string, TopicPartition[]>
  readonly #racks: RackPlan
  readonly #previousOwner: ReadonlyMap<string, string>
  /** Members that want a topic, in the order of the input. */
  readonly #candidates = new Map<string, string[]>()
  readonly #topicsOf = new Map<string, ReadonlySet<string>>()
  /** Those of topics with few candidates first. */
  readonly #partitions: readonly TopicPartition[]
  readonly #partitionCounts = new Map<string, number>()
  #owner = new Map<string, string>()
  /** Members by how much they have, then by name. */
  #byLoad: string[] = []
  readonly #moves = new PartitionMoves()
  #gaveUp = false

  constructor(partitions: readonly TopicPartition[], members: readonly Member[], racks: RackPlan, claims: Claims) {
    this.#racks = racks
    for (const { topic } of partitions) this.#partitionCounts.set(topic, (this.#partitionCounts.get(topic) ?? 0) + 1)
    for (const topic of this.#partitionCounts.keys()) this.#candidates.set(topic, [])
    for (const { memberId, topics } of members) {
      const known = topics.filter((topic) => this.#partitionCounts.has(topic))
      this.#topicsOf.set(memberId, new Set(known))
      for (const topic of known) this.#candidates.get(topic)!.push(memberId)
    }
    const candidateCount = ({ topic }: TopicPartition) => this.#candidates.get(topic)!.length
    this.#partitions = [...partitions].sort((a, b) => candidateCount(a) - candidateCount(b) || compareText(a.topic, b.topic) || a.partition - b.partition)
    this.assignment = new Map([...claims.owned].map(([memberId, owned]) => [memberId, [...owned]]))
    this.#previousOwner = previousOwners(claims)
  }

  keepOwned(): void {
    for (const [memberId, owned] of this.assignment) {
      const kept = owned.filter((target) => this.#wants(memberId, target.topic) && !this.#racks.mismatch(memberId, target))
      if (kept.length < owned.length) this.#gaveUp = true
      this.assignment.set(memberId, kept)
      for (const target of kept) this.#owner.set(keyOf(target), memberId)
    }
    for (const memberId of this.assignment.keys()) this.#enter(memberId)
  }

  balance(): void {
    const isFirst = this.#load(this.#byLoad.at(-1)!) === 0
    const unassigned = this.#partitions.filter((target) => !this.#owner.has(keyOf(target)))
    const leftOver = this.#racks.matters ? unassigned.filter((target) => !this.#giveToLeast(target, true)) : unassigned
    for (const target of leftOver) this.#giveToLeast(target, false)
    const isMovable = ({ topic }: TopicPartition) => this.#candidates.get(topic)!.length >= 2
    const fixed = this.#setFixedAside(isMovable)
    const [assignmentBefore, ownerBefore] = [copyOf(this.assignment), new Map(this.#owner)]
    if (!this.#gaveUp) this.#moveToBalance(unassigned.filter(isMovable))
    const moved = this.#moveToBalance(this.#partitions.filter(isMovable))
    if (!isFirst && moved && imbalance(this.assignment) >= imbalance(assignmentBefore)) {
      this.assignment = assignmentBefore
      this.#owner = ownerBefore
    }
    for (const [memberId, partitions] of fixed) this.assignment.set(memberId, partitions)
  }

  // ---------------------------------------------------------------------------------------------------- members by load

  #wants(memberId: string, topic: string): boolean {
    return this.#topicsOf.get(memberId)!.has(topic)
  }

  #load(memberId: string): number {
    return this.assignment.get(memberId)!.length
  }

  /** Into its place among the others; its load must not change while it is in. */
  #enter(memberId: string): void {
    const load = this.#load(memberId)
    let [from, to] = [0, this.#byLoad.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      const other = this.#byLoad[middle]!
      if (this.#load(other) < load || (this.#load(other) === load && other < memberId)) from = middle + 1
      else to = middle
    }
    this.#byLoad.splice(from, 0, memberId)
  }

  #leave(memberId: string): void {
    this.#byLoad.splice(this.#byLoad.indexOf(memberId), 1)
  }

  #giveToLeast(target: TopicPartition, onlyNear: boolean): boolean {
    const memberId = this.#byLoad.find((candidate) => this.#wants(candidate, target.topic) && !(onlyNear && this.#racks.mismatch(candidate, target)))
    if (memberId === undefined) return false
    this.#leave(memberId)
    this.assignment.get(memberId)!.push(target)
    this.#owner.set(keyOf(target), memberId)
    this.#enter(memberId)
    return true
  }

  // ---------------------------------------------------------------------------------------------------- moving

  /** Members that have all they want, and nothing that anyone else wants, take no part in what follows. */
  #setFixedAside(isMovable: (target: TopicPartition) => boolean): ReadonlyMap<string, TopicPartition[]> {
    const fixed = new Map([...this.assignment].filter(([memberId, partitions]) => partitions.length >= this.#mostOf(memberId) && !partitions.some(isMovable)))
    for (const memberId of fixed.keys()) {
      this.#leave(memberId)
      this.assignment.delete(memberId)
    }
    return fixed
  }

  #mostOf(memberId: string): number {
    return [...this.#topicsOf.get(memberId)!].reduce((sum, topic) => sum + this.#partitionCounts.get(topic)!, 0)
  }

  /** @returns whether anything was moved */
  #moveToBalance(partitions: readonly TopicPartition[]): boolean {
    let movedAny = false
    for (let moved = true; moved; ) {
      moved = false
      for (const target of partitions) {
        if (this.#isBalanced()) break
        const to = this.#betterPlace(target)
        if (to === undefined) continue
        this.#move(target, to)
        moved = movedAny = true
      }
    }
    return movedAny
  }

  /** Back to who had it before, or to who has least, if that has at least two fewer than the owner. */
  #betterPlace(target: TopicPartition): string | undefined {
    const load = this.#load(this.#owner.get(keyOf(target))!)
    const hasLess = (memberId: string) => this.assignment.has(memberId) && load > this.#load(memberId) + 1
    const previous = this.#previousOwner.get(keyOf(target))
    if (previous !== undefined && this.#wants(previous, target.topic) && hasLess(previous)) return previous
    if (!this.#candidates.get(target.topic)!.some(hasLess)) return undefined
    return this.#byLoad.find((memberId) => this.#wants(memberId, target.topic))
  }

  #move(wanted: TopicPartition, to: string): void {
    const target = this.#moves.insteadOf(wanted, this.#owner.get(keyOf(wanted))!, to)
    const from = this.#owner.get(keyOf(target))!
    this.#leave(from)
    this.#leave(to)
    this.#moves.note(target, from, to)
    const given = this.assignment.get(from)!
    given.splice(given.findIndex((owned) => keyOf(owned) === keyOf(target)), 1)
    this.assignment.get(to)!.push(target)
    this.#owner.set(keyOf(target), to)
    this.#enter(to)
    this.#enter(from)
  }

  /** Nobody could take a partition from a member that has at least two more. */
  #isBalanced(): boolean {
    const [least, most] = [this.#load(this.#byLoad[0]!), this.#load(this.#byLoad.at(-1)!)]
    if (least >= most - 1) return true
    return this.#byLoad.every((memberId) => {
      const load = this.#load(memberId)
      if (load === this.#mostOf(memberId)) return true
      return !this.#byLoad.some((other) => load + 1 < this.#load(other) && this.assignment.get(other)!.some(({ topic }) => this.#wants(memberId, topic)))
    })
  }
}

/** Of older generations, the newest one that names a partition; of equal ones, the first. */
function previousOwners({ claims, newestGeneration }: Claims): ReadonlyMap<string, string> {
  const owners = new Map<string, { readonly memberId: string; readonly generation: number }>()
  for (const [memberId, { partitions, generation: said }] of claims) {
    const generation = said ?? -1
    if (generation >= newestGeneration) continue
    for (const target of partitions) {
      const known = owners.get(keyOf(target))
      if (known === undefined || generation > known.generation) owners.set(keyOf(target), { memberId, generation })
    }
  }
  return new Map([...owners].map(([key, { memberId }]) => [key, memberId]))
}

/** The sum of all differences between two members; 0 is perfect. */
function imbalance(assignment: ReadonlyMap<string, readonly TopicPartition[]>): number {
  const loads = [...assignment.values()].map(({ length }) => length)
  return loads.reduce((sum, load, index) => sum + loads.slice(index + 1).reduce((rest, other) => rest + Math.abs(load - other), 0), 0)
}

function copyOf(assignment: ReadonlyMap<string, readonly TopicPartition[]>): Map<string, TopicPartition[]> {
  return new Map([...assignment].map(([memberId, partitions]) => [memberId, [...partitions]]))
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
