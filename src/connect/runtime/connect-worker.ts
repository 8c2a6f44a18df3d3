import type { Broker, Clock, Random } from '../../core/index.ts'
import { nearestName, StreamError, systemClock, systemRandom } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import { Secrets } from '../config-providers/secrets.ts'
import type { AnyPlugin, ConnectorPlugin, Log } from '../connector.ts'
import { configError } from '../errors.ts'
import { checkConnectorConfig, checkWorkerConfig } from './check-config.ts'
import type { CheckedConfig } from './check-config.ts'
import type { NamedConfig } from './connector-config.ts'
import { hostInProcess } from './in-process-host.ts'
import { consoleLog } from './log.ts'
import { PluginRegistry } from './plugin-registry.ts'
import type { InstalledPlugin } from './plugin-registry.ts'
import { RunningConnector } from './running-connector.ts'
import type { ConnectorStatus } from './running-connector.ts'
import type { RestartPolicy, SupervisedTaskOptions } from './supervised-task.ts'
import type { TaskHost } from './task-host.ts'
import type { TaskSpec } from './task-spec.ts'
import { threadHost } from './thread-host.ts'
import type { WorkerConfig } from './worker-config.ts'

export interface ConnectWorkerOptions {
  /** Stays open when the worker stops. */
  readonly broker: Broker
  /** As in a worker's file. Default: the defaults of every key. */
  readonly config?: RawConfig
  /** Further plugins as objects; their tasks run inside the worker. */
  readonly plugins?: readonly AnyPlugin[]
  readonly log?: Log
  readonly clock?: Clock
  readonly random?: Random
  /** What a task's thread runs. Default: the file beside this one. */
  readonly taskWorkerUrl?: URL
  /** Called when a status may have changed. */
  readonly onChange?: () => void
}

/**
 * Runs connectors on a log that is open already: plans, hosts, supervises and stops them.
 * ```ts
 * import { openEmbeddedBroker } from 'millrace'
 * import { ConnectWorker } from 'millrace/connect'
 *
 * const broker = await openEmbeddedBroker({ directory: '.millrace' })
 * const worker = ConnectWorker.open({ broker, config: { 'value.converter': 'StringConverter' } })
 * await worker.start({ name: 'access-log', config: { 'connector.class': 'FileSource', 'path': 'access.log', 'topic': 'access-log' } })
 * worker.status()
 * await worker.stop()
 * ```
 */
export class ConnectWorker {
  readonly #options: ConnectWorkerOptions
  /** With its secrets filled in. */
  readonly #raw: RawConfig
  readonly #secrets: Secrets
  readonly #config: WorkerConfig
  readonly #registry: PluginRegistry
  readonly #log: Log
  readonly #connectors = new Map<string, RunningConnector>()
  #isStopped = false

  private constructor(options: ConnectWorkerOptions, secrets: Secrets, raw: RawConfig, config: WorkerConfig) {
    this.#options = options
    this.#secrets = secrets
    this.#raw = raw
    this.#config = config
    this.#log = secrets.redactingLog(options.log ?? consoleLog)
    this.#registry = new PluginRegistry({ plugins: options.plugins ?? [], modules: config['plugin.path'] })
  }

  /** @throws INVALID_CONFIG naming every key that is unknown or wrong */
  static open(options: ConnectWorkerOptions): ConnectWorker {
    const secrets = Secrets.from(options.config ?? {})
    const raw = secrets.resolve(options.config ?? {})
    return new ConnectWorker(options, secrets, raw, checkWorkerConfig(raw))
  }

  /**
   * Checks the config, then starts the connector; resolves before it runs, see `status`.
   * @throws INVALID_CONFIG with every complaint, PLUGIN_NOT_FOUND, CLOSED
   */
  async start(named: NamedConfig): Promise<void> {
    if (this.#isStopped) throw new StreamError('CLOSED', 'the Connect worker was stopped')
    const checked = await this.#checked(named)
    if (this.#connectors.has(checked.named.name)) throw configError(`Connector ${checked.named.name} already exists`)
    const connector = new RunningConnector(this.#connectorOptions(checked))
    this.#connectors.set(checked.named.name, connector)
    connector.start()
  }

  /** What `start` checks. @throws INVALID_CONFIG, PLUGIN_NOT_FOUND */
  async check(named: NamedConfig): Promise<void> {
    await this.#checked(named)
  }

  /** In the order they were started. */
  status(): readonly ConnectorStatus[] {
    return [...this.#connectors.values()].map(({ status }) => this.#redacted(status))
  }

  /** Set when a connector, or every task of one, has failed for good. */
  failure(): unknown {
    const failure = [...this.#connectors.values()].map((connector) => connector.failure).find((each) => each !== undefined)
    return failure === undefined ? undefined : this.#secrets.redactError(failure)
  }

  /** Tasks commit and rest. @throws INVALID_ARGUMENT for an unknown name */
  pause(name: string): void {
    this.#named(name).pause()
  }

  resume(name: string): void {
    this.#named(name).resume()
  }

  /** Stops the connector and forgets it; its offsets stay. @throws INVALID_ARGUMENT for an unknown name */
  async remove(name: string): Promise<void> {
    await this.#named(name).stop()
    this.#connectors.delete(name)
  }

  /** Stops every connector: sources before sinks have no meaning across a log, so all at once. Safe to call twice. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all([...this.#connectors.values()].map((connector) => connector.stop()))
  }

  #checked(named: NamedConfig): Promise<CheckedConfig> {
    return checkConnectorConfig(named, this.#registry, { worker: this.#raw, secrets: this.#secrets })
  }

  #redacted(status: ConnectorStatus): ConnectorStatus {
    const hide = <T extends { readonly trace?: string; readonly waitingFor?: string }>(part: T): T => ({
      ...part,
      ...(part.trace !== undefined && { trace: this.#secrets.redact(part.trace) }),
      ...(part.waitingFor !== undefined && { waitingFor: this.#secrets.redact(part.waitingFor) }),
    })
    return { ...status, connector: hide(status.connector), tasks: status.tasks.map(hide) }
  }

  #named(name: string): RunningConnector {
    const connector = this.#connectors.get(name)
    if (connector !== undefined) return connector
    const nearest = nearestName(name, this.#connectors.keys())
    throw new StreamError('INVALID_ARGUMENT', `Connector ${name} not found${nearest === undefined ? '' : `; did you mean ${nearest}?`}`)
  }

  #connectorOptions({ named, installed, config }: CheckedConfig) {
    const clock = this.#options.clock ?? systemClock
    const random = this.#options.random ?? systemRandom
    const onChange = this.#options.onChange ?? (() => {})
    const [log, worker] = [this.#log, this.#config]
    return {
      named, installed, clock, random, log, workerConfig: this.#raw, resolve: (raw: RawConfig) => this.#secrets.resolve(raw),
      maxTasks: config['tasks.max'], enforcesMaxTasks: config['tasks.max.enforce'], retryMaxDelayMs: config['errors.retry.delay.max.ms'],
      task: { clock, random, log, onChange, gracefulMs: worker['task.shutdown.graceful.timeout.ms'], restart: restartPolicy(config['restart.policy'] ?? worker['restart.policy'], worker) },
      launch: (spec: TaskSpec) => this.#launcher(spec, installed, config['task.host'] ?? worker['task.host']),
    }
  }

  #launcher(spec: TaskSpec, installed: InstalledPlugin<ConnectorPlugin>, where: 'thread' | 'in-process'): SupervisedTaskOptions['launch'] {
    const { broker, clock = systemClock, random = systemRandom, taskWorkerUrl } = this.#options
    const inThread = threadHost({ maxMemoryMiB: this.#config['task.max.memory.mb'], stallTimeoutMs: this.#config['task.stall.timeout.ms'], ...(taskWorkerUrl && { workerUrl: taskWorkerUrl }) })
    // a plugin that is an object of this process cannot cross into a thread
    const host: TaskHost = where === 'in-process' || installed.module === null ? hostInProcess : inThread
    return (start) => host({ ...start, spec: { ...spec, connectorConfig: this.#secrets.resolve(spec.connectorConfig), taskConfig: this.#secrets.resolve(spec.taskConfig) }, installed, registry: this.#registry, broker, clock, random, log: this.#log })
  }
}

function restartPolicy(policy: 'backoff' | 'none', worker: WorkerConfig): RestartPolicy {
  const attempts = worker['restart.max.attempts']
  return { isEnabled: policy === 'backoff', firstMs: worker['restart.backoff.ms'], maxMs: worker['restart.backoff.max.ms'], maxAttempts: attempts < 0 ? Infinity : attempts }
}
