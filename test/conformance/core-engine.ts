/** The recorded vectors of what the engine does: assignors, the consumer protocol, coordinator records, partitioning, topic configs. */
import { cooperativeStickyAssignor, coordinatorPartition, murmur2, partitionForKey, rangeAssignor, roundRobinAssignor, stickyAssignor } from '../../src/core/index.ts'
import type { Assignor, TopicPartition } from '../../src/core/index.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../../src/core/consumer-protocol.ts'
import {
  groupMetadataKeySchema, groupMetadataValueSchema, offsetCommitKeySchema, offsetCommitValueSchema, transactionKeySchema, transactionValueSchema,
} from '../../src/core/engine/coordinator-records.ts'
import { nextGroupSchemas } from '../../src/core/engine/next-group-records.ts'
import { decodeStruct, encodeStruct } from '../../src/core/engine/struct-codec.ts'
import type { FieldSchema, FieldValue, StructSchema, StructValue } from '../../src/core/engine/struct-codec.ts'
import { adminCalls } from './behaviour/admin-calls.ts'
import { clientCalls } from './behaviour/client-calls.ts'
import { configCalls } from './behaviour/config-calls.ts'
import { groupCalls } from './behaviour/group-calls.ts'
import { javaConsumerCalls } from './behaviour/java-consumer.ts'
import { javaProducerCalls } from './behaviour/java-producer.ts'
import { logCalls } from './behaviour/log-calls.ts'
import { mergeCalls, runScenarios } from './behaviour/scenario.ts'
import { transactionCalls } from './behaviour/transaction-calls.ts'
import type { VectorFile } from '../kit/vectors.ts'
import type { CaseResult, ConformanceGroups } from './case-result.ts'

const calls = mergeCalls([logCalls, adminCalls, configCalls, transactionCalls, groupCalls, javaProducerCalls, javaConsumerCalls, clientCalls])

type Json = Readonly<Record<string, unknown>>

export const groups: ConformanceGroups = {
  assignors: (files) => casesOf(files).map((entry) => attempt(String(entry['name']), () => runAssignor(entry))),
  'consumer-protocol': (files) => casesOf(files).map((entry, index) => attempt(`${entry['kind'] as string} ${(entry['name'] as string | undefined) ?? index}`, () => runConsumerProtocol(entry))),
  'coordinator-records': (files) => casesOf(files).map((entry) => attempt(recordName(entry), () => runCoordinatorRecord(entry))),
  'internal-topics': (files) => casesOf(files).map((entry, index) => attempt(`${String(entry['topic'])} ${index} ${String(entry['record'])}`, () => runInternalRecord(entry))),
  'behaviour-transactions': (files) => runScenarios(files, calls),
  'behaviour-idempotence': (files) => runScenarios(files, calls),
  'behaviour-offsets': (files) => runScenarios(files, calls),
  'behaviour-produce': (files) => runScenarios(files, calls),
  'behaviour-groups': (files) => runScenarios(files, calls),
  'behaviour-offset-expiry': (files) => runScenarios(files, calls),
  'behaviour-fetch': (files) => runScenarios(files, calls),
  'behaviour-topics': (files) => runScenarios(files, calls),
  'behaviour-groups-next': (files) => runScenarios(files, calls),
  'behaviour-server': (files) => runScenarios(files, calls),
  'protocol-frames': waitsForListener,
  'protocol-messages': waitsForListener,
  'protocol-schema': waitsForListener,
  primitives: (files) => files.flatMap((file) => [...partitioning(file)]),
}

/** The bytes of requests and answers, which nobody listens for yet. */
function waitsForListener(files: readonly VectorFile[]): readonly CaseResult[] {
  return files.map(({ path }) => ({ name: path, ok: false, pending: 'the network listener, which reads and writes the protocol' }))
}

/** A difference, or why the case has to wait. */
type Outcome = { readonly detail: string } | { readonly pending: string } | undefined

function attempt(name: string, run: () => Outcome): CaseResult {
  try {
    const outcome = run()
    return outcome === undefined ? { name, ok: true } : { name, ok: false, ...outcome }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

function casesOf(files: readonly VectorFile[]): readonly Json[] {
  return files.flatMap((file) => (file.content as { readonly cases: readonly Json[] }).cases)
}

function compare(what: string, actual: unknown, expected: unknown): Outcome {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  return found === wanted ? undefined : { detail: `${what}: expected ${wanted}, got ${found}` }
}

// ---------------------------------------------------------------------------------------------------- assignors

const assignors: Readonly<Record<string, Assignor>> = { range: rangeAssignor, roundrobin: roundRobinAssignor, sticky: stickyAssignor, 'cooperative-sticky': cooperativeStickyAssignor }

interface AssignedMember {
  readonly memberId: string
  readonly groupInstanceId?: string | null
  readonly rackId?: string | null
  readonly topics: readonly string[]
  readonly owned?: readonly (readonly [string, number])[]
  readonly generation?: number
  readonly userData?: string | null
}

interface AssignorCase {
  readonly topics: Readonly<Record<string, number>>
  readonly members: readonly AssignedMember[]
  /** By partition, such as `orders-0`. */
  readonly partitionRacks?: Readonly<Record<string, readonly string[]>>
  readonly assignment: Readonly<Record<string, readonly (readonly [string, number])[]>>
}

function runAssignor(entry: Json): Outcome {
  const name = String(entry['assignor'])
  const assignor = assignors[name]
  if (assignor === undefined) return { pending: `assignor ${name}` }
  const steps = (entry['steps'] ?? [entry]) as readonly AssignorCase[]
  for (const [index, step] of steps.entries()) {
    const outcome = compareAssignment(assignor, step, index)
    if (outcome !== undefined) return outcome
  }
  return undefined
}

function compareAssignment(assignor: Assignor, step: AssignorCase, index: number): Outcome {
  const divided = assignor.assign({
    members: step.members.map(memberOf),
    partitionCounts: new Map(Object.entries(step.topics)),
    ...(step.partitionRacks && { partitionRacks: racksByTopic(step.topics, step.partitionRacks) }),
  })
  for (const [memberId, expected] of Object.entries(step.assignment)) {
    const outcome = compare(`step ${index}, ${memberId}`, inOrder(assignor, pairs(divided.get(memberId) ?? [])), inOrder(assignor, expected))
    if (outcome !== undefined) return outcome
  }
  return undefined
}

function memberOf({ memberId, groupInstanceId = null, rackId = null, topics, owned = [], generation = -1, userData = null }: AssignedMember) {
  return { memberId, groupInstanceId, rackId, topics, generation, userData: fromBase64(userData), ownedPartitions: partitionsOf(owned) }
}

function racksByTopic(topics: Readonly<Record<string, number>>, racks: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, readonly (readonly string[])[]> {
  return new Map(Object.entries(topics).map(([topic, count]) => [topic, Array.from({ length: count }, (_, partition) => racks[`${topic}-${partition}`] ?? [])]))
}

/** The order inside of a member's assignment counts where the next division depends on it; with the others it is that of a hash table, and means nothing. */
function inOrder(assignor: Assignor, partitions: readonly (readonly [string, number])[]): readonly string[] {
  const names = partitions.map(([topic, partition]) => `${topic}-${partition}`)
  return assignor.name.endsWith('sticky') ? names : names.sort()
}

// ---------------------------------------------------------------------------------------------------- consumer protocol

interface ProtocolJson {
  readonly topics: readonly string[]
  readonly partitions: readonly (readonly [string, number])[]
  readonly ownedPartitions: readonly (readonly [string, number])[]
  readonly userData: string | null
  readonly generationId: number
  readonly rackId: string | null
}

function runConsumerProtocol(entry: Json): Outcome {
  const kind = String(entry['kind'])
  const hex = entry['hex'] as string
  const version = entry['version'] as number
  const json = entry['json'] as ProtocolJson
  switch (kind) {
    case 'subscription': return compare('encoded', toHex(encodeSubscription(subscriptionOf(json), version)), hex) ?? compare('decoded', subscriptionJson(hex), entry['decoded'])
    case 'assignment': return compare('encoded', toHex(encodeAssignment({ partitions: partitionsOf(json.partitions), userData: fromBase64(json.userData) }, version)), hex) ?? compare('decoded', assignmentJson(hex), entry['decoded'])
    case 'subscription-decode': return runDecode(entry, () => subscriptionJson(hex))
    case 'assignment-decode': return runDecode(entry, () => assignmentJson(hex))
    case 'sticky-user-data': return compareUserData(stickyAssignor, json, hex)
    case 'cooperative-sticky-user-data': return compareUserData(cooperativeStickyAssignor, json, hex)
    case 'sticky-user-data-before-any-assignment': return compareFirstUserData(stickyAssignor, entry['hex'])
    case 'cooperative-sticky-user-data-before-any-assignment': return compareFirstUserData(cooperativeStickyAssignor, entry['hex'])
    default: return { pending: `consumer protocol ${kind}` }
  }
}

function compareUserData(assignor: Assignor, json: unknown, hex: string): Outcome {
  const { partitions, generation } = json as { readonly partitions: readonly (readonly [string, number])[]; readonly generation: number }
  return compare('user data', toHex(assignor.userData!([], { partitions: partitionsOf(partitions), generation })!), hex)
}

function compareFirstUserData(assignor: Assignor, hex: unknown): Outcome {
  const bytes = assignor.userData!([], null)
  return compare('user data', bytes === null ? null : toHex(bytes), hex)
}

/** What Kafka refuses is refused, what it reads is read. */
function runDecode(entry: Json, decode: () => unknown): Outcome {
  let decoded: unknown
  try {
    decoded = decode()
  } catch (error) {
    return entry['error'] === undefined ? { detail: `refused: ${String(error)}` } : undefined
  }
  if (entry['error'] !== undefined) return { detail: `read as ${JSON.stringify(decoded)}, and Kafka refuses it: ${String(entry['message'])}` }
  const recorded = entry['decoded'] ?? entry['json']
  return compare('decoded', recordedPart(decoded, recorded), recorded)
}

function subscriptionOf(json: ProtocolJson) {
  return { topics: json.topics, userData: fromBase64(json.userData), ownedPartitions: partitionsOf(json.ownedPartitions), generation: json.generationId, rackId: json.rackId }
}

function subscriptionJson(hex: string): unknown {
  const { topics, userData, ownedPartitions, generation, rackId } = decodeSubscription(Buffer.from(hex, 'hex'))
  return { topics, userData: toBase64(userData), ownedPartitions: pairs(ownedPartitions), generationId: generation, rackId }
}

function assignmentJson(hex: string): unknown {
  const { partitions, userData } = decodeAssignment(Buffer.from(hex, 'hex'))
  return { partitions: pairs(partitions), userData: toBase64(userData) }
}

function partitionsOf(list: readonly (readonly [string, number])[]): readonly TopicPartition[] {
  return list.map(([topic, partition]) => ({ topic, partition }))
}

function pairs(partitions: readonly TopicPartition[]): readonly (readonly [string, number])[] {
  return partitions.map(({ topic, partition }) => [topic, partition] as const)
}

// ---------------------------------------------------------------------------------------------------- coordinator records

const recordSchemas: Readonly<Record<string, { readonly key: StructSchema; readonly value: StructSchema }>> = {
  OffsetCommit: { key: offsetCommitKeySchema, value: offsetCommitValueSchema },
  GroupMetadata: { key: groupMetadataKeySchema, value: groupMetadataValueSchema },
  TransactionLog: { key: transactionKeySchema, value: transactionValueSchema },
  LegacyOffsetCommit: { key: offsetCommitKeySchema, value: offsetCommitValueSchema },
  ...nextGroupSchemas,
}

function recordName(entry: Json): string {
  return ['record', 'part', 'version', 'case'].map((field) => String(entry[field])).join(' ')
}

/** The version of a key is the kind of its record. */
function runCoordinatorRecord(entry: Json): Outcome {
  const schemas = recordSchemas[String(entry['record'])]
  if (schemas === undefined) return { pending: `records of ${String(entry['record'])}` }
  const isKey = entry['part'] === 'key'
  const version = (isKey ? entry['keyType'] : entry['version']) as number
  return compareStruct(isKey ? schemas.key : schemas.value, version, entry['json'] as Json, String(entry['hex']))
}

function runInternalRecord(entry: Json): Outcome {
  const schemas = recordSchemas[String(entry['record'])]
  if (schemas === undefined) return { pending: `records of ${String(entry['record'])}` }
  const key = compareStruct(schemas.key, entry['keyType'] as number, entry['key'] as Json, String(entry['keyHex']))
  if (key !== undefined || entry['valueHex'] === null) return key
  return compareStruct(schemas.value, entry['valueVersion'] as number, entry['value'] as Json, entry['valueHex'] as string)
}

function compareStruct(schema: StructSchema, version: number, json: Json, hex: string): Outcome {
  const encoded = encodeStruct(schema, version, fromJson(schema.fields, json))
  const decoded = decodeStruct(schema, Buffer.from(hex, 'hex'))
  return compare('encoded', toHex(encoded), hex) ?? compare('decoded', recordedPart(toJson(schema.fields, decoded), json), json)
}

/** Only the fields that the recording has, in its order: it leaves out those that the version does not have. */
function recordedPart(actual: unknown, recorded: unknown): unknown {
  if (Array.isArray(recorded)) return recorded.map((item, index) => recordedPart((actual as readonly unknown[])[index], item))
  if (typeof recorded !== 'object' || recorded === null) return actual
  return Object.fromEntries(Object.entries(recorded).map(([field, item]) => [field, recordedPart((actual as Json)[field], item)]))
}

function fromJson(fields: readonly FieldSchema[], json: Json): StructValue {
  return Object.fromEntries(fields.filter(({ name }) => name in json).map((field) => [field.name, fieldFromJson(field, json[field.name])]))
}

function fieldFromJson(field: FieldSchema, value: unknown): FieldValue {
  if (value === null) return null
  if (field.struct) return fromJson(field.struct, value as Json)
  if (Array.isArray(value)) return value.map((item) => (field.list === true ? plainFromJson(field, item) : fromJson(field.list as readonly FieldSchema[], item as Json)))
  return plainFromJson(field, value)
}

function plainFromJson({ type }: FieldSchema, value: unknown): FieldValue {
  if (type === 'bytes') return Buffer.from(value as string, 'base64')
  if (type === 'uuid') return Buffer.from(value as string, 'base64url')
  return type === 'int64' && typeof value === 'string' ? BigInt(value) : (value as FieldValue)
}

function toJson(fields: readonly FieldSchema[], value: StructValue): Json {
  return Object.fromEntries(fields.map((field) => [field.name, fieldToJson(field, value[field.name]!)]))
}

function fieldToJson(field: FieldSchema, value: FieldValue): unknown {
  if (field.struct) return value === null ? null : toJson(field.struct, value as StructValue)
  if (Array.isArray(value)) return value.map((item: FieldValue) => (field.list === true ? item : toJson(field.list as readonly FieldSchema[], item as StructValue)))
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString(field.type === 'uuid' ? 'base64url' : 'base64')
  return value
}

// ---------------------------------------------------------------------------------------------------- partitioning

interface PartitioningVectors {
  readonly murmur2?: readonly { readonly key: string; readonly murmur2: number; readonly positive: number; readonly partition: Readonly<Record<string, number>> }[]
  readonly coordinatorPartition?: readonly Json[]
}

function* partitioning(file: VectorFile): Generator<CaseResult> {
  const { murmur2: hashes = [], coordinatorPartition: ids = [] } = file.content as PartitioningVectors
  for (const [index, entry] of hashes.entries()) {
    yield attempt(`${file.path} murmur2 ${index}`, () => {
      const key = Buffer.from(entry.key, 'base64')
      const partitions = Object.fromEntries(Object.keys(entry.partition).map((count) => [count, partitionForKey(key, Number(count))]))
      return compare('hash', murmur2(key), entry.murmur2) ?? compare('partition', partitions, entry.partition)
    })
  }
  for (const [index, entry] of ids.entries()) {
    yield attempt(`${file.path} coordinatorPartition ${index}`, () => {
      const partitionOf = (count: number) => coordinatorPartition(String(entry['id']), count)
      return compare('partitions of 50 and 5', [partitionOf(50), partitionOf(5)], [entry['partitionOf50'], entry['partitionOf5']])
    })
  }
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function toBase64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('base64')
}

function fromBase64(text: string | null): Uint8Array | null {
  return text === null ? null : Buffer.from(text, 'base64')
}
