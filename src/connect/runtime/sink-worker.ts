import type { Clock, GroupMember, Isolation, PartitionPosition, PartitionRecords, Random, RebalanceEvent, RecordView, TopicPartition } from '../../core/index.ts'
import { isStreamError, partitionKey, sleep } from '../../core/index.ts'
import type { SinkRecord } from '../connect-record.ts'
import type { Log, SinkOffsets, SinkTask, SinkTaskContext, TaskContext } from '../connector.ts'
import { describeError } from '../errors.ts'
import type { DeadLetters } from './dead-letter.ts'
import type { ErrorPolicy } from './error-policy.ts'
import { atStage } from './error-policy.ts'
import { decodeRecord } from './record-codec.ts'
import type { RecordCodec } from './record-codec.ts'
import { quietlyInTime } from './quietly.ts'
import { RejectedRecords } from './rejected-records.ts'
import { retrying } from './retry.ts'
import { SinkPositions } from './sink-positions.ts'
import type { TaskControl } from './task-control.ts'
import type { TaskProgress } from './task-spec.ts'
import type { TransformChain } from './transform-chain.ts'

export interface SinkWorkerOptions {
  readonly name: string
  readonly task: SinkTask
  readonly taskConfig: unknown
  readonly context: TaskContext
  readonly control: TaskControl
  /** For people: the topics or the pattern that was configured. */
  readonly subscription: string
  /** The topics to read that exist now, sorted. */
  readonly findTopics: () => Promise<readonly string[]>
  /** Joins the group; what it is given is called at each rebalance. */
  readonly join: (topics: readonly string[], onRebalance: (event: RebalanceEvent) => Promise<void>) => Promise<GroupMember>
  /** Log start offsets, for partitions without a committed offset. */
  readonly startOffsets: (partitions: readonly TopicPartition[]) => Promise<readonly PartitionPosition[]>
  readonly codec: RecordCodec
  readonly transforms: TransformChain | null
  readonly errors: ErrorPolicy
  /** null: refused records are not kept. */
  readonly deadLetters: DeadLetters | null
  /** Whether a batch that `put` refuses is searched for the records to blame. */
  readonly bisects: boolean
  readonly commitIntervalMs: number
  readonly isolation: Isolation
  /** Records in one `put` at most. */
  readonly maxBatchRecords: number
  readonly maxReadBytes: number
  /** How often topics that appeared or went are looked for. */
  readonly topicCheckIntervalMs: number
  readonly retryMaxDelayMs: number
  /** How long each of the task's last steps may take. */
  readonly graceMs: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** `records` are added to those before. */
  readonly progress: (change: Partial<TaskProgress>) => void
}

const tickMs = 1000

/** A piece of what was read, ready for one `put`, and where that leaves each partition. */
interface Delivery {
  readonly records: readonly SinkRecord[]
  readonly positions: readonly PartitionPosition[]
}

/**
 * Runs one sink task: read → converters → transforms → put, and commits what the task says is safe.
 *
 * 1. The task is started, then the group joined; `open` follows for each partition assigned.
 * 2. Records are read (read-committed), converted and handed over in batches; a retriable error hands over the same batch again.
 * 3. At an interval, or when the task asks, `preCommit` answers the offsets that are safe, and these are committed.
 * 4. When partitions are taken away they are committed and closed; when they were lost, only closed.
 * 5. At the end, and also when the task failed, what it took before is committed once more; it leaves the group and is stopped.
 */
export class SinkWorker {
  readonly #options: SinkWorkerOptions
  readonly #positions = new SinkPositions()
  readonly #rejected: RejectedRecords
  #member: GroupMember | undefined
  #seeks: SinkOffsets = []
  /** Rises with each rebalance, and when reading goes back to what was committed, so that what was read before is not delivered after. */
  #epoch = 0
  /** Where the task sought since the last read: what was read of them is not delivered any more; of the others it is. */
  readonly #sought = new Set<string>()
  #commitRequested = false
  /** No more after a `preCommit` that failed for good: whatever it answers now, nobody knows what became of the records. */
  #mayCommit = true
  #retryAfterMs: number | undefined
  #nextCommitMs: number
  #nextTopicCheckMs = 0
  #topics: readonly string[] = []
  readonly #topicRecords = new Map<string, number>()
  #isWorkerPaused = false
  /** While a batch waits to be handed over again. */
  #isResting = false

  constructor(options: SinkWorkerOptions) {
    this.#options = options
    this.#rejected = new RejectedRecords(options.errors, options.deadLetters)
    this.#nextCommitMs = options.clock.monotonic() + options.commitIntervalMs
  }

  /** Resolves after a clean stop. @throws what made the task fail */
  async run(): Promise<void> {
    const { task, name, control } = this.#options
    const last = (trouble: string, step: () => unknown) => quietlyInTime(`${name}: ${trouble}`, step, this.#options)
    try {
      await this.#runUntilStopped()
      await this.#closePartitions(this.#positions.owned())
    } catch (error) {
      // a task that failed is asked all the same what it made durable, so that only what it did not take comes again
      if (!control.isAbandoned) await last('what it took before it failed was not committed; the records will come again', () => this.#closePartitions(this.#positions.owned()))
      throw error
    } finally {
      await last('did not close its partitions', () => this.#closeLost(this.#positions.owned()))
      await last('did not leave its group', () => this.#member?.leave())
      await last('did not stop cleanly', () => task.stop())
    }
  }

  /** A wait that the stop cut short is no failure, unless nobody waits for the end any more. */
  async #runUntilStopped(): Promise<void> {
    const { task, taskConfig, control, progress } = this.#options
    const context = this.#context()
    try {
      await this.#retrying('start', async () => { await task.start(taskConfig, context) })
      progress({ isStarted: true })
      await this.#join(await this.#awaitTopics())
      while (!control.isStopped) await this.#turn()
    } catch (error) {
      if (control.isAbandoned || !control.isStopped || !isStreamError(error, 'ABORTED')) throw error
    }
  }

  /** Waits until there is a topic to read. */
  async #awaitTopics(): Promise<readonly string[]> {
    const { findTopics, control, clock, progress, log, name, subscription } = this.#options
    for (let attempt = 1; !control.isStopped; attempt++) {
      const topics = await findTopics()
      if (topics.length > 0) {
        if (attempt > 1) progress({ waitingFor: null })
        return topics
      }
      if (attempt === 1) {
        log.info(`${name}: waiting for a topic to read: ${subscription} does not exist yet`)
        progress({ waitingFor: `topic ${subscription} does not exist yet` })
      }
      await sleep(clock, tickMs, control.stopSignal)
    }
    return []
  }

  async #join(topics: readonly string[]): Promise<void> {
    if (topics.length === 0) return
    this.#topics = topics
    this.#nextTopicCheckMs = this.#options.clock.monotonic() + this.#options.topicCheckIntervalMs
    this.#member = await this.#options.join(topics, (event) => this.#rebalance(event))
    this.#applySeeks()
  }

  /** Joins anew when a topic of the subscription appeared or went. */
  async #checkTopics(): Promise<void> {
    const { clock, findTopics } = this.#options
    if (clock.monotonic() < this.#nextTopicCheckMs) return
    this.#nextTopicCheckMs = clock.monotonic() + this.#options.topicCheckIntervalMs
    const topics = await findTopics()
    if (topics.length === 0 || topics.join() === this.#topics.join()) return
    await this.#closePartitions(this.#positions.owned())
    const left = this.#member!
    // the assignment of the next membership is handed over before its member is known: nothing may reach for the old one
    this.#member = undefined
    await left.leave()
    this.#isWorkerPaused = false
    await this.#join(topics)
  }

  async #turn(): Promise<void> {
    const { clock, control } = this.#options
    await this.#checkTopics()
    await this.#applyPause()
    await this.#commitIfDue()
    const { partitions } = await this.#member!.read({
      maxBytes: this.#options.maxReadBytes,
      maxWaitMs: Math.min(tickMs, Math.max(0, this.#nextCommitMs - clock.monotonic())),
      isolation: this.#options.isolation,
      signal: control.interruption,
    })
    if (control.isStopped) return
    this.#sought.clear()
    if (partitions.length === 0) return this.#deliver({ records: [], positions: [] }, this.#epoch)
    await this.#deliverAll(partitions, this.#epoch)
  }

  async #deliverAll(partitions: readonly PartitionRecords[], epoch: number): Promise<void> {
    for (const convert of this.#batches(partitions)) {
      if (epoch !== this.#epoch || this.#options.control.isStopped) return
      await this.#deliver(await convert(), epoch)
      await this.#commitIfDue()
    }
  }

  /** Each to be converted when its turn comes, so that at most one batch is in memory as objects, and none that nobody waits for. */
  *#batches(partitions: readonly PartitionRecords[]): Generator<() => Promise<Delivery>> {
    const { maxBatchRecords } = this.#options
    let views: { readonly origin: TopicPartition; readonly view: RecordView }[] = []
    let positions: PartitionPosition[] = []
    for (const { topic, partition, batches, nextOffset } of partitions) {
      const origin = { topic, partition }
      const isSought = () => this.#sought.has(partitionKey(topic, partition))
      reading: for (const batch of isSought() ? [] : batches) {
        for (const view of batch) {
          views.push({ origin, view })
          if (views.length < maxBatchRecords) continue
          const [full, upTo] = [views, [...positions, { ...origin, offset: view.offset + 1 }]]
          yield () => this.#convertAll(full, upTo)
          ;[views, positions] = [[], []]
          if (isSought()) break reading
        }
      }
      if (!isSought()) positions.push({ ...origin, offset: nextOffset })
    }
    yield () => this.#convertAll(views, positions)
  }

  async #convertAll(views: readonly { readonly origin: TopicPartition; readonly view: RecordView }[], positions: readonly PartitionPosition[]): Promise<Delivery> {
    const records: SinkRecord[] = []
    const refusals: Promise<void>[] = []
    for (const { origin, view } of views) {
      try {
        const converted = this.#options.errors.waitingOut(() => this.#convert(origin, view))
        const record = converted instanceof Promise ? await converted : converted
        if (record !== null) records.push(record)
      } catch (error) {
        const refusal = this.#rejected.refuse({ ...origin, offset: view.offset, timestamp: view.timestamp, key: view.key, value: view.value, headers: view.headers }, error)
        // it may fail while the next record is being converted, before anybody waits for it
        refusal.catch(() => undefined)
        refusals.push(refusal)
      }
    }
    await Promise.all(refusals)
    return { records, positions }
  }

  #convert(origin: TopicPartition, view: RecordView): SinkRecord | null {
    const { codec, transforms } = this.#options
    const record = decodeRecord(codec, origin, view)
    if (transforms === null) return record
    const transformed = atStage('TRANSFORMATION', () => transforms.apply<SinkRecord>(record))
    return transformed === null || transformed === record ? transformed : record.with(transformed)
  }

  /** Hands a batch over until the task takes it; partitions rest meanwhile, but the group is kept. */
  async #deliver({ records, positions }: Delivery, epoch: number): Promise<void> {
    const { progress } = this.#options
    const isCurrent = () => epoch === this.#epoch
    await this.#retrying('put', async () => {
      if (isCurrent()) await this.#put(records)
    })
    this.#rejected.throwFailure()
    if (!isCurrent()) return
    for (const position of positions) this.#positions.delivered(position, position.offset)
    if (records.length > 0) progress({ records: records.length, topicRecords: this.#countTopics(records) })
    this.#applySeeks()
  }

  #countTopics(records: readonly SinkRecord[]): Readonly<Record<string, number>> {
    for (const { originalTopic } of records) this.#topicRecords.set(originalTopic, (this.#topicRecords.get(originalTopic) ?? 0) + 1)
    return Object.fromEntries(this.#topicRecords)
  }

  /** Where that is asked for, a batch that the task refuses is halved until the records to blame are found; the others may be handed over twice. */
  async #put(records: readonly SinkRecord[]): Promise<void> {
    const { task, bisects } = this.#options
    try {
      await task.put(records)
    } catch (error) {
      if (!bisects || records.length === 0 || isNoRecordsFault(error)) throw error
      if (records.length === 1) return this.#rejected.reject(records[0]!, error)
      const middle = records.length >> 1
      await this.#put(records.slice(0, middle))
      await this.#put(records.slice(middle))
    }
  }

  // -------------------------------------------------------------------------------------------------- commits

  async #commitIfDue(): Promise<void> {
    if (this.#commitRequested || this.#options.clock.monotonic() >= this.#nextCommitMs) await this.#commit(this.#positions.owned())
  }

  /** Asks the task what is safe, and commits it. When the task cannot say, reading goes back to what was committed last. */
  async #commit(partitions: readonly TopicPartition[]): Promise<void> {
    const { clock, commitIntervalMs, log, name } = this.#options
    this.#commitRequested = false
    this.#nextCommitMs = clock.monotonic() + commitIntervalMs
    const offsets = this.#positions.offsets(partitions)
    if (offsets.length === 0 || !this.#mayCommit) return
    await this.#rejected.settle()
    let answer: SinkOffsets
    try {
      answer = await this.#preCommit(offsets)
    } catch (error) {
      if (!isStreamError(error) || !error.retriable) {
        this.#mayCommit = false
        throw error
      }
      log.warn(`${name}: could not make its records durable (${describeError(error)}); going back to the last committed offsets`)
      return this.#rewind(partitions)
    }
    // the task may have rejected some while it made the others durable
    await this.#rejected.settle()
    await this.#store(this.#positions.committable(answer))
  }

  async #preCommit(offsets: SinkOffsets): Promise<SinkOffsets> {
    const { task } = this.#options
    if (task.preCommit !== undefined) return task.preCommit(offsets)
    await task.flush?.(offsets)
    return offsets
  }

  async #store(offsets: SinkOffsets): Promise<void> {
    if (offsets.length === 0) return
    try {
      await this.#member!.commit(offsets)
      this.#positions.committed(offsets)
    } catch (error) {
      const movedOn = isStreamError(error) && ['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS'].includes(error.code)
      if (!movedOn) throw error
      this.#options.log.info(`${this.#options.name}: offsets were not committed because the group is rebalancing; the records may come again`)
    }
  }

  async #rewind(partitions: readonly TopicPartition[]): Promise<void> {
    this.#epoch++
    const committed = await this.#member!.committed(partitions)
    const isCommitted = (each: TopicPartition) => committed.some(({ topic, partition }) => topic === each.topic && partition === each.partition)
    const starts = await this.#options.startOffsets(partitions.filter((each) => !isCommitted(each)))
    this.#seekTo([...committed, ...starts])
  }

  #seekTo(positions: SinkOffsets): void {
    for (const { topic, partition, offset } of positions) {
      if (!this.#positions.isOwned({ topic, partition })) continue
      this.#member!.seek({ topic, partition, offset })
      this.#positions.delivered({ topic, partition }, offset)
    }
  }

  #applySeeks(): void {
    const seeks = this.#seeks
    if (seeks.length === 0 || this.#member === undefined) return
    this.#seeks = []
    for (const { topic, partition } of seeks) this.#sought.add(partitionKey(topic, partition))
    this.#seekTo(seeks)
  }

  // -------------------------------------------------------------------------------------------------- rebalances

  async #rebalance({ assigned, revoked, lost }: RebalanceEvent): Promise<void> {
    this.#epoch++
    await this.#closePartitions(revoked.filter((each) => this.#positions.isOwned(each)))
    await this.#closeLost(lost.filter((each) => this.#positions.isOwned(each)))
    const opened = assigned.filter((each) => !this.#positions.isOwned(each))
    if (opened.length === 0) return
    this.#positions.open(opened)
    await this.#retrying('open', async () => { await this.#options.task.open?.(opened) })
    if (this.#isWorkerPaused || this.#isResting) this.#member?.pause(opened)
    this.#applySeeks()
  }

  async #closePartitions(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return
    if (this.#member !== undefined) await this.#commit(partitions)
    await this.#closeLost(partitions)
  }

  async #closeLost(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return
    try {
      await this.#options.task.close?.(partitions)
    } finally {
      this.#positions.close(partitions)
    }
  }

  async #applyPause(): Promise<void> {
    const { isPaused } = this.#options.control
    if (isPaused === this.#isWorkerPaused) return
    this.#isWorkerPaused = isPaused
    if (isPaused) {
      await this.#commit(this.#positions.owned())
      this.#member!.pause(this.#positions.owned())
    } else {
      this.#member!.resume(this.#positions.owned())
      this.#member!.pause(this.#positions.pausedByTask())
    }
  }

  // -------------------------------------------------------------------------------------------------- for the task

  #context(): SinkTaskContext {
    return {
      ...this.#options.context,
      ...(this.#options.bisects && { bisects: true }),
      assignment: () => this.#positions.owned(),
      seek: (offsets) => { this.#seeks = [...this.#seeks, ...offsets] },
      pause: (partitions) => {
        this.#positions.setPaused(partitions, true)
        this.#member?.pause(partitions)
      },
      resume: (partitions) => {
        this.#positions.setPaused(partitions, false)
        if (!this.#isWorkerPaused && !this.#isResting) this.#member?.resume(partitions)
      },
      requestCommit: () => { this.#commitRequested = true },
      retryAfter: (delayMs) => { this.#retryAfterMs = delayMs },
      reject: (record, error) => this.#rejected.reject(record, error),
    }
  }

  #retrying<T>(step: string, call: () => Promise<T>): Promise<T> {
    const { name, clock, random, log, control, retryMaxDelayMs, progress } = this.#options
    return retrying(`${name}: ${step}`, call, {
      clock, random, log, signal: control.stopSignal, maxDelayMs: retryMaxDelayMs,
      waiting: (waitingFor) => progress({ waitingFor }),
      takeDelay: () => {
        const delayMs = this.#retryAfterMs
        this.#retryAfterMs = undefined
        return delayMs
      },
      ...(step === 'put' && { pause: (delayMs: number) => this.#stayInGroup(delayMs) }),
    })
  }

  /** Waits with every partition at rest, going on to read, since a rebalance happens inside `read`. */
  async #stayInGroup(delayMs: number): Promise<void> {
    const { clock, control } = this.#options
    const member = this.#member!
    const [epoch, until] = [this.#epoch, clock.monotonic() + delayMs]
    this.#isResting = true
    member.pause(this.#positions.owned())
    while (!control.isStopped && epoch === this.#epoch && clock.monotonic() < until) {
      const { partitions } = await member.read({ maxWaitMs: Math.min(tickMs, Math.max(1, until - clock.monotonic())), signal: control.stopSignal })
      if (partitions.length > 0) await this.#giveBack(partitions)
    }
    this.#isResting = false
    if (this.#isWorkerPaused) return
    member.resume(this.#positions.owned())
    member.pause(this.#positions.pausedByTask())
  }

  /** Records of partitions that were assigned while the others rest are read again later. */
  async #giveBack(partitions: readonly PartitionRecords[]): Promise<void> {
    const known = this.#positions.offsets(partitions)
    const isKnown = (each: TopicPartition) => known.some(({ topic, partition }) => topic === each.topic && partition === each.partition)
    this.#seekTo(known)
    await this.#rewind(partitions.filter((each) => !isKnown(each)))
  }
}

/** The outside system is away, or the task says that it is about none of them, or about records that were handed over before. */
function isNoRecordsFault(error: unknown): boolean {
  return isStreamError(error) && (error.retriable || error.details['ofNoRecord'] === true || error.details['ofEarlierRecords'] === true)
}
