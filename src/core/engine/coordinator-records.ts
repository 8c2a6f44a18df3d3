/**
 * Keys and values of `__consumer_offsets` and `__transaction_state` in Kafka's layouts, so that Kafka's own dump tool
 * reads ours. Every key and value begins with an int16: the kind of record in a key, the version in a value.
 *
 * ```
 *   __consumer_offsets    key 1: group, topic, partition  → offset, metadata, commit time
 *                         key 2: group                    → generation, leader, members with subscription and assignment
 *                         others: next-group-records.ts
 *   __transaction_state   key 0: transactional id         → producer id and epoch, status, partitions
 * ```
 * A null value (a tombstone) forgets the key.
 */
import type { Header, TopicPartition } from '../record.ts'
import { StreamError } from '../errors.ts'
import { nextGroupKind, nextGroupSchemas } from './next-group-records.ts'
import type { Partition } from './partition.ts'
import { decodeStruct, encodeStruct } from './struct-codec.ts'
import type { FieldSchema, FieldValue, StructSchema, StructValue } from './struct-codec.ts'
import type { TransactionState, TransactionStatus } from './transaction-state.ts'

// ---------------------------------------------------------------------------------------------------- schemas

/** The version of a key is the kind of record, so a key schema has one version: its kind. */
export const offsetCommitKeySchema: StructSchema = {
  name: 'offset commit key',
  newestVersion: 1,
  fields: [{ name: 'group', type: 'string' }, { name: 'topic', type: 'string' }, { name: 'partition', type: 'int32' }],
}

export const offsetCommitValueSchema: StructSchema = {
  name: 'offset commit value',
  newestVersion: 4,
  flexibleSince: 4,
  fields: [
    { name: 'offset', type: 'int64' },
    { name: 'leaderEpoch', type: 'int32', since: 3, default: -1 },
    { name: 'metadata', type: 'string' },
    { name: 'commitTimestamp', type: 'int64' },
    { name: 'expireTimestamp', type: 'int64', since: 1, until: 1, default: -1 },
    { name: 'topicId', type: 'uuid', since: 4, tag: 0 },
  ],
}

export const groupMetadataKeySchema: StructSchema = { name: 'group metadata key', newestVersion: 2, fields: [{ name: 'group', type: 'string' }] }

const memberFields: readonly FieldSchema[] = [
  { name: 'memberId', type: 'string' },
  { name: 'groupInstanceId', type: 'string', since: 3, nullable: true },
  { name: 'clientId', type: 'string' },
  { name: 'clientHost', type: 'string' },
  { name: 'rebalanceTimeout', type: 'int32', since: 1, default: -1 },
  { name: 'sessionTimeout', type: 'int32' },
  { name: 'subscription', type: 'bytes' },
  { name: 'assignment', type: 'bytes' },
]

export const groupMetadataValueSchema: StructSchema = {
  name: 'group metadata value',
  newestVersion: 4,
  flexibleSince: 4,
  fields: [
    { name: 'protocolType', type: 'string' },
    { name: 'generation', type: 'int32' },
    { name: 'protocol', type: 'string', nullable: true },
    { name: 'leader', type: 'string', nullable: true },
    { name: 'currentStateTimestamp', type: 'int64', since: 2, default: -1 },
    { name: 'members', type: 'bytes', list: memberFields },
  ],
}

export const transactionKeySchema: StructSchema = { name: 'transaction log key', newestVersion: 0, fields: [{ name: 'transactionalId', type: 'string' }] }

export const transactionValueSchema: StructSchema = {
  name: 'transaction log value',
  newestVersion: 1,
  flexibleSince: 1,
  fields: [
    { name: 'producerId', type: 'int64' },
    { name: 'previousProducerId', type: 'int64', since: 1, tag: 0, default: -1 },
    { name: 'nextProducerId', type: 'int64', since: 1, tag: 1, default: -1 },
    { name: 'producerEpoch', type: 'int16' },
    { name: 'nextProducerEpoch', type: 'int16', since: 1, tag: 3, default: -1 },
    { name: 'transactionTimeoutMs', type: 'int32' },
    { name: 'transactionStatus', type: 'int8' },
    {
      name: 'transactionPartitions',
      type: 'bytes',
      nullable: true,
      list: [{ name: 'topic', type: 'string' }, { name: 'partitionIds', type: 'int32', list: true }],
    },
    { name: 'transactionLastUpdateTimestampMs', type: 'int64' },
    { name: 'transactionStartTimestampMs', type: 'int64' },
    { name: 'clientTransactionVersion', type: 'int16', since: 1, tag: 2 },
  ],
}

// ---------------------------------------------------------------------------------------------------- typed forms

export interface OffsetCommitValue {
  readonly offset: number
  readonly metadata: string
  readonly commitTimestamp: number
  /** When the offset is forgotten; -1: as long as the settings say. */
  readonly expireTimestamp: number
  /** null: not recorded. */
  readonly topicId: Uint8Array | null
}

export interface GroupMetadataValue {
  readonly protocolType: string
  readonly generation: number
  readonly protocol: string | null
  readonly leader: string | null
  readonly currentStateTimestamp: number
  readonly members: readonly StoredMember[]
}

export interface StoredMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  readonly subscription: Uint8Array
  readonly assignment: Uint8Array
}

/** What a key of `__consumer_offsets` is about; kinds written by newer brokers are `other`. */
export type OffsetsTopicKey =
  | { readonly kind: 'offset'; readonly groupId: string; readonly topic: string; readonly partition: number }
  | { readonly kind: 'group' | 'next-group'; readonly groupId: string }
  | { readonly kind: 'other' }

const offsetKeyKind = 1
const groupKeyKind = 2
/** What Kafka 4.3 writes: version 4 of offsets, 1 of transactions, 3 of groups. */
const groupValueVersion = 3

export function encodeOffsetKey(groupId: string, target: TopicPartition): Uint8Array {
  return encodeStruct(offsetCommitKeySchema, offsetKeyKind, { group: groupId, topic: target.topic, partition: target.partition })
}

export function encodeGroupKey(groupId: string): Uint8Array {
  return encodeStruct(groupMetadataKeySchema, groupKeyKind, { group: groupId })
}

export function decodeOffsetsTopicKey(bytes: Uint8Array): OffsetsTopicKey {
  const kind = bytes.length >= 2 ? (bytes[0]! << 8) | bytes[1]! : -1
  if (kind === groupKeyKind) return { kind: 'group', groupId: textOf(decodeStruct(groupMetadataKeySchema, bytes), 'group') }
  if (kind === nextGroupKind) return { kind: 'next-group', groupId: textOf(decodeStruct(nextGroupSchemas.ConsumerGroupMetadata.key, bytes), 'groupId') }
  if (kind !== offsetKeyKind && kind !== 0) return { kind: 'other' }
  const key = decodeStruct(offsetCommitKeySchema, bytes)
  return { kind: 'offset', groupId: textOf(key, 'group'), topic: textOf(key, 'topic'), partition: numberOf(key, 'partition') }
}

/** Version 1, the only one with an expiry of its own, is used when there is one: so does Kafka. */
export function encodeOffsetValue({ topicId, ...value }: OffsetCommitValue): Uint8Array {
  const version = value.expireTimestamp >= 0 ? 1 : offsetCommitValueSchema.newestVersion
  return encodeStruct(offsetCommitValueSchema, version, { ...value, ...(topicId && { topicId }) })
}

export function decodeOffsetValue(bytes: Uint8Array): OffsetCommitValue {
  const value = decodeStruct(offsetCommitValueSchema, bytes)
  return {
    offset: numberOf(value, 'offset'),
    metadata: textOf(value, 'metadata'),
    commitTimestamp: numberOf(value, 'commitTimestamp'),
    expireTimestamp: numberOf(value, 'expireTimestamp'),
    topicId: recordedId(value['topicId'] as Uint8Array),
  }
}

function recordedId(topicId: Uint8Array): Uint8Array | null {
  return topicId.every((byte) => byte === 0) ? null : topicId.slice()
}

export function encodeGroupValue(value: GroupMetadataValue): Uint8Array {
  const members = value.members.map(({ rebalanceTimeoutMs, sessionTimeoutMs, ...member }) => ({
    ...member,
    rebalanceTimeout: rebalanceTimeoutMs,
    sessionTimeout: sessionTimeoutMs,
  }))
  return encodeStruct(groupMetadataValueSchema, groupValueVersion, { ...value, members })
}

export function decodeGroupValue(bytes: Uint8Array): GroupMetadataValue {
  const value = decodeStruct(groupMetadataValueSchema, bytes)
  return {
    protocolType: textOf(value, 'protocolType'),
    generation: numberOf(value, 'generation'),
    protocol: nullableTextOf(value, 'protocol'),
    leader: nullableTextOf(value, 'leader'),
    currentStateTimestamp: numberOf(value, 'currentStateTimestamp'),
    members: (value['members'] as readonly StructValue[]).map(storedMember),
  }
}

/** How far a group of the next-generation protocol has come. */
export function decodeNextGroupEpoch(bytes: Uint8Array): number {
  return numberOf(decodeStruct(nextGroupSchemas.ConsumerGroupMetadata.value, bytes), 'epoch')
}

function storedMember(value: StructValue): StoredMember {
  return {
    memberId: textOf(value, 'memberId'),
    groupInstanceId: nullableTextOf(value, 'groupInstanceId'),
    clientId: textOf(value, 'clientId'),
    clientHost: textOf(value, 'clientHost'),
    rebalanceTimeoutMs: numberOf(value, 'rebalanceTimeout'),
    sessionTimeoutMs: numberOf(value, 'sessionTimeout'),
    subscription: value['subscription'] as Uint8Array,
    assignment: value['assignment'] as Uint8Array,
  }
}

// ---------------------------------------------------------------------------------------------------- transactions

/** The position in this list is the code on disk (`TransactionState.java`). */
const statusCodes: readonly TransactionStatus[] = [
  'empty', 'ongoing', 'prepare-commit', 'prepare-abort', 'complete-commit', 'complete-abort', 'dead', 'prepare-epoch-fence',
]

export function encodeTransactionKey(transactionalId: string): Uint8Array {
  return encodeStruct(transactionKeySchema, 0, { transactionalId })
}

export function decodeTransactionKey(bytes: Uint8Array): string {
  return textOf(decodeStruct(transactionKeySchema, bytes), 'transactionalId')
}

export function encodeTransactionValue(state: TransactionState): Uint8Array {
  const byTopic = new Map<string, number[]>()
  for (const { topic, partition } of state.partitions) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition])
  return encodeStruct(transactionValueSchema, transactionValueSchema.newestVersion, {
    producerId: state.producerId,
    previousProducerId: state.previousProducerId,
    nextProducerId: state.nextProducerId,
    producerEpoch: state.producerEpoch,
    transactionTimeoutMs: state.timeoutMs,
    transactionStatus: statusCodes.indexOf(state.status),
    transactionPartitions: state.status === 'empty' ? null : [...byTopic].map(([topic, partitionIds]) => ({ topic, partitionIds })),
    transactionLastUpdateTimestampMs: state.lastUpdateTimestamp,
    transactionStartTimestampMs: state.startTimestamp,
  })
}

export function decodeTransactionValue(transactionalId: string, bytes: Uint8Array): TransactionState {
  const value = decodeStruct(transactionValueSchema, bytes)
  const status = statusCodes[numberOf(value, 'transactionStatus')]
  if (status === undefined) throw new StreamError('CORRUPT_RECORD', `transaction log value: status ${numberOf(value, 'transactionStatus')} is not known`)
  const topics = (value['transactionPartitions'] ?? []) as readonly StructValue[]
  return {
    transactionalId,
    producerId: numberOf(value, 'producerId'),
    previousProducerId: numberOf(value, 'previousProducerId'),
    nextProducerId: numberOf(value, 'nextProducerId'),
    producerEpoch: numberOf(value, 'producerEpoch'),
    timeoutMs: numberOf(value, 'transactionTimeoutMs'),
    status,
    partitions: topics.flatMap((entry) =>
      (entry['partitionIds'] as readonly number[]).map((partition) => ({ topic: textOf(entry, 'topic'), partition })),
    ),
    lastUpdateTimestamp: numberOf(value, 'transactionLastUpdateTimestampMs'),
    startTimestamp: numberOf(value, 'transactionStartTimestampMs'),
  }
}

// ---------------------------------------------------------------------------------------------------- fields

function numberOf(value: StructValue, field: string): number {
  const number: FieldValue | undefined = value[field]
  if (typeof number === 'number') return number
  throw new StreamError('CORRUPT_RECORD', `${field} of a coordinator record is beyond what an offset or a time can be`)
}

function textOf(value: StructValue, field: string): string {
  return value[field] as string
}

function nullableTextOf(value: StructValue, field: string): string | null {
  return value[field] as string | null
}

// ---------------------------------------------------------------------------------------------------- where a decided transaction begins

/**
 * Where a decided transaction begins in each of its partitions: a header of the record that decides it. That the transaction is
 * complete is not waited for, so a power cut may leave the decision as the last that is known of the id, beside records of its
 * producer's next transaction; by this, they are told from those that the decision is about. Kafka's own records have no headers,
 * and who reads them does not look for any.
 */
export type FirstOffsets = ReadonlyMap<string, number>

const headerKey = 'millrace.first-offsets'

export function firstOffsetsOf(partitions: readonly Partition[], producerId: number): FirstOffsets {
  return new Map(partitions.flatMap((partition) => {
    const offset = partition.log.openTransactionOffset(producerId)
    return offset < 0 ? [] : [[placeOf(partition), offset] as const]
  }))
}

/** Whether the transaction that is open in the partition from `firstOffset` on is the decided one. */
export function isDecided(decided: FirstOffsets, partition: Partition, firstOffset: number): boolean {
  return decided.get(placeOf(partition)) === firstOffset
}

export function firstOffsetsHeader(offsets: FirstOffsets): Header {
  return { key: headerKey, value: Buffer.from([...offsets].map(([place, offset]) => `${place}:${offset}`).join(',')) }
}

/** null where the record has none: one of before, written when completion was still waited for. */
export function readFirstOffsets(headers: readonly Header[]): FirstOffsets | null {
  const value = headers.find(({ key }) => key === headerKey)?.value
  if (value === undefined || value === null) return null
  const entries = Buffer.from(value).toString().split(',').filter((entry) => entry !== '')
  return new Map(entries.map((entry) => {
    const colon = entry.lastIndexOf(':')
    return [entry.slice(0, colon), Number(entry.slice(colon + 1))] as const
  }))
}

/** A topic of the same name that is made anew is another one. */
function placeOf({ log, partition }: Partition): string {
  return `${log.topicId}/${partition}`
}
