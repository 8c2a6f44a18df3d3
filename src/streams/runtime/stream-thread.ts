import { StreamError, isStreamError, partitionKey, sleep } from '../../core/index.ts'
import type { GroupMember, ReadResult, RebalanceEvent, TopicPartition } from '../../core/index.ts'
import type { ResolvedConfig } from '../config.ts'
import type { OpenStore } from '../state/open-store.ts'
import { clientIdWith } from '../store-metadata.ts'
import type { TopologyData } from '../topology/node.ts'
import { ActiveTask } from './active-task.ts'
import { sourceTopicsInBroker, taskAssignor } from './assignor.ts'
import { canGoOn, withAdvice } from './failure.ts'
import { GlobalReader } from './global-reader.ts'
import { GlobalStores } from './global-stores.ts'
import { Restorer } from './restore.ts'
import { TaskFactory, taskConfig } from './task-factory.ts'
import type { OpenDisk } from './task-factory.ts'
import { TaskOutput } from './task-output.ts'
import type { ThreadMetrics } from './thread-metrics.ts'
import { countsOf, externalTopics, missingTopics, setUpTopics } from './topic-setup.ts'

export interface ThreadOptions {
  /** Unlike that of any other thread of the application, in whatever process: its transactional id. */
  readonly name: string
  readonly topology: TopologyData
  readonly config: ResolvedConfig
  /** Of every topic the application touches; topics chosen per record are added. */
  readonly partitionCounts: Map<string, number>
  readonly metrics: ThreadMetrics
  /** `rebalancing` while partitions move or stores are restored. */
  readonly onState: (state: 'rebalancing' | 'running') => void
  readonly onCommit: () => void
  /** `partitionCounts` has more, or other ones than before. */
  readonly onPartitions: (counts: ReadonlyMap<string, number>) => void
  /** null: stores are kept in memory. */
  readonly openDisk: OpenDisk | null
  /** The largest batch that each topic takes; bytes. */
  readonly batchLimits: ReadonlyMap<string, number>
}

/** Longest wait for input when there is nothing else to do. */
const pollMs = 100
/** As long as calls are under way, input is looked for this often at least. */
const resultPollMs = 10
/** Longest stretch of processing before other work of the process gets its turn. */
const sliceMs = 10
const recordsPerTurn = 128
const readBytes = 1024 * 1024
const restoreBytes = 4 * 1024 * 1024
const maxBatchBytes = 256 * 1024
const maxInFlightBytes = 16 * 1024 * 1024
const maxBackoffMs = 10_000
/** How often a program with patterns looks for new topics. */
const topicCheckMs = 5_000

/**
 * A member of the application's group, the tasks that were assigned to it, and the loop that runs them:
 * ```
 *   read → add to tasks → restore a slice → process a slice → punctuate → commit when due → read …
 *     a failure: abort the transaction, roll every task back to the last commit, read again from there
 *     a rebalance (inside read): commit, suspend the tasks; then resume those that stay, restore those that come
 *     a new topic that a pattern matches: commit, suspend the tasks, leave and join again
 * ```
 */
export class StreamThread {
  readonly #options: ThreadOptions
  readonly #output: TaskOutput
  readonly #restorer: Restorer
  readonly #factory: TaskFactory
  readonly #globals: GlobalReader
  readonly #globalStores: ReadonlyMap<string, OpenStore>
  readonly #stop = new AbortController()
  #member: GroupMember | null = null
  #tasks: ActiveTask[] = []
  #taskOfInput = new Map<string, ActiveTask>()
  /** Not null: the group has given new partitions, and tasks must be made to fit. */
  #newAssignment: readonly TopicPartition[] | null = null
  /** Something was read or processed since the last commit. */
  #isDirty = false
  #lastCommit = 0
  #failuresInARow = 0
  /** To join again with other topics. */
  #hasLeft = false
  /** Infinity: no source has a pattern. */
  #nextTopicCheck: number
  #subscribed: ReadonlySet<string> = new Set()

  constructor(options: ThreadOptions) {
    const { topology, config, partitionCounts, name } = options
    this.#options = options
    this.#nextTopicCheck = topology.nodes.some((node) => node.kind === 'source' && node.pattern !== null) ? config.clock.monotonic() + topicCheckMs : Infinity
    this.#restorer = new Restorer(config.broker, config.onRestore)
    this.#output = new TaskOutput({
      broker: config.broker,
      guarantee: config.guarantee,
      transactionalId: name,
      transactionTimeoutMs: config.transactionTimeoutMs,
      clientId: `${name}-producer`,
      maxBatchBytes,
      maxInFlightBytes,
      partitionCount: (topic) => this.#partitionCount(topic),
    })
    const globals = new GlobalStores(topology, { applicationId: config.applicationId, clock: config.clock, config: taskConfig(config) })
    this.#globals = new GlobalReader(config.broker, globals)
    this.#globalStores = globals.stores
    this.#factory = new TaskFactory({ topology, config, partitionCounts, collector: this.#output.collector, globalStores: globals.stores, openDisk: options.openDisk, batchLimits: options.batchLimits })
  }

  get tasks(): readonly ActiveTask[] {
    return this.#tasks
  }

  get name(): string {
    return this.#options.name
  }

  /** What was written to each topic. */
  get produced(): TaskOutput['produced'] {
    return this.#output.produced
  }

  get globalStores(): ReadonlyMap<string, OpenStore> {
    return this.#globalStores
  }

  /** The task's stores are still being filled. */
  isRestoring(taskId: string): boolean {
    return this.#restorer.isRestoring(taskId)
  }

  /** Joins the group and takes up the first assignment. @throws what prevents that, after everything opened is closed */
  async start(): Promise<void> {
    try {
      await this.#join()
      await this.#adoptAssignment()
    } catch (error) {
      await this.#close()
      throw error
    }
  }

  async #join(): Promise<void> {
    await this.#output.open()
    await this.#globals.start(this.#options.partitionCounts)
    await this.#subscribe()
  }

  async #subscribe(): Promise<void> {
    const { topology, config, partitionCounts, name } = this.#options
    const { applicationId, broker, offsetReset, sessionTimeoutMs } = config
    this.#subscribed = this.#sourceTopics(partitionCounts.keys())
    this.#member = await broker.joinGroup({
      groupId: applicationId,
      topics: [...this.#subscribed],
      assignors: [taskAssignor(topology, applicationId, () => this.#tasks.map(({ task }) => task.taskId))],
      offsetReset,
      sessionTimeoutMs,
      ...(config.isStaticMember && { groupInstanceId: name }),
      clientId: clientIdWith(`${name}-consumer`, config.endpoint),
      onRebalance: (event) => this.#onRebalance(event),
    })
  }

  /** Runs until `stop`, then commits and leaves. @throws the failure that ended it, after everything is rolled back and closed */
  async run(): Promise<void> {
    try {
      while (!this.#stop.signal.aborted) {
        try {
          await this.#turn()
        } catch (error) {
          await this.#recover(error)
        }
      }
      if (this.#newAssignment === null) await this.#commit()
    } finally {
      await this.#close()
    }
  }

  stop(): void {
    this.#stop.abort()
  }

  // -------------------------------------------------------------------------------------------- one turn

  async #turn(): Promise<void> {
    const { metrics, config: { clock } } = this.#options
    const started = clock.monotonic()
    if (started >= this.#nextTopicCheck) await this.#findTopics()
    if (this.#hasLeft) return this.#joinAgain()
    const result = await this.#read()
    metrics.polls++
    metrics.pollMs += clock.monotonic() - started
    if (this.#newAssignment !== null) {
      // What was read belongs to positions that are looked up anew.
      await this.#adoptAssignment()
      return
    }
    await this.#globals.update()
    this.#add(result)
    await this.#restore()
    this.#sendResults()
    this.#process()
    for (const { task } of this.#running()) {
      if (!task.punctuateWallClock(clock.now())) continue
      metrics.punctuations++
      this.#isDirty = true
    }
    this.#output.check()
    if (this.#isCommitDue()) await this.#commit()
    else if (this.#output.isFull) await this.#output.drain()
    else if (this.#isWaiting()) await this.#nextResult()
    await giveWay()
  }

  #read(): Promise<ReadResult> {
    const member = this.#member!
    const { maxBufferedRecords } = this.#options.config
    let hasWork = !this.#restorer.isIdle || this.#tasks.some(({ task }) => task.hasCallsUnderWay)
    for (const active of this.#tasks) {
      const isRestoring = this.#restorer.isRestoring(active.task.taskId)
      const { paused, open } = active.inputsToRead(isRestoring ? 0 : maxBufferedRecords)
      member.pause(paused)
      member.resume(open)
      hasWork ||= !isRestoring && active.hasWork
    }
    return member.read({ maxBytes: readBytes, maxWaitMs: hasWork ? 0 : this.#idleMs(), isolation: 'read-committed', signal: this.#stop.signal })
  }

  /** With something to commit, no longer than until that is due. */
  #idleMs(): number {
    if (!this.#isDirty) return pollMs
    const { clock, commitIntervalMs } = this.#options.config
    return Math.max(0, Math.min(pollMs, this.#lastCommit + commitIntervalMs - clock.monotonic()))
  }

  #add(result: ReadResult): void {
    for (const records of result.partitions) {
      this.#taskOfInput.get(partitionKey(records.topic, records.partition))?.add(records)
      this.#isDirty = true
    }
  }

  async #restore(): Promise<void> {
    if (this.#restorer.isIdle) return
    await this.#restorer.restoreSlice(restoreBytes)
    if (this.#restorer.isIdle) this.#options.onState('running')
  }

  /** Tasks in turn, until nothing is left, the time is up, or what was written must get away first. */
  #process(): void {
    const { metrics, config: { clock } } = this.#options
    const running = this.#running()
    const started = clock.monotonic()
    const deadline = started + sliceMs
    for (let processed = -1; processed !== 0 && !this.#output.isFull && clock.monotonic() < deadline;) {
      const now = clock.now()
      processed = 0
      for (const active of running) {
        const count = active.process(recordsPerTurn, now)
        processed += count
        if (active.plan.readsInput) metrics.inputRecords += count
      }
      metrics.processedRecords += processed
      if (processed > 0) this.#isDirty = true
    }
    metrics.processMs += clock.monotonic() - started
  }

  #running(): readonly ActiveTask[] {
    return this.#restorer.isIdle ? this.#tasks : this.#tasks.filter(({ task }) => !this.#restorer.isRestoring(task.taskId))
  }

  // -------------------------------------------------------------------------------------------- functions that wait

  #sendResults(): void {
    const now = this.#options.config.clock.now()
    for (const { task } of this.#running()) if (task.sendResults(now)) this.#isDirty = true
  }

  /** Calls are under way, and until one ends there is nothing to process. */
  #isWaiting(): boolean {
    const busy = this.#running().filter(({ task }) => task.hasCallsUnderWay)
    return busy.length > 0 && this.#running().every((active) => busy.includes(active) || !active.hasWork)
  }

  async #nextResult(): Promise<void> {
    const wake = new AbortController()
    const { clock } = this.#options.config
    const results = this.#running().filter(({ task }) => task.hasCallsUnderWay).map(({ task }) => task.nextResult())
    await Promise.race([...results, sleep(clock, resultPollMs, AbortSignal.any([wake.signal, this.#stop.signal]))])
    wake.abort()
  }

  /** Until no call is under way, also of those that emptying the caches leads to; each has its time limit. */
  async #settle(): Promise<void> {
    for (const { task } of this.#running()) {
      task.flush()
      while (task.hasCallsUnderWay) {
        if (!task.sendResults(this.#options.config.clock.now())) await task.nextResult()
        if (!task.hasCallsUnderWay) task.flush()
      }
    }
  }

  // -------------------------------------------------------------------------------------------- commit and rollback

  #isCommitDue(): boolean {
    if (this.#tasks.some(({ task }) => task.commitRequested)) return true
    const { clock, commitIntervalMs } = this.#options.config
    return this.#isDirty && clock.monotonic() - this.#lastCommit >= commitIntervalMs
  }

  /**
   * 0. calls of functions that wait come to their end; 1. every task empties its caches and says its offsets; 2. outputs, changelogs and offsets are committed as one;
   * 3. the tasks take their present state as the one to return to.
   */
  async #commit(): Promise<void> {
    const { clock } = this.#options.config
    if (this.#isDirty) await this.#settle()
    this.#lastCommit = clock.monotonic()
    if (!this.#isDirty) return
    const prepared = this.#running().map((active) => [active, active.task.prepareCommit()] as const)
    await this.#output.commit(prepared.flatMap(([, offsets]) => offsets), this.#member!)
    for (const [active, offsets] of prepared) active.committed(offsets, (topic, partition) => this.#output.endOf(topic, partition))
    this.#isDirty = false
    this.#failuresInARow = 0
    this.#countCommit(clock.monotonic() - this.#lastCommit)
    this.#options.onCommit()
  }

  #countCommit(ms: number): void {
    const { metrics } = this.#options
    metrics.commits++
    metrics.commitMs += ms
    metrics.maxCommitMs = Math.max(metrics.maxCommitMs, ms)
  }

  /** Goes on after a failure that may pass, or lets it end the thread. */
  async #recover(error: unknown): Promise<void> {
    const failure = asStreamError(error)
    await this.#rollback()
    this.#options.metrics.rollbacks++
    const isPassing = canGoOn(failure) || (await this.#findsTopicsOf(failure))
    if (!isPassing && (await this.#options.config.onFailure(failure)) !== 'replace') throw withAdvice(failure)
    const backoffMs = Math.min(maxBackoffMs, 50 * 2 ** this.#failuresInARow++)
    await sleep(this.#options.config.clock, backoffMs, this.#stop.signal)
  }

  async #rollback(): Promise<void> {
    await this.#output.abort()
    for (const active of this.#tasks) {
      active.rollback()
      if (this.#newAssignment === null) for (const input of active.inputs) this.#member!.seek({ topic: input.topic, partition: input.partition, offset: input.position })
    }
    this.#isDirty = false
  }

  /** Records may name topics that were not known at the start. */
  #partitionCount(topic: string): number {
    const count = this.#options.partitionCounts.get(topic)
    if (count !== undefined) return count
    throw missingTopics([topic])
  }

  async #findsTopicsOf(failure: StreamError): Promise<boolean> {
    const cause = isStreamError(failure.cause) ? failure.cause : failure
    if (cause.code !== 'UNKNOWN_TOPIC_OR_PARTITION') return false
    const topics = [cause.details['topics']].flat().filter((topic) => typeof topic === 'string')
    const found = await countsOf(this.#options.config.broker, topics)
    for (const [topic, count] of found) this.#options.partitionCounts.set(topic, count)
    return topics.length > 0 && topics.every((topic) => found.has(topic))
  }

  // -------------------------------------------------------------------------------------------- rebalancing

  async #onRebalance({ assigned, revoked, lost }: RebalanceEvent): Promise<void> {
    this.#options.onState('rebalancing')
    if (lost.length > 0) await this.#dropTasks()
    if (revoked.length > 0) await this.#suspendTasks()
    this.#newAssignment = assigned
  }

  /** What was done is committed while it still may be; the tasks keep their stores in case they stay. */
  async #suspendTasks(): Promise<void> {
    try {
      await this.#commit()
      for (const active of this.#tasks) active.rollback()
    } catch {
      // The group may have moved on already; then the next owner starts from the last commit, and so do we.
      await this.#dropTasks()
    }
  }

  async #dropTasks(): Promise<void> {
    await this.#output.abort()
    for (const active of this.#tasks) this.#closeTask(active)
    this.#setTasks([])
    this.#isDirty = false
  }

  /** Where a new topic matches a pattern, the group has to hear of it: only who joins says what it wants to read. */
  async #findTopics(): Promise<void> {
    const { topology, config: { broker, clock } } = this.#options
    this.#nextTopicCheck = clock.monotonic() + topicCheckMs
    const wanted = this.#sourceTopics(await externalTopics(broker, topology))
    if ([...wanted].every((topic) => this.#subscribed.has(topic))) return
    await this.#learnPartitions(() => true)
    await this.#suspendTasks()
    this.#newAssignment = []
    this.#hasLeft = true
    await this.#member!.leave()
  }

  async #joinAgain(): Promise<void> {
    await this.#subscribe()
    this.#hasLeft = false
    await this.#adoptAssignment()
  }

  /** What the program reads, of the topics that exist. */
  #sourceTopics(existing: Iterable<string>): ReadonlySet<string> {
    const { topology, config: { applicationId } } = this.#options
    const names = new Set(existing)
    return new Set(topology.subTopologies.flatMap((part) => sourceTopicsInBroker(topology, applicationId, part, names)))
  }

  /** Topics or partitions were added: internal topics that fit are made. @throws TOPOLOGY_INVALID where state and repartition topics do not fit any more */
  async #learnPartitions(isWanted: (topic: string) => boolean): Promise<void> {
    const { topology, config: { broker, applicationId, deadLetterTopic, additionalRetentionMs }, partitionCounts } = this.#options
    const found = await setUpTopics(broker, { applicationId, topology, deadLetterTopic, additionalRetentionMs })
    for (const [topic, count] of found) if (isWanted(topic)) partitionCounts.set(topic, count)
    this.#options.onPartitions(partitionCounts)
  }

  /** Tasks that stay are resumed if nobody else has gone on with them meanwhile; others are closed, and new ones are restored. */
  async #adoptAssignment(): Promise<void> {
    const assigned = this.#newAssignment ?? []
    const { partitionCounts } = this.#options
    if (assigned.some(({ topic, partition }) => partition >= (partitionCounts.get(topic) ?? 0))) {
      // a topic that nobody has asked the group for is not ours to read yet
      const topics = new Set([...partitionCounts.keys(), ...assigned.map(({ topic }) => topic)])
      await this.#learnPartitions((topic) => topics.has(topic))
    }
    const { tasks, dropped } = await this.#factory.tasksFor(assigned, this.#tasks, this.#member!)
    for (const active of dropped) this.#closeTask(active)
    const added = tasks.filter((active) => !this.#tasks.includes(active))
    this.#setTasks(tasks)
    this.#options.metrics.tasksCreated += added.length
    for (const active of added) await this.#restorer.add(active)
    this.#newAssignment = null
    for (const { topic, partition, position } of tasks.flatMap((active) => active.inputs)) this.#member!.seek({ topic, partition, offset: position })
    if (this.#restorer.isIdle) this.#options.onState('running')
  }

  #setTasks(tasks: ActiveTask[]): void {
    this.#tasks = tasks
    this.#taskOfInput = new Map(tasks.flatMap((active) => active.inputs.map(({ topic, partition }) => [partitionKey(topic, partition), active] as const)))
  }

  #closeTask({ task }: ActiveTask): void {
    this.#options.metrics.droppedRecords += task.droppedRecords
    this.#options.metrics.tasksClosed++
    this.#restorer.remove(task.taskId)
    task.close()
  }

  async #close(): Promise<void> {
    for (const active of this.#tasks) this.#closeTask(active)
    this.#setTasks([])
    await this.#restorer.close()
    await this.#globals.close()
    await this.#output.close()
    await this.#factory.close()
    await this.#member?.leave()
  }
}

/** Lets timers and completed I/O of the rest of the process run. */
function giveWay(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function asStreamError(error: unknown): StreamError {
  if (isStreamError(error)) return error
  return new StreamError('PROCESSING_FAILED', `the application failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
}

