import { isStreamError, partitionKey, sleep } from '../../core/index.ts'
import type { CommittedOffset, GroupMember, ReadResult, RebalanceEvent, TopicPartition } from '../../core/index.ts'
import type { OpenStore } from '../state/open-store.ts'
import { ActiveTask } from './active-task.ts'
import { membershipOf } from './assignor.ts'
import { giveWay, isWaiting, nextResult, settle } from './calls-under-way.ts'
import { CommitSchedule } from './commit-schedule.ts'
import { CommitUnderWay } from './commit-under-way.ts'
import { allOf, asStreamError, backoffMs, canGoOn, repeatWhilePassing, stayUntilHeard, throwUnlessPassing, withAdvice } from './failure.ts'
import { openGlobals } from './global-reader.ts'
import type { GlobalReader } from './global-reader.ts'
import { KnownTopics } from './known-topics.ts'
import { decodeLeaderData, noLeaderData } from './member-data.ts'
import type { LeaderData, MemberData } from './member-data.ts'
import { inputReads } from './read-blocks.ts'
import { StoreUpkeep } from './store-upkeep.ts'
import type { StreamTask } from './stream-task.ts'
import { TaskFactory } from './task-factory.ts'
import { TaskOutput } from './task-output.ts'
import { countCommit } from './thread-metrics.ts'
import type { ThreadOptions } from './thread-options.ts'
import { ThreadTracing } from './tracing.ts'

/** Longest wait for input when there is nothing else to do. */
const pollMs = 100
/** Longest stretch of processing before other work of the process gets its turn. */
const sliceMs = 10
const recordsPerTurn = 128
const maxBatchBytes = 256 * 1024
const maxInFlightBytes = 16 * 1024 * 1024

/**
 * A member of the application's group, the tasks that were assigned to it, and the loop that runs them:
 * ```
 *   read → add to tasks → restore a slice → process a slice → punctuate → commit when due → read …
 *     a commit: prepare it, seal what it is about; go on, and begin the next one when it has ended
 *     a failure: abort the transaction, roll every task back to the last commit, read again from there
 *     a rebalance (inside read): commit, suspend the tasks; then resume those that stay, restore those that come
 *     paused (KIP-834): reads nothing and does nothing with what was read, stays a member, and commits what was done before
 *     a new topic that a pattern matches: commit, suspend the tasks, leave and join again
 * ```
 */
export class StreamThread {
  readonly #options: ThreadOptions
  readonly #output: TaskOutput
  readonly #upkeep: StoreUpkeep
  readonly #topics: KnownTopics
  readonly #factory: TaskFactory
  readonly #globals: GlobalReader
  readonly #tracing: ThreadTracing
  readonly #stop = new AbortController()
  readonly #reads = inputReads(this.#stop.signal)
  #member: GroupMember | null = null
  #tasks: ActiveTask[] = []
  #taskOfInput = new Map<string, ActiveTask>()
  /** Not null: the group has given new partitions, and tasks must be made to fit. */
  #newAssignment: readonly TopicPartition[] | null = null
  /** The group has taken back what it had given, and has not given anew: tasks wait, with what they have. */
  #isBetween = false
  readonly #schedule: CommitSchedule
  readonly #underWay = new CommitUnderWay()
  #failuresInARow = 0
  /** To join again with other topics. */
  #hasLeft = false
  /** What came with the newest assignment. */
  #leaderData: LeaderData = noLeaderData
  #asksShutdown: boolean

  constructor(options: ThreadOptions) {
    const { topology, config, partitionCounts, name, onPartitions } = options
    this.#options = options
    this.#asksShutdown = options.asksShutdown
    const batchLimits = new Map(options.batchLimits)
    this.#topics = new KnownTopics({ topology, config, partitionCounts, batchLimits, onPartitions })
    const { broker, clock, guarantee, transactionTimeoutMs, acceptableRecoveryLag, onRestore: onProgress } = config
    this.#schedule = new CommitSchedule(config)
    this.#upkeep = new StoreUpkeep({ broker, clock, acceptableRecoveryLag, onProgress, committed: (partitions) => this.#member!.committed(partitions) })
    this.#output = new TaskOutput({
      broker, guarantee, transactionTimeoutMs, maxBatchBytes, maxInFlightBytes,
      transactionalId: name,
      clientId: `${name}-producer`,
      batchLimit: (topic) => batchLimits.get(topic) ?? Infinity,
      partitionCount: (topic) => this.#topics.partitionCount(topic),
    })
    this.#tracing = new ThreadTracing({ applicationId: config.applicationId, name, isOn: config.tracing })
    this.#globals = openGlobals(options)
    this.#factory = new TaskFactory({ topology, config, partitionCounts, collector: this.#output.collector, globalStores: this.#globals.stores, openDisk: options.openDisk, batchLimits, hasTopic: (topic) => this.#topics.has(topic) })
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
    return this.#globals.stores
  }

  /** Tasks that run elsewhere, and whose stores are followed here. */
  get standbyTasks(): readonly StreamTask[] {
    return this.#upkeep.followed
  }

  /** What the stores of a task that runs elsewhere lack here; records. */
  readonly standbyLag = (taskId: string): number => this.#upkeep.followedLag(taskId)

  /** Of tasks that have standbys: where those answer queries. */
  get standbyEndpoints(): ReadonlyMap<string, readonly string[]> {
    return this.#leaderData.standbyEndpoints
  }

  /** The group divides its partitions anew: others may own those of these tasks. */
  get isMoving(): boolean {
    return !this.#ownsTasks
  }

  /** The task's stores are still being filled. */
  isRestoring(taskId: string): boolean {
    return this.#upkeep.isRestoring(taskId)
  }

  /** Fills global stores, joins the group and takes up the first assignment, unless `stop` is called before. @throws what prevents that, after everything opened is closed */
  async start(): Promise<void> {
    try {
      await this.#tracing.open()
      await this.#output.open()
      await this.#globals.start(this.#options.partitionCounts, this.#stop.signal)
      if (!this.#stop.signal.aborted && (await this.#subscribe())) await this.#adoptAssignment()
    } catch (error) {
      await this.#close()
      throw error
    }
  }

  /** False when `stop` was called before the group has let the thread in. */
  async #subscribe(): Promise<boolean> {
    const membership = membershipOf(this.#options, () => this.#memberData())
    const onRebalance = (event: RebalanceEvent) => this.#onRebalance(event)
    try {
      this.#member = await this.#options.config.broker.joinGroup({ ...membership, topics: [...this.#topics.subscribe()], signal: this.#stop.signal, onRebalance })
      return true
    } catch (error) {
      if (this.#stop.signal.aborted && isStreamError(error, 'ABORTED')) return false
      throw error
    }
  }

  #memberData(): MemberData {
    const { instanceId: instance, endpoint } = this.#options.config
    return { instance, ...this.#upkeep.progress(this.#tasks), endpoint, asksShutdown: this.#asksShutdown }
  }

  /** Runs until `stop`, then commits, if it still may, and leaves. @throws the failure that ended it, after everything is rolled back and closed */
  async run(): Promise<void> {
    try {
      if (this.#asksShutdown && !this.#stop.signal.aborted) await this.#askShutdown()
      while (!this.#stop.signal.aborted) {
        try {
          await this.#turn()
        } catch (error) {
          await this.#recover(error)
        }
      }
      // What is refused now comes again, to whoever goes on.
      if (this.#ownsTasks) await this.#commitNow().catch(throwUnlessPassing)
    } finally {
      await this.#close()
    }
  }

  stop(): void {
    this.#stop.abort()
  }

  /** The next commit is due as soon as nothing is left to do, also before the interval is over. */
  commitWhenIdle(): void {
    this.#schedule.commitWhenIdle()
  }

  // -------------------------------------------------------------------------------------------- one turn

  async #turn(): Promise<void> {
    const { metrics, config: { clock } } = this.#options
    const started = clock.monotonic()
    if (this.#topics.isCheckDue && (await this.#topics.find())) await this.#leaveForTopics()
    if (this.#hasLeft) return this.#joinAgain()
    const result = await this.#read()
    metrics.polls++
    metrics.pollMs += clock.monotonic() - started
    if (this.#isBetween) return
    if (this.#newAssignment !== null) {
      // What was read belongs to positions that are looked up anew.
      await this.#adoptAssignment()
      return
    }
    await this.#globals.update()
    this.#add(result)
    await this.#restore()
    this.#tracing.within(() => this.#process())
    for (const { task } of this.#working()) {
      if (!task.punctuateWallClock(clock.now())) continue
      metrics.punctuations++
      this.#schedule.isDirty = true
    }
    this.#underWay.check()
    this.#output.check()
    if (this.#tasks.some(({ task }) => task.commitRequested) || this.#schedule.takeDue(() => this.#isIdle(result))) await this.#commit()
    else if (this.#output.isFull) await this.#underWay.ended().then(() => this.#output.drain())
    else if (isWaiting(this.#working(), clock.now())) await nextResult(this.#working(), clock, this.#stop.signal)
    await giveWay()
  }

  #read(): Promise<ReadResult> {
    const member = this.#member!
    const { pause: { isOn: isPaused }, config: { clock, maxBufferedRecords } } = this.#options
    // The tasks of before may have inputs that are not this member's any more, also where a new assignment could not be taken up at once.
    if (!this.#ownsTasks) return member.read({ ...this.#reads, maxWaitMs: this.#isBetween ? pollMs : 0 })
    const nowMs = clock.now()
    let maxWaitMs = !isPaused && this.#isBusy ? 0 : this.#schedule.pollMs(pollMs)
    for (const active of this.#tasks) {
      // What is read of a task before it is activated would be forgotten then.
      const standsStill = isPaused || active.task.standsBy
      const { paused, open } = active.inputsToRead(standsStill ? 0 : maxBufferedRecords)
      member.pause(paused)
      member.resume(open)
      if (!standsStill) maxWaitMs = Math.min(maxWaitMs, active.readyInMs(nowMs))
    }
    return member.read({ ...this.#reads, maxWaitMs })
  }

  /** Something goes on that does not need input. */
  get #isBusy(): boolean {
    return this.#upkeep.isBusy || this.#tasks.some(({ task }) => task.hasCallsUnderWay)
  }

  #add(result: ReadResult): void {
    this.#tracing.read(result)
    for (const records of result.partitions) {
      this.#taskOfInput.get(partitionKey(records.topic, records.partition))?.add(records)
      this.#schedule.isDirty = true
    }
  }

  async #restore(): Promise<void> {
    if (this.#options.pause.isOn) return
    const nowMs = this.#options.config.clock.now()
    await this.#upkeep.slice(this.#running().some((active) => active.readyInMs(nowMs) === 0))
    if (this.#tasks.some(({ task }) => task.standsBy)) this.#activateRestored()
    if (this.#upkeep.takeWarm()) this.#member!.rejoin()
  }

  /** Processors begin when their stores are complete. */
  #activateRestored(): void {
    for (const { task } of this.#running()) if (task.standsBy) task.activate()
    if (this.#upkeep.isRestored) this.#options.onState('running')
  }

  /** Tasks in turn, until nothing is left, the time is up, or what was written must get away first. */
  #process(): void {
    this.#sendResults()
    const { metrics, config: { clock } } = this.#options
    const working = this.#working()
    const started = clock.monotonic()
    for (let processed = -1; processed !== 0 && !this.#output.isFull && clock.monotonic() < started + sliceMs;) {
      const now = clock.now()
      processed = 0
      for (const active of working) {
        const count = active.process(recordsPerTurn, now)
        processed += count
        if (active.plan.readsInput) metrics.inputRecords += count + active.task.takeLeftOut()
      }
      metrics.processedRecords += processed
      if (processed > 0) this.#schedule.isDirty = true
    }
    metrics.processMs += clock.monotonic() - started
  }

  #running(): readonly ActiveTask[] {
    return this.#upkeep.isRestored ? this.#tasks : this.#tasks.filter(({ task }) => !this.#upkeep.isRestoring(task.taskId))
  }

  /** Those that may process and punctuate now. */
  #working(): readonly ActiveTask[] {
    return this.#options.pause.isOn ? [] : this.#running()
  }

  #sendResults(): void {
    const now = this.#options.config.clock.now()
    for (const { task } of this.#working()) if (task.sendResults(now)) this.#schedule.isDirty = true
  }

  // -------------------------------------------------------------------------------------------- commit and rollback

  /** This read was about every input, there was nothing to process, and there is nothing. */
  #isIdle({ partitions }: ReadResult): boolean {
    const nowMs = this.#options.config.clock.now()
    return partitions.length === 0 && !this.#isBusy && this.#working().every((active) => active.readsAll && active.readyInMs(nowMs) !== 0)
  }

  /**
   * 0. calls of functions that wait come to their end; 1. every task empties its caches and says its offsets; 2. outputs, changelogs and offsets are committed as one;
   * 3. the tasks take the state of 1 as the one to return to. Where all of them can seal that state, 2 is not waited for: what is
   * processed meanwhile is for the next commit, which begins when this one has ended.
   */
  async #commit(): Promise<void> {
    const { clock, guarantee } = this.#options.config
    await this.#underWay.ended()
    if (this.#schedule.isDirty) await settle(this.#running(), clock)
    this.#schedule.begin()
    if (!this.#schedule.isDirty) return
    const prepared = this.#running().map((active) => [active, active.task.prepareCommit()] as const)
    const committed = this.#carryOut(prepared)
    this.#schedule.isDirty = false
    // Without a transaction, offsets would be those of all that was written.
    if (guarantee !== 'exactly-once' || this.#stop.signal.aborted || !prepared.every(([{ task }]) => task.canSeal)) return committed
    for (const [{ task }] of prepared) task.seal()
    this.#underWay.begin(committed)
  }

  async #carryOut(prepared: readonly (readonly [ActiveTask, readonly CommittedOffset[]])[]): Promise<void> {
    const offsets = prepared.flatMap(([, moved]) => moved)
    await this.#tracing.commit(() => this.#output.commit(offsets, this.#member!, prepared.flatMap(([active]) => active.standingOffsets)))
    for (const [active, moved] of prepared) active.committed(moved, (topic, partition) => this.#output.endOf(topic, partition))
    this.#output.resume()
    this.#failuresInARow = 0
    countCommit(this.#options.metrics, this.#schedule.elapsedMs)
    this.#options.onCommit()
  }

  /** As `#commit`, to its end. */
  async #commitNow(): Promise<void> {
    await this.#commit()
    await this.#underWay.ended()
  }

  /** Goes on after a failure that may pass, or lets it end the thread. */
  async #recover(error: unknown): Promise<void> {
    const failure = asStreamError(error)
    this.#tracing.failed(failure)
    await this.#rollback()
    this.#options.metrics.rollbacks++
    if (await this.#topics.resolves(failure, this.#stop.signal)) return
    const isPassing = canGoOn(failure)
    const decision = isPassing ? 'replace' : await this.#options.config.onFailure(failure)
    if (decision === 'shutdown-application') await this.#askShutdown()
    if (decision !== 'replace') throw withAdvice(failure)
    await sleep(this.#options.config.clock, backoffMs(this.#failuresInARow++), this.#stop.signal)
  }

  /** While the backend is away, nothing can be aborted: that is tried until it is back, or the thread is to stop. */
  async #abort(): Promise<void> {
    await this.#underWay.settled()
    await repeatWhilePassing(() => this.#output.abort(), this.#options.config.clock, this.#stop.signal)
  }

  async #rollback(): Promise<void> {
    await this.#abort()
    const untold = this.#tasks.filter(({ task }) => task.leavesNoTrace)
    for (const active of this.#tasks) {
      active.rollback()
      if (this.#ownsTasks) for (const input of active.inputs) this.#member!.seek({ topic: input.topic, partition: input.partition, offset: input.position })
    }
    this.#schedule.isDirty = false
    if (!this.#output.takeDoubt() || !this.#ownsTasks) return
    // What was committed is what the group says; tasks whose place is another one begin anew, and those about which it says nothing.
    this.#newAssignment = this.#tasks.flatMap(({ inputs }) => inputs)
    for (const active of untold) this.#closeTask(active)
    this.#setTasks(this.#tasks.filter((active) => !untold.includes(active)))
  }

  // -------------------------------------------------------------------------------------------- rebalancing

  /** The group has given the inputs of these tasks, and nothing else since. */
  get #ownsTasks(): boolean {
    return this.#newAssignment === null && !this.#isBetween
  }

  async #onRebalance({ assigned, revoked, lost, userData }: RebalanceEvent): Promise<void> {
    this.#options.onState('rebalancing')
    if (lost.length > 0) await this.#dropTasks()
    if (revoked.length > 0) await this.#suspendTasks()
    this.#isBetween = revoked.length > 0 || lost.length > 0
    if (this.#isBetween) return
    this.#newAssignment = assigned
    this.#leaderData = userData === undefined ? noLeaderData : decodeLeaderData(userData)
    if (this.#leaderData.shutdown !== 'none') this.#options.onShutdownAsked()
  }

  /** Makes every member of the application hear that it is to end, this one too, and waits for that. The thread processes nothing any more. */
  #askShutdown(): Promise<void> {
    const { clock, isStaticMember } = this.#options.config
    this.#asksShutdown = true
    // Static members leave without another round, so all hear the outcome of the one in which it was asked.
    const isHeard = () => this.#leaderData.shutdown === 'known' || (isStaticMember && this.#leaderData.shutdown === 'asked')
    if (!isHeard()) this.#member!.rejoin()
    return stayUntilHeard(this.#member!, isHeard, clock)
  }

  /** What was done is committed while it still may be; the tasks keep their stores in case they stay. */
  async #suspendTasks(): Promise<void> {
    try {
      await this.#commitNow()
      for (const active of this.#tasks) active.rollback()
    } catch {
      // The group may have moved on already; then the next owner starts from the last commit, and so do we.
      await this.#dropTasks()
    }
  }

  async #dropTasks(): Promise<void> {
    await this.#abort()
    const tasks = this.#tasks.map((active) => () => this.#closeTask(active))
    this.#setTasks([])
    this.#schedule.isDirty = false
    await allOf(tasks)
  }

  /** Where a new topic matches a pattern, the group has to hear of it: only who joins says what it wants to read. */
  async #leaveForTopics(): Promise<void> {
    await this.#suspendTasks()
    this.#isBetween = this.#hasLeft = true
    await this.#member!.leave()
  }

  async #joinAgain(): Promise<void> {
    if (!(await this.#subscribe())) return
    // A static member comes back unnoticed, to what it had: nothing would be divided anew.
    if (this.#options.config.isStaticMember) this.#member!.rejoin()
    this.#hasLeft = false
    await this.#adoptAssignment()
  }

  /**
   * 1. tasks that stay are kept if nobody else has gone on with them meanwhile
   * 2. others begin with the stores that were followed here, or that they had here before, and the rest is restored
   * 3. what went away is closed, or followed if the leader wants that
   */
  async #adoptAssignment(): Promise<void> {
    await this.#underWay.ended()
    const assigned = this.#newAssignment ?? []
    await this.#topics.learnThoseOf(assigned)
    const before = new Map(this.#tasks.map((active) => [active.task.taskId, active.task]))
    const reused = new Set<StreamTask>()
    const { tasks, dropped } = await this.#factory.tasksFor(assigned, this.#tasks, this.#member!, (taskId) => {
      const task = before.get(taskId) ?? this.#upkeep.takeFollowed(taskId)
      if (task === null) return null
      reused.add(task)
      if (!task.standsBy) task.standBy()
      return task
    })
    const added = tasks.filter((active) => !this.#tasks.includes(active))
    await this.#upkeep.restore(added, before)
    this.#setTasks(tasks)
    // Where inputs began may have to be committed.
    if (added.length > 0) this.#schedule.isDirty = true
    this.#options.metrics.tasksCreated += added.length
    await this.#follow(dropped.filter(({ task }) => !reused.has(task)))
    this.#newAssignment = null
    for (const { topic, partition, position } of tasks.flatMap((active) => active.inputs)) this.#member!.seek({ topic, partition, offset: position })
    this.#activateRestored()
  }

  /** The stores that the leader wants to be followed here; those of tasks that went away are there already. */
  async #follow(released: readonly ActiveTask[]): Promise<void> {
    const stopped = new Map<string, StreamTask>()
    const isFollowed = ({ task }: ActiveTask) => this.#leaderData.standbys.includes(task.taskId)
    for (const active of released.filter(isFollowed)) {
      stopped.set(active.task.taskId, this.#upkeep.release(active))
      if (!active.task.standsBy) active.task.standBy()
    }
    await allOf(released.filter((active) => !isFollowed(active)).map((active) => () => this.#closeTask(active)))
    await this.#upkeep.follow(this.#leaderData, this.#topics.plans(), stopped, (plan) => this.#factory.standingBy(plan))
  }

  #setTasks(tasks: ActiveTask[]): void {
    this.#tasks = tasks
    this.#taskOfInput = new Map(tasks.flatMap((active) => active.inputs.map(({ topic, partition }) => [partitionKey(topic, partition), active] as const)))
  }

  #closeTask(active: ActiveTask): void {
    const task = this.#upkeep.release(active)
    this.#options.metrics.droppedRecords += task.droppedRecords
    this.#options.metrics.tasksClosed++
    task.close()
  }

  async #close(): Promise<void> {
    const tasks = this.#tasks.map((active) => () => this.#closeTask(active))
    this.#setTasks([])
    await allOf([...tasks, () => this.#upkeep.close(), () => this.#globals.close(), () => this.#output.close(), () => this.#factory.close(), () => this.#member?.leave()])
  }
}
