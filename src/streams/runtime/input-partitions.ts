import { StreamError, partitionKey } from '../../core/index.ts'
import type { CommittedOffset, RecordBatch, TopicPartition } from '../../core/index.ts'
import { writesWhatWasRead } from '../stream-record.ts'
import type { StreamRecord } from '../stream-record.ts'
import { wholeName } from '../topology/names.ts'
import type { SourceNode, TopologyNode } from '../topology/node.ts'
import { storesByKey } from '../topology/stores-by-key.ts'
import { LookAhead } from './look-ahead.ts'
import { QueuesByTime } from './queues-by-time.ts'
import { RecordQueue } from './record-queue.ts'
import type { StreamTaskOptions } from './stream-task-options.ts'
import type { TaskContext } from './task-context.ts'

interface Committed {
  readonly partitionTime: number
  /** -1: nothing was. */
  readonly offset: number
  /** Where reading goes on after a rollback, if it is known: without a commit, where it began. */
  readonly startsAt: number
}

/** The input queues of a task: chooses the next record by timestamp, and keeps the task's stream time. Semantics: PartitionGroup. */
export class InputPartitions {
  readonly #taskId: string
  readonly #nodes: readonly TopologyNode[]
  readonly #sources: readonly SourceNode[]
  readonly #context: TaskContext
  readonly #seesValues: (source: SourceNode) => boolean
  readonly #queues = new Map<string, RecordQueue>()
  readonly #list: RecordQueue[] = []
  readonly #byTime = new QueuesByTime()
  readonly #committed = new Map<RecordQueue, Committed>()
  #prepared = new Map<RecordQueue, Committed>()
  /** Largest timestamp taken from any partition; -1 at first. */
  streamTime = -1
  /** The task has failed: nothing more is processed until `rollback`. */
  isOver = false
  /** Records that were left out before they came to an operator. */
  leftOut = 0

  /** `seesValues`: something behind a source looks at the values that come from it. */
  constructor(options: StreamTaskOptions, context: TaskContext, seesValues: (source: SourceNode) => boolean) {
    this.#taskId = options.taskId
    this.#nodes = options.nodes
    this.#sources = options.nodes.filter((node): node is SourceNode => node.kind === 'source')
    this.#context = context
    this.#seesValues = seesValues
  }

  add(partition: TopicPartition, batches: Iterable<RecordBatch>, nextOffset: number): void {
    const queue = this.#queueOf(partition)
    const wasEmpty = queue.head === null
    queue.add(batches, nextOffset)
    if (wasEmpty && queue.head !== null) this.#byTime.add(queue)
  }

  waiting(partition: TopicPartition): { readonly buffered: number } {
    return this.#queueOf(partition)
  }

  /** The queue whose head has the smallest timestamp. */
  choose(): RecordQueue | null {
    return this.#byTime.first
  }

  /** Takes the head of the queue that `choose` gave. */
  take(queue: RecordQueue): StreamRecord {
    const record = queue.head!.take()
    this.pass(queue)
    return record
  }

  /** As `take`, by who has taken what the head shows. */
  pass(queue: RecordQueue): void {
    const { timestamp } = queue.head!
    const isAlone = this.#byTime.count === 1
    if (!isAlone) this.#byTime.removeFirst()
    queue.pass()
    if (!isAlone && queue.head !== null) this.#byTime.add(queue)
    else if (isAlone && queue.head === null) this.#byTime.removeFirst()
    if (timestamp > this.streamTime) this.streamTime = timestamp
  }

  /** Inputs that have a record. */
  get waitingCount(): number {
    return this.#byTime.count
  }

  /** The queue that has a record, where no other has one; else null. */
  get alone(): RecordQueue | null {
    return this.#byTime.count === 1 ? this.#byTime.first : null
  }

  /** The last record of the queue that is alone was passed by. */
  endAlone(): void {
    this.#byTime.removeFirst()
  }

  resume(partition: CommittedOffset, partitionTime: number): void {
    const queue = this.#queueOf(partition)
    queue.partitionTime = partitionTime
    this.#committed.set(queue, { partitionTime, offset: partition.offset, startsAt: partition.offset })
    this.streamTime = Math.max(this.streamTime, partitionTime)
  }

  /** Nothing was committed for the partition, and it is read from `offset` on: the next commit says so. */
  begin(partition: TopicPartition, offset: number): void {
    const queue = this.#queueOf(partition)
    this.#committed.set(queue, { partitionTime: -1, offset: -1, startsAt: offset })
    queue.add([], offset)
  }

  /** The next offset of each partition that moved since the last commit; `committed` is about these, whatever is added in between. */
  prepareCommit(metadata: (partitionTime: number) => string): readonly CommittedOffset[] {
    const moved = this.#list.filter((queue) => this.#hasMoved(queue))
    this.#prepared = new Map(moved.map((queue) => [queue, { offset: queue.nextOffset, partitionTime: queue.partitionTime, startsAt: queue.nextOffset }]))
    return moved.map((queue) => ({ topic: queue.topic, partition: queue.partition, offset: queue.nextOffset, metadata: metadata(queue.partitionTime) }))
  }

  /** Some input is further than it was at the last commit. */
  get haveMoved(): boolean {
    return this.#list.some((queue) => this.#hasMoved(queue))
  }

  /** As of the last commit; -1: not known. */
  committedTime(partition: TopicPartition): number {
    return this.#committed.get(this.#queueOf(partition))!.partitionTime
  }

  committed(): void {
    for (const [queue, prepared] of this.#prepared) this.#committed.set(queue, prepared)
    this.#prepared.clear()
  }

  rollback(): void {
    this.isOver = false
    this.streamTime = -1
    this.#byTime.clear()
    this.#prepared.clear()
    for (const [queue, { partitionTime, startsAt }] of this.#committed) {
      queue.clear()
      queue.add([], startsAt)
      queue.partitionTime = partitionTime
      this.streamTime = Math.max(this.streamTime, partitionTime)
    }
  }

  #hasMoved(queue: RecordQueue): boolean {
    return queue.nextOffset >= 0 && queue.nextOffset !== this.#committed.get(queue)!.offset
  }

  #queueOf({ topic, partition }: TopicPartition): RecordQueue {
    const key = partitionKey(topic, partition)
    const known = this.#queues.get(key)
    if (known !== undefined) return known
    const queue = this.#open(topic, partition)
    this.#queues.set(key, queue)
    this.#list.push(queue)
    this.#committed.set(queue, { partitionTime: -1, offset: -1, startsAt: -1 })
    return queue
  }

  /** null: no store is asked for rows by keys as they stand in the batches of the source. */
  #lookAhead(source: SourceNode): LookAhead | null {
    const stores = storesByKey(source, this.#nodes).map(({ node, store }) => this.#context.store(node, store))
    const asked = stores.filter(({ spec, lookAhead }) => lookAhead !== undefined && writesWhatWasRead(source.keySerde, spec.keySerde))
    return asked.length === 0 ? null : new LookAhead(asked)
  }

  #open(topic: string, partition: number): RecordQueue {
    const context = this.#context
    const source = this.#sources.find((candidate) => reads(candidate, topic, context))
    if (source === undefined) throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `no source of the task ${this.#taskId} reads the topic ${topic}`)
    return new RecordQueue({
      topic,
      partition,
      source,
      lookAhead: this.#lookAhead(source),
      seesValues: () => this.#seesValues(source),
      onDeserializationError: (view, origin, error) => this.#leavesOut(context.continueAfterDeserialization(source, view, origin, error)),
      onTimestampError: (record, error) => this.#leavesOut(context.continueAfter(source, record, error)),
      onDropped: (reason) => {
        this.leftOut++
        context.dropped(source, reason)
      },
    })
  }

  #leavesOut(goesOn: boolean): boolean {
    if (goesOn) this.leftOut++
    return goesOn
  }
}

function reads({ topics, pattern }: SourceNode, topic: string, context: TaskContext): boolean {
  if (pattern !== null) return wholeName(pattern).test(topic)
  return topics.some((name) => context.topicName(name) === topic)
}
