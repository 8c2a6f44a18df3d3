/**
 * What travels between the two sides of a foreign-key join, in Kafka Streams' layouts: the left side subscribes its rows
 * to keys of the right side, and gets the right side's rows as answers.
 */
import { StreamError, deserializeCopy } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { copyInto, readInt32, writeInt32 } from './state/bytes.ts'
import type { ScratchBytes } from './state/scratch-bytes.ts'

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
const initialRoom = 256
const subscriptionName = 'a subscription of a foreign-key join'
const answerName = 'an answer of a foreign-key join'

/** `[no hash (1 bit) · version (7 bits)][instruction][hash (16)][primary key][partition (4)]`; version 0 has no partition. */
export function subscriptionSerde(primaryKeySerde: Serde<unknown>): Serde<Subscription> {
  const writeKey = serializingInto(primaryKeySerde)
  const serializeInto = ({ hash, instruction, primaryKey, primaryPartition }: Subscription, bytes: Uint8Array, at: number): number => {
    if (at + 2 + hashBytes > bytes.length) return -1
    bytes[at] = (primaryPartition === null ? 0 : subscriptionVersion) | (hash === null ? noHash : 0)
    bytes[at + 1] = subscriptionInstructions.indexOf(instruction)
    const end = writeKey(primaryKey, bytes, hash === null ? at + 2 : writeHash(bytes, at + 2, hash))
    if (end < 0 || primaryPartition === null) return end
    if (end + partitionBytes > bytes.length) return -1
    writeInt32(bytes, end, primaryPartition)
    return end + partitionBytes
  }
  const read = (bytes: Uint8Array, start: number, end: number, window: TextWindow | null): Subscription => {
    const keyStart = hashEnd(bytes, start, end, start + 2, subscriptionVersion, subscriptionName)
    const instruction = subscriptionInstructions[bytes[start + 1]!]
    const hasPartition = (bytes[start]! & versionBits) > 0
    const keyEnd = end - (hasPartition ? partitionBytes : 0)
    if (instruction === undefined || keyEnd < keyStart) throw damaged(subscriptionName, end - start)
    return {
      hash: hashIn(bytes, start + 2, keyStart),
      instruction,
      primaryKey: readPart(primaryKeySerde, bytes, keyStart, keyEnd, window),
      primaryPartition: hasPartition ? readInt32(bytes, keyEnd) : null,
    }
  }
  return wireSerde(serializeInto, read)
}

/** `[no hash (1 bit) · version (7 bits)][hash (16)][right value, if there is one]`; version 1 says that there is one of no bytes. */
export function subscriptionAnswerSerde(rightValueSerde: Serde<unknown>): Serde<SubscriptionAnswer> {
  const writeValue = serializingInto(rightValueSerde)
  const serializeInto = ({ hash, rightValue }: SubscriptionAnswer, bytes: Uint8Array, at: number): number => {
    if (at + 1 + hashBytes > bytes.length) return -1
    const start = hash === null ? at + 1 : writeHash(bytes, at + 1, hash)
    const end = rightValue === null ? start : writeValue(rightValue, bytes, start)
    bytes[at] = (rightValue !== null && end === start ? emptyAnswerVersion : answerVersion) | (hash === null ? noHash : 0)
    return end
  }
  const read = (bytes: Uint8Array, start: number, end: number, window: TextWindow | null): SubscriptionAnswer => {
    const valueStart = hashEnd(bytes, start, end, start + 1, emptyAnswerVersion, answerName)
    const isNull = valueStart === end && (bytes[start]! & versionBits) === answerVersion
    return { hash: hashIn(bytes, start + 1, valueStart), rightValue: isNull ? null : readPart(rightValueSerde, bytes, valueStart, end, window), primaryPartition: null }
  }
  return wireSerde(serializeInto, read)
}

/** From the functions that write and read in the middle of other bytes. */
function wireSerde<T>(serializeInto: (value: T, bytes: Uint8Array, at: number) => number, read: (bytes: Uint8Array, start: number, end: number, window: TextWindow | null) => T): Serde<T> {
  return {
    serialize(value) {
      for (let room = initialRoom; ; room *= 2) {
        const bytes = new Uint8Array(room)
        const end = serializeInto(value, bytes, 0)
        if (end >= 0) return bytes.slice(0, end)
      }
    },
    deserialize: (bytes) => read(bytes, 0, bytes.length, null),
    deserializeRange: (bytes, start, end) => read(bytes, start, end, null),
    deserializeFrom: (window, start, end) => read(window.bytes, start, end, window),
    serializeInto,
  }
}

/** Key of the store of subscriptions: `[length of the foreign key (4)][foreign key][primary key]`. */
export function subscriptionKey(foreignKey: Uint8Array, primaryKey: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + foreignKey.length + primaryKey.length)
  writeInt32(bytes, 0, foreignKey.length)
  bytes.set(foreignKey, 4)
  bytes.set(primaryKey, 4 + foreignKey.length)
  return bytes
}

/** How much of a key of the store all subscriptions to one foreign key have in common. */
export function foreignKeyLength(key: Uint8Array): number {
  return 4 + readInt32(key, 0)
}

/** As `subscriptionKey`, of what the serdes write, to the scratch. */
export function writeSubscriptionKey(scratch: ScratchBytes, foreignKeySerde: Serde<unknown>, foreignKey: unknown, primaryKeySerde: Serde<unknown>, primaryKey: unknown): Uint8Array {
  const keyEnd = scratch.write(foreignKeySerde, foreignKey, 4)
  writeInt32(scratch.room(4), 0, keyEnd - 4)
  return scratch.first(scratch.write(primaryKeySerde, primaryKey, keyEnd))
}

/** What `deserializeFrom` reads from. */
type TextWindow = Parameters<NonNullable<Serde<unknown>['deserializeFrom']>>[0]

type WriteInto = (value: unknown, bytes: Uint8Array, at: number) => number

/** The part of a serde that writes in the middle of other bytes. -1: there is not enough room. */
function serializingInto(serde: Serde<unknown>): WriteInto {
  return (value, bytes, at) => {
    const end = serde.serializeInto?.(value, bytes, at) ?? -1
    if (end >= 0) return end
    const written = serde.serialize(value)
    if (at + written.length > bytes.length) return -1
    bytes.set(written, at)
    return at + written.length
  }
}

function readPart(serde: Serde<unknown>, bytes: Uint8Array, start: number, end: number, window: TextWindow | null): unknown {
  if (window !== null && serde.deserializeFrom !== undefined) return serde.deserializeFrom(window, start, end)
  return deserializeCopy(serde, bytes, start, end)
}

/** The bytes of one value are [start, end); `at` is where the hash stands, if there is one: the answer is where it ends. */
function hashEnd(bytes: Uint8Array, start: number, end: number, at: number, version: number, what: string): number {
  const first = start < end ? bytes[start]! : -1
  const after = at + (first >= 0 && (first & noHash) === 0 ? hashBytes : 0)
  if (first < 0 || end < after) throw damaged(what, end - start)
  if ((first & versionBits) > version) {
    throw new StreamError('DESERIALIZATION_FAILED', `${what} has version ${first & versionBits}, and this program knows none later than ${version}`)
  }
  return after
}

/** A copy; null where start is end. */
function hashIn(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
  if (start === end) return null
  const hash = new Uint8Array(hashBytes)
  copyInto(hash, 0, bytes, start, end)
  return hash
}

function writeHash(bytes: Uint8Array, at: number, hash: Uint8Array): number {
  copyInto(bytes, at, hash, 0, hashBytes)
  return at + hashBytes
}

function damaged(what: string, length: number): StreamError {
  return new StreamError('DESERIALIZATION_FAILED', `${what} is damaged: it has only ${length} bytes, or an unknown instruction`)
}
