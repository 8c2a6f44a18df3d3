import { sleep } from '../../core/index.ts'
import type { Clock, Random } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import type { ConnectorContext, ConnectorPlugin, Log, SinkConnector, SourceConnector } from '../connector.ts'
import { configError, describeError } from '../errors.ts'
import type { NamedConfig } from './connector-config.ts'
import type { InstalledPlugin } from './plugin-registry.ts'
import { retrying } from './retry.ts'
import { SupervisedTask } from './supervised-task.ts'
import type { SupervisedTaskOptions, TaskStatus } from './supervised-task.ts'
import { taskName } from './task-spec.ts'
import type { TaskSpec } from './task-spec.ts'

export type ConnectorState = 'UNASSIGNED' | 'RUNNING' | 'PAUSED' | 'FAILED' | 'STOPPED'

export interface ConnectorStatus {
  readonly name: string
  readonly type: 'source' | 'sink'
  readonly connector: { readonly state: ConnectorState; readonly trace?: string; readonly waitingFor?: string }
  readonly tasks: readonly TaskStatus[]
}

export interface RunningConnectorOptions {
  readonly named: NamedConfig
  readonly installed: InstalledPlugin<ConnectorPlugin>
  readonly workerConfig: RawConfig
  /** Fills in secrets. */
  readonly resolve: (config: RawConfig) => RawConfig
  readonly maxTasks: number
  readonly enforcesMaxTasks: boolean
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly retryMaxDelayMs: number
  readonly task: Omit<SupervisedTaskOptions, 'id' | 'name' | 'launch'>
  readonly launch: (spec: TaskSpec) => SupervisedTaskOptions['launch']
}

/** One connector with its tasks: starts the planner, launches what it plans, and plans anew when it asks. */
export class RunningConnector {
  readonly #options: RunningConnectorOptions
  readonly #stopping = new AbortController()
  readonly #connector: SourceConnector | SinkConnector
  #tasks: readonly SupervisedTask[] = []
  #plan = ''
  #state: ConnectorState = 'UNASSIGNED'
  #isPaused = false
  #failure: unknown
  #waitingFor: string | null = null
  /** Everything that changes the set of tasks runs one after the other. */
  #work: Promise<void> = Promise.resolve()

  constructor(options: RunningConnectorOptions) {
    this.#options = options
    this.#connector = options.installed.plugin.createConnector()
  }

  start(): void {
    this.#then(async () => {
      const { installed, named, resolve } = this.#options
      const config = installed.plugin.config.parse(resolve(named.config))
      await this.#retrying('start', async () => { await this.#connector.start(config, this.#context()) })
      this.#state = this.#isPaused ? 'PAUSED' : 'RUNNING'
      await this.#launchTasks()
    })
  }

  get status(): ConnectorStatus {
    const { named, installed } = this.#options
    return {
      name: named.name,
      type: installed.plugin.type,
      connector: {
        state: this.#state,
        ...(this.#failure !== undefined && { trace: describeError(this.#failure) }),
        ...(this.#waitingFor !== null && { waitingFor: this.#waitingFor }),
      },
      tasks: this.#tasks.map(({ status }) => status),
    }
  }

  /** Set when the connector, or every task of it, has failed for good. */
  get failure(): unknown {
    if (this.#state === 'FAILED') return this.#failure
    return this.#tasks.length > 0 && this.#tasks.every(({ failure }) => failure !== undefined) ? this.#tasks[0]!.failure : undefined
  }

  pause(): void {
    this.#isPaused = true
    if (this.#state === 'RUNNING') this.#state = 'PAUSED'
    for (const task of this.#tasks) task.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (this.#state === 'PAUSED') this.#state = 'RUNNING'
    for (const task of this.#tasks) task.resume()
  }

  /** Stops the tasks, then the planner. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#workInTime()
    await Promise.all(this.#tasks.map((task) => task.stop()))
    try {
      await this.#connector.stop()
    } catch (error) {
      this.#options.log.warn(`connector ${this.#options.named.name}: did not stop cleanly: ${describeError(error)}`)
    }
    this.#state = 'UNASSIGNED'
  }

  /** A connector that does not heed its signal must not hold up the others. */
  async #workInTime(): Promise<void> {
    const { clock, log, named, task } = this.#options
    const inTime = new AbortController()
    const done = this.#work.then(() => inTime.abort())
    await Promise.race([done, sleep(clock, task.gracefulMs, inTime.signal)])
    if (!inTime.signal.aborted) log.warn(`connector ${named.name}: is still busy after ${task.gracefulMs} ms and is left behind`)
  }

  async #launchTasks(): Promise<void> {
    const { named, maxTasks, enforcesMaxTasks } = this.#options
    const configs = await this.#retrying('taskConfigs', async () => this.#connector.taskConfigs(maxTasks))
    if (enforcesMaxTasks && configs.length > maxTasks) {
      throw configError(`connector ${named.name} made ${configs.length} tasks, but tasks.max is ${maxTasks}; raise it, or set tasks.max.enforce=false`)
    }
    const plan = JSON.stringify(configs)
    if (plan === this.#plan || this.#stopping.signal.aborted) return
    await Promise.all(this.#tasks.map((task) => task.stop()))
    this.#plan = plan
    this.#tasks = configs.map((taskConfig, taskId) => this.#supervised(taskConfig, taskId))
    for (const task of this.#tasks) task.start()
  }

  #supervised(taskConfig: RawConfig, taskId: number): SupervisedTask {
    const { named, installed, workerConfig, task, launch } = this.#options
    const { type, class: className } = installed.plugin
    const spec: TaskSpec = {
      connector: named.name, taskId, type, plugin: { class: className, module: installed.module }, connectorConfig: named.config, taskConfig, workerConfig,
    }
    return new SupervisedTask({ ...task, id: taskId, name: taskName(spec), launch: launch(spec) }, { isPaused: this.#isPaused })
  }

  #context(): ConnectorContext {
    const { named, clock, log } = this.#options
    return {
      connectorName: named.name, clock, log, signal: this.#stopping.signal,
      requestTaskReconfiguration: () => this.#then(() => this.#launchTasks()),
      raiseError: (error) => this.#fail(error),
    }
  }

  #then(step: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (!this.#stopping.signal.aborted) await step()
    }).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#fail(error)
    })
  }

  #fail(error: unknown): void {
    this.#failure = error
    this.#state = 'FAILED'
    this.#options.log.error(`connector ${this.#options.named.name}: failed: ${describeError(error)}`)
    this.#options.task.onChange()
  }

  #retrying<T>(step: string, call: () => Promise<T>): Promise<T> {
    const { named, clock, random, log, retryMaxDelayMs } = this.#options
    return retrying(`connector ${named.name}: ${step}`, call, {
      clock, random, log, signal: this.#stopping.signal, maxDelayMs: retryMaxDelayMs, waiting: (reason) => { this.#waitingFor = reason },
    })
  }
}
