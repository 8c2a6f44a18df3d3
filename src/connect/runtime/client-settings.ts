/** Settings of the clients that tasks use: `producer.`, `consumer.` and `admin.` of the worker, and `….override.` of a connector over them. */
import type { ProducerOptions } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import { configError } from '../errors.ts'
import type { Client } from './client-keys.ts'

/** Those that change what happens. */
const effective: Readonly<Record<Client, readonly string[]>> = {
  producer: ['acks', 'buffer.memory', 'client.id', 'enable.idempotence', 'transaction.timeout.ms'],
  consumer: ['auto.offset.reset', 'client.id', 'fetch.max.bytes', 'group.id', 'group.instance.id', 'isolation.level', 'max.poll.records', 'metadata.max.age.ms', 'session.timeout.ms'],
  admin: [],
}

/** Those that tune Kafka's own client and promise nothing: what they mean is done here in another way, or not needed. */
const tuning = /^(batch\.size|linger\.ms|max\.in\.flight\.requests\.per\.connection|delivery\.timeout\.ms|request\.timeout\.ms|default\.api\.timeout\.ms|max\.block\.ms|retries|retry\.backoff\.(max\.)?ms|send\.buffer\.bytes|receive\.buffer\.bytes|reconnect\.backoff\.(max\.)?ms|connections\.max\.idle\.ms|fetch\.(min\.bytes|max\.wait\.ms)|max\.partition\.fetch\.bytes|max\.poll\.interval\.ms|heartbeat\.interval\.ms|check\.crcs|metric.*|interceptor\.classes|partitioner\..*|compression\..*|max\.request\.size|enable\.auto\.commit|.*\.(de)?serializer)$/
const connection = /^(bootstrap\.servers|security\..*|sasl\..*|ssl\..*)$/

const overrideOf = /^(producer|consumer|admin)\.override\.(.+)$/

/** What is wrong with a connector's overrides: a cluster of its own is always refused, a key without effect only when told of. */
export function overrideComplaints(raw: RawConfig): { readonly refused: readonly string[]; readonly doubtful: readonly string[] } {
  const keys = Object.keys(raw).flatMap((name) => {
    const match = overrideOf.exec(name)
    return match === null ? [] : [{ name, client: match[1] as Client, key: match[2]! }]
  })
  return {
    refused: keys.filter(({ key }) => connection.test(key)).map(({ name }) => `Invalid configuration ${name}: a connector cannot have a connection of its own here; the worker's is used`),
    doubtful: keys.filter(({ client, key }) => !connection.test(key) && !tuning.test(key) && !effective[client].includes(key))
      .map(({ name, client }) => `Configuration "${name}" has no effect here; these have: ${effective[client].join(', ') || 'none'}`),
  }
}

/** The connector's setting, else the worker's. */
function settingOf(client: Client, key: string, connector: RawConfig, worker: RawConfig): string | undefined {
  return connector[`${client}.override.${key}`] ?? worker[`${client}.${key}`] ?? undefined
}

function numberOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text.trim())
  if (Number.isSafeInteger(value) && value > 0) return value
  throw configError(`Invalid value ${text} for configuration ${name}: a whole number above 0 is needed`, { details: { key: name } })
}

function oneOf<T extends string>(text: string | undefined, name: string, allowed: readonly T[]): T | undefined {
  const value = text?.trim() as T | undefined
  if (value === undefined || allowed.includes(value)) return value
  throw configError(`Invalid value ${value} for configuration ${name}: String must be one of: ${allowed.join(', ')}`, { details: { key: name } })
}

export interface Clients {
  readonly connector: RawConfig
  readonly worker: RawConfig
}

/** @throws INVALID_CONFIG */
export function producerSettings({ connector, worker }: Clients): Pick<ProducerOptions, 'acknowledge' | 'idempotent' | 'maxBufferBytes' | 'transactionTimeoutMs' | 'clientId'> {
  const get = (key: string) => settingOf('producer', key, connector, worker)
  const acks = oneOf(get('acks'), 'producer.override.acks', ['all', '-1', '0', '1'])
  const idempotence = oneOf(get('enable.idempotence')?.toLowerCase(), 'producer.override.enable.idempotence', ['true', 'false'])
  const clientId = get('client.id')
  const [maxBufferBytes, transactionTimeoutMs] = [numberOf(get('buffer.memory'), 'producer.override.buffer.memory'), numberOf(get('transaction.timeout.ms'), 'producer.override.transaction.timeout.ms')]
  return {
    ...(acks !== undefined && { acknowledge: acks === 'all' || acks === '-1' ? 'durable' : 'written' } as const),
    ...(idempotence !== undefined && { idempotent: idempotence === 'true' }),
    ...(maxBufferBytes !== undefined && { maxBufferBytes }),
    ...(transactionTimeoutMs !== undefined && { transactionTimeoutMs }),
    ...(clientId !== undefined && { clientId }),
  }
}

export interface ConsumerSettings {
  readonly groupId: string
  readonly groupInstanceId: string | undefined
  readonly offsetReset: 'earliest' | 'latest' | 'none'
  readonly isolation: 'read-committed' | 'read-uncommitted'
  readonly maxBatchRecords: number
  readonly maxReadBytes: number
  readonly topicCheckIntervalMs: number
  readonly sessionTimeoutMs: number | undefined
  readonly clientId: string | undefined
}

const defaultBatchRecords = 500
const defaultReadBytes = 1024 * 1024
const defaultTopicCheckIntervalMs = 5000

/** @throws INVALID_CONFIG */
export function consumerSettings(connectorName: string, { connector, worker }: Clients): ConsumerSettings {
  const get = (key: string) => settingOf('consumer', key, connector, worker)
  const number = (key: string) => numberOf(get(key), `consumer.override.${key}`)
  return {
    // a group for the whole worker would mix what its connectors read
    groupId: sinkGroup(connectorName, connector),
    groupInstanceId: get('group.instance.id'),
    offsetReset: oneOf(get('auto.offset.reset'), 'consumer.override.auto.offset.reset', ['earliest', 'latest', 'none']) ?? 'earliest',
    isolation: oneOf(get('isolation.level'), 'consumer.override.isolation.level', ['read_committed', 'read_uncommitted']) === 'read_uncommitted' ? 'read-uncommitted' : 'read-committed',
    maxBatchRecords: number('max.poll.records') ?? defaultBatchRecords,
    maxReadBytes: number('fetch.max.bytes') ?? defaultReadBytes,
    topicCheckIntervalMs: number('metadata.max.age.ms') ?? defaultTopicCheckIntervalMs,
    sessionTimeoutMs: number('session.timeout.ms'),
    clientId: get('client.id'),
  }
}

/** Of one task of a source: whoever takes it over fences who had it before. */
export function sourceTransactionalId(groupId: string, connector: string, task: number): string {
  return `${groupId}-${connector}-${task}`
}

/** The consumer group of a sink connector. */
export function sinkGroup(connectorName: string, connector: RawConfig): string {
  return connector['consumer.override.group.id'] ?? `connect-${connectorName}`
}
