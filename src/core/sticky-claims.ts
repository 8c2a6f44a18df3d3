/** What the members of a group say they had, before a sticky assignor keeps as much of it as it can. */
import type { AssignmentInput } from './broker.ts'
import { FieldReader, FieldWriter } from './byte-fields.ts'
import { isStreamError } from './errors.ts'
import { inHashTableOrder, javaHashCode } from './java-hash.ts'
import { partitionKey } from './record.ts'
import type { TopicPartition } from './record.ts'

type Member = AssignmentInput['members'][number]

export const noGeneration = -1

export interface Claim {
  readonly partitions: readonly TopicPartition[]
  /** null: the member did not say, so it never had an assignment. */
  readonly generation: number | null
}

export interface Claims {
  /** Per member, in the order of the input; what is claimed twice belongs to the newer generation, or to nobody. */
  readonly owned: ReadonlyMap<string, readonly TopicPartition[]>
  readonly claims: ReadonlyMap<string, Claim>
  /** Two members of one generation claim the same. */
  readonly disputed: ReadonlySet<string>
  readonly newestGeneration: number
  readonly sameSubscriptions: boolean
}

/** @param exists whether a partition of that name is there to be given */
export function collectClaims(members: readonly Member[], claimOf: (member: Member) => Claim, exists: (target: TopicPartition) => boolean): Claims {
  const owned = new Map<string, TopicPartition[]>()
  const claims = new Map<string, Claim>()
  const owners = new Map<string, Member>()
  const disputed = new Set<string>()
  for (const member of members) {
    const claim = claimOf(member)
    const mine: TopicPartition[] = []
    claims.set(member.memberId, claim)
    owned.set(member.memberId, mine)
    for (const target of claim.partitions.filter(exists)) {
      const key = keyOf(target)
      const owner = owners.get(key)
      const [generation, ownersGeneration] = [claim.generation ?? noGeneration, owner?.generation ?? noGeneration]
      if (owner !== undefined && generation < ownersGeneration) continue
      if (owner !== undefined) withdraw(owned.get(owner.memberId)!, target)
      if (owner !== undefined && generation === ownersGeneration) disputed.add(key)
      else mine.push(target)
      owners.set(key, member)
    }
  }
  const newestGeneration = Math.max(noGeneration, ...[...claims.values()].map(({ generation }) => generation ?? noGeneration))
  return { owned, claims, disputed, newestGeneration, sameSubscriptions: subscribeAlike(members) }
}

function withdraw(partitions: TopicPartition[], { topic, partition }: TopicPartition): void {
  const index = partitions.findIndex((owned) => owned.topic === topic && owned.partition === partition)
  if (index >= 0) partitions.splice(index, 1)
}

/** Compared with the first member that wants anything, as Kafka does: members before it that want nothing are overlooked. */
function subscribeAlike(members: readonly Member[]): boolean {
  const first = members.findIndex(({ topics }) => topics.length > 0)
  const wanted = new Set(members[first]?.topics)
  return members.slice(first + 1).every(({ topics }) => first < 0 || (topics.length === wanted.size && topics.every((topic) => wanted.has(topic))))
}

// ---------------------------------------------------------------------------------------------------- user data

/** `StickyAssignor`'s bytes, version 1: partitions by topic, in the order of Java's hash table, then the generation. */
export function encodeStickyUserData(partitions: readonly TopicPartition[], generation: number): Uint8Array {
  const byTopic = new Map<string, number[]>()
  for (const { topic, partition } of partitions) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition])
  const writer = new FieldWriter().int32(byTopic.size)
  for (const topic of inHashTableOrder([...byTopic.keys()], javaHashCode)) {
    const numbers = byTopic.get(topic)!
    writer.string(topic).int32(numbers.length)
    for (const number of numbers) writer.int32(number)
  }
  return writer.int32(generation).finish()
}

/** Version 0 has no generation. What cannot be read claims nothing: the partitions are divided as if they were new. */
export function decodeStickyUserData(bytes: Uint8Array | null): Claim {
  if (bytes === null || bytes.length === 0) return { partitions: [], generation: null }
  return attempt(bytes, readVersion1) ?? attempt(bytes, readVersion0) ?? { partitions: [], generation: noGeneration }
}

/** `CooperativeStickyAssignor`'s bytes: the generation alone, because a subscription says what its member owns. */
export function encodeCooperativeUserData(generation: number): Uint8Array {
  return new FieldWriter().int32(generation).finish()
}

export function decodeCooperativeUserData(bytes: Uint8Array | null): number | null {
  if (bytes === null) return null
  return attempt(bytes, (reader) => reader.int32()) ?? noGeneration
}

function readVersion1(reader: FieldReader): Claim {
  return { partitions: readPartitions(reader), generation: reader.int32() }
}

function readVersion0(reader: FieldReader): Claim {
  return { partitions: readPartitions(reader), generation: noGeneration }
}

function readPartitions(reader: FieldReader): readonly TopicPartition[] {
  const topics = reader.list(() => ({ topic: reader.string(), partitions: reader.list(() => reader.int32()) }))
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
}

function attempt<T>(bytes: Uint8Array, read: (reader: FieldReader) => T): T | undefined {
  try {
    return read(new FieldReader(bytes, 'user data of a sticky assignor'))
  } catch (error) {
    if (isStreamError(error, 'CORRUPT_RECORD')) return undefined
    throw error
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
