import { StreamError } from '../../core/index.ts'
import type { CommittedOffset, RecordBatch, TopicPartition } from '../../core/index.ts'
import type { Output } from '../operators/operate.ts'
import type { HeadRun } from '../record-head.ts'
import type { OpenStore } from '../state/open-store.ts'
import { compileTask } from './compile-task.ts'
import type { Pipeline } from './compile-task.ts'
import { InputPartitions } from './input-partitions.ts'
import { decodeMetadata, encodeMetadata } from './offset-metadata.ts'
import type { RecordQueue } from './record-queue.ts'
import type { StreamTaskOptions } from './stream-task-options.ts'
import { TaskContext, idleRecord } from './task-context.ts'
import type { TaskMetrics } from './task-metrics.ts'
import type { TaskState } from './task-state.ts'

/** The records of one input that were added and not processed. */
export interface WaitingRecords {
  readonly buffered: number
}

/** Of a task that stands by. */
const noPipeline: Pipeline = { sources: new Map(), childOf: () => undefined }

/**
 * One sub-topology for one partition: queues of input records, a pipeline and stores. Nothing here waits: the task loop
 * adds what it read, asks for one record at a time, and carries out the commit.
 * ```
 *   created ──restore…──▶ running ──process / punctuate…──▶ running
 *                           │  ├──prepareCommit ─(caller commits outputs, changelogs and offsets)─▶ committed ──▶ running
 *                           │  ├──prepareCommit, seal ──▶ running ──committed──▶ running
 *                           │  └──rollback (inputs are read again from the committed offsets)──▶ running
 *                           └─ a call threw ──▶ dead ──rollback──▶ running
 *   standing by ──restore…──▶ standing by ──activate──▶ running ──standBy──▶ standing by
 * ```
 */
export class StreamTask {
  readonly taskId: string
  readonly partition: number
  readonly #options: StreamTaskOptions
  readonly #inputs: InputPartitions
  readonly #context: TaskContext
  #pipeline: Pipeline
  #standsBy: boolean
  #failure: unknown = null
  /** By the wall clock, since the last commit. */
  #hasPunctuated = false
  /** `leavesNoTrace` of what the next commit is about; null: nothing is sealed. */
  #sealedLeavesNoTrace: boolean | null = null
  /** Where the last record came from, and where its like go. */
  #lastQueue: RecordQueue | null = null
  #lastSource: Output | null = null
  #lastRun: HeadRun | null = null

  constructor(options: StreamTaskOptions) {
    this.taskId = options.taskId
    this.partition = options.partition
    this.#options = options
    this.#context = new TaskContext(options)
    this.#inputs = new InputPartitions(options, this.#context, ({ name }) => this.#pipeline.sources.get(name)?.run?.seesValue !== false)
    this.#standsBy = options.standsBy === true
    this.#pipeline = this.#compile()
    if (this.#failure !== null) throw this.#failure
  }

  /** Views of the stores, for queries. */
  get stores(): ReadonlyMap<string, OpenStore> {
    return this.#state.stores
  }

  /** Its stores are filled, and nothing is processed. */
  get standsBy(): boolean {
    return this.#standsBy
  }

  /** Topics to restore from, each from `restoreFrom` on, before records are added. */
  get changelogTopics(): readonly string[] {
    return this.#state.changelogTopics
  }

  /** Records of the changelogs, up to where the stores are. */
  get changelogRecords(): number {
    return this.#state.changelogRecords
  }

  /** An operator asked for a commit; the caller honours it soon. */
  get commitRequested(): boolean {
    return this.#context.commitRequested
  }

  /** Records (and windows of records) that operators left out since the start. */
  get droppedRecords(): number {
    return this.#context.droppedRecords
  }

  /** Input records that no operator came to see, since the last call: left out when they were read. */
  takeLeftOut(): number {
    const count = this.#inputs.leftOut
    this.#inputs.leftOut = 0
    return count
  }

  /** Of nodes and stores; null at the level `info`. */
  get metrics(): TaskMetrics | null {
    return this.#context.metrics
  }

  /** Takes up the times that were committed with the offsets: partition times, and what final results were sent. */
  resume(committed: readonly CommittedOffset[]): void {
    for (const offset of committed) {
      const metadata = decodeMetadata(offset.metadata)
      this.#inputs.resume(offset, metadata.partitionTime)
      this.#context.resumeMetadata(metadata.operators)
    }
  }

  /** An input for which nothing was committed, and which does not begin with its first record: the next commit says where it began. */
  begin(input: TopicPartition, offset: number): void {
    this.#inputs.begin(input, offset)
  }

  /** Where to begin to restore a changelog that has records from `start` to `end`: stores on disk have the ones before. */
  restoreFrom(changelogTopic: string, start: number, end: number): number {
    return this.#state.restoreFrom(changelogTopic, start, end, this.#options.clock.now())
  }

  /** What is committed in the stores is what the changelogs have before these offsets; stores on disk go on from there after a restart. */
  checkpoint(positions: ReadonlyMap<string, number>): void {
    this.#state.checkpoint(positions)
  }

  /** Records of a changelog in the order of offsets; after the last call the stores are as committed. Answers how many. */
  restore(changelogTopic: string, batches: Iterable<RecordBatch>): number {
    return this.#state.restore(changelogTopic, batches)
  }

  /** What was read of an input. `nextOffset` is the position after it. @throws DESERIALIZATION_FAILED, which kills the task */
  addRecords(partition: TopicPartition, batches: Iterable<RecordBatch>, nextOffset: number): void {
    this.#guard(() => this.#inputs.add(partition, batches, nextOffset))
  }

  /** Where the records of an input wait, always the same; the caller pauses a partition that has many. */
  waiting(partition: TopicPartition): WaitingRecords {
    return this.#inputs.waiting(partition)
  }

  /**
   * Processes the record with the smallest timestamp among the heads of the queues, with all that follows from it; false
   * when nothing waits, or operators whose functions wait take no more for now. @throws PROCESSING_FAILED, DESERIALIZATION_FAILED: the task is dead until `rollback`
   */
  process(nowMs: number): boolean {
    if (this.#failure !== null) throw this.#failure
    if (this.#context.asyncWork.isFull) return false
    const queue = this.#inputs.choose()
    if (queue === null) return false
    // As #guard, without a function made for each record.
    try {
      if (queue !== this.#lastQueue) this.#followQueue(queue)
      if (this.#lastRun === null) this.#processRecord(queue, nowMs)
      else this.#processHead(queue, this.#lastRun, nowMs)
    } catch (error) {
      this.#failure ??= error
    }
    if (this.#failure !== null) throw this.#failure
    return true
  }

  /** As `process`, for up to `limit` records, and while the same inputs have some; answers how many. */
  processMany(limit: number, nowMs: number): number {
    const inputs = this.#inputs
    const { waitingCount } = inputs
    let count = 0
    while (count < limit && inputs.waitingCount === waitingCount) {
      const alone = waitingCount === 1 ? this.#processAlone(limit - count, nowMs) : 0
      count += alone
      if (alone > 0) continue
      if (!this.process(nowMs)) break
      count++
    }
    return count
  }

  /** Records of an input whose like need not be made, while no other input has any: for these the next one is known without a choice. 0: it is not so. */
  #processAlone(limit: number, nowMs: number): number {
    const queue = this.#inputs.alone
    if (this.#failure !== null || queue === null || queue !== this.#lastQueue || this.#lastRun === null || !this.#context.asyncWork.isEmpty) return 0
    const run = this.#lastRun
    const inputs = this.#inputs
    const turn = { inputs, context: this.#context, nowMs }
    let count = 0
    try {
      while (queue.head !== null && count < limit && !inputs.isOver) count += queue.goThrough(run, turn, limit - count)
      if (queue.head === null) inputs.endAlone()
    } catch (error) {
      this.#failure ??= error
    }
    if (this.#failure !== null) throw this.#failure
    return count
  }

  #processRecord(queue: RecordQueue, nowMs: number): void {
    const record = this.#inputs.take(queue)
    this.#context.begin(record, nowMs, this.#inputs.streamTime)
    this.#lastSource!.next(record)
  }

  /** As `#processRecord`, where everything up to a sink or an aggregate can do without a record. */
  #processHead(queue: RecordQueue, run: HeadRun, nowMs: number): void {
    const head = queue.head!
    this.#inputs.pass(queue)
    this.#context.beginHead(head, nowMs, this.#inputs.streamTime)
    run(head.value, head.key, head.timestamp, head.headers, head.batch!, head.offset, head.mark)
  }

  /** Runs the punctuators that are due by stream time; true if any ran. */
  punctuateStreamTime(nowMs: number): boolean {
    const { streamTime } = this.#inputs
    return streamTime >= 0 && this.#punctuate('stream-time', streamTime, nowMs)
  }

  /** Runs the punctuators that are due by the wall clock; true if any ran. */
  punctuateWallClock(nowMs: number): boolean {
    const any = this.#punctuate('wall-clock', nowMs, nowMs)
    this.#hasPunctuated ||= any
    return any
  }

  /** Functions that wait are under way, or have results that were not sent on: until not, nothing may be committed. */
  get hasCallsUnderWay(): boolean {
    return !this.#context.asyncWork.isIdle
  }

  /** Sends on the results of functions that waited, as far as their order allows; true if there were any. @throws PROCESSING_FAILED */
  sendResults(nowMs: number): boolean {
    if (!this.hasCallsUnderWay) return false
    let any = false
    this.#guard(() => {
      this.#context.begin(idleRecord(this.#inputs.streamTime), nowMs, this.#inputs.streamTime)
      any = this.#context.asyncWork.send()
    })
    return any
  }

  /** Resolves when a function that waited has come to its end since `sendResults` was called. */
  nextResult(): Promise<void> {
    return this.#context.asyncWork.next()
  }

  /** Empties the caches, which may lead to more output, and to calls of functions that wait. */
  flush(): void {
    this.#guard(() => this.#state.flush())
  }

  /** Empties the caches, which may lead to more output; then gives the offsets to commit, of partitions that moved. */
  prepareCommit(): readonly CommittedOffset[] {
    this.flush()
    return this.#inputs.prepareCommit((partitionTime) => this.#metadata(partitionTime))
  }

  /** Something was done since the last commit, and no input moved by it: committed offsets do not tell whether it is committed. */
  get leavesNoTrace(): boolean {
    return this.#sealedLeavesNoTrace === true || (this.#hasPunctuated && !this.#inputs.haveMoved)
  }

  /** What was committed for an input, once more. */
  standingOffset({ topic, partition, position }: TopicPartition & { readonly position: number }): CommittedOffset {
    return { topic, partition, offset: position, metadata: this.#metadata(this.#inputs.committedTime({ topic, partition })) }
  }

  #metadata(partitionTime: number): string {
    return encodeMetadata({ partitionTime, operators: this.#context.metadata })
  }

  /** True: `seal` may follow `prepareCommit`. */
  get canSeal(): boolean {
    return this.#context.canSeal
  }

  /** Records may be processed although `committed` was not called yet: they belong to the commit after that. A rollback before it forgets both. */
  seal(): void {
    this.#sealedLeavesNoTrace = this.leavesNoTrace
    this.#hasPunctuated = false
    this.#context.seal()
  }

  /** The offsets and outputs of `prepareCommit` are committed: the content of the stores is now what a rollback returns to. */
  committed(): void {
    this.#state.commit()
    this.#inputs.committed()
    this.#context.committed()
    // What has punctuated since is for the next one to tell.
    if (this.#sealedLeavesNoTrace === null) this.#hasPunctuated = false
    this.#sealedLeavesNoTrace = null
  }

  /** Back to the last commit: stores, times, an empty queue, a new pipeline. The caller reads the inputs again from the committed offsets. */
  rollback(): void {
    this.#state.rollback()
    this.#inputs.rollback()
    this.#context.rollback()
    this.#hasPunctuated = false
    this.#sealedLeavesNoTrace = null
    this.#failure = null
    this.#pipeline = this.#compile()
  }

  /** What stood by begins to run, after `restore` and before records are processed. @throws what a processor threw when it began */
  activate(): void {
    this.#standsBy = false
    this.rollback()
    if (this.#failure !== null) throw this.#failure
  }

  /** Back to the last commit, as `rollback`; from then on stores are only restored, until `activate`. */
  standBy(): void {
    this.#standsBy = true
    this.rollback()
  }

  /** Lets processors clean up; nothing may be asked of the task any more. */
  close(): void {
    const failures = this.#context.close()
    this.#state.close()
    this.#failure = new StreamError('CLOSED', `the task ${this.taskId} is closed`)
    if (failures.length > 0) throw failures[0]
  }

  get #state(): TaskState {
    return this.#context.state
  }

  #compile(): Pipeline {
    this.#lastQueue = null
    if (this.#standsBy) return noPipeline
    const pipeline = compileTask(this.#options.nodes, this.#context, (error) => { this.#fail(error) })
    try {
      this.#context.connect(pipeline)
    } catch (error) {
      this.#failure ??= error
    }
    return pipeline
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#inputs.isOver = true
  }

  #followQueue(queue: RecordQueue): void {
    const { source } = queue
    const output = this.#pipeline.sources.get(source.name)!
    this.#lastSource = output
    this.#lastRun = output.run
    this.#lastQueue = queue
  }

  #punctuate(type: 'stream-time' | 'wall-clock', time: number, nowMs: number): boolean {
    let any = false
    this.#guard(() => { any = this.#context.punctuate(type, time, nowMs) })
    return any
  }

  /** Whatever fails inside, thrown or sent down the pipeline, kills the task. */
  #guard(work: () => void): void {
    if (this.#failure !== null) throw this.#failure
    try {
      work()
    } catch (error) {
      this.#failure ??= error
    }
    if (this.#failure !== null) throw this.#failure
  }
}
