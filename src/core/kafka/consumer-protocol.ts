/**
 * What members of a consumer group tell each other through the coordinator, in the format of Kafka's own consumers
 * (`ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`), so that Kafka's tools can describe our groups.
 */
import type { TopicPartition } from '../record.ts'
import { byTopic } from './by-topic.ts'
import { array, int16, int32, nullableBytes, string, struct, WireReader, WireWriter } from './wire/codec.ts'

export interface Subscription {
  readonly topics: readonly string[]
  readonly userData: Uint8Array | null
  /** What the member owned before; empty for writers of version 0. */
  readonly ownedPartitions: readonly TopicPartition[]
}

const partitionsByTopic = array(struct({ topic: string, partitions: array(int32) }))
const subscriptionV0 = struct({ topics: array(string), userData: nullableBytes })
const assignmentV0 = struct({ assignedPartitions: partitionsByTopic, userData: nullableBytes })

export function encodeSubscription({ topics, userData, ownedPartitions }: Subscription): Uint8Array {
  const writer = new WireWriter(false)
  int16.write(writer, 1)
  subscriptionV0.write(writer, { topics, userData })
  partitionsByTopic.write(writer, grouped(ownedPartitions))
  return writer.finish()
}

/** Of any version: what later versions add stands behind what is read here. */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = readerOf(bytes, 'a member\'s subscription')
  const version = int16.read(reader)
  const { topics, userData } = subscriptionV0.read(reader)
  return { topics, userData, ownedPartitions: version >= 1 ? flattened(partitionsByTopic.read(reader)) : [] }
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  const writer = new WireWriter(false)
  int16.write(writer, 0)
  assignmentV0.write(writer, { assignedPartitions: grouped(partitions), userData: null })
  return writer.finish()
}

/** Empty for no bytes: a member that got nothing, or a group that is still joining. */
export function decodeAssignment(bytes: Uint8Array): readonly TopicPartition[] {
  if (bytes.length === 0) return []
  const reader = readerOf(bytes, 'a member\'s assignment')
  int16.read(reader)
  return flattened(assignmentV0.read(reader).assignedPartitions)
}

function readerOf(bytes: Uint8Array, what: string): WireReader {
  return new WireReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), false, what)
}

function grouped(partitions: readonly TopicPartition[]): readonly { readonly topic: string; readonly partitions: readonly number[] }[] {
  return byTopic(partitions).map(([topic, group]) => ({ topic, partitions: group.map(({ partition }) => partition) }))
}

function flattened(topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]): readonly TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
}
