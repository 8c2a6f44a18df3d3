/**
 * What travels between the two sides of a foreign-key join, in Kafka Streams' layouts: the left side subscribes its rows
 * to keys of the right side, and gets the right side's rows as answers.
 */
import { StreamError } from '../core/index.ts'
import type { Serde } from '../core/index.ts'

/** What the right side does with a subscription; the numbers are those of the wire. */
export const subscriptionInstructions = ['delete', 'delete-and-answer', 'answer-always', 'answer-if-found'] as const

export type SubscriptionInstruction = (typeof subscriptionInstructions)[number]

export interface Subscription {
  /** Of the left row's bytes, by which a late answer is told from a current one; null: the row was deleted. */
  readonly hash: Uint8Array | null
  readonly instruction: SubscriptionInstruction
  readonly primaryKey: unknown
  /** Partition of the left row, where the answer goes; null: the one that the default partitioner finds, as before Kafka Streams 3.3. */
  readonly primaryPartition: number | null
}

export interface SubscriptionAnswer {
  readonly hash: Uint8Array | null
  /** null: the right side has no such row. */
  readonly rightValue: unknown
  /** As the subscription has it; null once it was read: it is not written. */
  readonly primaryPartition: number | null
}

const subscriptionVersion = 1
const answerVersion = 0
/** Ours: the right value has no bytes. Upstream's version 0 cannot tell that from no value, and loses the row. */
const emptyAnswerVersion = 1
const noHash = 0x80
const versionBits = 0x7f
const hashBytes = 16
const partitionBytes = 4

/** `[no hash (1 bit) · version (7 bits)][instruction][hash (16)][primary key][partition (4)]`; version 0 has no partition. */
export function subscriptionSerde(primaryKeySerde: Serde<unknown>): Serde<Subscription> {
  return {
    serialize({ hash, instruction, primaryKey, primaryPartition }) {
      const key = primaryKeySerde.serialize(primaryKey)
      const start = 2 + (hash?.length ?? 0)
      const bytes = new Uint8Array(start + key.length + (primaryPartition === null ? 0 : partitionBytes))
      bytes[0] = (primaryPartition === null ? 0 : subscriptionVersion) | (hash === null ? noHash : 0)
      bytes[1] = subscriptionInstructions.indexOf(instruction)
      if (hash !== null) bytes.set(hash, 2)
      bytes.set(key, start)
      if (primaryPartition !== null) new DataView(bytes.buffer).setInt32(start + key.length, primaryPartition)
      return bytes
    },
    deserialize(bytes) {
      const { hash, end } = readHash(bytes, 2, subscriptionVersion, 'a subscription of a foreign-key join')
      const instruction = subscriptionInstructions[bytes[1]!]
      const hasPartition = (bytes[0]! & versionBits) > 0
      const keyEnd = bytes.length - (hasPartition ? partitionBytes : 0)
      if (instruction === undefined || keyEnd < end) throw damaged('a subscription of a foreign-key join', bytes)
      return {
        hash,
        instruction,
        primaryKey: primaryKeySerde.deserialize(bytes.subarray(end, keyEnd)),
        primaryPartition: hasPartition ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getInt32(keyEnd) : null,
      }
    },
  }
}

/** `[no hash (1 bit) · version (7 bits)][hash (16)][right value, if there is one]`; version 1 says that there is one of no bytes. */
export function subscriptionAnswerSerde(rightValueSerde: Serde<unknown>): Serde<SubscriptionAnswer> {
  return {
    serialize({ hash, rightValue }) {
      const value = rightValue === null ? new Uint8Array(0) : rightValueSerde.serialize(rightValue)
      const start = 1 + (hash?.length ?? 0)
      const bytes = new Uint8Array(start + value.length)
      const version = rightValue !== null && value.length === 0 ? emptyAnswerVersion : answerVersion
      bytes[0] = version | (hash === null ? noHash : 0)
      if (hash !== null) bytes.set(hash, 1)
      bytes.set(value, start)
      return bytes
    },
    deserialize(bytes) {
      const { hash, end } = readHash(bytes, 1, emptyAnswerVersion, 'an answer of a foreign-key join')
      const isNull = bytes.length === end && (bytes[0]! & versionBits) === answerVersion
      return { hash, rightValue: isNull ? null : rightValueSerde.deserialize(bytes.subarray(end)), primaryPartition: null }
    },
  }
}

/** Key of the store of subscriptions: `[length of the foreign key (4)][foreign key][primary key]`. */
export function subscriptionKey(foreignKey: Uint8Array, primaryKey: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + foreignKey.length + primaryKey.length)
  new DataView(bytes.buffer).setInt32(0, foreignKey.length)
  bytes.set(foreignKey, 4)
  bytes.set(primaryKey, 4 + foreignKey.length)
  return bytes
}

function readHash(bytes: Uint8Array, at: number, version: number, what: string): { readonly hash: Uint8Array | null; readonly end: number } {
  const first = bytes[0]
  const hasHash = first !== undefined && (first & noHash) === 0
  const end = at + (hasHash ? hashBytes : 0)
  if (first === undefined || bytes.length < end) throw damaged(what, bytes)
  if ((first & versionBits) > version) {
    throw new StreamError('DESERIALIZATION_FAILED', `${what} has version ${first & versionBits}, and this program knows none later than ${version}`)
  }
  return { hash: hasHash ? bytes.slice(at, end) : null, end }
}

function damaged(what: string, bytes: Uint8Array): StreamError {
  return new StreamError('DESERIALIZATION_FAILED', `${what} is damaged: it has only ${bytes.length} bytes, or an unknown instruction`)
}
