/**
 * The sticky division for a group whose members all want the same topics (`ConstrainedAssignmentBuilder` of Kafka's
 * `AbstractStickyAssignor`): everyone gets the smaller or the larger of two shares that differ by one.
 *
 * 1. members keep what they own, up to their share
 * 2. what is left goes to neighbours by rack, where racks matter
 * 3. and the rest goes round: first to those below the smaller share, then to those who may have the larger one
 */
import { assert } from './assert.ts'
import { compareText, RackPlan } from './assignor-racks.ts'
import { inHashTableOrder, javaHashCode } from './java-hash.ts'
import { partitionKey } from './record.ts'
import type { TopicPartition } from './record.ts'
import type { Claims } from './sticky-claims.ts'

export interface StickyDivision {
  readonly assignment: ReadonlyMap<string, TopicPartition[]>
  /** Who is to get a partition that another member has to give up first, by partition key; null: to be found out from the assignment. */
  readonly transferring: ReadonlyMap<string, string> | null
}

/** @param partitions all of them, by topic name and number */
export function divideConstrained(partitions: readonly TopicPartition[], racks: RackPlan, claims: Claims): StickyDivision {
  const division = new ConstrainedDivision(partitions.length, racks, claims)
  division.keepOwned()
  division.giveOut(partitions)
  return { assignment: division.assignment, transferring: division.transferring }
}

class ConstrainedDivision {
  readonly assignment: Map<string, TopicPartition[]>
  readonly transferring = new Map<string, string>()
  readonly #racks: RackPlan
  readonly #claims: Claims
  readonly #smallShare: number
  readonly #largeShare: number
  /** How many may have the larger share; none when all shares are equal. */
  readonly #placesForLarge: number
  #haveLarge = 0
  #belowSmall: string[] = []
  #atSmall: string[] = []
  readonly #kept = new Set<string>()
  /** What a member may have to give up, by partition key. */
  readonly #formerOwner = new Map<string, string>()

  constructor(partitionCount: number, racks: RackPlan, claims: Claims) {
    const memberCount = claims.owned.size
    this.#racks = racks
    this.#claims = claims
    this.#smallShare = Math.floor(partitionCount / memberCount)
    this.#largeShare = Math.ceil(partitionCount / memberCount)
    this.#placesForLarge = partitionCount % memberCount
    this.assignment = new Map([...claims.owned.keys()].map((memberId) => [memberId, []]))
  }

  keepOwned(): void {
    for (const memberId of inHashTableOrder([...this.#claims.owned.keys()], javaHashCode)) this.#keepOf(memberId)
  }

  #keepOf(memberId: string): void {
    const claimed = this.#claims.owned.get(memberId)!
    for (const target of claimed) if (this.#racks.mismatch(memberId, target)) this.#formerOwner.set(keyOf(target), memberId)
    const owned = claimed
      .filter((target) => !this.#racks.mismatch(memberId, target) && !this.#claims.disputed.has(keyOf(target)))
      .sort((a, b) => a.partition - b.partition || compareText(a.topic, b.topic))
    if (owned.length < this.#smallShare) {
      this.#keep(memberId, owned, owned.length)
      this.#belowSmall.push(memberId)
    } else if (owned.length >= this.#largeShare && this.#haveLarge < this.#placesForLarge) {
      this.#countLarge()
      this.#keep(memberId, owned, this.#largeShare)
    } else {
      this.#keep(memberId, owned, this.#smallShare)
      if (this.#haveLarge < this.#placesForLarge) this.#atSmall.push(memberId)
    }
  }

  #keep(memberId: string, owned: readonly TopicPartition[], count: number): void {
    for (const [index, target] of owned.entries()) {
      if (index >= count) this.#formerOwner.set(keyOf(target), memberId)
      else {
        this.assignment.get(memberId)!.push(target)
        this.#kept.add(keyOf(target))
      }
    }
  }

  #countLarge(): void {
    this.#haveLarge++
    if (this.#haveLarge === this.#placesForLarge) this.#atSmall = []
  }

  giveOut(partitions: readonly TopicPartition[]): void {
    this.#belowSmall.sort(compareText)
    this.#atSmall.sort(compareText)
    const unassigned = this.#racks.fewestNeighboursFirst(partitions.filter((target) => !this.#kept.has(keyOf(target))))
    this.#giveRound(this.#racks.matters ? this.#giveToNeighbours(unassigned) : unassigned)
  }

  /** @returns what found no neighbour with a free place */
  #giveToNeighbours(unassigned: readonly TopicPartition[]): readonly TopicPartition[] {
    const left: TopicPartition[] = []
    let next = 0
    for (const target of unassigned) {
      const index = this.#racks.nextNeighbour(target, this.#belowSmall, next)
      if (index < 0) {
        if (!this.#giveToNeighbourAtSmall(target)) left.push(target)
        continue
      }
      const memberId = this.#belowSmall[index]!
      const full = this.#give(target, memberId) >= this.#smallShare
      if (full) this.#belowSmall.splice(index, 1)
      if (full && this.#smallShare < this.#largeShare && this.#haveLarge < this.#placesForLarge) this.#atSmall.push(memberId)
      next = this.#belowSmall.length === 0 ? 0 : (full ? index : index + 1) % this.#belowSmall.length
    }
    return left
  }

  #giveToNeighbourAtSmall(target: TopicPartition): boolean {
    const index = this.#racks.nextNeighbour(target, this.#atSmall, 0)
    if (index < 0) return false
    const memberId = this.#atSmall[index]!
    if (this.#give(target, memberId) === this.#largeShare) {
      this.#atSmall.splice(index, 1)
      this.#countLarge()
    }
    return true
  }

  #giveRound(unassigned: readonly TopicPartition[]): void {
    let next = 0
    for (const target of unassigned) {
      if (this.#belowSmall.length === 0) {
        const memberId = this.#atSmall.shift()
        assert(memberId !== undefined, 'the shares of a sticky division add up to all partitions')
        this.#give(target, memberId)
        continue
      }
      if (next >= this.#belowSmall.length) next = 0
      const memberId = this.#belowSmall[next]!
      if (this.#give(target, memberId) >= this.#smallShare) {
        this.#belowSmall.splice(next, 1)
        this.#atSmall.push(memberId)
      } else next++
    }
  }

  /** @returns how many the member has now */
  #give(target: TopicPartition, memberId: string): number {
    const key = keyOf(target)
    const former = this.#formerOwner.get(key)
    if ((former !== undefined && former !== memberId) || this.#claims.disputed.has(key)) this.transferring.set(key, memberId)
    return this.assignment.get(memberId)!.push(target)
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
