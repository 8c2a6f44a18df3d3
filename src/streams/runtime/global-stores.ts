import { StreamError } from '../../core/index.ts'
import type { Clock, RecordBatch, TopicPartition } from '../../core/index.ts'
import type { OpenStore } from '../state/open-store.ts'
import type { TopologyData } from '../topology/node.ts'
import type { RecordCollector } from './record-collector.ts'
import { StreamTask } from './stream-task.ts'
import type { TaskConfig } from './task-config.ts'

export interface GlobalStoresOptions {
  readonly applicationId: string
  readonly clock: Clock
  readonly config: TaskConfig
}

/** Nothing may leave a global store: every instance fills it, and would write the same again. */
const noOutput: RecordCollector = {
  send(topic) {
    throw new StreamError('UNSUPPORTED', `a processor of a global store forwarded a record to ${topic}; it may only fill its store`)
  },
  partitionCount: () => 1,
}

/** The stores that an instance fills from all partitions of their topics. Whoever reads the topics hands the records in. */
export class GlobalStores {
  /** By name, for the tasks that look rows up. */
  readonly stores: ReadonlyMap<string, OpenStore>
  readonly #taskOfTopic: ReadonlyMap<string, StreamTask>
  readonly #clock: Clock

  constructor(topology: TopologyData, { applicationId, clock, config }: GlobalStoresOptions) {
    this.#clock = clock
    const tasks = topology.globalStores.map(({ id, source, processor, store }) => [source.topics[0]!, new StreamTask({
      taskId: `${id}_global`,
      partition: 0,
      applicationId,
      nodes: [source, processor],
      stores: [store],
      repartitionTopics: [],
      clock,
      config: withoutDeadLetters(config),
      collector: noOutput,
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

  /** Puts what was read of a topic into its store; it is seen at once. @throws what a processor of the program threw */
  add(partition: TopicPartition, batches: Iterable<RecordBatch>, nextOffset: number): void {
    const task = this.#taskOfTopic.get(partition.topic)!
    task.addRecords(partition, batches, nextOffset)
    while (task.process(this.#clock.now()));
    task.prepareCommit()
    task.committed()
  }

  close(): void {
    for (const task of this.#taskOfTopic.values()) task.close()
  }
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
