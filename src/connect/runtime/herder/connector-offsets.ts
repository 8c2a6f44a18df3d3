/** Offsets of connectors as people see and change them (KIP-875): of sources in the offsets topic, of sinks in their consumer group. */
import type { Broker, Clock, CommittedOffset } from '../../../core/index.ts'
import { isStreamError, settledWithin } from '../../../core/index.ts'
import type { SourceOffset, SourcePartition } from '../../connect-record.ts'
import type { SinkConnector, SourceConnector } from '../../connector.ts'
import { describeError } from '../../errors.ts'
import { javaText } from '../../java-text.ts'
import type { CheckedConfig } from '../check-config.ts'
import { encodeOffsetKey, encodeOffsetValue } from '../offset-codec.ts'
import { OffsetReader } from '../offset-reader.ts'
import { sinkGroup } from '../client-settings.ts'
import { createOffsetsTopic } from '../run-task.ts'
import type { WorkerConfig } from '../worker-config.ts'
import { badRequest, failed } from './refusal.ts'

export interface OffsetEntry {
  readonly partition: Readonly<Record<string, unknown>> | null
  /** null: reset. */
  readonly offset: Readonly<Record<string, unknown>> | null
}

export interface ConnectorOffsetsOptions {
  readonly broker: Broker
  readonly worker: WorkerConfig
  readonly clock: Clock
  readonly resolve: (config: CheckedConfig['named']['config']) => CheckedConfig['named']['config']
}

export class ConnectorOffsets {
  readonly #options: ConnectorOffsetsOptions

  constructor(options: ConnectorOffsetsOptions) {
    this.#options = options
  }

  list(checked: CheckedConfig): Promise<readonly OffsetEntry[]> {
    return checked.installed.plugin.type === 'source' ? this.#listSource(checked) : this.#listSink(checked)
  }

  /** The connector has been asked, and the offsets are changed; the sentence for who asked. @throws 400, 500 */
  async alter(checked: CheckedConfig, entries: readonly OffsetEntry[]): Promise<string> {
    return sentence('altered', checked.installed.plugin.type === 'source' ? await this.#alterSource(checked, entries) : await this.#alterSink(checked, sinkEntries(entries)))
  }

  /** All of them back to the beginning. */
  async reset(checked: CheckedConfig): Promise<string> {
    const entries = (await this.list(checked)).map(({ partition }) => ({ partition, offset: null }))
    return sentence('reset', checked.installed.plugin.type === 'source' ? await this.#alterSource(checked, entries) : await this.#alterSink(checked, sinkEntries(entries)))
  }

  async #listSource({ named, config }: CheckedConfig): Promise<readonly OffsetEntry[]> {
    const { broker, worker } = this.#options
    const topic = offsetsTopicOf(config, worker)
    if (!(await broker.topics.list()).includes(topic)) return []
    const reader = new OffsetReader({ broker, topic, connector: named.name, signal: new AbortController().signal })
    try {
      return (await reader.all()).map(([partition, offset]) => ({ partition, offset }))
    } finally {
      await reader.close()
    }
  }

  async #alterSource(checked: CheckedConfig, entries: readonly OffsetEntry[]): Promise<boolean> {
    const { broker, worker, resolve } = this.#options
    const { named, config, installed } = checked
    for (const { partition, offset } of entries) for (const members of [partition, offset]) requirePrimitives(members ?? {})
    const connector = installed.plugin.createConnector() as SourceConnector
    // as upstream, to reset nothing is no mistake
    const pairs = entries.filter(({ partition, offset }) => partition !== null || offset !== null).map(({ partition, offset }) => [partition as SourcePartition, offset as SourceOffset | null] as const)
    const isAll = await this.#asked(() => connector.alterOffsets?.(installed.plugin.config.parse(resolve(named.config)), pairs) ?? false)
    if (pairs.some(([partition]) => (partition as SourcePartition | null) === null)) throw badRequest('Partition objects cannot be null')
    const topic = offsetsTopicOf(config, worker)
    await createOffsetsTopic(broker, topic, worker)
    const producer = await broker.openProducer({ clientId: `connect-offsets-${named.name}` })
    try {
      // one after the other: of two entries for one partition the later counts
      for (const [partition, offset] of pairs) await producer.append({ topic, key: encodeOffsetKey(named.name, partition), value: encodeOffsetValue(offset) })
    } finally {
      await producer.close()
    }
    return isAll
  }

  /** A connector that refuses says why. One that does not answer must not lock itself for ever: what else is asked of it waits meanwhile. */
  async #asked(step: () => boolean | Promise<boolean>): Promise<boolean> {
    const answer = (async () => step())()
    if (!(await settledWithin(answer, this.#options.clock, alterTimeoutMs))) throw failed(`The connector did not say within ${alterTimeoutMs / 1000} s whether its offsets may be changed; they were not`)
    try {
      return await answer
    } catch (error) {
      throw badRequest(describeError(error), error)
    }
  }

  async #listSink({ named }: CheckedConfig): Promise<readonly OffsetEntry[]> {
    const { offsets } = await this.#options.broker.groups.describe(sinkGroup(named.name, named.config))
    return offsets.map(({ topic, partition, offset }) => ({ partition: { kafka_partition: partition, kafka_topic: topic }, offset: { kafka_offset: offset } }))
  }

  async #alterSink(checked: CheckedConfig, changes: readonly SinkChange[]): Promise<boolean> {
    const { resolve } = this.#options
    const { named, installed } = checked
    const connector = installed.plugin.createConnector() as SinkConnector
    const isAll = await this.#asked(() => connector.alterOffsets?.(installed.plugin.config.parse(resolve(named.config)), changes, named.name) ?? false)
    if (changes.some(({ offset }) => offset !== null && offset < 0)) throw failed(`Failed to modify offsets for sink connector ${named.name}`)
    await this.#checkPartitions(named.name, changes)
    await this.#setGroup(named.name, sinkGroup(named.name, named.config), changes)
    return isAll
  }

  async #checkPartitions(name: string, changes: readonly SinkChange[]): Promise<void> {
    if (changes.some(({ partition }) => partition < 0)) throw failed(`Failed to alter consumer group offsets for connector ${name}`)
    const topics = [...new Set(changes.filter(({ offset }) => offset !== null).map(({ topic }) => topic))]
    try {
      const counts = new Map((await this.#options.broker.topics.describe(topics)).map(({ topic, partitions }) => [topic, partitions.length]))
      const missing = changes.find(({ topic, partition, offset }) => offset !== null && partition >= counts.get(topic)!)
      // the sentence is upstream's; the log has the reason as well
      if (missing !== undefined) throw failed(`Failed to alter consumer group offsets for connector ${name}`, new Error(`topic ${missing.topic} has no partition ${missing.partition}; it has ${counts.get(missing.topic)!}, counted from 0`))
    } catch (error) {
      if (isStreamError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw failed(`Failed to alter consumer group offsets for connector ${name}`, error)
      throw error
    }
  }

  /** A reset needs the group to be made anew: nobody is in it, and what it keeps is set again at once. */
  async #setGroup(name: string, groupId: string, changes: readonly SinkChange[]): Promise<void> {
    const { groups } = this.#options.broker
    const isReset = (each: { readonly topic: string; readonly partition: number }) => changes.some(({ topic, partition, offset }) => offset === null && topic === each.topic && partition === each.partition)
    const set = changes.filter((change): change is SinkChange & CommittedOffset => change.offset !== null)
    try {
      const { offsets } = await groups.describe(groupId)
      const hasResets = offsets.some(isReset)
      if (hasResets) await groups.remove([groupId])
      const kept = hasResets ? offsets.filter((each) => !isReset(each)) : []
      if (kept.length + set.length > 0) await groups.setOffsets(groupId, [...kept, ...set.map(({ topic, partition, offset }) => ({ topic, partition, offset }))])
    } catch (error) {
      if (!isStreamError(error, 'NON_EMPTY_GROUP')) throw error
      throw failed(`Failed to alter consumer group offsets for connector ${name} either because its tasks haven't stopped completely yet or the connector was resumed before the request to alter its offsets could be successfully completed. If the connector is in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the Connect cluster may need to be restarted to get rid of the zombie sink tasks.`, error)
    }
  }
}

/** Less than anybody waits for an answer of the REST API. */
const alterTimeoutMs = 60_000

interface SinkChange {
  readonly topic: string
  readonly partition: number
  readonly offset: number | null
}

function offsetsTopicOf(config: CheckedConfig['config'], worker: WorkerConfig): string {
  const own = 'offsets.storage.topic' in config ? config['offsets.storage.topic'] : null
  return own ?? worker['offset.storage.topic']
}

function sentence(what: 'altered' | 'reset', isAll: boolean): string {
  return isAll
    ? `The offsets for this connector have been ${what} successfully`
    : `The Connect framework-managed offsets for this connector have been ${what} successfully. However, if this connector manages offsets externally, they will need to be manually ${what} in the system that the connector uses.`
}

function sinkEntries(entries: readonly OffsetEntry[]): readonly SinkChange[] {
  return entries.map(({ partition, offset }) => {
    if (partition === null) throw badRequest('The partition for a sink connector offset cannot be null or missing')
    const { kafka_topic: topic, kafka_partition: number } = partition
    if (topic === undefined || number === undefined) throw badRequest("The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'")
    if (topic === null) throw badRequest('Kafka topic names must be valid strings and may not be null')
    if (number === null) throw badRequest('Kafka partitions must be valid numbers and may not be null')
    const partitionNumber = integerOf(number, (text) => `Failed to parse the following Kafka partition value in the provided offsets: '${text}'. Partition values for sink connectors need to be integers.`, maxPartition)
    if (offset === null) return { topic: textOf(topic), partition: partitionNumber, offset: null }
    if (offset['kafka_offset'] === undefined) throw badRequest("The offset for a sink connector should either be null or contain the key 'kafka_offset'")
    const value = integerOf(offset['kafka_offset'], (text) => `Failed to parse the following Kafka offset value in the provided offsets: '${text}'. Offset values for sink connectors need to be integers.`)
    return { topic: textOf(topic), partition: partitionNumber, offset: value }
  })
}

/** Numbers and texts of numbers are taken alike. */
function integerOf(value: unknown, complaint: (text: string) => string, max = Number.MAX_SAFE_INTEGER): number {
  const text = textOf(value)
  if (!/^[+-]?\d{1,16}$/.test(text) || Math.abs(Number(text)) > max) throw badRequest(complaint(text))
  return Number(text)
}

function textOf(value: unknown): string {
  return javaText(null, value)
}

const maxPartition = 2 ** 31 - 1

/** What a position is kept as has members, but these have none. @throws 400 */
function requirePrimitives(members: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(members)) {
    if (typeof value === 'object' && value !== null) throw badRequest(`Offsets may only contain primitive types as values, but field ${name} contains ${Array.isArray(value) ? 'ARRAY' : 'MAP'}`)
  }
}
