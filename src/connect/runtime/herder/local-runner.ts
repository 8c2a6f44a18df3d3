import type { Broker, Clock, Random } from '../../../core/index.ts'
import type { RawConfig } from '../../config-spec.ts'
import { watchSecrets } from '../../config-providers/secret-watch.ts'
import type { Secrets } from '../../config-providers/secrets.ts'
import type { ConnectorPlugin, Log } from '../../connector.ts'
import type { CheckedConfig } from '../check-config.ts'
import { hostInProcess } from '../in-process-host.ts'
import type { InstalledPlugin, PluginRegistry } from '../plugin-registry.ts'
import { hostBehind } from '../source-gate.ts'
import type { SourceGate } from '../source-gate.ts'
import { isExactlyOnce } from '../run-task.ts'
import { SupervisedTask } from '../supervised-task.ts'
import type { RestartPolicy, SupervisedTaskOptions } from '../supervised-task.ts'
import type { TaskHost } from '../task-host.ts'
import { taskName } from '../task-spec.ts'
import type { TaskSpec } from '../task-spec.ts'
import { threadHost } from '../thread-host.ts'
import { baseSpec } from '../validate-connector.ts'
import type { WorkerConfig } from '../worker-config.ts'
import { ConnectorInstance } from './connector-instance.ts'

export interface LocalRunnerOptions {
  readonly broker: Broker
  readonly registry: PluginRegistry
  readonly secrets: Secrets
  /** Secrets filled in. */
  readonly workerRaw: RawConfig
  readonly worker: WorkerConfig
  readonly clock: Clock
  readonly random: Random
  /** For one connector and its tasks. */
  readonly logOf: (connector: string) => Log
  /** What a task's thread runs. Default: the file beside thread-host. */
  readonly taskWorkerUrl?: URL
  /** A connector's or a task's status may have changed. */
  readonly onChange: (connector: string, task: number | null) => void
  /** What tasks of exactly-once sources pass. */
  readonly gate: () => SourceGate
}

export interface LocalConnector {
  readonly checked: CheckedConfig
  /** To tell whether the config changed. */
  readonly text: string
  /** Another one when its secrets changed. */
  instance: ConnectorInstance
  readonly watch: Watch
}

export interface LocalTask {
  readonly connector: string
  readonly checked: CheckedConfig
  readonly text: string
  /** The plan it is of, where tasks of another plan fence it; null: it may outlive its plan. */
  readonly generation: number | null
  readonly supervised: SupervisedTask
  readonly watch: Watch
}

interface Watch {
  cancel(): void
}

/** The connectors and tasks that run on this worker; somebody else decides which these are. */
export class LocalRunner {
  readonly #options: LocalRunnerOptions
  readonly #connectors = new Map<string, LocalConnector>()
  readonly #tasks = new Map<string, LocalTask & { readonly task: number }>()
  #isStopped = false

  constructor(options: LocalRunnerOptions) {
    this.#options = options
  }

  connectors(): ReadonlyMap<string, LocalConnector> {
    return this.#connectors
  }

  /** Of one connector, by number. */
  tasksOf(connector: string): readonly (LocalTask & { readonly task: number })[] {
    return this.tasks().filter((each) => each.connector === connector).toSorted((a, b) => a.task - b.task)
  }

  tasks(): readonly (LocalTask & { readonly task: number })[] {
    return [...this.#tasks.values()]
  }

  task(connector: string, task: number): LocalTask | undefined {
    return this.#tasks.get(taskKey(connector, task))
  }

  /** Finds the plugin and reads the config. @throws PLUGIN_NOT_FOUND, INVALID_CONFIG */
  async prepare(name: string, config: RawConfig): Promise<CheckedConfig> {
    const { registry, secrets } = this.#options
    const raw = secrets.resolve(config)
    const installed = await registry.connector(raw['connector.class'] ?? '', raw['connector.plugin.version'] ?? undefined)
    return { named: { name, config }, installed, config: baseSpec(installed.plugin).parse(raw) }
  }

  /** Resolves when it has planned for the first time, or has failed. */
  startConnector(checked: CheckedConfig, onPlan: (tasks: readonly RawConfig[]) => Promise<void>): Promise<void> {
    const { name, config } = checked.named
    const create = () => this.#createInstance(checked, onPlan)
    const local: LocalConnector = { checked, text: JSON.stringify(config), instance: create(), watch: this.#watch(checked, `connector ${name}`, config, () => void this.#renew(local, create)) }
    this.#connectors.set(name, local)
    return local.instance.start()
  }

  #createInstance(checked: CheckedConfig, onPlan: (tasks: readonly RawConfig[]) => Promise<void>): ConnectorInstance {
    const { secrets, clock, random, logOf, worker, onChange } = this.#options
    const { name } = checked.named
    return new ConnectorInstance({
      checked, clock, random, log: logOf(name), gracefulMs: worker['task.shutdown.graceful.timeout.ms'], resolve: (raw) => secrets.resolve(raw), onPlan, onChange: () => onChange(name, null),
    })
  }

  async #renew(local: LocalConnector, create: () => ConnectorInstance): Promise<void> {
    const { name } = local.checked.named
    await local.instance.stop()
    if (this.#isStopped || this.#connectors.get(name) !== local) return
    local.instance = create()
    await local.instance.start()
  }

  /** Where `config.action.reload` says so, a connector or a task whose secrets changed is started anew. */
  #watch({ config: parsed, named }: CheckedConfig, name: string, config: RawConfig, restart: () => void): Watch {
    const { secrets, clock, logOf } = this.#options
    if (parsed['config.action.reload'] !== 'restart') return { cancel: () => {} }
    const log = logOf(named.name)
    return watchSecrets({
      secrets, config, name, clock, log,
      onChange: () => {
        log.info(`${name}: a secret in its config has changed; it is started anew`)
        restart()
      },
    })
  }

  async stopConnector(name: string): Promise<void> {
    const local = this.#connectors.get(name)
    this.#connectors.delete(name)
    local?.watch.cancel()
    await local?.instance.stop()
  }

  startTask(checked: CheckedConfig, task: number, taskConfig: RawConfig, { isPaused, generation: planned }: { readonly isPaused: boolean; readonly generation: number }): void {
    const { clock, random, logOf, worker, workerRaw, onChange } = this.#options
    const { named: { name, config }, installed } = checked
    const spec: TaskSpec = {
      connector: name, taskId: task, type: installed.plugin.type, connectorConfig: config, taskConfig, workerConfig: workerRaw,
      plugin: { class: installed.plugin.class, version: installed.plugin.version, module: installed.module },
    }
    const generation = spec.type === 'source' && isExactlyOnce(worker) ? planned : null
    const supervised = new SupervisedTask({
      id: task, name: taskName(spec), clock, random, log: logOf(name), gracefulMs: worker['task.shutdown.graceful.timeout.ms'],
      restart: restartPolicy(checked.config['restart.policy'] ?? worker['restart.policy'], worker),
      launch: this.#launcher(spec, installed, { where: checked.config['task.host'] ?? worker['task.host'], generation }),
      onChange: () => onChange(name, task),
    }, { isPaused })
    const watch = this.#watch(checked, taskName(spec), { ...config, ...taskConfig }, () => supervised.relaunch())
    this.#tasks.set(taskKey(name, task), { connector: name, task, checked, text: JSON.stringify(taskConfig), generation, supervised, watch })
    supervised.start()
  }

  async stopTask(connector: string, task: number): Promise<void> {
    const key = taskKey(connector, task)
    const local = this.#tasks.get(key)
    local?.watch.cancel()
    await local?.supervised.stop()
    if (this.#tasks.get(key) === local) this.#tasks.delete(key)
  }

  /** Stops everything at once; what stopped how can still be looked at. */
  async stopAll(): Promise<void> {
    this.#isStopped = true
    for (const { watch } of [...this.connectors().values(), ...this.tasks()]) watch.cancel()
    await Promise.all([...this.connectors().values()].map(({ instance }) => instance.stop()).concat(this.tasks().map(({ supervised }) => supervised.stop())))
  }

  #launcher(spec: TaskSpec, installed: InstalledPlugin<ConnectorPlugin>, { where, generation }: { readonly where: 'thread' | 'in-process'; readonly generation: number | null }): SupervisedTaskOptions['launch'] {
    const { broker, clock, random, taskWorkerUrl, worker, registry, secrets, logOf, gate } = this.#options
    const inThread = threadHost({ maxMemoryMiB: worker['task.max.memory.mb'], stallTimeoutMs: worker['task.stall.timeout.ms'], ...(taskWorkerUrl && { workerUrl: taskWorkerUrl }) })
    // a plugin that is an object of this process cannot cross into a thread
    const host: TaskHost = where === 'in-process' || installed.module === null ? hostInProcess : inThread
    const planned = generation === null ? null : { connector: spec.connector, task: spec.taskId, generation }
    const gated = planned === null ? host : hostBehind((signal) => gate().enter(planned, signal), host)
    const confirm = async () => { if (planned !== null) await gate().confirm(planned) }
    return (start) => gated({
      ...start, confirm, installed, registry, broker, clock, random, log: logOf(spec.connector),
      spec: { ...spec, connectorConfig: secrets.resolve(spec.connectorConfig), taskConfig: secrets.resolve(spec.taskConfig) },
    })
  }
}

function taskKey(connector: string, task: number): string {
  return `${connector}-${task}`
}

function restartPolicy(policy: 'backoff' | 'none', worker: WorkerConfig): RestartPolicy {
  const attempts = worker['restart.max.attempts']
  return { isEnabled: policy === 'backoff', firstMs: worker['restart.backoff.ms'], maxMs: worker['restart.backoff.max.ms'], maxAttempts: attempts < 0 ? Infinity : attempts }
}
