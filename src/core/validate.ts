/** Checks of what the public methods are given, for callers that TypeScript does not watch. */
import type { CommittedOffset, GroupOptions, OffsetQuery, PartitionPosition, ProducerOptions, ReadOptions, TopicChange, TopicSpec } from './broker.ts'
import { StreamError } from './errors.ts'
import { checkOptions } from './nearest-name.ts'
import type { Header, ProducerRecord, TopicPartition } from './record.ts'

const isolations = ['read-committed', 'read-uncommitted']
/** Kafka's limits (`group.min.session.timeout.ms` is lower here, because nothing has to travel over a network). */
export const sessionTimeoutRangeMs = { min: 1_000, max: 1_800_000 } as const
/** Kafka's `transaction.max.timeout.ms`. */
const maxTransactionTimeoutMs = 900_000
export const maxOffsetMetadataLength = 4096
const producerOptions = { transactionalId: true, transactionTimeoutMs: true, idempotent: true, acknowledge: true, maxBufferBytes: true, clientId: true } as const
const groupOptions = {
  groupId: true, topics: true, assignors: true, sessionTimeoutMs: true, rebalanceTimeoutMs: true, maxPollIntervalMs: true, rackId: true, groupInstanceId: true, offsetReset: true, clientId: true, signal: true, onRebalance: true,
} as const

export function validateReadOptions(options: ReadOptions): void {
  notNegative('maxBytes', options.maxBytes)
  notNegative('minBytes', options.minBytes)
  notNegative('maxWaitMs', options.maxWaitMs)
  if (options.isolation !== undefined && !isolations.includes(options.isolation)) {
    throw invalid(`isolation: ${JSON.stringify(options.isolation)} is none of ${isolations.join(', ')}`)
  }
}

export function validateProducerOptions(options: ProducerOptions): void {
  checkOptions('a producer', options, producerOptions)
  if (options.transactionalId !== undefined && (typeof options.transactionalId !== 'string' || options.transactionalId === '')) {
    throw invalid('transactionalId: give text that is not empty')
  }
  if (options.transactionalId !== undefined && options.idempotent === false) throw invalid('a producer with a transactionalId is always idempotent; leave `idempotent` out')
  if (options.acknowledge !== undefined && options.acknowledge !== 'durable' && options.acknowledge !== 'written') {
    throw invalid(`acknowledge: ${JSON.stringify(options.acknowledge)} is neither 'durable' nor 'written'`)
  }
  positive('maxBufferBytes', options.maxBufferBytes)
  const timeoutMs = options.transactionTimeoutMs
  if (timeoutMs !== undefined && !(Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= maxTransactionTimeoutMs)) {
    throw new StreamError('INVALID_TRANSACTION_TIMEOUT', `transactionTimeoutMs: ${timeoutMs} is not between 1 and ${maxTransactionTimeoutMs}`)
  }
}

export function validateGroupOptions(options: GroupOptions): void {
  validateGroupId((options as Partial<GroupOptions> | undefined)?.groupId)
  checkOptions('joinGroup', options, groupOptions)
  validateTopicNames(options.topics)
  positive('rebalanceTimeoutMs', options.rebalanceTimeoutMs)
  positive('maxPollIntervalMs', options.maxPollIntervalMs)
  validateOffsetReset(options.offsetReset)
  if (options.sessionTimeoutMs !== undefined) validateSessionTimeout(options.sessionTimeoutMs)
  if (options.assignors?.length === 0) throw invalid('assignors: give at least one, or leave it out for range')
}

export function validateTopicNames(topics: readonly string[]): void {
  if (!Array.isArray(topics) || topics.some((topic) => typeof topic !== 'string')) throw invalid('topics: give a list of topic names')
}

export function validateTopicSpecs(specs: readonly TopicSpec[]): void {
  if (!Array.isArray(specs) || specs.some((spec) => typeof (spec as Partial<TopicSpec> | null)?.topic !== 'string')) throw invalid("topics: give a list, as in [{ topic: 'hits', partitions: 3 }]")
  for (const spec of specs) checkOptions(`topic ${spec.topic}`, spec, { topic: true, partitions: true, replicationFactor: true, configs: true })
}

export function validateTopicChange(topic: string, change: TopicChange): void {
  checkOptions(`alter of topic ${topic}`, change, { partitions: true, configs: true })
}

function validateOffsetReset(reset: unknown): void {
  if (reset === undefined || reset === 'earliest' || reset === 'latest' || reset === 'none') return
  const maxAgeMs = (reset as { readonly maxAgeMs?: unknown } | null)?.maxAgeMs
  if (typeof maxAgeMs !== 'number' || !(maxAgeMs >= 0)) throw invalid(`offsetReset: ${JSON.stringify(reset)} is none of 'earliest', 'latest', 'none' and { maxAgeMs: … }`)
}

export function validateGroupId(groupId: unknown): void {
  if (typeof groupId !== 'string' || groupId === '') throw new StreamError('INVALID_GROUP_ID', 'groupId: give text that is not empty')
}

export function validateSessionTimeout(timeoutMs: number): void {
  if (timeoutMs >= sessionTimeoutRangeMs.min && timeoutMs <= sessionTimeoutRangeMs.max) return
  throw new StreamError('INVALID_SESSION_TIMEOUT', `sessionTimeoutMs: ${timeoutMs} is not between ${sessionTimeoutRangeMs.min} and ${sessionTimeoutRangeMs.max}`)
}

export function validateRecord(record: ProducerRecord): void {
  if (typeof record !== 'object' || record === null || typeof record.topic !== 'string') throw invalid('a record needs a topic')
  validateBytes('key', record.key ?? null)
  validateBytes('value', record.value)
  if (record.headers !== undefined) validateHeaders(record.headers)
  if (record.partition !== undefined) validatePartition(record.partition)
  const { timestamp } = record
  if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && timestamp >= 0)) {
    throw new StreamError('INVALID_TIMESTAMP', `timestamp: ${timestamp} is not a whole number of milliseconds of at least 0`)
  }
}

function validateHeaders(headers: readonly Header[]): void {
  if (!Array.isArray(headers)) throw invalid("headers: give a list, as in [{ key: 'trace', value: bytes }]")
  for (const { key, value } of headers as readonly Header[]) {
    if (typeof key !== 'string') throw invalid('headers: each needs a key, which is text')
    validateBytes(`header ${key}`, value)
  }
}

export function validatePositions(positions: readonly PartitionPosition[]): void {
  if (!Array.isArray(positions)) throw invalid("give a list, as in [{ topic: 'hits', partition: 0, offset: 0 }]")
  for (const position of positions) {
    validateTarget(position)
    if (!(Number.isSafeInteger(position.offset) && position.offset >= 0)) throw invalid(`offset: ${position.offset} of ${position.topic}-${position.partition} is not a whole number of at least 0`)
  }
}

export function validateOffsets(offsets: readonly CommittedOffset[]): void {
  validatePositions(offsets)
  for (const { topic, partition, metadata } of offsets) {
    if (metadata !== undefined && Buffer.byteLength(metadata) > maxOffsetMetadataLength) {
      throw new StreamError('OFFSET_METADATA_TOO_LARGE', `the metadata of the offset of ${topic}-${partition} has ${Buffer.byteLength(metadata)} bytes; at most ${maxOffsetMetadataLength} fit`)
    }
  }
}

export function validateTarget(target: TopicPartition): void {
  if (typeof target.topic !== 'string') throw invalid('a partition needs the name of its topic')
  validatePartition(target.partition)
}

export function validateOffsetQueries(queries: readonly OffsetQuery[]): void {
  for (const query of queries) {
    validateTarget(query)
    validateOffsetPlace(query.at)
  }
}

/** Kafka gives negative timestamps meanings of its own, which are named here. */
function validateOffsetPlace(at: unknown): void {
  if (at === 'earliest' || at === 'latest' || (typeof at === 'number' && Number.isSafeInteger(at) && at >= 0)) return
  throw invalid(`at: ${JSON.stringify(at)} is neither 'earliest', nor 'latest', nor a timestamp in milliseconds of at least 0`)
}

function validatePartition(partition: number): void {
  if (!(Number.isInteger(partition) && partition >= 0)) throw invalid(`partition: ${partition} is not a whole number of at least 0`)
}

function validateBytes(name: string, bytes: unknown): void {
  if (bytes !== null && !(bytes instanceof Uint8Array)) throw invalid(`${name}: give bytes (a Uint8Array) or null; a serde makes them from other values`)
}

function notNegative(name: string, value: number | undefined): void {
  if (value !== undefined && !(typeof value === 'number' && value >= 0)) throw invalid(`${name}: ${value} is not a number of at least 0`)
}

function positive(name: string, value: number | undefined): void {
  if (value !== undefined && !(typeof value === 'number' && value > 0)) throw invalid(`${name}: ${value} is not a number above 0`)
}

function invalid(message: string): StreamError {
  return new StreamError('INVALID_ARGUMENT', message)
}
