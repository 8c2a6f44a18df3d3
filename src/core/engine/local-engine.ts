import type { Clock } from '../clock.ts'
import type { FileSystem } from '../log/file-system.ts'
import { RecordBatchView, batchHeaderBytes } from '../log/record-batch.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { Random } from '../random.ts'
import type { Isolation, OffsetQuery, TopicChange, TopicSpec } from '../broker.ts'
import { StreamError } from '../errors.ts'
import type { TopicPartition } from '../record.ts'
import type {
  AppendAnswer, AppendRequest, CommitRequest, EndTransactionRequest, EngineApi, FetchOffsetsRequest, FetchRequest, InitProducerRequest, JoinRequest,
  MemberEvent, MemberStatus, SyncRequest, TransactionOffsetsRequest, WatchRequest,
} from './engine-api.ts'
import { fetch } from './fetch.ts'
import { GroupCoordinator } from './group-coordinator.ts'
import { Housekeeping } from './housekeeping.ts'
import { InternalTopic } from './internal-topic.ts'
import { LogEngine } from './log-engine.ts'
import { collectMetrics } from './log-metrics.ts'
import type { LogMetric } from './log-metrics.ts'
import { OffsetStore } from './offset-store.ts'
import type { Partition } from './partition.ts'
import { ProducerIds } from './producer-ids.ts'
import { TopicManager, isInternalTopic, offsetsTopic, transactionsTopic } from './topic-manager.ts'
import { TransactionCoordinator } from './transaction-coordinator.ts'
import type { ProducerIdentity } from './transaction-state.ts'

export interface LocalEngineOptions {
  readonly directory: string
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly random: Random
  /** Of `__consumer_offsets` and `__transaction_state`, when they are created. */
  readonly internalTopicPartitions: number
  /** How long the offsets of a group without members are kept. */
  readonly offsetsRetentionMs: number
  /** Default false: topics with more than one replica are refused. */
  readonly clampReplicas?: boolean
}

/** Kafka's `log.retention.check.interval.ms`, `log.cleaner.backoff.ms`, `transactional.id.expiration.ms` and `producer.id.expiration.ms`. */
const housekeepingIntervalMs = 300_000
const cleaningIntervalMs = 15_000
const transactionalIdRetentionMs = 7 * 86_400_000
const producerRetentionMs = 86_400_000
/** Only what is behind the active segment is compacted, and all of a coordinator's topic is read at start: so its segments are small. */
const internalSegmentBytes = 8 * 1024 * 1024

/** Lets appends and reads that wait go first. */
function turnOfOthers(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/**
 * The engine of this process: logs, topics and both coordinators behind one interface. The parts are there for those who
 * speak Kafka's requests, which ask for more than the seam does.
 */
export class LocalEngine implements EngineApi {
  readonly log: LogEngine
  readonly topics: TopicManager
  readonly #producerIds: ProducerIds
  readonly #offsets: OffsetStore
  readonly offsetsTopic: InternalTopic
  readonly groups: GroupCoordinator
  readonly transactions: TransactionCoordinator
  readonly #housekeeping: Housekeeping
  readonly #cleaning: Housekeeping
  #closing: Promise<void> | null = null

  private constructor(log: LogEngine, options: LocalEngineOptions) {
    this.log = log
    this.topics = new TopicManager(log, { clampReplicas: options.clampReplicas ?? false })
    this.#producerIds = new ProducerIds(log.catalog)
    this.offsetsTopic = new InternalTopic(log, this.topics, compactedTopic(offsetsTopic, options.internalTopicPartitions))
    this.#offsets = new OffsetStore(this.offsetsTopic, (topic) => topicIdBytes(log, topic))
    this.groups = new GroupCoordinator({ clock: options.clock, random: options.random, topic: this.offsetsTopic, offsets: this.#offsets })
    const transactionsLog = new InternalTopic(log, this.topics, compactedTopic(transactionsTopic, options.internalTopicPartitions))
    this.transactions = new TransactionCoordinator({ engine: log, topic: transactionsLog, offsets: this.#offsets, producerIds: this.#producerIds })
    this.#housekeeping = new Housekeeping(options.clock, housekeepingIntervalMs, [
      () => this.groups.expireOffsets(options.offsetsRetentionMs),
      () => this.transactions.expireIds(transactionalIdRetentionMs),
      () => this.#eachLog(async (log) => {
        log.expireProducers(producerRetentionMs)
        await log.applyRetention()
      }),
    ])
    this.#cleaning = new Housekeeping(options.clock, cleaningIntervalMs, [
      () => this.#eachLog(async (log) => {
        if (log.config.cleanup.compact) await log.compact(turnOfOthers)
      }),
    ])
  }

  /** One after the other; a log that fails does not keep the others from their turn. */
  async #eachLog(run: (log: PartitionLog) => Promise<void>): Promise<void> {
    for (const { log } of [...this.log.allPartitions()]) {
      if (this.#closing !== null) return
      if (log.failure === null) await run(log).catch(() => undefined)
      await turnOfOthers()
    }
  }

  /** Locks the directory, recovers the logs, then the coordinators from their topics: offsets and groups first, because ending a transaction settles offsets. */
  static async open(options: LocalEngineOptions): Promise<LocalEngine> {
    const log = await LogEngine.open(options)
    try {
      const engine = new LocalEngine(log, options)
      engine.offsetsTopic.replay((batch) => engine.#offsets.replay(batch, (groupId, value, kind) => engine.groups.restore(groupId, value, kind)))
      engine.groups.startSessions()
      await engine.transactions.recover()
      return engine
    } catch (error) {
      await log.close().catch(() => undefined)
      throw error
    }
  }

  metrics(): readonly LogMetric[] {
    return collectMetrics(this)
  }

  /** Open transactions are aborted, waiting calls end, everything is made durable, the directory is given back. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.all([this.#housekeeping.close(), this.#cleaning.close()])
    this.groups.close()
    await this.transactions.close().catch(() => undefined)
    await this.topics.close()
    await this.log.close()
  }

  // ---------------------------------------------------------------------------------------------------- topics

  async createTopics(specs: readonly TopicSpec[]) {
    this.#checkOpen()
    await this.topics.create(specs)
  }

  async listTopics({ includeInternal }: { readonly includeInternal: boolean }) {
    this.#checkOpen()
    return this.topics.list(includeInternal)
  }

  async describeTopics(topics: readonly string[]) {
    this.#checkOpen()
    return topics.map((topic) => this.topics.describe(topic))
  }

  async removeTopics(topics: readonly string[]) {
    this.#checkOpen()
    await this.topics.remove(topics, (topic) => this.#offsets.removeTopic(topic))
  }

  async alterTopic(topic: string, change: TopicChange) {
    this.#checkOpen()
    await this.topics.alter(topic, change)
  }

  async listOffsets(queries: readonly OffsetQuery[], isolation: Isolation) {
    this.#checkOpen()
    return queries.map((query) => this.topics.listOffset(query, isolation))
  }

  async deleteRecords(targets: readonly (TopicPartition & { readonly beforeOffset: number })[]) {
    this.#checkOpen()
    return Promise.all(targets.map((target) => this.topics.deleteRecords(target)))
  }

  async partitionCounts(topics: readonly string[]) {
    this.#checkOpen()
    return this.#partitionCounts(topics)
  }

  #partitionCounts(topics: readonly string[]): ReadonlyMap<string, number> {
    const known = topics.flatMap((name) => this.log.catalog.topics.get(name) ?? [])
    return new Map(known.map(({ topic, partitions }) => [topic, partitions]))
  }

  // ---------------------------------------------------------------------------------------------------- producing

  async initProducer(request: InitProducerRequest): Promise<ProducerIdentity> {
    this.#checkOpen()
    const { transactionalId } = request
    if (transactionalId === null) return { producerId: await this.#producerIds.next(), producerEpoch: 0 }
    return this.transactions.init({ ...request, transactionalId })
  }

  append(request: AppendRequest): Promise<AppendAnswer> {
    this.#checkOpen()
    this.#pokeHousekeeping()
    const partition = this.#writablePartition(request)
    if (request.transactionalId !== null) this.transactions.addPartition(request.transactionalId, producerOf(request.bytes), request)
    const sizeBytes = request.bytes.length
    if (request.transactionalId === null && request.acknowledge === 'durable') {
      return partition.append(request.bytes).then((result) => {
        countIn(partition, request.recordCount, sizeBytes)
        return result
      })
    }
    const result = partition.log.append(request.bytes, request.isKeyed ? 'keyed-builder' : 'builder')
    countIn(partition, request.recordCount, sizeBytes)
    if (request.acknowledge === 'written') return partition.acknowledge('written', sizeBytes).then(() => result)
    partition.acknowledgeLater(sizeBytes)
    return Promise.resolve(result)
  }

  /**
   * One batch as a client of the wire protocol sent it: checked from the first byte to the last. Its partition must be part of
   * the transaction already, or with `addsPartition` (transactions of version 2, KIP-890) becomes it.
   * @throws as `PartitionLog.append`, and INVALID_TOPIC, INVALID_TXN_STATE, INVALID_PRODUCER_EPOCH
   */
  async appendFromClient(request: Omit<AppendRequest, 'recordCount' | 'isKeyed' | 'acknowledge'> & { readonly addsPartition?: boolean }): Promise<AppendAnswer> {
    this.#checkOpen()
    const { bytes, transactionalId } = request
    const partition = this.#writablePartition(request)
    const isTransactional = bytes.length >= batchHeaderBytes && new RecordBatchView(bytes).isTransactional
    if (isTransactional && transactionalId !== null) {
      this.transactions.checkEpoch(transactionalId, producerOf(bytes))
      if (request.addsPartition === true) this.transactions.addPartition(transactionalId, producerOf(bytes), request)
      else this.transactions.checkPartition(transactionalId, producerOf(bytes), request)
    }
    const { baseOffset, logAppendTime } = partition.log.append(bytes, 'client')
    countIn(partition, new RecordBatchView(bytes).recordCount, bytes.length)
    await partition.acknowledge('durable', bytes.length)
    return { baseOffset, logAppendTime }
  }

  #writablePartition(target: TopicPartition): Partition {
    if (isInternalTopic(target.topic)) throw new StreamError('INVALID_TOPIC', `${target.topic} is internal; only the engine writes to it`)
    return this.log.partition(target)
  }

  async commitTransactionOffsets({ transactionalId, producer, group, offsets }: TransactionOffsetsRequest): Promise<void> {
    this.#checkOpen()
    await this.offsetsTopic.ensure()
    this.transactions.addPartition(transactionalId, producer, this.offsetsTopic.partitionFor(group.groupId))
    this.groups.checkTransactionCommit(group)
    this.#offsets.commitInTransaction(group.groupId, producer, offsets, this.log.clock.now())
  }

  async endTransaction(request: EndTransactionRequest): Promise<ProducerIdentity> {
    this.#checkOpen()
    return this.transactions.end(request)
  }

  releaseProducer(transactionalId: string, producer: ProducerIdentity): void {
    if (this.#closing === null) this.transactions.release(transactionalId, producer).catch(() => undefined)
  }

  // ---------------------------------------------------------------------------------------------------- reading

  async fetch(request: FetchRequest, signal?: AbortSignal) {
    this.#checkOpen()
    this.#pokeHousekeeping()
    return fetch(this.log, request, signal)
  }

  // ---------------------------------------------------------------------------------------------------- groups

  async joinGroup(request: JoinRequest, signal?: AbortSignal) {
    this.#checkOpen()
    return this.groups.join(request, signal)
  }

  async syncGroup(request: SyncRequest) {
    this.#checkOpen()
    return this.groups.sync(request)
  }

  watchMember(request: WatchRequest, signal: AbortSignal): Promise<MemberEvent> {
    this.#checkOpen()
    return new Promise((resolve) => {
      const finish = (event: MemberEvent) => {
        signal.removeEventListener('abort', stop)
        stopTopics()
        stopGroup()
        resolve(event)
      }
      const stop = () => finish('rejoin')
      let stopGroup = () => undefined as void
      const stopTopics = this.log.catalog.onChange(() => {
        if (this.#haveChanged(request)) finish('rejoin')
      })
      signal.addEventListener('abort', stop, { once: true })
      stopGroup = this.groups.watch(request, finish)
      if (signal.aborted || this.#haveChanged(request)) stop()
    })
  }

  #haveChanged({ topics, partitionCounts }: WatchRequest): boolean {
    if (partitionCounts === null) return false
    const now = this.#partitionCounts([...topics, ...partitionCounts.keys()])
    return now.size !== partitionCounts.size || [...now].some(([topic, count]) => partitionCounts.get(topic) !== count)
  }

  async memberStatus(groupId: string, memberId: string): Promise<MemberStatus> {
    this.#checkOpen()
    return this.groups.isMember(groupId, memberId) ? 'member' : 'removed'
  }

  async leaveGroup(groupId: string, memberId: string) {
    if (this.#closing === null) this.groups.leave(groupId, memberId)
  }

  async commitOffsets(request: CommitRequest) {
    this.#checkOpen()
    await this.groups.commit(request)
  }

  async fetchOffsets(request: FetchOffsetsRequest, signal?: AbortSignal) {
    this.#checkOpen()
    return this.groups.fetchOffsets(request, signal)
  }

  async listGroups() {
    this.#checkOpen()
    return this.groups.list()
  }

  async describeGroup(groupId: string) {
    this.#checkOpen()
    return this.groups.describe(groupId)
  }

  async removeGroups(groupIds: readonly string[]) {
    this.#checkOpen()
    for (const groupId of groupIds) await this.groups.remove(groupId)
  }

  async removeOffsets(groupId: string, partitions: readonly TopicPartition[]) {
    this.#checkOpen()
    await this.groups.removeOffsets(groupId, partitions)
  }

  #pokeHousekeeping(): void {
    this.#housekeeping.poke()
    this.#cleaning.poke()
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new StreamError('CLOSED', 'the broker is closed')
  }
}

function countIn({ traffic }: Partition, records: number, bytes: number): void {
  traffic.recordsIn += records
  traffic.bytesIn += bytes
}

function compactedTopic(topic: string, partitions: number): TopicSpec {
  return { topic, partitions, configs: { 'cleanup.policy': 'compact', 'segment.bytes': String(internalSegmentBytes), 'compression.type': 'producer' } }
}

function topicIdBytes(log: LogEngine, topic: string): Uint8Array | null {
  const known = log.catalog.topics.get(topic)
  return known === undefined ? null : Buffer.from(known.topicId, 'base64url')
}

function producerOf(bytes: Uint8Array): ProducerIdentity {
  const { producerId, producerEpoch } = new RecordBatchView(bytes)
  return { producerId, producerEpoch }
}
