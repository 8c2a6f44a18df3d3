import type {
  Broker, ClusterDescription, GroupAdmin, GroupMember, GroupOptions, Producer, ProducerOptions, Reader, ReaderOptions, TopicAdmin,
} from '../broker.ts'
import type { Clock } from '../clock.ts'
import { StreamError, isStreamError } from '../errors.ts'
import type { Random } from '../random.ts'
import type { EmbeddedGroupMember } from './embedded-group-member.ts'
import { EmbeddedProducer } from './embedded-producer.ts'
import { EmbeddedReader } from './embedded-reader.ts'
import type { EngineApi } from './engine-api.ts'
import { validateGroupOptions, validateOffsetQueries, validateOffsets, validateProducerOptions, validateTarget, validateTopicChange, validateTopicNames, validateTopicSpecs } from '../validate.ts'

export interface BrokerClientContext {
  readonly clock: Clock
  readonly random: Random
  /** Lets the engine go, after everything that was opened here is closed. */
  closeEngine(): Promise<void>
}

/** The seam over an engine, wherever that is: checks arguments, and owns what was opened through it. */
export class BrokerClient implements Broker {
  readonly topics: TopicAdmin
  readonly groups: GroupAdmin
  readonly #engine: EngineApi
  readonly #context: BrokerClientContext
  readonly #open = new Set<() => Promise<void>>()
  #closing: Promise<void> | null = null

  constructor(engine: EngineApi, context: BrokerClientContext) {
    this.#engine = engine
    this.#context = context
    this.topics = topicAdmin(engine)
    this.groups = groupAdmin(engine)
  }

  /** For those that serve it to other threads. */
  get engine(): EngineApi {
    return this.#engine
  }

  async openProducer(options: ProducerOptions = {}): Promise<Producer> {
    this.#checkOpen()
    validateProducerOptions(options)
    const closed = new AbortController()
    const producer = await EmbeddedProducer.open(this.#engine, { ...this.#context, closed }, options)
    this.#own(() => producer.close(), closed.signal)
    return producer
  }

  async openReader(_options: ReaderOptions = {}): Promise<Reader> {
    this.#checkOpen()
    const closed = new AbortController()
    const reader = new EmbeddedReader(this.#engine, closed)
    this.#own(() => reader.close(), closed.signal)
    return reader
  }

  async joinGroup(options: GroupOptions): Promise<GroupMember> {
    this.#checkOpen()
    validateGroupOptions(options)
    // Assignors and the consumer protocol are for those who join a group.
    const { EmbeddedGroupMember } = await import('./embedded-group-member.ts')
    this.#checkOpen()
    const left = new AbortController()
    let member: EmbeddedGroupMember | undefined
    this.#own(() => (member === undefined ? Promise.resolve(left.abort()) : member.leave()), left.signal)
    try {
      member = await EmbeddedGroupMember.join(this.#engine, this.#context.clock, options, left)
      return member
    } catch (error) {
      left.abort()
      throw error
    }
  }

  async describeCluster(): Promise<ClusterDescription> {
    this.#checkOpen()
    return { clusterId: null, controller: 0, nodes: [{ nodeId: 0, address: null, rack: null }] }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((close) => close()))
    await this.#context.closeEngine()
  }

  /** Until it is closed, by whomever. */
  #own(close: () => Promise<void>, closed: AbortSignal): void {
    this.#open.add(close)
    closed.addEventListener('abort', () => void this.#open.delete(close), { once: true })
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new StreamError('CLOSED', 'the broker is closed')
  }
}

/** @throws UNSUPPORTED for a broker of another kind */
export function engineOf(broker: Broker): EngineApi {
  if (broker instanceof BrokerClient) return broker.engine
  throw new StreamError('UNSUPPORTED', 'only an embedded broker can be served to other threads; let each thread open its own client of a cluster')
}

function topicAdmin(engine: EngineApi): TopicAdmin {
  return {
    async create(topics) {
      validateTopicSpecs(topics)
      await engine.createTopics(topics)
    },
    list: async ({ includeInternal = false } = {}) => engine.listTopics({ includeInternal }),
    async describe(topics) {
      validateTopicNames(topics)
      return engine.describeTopics(topics)
    },
    async remove(topics) {
      validateTopicNames(topics)
      await engine.removeTopics(topics)
    },
    async alter(topic, change) {
      validateTopicChange(topic, change)
      await engine.alterTopic(topic, change)
    },
    async listOffsets(queries, { isolation = 'read-uncommitted' } = {}) {
      validateOffsetQueries(queries)
      return engine.listOffsets(queries, isolation)
    },
    async deleteRecords(targets) {
      for (const target of targets) validateTarget(target)
      return engine.deleteRecords(targets)
    },
  }
}

function groupAdmin(engine: EngineApi): GroupAdmin {
  return {
    list: async () => engine.listGroups(),
    describe: async (groupId) => engine.describeGroup(groupId),
    remove: async (groupIds) => engine.removeGroups(groupIds),
    async removeOffsets(groupId, partitions) {
      for (const target of partitions) validateTarget(target)
      await engine.removeOffsets(groupId, partitions)
    },
    async setOffsets(groupId, offsets) {
      validateOffsets(offsets)
      try {
        await engine.commitOffsets({ groupId, generation: -1, memberId: '', groupInstanceId: null, offsets })
      } catch (error) {
        if (!isStreamError(error, 'UNKNOWN_MEMBER_ID')) throw error
        throw new StreamError('NON_EMPTY_GROUP', `group '${groupId}' has members; stop them before its offsets are set`, { cause: error, details: { groupId } })
      }
    },
  }
}
