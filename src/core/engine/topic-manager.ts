import type { OffsetAnswer, OffsetQuery, TopicChange, TopicDescription, TopicSpec, Isolation } from '../broker.ts'
import { StreamError } from '../errors.ts'
import { allEnded } from '../log/file-system.ts'
import type { TopicPartition } from '../record.ts'
import type { LogEngine } from './log-engine.ts'
import { randomTopicId } from './topic-catalog.ts'
import type { CatalogTopic } from './topic-catalog.ts'
import { clampReplicas, describeTopicConfigs, validateTopicConfigs } from './topic-config.ts'
import type { TopicConfigs } from './topic-config.ts'
import { checkCollision, validateTopicName } from './topic-name.ts'

export const offsetsTopic = '__consumer_offsets'
export const transactionsTopic = '__transaction_state'

/** Against a slip of the finger: each partition is a directory with open files. */
const maxPartitions = 10_000
const openingAtOnce = 16

export function isInternalTopic(topic: string): boolean {
  return topic === offsetsTopic || topic === transactionsTopic
}

/** Creates, changes and removes topics: what `TopicAdmin` promises, one change at a time. */
export class TopicManager {
  readonly #engine: LogEngine
  readonly #clampReplicas: boolean
  #lastChange: Promise<unknown> = Promise.resolve()
  #isClosed = false

  /** With `clampReplicas` a topic of more than one replica is made with one, instead of being refused. */
  constructor(engine: LogEngine, options: { readonly clampReplicas: boolean }) {
    this.#engine = engine
    this.#clampReplicas = options.clampReplicas
  }

  create(specs: readonly TopicSpec[]): Promise<void> {
    return this.#inOrder(() => this.#create(specs))
  }

  /** What `create` would refuse, without creating anything. @throws as `create` */
  check(specs: readonly TopicSpec[]): Promise<void> {
    return this.#inOrder(async () => {
      const checked = new Map<string, CatalogTopic>()
      for (const spec of specs) checked.set(spec.topic, this.#validated(spec, checked))
    })
  }

  /** Internal topics come into being when they are first needed. */
  ensure(spec: TopicSpec): Promise<void> {
    return this.#inOrder(async () => {
      if (!this.#engine.catalog.topics.has(spec.topic)) await this.#create([spec])
    })
  }

  list(includeInternal: boolean): readonly string[] {
    return [...this.#engine.catalog.topics.keys()].filter((topic) => includeInternal || !isInternalTopic(topic)).sort()
  }

  describe(name: string): TopicDescription {
    const topic = this.#engine.topic(name)
    const partitions = this.#engine.partitionsOf(topic).map(({ partition, log }) => ({
      partition, leader: 0, replicas: [0], inSyncReplicas: [0], logStartOffset: log.logStartOffset, highWatermark: log.highWatermark, sizeBytes: log.sizeBytes,
    }))
    return { topic: name, internal: isInternalTopic(name), partitions, configs: describeTopicConfigs(topic.configs) }
  }

  /** Calls back between forgetting the topic and deleting its files, so that what refers to it can be forgotten too. */
  remove(names: readonly string[], onRemoved: (topic: string) => Promise<void>): Promise<void> {
    return this.#inOrder(async () => {
      for (const topic of names.map((name) => this.#engine.topic(name))) {
        if (isInternalTopic(topic.topic)) throw new StreamError('INVALID_TOPIC', `${topic.topic} is internal and cannot be removed`)
        await this.#engine.catalog.remove(topic.topic)
        try {
          await onRemoved(topic.topic)
        } finally {
          await this.#engine.dropPartitions(topic)
        }
      }
    })
  }

  /** What `alter` would refuse, without changing anything. @throws as `alter` */
  checkChange(name: string, change: TopicChange): Promise<void> {
    return this.#inOrder(async () => void this.#changed(this.#engine.topic(name), change))
  }

  alter(name: string, change: TopicChange): Promise<void> {
    return this.#inOrder(async () => {
      const topic = this.#engine.topic(name)
      const changed = this.#changed(topic, change)
      await this.#add(partitionsFrom(changed, topic.partitions), [changed])
      this.#engine.reconfigure(changed)
    })
  }

  listOffset(query: OffsetQuery, isolation: Isolation): OffsetAnswer {
    const { log } = this.#engine.partition(query)
    const { topic, partition, at } = query
    const end = isolation === 'read-committed' ? log.lastStableOffset : log.highWatermark
    if (at === 'earliest') return { topic, partition, offset: log.logStartOffset, timestamp: -1 }
    if (at === 'latest') return { topic, partition, offset: end, timestamp: -1 }
    const found = log.offsetForTimestamp(at, isolation)
    return { topic, partition, offset: found?.offset ?? -1, timestamp: found?.timestamp ?? -1 }
  }

  async deleteRecords(target: TopicPartition & { readonly beforeOffset: number }): Promise<TopicPartition & { readonly logStartOffset: number }> {
    const { topic, partition, log } = this.#engine.partition(target)
    if (!log.config.cleanup.delete) {
      const message = `records of ${topic} cannot be deleted by offset: its cleanup.policy does not contain 'delete'; write tombstones, or change the policy`
      throw new StreamError('POLICY_VIOLATION', message, { details: { topic } })
    }
    const end = log.highWatermark
    if (target.beforeOffset < -1 || target.beforeOffset > end) {
      const message = `records of ${topic}-${partition} before offset ${target.beforeOffset} cannot be deleted: the log holds ${log.logStartOffset} to ${end}`
      throw new StreamError('OFFSET_OUT_OF_RANGE', message, { details: { topic, partition, offset: target.beforeOffset } })
    }
    return { topic, partition, logStartOffset: await log.deleteRecordsBefore(target.beforeOffset) }
  }

  /** Logs first, then the catalog in one change: a crash between leaves directories that nobody knows, and the next creation clears. */
  async #create(specs: readonly TopicSpec[]): Promise<void> {
    const created = new Map<string, CatalogTopic>()
    try {
      for (const spec of specs) created.set(spec.topic, this.#validated(spec, created))
    } finally {
      const topics = [...created.values()]
      if (topics.length > 0) await this.#add(topics.flatMap((topic) => partitionsFrom(topic, 0)), topics)
    }
  }

  /** When the catalog cannot take them, none of the partitions stays open. */
  async #add(partitions: readonly NewPartition[], topics: readonly CatalogTopic[]): Promise<void> {
    try {
      await this.#openPartitions(partitions)
      await this.#engine.catalog.put(topics)
    } catch (error) {
      await this.#engine.abandonPartitions(partitions.map(({ topic, partition }) => ({ topic: topic.topic, partition }))).catch(() => undefined)
      throw error
    }
  }

  #validated(spec: TopicSpec, created: ReadonlyMap<string, CatalogTopic>): CatalogTopic {
    const { topic, partitions = 1, replicationFactor = 1, configs = {} } = spec
    validateTopicName(topic)
    const existing = this.#engine.catalog.topics
    if (existing.has(topic) || created.has(topic)) throw new StreamError('TOPIC_ALREADY_EXISTS', `Topic '${topic}' already exists.`, { details: { topic } })
    for (const known of [existing, created]) checkCollision(topic, known.keys())
    if (replicationFactor !== 1 && !(this.#clampReplicas && Number.isInteger(replicationFactor) && replicationFactor > 1)) {
      const message = `topic '${topic}': replication factor ${replicationFactor} is not possible on the embedded engine, which keeps one copy: replication is what the Kafka backend is for. Use 1, or open the directory with clampReplicas (on the console: --clamp-replicas), which makes it 1`
      throw new StreamError('INVALID_REPLICATION_FACTOR', message, { details: { topic } })
    }
    checkPartitions(topic, partitions)
    return { topic, topicId: randomTopicId(this.#engine.random), partitions, configs: this.#validConfigs(configs) }
  }

  #changed(topic: CatalogTopic, change: TopicChange): CatalogTopic {
    const configs = { ...topic.configs }
    for (const [config, value] of Object.entries(change.configs ?? {})) {
      if (value === null) delete configs[config]
      else configs[config] = value
    }
    const valid = this.#validConfigs(configs)
    return { ...topic, configs: valid, partitions: grownTo(topic, change.partitions) }
  }

  #validConfigs(configs: Readonly<Record<string, string>>): TopicConfigs {
    return validateTopicConfigs(this.#clampReplicas ? clampReplicas(configs) : configs)
  }

  async #openPartitions(partitions: readonly NewPartition[]): Promise<void> {
    for (let at = 0; at < partitions.length; at += openingAtOnce) {
      await allEnded(partitions.slice(at, at + openingAtOnce).map(async ({ topic, partition }) => {
        this.#engine.clearLeftOver(topic.topic, partition)
        return this.#engine.openPartition(topic, partition)
      }))
    }
  }

  /** Nothing is changed any more once this resolves: what has begun ends first, what waits for its turn is refused. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#lastChange
  }

  #inOrder<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(() => {
      if (this.#isClosed) throw new StreamError('CLOSED', 'the broker is closed')
      return change()
    })
    this.#lastChange = result.catch(() => undefined)
    return result
  }
}

interface NewPartition {
  readonly topic: CatalogTopic
  readonly partition: number
}

function partitionsFrom(topic: CatalogTopic, first: number): readonly NewPartition[] {
  return Array.from({ length: topic.partitions - first }, (_, index) => ({ topic, partition: first + index }))
}

function checkPartitions(topic: string, partitions: number): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= maxPartitions) return
  throw new StreamError('INVALID_PARTITIONS', `topic '${topic}': ${partitions} is not a number of partitions; give a whole number from 1 to ${maxPartitions}`, { details: { topic } })
}

function grownTo(topic: CatalogTopic, partitions: number | undefined): number {
  if (partitions === undefined) return topic.partitions
  checkPartitions(topic.topic, partitions)
  if (partitions > topic.partitions) return partitions
  const problem = partitions === topic.partitions ? `Topic already has ${partitions} partition(s).` : `The topic ${topic.topic} currently has ${topic.partitions} partition(s); ${partitions} would not be an increase.`
  throw new StreamError('INVALID_PARTITIONS', problem, { details: { topic: topic.topic } })
}
