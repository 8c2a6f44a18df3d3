/** Which partitions a sticky division has moved so far, so that it does not move one of a topic there and another one back. */
import { inHashTableOrder, javaPartitionHashCode } from './java-hash.ts'
import { partitionKey } from './record.ts'
import type { TopicPartition } from './record.ts'

interface Move {
  readonly from: string
  readonly to: string
}

interface MovedSet {
  readonly partitions: Map<string, TopicPartition>
  /** A hash table never shrinks, and its size decides the order. */
  largestSize: number
}

/** Kafka's `PartitionMovements`. */
export class PartitionMoves {
  readonly #moves = new Map<string, Move>()
  /** By topic, former and new member. */
  readonly #moved = new Map<string, MovedSet>()

  /** What to move instead of `target`: a partition of the same topic that came the other way, if there is one. */
  insteadOf(target: TopicPartition, from: string, to: string): TopicPartition {
    const origin = this.#moves.get(keyOf(target))?.from ?? from
    const opposite = this.#moved.get(pairKey(target.topic, { from: to, to: origin }))
    if (opposite === undefined) return target
    return inHashTableOrder([...opposite.partitions.values()], javaPartitionHashCode, opposite.largestSize)[0]!
  }

  note(target: TopicPartition, from: string, to: string): void {
    const earlier = this.#moves.get(keyOf(target))
    if (earlier === undefined) return this.#add(target, { from, to })
    this.#remove(target, earlier)
    if (earlier.from !== to) this.#add(target, { from: earlier.from, to })
  }

  #add(target: TopicPartition, move: Move): void {
    this.#moves.set(keyOf(target), move)
    const key = pairKey(target.topic, move)
    const moved = this.#moved.get(key) ?? { partitions: new Map(), largestSize: 0 }
    moved.partitions.set(keyOf(target), target)
    moved.largestSize = Math.max(moved.largestSize, moved.partitions.size)
    this.#moved.set(key, moved)
  }

  #remove(target: TopicPartition, move: Move): void {
    this.#moves.delete(keyOf(target))
    const key = pairKey(target.topic, move)
    const moved = this.#moved.get(key)!
    moved.partitions.delete(keyOf(target))
    if (moved.partitions.size === 0) this.#moved.delete(key)
  }
}

function pairKey(topic: string, { from, to }: Move): string {
  return JSON.stringify([topic, from, to])
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
