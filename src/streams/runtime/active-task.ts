import { partitionKey } from '../../core/index.ts'
import type { CommittedOffset, PartitionRecords, TopicPartition } from '../../core/index.ts'
import type { TaskPlan } from './assignor.ts'
import type { StreamTask } from './stream-task.ts'
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
}

/** A task with its place in its inputs: what to read, when all inputs are there, where to go back to. */
export class ActiveTask {
  readonly plan: TaskPlan
  readonly task: StreamTask
  readonly #inputs = new Map<string, Input>()
  readonly #inputList: readonly Input[]
  #processedRecords = 0

  constructor(plan: TaskPlan, task: StreamTask, positions: readonly (TopicPartition & { readonly position: number; readonly end: number })[]) {
    this.plan = plan
    this.task = task
    for (const { topic, partition, position, end } of positions) {
      this.#inputs.set(partitionKey(topic, partition), { topic, partition, position, readTo: position, end, traffic: { records: 0, bytes: 0 } })
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

  /** Records that wait in memory. */
  get bufferedRecords(): number {
    return this.#inputList.reduce((sum, input) => sum + this.task.bufferedRecords(input), 0)
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

  /**
   * Processes up to `limit` records; answers how many. With several inputs, one that is empty although the broker has more
   * for it holds the task back, so that records come in the order of their timestamps (`max.task.idle.ms` 0 of Kafka Streams).
   */
  process(limit: number, nowMs: number): number {
    const { task } = this
    const isSingle = this.#inputList.length === 1
    let count = 0
    while (count < limit && (isSingle || this.#hasAllInputs()) && task.process(nowMs)) count++
    this.#processedRecords += count
    if (count > 0) task.punctuateStreamTime(nowMs)
    return count
  }

  /** True while a record waits that may be processed. */
  get hasWork(): boolean {
    return this.#inputList.some((input) => this.task.bufferedRecords(input) > 0) && this.#hasAllInputs()
  }

  /** Inputs with so many waiting records that reading them pauses, and the others. */
  inputsToRead(maxBufferedRecords: number): { readonly paused: readonly TopicPartition[]; readonly open: readonly TopicPartition[] } {
    const isFull = (input: Input) => this.task.bufferedRecords(input) >= maxBufferedRecords
    return { paused: this.#inputList.filter(isFull), open: this.#inputList.filter((input) => !isFull(input)) }
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

  #hasAllInputs(): boolean {
    return this.#inputList.every((input) => input.readTo >= input.end || this.task.bufferedRecords(input) > 0)
  }
}
