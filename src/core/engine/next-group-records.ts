/**
 * What Kafka stores of the groups of its next-generation protocol (KIP-848), kinds 3 to 8 and 16 of `__consumer_offsets`.
 * Our groups speak the classic protocol; from a directory that a broker wrote we take over a group's epoch and offsets,
 * and leave its members, which were that broker's connections.
 */
import type { FieldSchema, StructSchema } from './struct-codec.ts'

export interface RecordSchemas {
  readonly key: StructSchema
  readonly value: StructSchema
}

const memberKeyFields: readonly FieldSchema[] = [{ name: 'groupId', type: 'string' }, { name: 'memberId', type: 'string' }]
const groupKeyFields: readonly FieldSchema[] = [{ name: 'groupId', type: 'string' }]

const partitionsOfTopic: readonly FieldSchema[] = [{ name: 'topicId', type: 'uuid' }, { name: 'partitions', type: 'int32', list: true }]
const ownedPartitionsOfTopic: readonly FieldSchema[] = [...partitionsOfTopic, { name: 'assignmentEpochs', type: 'int32', list: true, nullable: true, tag: 0, default: [] }]

/** All of them have one version of values, which is flexible. */
function schemas(name: string, kind: number, keyFields: readonly FieldSchema[], valueFields: readonly FieldSchema[]): RecordSchemas {
  return {
    key: { name: `${name} key`, newestVersion: kind, fields: keyFields },
    value: { name: `${name} value`, newestVersion: 0, flexibleSince: 0, fields: valueFields },
  }
}

export const nextGroupKind = 3

/** By Kafka's names. */
export const nextGroupSchemas = {
  ConsumerGroupMetadata: schemas('consumer group metadata', nextGroupKind, groupKeyFields, [
    { name: 'epoch', type: 'int32' },
    { name: 'metadataHash', type: 'int64', tag: 0 },
  ]),
  ConsumerGroupPartitionMetadata: schemas('consumer group partition metadata', 4, groupKeyFields, [{
    name: 'topics',
    type: 'bytes',
    list: [
      { name: 'topicId', type: 'uuid' },
      { name: 'topicName', type: 'string' },
      { name: 'numPartitions', type: 'int32' },
      { name: 'partitionMetadata', type: 'bytes', list: [{ name: 'partition', type: 'int32' }, { name: 'racks', type: 'string', list: true }] },
    ],
  }]),
  ConsumerGroupMemberMetadata: schemas('consumer group member metadata', 5, memberKeyFields, [
    { name: 'instanceId', type: 'string', nullable: true },
    { name: 'rackId', type: 'string', nullable: true },
    { name: 'clientId', type: 'string' },
    { name: 'clientHost', type: 'string' },
    { name: 'subscribedTopicNames', type: 'string', list: true },
    { name: 'subscribedTopicRegex', type: 'string', nullable: true },
    { name: 'rebalanceTimeoutMs', type: 'int32', default: -1 },
    { name: 'serverAssignor', type: 'string', nullable: true },
    {
      name: 'classicMemberMetadata',
      type: 'bytes',
      tag: 0,
      struct: [
        { name: 'sessionTimeoutMs', type: 'int32' },
        { name: 'supportedProtocols', type: 'bytes', list: [{ name: 'name', type: 'string' }, { name: 'metadata', type: 'bytes' }] },
      ],
    },
  ]),
  ConsumerGroupTargetAssignmentMetadata: schemas('consumer group target assignment metadata', 6, groupKeyFields, [
    { name: 'assignmentEpoch', type: 'int32' },
    { name: 'assignmentTimestamp', type: 'int64', tag: 0 },
  ]),
  ConsumerGroupTargetAssignmentMember: schemas('consumer group target assignment member', 7, memberKeyFields, [
    { name: 'topicPartitions', type: 'bytes', list: partitionsOfTopic },
  ]),
  ConsumerGroupCurrentMemberAssignment: schemas('consumer group current member assignment', 8, memberKeyFields, [
    { name: 'memberEpoch', type: 'int32' },
    { name: 'previousMemberEpoch', type: 'int32' },
    { name: 'state', type: 'int8' },
    { name: 'assignedPartitions', type: 'bytes', list: ownedPartitionsOfTopic },
    { name: 'partitionsPendingRevocation', type: 'bytes', list: ownedPartitionsOfTopic },
  ]),
  ConsumerGroupRegularExpression: schemas('consumer group regular expression', 16, groupKeyFields.concat({ name: 'regularExpression', type: 'string' }), [
    { name: 'topics', type: 'string', list: true },
    { name: 'version', type: 'int64' },
    { name: 'timestamp', type: 'int64' },
  ]),
} satisfies Readonly<Record<string, RecordSchemas>>
