import { StreamError, brokerMetricFamilies } from '../core/index.ts'
import type { MetricFamily, UnsyncedDirectory } from '../core/index.ts'
import { metricsOf } from './app-metrics.ts'
import type { Metric } from './app-metrics.ts'
import { AppProgress } from './app-progress.ts'
import { resolveConfig } from './config.ts'
import type { FailureDecision, ResolvedConfig, StreamsConfig } from './config.ts'
import { openState } from './disk-opener.ts'
import { LocalStores, unavailable } from './local-stores.ts'
import type { StoreQueryOptions, StoreQueryType } from './local-stores.ts'
import { asStreamError, withAdvice } from './runtime/failure.ts'
import { consumerClientId } from './runtime/member-data.ts'
import { RepartitionPurge } from './runtime/repartition-purge.ts'
import { newThreadMetrics } from './runtime/thread-metrics.ts'
import { setUpTopics } from './runtime/topic-setup.ts'
import type { ReadOnlyKeyValueStore } from './state/key-value-store.ts'
import type { ReadOnlySessionStore } from './state/session-store.ts'
import type { ValueAndTimestamp } from './state/value-and-timestamp.ts'
import type { ReadOnlyVersionedStore } from './state/versioned-store.ts'
import type { ReadOnlyWindowStore } from './state/window-store.ts'
import { storeChanges } from './store-changes.ts'
import type { StoreChange } from './store-changes.ts'
import { behind, keyMetadata, positionOf, storeMetadata } from './store-metadata.ts'
import type { KeyMetadata, StoreMetadata } from './store-metadata.ts'
import type { AppThread, StandbySummary, TaskSummary } from './threads/app-thread.ts'
import { AppThreads } from './threads/app-threads.ts'
import { threadOpener } from './threads/thread-opener.ts'
import { topicInBroker } from './topology/internal-topics.ts'
import type { StoreSpec } from './topology/node.ts'
import { checkTopology } from './topology/topology.ts'
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
  /** Those that tasks took that read topics of the program, as opposed to its own repartition topics; also those left out at once, as no value of their topic. */
  readonly inputRecords: number
  /** Left out: late, without a key where one is needed, or by an error policy. */
  readonly droppedRecords: number
  readonly commits: number
  /** Times that work since the last commit was thrown away and begun again. */
  readonly rollbacks: number
  /** StreamTasks that this instance runs at present. */
  readonly tasks: number
}

/**
 * Runs a topology on a broker, in one or more stream threads. Each is a member of the group; several instances of one
 * application id share the work.
 */
export class StreamsApp {
  readonly #topology: Topology
  readonly #config: ResolvedConfig
  readonly #listeners = new Set<(state: StreamsState, before: StreamsState) => void>()
  #state: StreamsState = 'CREATED'
  #isPaused = false
  #threads: AppThreads | null = null
  #stateFiles: UnsyncedDirectory | null = null
  #started: Promise<void> | null = null
  #finished: Promise<void> | null = null
  #failure: StreamError | null = null
  /** Why this instance asked that the whole application ends. */
  #shutdownCause: StreamError | null = null
  #partitionCounts = new Map<string, number>()
  readonly #stores: LocalStores
  readonly #purge: RepartitionPurge
  readonly #progress: AppProgress

  /** @throws INVALID_CONFIG naming the key */
  constructor(topology: Topology, config: StreamsConfig) {
    checkTopology(topology, 'StreamsApp')
    this.#topology = topology
    this.#config = resolveConfig(config)
    const { applicationId, broker, clock, repartitionPurgeIntervalMs: intervalMs } = this.#config
    const topics = new Set(topology.repartitionTopics.map(({ name }) => topicInBroker(applicationId, topology, name)))
    this.#purge = new RepartitionPurge({ broker, clock, intervalMs, topics })
    this.#stores = new LocalStores({ topology, problem: () => this.#queryProblem(false), views: (name) => this.#storeViews(name, false) })
    this.#progress = new AppProgress({ topology, broker, applicationId, clock, partitionCounts: () => this.#partitionCounts, problem: () => this.#progressProblem(), commitWhenIdle: () => this.#threads?.commitWhenIdle() })
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

  /** The machine may have lost a part of the state directory, in a power cut: all stores are filled anew from their changelogs. */
  get stateWasDiscarded(): boolean {
    return this.#stateFiles?.wasDiscarded ?? false
  }

  /** Calls back at every change of state, with the state before; a callback that throws ends the application. The function given back ends that. */
  onStateChange(listener: (state: StreamsState, before: StreamsState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Creates internal topics, joins the group, and begins to process; resolves once the first tasks are assigned (stores may
   * still be restoring), or when `close` was called meanwhile and the application has ended. @throws UNKNOWN_TOPIC_OR_PARTITION with the command that creates what is missing, TOPOLOGY_INVALID
   */
  async start(): Promise<void> {
    if (this.#state !== 'CREATED') throw new StreamError('INVALID_ARGUMENT', `this application is ${this.#state}; an application starts once, make a new one`)
    this.#setState('REBALANCING')
    this.#started = this.#startThreads()
    await this.#started
  }

  async #startThreads(): Promise<void> {
    try {
      await this.#setUp()
      this.#throwFailure()
      if (this.#isClosing) this.#threads!.stop()
      else await this.#threads!.start(this.#config.threads)
    } catch (error) {
      await this.#stateFiles?.close()
      this.#fail(error)
      throw error
    }
    this.#finished = this.#untilFinished(this.#threads!)
    this.#finished.catch(() => {})
    if (this.#isClosing) await this.#finished
  }

  get #isClosing(): boolean {
    return this.#state === 'PENDING_SHUTDOWN'
  }

  async #setUp(): Promise<void> {
    const { broker, applicationId, deadLetterTopic, additionalRetentionMs, clock } = this.#config
    this.#stateFiles = await openState(this.#config)
    this.#partitionCounts = await setUpTopics(broker, { applicationId, topology: this.#topology, deadLetterTopic, additionalRetentionMs })
    const config = { ...this.#config, onFailure: (failure: StreamError) => this.#decide(failure) }
    const open = await threadOpener({ config, topology: this.#topology, partitionCounts: this.#partitionCounts })
    this.#threads = new AppThreads({
      clock,
      decide: (failure) => this.#decide(failure),
      onState: (state) => this.#setState(state === 'running' ? 'RUNNING' : 'REBALANCING'),
      open: (index, onState, asksShutdown) => open(index, {
        onState,
        onCommit: () => {
          this.#progress.noteCommit()
          this.#purge.afterCommit(this.#tasks.flatMap(({ inputs }) => inputs))
        },
        onShutdownAsked: () => this.#threads!.end(this.#shutdownCause ?? shutdownRequested(applicationId)),
        onPartitions: (counts) => { for (const [topic, count] of counts) this.#partitionCounts.set(topic, count) },
      }, asksShutdown),
    })
    if (this.#isPaused) this.#threads.pause()
  }

  /** Starts one more thread, and resolves with its name when it has its first tasks. Needs `topologyModule`. @throws INVALID_CONFIG, CLOSED, what prevents the start: the other threads go on */
  async addThread(): Promise<string> {
    if (this.#config.topologyModule === null) throw new StreamError('INVALID_CONFIG', 'another thread loads the topology itself: say with topologyModule which module exports it', { details: { key: 'topologyModule' } })
    return this.#open.add()
  }

  /**
   * Ends the thread that was started last, after a commit; resolves with its name, or null when there is none. The others take up its
   * tasks at once, or with `instanceId`, which makes threads static members, after `sessionTimeout`. @throws CLOSED
   */
  async removeThread(): Promise<string | null> {
    return this.#open.remove()
  }

  get #open(): AppThreads {
    if (this.#threads !== null && (this.#state === 'RUNNING' || this.#state === 'REBALANCING')) return this.#threads
    throw new StreamError('CLOSED', `the application is ${this.#state}`)
  }

  /** Resolves after `close`, or rejects with the failure that ended the application. */
  async finished(): Promise<void> {
    if (this.#started === null) throw new StreamError('INVALID_ARGUMENT', 'the application was not started')
    await this.#started
    await this.#finished
  }

  /** Processes what it is at, commits, leaves the group. Safe to call twice, and while it starts. @throws the failure, if one ended the application */
  async close(): Promise<void> {
    if (this.#state === 'CREATED') this.#setState('NOT_RUNNING')
    if (this.#started === null) return
    if (this.#state === 'REBALANCING' || this.#state === 'RUNNING') this.#setState('PENDING_SHUTDOWN')
    this.#threads?.stop()
    // What prevented a start, `start` says.
    await this.#started.catch(() => {})
    await this.#finished
  }

  /**
   * Lets this instance stand still: from the next turn of its threads on it processes, punctuates and restores nothing, and its
   * standby stores are not followed. It stays in the group and keeps its StreamTasks, what was processed is committed, global tables go
   * on, stores can be asked, and `state` stays what it is. Other instances are not told. Before `start`, it begins paused. `caughtUp`
   * waits meanwhile, and punctuators by the wall clock whose time came are called once after `resume`. Semantics: KIP-834.
   */
  pause(): void {
    this.#isPaused = true
    this.#threads?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#threads?.resume()
  }

  /** `pause` was called, and `resume` was not; what a thread is at may still go on for a moment. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /**
   * Resolves when all input that was there at the time of the call, and all that followed from it between the parts of the
   * topology, is processed and committed, by this instance or others, and this one is not REBALANCING, so that its stores can be asked. Where nothing
   * is left to process here, this instance commits without waiting for its interval. @throws the failure that ended the application; CLOSED
   */
  async caughtUp(): Promise<void> {
    await this.#progress.caughtUp()
    // A program that goes on from here asks stores: threads that have just joined may still divide them among themselves.
    while (this.#state === 'REBALANCING' && !this.#isPaused) await this.#stateChange()
  }

  metrics(): StreamsMetrics {
    const { processedRecords, inputRecords, droppedRecords, commits, rollbacks } = this.#threads?.metrics() ?? newThreadMetrics()
    return { processedRecords, inputRecords, droppedRecords, commits, rollbacks, tasks: this.#tasks.length }
  }

  /** Everything that is measured, under the names of Kafka Streams: of the client, threads, tasks, topics and stores. See `prometheusText`. */
  metricValues(): readonly Metric[] {
    const { applicationId, instanceId } = this.#config
    return metricsOf({
      applicationId, instanceId, state: this.#state,
      aliveThreads: this.#eachThread.length, failedThreads: this.#threads?.failedThreads ?? 0, threads: this.#threads?.metricValues() ?? [],
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
  store<K, V>(name: string, type?: 'key-value', options?: StoreQueryOptions): ReadOnlyKeyValueStore<K, V>
  store<K, V>(name: string, type: 'timestamped-key-value', options?: StoreQueryOptions): ReadOnlyKeyValueStore<K, ValueAndTimestamp<V>>
  store<K, V>(name: string, type: 'window', options?: StoreQueryOptions): ReadOnlyWindowStore<K, V>
  store<K, V>(name: string, type: 'timestamped-window', options?: StoreQueryOptions): ReadOnlyWindowStore<K, ValueAndTimestamp<V>>
  store<K, V>(name: string, type: 'session', options?: StoreQueryOptions): ReadOnlySessionStore<K, V>
  store<K, V>(name: string, type: 'versioned', options?: StoreQueryOptions): ReadOnlyVersionedStore<K, V>
  store(name: string, type: StoreQueryType = 'key-value', { stale = false, atLeast = [] }: StoreQueryOptions = {}): unknown {
    if (!stale && atLeast.length === 0) return this.#stores.open(name, type)
    const position = () => positionOf(name, this.#eachThread.flatMap((thread) => thread.tasksNow()))
    const problem = () => this.#queryProblem(stale) ?? (atLeast.length === 0 ? null : behind(atLeast, position()))
    return new LocalStores({ topology: this.#topology, problem, views: (store) => this.#storeViews(store, stale) }).open(name, type)
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
    return storeMetadata(this.#topology, this.#eachThread.flatMap((thread) => thread.tasksNow()), this.#standbys.tasks)
  }

  /** Which instance has a key of a store at present, from the group's assignment. @throws INVALID_ARGUMENT */
  async keyMetadata(store: string, key: unknown): Promise<KeyMetadata> {
    const { applicationId, broker, endpoint } = this.#config
    const spec = this.#stores.specOf(store)
    return keyMetadata(key, {
      ownClients: new Set(this.#eachThread.map(({ name }) => consumerClientId(name, endpoint))),
      spec, applicationId, topology: this.#topology, partitionCounts: this.#partitionCounts,
      ownTasks: this.#tasks.map(({ taskId }) => taskId), standbys: this.#standbys, group: await broker.groups.describe(applicationId),
    })
  }

  get #eachThread(): readonly AppThread[] {
    return this.#threads?.threads ?? []
  }

  get #tasks(): readonly TaskSummary[] {
    return this.#eachThread.flatMap(({ tasks }) => tasks)
  }

  get #standbys(): StandbySummary {
    const all = this.#eachThread.map((thread) => thread.standbysNow())
    return { tasks: all.flatMap(({ tasks }) => tasks), endpoints: new Map(all.flatMap(({ endpoints }) => [...endpoints])) }
  }

  #storeViews(name: string, stale: boolean): readonly unknown[] {
    const isGlobal = this.#topology.globalStores.some(({ store }) => store.name === name)
    const views = this.#eachThread.flatMap((thread) => thread.storeViews(name, stale))
    return isGlobal ? views.slice(0, 1) : views
  }

  #stateChange(): Promise<void> {
    return new Promise((resolve) => {
      const forget = this.onStateChange(() => {
        forget()
        resolve()
      })
    })
  }

  #queryProblem(stale: boolean): string | null {
    if (this.#state !== 'RUNNING' && this.#state !== 'REBALANCING') return `the application is ${this.#state}`
    return stale ? null : unavailable(this.#eachThread.flatMap((thread) => thread.restoring))
  }

  #progressProblem(): StreamError | null {
    if (this.#failure !== null) return this.#failure
    return this.#state === 'NOT_RUNNING' || this.#state === 'CREATED' ? new StreamError('CLOSED', `the application is ${this.#state}; it makes no progress`) : null
  }

  async #decide(failure: StreamError): Promise<FailureDecision> {
    const decision = await this.#config.onFailure(failure)
    if (decision === 'shutdown-application') this.#shutdownCause ??= withAdvice(failure)
    return decision
  }

  async #untilFinished(threads: AppThreads): Promise<void> {
    try {
      await threads.finished
      this.#setState('NOT_RUNNING')
      this.#throwFailure()
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      await this.#stateFiles?.close()
      await this.#purge.close()
      this.#progress.noteCommit()
    }
  }

  #fail(error: unknown): void {
    this.#failure = asStreamError(error)
    this.#setState('PENDING_ERROR')
    this.#setState('ERROR')
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure
  }

  #setState(state: StreamsState): void {
    const before = this.#state
    // After the end has begun, what threads still report is of no interest.
    const isEnding = before === 'PENDING_SHUTDOWN' || before === 'NOT_RUNNING' || before === 'PENDING_ERROR' || before === 'ERROR'
    if (before === state || (isEnding && (state === 'RUNNING' || state === 'REBALANCING'))) return
    this.#state = state
    for (const listener of this.#listeners) {
      try {
        listener(state, before)
      } catch (error) {
        this.#failure ??= asStreamError(error)
        this.#threads?.end(this.#failure)
      }
    }
  }
}

function shutdownRequested(applicationId: string): StreamError {
  return new StreamError('SHUTDOWN_REQUESTED', `an instance of ${applicationId} has failed and asked that all of them end; it says why`)
}
