import { partitionForKey, randomInteger } from '../../../core/index.ts'
import type { Random } from '../../../core/index.ts'
import { sourceTopicsInBroker, taskPlans } from '../../runtime/assignor.ts'
import type { TaskPlan } from '../../runtime/assignor.ts'
import { GlobalStores } from '../../runtime/global-stores.ts'
import type { TaskConfig } from '../../runtime/task-config.ts'
import type { TopologyData } from '../../topology/node.ts'
import type { RawRecord } from '../simulation.ts'
import { SimulatedClock } from '../simulated-clock.ts'
import { singleRecordBatch } from '../single-record-batch.ts'
import { SimulatedLog } from './simulated-log.ts'
import { SimulatedTask } from './simulated-task.ts'
import type { TaskSurroundings } from './simulated-task.ts'

export const faultKinds = ['crash', 'rebalance', 'duplicate', 'reorder', 'clockJump'] as const
export type FaultKind = (typeof faultKinds)[number]

export interface RunOptions {
  readonly partitions: number
  /** null: nothing goes wrong, and everything happens in the order of the program. */
  readonly random: Random | null
  readonly faults: ReadonlySet<FaultKind>
  readonly config: TaskConfig
}

export interface RunResult {
  readonly log: SimulatedLog
  /** How often each fault was made. */
  readonly faults: Readonly<Record<FaultKind, number>>
}

type Input = Omit<RawRecord, 'partition'>

const applicationId = 'simulated'
/** So that a run comes to its end. */
const maxFaults = 100
const dayMs = 24 * 60 * 60 * 1000

/** Runs a topology over its whole input, with whatever goes wrong. The same options, seed included, give the same run. */
export async function runOnce(topology: TopologyData, inputs: readonly Input[], options: RunOptions): Promise<RunResult> {
  const run = new SimulatedRun(topology, inputs, options)
  try {
    return await run.toEnd()
  } finally {
    run.close()
  }
}

class SimulatedRun {
  readonly #options: RunOptions
  readonly #surroundings: TaskSurroundings & { readonly clock: SimulatedClock }
  readonly #globals: GlobalStores
  readonly #faults: Record<FaultKind, number> = { crash: 0, rebalance: 0, duplicate: 0, reorder: 0, clockJump: 0 }
  #tasks: SimulatedTask[]

  constructor(topology: TopologyData, inputs: readonly Input[], options: RunOptions) {
    const { partitions, config } = options
    const clock = new SimulatedClock(0)
    const log = new SimulatedLog()
    this.#options = options
    this.#globals = new GlobalStores(topology, { applicationId, clock, config })
    this.#surroundings = { topology, applicationId, clock, config, partitions, log, globalStores: this.#globals.stores }
    this.#fill(inputs)
    const topics = topology.subTopologies.flatMap((part) => sourceTopicsInBroker(topology, applicationId, part, new Map(inputs.map(({ topic }) => [topic, 0]))))
    this.#tasks = taskPlans(topology, applicationId, new Map(topics.map((topic) => [topic, partitions]))).map((plan) => this.#start(plan))
  }

  async toEnd(): Promise<RunResult> {
    for (let candidates = this.#candidates(); candidates.length > 0; candidates = this.#candidates()) {
      const task = candidates[this.#below(candidates.length)]!
      await this.#act(task, this.#nextFault(task))
    }
    return { log: this.#surroundings.log, faults: this.#faults }
  }

  close(): void {
    for (const task of this.#tasks) task.close()
    this.#globals.close()
  }

  #fill(inputs: readonly Input[]): void {
    const { log, partitions } = this.#surroundings
    for (const record of inputs) {
      const partition = record.key === null ? 0 : partitionForKey(record.key, partitions)
      const offset = log.end({ topic: record.topic, partition })
      log.append({ ...record, partition })
      if (this.#globals.topics.includes(record.topic)) this.#globals.add({ topic: record.topic, partition }, [singleRecordBatch({ ...record, offset })], offset + 1)
    }
  }

  #start(plan: TaskPlan): SimulatedTask {
    return new SimulatedTask(plan, this.#surroundings)
  }

  /**
   * Tasks with work whose inputs are complete: parts of the topology follow each other. With reordering, or where parts feed each
   * other, any task with work.
   */
  #candidates(): readonly SimulatedTask[] {
    const busy = this.#tasks.filter((task) => task.hasWork)
    if (this.#options.faults.has('reorder') && this.#options.random !== null) return busy
    const ready = busy.filter(({ plan }) => !busy.some(({ plan: before }) => before.subTopology !== plan.subTopology && feeds(before, plan)))
    return ready.length === 0 ? busy : ready
  }

  #nextFault(task: SimulatedTask): FaultKind | null {
    const { faults } = this.#options
    if (this.#options.random === null || Object.values(this.#faults).reduce((sum, count) => sum + count) >= maxFaults) return null
    const kinds = faultKinds.filter((kind) => faults.has(kind))
    const kind = kinds[this.#below(kinds.length * 3)]
    return kind === undefined || !task.hasWork ? null : kind
  }

  async #act(task: SimulatedTask, fault: FaultKind | null): Promise<void> {
    if (fault !== null) this.#faults[fault]++
    switch (fault) {
      case 'crash':
        await task.process(this.#someRecords())
        return this.#replace(task)
      case 'rebalance':
        await task.process(this.#someRecords())
        await task.commit()
        return this.#replace(task)
      case 'duplicate': {
        // An instance that does not know yet that the task is another's works on; its commit is refused.
        const zombie = this.#start(task.plan)
        await zombie.process(this.#someRecords())
        zombie.close()
        return
      }
      case 'clockJump': {
        // Time limits go by a clock that does not jump, so none may run out here.
        for (const other of this.#tasks) await other.settle()
        this.#surroundings.clock.advance(this.#below(2 * dayMs) - dayMs / 2)
        task.punctuate()
        return
      }
      default:
        await task.process(this.#someRecords())
        if (this.#options.random === null || this.#below(2) === 0) await task.commit()
    }
  }

  /** On another instance, which has nothing but the log. */
  #replace(task: SimulatedTask): void {
    task.close()
    this.#tasks = this.#tasks.map((other) => (other === task ? this.#start(task.plan) : other))
  }

  #someRecords(): number {
    return this.#options.random === null ? Infinity : 1 + this.#below(8)
  }

  #below(bound: number): number {
    return this.#options.random === null ? 0 : randomInteger(this.#options.random, bound)
  }
}

function feeds(before: TaskPlan, plan: TaskPlan): boolean {
  return before.subTopology.sinkTopics.some((topic) => plan.subTopology.sourceTopics.includes(topic))
}
