import { StreamError, isStreamError, partitionKey, randomInteger, seededRandom } from '../../../core/index.ts'
import type { Broker, Random } from '../../../core/index.ts'
import { resolveConfig } from '../../config.ts'
import type { ResolvedConfig } from '../../config.ts'
import { taskPlans } from '../../runtime/assignor.ts'
import type { TaskPlan } from '../../runtime/assignor.ts'
import { GlobalReader } from '../../runtime/global-reader.ts'
import { GlobalStores } from '../../runtime/global-stores.ts'
import type { TaskConfig } from '../../runtime/task-config.ts'
import { taskConfig } from '../../runtime/task-factory.ts'
import { isProducerDead } from '../../runtime/task-output.ts'
import type { TopologyData } from '../../topology/node.ts'
import { SimulatedClock } from '../simulated-clock.ts'
import type { RawRecord } from '../simulation.ts'
import { SimulatedEngine } from './simulated-engine.ts'
import { SimulatedTask } from './simulated-task.ts'
import type { TaskSurroundings } from './simulated-task.ts'
import { fillDisk, recordsOf } from './simulated-topics.ts'
import type { FilledDisk, SimulatedInput } from './simulated-topics.ts'

export const faultKinds = ['crash', 'rebalance', 'duplicate', 'reorder', 'clockJump'] as const
export type FaultKind = (typeof faultKinds)[number]

/** What all runs of a simulation have in common, but for the partitions. */
export interface Scenario {
  readonly topology: TopologyData
  readonly inputs: readonly SimulatedInput[]
  /** Topics whose content is the result. */
  readonly outputs: readonly string[]
  readonly config: TaskConfig
}

export interface RunOptions {
  readonly seed: number
  /** None: nothing goes wrong, and everything happens in the order of the program. */
  readonly faults: ReadonlySet<FaultKind>
}

export interface RunResult {
  /** By topic, in the order of `outputs`. */
  readonly outputs: readonly (readonly RawRecord[])[]
  /** How often each fault was made. */
  readonly faults: Readonly<Record<FaultKind, number>>
}

const applicationId = 'simulated'
/** So that a run comes to its end. */
const maxFaults = 50
/** After so many operations on the disk, at most, the power goes: some of them are before a commit, some in it, some behind. */
const maxOperationsToPowerCut = 60
const dayMs = 24 * 60 * 60 * 1000

/** The topics and the input of a scenario, for any number of runs with that many partitions. @throws TOPOLOGY_INVALID */
export async function prepare(scenario: Scenario, partitions: number): Promise<FilledDisk> {
  const { topology, inputs, outputs } = scenario
  const engine = { clock: clockFor(inputs), random: seededRandom(partitions) }
  return fillDisk({ topology, inputs, outputs, partitions, engine, configFor: (broker) => configFor(scenario, broker, engine) })
}

/** Runs a topology over its whole input, with whatever goes wrong. The same scenario, disk and seed give the same run. */
export async function runOnce(scenario: Scenario, filled: FilledDisk, options: RunOptions): Promise<RunResult> {
  const clock = clockFor(scenario.inputs)
  // A sequence of its own: the engine draws as it likes.
  const engine = await SimulatedEngine.open(filled.disk, { clock, random: seededRandom(options.seed + 1) })
  const run = new SimulatedRun({ scenario, filled, options, clock, engine })
  try {
    return await run.toEnd()
  } finally {
    await run.close()
  }
}

/** Later than every record: who sets a clock back far below the time of the records is told so by the log, rightly. */
function clockFor(inputs: readonly SimulatedInput[]): SimulatedClock {
  return new SimulatedClock(inputs.reduce((latest, { timestamp }) => Math.max(latest, timestamp), 0) + dayMs)
}

function configFor({ config }: Scenario, broker: Broker, { clock, random }: { readonly clock: SimulatedClock; readonly random: Random }): ResolvedConfig {
  return resolveConfig({ ...config, applicationId, broker, clock, random })
}

interface RunParts {
  readonly scenario: Scenario
  readonly filled: FilledDisk
  readonly options: RunOptions
  readonly clock: SimulatedClock
  readonly engine: SimulatedEngine
}

class SimulatedRun {
  readonly #parts: RunParts
  readonly #random: Random
  readonly #faults: Record<FaultKind, number> = { crash: 0, rebalance: 0, duplicate: 0, reorder: 0, clockJump: 0 }
  #globals: GlobalReader | null = null
  #surroundings!: TaskSurroundings
  #tasks: SimulatedTask[] = []

  constructor(parts: RunParts) {
    this.#parts = parts
    this.#random = seededRandom(parts.options.seed)
  }

  async toEnd(): Promise<RunResult> {
    const { scenario, engine } = this.#parts
    await this.#begin()
    for (let candidates = await this.#candidates(); candidates.length > 0; candidates = await this.#candidates()) {
      const task = candidates[this.#below(candidates.length)]!
      await this.#act(task, this.#nextFault())
    }
    // Whatever is committed outlasts the power.
    if (this.#has('crash')) await engine.restart()
    const outputs: (readonly RawRecord[])[] = []
    for (const topic of scenario.outputs) outputs.push(await recordsOf(engine.broker, topic))
    return { outputs, faults: this.#faults }
  }

  async close(): Promise<void> {
    await this.#end()
  }

  // ---------------------------------------------------------------------------------------------------- life and death of a process

  /** Every task of the application, from what the log has. */
  async #begin(): Promise<void> {
    const { scenario, filled, clock, engine: { broker } } = this.#parts
    const config = configFor(scenario, broker, { clock, random: this.#random })
    const { topology } = scenario
    const globals = new GlobalStores(topology, { applicationId, clock, config: taskConfig(config) })
    this.#globals = new GlobalReader(broker, globals)
    await this.#globals.start(filled.partitionCounts)
    this.#surroundings = {
      topology, config, partitionCounts: filled.partitionCounts, batchLimits: filled.batchLimits, globalStores: globals.stores,
      partitionCount: (topic) => filled.partitionCounts.get(topic) ?? unknownTopic(topic),
    }
    for (const plan of taskPlans(topology, applicationId, filled.partitionCounts)) this.#tasks.push(await SimulatedTask.open(plan, this.#surroundings))
  }

  async #end(): Promise<void> {
    const tasks = this.#tasks
    this.#tasks = []
    for (const task of tasks) await task.die()
    await this.#globals?.close()
    this.#globals = null
  }

  // ---------------------------------------------------------------------------------------------------- who does what next

  /**
   * Tasks with work whose inputs are complete: parts of the topology follow each other. With reordering, or where parts feed each
   * other, any task with work.
   */
  async #candidates(): Promise<readonly SimulatedTask[]> {
    await this.#globals!.update()
    const ends = await this.#ends()
    const busy = this.#tasks.filter((task) => task.hasWork(ends))
    if (this.#has('reorder')) return busy
    const ready = busy.filter(({ plan }) => !busy.some(({ plan: before }) => before.subTopology !== plan.subTopology && feeds(before, plan)))
    return ready.length === 0 ? busy : ready
  }

  async #ends(): Promise<ReadonlyMap<string, number>> {
    const queries = this.#tasks.flatMap(({ plan }) => plan.inputs.map((input) => ({ ...input, at: 'latest' as const })))
    const ends = await this.#parts.engine.broker.topics.listOffsets(queries, { isolation: 'read-committed' })
    return new Map(ends.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]))
  }

  #nextFault(): FaultKind | null {
    if (Object.values(this.#faults).reduce((sum, count) => sum + count) >= maxFaults) return null
    const kinds = faultKinds.filter((kind) => this.#has(kind))
    return kinds[this.#below(kinds.length * 3)] ?? null
  }

  async #act(task: SimulatedTask, fault: FaultKind | null): Promise<void> {
    if (fault !== null) this.#faults[fault]++
    switch (fault) {
      case 'crash': return this.#below(3) === 0 ? this.#powerGoes(task) : this.#instanceDies(task)
      case 'rebalance': return this.#moves(task)
      case 'duplicate': return this.#worksOn(task)
      case 'clockJump': return this.#clockJumps(task)
      default:
        await task.process(this.#someRecords())
        if (this.#isCalm || this.#below(2) === 0) await task.commit()
    }
  }

  // ---------------------------------------------------------------------------------------------------- what goes wrong

  /** One instance of several: the log goes on, with the transaction that it left open. */
  async #instanceDies(task: SimulatedTask): Promise<void> {
    await task.process(this.#someRecords())
    await task.die()
    await this.#replace(task)
  }

  /** The machine: everything begins again, with what its disk has. */
  async #powerGoes(task: SimulatedTask): Promise<void> {
    const { engine } = this.#parts
    engine.cutPowerAfter(this.#below(maxOperationsToPowerCut))
    try {
      await task.process(this.#someRecords())
      await task.commit()
    } catch (error) {
      if (!engine.isOff) throw error
    }
    await this.#end()
    await engine.restart()
    await this.#begin()
  }

  async #moves(task: SimulatedTask): Promise<void> {
    await task.process(this.#someRecords())
    await task.commit()
    await task.close()
    await this.#replace(task)
  }

  /** An instance that does not know yet that the task is another's works on, and tries to commit: the log refuses. */
  async #worksOn(task: SimulatedTask): Promise<void> {
    await this.#replace(task)
    try {
      await task.process(this.#someRecords())
      await task.commit()
    } catch (error) {
      if (!isRefusal(error)) throw error
    } finally {
      await task.die()
    }
  }

  async #clockJumps(task: SimulatedTask): Promise<void> {
    const { clock } = this.#parts
    const backAtMost = Math.min(dayMs / 2, clock.now() - clockFor(this.#parts.scenario.inputs).now())
    clock.jump(this.#below(2 * dayMs) - backAtMost)
    task.punctuate()
    await Promise.resolve()
  }

  /** On another instance, which has nothing but the log. */
  async #replace(task: SimulatedTask): Promise<void> {
    const successor = await SimulatedTask.open(task.plan, this.#surroundings)
    this.#tasks = this.#tasks.map((other) => (other === task ? successor : other))
  }

  // ---------------------------------------------------------------------------------------------------- chance

  get #isCalm(): boolean {
    return this.#parts.options.faults.size === 0
  }

  #has(kind: FaultKind): boolean {
    return this.#parts.options.faults.has(kind)
  }

  #someRecords(): number {
    // Of a large input more at once, so that a run has some hundreds of steps and not one for every few records.
    return this.#isCalm ? Infinity : 1 + this.#below(Math.max(8, Math.ceil(this.#parts.scenario.inputs.length / 100)))
  }

  #below(bound: number): number {
    return this.#isCalm ? 0 : randomInteger(this.#random, bound)
  }
}

function feeds(before: TaskPlan, plan: TaskPlan): boolean {
  return before.subTopology.sinkTopics.some((topic) => plan.subTopology.sourceTopics.includes(topic))
}

function isRefusal(error: unknown): boolean {
  return isProducerDead(error) || (isStreamError(error) && error.cause !== undefined && isRefusal(error.cause))
}

function unknownTopic(topic: string): never {
  throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `a record is for the topic ${topic}, which nobody has made; name it in outputs`, { details: { topic } })
}
