import type { Clock } from '../../../core/index.ts'
import { isStreamError, settledWithin } from '../../../core/index.ts'
import type { RawConfig } from '../../config-spec.ts'
import type { Log } from '../../connector.ts'
import { describeError } from '../../errors.ts'
import type { CheckedConfig } from '../check-config.ts'
import type { NamedConfig } from '../connector-config.ts'
import type { ConnectorOffsets, OffsetEntry } from './connector-offsets.ts'
import type { Cluster } from './cluster.ts'
import type { RestartRequest, TargetState } from './config-records.ts'
import type { ConfigChange } from './config-state.ts'
import type { ConfigStore } from './config-store.ts'
import { connectorInfo, restartPlan, stateInfo, taskInfo, taskInfos } from './connector-info.ts'
import type { ConnectorInfo, ConnectorStateInfo, TaskInfo, TaskStateInfo } from './connector-info.ts'
import type { LocalRunner } from './local-runner.ts'
import type { Loggers } from './loggers.ts'
import { Reconciler } from './reconciler.ts'
import { badRequest, conflict, failed, notFound } from './refusal.ts'
import { Stages } from './stages.ts'
import type { StoredStatus } from './status-records.ts'
import type { StatusStore } from './status-store.ts'
import type { ZombieFencing } from './zombie-fencing.ts'

export interface HerderOptions {
  readonly mode: 'standalone' | 'distributed'
  readonly configs: ConfigStore
  readonly statuses: StatusStore
  readonly offsets: ConnectorOffsets
  readonly runner: LocalRunner
  readonly cluster: Cluster
  readonly fencing: ZombieFencing
  readonly loggers: Loggers
  readonly clock: Clock
  readonly log: Log
  /** Whether sources write in transactions. */
  readonly isExactlyOnce: boolean
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string
  /** @throws INVALID_CONFIG, PLUGIN_NOT_FOUND */
  readonly check: (named: NamedConfig) => Promise<CheckedConfig>
  /** Where a plan goes when another worker is the leader; absent: this one always is. */
  readonly sendTasks?: (connector: string, tasks: readonly RawConfig[]) => Promise<void>
  readonly onChange: () => void
}

/** A connector that takes long to start must not hold up who asked for it. */
const firstPlanMs = 5_000

/**
 * What people and tools ask of a worker: connectors are made, changed, paused, restarted and removed here. It writes what is wanted
 * to the config store; the reconciler brings what runs in line with it, on this worker as on every other that reads the store.
 * Refusals are `refusal.ts`'; what another worker must do is `NotHere`.
 */
export class Herder {
  readonly #options: HerderOptions
  readonly #reconciler: Reconciler
  /** What is being done, for those who wait. */
  readonly stages: Stages

  constructor(options: HerderOptions) {
    this.#options = options
    this.stages = new Stages(options.clock)
    this.#reconciler = new Reconciler(options)
  }

  get mode(): HerderOptions['mode'] {
    return this.#options.mode
  }

  get loggers(): Loggers {
    return this.#options.loggers
  }

  /** To be called with every change of the config store. */
  changed(change: ConfigChange): void {
    if (change.kind === 'nothing') return
    if (change.kind === 'logger') this.#options.loggers.set(change.namespace, change.level)
    else this.#reconciler.soon(change.kind === 'restart' ? change : null)
  }

  /** Starts what is this worker's now, and stops what is not any more. Resolves when that is done. */
  reconcile(): Promise<void> {
    return this.#reconciler.request()
  }

  /** For how long what is stored has not been looked at, since what was asked for before is still being done. */
  get busyMs(): number {
    return this.#reconciler.busyMs
  }

  /** A connector's or a task's status may have changed on this worker. */
  localChange(connector: string, task: number | null): void {
    this.#reconciler.publish(connector, task)
    this.#options.onChange()
  }

  /** What the status topic says of a connector (`task` null) or a task from now on; null: nobody has a status of it any more. */
  statusTold(connector: string, task: number | null, status: StoredStatus | null): void {
    if (status === null) this.#reconciler.publishAgain(connector, task)
    else this.#reconciler.toldByOther(connector, task, status)
  }

  // ------------------------------------------------------------------------------------------------ looking

  names(): readonly string[] {
    return this.#options.configs.state.names()
  }

  config(name: string): RawConfig {
    return this.#stored(name).config
  }

  async info(name: string): Promise<ConnectorInfo> {
    const stored = this.#stored(name)
    return connectorInfo(name, stored, await this.#typeOf(name))
  }

  async status(name: string): Promise<ConnectorStateInfo> {
    const { statuses, runner } = this.#options
    const status = statuses.state.connector(name)
    if (status === undefined) throw notFound(`No status found for connector ${name}`)
    return stateInfo(name, status, statuses.state.tasks(name), await this.#typeOf(name), runner.tasksOf(name))
  }

  taskStatus(name: string, task: number): TaskStateInfo {
    const status = this.#options.statuses.state.task(name, task)
    if (status === undefined) throw notFound(`No status found for task ${name}-${task}`)
    return taskInfo(task, status, this.#options.runner.task(name, task)?.supervised.status)
  }

  tasks(name: string): readonly TaskInfo[] {
    return taskInfos(name, this.#stored(name).tasks)
  }

  topics(name: string): readonly string[] {
    return this.#options.statuses.state.topics(name)
  }

  async resetTopics(name: string): Promise<void> {
    await this.#options.statuses.removeTopics(name)
  }

  // ------------------------------------------------------------------------------------------------ changing

  /** @throws 400 with every complaint, 409 when there is one of that name */
  async create(named: NamedConfig, target?: TargetState): Promise<ConnectorInfo> {
    const { configs, cluster } = this.#options
    const { named: { name, config } } = await this.#checked(named)
    await configs.changing(name, async () => {
      cluster.requireLeader()
      if (configs.state.get(name) !== undefined) throw conflict(`Connector ${name} already exists`)
      await this.#writing(() => configs.putConnector(name, config, target))
    })
    return this.#afterChange(name)
  }

  /** @throws 400 with every complaint */
  async put(named: NamedConfig): Promise<{ readonly created: boolean; readonly info: ConnectorInfo }> {
    const checked = await this.#checked(named)
    const created = await this.#options.configs.changing(named.name, () => this.#put(checked))
    return { created, info: await this.#afterChange(named.name) }
  }

  async #put({ named: { name, config } }: CheckedConfig): Promise<boolean> {
    const { configs, cluster } = this.#options
    cluster.requireLeader()
    const created = configs.state.get(name) === undefined
    await this.#writing(() => configs.putConnector(name, config))
    return created
  }

  /** Only what the patch names changes; null takes a key away. @throws 404, 400 */
  async patch(name: string, patch: RawConfig): Promise<ConnectorInfo> {
    const { configs, cluster } = this.#options
    const merged = () => Object.fromEntries(Object.entries({ ...this.#stored(name).config, ...patch }).filter(([, value]) => value !== null))
    // a connector that takes long to look at its config must not hold up what else is asked of it
    for (let isDone = false; !isDone;) {
      cluster.requireLeader()
      const config = merged()
      const checked = await this.#checked({ name, config })
      isDone = await configs.changing(name, async () => {
        if (JSON.stringify(merged()) !== JSON.stringify(config)) return false
        await this.#put(checked)
        return true
      })
    }
    return this.#afterChange(name)
  }

  /** @throws 404 */
  async remove(name: string): Promise<void> {
    const { cluster, configs } = this.#options
    await configs.changing(name, async () => {
      cluster.requireLeader()
      this.#stored(name)
      await this.#writing(() => configs.remove(name))
    })
    await this.#reconciling()
  }

  /** @throws 404 */
  async setTarget(name: string, target: TargetState): Promise<void> {
    const { configs, cluster } = this.#options
    await configs.changing(name, async () => {
      if (configs.state.get(name) === undefined) throw notFound(`Unknown connector ${name}`)
      if (target === 'STOPPED') cluster.requireLeader()
      await this.#writing(() => (target === 'STOPPED' ? configs.putStopped(name) : configs.putTarget(name, target)))
    })
    await this.#reconciling()
  }

  /** What a connector planned, sent by the worker that runs it. */
  async putTasks(name: string, tasks: readonly RawConfig[]): Promise<void> {
    const { configs, cluster } = this.#options
    await configs.changing(name, async () => {
      cluster.requireLeader()
      // Who planned it may have read of a start that this worker has not: a plan that is passed over is not made again.
      await configs.refresh()
      // It was planned before that, and comes late.
      if (this.#stored(name).target !== 'STOPPED') await configs.putTasks(name, tasks)
    })
  }

  /** Before a worker of the cluster starts tasks of an exactly-once source: those of earlier plans can write no more. @throws 400, 404, 503 */
  async fenceZombies(name: string): Promise<void> {
    this.#options.cluster.requireLeader()
    const { installed } = await this.#prepared(name)
    if (installed.plugin.type !== 'source') throw badRequest(`Connector ${name} is not a source connector`)
    await this.#options.fencing.fence(name)
  }

  /** Restarts the connector alone. @throws 404 */
  async restartConnector(name: string): Promise<void> {
    const { configs, cluster } = this.#options
    if (configs.state.get(name) === undefined) throw notFound(`Unknown connector: ${name}`)
    cluster.requireConnector(name)
    await this.stages.during(`restarting connector ${name}`, () => this.#reconciler.restart(name, { includeTasks: false, onlyFailed: false }))
  }

  /** Tells every worker; answers what is going to be restarted. @throws 404 */
  async restart(name: string, request: RestartRequest): Promise<ConnectorStateInfo> {
    const { configs, cluster, statuses } = this.#options
    cluster.requireLeader()
    if (configs.state.get(name) === undefined) throw notFound(`Unknown connector: ${name}`)
    const status = statuses.state.connector(name)
    if (status === undefined) throw notFound(`Status for connector ${name} not found`)
    const plan = restartPlan(await this.status(name), request)
    await this.#writing(() => configs.putRestart(name, request))
    return plan
  }

  /** @throws 404 */
  async restartTask(name: string, task: number): Promise<void> {
    const { configs, cluster, mode } = this.#options
    const stored = configs.state.get(name)
    if (stored === undefined) throw notFound(`Unknown connector: ${name}`)
    if (stored.tasks[task] === undefined) throw notFound(mode === 'standalone' ? `Task ${name}-${task} not found` : `Unknown task: ${name}-${task}`)
    cluster.requireTask(name, task)
    await this.stages.during(`restarting task ${name}-${task}`, () => this.#reconciler.restartTask(name, task))
  }

  /** A level for every worker of the cluster. @throws 400, 404 */
  async setLevelEverywhere(namespace: string, level: unknown): Promise<void> {
    this.loggers.check(level)
    await this.#options.configs.putLevel(namespace, (level as string).trim().toUpperCase())
  }

  /** Stops everything here; what is stored stays. Safe to call twice. */
  stop(): Promise<void> {
    return this.#reconciler.stop()
  }

  /** Last, for the other workers of a cluster: what ran here is nobody's now. */
  async tellUnassigned(): Promise<void> {
    await this.#reconciler.tellUnassigned()
  }

  // ------------------------------------------------------------------------------------------------ offsets

  async offsets(name: string): Promise<readonly OffsetEntry[]> {
    const checked = await this.#prepared(name)
    return this.stages.during(`reading the offsets of connector ${name}`, () => this.#options.offsets.list(checked))
  }

  /** @throws 400, 404, 500 when the world failed */
  async alterOffsets(name: string, entries: readonly OffsetEntry[] | null): Promise<string> {
    if (entries === null || entries.length === 0) throw badRequest('Partitions / offsets need to be provided for an alter offsets request')
    return this.#whileStopped(name, (checked) => this.stages.during(`altering the offsets of connector ${name}`, () => this.#options.offsets.alter(checked, entries)))
  }

  async resetOffsets(name: string): Promise<string> {
    return this.#whileStopped(name, (checked) => this.stages.during(`resetting the offsets of connector ${name}`, () => this.#options.offsets.reset(checked)))
  }

  /** Nobody resumes it before the change is made. */
  async #whileStopped<T>(name: string, change: (checked: CheckedConfig) => Promise<T>): Promise<T> {
    const { configs, cluster, runner } = this.#options
    cluster.requireLeader()
    await this.stages.during('reading to the end of the config topic', () => configs.refresh())
    this.#requireStopped(name)
    await this.#reconciling()
    return configs.changing(name, async () => {
      this.#requireStopped(name)
      if (runner.tasksOf(name).length > 0) throw failed(`The tasks of connector ${name} have not stopped yet; try again`)
      const checked = await this.#prepared(name)
      if (checked.installed.plugin.type === 'source') await this.#fenceBeforeChange(name)
      return change(checked)
    })
  }

  #requireStopped(name: string): void {
    const stored = this.#stored(name)
    if (stored.target === 'STOPPED' && stored.tasks.length === 0) return
    throw badRequest(`Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/${name}/stop' endpoint`)
  }

  /** A task that hangs elsewhere must not commit its own offsets over the new ones. */
  async #fenceBeforeChange(name: string): Promise<void> {
    const { fencing, isExactlyOnce } = this.#options
    if (!isExactlyOnce) return
    await fencing.fence(name).catch((error: unknown) => {
      throw failed('Failed to perform zombie fencing for source connector prior to modifying offsets', error)
    })
  }

  // ------------------------------------------------------------------------------------------------

  #writing(write: () => Promise<void>): Promise<void> {
    return this.stages.during('writing to the config topic', write)
  }

  #reconciling(): Promise<void> {
    return this.stages.during('starting and stopping connectors and tasks', () => this.reconcile())
  }

  #stored(name: string) {
    const stored = this.#options.configs.state.get(name)
    if (stored === undefined) throw notFound(`Connector ${name} not found`)
    return stored
  }

  #prepared(name: string): Promise<CheckedConfig> {
    return this.#options.runner.prepare(name, this.#stored(name).config)
  }

  async #checked(named: NamedConfig): Promise<CheckedConfig> {
    try {
      return await this.stages.during(`validating the configuration of connector ${named.name}`, () => this.#options.check(named))
    } catch (error) {
      if (isStreamError(error, 'INVALID_CONFIG') || isStreamError(error, 'PLUGIN_NOT_FOUND')) throw badRequest(error.message, error)
      throw error
    }
  }

  async #typeOf(name: string): Promise<ConnectorInfo['type']> {
    try {
      return (await this.#prepared(name)).installed.plugin.type
    } catch (error) {
      this.#options.log.debug(`connector ${name}: its type is not known: ${describeError(error)}`)
      return 'unknown'
    }
  }

  /** A worker by itself answers when the tasks are known; a cluster at once. */
  async #afterChange(name: string): Promise<ConnectorInfo> {
    const { mode, clock } = this.#options
    if (mode === 'standalone') await settledWithin(this.#reconciler.planned(name), clock, firstPlanMs)
    return this.info(name)
  }
}
