import { settledWithin } from '../../../core/index.ts'
import type { RawConfig } from '../../config-spec.ts'
import { describeError } from '../../errors.ts'
import type { CheckedConfig } from '../check-config.ts'
import { traceOf } from '../supervised-task.ts'
import type { RestartRequest } from './config-records.ts'
import type { HerderOptions } from './herder.ts'
import type { LocalTask } from './local-runner.ts'
import { NotHere } from './refusal.ts'
import type { ConnectorState, StoredStatus } from './status-records.ts'

export type ReconcilerOptions = Pick<HerderOptions, 'configs' | 'statuses' | 'runner' | 'cluster' | 'clock' | 'log' | 'sendTasks' | 'redact'>

/**
 * Makes what runs on this worker what the config store and the assignment want, and tells the status store. One pass:
 * 1. Tasks and connectors that should not run here, or not with this config, are stopped.
 * 2. Connectors that should run are started; what they plan is written to the config store, which asks for the next pass.
 * 3. Tasks that should run are started, paused or resumed.
 * Passes and restarts run one after the other; what is asked for while one runs makes one more.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions
  readonly #published = new Map<string, string>()
  readonly #plans = new Map<string, Promise<void>>()
  /** Of the connectors here, the life in which each was started. */
  readonly #lives = new Map<string, number>()
  /** Records of each task and topic when they were looked at last. */
  readonly #topicRecords = new Map<string, number>()
  #work: Promise<void> = Promise.resolve()
  #isStopped = false
  #stopped: Promise<void> | undefined
  #next: Promise<void> | undefined
  /** When the pass or restart that goes on began, on the monotonic clock. */
  #busySinceMs: number | undefined

  constructor(options: ReconcilerOptions) {
    this.#options = options
  }

  /** For how long the pass or restart that goes on has gone on: what takes too long holds up all that is asked for. */
  get busyMs(): number {
    return this.#busySinceMs === undefined ? 0 : this.#options.clock.monotonic() - this.#busySinceMs
  }

  /** Resolves after a pass that began after the call. */
  request(): Promise<void> {
    this.#next ??= this.#then(() => {
      this.#next = undefined
      return this.#pass()
    })
    return this.#next
  }

  /** As `request` or `restart`, for nobody who waits; what goes wrong is in the log. */
  soon(restart: { readonly name: string; readonly request: RestartRequest } | null): void {
    const done = restart === null ? this.request() : this.restart(restart.name, restart.request)
    done.catch(() => {})
  }

  /** Stops all that runs here, tells that nobody runs it, and does nothing more. */
  stop(): Promise<void> {
    this.#isStopped = true
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  /** After `stop`: the statuses that name this worker are not true any more. */
  async tellUnassigned(): Promise<void> {
    const { statuses, cluster, configs } = this.#options
    const nobody = (status: StoredStatus): StoredStatus => ({ ...status, state: 'UNASSIGNED', trace: null })
    const isOwn = (status: StoredStatus | undefined): status is StoredStatus => status !== undefined && status.workerId === cluster.workerId && ['RUNNING', 'PAUSED', 'RESTARTING'].includes(status.state)
    for (const name of configs.state.names()) {
      const status = statuses.state.connector(name)
      if (isOwn(status)) await statuses.putConnector(name, nobody(status))
      for (const [task, each] of statuses.state.tasks(name)) if (isOwn(each)) await statuses.putTask(name, task, nobody(each))
    }
  }

  async #stopAll(): Promise<void> {
    const { runner, clock, log } = this.#options
    // a connector that is busy starting must hear of it before its turn comes; what was started meanwhile is stopped after it
    await runner.stopAll()
    if (!(await settledWithin(this.#work, clock, lastPassMs))) log.warn(`what was being written when the worker was stopped is not there after ${lastPassMs} ms, and nobody waits for it any more`)
    await runner.stopAll()
  }

  /** Resolves when the connector, if it is here, has planned for the first time since it was started. */
  async planned(name: string): Promise<void> {
    await this.request()
    await this.#plans.get(name)
    await this.request()
  }

  restart(name: string, { includeTasks, onlyFailed }: RestartRequest): Promise<void> {
    return this.#then(async () => {
      const { runner } = this.#options
      const connector = runner.connectors().get(name)
      const tasks = includeTasks ? runner.tasksOf(name).filter(({ supervised }) => !onlyFailed || supervised.status.state === 'FAILED') : []
      const restartsConnector = connector !== undefined && (!onlyFailed || connector.instance.status.state === 'FAILED')
      await Promise.all(tasks.map((each) => this.#stopForRestart(name, each.task, each)))
      if (restartsConnector) {
        await this.#stopConnector(name)
        this.#publishConnector(name, 'RESTARTING', undefined, connector.checked)
      }
      await this.#pass()
    })
  }

  restartTask(name: string, task: number): Promise<void> {
    return this.#then(async () => {
      const local = this.#options.runner.task(name, task)
      if (local !== undefined) await this.#stopForRestart(name, task, local)
      await this.#pass()
    })
  }

  /** Tells the status store what a connector (`task` null) or a task on this worker does now. */
  publish(name: string, task: number | null): void {
    const { runner } = this.#options
    if (task === null) {
      const local = runner.connectors().get(name)
      // until it has planned, what stands there stands: UNASSIGNED, RESTARTING, or the state before a pause
      if (local !== undefined && local.instance.status.state !== 'UNASSIGNED') this.#publishConnector(name, local.instance.status.state, local.instance.status.failure, local.checked)
      return
    }
    const local = runner.task(name, task)
    if (local === undefined) return
    const { state, trace } = local.supervised.status
    if (state !== 'UNASSIGNED') this.#publishTask(name, task, state, trace ?? null, local.checked)
    this.#publishTopics(name, task, local)
  }

  /** Another worker, which forgot a connector that was removed, may have been so late that it is there again: what is told here is told once more. */
  publishAgain(name: string, task: number | null): void {
    const key = task === null ? name : taskKey(name, task)
    if (!this.#isTold(key) || this.#isStopped || !this.#exists(name, task)) return
    this.#published.set(key, '')
    this.publish(name, task)
    // What does not run is told by a pass.
    this.soon(null)
  }

  /** A worker that was missed for a while, and has what it had before the last rebalance still before its eyes, may tell of what is this one's now. */
  toldByOther(name: string, task: number | null, { workerId, generation }: StoredStatus): void {
    const { cluster } = this.#options
    if (workerId !== cluster.workerId && generation < cluster.generation) this.publishAgain(name, task)
  }

  // ------------------------------------------------------------------------------------------------ a pass

  async #pass(): Promise<void> {
    const { configs } = this.#options
    if (this.#isStopped) return
    await this.#stopUnwanted()
    for (const name of configs.state.names()) await this.#startConnector(name)
    for (const name of configs.state.names()) await this.#startTasks(name)
    await this.#tryForgetRemoved()
  }

  async #stopUnwanted(): Promise<void> {
    const { configs, runner, cluster } = this.#options
    const tasks = runner.tasks().filter(({ connector, task, text, generation }) => {
      const stored = configs.state.get(connector)
      const wanted = stored?.target === 'STOPPED' ? undefined : stored?.tasks[task]
      const isOfOtherPlan = generation !== null && generation !== configs.state.fencing(connector).generation
      return wanted === undefined || isOfOtherPlan || !cluster.ownsTask(connector, task) || JSON.stringify(wanted) !== text
    })
    await Promise.all(tasks.map(({ connector, task }) => this.#stopTask(connector, task)))
    const connectors = [...runner.connectors()].filter(([name, { text }]) => {
      const stored = configs.state.get(name)
      return stored?.target !== 'STARTED' || !cluster.ownsConnector(name) || JSON.stringify(stored.config) !== text || this.#lives.get(name) !== configs.state.life(name)
    })
    await Promise.all(connectors.map(([name]) => this.#stopConnector(name)))
  }

  async #startConnector(name: string): Promise<void> {
    const { configs, runner, cluster } = this.#options
    const stored = configs.state.get(name)
    if (this.#isStopped || stored === undefined || !cluster.ownsConnector(name) || runner.connectors().has(name)) return
    this.#lives.set(name, configs.state.life(name))
    const checked = await this.#prepare(name, stored.config)
    if (checked === null) return
    if (stored.target !== 'STARTED') return this.#publishConnector(name, stored.target, undefined, checked)
    if (!this.#isTold(name)) this.#publishConnector(name, 'UNASSIGNED', undefined, checked)
    this.#plans.set(name, runner.startConnector(checked, (tasks) => this.#keepPlan(checked, tasks)))
  }

  /** null: its plugin is missing or its config cannot be read; that is its status. */
  async #prepare(name: string, config: RawConfig): Promise<CheckedConfig | null> {
    try {
      return await this.#options.runner.prepare(name, config)
    } catch (error) {
      this.#options.log.error(`connector ${name}: cannot be started: ${describeError(error)}`)
      this.#publishConnector(name, 'FAILED', error, null)
      return null
    }
  }

  async #keepPlan({ named, installed }: CheckedConfig, plan: readonly RawConfig[]): Promise<void> {
    const { configs, cluster, sendTasks, redact } = this.#options
    const { class: className } = installed.plugin
    const taskClass = className.endsWith('Connector') ? className.replace(/Connector$/, 'Task') : `${className}Task`
    const tasks = plan.map((each): RawConfig => {
      const own = Object.fromEntries(Object.entries(each).map(([key, value]) => [key, value === null ? null : redact(value)]))
      return { ...named.config, ...own, 'task.class': taskClass }
    })
    const isNews = () => {
      const stored = configs.state.get(named.name)
      return stored !== undefined && stored.target !== 'STOPPED' && (stored.isInconsistent || !sameTasks(stored.tasks, tasks))
    }
    if (!isNews()) return
    try {
      await configs.changing(named.name, async () => {
        cluster.requireLeader()
        if (isNews()) await configs.putTasks(named.name, tasks)
      })
    } catch (error) {
      if (!(error instanceof NotHere) || sendTasks === undefined) throw error
      await sendTasks(named.name, tasks)
    }
  }

  async #startTasks(name: string): Promise<void> {
    const { configs, runner, cluster } = this.#options
    const stored = configs.state.get(name)
    if (stored === undefined) return
    const isPaused = stored.target === 'PAUSED'
    const { generation } = configs.state.fencing(name)
    for (const [task, taskConfig] of stored.tasks.entries()) {
      const local = runner.task(name, task)
      if (local !== undefined && isPaused) local.supervised.pause()
      else if (local !== undefined) local.supervised.resume()
      else if (stored.target !== 'STOPPED' && cluster.ownsTask(name, task)) await this.#startTask(name, stored.config, task, taskConfig, { isPaused, generation })
    }
  }

  async #startTask(name: string, config: RawConfig, task: number, taskConfig: RawConfig, start: { readonly isPaused: boolean; readonly generation: number }): Promise<void> {
    const { runner } = this.#options
    try {
      const checked = await runner.prepare(name, config)
      if (this.#isStopped) return
      if (!this.#isTold(taskKey(name, task))) this.#publishTask(name, task, 'UNASSIGNED', null, checked)
      runner.startTask(checked, task, taskConfig, start)
    } catch (error) {
      this.#publishTask(name, task, 'FAILED', traceOf(error), null)
    }
  }

  /** What cannot be forgotten now is no reason to say that what was asked for is not done. */
  async #tryForgetRemoved(): Promise<void> {
    const { log, clock } = this.#options
    try {
      await this.#forgetRemoved()
    } catch (error) {
      log.warn(`statuses of what is no more could not be forgotten: ${describeError(error)}; it is tried again`)
      clock.setTimer(tellAgainMs, () => { if (!this.#isStopped) this.soon(null) })
    }
  }

  /** Statuses of what is no more; a cluster's workers may all do it, which changes nothing. */
  async #forgetRemoved(): Promise<void> {
    const { configs, statuses } = this.#options
    for (const name of this.#knownNames()) {
      const stored = configs.state.get(name)
      if (stored !== undefined) {
        if (statuses.state.tasks(name).some(([task]) => task >= stored.tasks.length)) await statuses.removeTasks(name, stored.tasks.length)
        continue
      }
      await statuses.removeConnector(name)
      for (const key of this.#published.keys()) if (key === name || key.startsWith(`${name}\n`)) this.#published.delete(key)
      this.#plans.delete(name)
    }
  }

  /** Of the leader, all: one that was removed may have been another's, which is gone. */
  #knownNames(): readonly string[] {
    const { statuses, cluster } = this.#options
    return [...new Set([...this.#published.keys()].map((key) => key.split('\n')[0]!).concat(cluster.isLeader ? statuses.state.names() : []))]
  }

  // ------------------------------------------------------------------------------------------------ stopping

  async #stopConnector(name: string): Promise<void> {
    this.#plans.delete(name)
    this.#lives.delete(name)
    await this.#options.runner.stopConnector(name)
    if (this.#published.has(name)) this.#published.set(name, '')
  }

  async #stopTask(name: string, task: number): Promise<void> {
    await this.#options.runner.stopTask(name, task)
    this.#published.delete(taskKey(name, task))
    for (const key of this.#topicRecords.keys()) if (key.startsWith(`${name}\n${task}\n`)) this.#topicRecords.delete(key)
  }

  async #stopForRestart(name: string, task: number, { checked }: LocalTask): Promise<void> {
    await this.#stopTask(name, task)
    this.#publishTask(name, task, 'RESTARTING', null, checked)
  }

  // ------------------------------------------------------------------------------------------------ telling

  #publishConnector(name: string, state: ConnectorState, failure: unknown, checked: CheckedConfig | null): void {
    this.#tell(name, { state, trace: failure === undefined ? null : this.#redacted(traceOf(failure)), version: checked?.installed.plugin.version ?? null }, (status) => this.#options.statuses.putConnector(name, status))
  }

  #publishTask(name: string, task: number, state: ConnectorState, trace: string | null, checked: CheckedConfig | null): void {
    this.#published.set(name, this.#published.get(name) ?? '')
    this.#tell(taskKey(name, task), { state, trace: trace === null ? null : this.#redacted(trace), version: checked?.installed.plugin.version ?? null }, (status) => this.#options.statuses.putTask(name, task, status))
  }

  /** Since it was stopped here the last time. */
  #isTold(key: string): boolean {
    return (this.#published.get(key) ?? '') !== ''
  }

  #redacted(text: string): string {
    return this.#options.redact(text)
  }

  #tell(key: string, status: Pick<StoredStatus, 'state' | 'trace' | 'version'>, put: (status: StoredStatus) => Promise<void>): void {
    const { cluster, clock, log } = this.#options
    const [name, number] = key.split('\n') as [string, string?]
    const task = number === undefined ? null : Number(number)
    // What still runs here and is another worker's now is that one's to tell of.
    if (!(task === null ? cluster.ownsConnector(name) : cluster.ownsTask(name, task))) return
    const text = JSON.stringify(status)
    if (this.#published.get(key) === text) return
    this.#published.set(key, text)
    put({ ...status, workerId: cluster.workerId, generation: cluster.generation }).then(() => this.#forgetLate(name, task), (error: unknown) => {
      log.warn(`the status of ${key.replace('\n', '-')} could not be kept: ${describeError(error)}`)
      if (this.#published.get(key) !== text) return
      this.#published.set(key, '')
      // Nothing else would tell it while the state stays as it is; what does not run is told by a pass.
      clock.setTimer(tellAgainMs, () => {
        if (this.#isStopped) return
        this.publish(name, task)
        this.soon(null)
      })
    })
  }

  /** What was told before the end of a connector or a task, and written behind it: whoever forgot them then did not see it. */
  #forgetLate(name: string, task: number | null): void {
    if (this.#isStopped || this.#exists(name, task)) return
    this.#published.set(name, this.#published.get(name) ?? '')
    this.soon(null)
  }

  #exists(name: string, task: number | null): boolean {
    const stored = this.#options.configs.state.get(name)
    return stored !== undefined && (task === null || task < stored.tasks.length)
  }

  #publishTopics(connector: string, task: number, { supervised }: LocalTask): void {
    const { statuses, clock, log } = this.#options
    for (const [topic, count] of Object.entries(supervised.topicRecords)) {
      const key = `${connector}\n${task}\n${topic}`
      const before = this.#topicRecords.get(key) ?? 0
      this.#topicRecords.set(key, count)
      if (count === before || count === 0 || statuses.state.topics(connector).includes(topic)) continue
      statuses.putTopic({ name: topic, connector, task, discoveredAt: clock.now() }).catch((error: unknown) => log.warn(`that connector ${connector} uses topic ${topic} could not be kept: ${describeError(error)}`))
    }
  }

  /** One after the other, whatever became of the one before. */
  #then(step: () => Promise<void>): Promise<void> {
    const done = this.#work.then(async () => {
      this.#busySinceMs = this.#options.clock.monotonic()
      await step().finally(() => { this.#busySinceMs = undefined })
    })
    this.#work = done.catch((error: unknown) => this.#options.log.error(`the worker could not bring its connectors in line: ${describeError(error)}`))
    return done
  }
}

function taskKey(connector: string, task: number): string {
  return `${connector}\n${task}`
}

/** For what a pass still writes, to a log that may be away, when the worker stops. */
const lastPassMs = 5_000

/** After a status could not be kept. */
const tellAgainMs = 1_000

function sameTasks(a: readonly RawConfig[], b: readonly RawConfig[]): boolean {
  const text = (configs: readonly RawConfig[]) => JSON.stringify(configs.map((config) => Object.entries(config).toSorted(([x], [y]) => (x < y ? -1 : 1))))
  return text(a) === text(b)
}
