import { StreamError, partitionForKey } from '../../core/index.ts'
import type { Header } from '../../core/index.ts'
import { GlobalStores } from '../runtime/global-stores.ts'
import type { RecordCollector } from '../runtime/record-collector.ts'
import { copyBytes } from '../state/bytes.ts'
import { StreamTask } from '../runtime/stream-task.ts'
import type { TaskConfig } from '../runtime/task-config.ts'
import type { OpenStore } from '../state/open-store.ts'
import type { SourceNode, TopologyData } from '../topology/node.ts'
import { DurableTopics } from './durable-topics.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { singleRecordBatch } from './single-record-batch.ts'

/** A record as a topic has it. */
export interface RawRecord {
  readonly topic: string
  readonly partition: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

export interface SimulationOptions {
  readonly applicationId: string
  readonly startAtMs: number
  readonly config: TaskConfig
  /** Of every topic. With 1 the whole topology is one task, as in Kafka Streams' test driver; with more each sub-topology has a task per partition. */
  readonly partitions: number
}

/**
 * Runs a topology without a broker: records that are piped in are processed with all that follows from them before the
 * call returns. A commit comes after each record, then what was written to topics that are read again is fed back.
 */
export class Simulation {
  readonly clock: SimulatedClock
  readonly #topology: TopologyData
  readonly #options: SimulationOptions
  readonly #globals: GlobalStores
  readonly #durable: DurableTopics
  #tasks: readonly StreamTask[]
  #droppedBefore = 0
  readonly #tasksOfTopic = new Map<string, readonly (StreamTask | undefined)[]>()
  readonly #endOffsets = new Map<string, number>()
  #uncommitted: RawRecord[] = []
  #written: RawRecord[] = []

  constructor(topology: TopologyData, options: SimulationOptions) {
    this.#topology = topology
    this.#options = options
    this.clock = new SimulatedClock(options.startAtMs)
    this.#globals = new GlobalStores(topology, { ...options, clock: this.clock })
    this.#durable = new DurableTopics(topology, options.applicationId)
    this.#tasks = this.#createTasks()
  }

  /** Throws away all that the tasks have in memory, and starts them again from changelogs and committed offsets. */
  restart(): void {
    this.#droppedBefore = this.droppedRecords - this.#globals.droppedRecords
    for (const task of this.#tasks) task.close()
    this.#tasksOfTopic.clear()
    this.#tasks = this.#createTasks()
    for (const task of this.#tasks) {
      for (const topic of task.changelogTopics) task.restore(topic, this.#durable.read(topic, task.partition))
      task.resume(this.#durable.offsets.filter((offset) => this.#readersOf(offset.topic)?.[offset.partition] === task))
    }
  }

  /** Appends a record to an input topic and processes until nothing is left. @throws UNKNOWN_TOPIC_OR_PARTITION, PROCESSING_FAILED, DESERIALIZATION_FAILED */
  pipe(record: Omit<RawRecord, 'partition'>): void {
    const partition = this.#partitionOf(record.key)
    if (!this.#feed({ ...record, partition })) {
      throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `the topology reads no topic ${record.topic}`)
    }
    this.#run()
  }

  /** Moves the wall clock, runs what is due by it once, and processes what follows. */
  advanceWallClock(ms: number): void {
    this.clock.advance(ms)
    for (const task of this.#tasks) {
      task.punctuateWallClock(this.clock.now())
      this.#commit(task)
    }
    this.#run()
  }

  /** Until no call of a function that waits is under way, and all that follows from their results is processed. */
  async settled(): Promise<void> {
    for (;;) {
      this.#run()
      const busy = this.#tasks.filter((task) => task.hasCallsUnderWay)
      if (busy.length === 0) return
      await Promise.race(busy.map((task) => task.nextResult()))
    }
  }

  /** What was written since it was last asked, in the order of writing: results, repartition topics and changelogs. */
  takeWritten(): readonly RawRecord[] {
    const written = this.#written
    this.#written = []
    return written
  }

  /** The store of that name in each task that has it, by partition. */
  stores(name: string): readonly OpenStore[] {
    return [this.#globals, ...this.#tasks].flatMap(({ stores }) => stores.get(name) ?? [])
  }

  get storeNames(): readonly string[] {
    return [...new Set([this.#globals, ...this.#tasks].flatMap(({ stores }) => [...stores.keys()]))]
  }

  get droppedRecords(): number {
    return this.#tasks.reduce((sum, task) => sum + task.droppedRecords, this.#globals.droppedRecords + this.#droppedBefore)
  }

  close(): void {
    for (const task of this.#tasks) task.close()
    this.#globals.close()
  }

  #createTasks(): readonly StreamTask[] {
    if (this.#options.partitions === 1) return [this.#createTask(this.#topology, '0_0', 0)]
    const partitions = Array.from({ length: this.#options.partitions }, (_, partition) => partition)
    return this.#topology.subTopologies.flatMap((part) => partitions.map((partition) => this.#createTask(part, `${part.id}_${partition}`, partition)))
  }

  #createTask({ nodes, stores }: Pick<TopologyData, 'nodes' | 'stores'>, taskId: string, partition: number): StreamTask {
    const { applicationId, config } = this.#options
    const task = new StreamTask({
      taskId,
      partition,
      applicationId,
      nodes,
      stores,
      repartitionTopics: this.#topology.repartitionTopics.map((topic) => topic.name),
      clock: this.clock,
      config,
      collector: this.#collector(),
      globalStores: this.#globals.stores,
    })
    for (const node of nodes) if (node.kind === 'source') this.#register(node, task, partition)
    return task
  }

  #register(source: SourceNode, task: StreamTask, partition: number): void {
    for (const topic of source.pattern === null ? source.topics : [patternKey(source.pattern)]) {
      const tasks = [...(this.#tasksOfTopic.get(this.#brokerName(topic)) ?? [])]
      tasks[partition] = task
      this.#tasksOfTopic.set(this.#brokerName(topic), tasks)
    }
  }

  #collector(): RecordCollector {
    return {
      send: (topic, partition, key, value, timestamp, headers) => {
        this.#uncommitted.push({ topic, partition: partition ?? this.#partitionOf(key), key: key && copyBytes(key), value: value && copyBytes(value), timestamp, headers })
      },
      partitionCount: () => this.#options.partitions,
    }
  }

  #run(): void {
    while (this.#tasks.some((task) => this.#runTask(task)));
    // A record that was left out as unreadable may have led to a dead letter.
    if (this.#uncommitted.length > 0) for (const task of this.#tasks) this.#commit(task)
  }

  #runTask(task: StreamTask): boolean {
    let any = task.sendResults(this.clock.now())
    if (any) this.#commit(task)
    while (task.process(this.clock.now())) {
      any = true
      task.punctuateStreamTime(this.clock.now())
      this.#commit(task)
    }
    return any
  }

  /** Not before calls of functions that wait have come to their end. */
  #commit(task: StreamTask): void {
    task.flush()
    if (task.hasCallsUnderWay) return
    this.#durable.commit(task.prepareCommit())
    task.committed()
    const written = this.#uncommitted
    this.#uncommitted = []
    this.#written.push(...written)
    for (const record of written) {
      if (!this.#feed(record)) this.#durable.append(record)
    }
  }

  /** Adds the record to the queue of the task that reads it; false if none does. */
  #feed(record: RawRecord): boolean {
    const { topic, partition } = record
    if (this.#globals.topics.includes(topic)) return this.#feedGlobal(record)
    const task = this.#readersOf(topic)?.[partition]
    if (task === undefined) return false
    const offset = this.#endOffsets.get(`${topic}-${partition}`) ?? 0
    this.#endOffsets.set(`${topic}-${partition}`, offset + 1)
    task.addRecords({ topic, partition }, [singleRecordBatch({ ...record, offset })], offset + 1)
    // A topic may be read, and be the changelog of a table, at once.
    this.#durable.append(record)
    return true
  }

  #feedGlobal(record: RawRecord): true {
    const { topic, partition } = record
    const offset = this.#endOffsets.get(`${topic}-${partition}`) ?? 0
    this.#endOffsets.set(`${topic}-${partition}`, offset + 1)
    this.#globals.add({ topic, partition }, [singleRecordBatch({ ...record, offset })], offset + 1)
    return true
  }

  #readersOf(topic: string): readonly (StreamTask | undefined)[] | undefined {
    const readers = this.#tasksOfTopic.get(topic)
    if (readers !== undefined) return readers
    for (const [name, tasks] of this.#tasksOfTopic) {
      if (name.startsWith(patternMark) && new RegExp(`^(?:${name.slice(patternMark.length)})$`).test(topic)) return tasks
    }
    return undefined
  }

  #partitionOf(key: Uint8Array | null): number {
    return key === null ? 0 : partitionForKey(key, this.#options.partitions)
  }

  #brokerName(topic: string): string {
    const isInternal = this.#topology.repartitionTopics.some((spec) => spec.name === topic)
    return isInternal ? `${this.#options.applicationId}-${topic}` : topic
  }
}

const patternMark = '^pattern:'

function patternKey(pattern: RegExp): string {
  return `${patternMark}${pattern.source}`
}
