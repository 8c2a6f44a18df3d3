import { partitionKey } from '../../core/index.ts'
import type { CommittedOffset, PartitionRecords, TopicPartition } from '../../core/index.ts'
import type { TaskPlan } from './assignor.ts'
import type { StreamTask, WaitingRecords } from './stream-task.ts'
import type { Traffic } from './thread-metrics.ts'

/** One input partition of a task, as the thread sees it. */
interface Input extends TopicPartition {
  /** Where reading starts again after a rollback. */
  position: number
  /** The next offset that reading will bring. */
  readTo: number
  /** Where the partition is known to end. */
  end: number
  /** What was read of it. */
  readonly traffic: Traffic
  /** Looked up once: it is asked for each record. */
  waiting: WaitingRecords | null
  /** Nothing waits of it, and the broker has no more: until when others wait for it. null: not so. */
  idleUntilMs: number | null
}

/** Where an input is read from, and where it ends at present. */
export interface InputPosition extends TopicPartition {
  readonly position: number
  readonly end: number
  /** Nothing was committed, and it matters where reading began: who starts later would begin elsewhere. */
  readonly commitsStart: boolean
}

/** A task with its place in its inputs: what to read, when all inputs are there, where to go back to. */
export class ActiveTask {
  readonly plan: TaskPlan
  readonly task: StreamTask
  readonly #inputs = new Map<string, Input>()
  readonly #inputList: readonly Input[]
  readonly #maxIdleMs: number
  #processedRecords = 0
  #enforcedRecords = 0
  /** No input is left out of reading: what a read does not bring is not there. */
  readsAll = true
  /** Inputs are empty, and were waited for long enough. */
  #isEnforced = false

  constructor(plan: TaskPlan, task: StreamTask, positions: readonly InputPosition[], maxIdleMs: number) {
    this.plan = plan
    this.task = task
    this.#maxIdleMs = maxIdleMs
    for (const { topic, partition, position, end, commitsStart } of positions) {
      if (commitsStart) task.begin({ topic, partition }, position)
      this.#inputs.set(partitionKey(topic, partition), { topic, partition, position, readTo: position, end, traffic: { records: 0, bytes: 0 }, waiting: null, idleUntilMs: null })
    }
    this.#inputList = [...this.#inputs.values()]
  }

  get inputs(): readonly Readonly<Input>[] {
    return this.#inputList
  }

  /** Records that this task has processed, those that were rolled back included. */
  get processedRecords(): number {
    return this.#processedRecords
  }

  /** Those that were processed although an input was empty, which may have had earlier ones soon. */
  get enforcedRecords(): number {
    return this.#enforcedRecords
  }

  /** Records that wait in memory. */
  get bufferedRecords(): number {
    return this.#inputList.reduce((sum, input) => sum + this.#buffered(input), 0)
  }

  add({ topic, partition, batches, nextOffset, lastStableOffset }: PartitionRecords): void {
    const input = this.#inputs.get(partitionKey(topic, partition))!
    input.readTo = nextOffset
    input.end = Math.max(lastStableOffset, nextOffset)
    for (const batch of batches) {
      input.traffic.records += batch.recordCount
      input.traffic.bytes += batch.sizeBytes
    }
    this.task.addRecords(input, batches, nextOffset)
  }

  /** Processes up to `limit` records, as long as `readyInMs` is 0, which does not change while the same inputs have records; answers how many. */
  process(limit: number, nowMs: number): number {
    const { task } = this
    let count = 0
    while (count < limit && this.readyInMs(nowMs) === 0) {
      const processed = task.processMany(limit - count, nowMs)
      if (processed === 0) break
      count += processed
      if (this.#isEnforced) this.#enforcedRecords += processed
    }
    this.#processedRecords += count
    if (count > 0) task.punctuateStreamTime(nowMs)
    return count
  }

  /**
   * How long until a record that waits may be processed: 0 at once, Infinity when none waits. With several inputs, records come in
   * the order of their timestamps, as far as the broker is known to have them: an input that is empty although there is more of it
   * holds the task back; one of which there is no more does so for `maxTaskIdle`. Semantics: `max.task.idle.ms` (KIP-695).
   */
  readyInMs(nowMs: number): number {
    let buffered = 0
    this.#isEnforced = false
    for (const input of this.#inputList) {
      if (this.#buffered(input) === 0) continue
      input.idleUntilMs = null
      buffered++
    }
    if (buffered === 0) return Infinity
    if (buffered === this.#inputList.length || this.#maxIdleMs < 0) return 0
    const waitMs = this.#idleInputsMs(nowMs)
    this.#isEnforced = waitMs === 0
    return waitMs
  }

  #idleInputsMs(nowMs: number): number {
    let waitMs = 0
    for (const input of this.#inputList) {
      if (this.#buffered(input) > 0) continue
      if (input.readTo < input.end) {
        input.idleUntilMs = null
        return Infinity
      }
      input.idleUntilMs ??= nowMs + this.#maxIdleMs
      waitMs = Math.max(waitMs, input.idleUntilMs - nowMs)
    }
    return waitMs
  }

  #buffered(input: Input): number {
    input.waiting ??= this.task.waiting(input)
    return input.waiting.buffered
  }

  /** Inputs with so many waiting records that reading them pauses, and the others. */
  inputsToRead(maxBufferedRecords: number): { readonly paused: readonly TopicPartition[]; readonly open: readonly TopicPartition[] } {
    const isFull = (input: Input) => this.#buffered(input) >= maxBufferedRecords
    const paused = this.#inputList.filter(isFull)
    this.readsAll = paused.length === 0
    return { paused, open: this.#inputList.filter((input) => !isFull(input)) }
  }

  /** What to tell the group at a commit of something by which no input moved: an offset that it knows. Otherwise nothing. */
  get standingOffsets(): readonly CommittedOffset[] {
    return this.task.leavesNoTrace ? this.#inputList.slice(0, 1).map((input) => this.task.standingOffset(input)) : []
  }

  /** `writtenTo`: where a partition goes on behind what was written to it; undefined before anything was. */
  committed(offsets: readonly CommittedOffset[], writtenTo: (topic: string, partition: number) => number | undefined): void {
    for (const { topic, partition, offset } of offsets) this.#inputs.get(partitionKey(topic, partition))!.position = offset
    this.task.committed()
    this.task.checkpoint(this.#changelogEnds(writtenTo))
  }

  /** Back to the last commit; the thread reads the inputs again from their positions. */
  rollback(): void {
    this.task.rollback()
    for (const input of this.#inputList) input.readTo = input.position
  }

  /** How far the stores are in their changelogs; an input that serves as one is where processing is. */
  #changelogEnds(writtenTo: (topic: string, partition: number) => number | undefined): ReadonlyMap<string, number> {
    const { partition } = this.task
    const ends = new Map<string, number>()
    for (const topic of this.task.changelogTopics) {
      const end = this.#inputs.get(partitionKey(topic, partition))?.position ?? writtenTo(topic, partition)
      if (end !== undefined) ends.set(topic, end)
    }
    return ends
  }
}
