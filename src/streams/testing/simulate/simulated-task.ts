import type { Clock, TopicPartition } from '../../../core/index.ts'
import { partitionForKey } from '../../../core/index.ts'
import type { TaskPlan } from '../../runtime/assignor.ts'
import { StreamTask } from '../../runtime/stream-task.ts'
import type { TaskConfig } from '../../runtime/task-config.ts'
import { copyBytes } from '../../state/bytes.ts'
import type { OpenStore } from '../../state/open-store.ts'
import type { TopologyData } from '../../topology/node.ts'
import type { RawRecord } from '../simulation.ts'
import type { SimulatedLog } from './simulated-log.ts'

export interface TaskSurroundings {
  readonly topology: TopologyData
  readonly applicationId: string
  readonly clock: Clock
  readonly config: TaskConfig
  readonly partitions: number
  readonly log: SimulatedLog
  readonly globalStores: ReadonlyMap<string, OpenStore>
}

/**
 * A StreamTask of one instance, at its committed place: with the stores that the changelogs give, and output that nobody sees
 * before it is committed.
 */
export class SimulatedTask {
  readonly plan: TaskPlan
  readonly #surroundings: TaskSurroundings
  readonly #task: StreamTask
  readonly #positions: (TopicPartition & { position: number })[]
  #uncommitted: RawRecord[] = []
  #isDirty = false

  constructor(plan: TaskPlan, surroundings: TaskSurroundings) {
    const { topology, log } = surroundings
    this.plan = plan
    this.#surroundings = surroundings
    this.#task = new StreamTask({
      taskId: plan.taskId, partition: plan.partition, applicationId: surroundings.applicationId, nodes: plan.subTopology.nodes, stores: plan.subTopology.stores,
      repartitionTopics: topology.repartitionTopics.map(({ name }) => name), clock: surroundings.clock, config: surroundings.config,
      globalStores: surroundings.globalStores,
      collector: {
        send: (topic, partition, key, value, timestamp, headers) => {
          const target = partition ?? (key === null ? 0 : partitionForKey(key, surroundings.partitions))
          this.#uncommitted.push({ topic, partition: target, key: key && copyBytes(key), value: value && copyBytes(value), timestamp, headers })
        },
        partitionCount: () => surroundings.partitions,
      },
    })
    const committed = plan.inputs.flatMap((input) => log.committed(input) ?? [])
    for (const topic of this.#task.changelogTopics) {
      const target = { topic, partition: plan.partition }
      // A source topic that serves as the changelog is the table only up to where it was processed.
      const isInput = plan.inputs.some((input) => input.topic === topic)
      this.#task.restore(topic, log.read(target, 0, isInput ? (log.committed(target)?.offset ?? 0) : Infinity))
    }
    this.#task.resume(committed)
    this.#positions = plan.inputs.map((input) => ({ ...input, position: log.committed(input)?.offset ?? 0 }))
  }

  /** Something of its inputs is not processed yet, or was not committed. */
  get hasWork(): boolean {
    return this.#isDirty || this.#positions.some((input) => input.position < this.#surroundings.log.end(input) || this.#task.bufferedRecords(input) > 0)
  }

  /** Reads what is there, and processes up to so many records. @throws what the program failed with */
  async process(limit: number): Promise<void> {
    const { log, clock } = this.#surroundings
    this.#isDirty = true
    for (const input of this.#positions) {
      const end = log.end(input)
      if (input.position < end) this.#task.addRecords(input, log.read(input, input.position, end), end)
      input.position = end
    }
    for (let count = 0; count < limit; count++) {
      if (!this.#task.process(clock.now()) && !(await this.#waited())) return
      this.#task.punctuateStreamTime(clock.now())
    }
  }

  punctuate(): void {
    this.#isDirty = true
    this.#task.punctuateWallClock(this.#surroundings.clock.now())
  }

  /** Until no call of a function that waits is under way. */
  async settle(): Promise<void> {
    while (await this.#waited());
  }

  /** Outputs, changelogs and offsets, as one. */
  async commit(): Promise<void> {
    this.#task.flush()
    while (this.#task.hasCallsUnderWay) {
      await this.settle()
      this.#task.flush()
    }
    const offsets = this.#task.prepareCommit()
    this.#surroundings.log.commit(this.#uncommitted, offsets)
    this.#uncommitted = []
    this.#isDirty = false
    this.#task.committed()
  }

  /** What was not committed is gone, as it is when the process dies or another instance took over. */
  close(): void {
    this.#task.close()
  }

  /** A call of a function that waits has come to its end, and its result was sent on. */
  async #waited(): Promise<boolean> {
    if (!this.#task.hasCallsUnderWay) return false
    if (!this.#task.sendResults(this.#surroundings.clock.now())) {
      await this.#task.nextResult()
      this.#task.sendResults(this.#surroundings.clock.now())
    }
    return true
  }
}
