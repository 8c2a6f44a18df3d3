/**
 * What consumers of a group tell each other through the coordinator, which never looks inside: Kafka's consumer protocol
 * (`ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, versions 0 to 3), so that members of this process and
 * clients of the wire protocol can share a group.
 */
import type { TopicPartition } from './record.ts'
import { StreamError } from './errors.ts'
import { FieldReader, FieldWriter } from './byte-fields.ts'

export const consumerProtocolType = 'consumer'
const newestVersion = 3

export interface Subscription {
  readonly topics: readonly string[]
  readonly userData: Uint8Array | null
  readonly ownedPartitions: readonly TopicPartition[]
  /** Of the assignment that `ownedPartitions` came from; -1 when there was none. */
  readonly generation: number
  readonly rackId: string | null
}

export interface Assignment {
  readonly partitions: readonly TopicPartition[]
  readonly userData: Uint8Array | null
}

/** Topics and owned partitions are sorted on the way out, as Kafka's consumer does, so that equal subscriptions have equal bytes. */
export function encodeSubscription(subscription: Subscription, version = newestVersion): Uint8Array {
  const writer = new FieldWriter().int16(version)
  const topics = [...subscription.topics].sort()
  writer.int32(topics.length)
  for (const topic of topics) writer.string(topic)
  writer.nullableBytes(subscription.userData)
  if (version >= 1) writePartitions(writer, [...subscription.ownedPartitions].sort(comparePartitions))
  if (version >= 2) writer.int32(subscription.generation)
  if (version >= 3) writer.nullableString(subscription.rackId)
  return writer.finish()
}

/** @throws CORRUPT_RECORD; a version newer than known is read as the newest known one, which is what its rules promise */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = new FieldReader(bytes, 'consumer protocol subscription')
  const version = readVersion(reader, 'subscription')
  const topics = reader.list(() => reader.string())
  const userData = reader.nullableBytes()
  return {
    topics,
    userData,
    ownedPartitions: version >= 1 ? readPartitions(reader) : [],
    generation: version >= 2 ? reader.int32() : -1,
    rackId: version >= 3 ? reader.nullableString() || null : null,
  }
}

export function encodeAssignment(assignment: Assignment, version = newestVersion): Uint8Array {
  const writer = new FieldWriter().int16(version)
  writePartitions(writer, assignment.partitions)
  return writer.nullableBytes(assignment.userData).finish()
}

/** No bytes at all is an empty assignment: what a coordinator answers to a member that the leader forgot. */
export function decodeAssignment(bytes: Uint8Array): Assignment {
  if (bytes.length === 0) return { partitions: [], userData: null }
  const reader = new FieldReader(bytes, 'consumer protocol assignment')
  readVersion(reader, 'assignment')
  return { partitions: readPartitions(reader), userData: reader.nullableBytes() }
}

function readVersion(reader: FieldReader, what: string): number {
  const version = reader.int16()
  if (version < 0) throw new StreamError('CORRUPT_RECORD', `consumer protocol ${what}: version ${version} does not exist`)
  return Math.min(version, newestVersion)
}

/** Grouped by topic in the order of first appearance. */
function writePartitions(writer: FieldWriter, partitions: readonly TopicPartition[]): void {
  const byTopic = new Map<string, number[]>()
  for (const { topic, partition } of partitions) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition])
  writer.int32(byTopic.size)
  for (const [topic, numbers] of byTopic) {
    writer.string(topic).int32(numbers.length)
    for (const partition of numbers) writer.int32(partition)
  }
}

function readPartitions(reader: FieldReader): TopicPartition[] {
  return reader
    .list(() => ({ topic: reader.string(), partitions: reader.list(() => reader.int32()) }))
    .flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
}

function comparePartitions(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition
}
