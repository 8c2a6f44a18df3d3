import type { Broker, GroupMember, Reader, TopicPartition } from '../../../core/index.ts'
import { partitionKey } from '../../../core/index.ts'
import type { ResolvedConfig } from '../../config.ts'
import type { ActiveTask } from '../../runtime/active-task.ts'
import type { TaskPlan } from '../../runtime/assignor.ts'
import { settle } from '../../runtime/calls-under-way.ts'
import { Restorer } from '../../runtime/restore.ts'
import { TaskFactory } from '../../runtime/task-factory.ts'
import { TaskOutput } from '../../runtime/task-output.ts'
import type { OpenStore } from '../../state/open-store.ts'
import type { TopologyData } from '../../topology/node.ts'

export interface TaskSurroundings {
  readonly topology: TopologyData
  readonly config: ResolvedConfig
  readonly partitionCounts: ReadonlyMap<string, number>
  readonly batchLimits: ReadonlyMap<string, number>
  readonly globalStores: ReadonlyMap<string, OpenStore>
  /** @throws UNKNOWN_TOPIC_OR_PARTITION */
  readonly partitionCount: (topic: string) => number
}

const maxBatchBytes = 256 * 1024
const maxInFlightBytes = 16 * 1024 * 1024
const restoreBytes = 1024 * 1024

/**
 * A StreamTask of one instance, at its committed place, with the stores that the changelogs give. It has a transactional
 * producer of its own, as on a cluster: whoever opens the task anew fences who had it before.
 */
export class SimulatedTask {
  readonly plan: TaskPlan
  readonly #config: ResolvedConfig
  readonly #active: ActiveTask
  readonly #output: TaskOutput
  readonly #owner: Owner
  readonly #reader: Reader
  #isDirty = false

  private constructor(plan: TaskPlan, config: ResolvedConfig, parts: { active: ActiveTask; output: TaskOutput; owner: Owner; reader: Reader }) {
    this.plan = plan
    this.#config = config
    this.#active = parts.active
    this.#output = parts.output
    this.#owner = parts.owner
    this.#reader = parts.reader
  }

  /** 1. the instance that had the task before is fenced, and what it had open is aborted; 2. stores are restored; 3. inputs are read from where they were committed. */
  static async open(plan: TaskPlan, surroundings: TaskSurroundings): Promise<SimulatedTask> {
    const { config, config: { broker } } = surroundings
    const output = await openOutput(plan, surroundings)
    const owner = ownerOf(broker, config.applicationId)
    const factory = new TaskFactory({ ...surroundings, collector: output.collector, openDisk: null })
    const { tasks: [active] } = await factory.tasksFor(plan.inputs, [], owner, () => null)
    const restorer = new Restorer(broker, config.onRestore)
    await restorer.add(active!)
    while (!restorer.isIdle) await restorer.restoreSlice(restoreBytes)
    await restorer.close()
    active!.task.activate()
    const reader = await broker.openReader()
    reader.assign(active!.inputs.map(({ topic, partition, position }) => ({ topic, partition, offset: position })))
    return new SimulatedTask(plan, config, { active: active!, output, owner, reader })
  }

  /** Something of its inputs is not processed yet, or was not committed. `ends`: where each partition ends at present. */
  hasWork(ends: ReadonlyMap<string, number>): boolean {
    return this.#isDirty || this.#active.bufferedRecords > 0 || this.#active.inputs.some((input) => input.readTo < ends.get(partitionKey(input.topic, input.partition))!)
  }

  /** Reads what is there, and processes up to so many records. @throws what the program failed with */
  async process(limit: number): Promise<void> {
    this.#isDirty = true
    await this.#read()
    for (let left = limit; left > 0;) {
      const count = this.#active.process(left, this.#now)
      left -= count
      if (count === 0 && !(await this.#waited())) break
    }
    this.#output.check()
  }

  punctuate(): void {
    if (this.#active.task.punctuateWallClock(this.#now)) this.#isDirty = true
  }

  /** Until no call of a function that waits is under way. */
  async settle(): Promise<void> {
    while (await this.#waited());
  }

  /** Outputs, changelogs and offsets, in one transaction. @throws what the log refuses it for */
  async commit(): Promise<void> {
    await settle([this.#active], this.#config.clock)
    const offsets = this.#active.task.prepareCommit()
    await this.#output.commit(offsets, this.#owner)
    this.#active.committed(offsets, (topic, partition) => this.#output.endOf(topic, partition))
    this.#output.resume()
    this.#isDirty = false
  }

  /** Its process dies: what was not committed stays as an open transaction, until somebody takes over. */
  async die(): Promise<void> {
    this.#active.task.close()
    await this.#reader.close()
  }

  /** It goes elsewhere, after a commit. */
  async close(): Promise<void> {
    await this.die()
    await this.#output.close()
  }

  get #now(): number {
    return this.#config.clock.now()
  }

  async #read(): Promise<void> {
    for (;;) {
      const { partitions } = await this.#reader.read({ maxWaitMs: 0, isolation: 'read-committed' })
      if (partitions.length === 0) return
      for (const records of partitions) this.#active.add(records)
    }
  }

  /** A call of a function that waits has come to its end, and its result was sent on. */
  async #waited(): Promise<boolean> {
    const { task } = this.#active
    if (!task.hasCallsUnderWay) return false
    if (!task.sendResults(this.#now)) {
      await task.nextResult()
      task.sendResults(this.#now)
    }
    return true
  }
}

type Owner = Pick<GroupMember, 'committed' | 'commit' | 'metadata'>

/** Commits without being a member of the group: the producer alone says who owns the task. */
function ownerOf(broker: Broker, groupId: string): Owner {
  return {
    async committed(partitions: readonly TopicPartition[]) {
      const { offsets } = await broker.groups.describe(groupId)
      return offsets.filter(({ topic, partition }) => partitions.some((wanted) => wanted.topic === topic && wanted.partition === partition))
    },
    commit: (offsets) => broker.groups.setOffsets(groupId, offsets),
    metadata: () => ({ groupId, generation: -1, memberId: '', groupInstanceId: null }),
  }
}

async function openOutput({ taskId }: TaskPlan, { config, partitionCount }: TaskSurroundings): Promise<TaskOutput> {
  const { broker, applicationId, guarantee, transactionTimeoutMs } = config
  const transactionalId = `${applicationId}-${taskId}`
  const output = new TaskOutput({ broker, guarantee, transactionalId, transactionTimeoutMs, clientId: transactionalId, maxBatchBytes, maxInFlightBytes, partitionCount })
  await output.open()
  return output
}
