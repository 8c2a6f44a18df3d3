import { isStreamError, settledWithin } from '../../../core/index.ts'
import type { Clock, Random } from '../../../core/index.ts'
import type { RawConfig } from '../../config-spec.ts'
import type { ConnectorContext, Log, SinkConnector, SourceConnector } from '../../connector.ts'
import { configError, describeError } from '../../errors.ts'
import type { CheckedConfig } from '../check-config.ts'
import { logOf } from '../log.ts'
import { quietly } from '../quietly.ts'
import { retrying } from '../retry.ts'

export interface InstanceOptions {
  readonly checked: CheckedConfig
  /** Fills in secrets. */
  readonly resolve: (config: RawConfig) => RawConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly gracefulMs: number
  /** Keeps what the connector plans, one config a task; each is laid over the connector's. */
  readonly onPlan: (tasks: readonly RawConfig[]) => Promise<void>
  readonly onChange: () => void
}

export interface InstanceStatus {
  readonly state: 'UNASSIGNED' | 'RUNNING' | 'FAILED'
  readonly failure?: unknown
  readonly waitingFor?: string
}

/**
 * One connector's planner, from its start to its end; the tasks it plans run elsewhere.
 * ```
 *   UNASSIGNED ──start, first plan──▶ RUNNING ◀─ plans anew when it asks
 *        └────────── fails ─────────▶ FAILED
 * ```
 */
export class ConnectorInstance {
  readonly #options: InstanceOptions
  readonly #stopping = new AbortController()
  /** undefined: not made yet. */
  #connector: SourceConnector | SinkConnector | undefined
  #status: InstanceStatus = { state: 'UNASSIGNED' }
  /** Everything that asks the connector runs one after the other. */
  #work: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor(options: InstanceOptions) {
    this.#options = options
  }

  get status(): InstanceStatus {
    return this.#status
  }

  /** Resolves when it has planned for the first time, or has failed; never rejects. */
  start(): Promise<void> {
    this.#then(async () => {
      const { checked: { installed, named }, resolve } = this.#options
      const config = installed.plugin.config.parse(resolve(named.config))
      const connector = installed.plugin.createConnector()
      this.#connector = connector
      await this.#retrying('start', async () => { await connector.start(config, this.#context()) })
      await this.#plan()
      if (!this.#stopping.signal.aborted) this.#become({ state: 'RUNNING' })
    })
    return this.#work
  }

  /** Stops the planner; what it does not heed in time is left behind. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#stopping.abort()
    await this.#inTime(this.#work, 'is still busy')
    await this.#inTime(this.#stopConnector(), 'has not stopped')
  }

  async #stopConnector(): Promise<void> {
    await quietly(`connector ${this.#name}: did not stop cleanly`, () => this.#connector?.stop(), this.#options.log)
  }

  get #name(): string {
    return this.#options.checked.named.name
  }

  async #inTime(done: Promise<void>, trouble: string): Promise<void> {
    const { clock, log, gracefulMs } = this.#options
    if (!(await settledWithin(done, clock, gracefulMs))) log.warn(`connector ${this.#name}: ${trouble} after ${gracefulMs} ms and is left behind`)
  }

  async #plan(): Promise<void> {
    const { checked: { config }, onPlan } = this.#options
    const maxTasks = config['tasks.max']
    const tasks = await this.#retrying('taskConfigs', async () => this.#connector!.taskConfigs(maxTasks))
    if (config['tasks.max.enforce'] && tasks.length > maxTasks) {
      throw configError(`connector ${this.#name} made ${tasks.length} tasks, but tasks.max is ${maxTasks}; raise it, or set tasks.max.enforce=false`)
    }
    if (!this.#stopping.signal.aborted) await this.#retrying('keeping its tasks', () => onPlan(tasks), isOfTheLog)
  }

  #context(): ConnectorContext {
    const { clock, log } = this.#options
    return {
      connectorName: this.#name, clock, log: logOf(`connector ${this.#name}`, log), signal: this.#stopping.signal,
      requestTaskReconfiguration: () => this.#then(() => this.#plan()),
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

  #fail(failure: unknown): void {
    this.#options.log.error(`connector ${this.#name}: failed: ${describeError(failure)}`)
    this.#become({ state: 'FAILED', failure })
  }

  #become(status: InstanceStatus): void {
    this.#status = status
    this.#options.onChange()
  }

  #retrying<T>(step: string, call: () => Promise<T>, isPassing?: (error: unknown) => boolean): Promise<T> {
    const { clock, random, log, checked: { config } } = this.#options
    return retrying(`connector ${this.#name}: ${step}`, call, {
      clock, random, log, signal: this.#stopping.signal, maxDelayMs: config['errors.retry.delay.max.ms'], ...(isPassing && { isPassing }),
      waiting: (reason) => this.#become(reason === null ? { state: this.#status.state } : { state: this.#status.state, waitingFor: reason }),
    })
  }
}

/** Whatever keeps the log from taking a plan is no fault of the connector, which plans no other one (as upstream); but one that does not fit into a record never will. */
function isOfTheLog(error: unknown): boolean {
  return isStreamError(error) && error.code !== 'RECORD_TOO_LARGE' && error.code !== 'INVALID_RECORD'
}
