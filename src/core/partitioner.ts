/**
 * Which partition a record goes to: the hash that Kafka's Java producer uses, so that a keyed record lands in the same
 * partition whoever writes it. Records without a key stick to one partition for a whole batch (`StickyPartitioner`).
 */
import { javaHashCode } from './java-hash.ts'
import type { Random } from './random.ts'
import { randomInteger } from './random.ts'

const seed = 0x9747b28c
const multiplier = 0x5bd1e995

/** Austin Appleby's MurmurHash2 with Kafka's seed, as a signed 32-bit number (`org.apache.kafka.common.utils.Utils.murmur2`). */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  const wholeWords = length & ~3
  let hash = seed ^ length
  for (let at = 0; at < wholeWords; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    let mixed = Math.imul(word, multiplier)
    mixed = Math.imul(mixed ^ (mixed >>> 24), multiplier)
    hash = Math.imul(hash, multiplier) ^ mixed
  }
  const rest = length - wholeWords
  if (rest >= 3) hash ^= bytes[wholeWords + 2]! << 16
  if (rest >= 2) hash ^= bytes[wholeWords + 1]! << 8
  if (rest >= 1) hash = Math.imul(hash ^ bytes[wholeWords]!, multiplier)
  hash = Math.imul(hash ^ (hash >>> 13), multiplier)
  return hash ^ (hash >>> 15)
}

/** The partition of a keyed record. */
export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

/** The partition of `__consumer_offsets` or `__transaction_state` that keeps a group or transactional id (Java's `String.hashCode`). */
export function coordinatorPartition(id: string, partitionCount: number): number {
  const hash = javaHashCode(id)
  const positive = hash === -0x80000000 ? 0 : Math.abs(hash)
  return positive % partitionCount
}

/** Gives records without a key one partition until `next` is called, which a producer does when a batch is full or sent. */
export class StickyPartitioner {
  readonly #random: Random
  readonly #current = new Map<string, number>()

  constructor(random: Random) {
    this.#random = random
  }

  partition(topic: string, partitionCount: number): number {
    const current = this.#current.get(topic)
    if (current !== undefined && current < partitionCount) return current
    const chosen = randomInteger(this.#random, partitionCount)
    this.#current.set(topic, chosen)
    return chosen
  }

  /** The next record of the topic may go to another partition. */
  next(topic: string): void {
    this.#current.delete(topic)
  }
}
