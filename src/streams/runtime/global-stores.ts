import { StreamError } from '../../core/index.ts'
import type { Clock, RecordBatch, TopicPartition } from '../../core/index.ts'
import type { DiskState } from '../state/disk-state.ts'
import type { OpenStore } from '../state/open-store.ts'
import type { GlobalStore, TopologyData } from '../topology/node.ts'
import type { RecordCollector } from './record-collector.ts'
import { StreamTask } from './stream-task.ts'
import type { TaskConfig } from './task-config.ts'
import { oldestCheckpointMs } from './task-state.ts'

export interface GlobalStoresOptions {
  readonly applicationId: string
  readonly clock: Clock
  readonly config: TaskConfig
  /** Where stores are that outlive the process, of this reader alone; absent or null: in memory. */
  readonly disk?: DiskState | null
}

/** Nothing may leave a global store: every instance fills it, and would write the same again. */
const noOutput: RecordCollector = {
  send(topic) {
    throw new StreamError('UNSUPPORTED', `a processor of a global store forwarded a record to ${topic}; it may only fill its store`)
  },
  partitionCount: () => 1,
}

/** The first and the next offset of a partition. */
interface PartitionRange {
  readonly partition: number
  readonly start: number
  readonly end: number
}

/**
 * The stores that an instance fills from all partitions of their topics. Whoever reads the topics hands the records in. On disk a
 * store and how far it has come in each partition change as one.
 */
export class GlobalStores {
  /** By name, for the tasks that look rows up. */
  readonly stores: ReadonlyMap<string, OpenStore>
  readonly #taskOfTopic: ReadonlyMap<string, StreamTask>
  readonly #clock: Clock
  readonly #disk: DiskState | null

  constructor(topology: TopologyData, { applicationId, clock, config, disk = null }: GlobalStoresOptions) {
    this.#clock = clock
    this.#disk = disk
    const tasks = topology.globalStores.map((global) => [global.source.topics[0]!, new StreamTask({
      taskId: `${global.id}_global`,
      partition: 0,
      applicationId,
      nodes: [global.source, global.processor],
      stores: [withSource(global)],
      repartitionTopics: [],
      clock,
      config: withoutDeadLetters(config),
      collector: noOutput,
      disk,
    })] as const)
    this.#taskOfTopic = new Map(tasks)
    this.stores = new Map(tasks.flatMap(([, task]) => [...task.stores]))
  }

  get topics(): readonly string[] {
    return [...this.#taskOfTopic.keys()]
  }

  /** Records that were left out. */
  get droppedRecords(): number {
    return [...this.#taskOfTopic.values()].reduce((sum, task) => sum + task.droppedRecords, 0)
  }

  /**
   * Where to begin to read each partition of a topic: where a store on disk has come. If that cannot be gone on from in one of them,
   * because the topic has lost it or because deletions since then may be forgotten, it is emptied and begins with all of them anew.
   */
  positions(topic: string, partitions: readonly PartitionRange[]): ReadonlyMap<number, number> {
    const disk = this.#diskOf(topic)
    const now = this.#clock.now()
    const kept = partitions.map(({ partition, start, end }) => {
      const checkpoint = disk?.checkpoint(checkpointName(topic, partition)) ?? null
      const isGood = checkpoint !== null && checkpoint.offset >= start && checkpoint.offset <= end && now - checkpoint.writtenAtMs <= oldestCheckpointMs
      return { partition, start, offset: isGood ? checkpoint.offset : null, isUnknown: checkpoint === null }
    })
    if (kept.every(({ offset, isUnknown }) => offset !== null || isUnknown)) return new Map(kept.map(({ partition, offset, start }) => [partition, offset ?? start]))
    for (const store of this.#taskOfTopic.get(topic)!.stores.values()) store.wipe?.()
    for (const { partition } of partitions) disk?.forgetCheckpoint(checkpointName(topic, partition))
    return new Map(partitions.map(({ partition, start }) => [partition, start]))
  }

  /** Puts what was read of a topic into its store; it is seen at once. What throws has changed nothing. @throws what a processor of the program threw */
  add(partition: TopicPartition, batches: Iterable<RecordBatch>, nextOffset: number): void {
    const task = this.#taskOfTopic.get(partition.topic)!
    try {
      task.addRecords(partition, batches, nextOffset)
      while (task.process(this.#clock.now()));
      task.prepareCommit()
      this.#commit(task, partition, nextOffset)
    } catch (error) {
      task.rollback()
      throw error
    }
  }

  #commit(task: StreamTask, { topic, partition }: TopicPartition, nextOffset: number): void {
    const disk = this.#diskOf(topic)
    if (disk === null) {
      task.committed()
      return
    }
    disk.transaction(() => {
      task.committed()
      disk.setCheckpoint(checkpointName(topic, partition), nextOffset)
    })
  }

  close(): void {
    for (const task of this.#taskOfTopic.values()) task.close()
  }

  /** null: what the topic fills is in memory. */
  #diskOf(topic: string): DiskState | null {
    return [...this.#taskOfTopic.get(topic)!.stores.values()].every(({ wipe }) => wipe !== null) ? this.#disk : null
  }
}

/** No topic has such a name. */
function checkpointName(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/** The topic is to the store what a changelog is to others: rows may be on disk, since what they lack can be read again. */
function withSource({ source, store }: GlobalStore): GlobalStore['store'] {
  return { ...store, changelog: { sourceTopic: source.topics[0]!, topicConfig: {} } }
}

/** A bad record of a global topic is left out on every instance; its dead letter would come once from each. */
function withoutDeadLetters(config: TaskConfig): TaskConfig {
  const skipping = (policy: TaskConfig['onProcessingError']) => (policy === 'dead-letter' ? 'skip' : policy ?? 'fail')
  return {
    onDeserializationError: skipping(config.onDeserializationError),
    onProcessingError: skipping(config.onProcessingError),
    onSerializationError: skipping(config.onSerializationError),
    cacheMaxBytes: 0,
  }
}
