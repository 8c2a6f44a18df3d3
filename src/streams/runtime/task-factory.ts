import { StreamError, partitionKey } from '../../core/index.ts'
import type { CommittedOffset, GroupMember, OffsetQuery, TopicPartition } from '../../core/index.ts'
import type { ResolvedConfig } from '../config.ts'
import { topicInBroker } from '../topology/internal-topics.ts'
import { wholeName } from '../topology/names.ts'
import type { SourceNode, TopologyData } from '../topology/node.ts'
import { ActiveTask } from './active-task.ts'
import type { InputPosition } from './active-task.ts'
import { taskPlans } from './assignor.ts'
import type { TaskPlan } from './assignor.ts'
import type { RecordCollector } from './record-collector.ts'
import type { DiskState } from '../state/disk-state.ts'
import type { OpenStore } from '../state/open-store.ts'
import { StreamTask } from './stream-task.ts'
import type { TaskConfig } from './task-config.ts'

type InputPositions = readonly InputPosition[]

/** Opens the stores of a task on disk. */
export type OpenDisk = (taskId: string) => DiskState

export interface TaskFactoryOptions {
  readonly topology: TopologyData
  readonly config: ResolvedConfig
  readonly partitionCounts: ReadonlyMap<string, number>
  readonly collector: RecordCollector
  readonly globalStores: ReadonlyMap<string, OpenStore>
  /** null: stores are kept in memory. */
  readonly openDisk: OpenDisk | null
  readonly batchLimits: ReadonlyMap<string, number>
  /** As of StreamTaskOptions. */
  readonly hasTopic?: (topic: string) => boolean
}

/** Makes the tasks of an assignment, each at its committed place. */
export class TaskFactory {
  readonly #options: TaskFactoryOptions
  readonly #disks = new Map<string, DiskState>()

  constructor(options: TaskFactoryOptions) {
    this.#options = options
  }

  /**
   * Tasks for the partitions assigned: who divided them may not know of a topic yet that a pattern matches. One that exists is kept if it has the same inputs and the group's offsets are still
   * those that it committed itself, since then its stores are up to date; otherwise it is among `dropped`. Others stand by until
   * they are restored: those that `followed` gives go on with the stores that they have.
   */
  async tasksFor(
    assigned: readonly TopicPartition[],
    existing: readonly ActiveTask[],
    member: Pick<GroupMember, 'committed'>,
    followed: (taskId: string) => StreamTask | null,
  ): Promise<{ readonly tasks: ActiveTask[]; readonly dropped: readonly ActiveTask[] }> {
    const { topology, config, partitionCounts } = this.#options
    const keys = new Set(assigned.map(({ topic, partition }) => partitionKey(topic, partition)))
    const plans = taskPlans(topology, config.applicationId, partitionCounts)
      .map((plan) => ({ ...plan, inputs: plan.inputs.filter(({ topic, partition }) => keys.has(partitionKey(topic, partition))) }))
      .filter((plan) => plan.inputs.length > 0)
    const inputs = plans.flatMap((plan) => plan.inputs)
    const committed = new Map((await member.committed(inputs)).map((offset) => [partitionKey(offset.topic, offset.partition), offset]))
    const kept = new Map(existing.filter((active) => isCurrent(active, committed)).map((active) => [active.task.taskId, active]))
    const isKept = (plan: TaskPlan) => kept.has(plan.taskId) && hasInputsOf(kept.get(plan.taskId)!, plan)
    const positions = new Map<TaskPlan, InputPositions>()
    for (const plan of plans) if (!isKept(plan)) positions.set(plan, await this.#positions(plan, committed))
    const tasks = plans.map((plan) => {
      if (isKept(plan)) return kept.get(plan.taskId)!
      const task = followed(plan.taskId) ?? this.standingBy(plan)
      task.resume(plan.inputs.flatMap(({ topic, partition }) => committed.get(partitionKey(topic, partition)) ?? []))
      return new ActiveTask(plan, task, positions.get(plan)!, config.maxTaskIdleMs)
    })
    return { tasks, dropped: existing.filter((active) => !tasks.includes(active)) }
  }

  /** A task whose stores can be filled. */
  standingBy({ taskId, partition, subTopology }: TaskPlan): StreamTask {
    const { topology, config, collector, globalStores, batchLimits, hasTopic } = this.#options
    const keepsRows = subTopology.stores.some((store) => store.persistent && store.changelog !== null)
    const { applicationId, clock } = config
    return new StreamTask({
      taskId,
      partition,
      applicationId,
      nodes: subTopology.nodes,
      stores: subTopology.stores,
      repartitionTopics: topology.repartitionTopics.map((spec) => spec.name),
      clock,
      config: taskConfig(config),
      collector,
      globalStores,
      batchLimit: (topic) => batchLimits.get(topic) ?? Infinity,
      ...(hasTopic && { hasTopic }),
      disk: keepsRows ? this.#diskOf(taskId) : null,
      standsBy: true,
    })
  }

  /** A directory is opened once, and serves the next task of that id as well. */
  #diskOf(taskId: string): DiskState | null {
    const { openDisk } = this.#options
    if (openDisk === null) return null
    const disk = this.#disks.get(taskId) ?? openDisk(taskId)
    this.#disks.set(taskId, disk)
    return disk
  }

  /** After every task is closed. */
  async close(): Promise<void> {
    for (const disk of this.#disks.values()) await disk.close()
    this.#disks.clear()
  }

  /** Where each input starts, and where it ends at present. */
  async #positions({ inputs, subTopology }: TaskPlan, committed: ReadonlyMap<string, CommittedOffset>): Promise<InputPositions> {
    const { broker } = this.#options.config
    const places = inputs.map((input) => this.#startOf(input, subTopology.nodes, committed))
    const starts = await broker.topics.listOffsets(inputs.map((input, index): OffsetQuery => ({ ...input, at: places[index]! })))
    const ends = await broker.topics.listOffsets(inputs.map((input): OffsetQuery => ({ ...input, at: 'latest' })), { isolation: 'read-committed' })
    return inputs.map((input, index) => {
      const start = starts[index]!.offset
      const end = ends[index]!.offset
      const known = committed.get(partitionKey(input.topic, input.partition))
      // No record is as young as was asked for.
      const position = known?.offset ?? (start < 0 ? end : start)
      return { ...input, position, end, commitsStart: known === undefined && places[index] !== 'earliest' }
    })
  }

  /** Where an input is read from when nothing was committed for it. @throws OFFSET_OUT_OF_RANGE where the program says nowhere */
  #startOf({ topic, partition }: TopicPartition, nodes: TaskPlan['subTopology']['nodes'], committed: ReadonlyMap<string, CommittedOffset>): OffsetQuery['at'] {
    const { offsetReset, clock } = this.#options.config
    const reset = this.#sourceOf(nodes, topic)?.offsetReset ?? offsetReset
    if (typeof reset !== 'string') return Math.max(0, clock.now() - reset.maxAgeMs)
    if (reset !== 'none') return reset
    if (committed.has(partitionKey(topic, partition))) return 'earliest'
    throw new StreamError('OFFSET_OUT_OF_RANGE', `nothing was committed for ${topic}-${partition}, and its source has offsetReset 'none': commit an offset for the group ${this.#options.config.applicationId}, or say where to start`, {
      details: { topic, partition },
    })
  }

  #sourceOf(nodes: TaskPlan['subTopology']['nodes'], topic: string): SourceNode | undefined {
    const { topology, config } = this.#options
    return nodes.find((node): node is SourceNode => {
      if (node.kind !== 'source') return false
      return node.pattern !== null ? wholeName(node.pattern).test(topic) : node.topics.some((name) => topicInBroker(config.applicationId, topology, name) === topic)
    })
  }
}

/** The part of the application's settings that its tasks need. */
export function taskConfig(config: ResolvedConfig): TaskConfig {
  const { onDeserializationError, onProcessingError, onSerializationError, deadLetterTopic, cacheMaxBytes, metricsRecordingLevel } = config
  return { onDeserializationError, onProcessingError, onSerializationError, cacheMaxBytes, metricsRecordingLevel, ...(deadLetterTopic === null ? {} : { deadLetterTopic }) }
}

/** A pattern may match other topics by now. */
function hasInputsOf({ inputs }: ActiveTask, plan: TaskPlan): boolean {
  return inputs.length === plan.inputs.length && plan.inputs.every(({ topic }) => inputs.some((input) => input.topic === topic))
}

function isCurrent(active: ActiveTask, committed: ReadonlyMap<string, CommittedOffset>): boolean {
  return active.inputs.every(({ topic, partition, position }) => {
    const offset = committed.get(partitionKey(topic, partition))
    return offset === undefined || offset.offset === position
  })
}
