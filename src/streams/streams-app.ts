import { StreamError, brokerMetricFamilies, isStreamError, sleep } from '../core/index.ts'
import type { MetricFamily, TopicPartition } from '../core/index.ts'
import { metricsOf } from './app-metrics.ts'
import type { MeasuredThread, Metric } from './app-metrics.ts'
import { resolveConfig } from './config.ts'
import { diskOpener } from './disk-opener.ts'
import type { ResolvedConfig, StreamsConfig } from './config.ts'
import { LocalStores } from './local-stores.ts'
import type { StoreQueryType } from './local-stores.ts'
import type { ActiveTask } from './runtime/active-task.ts'
import { sourceTopicsInBroker } from './runtime/assignor.ts'
import { RepartitionPurge } from './runtime/repartition-purge.ts'
import { StreamThread } from './runtime/stream-thread.ts'
import { newThreadMetrics } from './runtime/thread-metrics.ts'
import type { ThreadMetrics } from './runtime/thread-metrics.ts'
import { batchLimits, setUpTopics } from './runtime/topic-setup.ts'
import type { ReadOnlyKeyValueStore } from './state/key-value-store.ts'
import type { OpenStore } from './state/open-store.ts'
import type { ReadOnlySessionStore } from './state/session-store.ts'
import type { ValueAndTimestamp } from './state/value-and-timestamp.ts'
import type { ReadOnlyVersionedStore } from './state/versioned-store.ts'
import type { ReadOnlyWindowStore } from './state/window-store.ts'
import { storeChanges } from './store-changes.ts'
import type { StoreChange } from './store-changes.ts'
import { keyMetadata, storeMetadata } from './store-metadata.ts'
import type { KeyMetadata, StoreMetadata } from './store-metadata.ts'
import { topicInBroker } from './topology/internal-topics.ts'
import type { StoreSpec } from './topology/node.ts'
import type { Topology } from './topology/topology.ts'

/**
 * ```
 *   CREATED ─start─▶ REBALANCING ◀──▶ RUNNING ─close─▶ PENDING_SHUTDOWN ─▶ NOT_RUNNING
 *                          └─────a failure─────▶ PENDING_ERROR ─▶ ERROR
 * ```
 * Names and meaning are those of KafkaStreams.State. REBALANCING includes the restoring of stores.
 */
export type StreamsState = 'CREATED' | 'REBALANCING' | 'RUNNING' | 'PENDING_SHUTDOWN' | 'NOT_RUNNING' | 'PENDING_ERROR' | 'ERROR'

export interface StreamsMetrics {
  /** Also those of repartition topics, on their second and further ways through the program. */
  readonly processedRecords: number
  /** Those that tasks took that read topics of the program, as opposed to its own repartition topics. */
  readonly inputRecords: number
  /** Left out: late, without a key where one is needed, or by an error policy. */
  readonly droppedRecords: number
  readonly commits: number
  /** Times that work since the last commit was thrown away and begun again. */
  readonly rollbacks: number
  /** StreamTasks that this instance runs at present. */
  readonly tasks: number
}

/** Runs a topology on a broker. One instance is one member of the group; several of one application id share the work. */
export class StreamsApp {
  readonly #topology: Topology
  readonly #config: ResolvedConfig
  readonly #metrics = newThreadMetrics()
  readonly #listeners = new Set<(state: StreamsState, before: StreamsState) => void>()
  #state: StreamsState = 'CREATED'
  #thread: StreamThread | null = null
  #finished: Promise<void> | null = null
  #failure: StreamError | null = null
  #commitWaiters: (() => void)[] = []
  #partitionCounts = new Map<string, number>()
  #startedAt = 0
  readonly #stores: LocalStores
  readonly #purge: RepartitionPurge

  /** @throws INVALID_CONFIG naming the key */
  constructor(topology: Topology, config: StreamsConfig) {
    this.#topology = topology
    this.#config = resolveConfig(config)
    const { applicationId, broker, clock, repartitionPurgeIntervalMs: intervalMs } = this.#config
    const topics = new Set(topology.repartitionTopics.map(({ name }) => topicInBroker(applicationId, topology, name)))
    this.#purge = new RepartitionPurge({ broker, clock, intervalMs, topics })
    this.#stores = new LocalStores({ topology, problem: () => this.#queryProblem(), open: (name) => this.#openStores(name) })
  }

  get applicationId(): string {
    return this.#config.applicationId
  }

  get topology(): Topology {
    return this.#topology
  }

  get state(): StreamsState {
    return this.#state
  }

  /** Calls back at every change of state, with the state before. The function given back ends that. */
  onStateChange(listener: (state: StreamsState, before: StreamsState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Creates internal topics, joins the group, and begins to process; resolves once the first tasks are assigned (stores may
   * still be restoring). @throws UNKNOWN_TOPIC_OR_PARTITION with the command that creates what is missing, TOPOLOGY_INVALID
   */
  async start(): Promise<void> {
    if (this.#state !== 'CREATED') throw new StreamError('INVALID_ARGUMENT', `this application is ${this.#state}; an application starts once, make a new one`)
    this.#setState('REBALANCING')
    this.#startedAt = this.#config.clock.monotonic()
    const { broker, applicationId, deadLetterTopic, additionalRetentionMs } = this.#config
    try {
      this.#partitionCounts = await setUpTopics(broker, { applicationId, topology: this.#topology, deadLetterTopic, additionalRetentionMs })
      this.#thread = new StreamThread({
        name: 'thread-1',
        topology: this.#topology,
        config: this.#config,
        partitionCounts: this.#partitionCounts,
        metrics: this.#metrics,
        onState: (state) => this.#setState(state === 'running' ? 'RUNNING' : 'REBALANCING'),
        onCommit: () => {
          this.#wakeWaiters()
          this.#purge.afterCommit(this.#tasks.flatMap(({ inputs }) => inputs))
        },
        openDisk: await diskOpener(this.#config),
        batchLimits: await batchLimits(broker, this.#topology, applicationId),
      })
      await this.#thread.start()
    } catch (error) {
      this.#fail(error)
      throw error
    }
    this.#finished = this.#run(this.#thread)
    this.#finished.catch(() => {})
  }

  /** Resolves after `close`, or rejects with the failure that ended the application. */
  async finished(): Promise<void> {
    if (this.#finished === null) throw new StreamError('INVALID_ARGUMENT', 'the application was not started')
    await this.#finished
  }

  /** Processes what it is at, commits, leaves the group. Safe to call twice. @throws the failure, if one ended the application */
  async close(): Promise<void> {
    if (this.#state === 'CREATED') this.#setState('NOT_RUNNING')
    if (this.#finished === null) return
    if (this.#failure === null) this.#setState('PENDING_SHUTDOWN')
    this.#thread!.stop()
    await this.#finished
  }

  /**
   * Resolves when all input that was there at the time of the call, and all that followed from it between the parts of the
   * topology, is processed and committed, by this instance or others. @throws the failure that ended the application; CLOSED
   */
  async caughtUp(): Promise<void> {
    const targets = await this.#ends(this.#topics())
    for (;;) {
      await this.#committedUpTo(targets)
      const ends = await this.#ends(this.#topology.repartitionTopics.map(({ name }) => topicInBroker(this.#config.applicationId, this.#topology, name)))
      if ((await this.#behind(ends)).length === 0) return
      for (const [key, end] of ends) targets.set(key, end)
    }
  }

  metrics(): StreamsMetrics {
    const tasks = this.#thread?.tasks ?? []
    const dropped = tasks.reduce((sum, { task }) => sum + task.droppedRecords, this.#metrics.droppedRecords)
    return { ...this.#metrics, droppedRecords: dropped, tasks: tasks.length }
  }

  /** Everything that is measured, under the names of Kafka Streams: of the client, the thread, tasks, topics and stores. See `prometheusText`. */
  metricValues(): readonly Metric[] {
    const { applicationId, instanceId, clock } = this.#config
    return metricsOf({
      applicationId, instanceId, state: this.#state, hasFailed: this.#failure !== null, now: clock.monotonic(), startedAt: this.#startedAt,
      thread: this.#thread === null ? null : measured(this.#thread, this.#metrics),
    })
  }

  /** What an embedded broker's engine counts: traffic, sizes, offsets and lag. Nothing for a cluster, whose nodes tell that. */
  brokerMetrics(): readonly MetricFamily[] {
    return brokerMetricFamilies(this.#config.broker)
  }

  /**
   * A store of this instance, for reading; it stays good over rebalances. Rows of all partitions that this instance has, one
   * partition after the other. What is read is what was processed: at most a commit interval ahead of what readers of the
   * results see, and undone with it after a failure; behind the input by what `records-lag` says.
   * @throws INVALID_ARGUMENT for an unknown name or type; every question throws STORE_NOT_AVAILABLE while stores are restored or move
   */
  store<K, V>(name: string, type?: 'key-value'): ReadOnlyKeyValueStore<K, V>
  store<K, V>(name: string, type: 'timestamped-key-value'): ReadOnlyKeyValueStore<K, ValueAndTimestamp<V>>
  store<K, V>(name: string, type: 'window'): ReadOnlyWindowStore<K, V>
  store<K, V>(name: string, type: 'timestamped-window'): ReadOnlyWindowStore<K, ValueAndTimestamp<V>>
  store<K, V>(name: string, type: 'session'): ReadOnlySessionStore<K, V>
  store<K, V>(name: string, type: 'versioned'): ReadOnlyVersionedStore<K, V>
  store(name: string, type: StoreQueryType = 'key-value'): unknown {
    switch (type) {
      case 'key-value': return this.#stores.keyValue(name)
      case 'timestamped-key-value': return this.#stores.timestampedKeyValue(name)
      case 'window': return this.#stores.window(name)
      case 'timestamped-window': return this.#stores.timestampedWindow(name)
      case 'session': return this.#stores.session(name)
      case 'versioned': return this.#stores.versioned(name)
    }
  }

  /**
   * Committed changes of a store from now on, of all partitions, wherever they are processed. Ends with the signal.
   * @throws INVALID_ARGUMENT for an unknown store, and one without a changelog
   */
  storeChanges(name: string, signal: AbortSignal): AsyncIterable<StoreChange> {
    const { broker, applicationId } = this.#config
    const spec = this.#stores.specOf(name)
    return storeChanges({ broker, applicationId, spec, signal })
  }

  /** How a store is declared. @throws INVALID_ARGUMENT for an unknown name */
  storeSpec(name: string): StoreSpec {
    return this.#stores.specOf(name)
  }

  /** Every store of the topology that can be asked, and the partitions of it that this instance has. */
  storeMetadata(): readonly StoreMetadata[] {
    return storeMetadata(this.#topology, this.#tasks)
  }

  /** Which instance has a key of a store at present, from the group's assignment. @throws INVALID_ARGUMENT */
  async keyMetadata(store: string, key: unknown): Promise<KeyMetadata> {
    const { applicationId, broker } = this.#config
    const spec = this.#stores.specOf(store)
    return keyMetadata(key, {
      spec, applicationId, topology: this.#topology, partitionCounts: this.#partitionCounts,
      ownTasks: this.#tasks.map(({ task }) => task.taskId), group: await broker.groups.describe(applicationId),
    })
  }

  get #tasks(): readonly ActiveTask[] {
    return this.#thread?.tasks ?? []
  }

  #openStores(name: string): readonly OpenStore[] {
    const global = this.#thread?.globalStores.get(name)
    return global === undefined ? this.#tasks.flatMap(({ task }) => task.stores.get(name) ?? []) : [global]
  }

  #queryProblem(): string | null {
    if (this.#state !== 'RUNNING' && this.#state !== 'REBALANCING') return `the application is ${this.#state}`
    const restoring = this.#tasks.filter(({ task }) => this.#thread!.isRestoring(task.taskId))
    return restoring.length === 0 ? null : `stores of ${restoring.map(({ task }) => task.taskId).join(', ')} are still being restored; ask again`
  }

  async #run(thread: StreamThread): Promise<void> {
    try {
      await thread.run()
      this.#setState('NOT_RUNNING')
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      await this.#purge.close()
      this.#wakeWaiters()
    }
  }

  #fail(error: unknown): void {
    this.#failure = isStreamError(error) ? error : new StreamError('PROCESSING_FAILED', String(error), { cause: error })
    this.#setState('PENDING_ERROR')
    this.#setState('ERROR')
  }

  #setState(state: StreamsState): void {
    const before = this.#state
    // After the end has begun, what threads still report is of no interest.
    const isEnding = before === 'PENDING_SHUTDOWN' || before === 'NOT_RUNNING' || before === 'PENDING_ERROR' || before === 'ERROR'
    if (before === state || (isEnding && (state === 'RUNNING' || state === 'REBALANCING'))) return
    this.#state = state
    for (const listener of this.#listeners) listener(state, before)
  }

  // -------------------------------------------------------------------------------------------- progress

  #topics(): readonly string[] {
    const parts = this.#topology.subTopologies.map((part) => sourceTopicsInBroker(this.#topology, this.#config.applicationId, part, this.#partitionCounts))
    return [...new Set(parts.flat())]
  }

  async #ends(topics: readonly string[]): Promise<Map<TopicPartition, number>> {
    const queries = topics.flatMap((topic) => Array.from({ length: this.#partitionCounts.get(topic) ?? 0 }, (_, partition) => ({ topic, partition, at: 'latest' as const })))
    // What was committed a moment ago may not be below the last stable offset yet.
    const answers = await this.#config.broker.topics.listOffsets(queries, { isolation: 'read-uncommitted' })
    const starts = await this.#config.broker.topics.listOffsets(queries.map((query) => ({ ...query, at: 'earliest' as const })))
    return new Map(answers.flatMap(({ topic, partition, offset }, index) => (offset > starts[index]!.offset ? [[{ topic, partition }, offset] as const] : [])))
  }

  async #committedUpTo(targets: ReadonlyMap<TopicPartition, number>): Promise<void> {
    while ((await this.#behind(targets)).length > 0) {
      if (this.#failure !== null) throw this.#failure
      if (this.#state === 'NOT_RUNNING' || this.#state === 'CREATED') throw new StreamError('CLOSED', `the application is ${this.#state}; it makes no progress`)
      await this.#nextCommit()
    }
  }

  async #behind(targets: ReadonlyMap<TopicPartition, number>): Promise<readonly TopicPartition[]> {
    const { offsets } = await this.#config.broker.groups.describe(this.#config.applicationId)
    const behind = [...targets].filter(([{ topic, partition }, end]) => {
      const committed = offsets.find((offset) => offset.topic === topic && offset.partition === partition)
      return (committed?.offset ?? 0) < end
    })
    // Retention may have taken meanwhile what was waited for.
    const starts = await this.#config.broker.topics.listOffsets(behind.map(([target]) => ({ ...target, at: 'earliest' as const })))
    return behind.filter(([, end], index) => starts[index]!.offset < end).map(([partition]) => partition)
  }

  /** The next commit here, or a moment, in which another instance may have committed. */
  async #nextCommit(): Promise<void> {
    const wait = new AbortController()
    const committed = new Promise<void>((resolve) => this.#commitWaiters.push(resolve))
    await Promise.race([committed, sleep(this.#config.clock, 100, wait.signal)])
    wait.abort()
  }

  #wakeWaiters(): void {
    const waiters = this.#commitWaiters
    this.#commitWaiters = []
    for (const wake of waiters) wake()
  }
}

function measured(thread: StreamThread, metrics: ThreadMetrics): MeasuredThread {
  return { name: thread.name, metrics, tasks: thread.tasks, produced: thread.produced, isRestoring: (taskId) => thread.isRestoring(taskId) }
}
