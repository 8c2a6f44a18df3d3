import type { Broker, Clock, Random } from '../../core/index.ts'
import { nearestName, StreamError, systemClock, systemRandom } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import type { AnyPlugin, Log } from '../connector.ts'
import { describeError } from '../errors.ts'
import type { NamedConfig } from './connector-config.ts'
import type { TargetState } from './herder/config-records.ts'
import { soloCluster } from './herder/cluster.ts'
import { ConfigStore } from './herder/config-store.ts'
import { Herder } from './herder/herder.ts'
import { StatusStore } from './herder/status-store.ts'
import { ZombieFencing } from './herder/zombie-fencing.ts'
import { checkConnectorConfig } from './check-config.ts'
import { isExactlyOnce } from './run-task.ts'
import type { TaskStatus } from './supervised-task.ts'
import { WorkerParts } from './worker-parts.ts'

export type ConnectorState = 'UNASSIGNED' | 'RUNNING' | 'PAUSED' | 'FAILED' | 'STOPPED'

export interface ConnectorStatus {
  readonly name: string
  readonly type: 'source' | 'sink' | 'unknown'
  readonly connector: { readonly state: ConnectorState; readonly trace?: string; readonly waitingFor?: string }
  readonly tasks: readonly TaskStatus[]
}

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
 * Runs connectors on a log that is open already: plans, hosts, supervises and stops them. Their configs are kept in memory.
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
  readonly #parts: WorkerParts
  readonly #configs: ConfigStore
  readonly #herder: Herder
  #workerId = 'millrace'
  #isStopped = false

  private constructor(options: ConnectWorkerOptions, parts: WorkerParts) {
    this.#parts = parts
    this.#configs = ConfigStore.inMemory((change) => this.#herder.changed(change))
    const { broker, workerConfig, clock, log, secrets, runner, offsets, loggers } = parts
    const cluster = soloCluster(() => this.#workerId)
    const fencing = new ZombieFencing({ broker, configs: this.#configs, cluster, groupId: workerConfig['group.id'] })
    parts.sourceGate = fencing
    this.#herder = new Herder({
      mode: 'standalone', configs: this.#configs, statuses: StatusStore.inMemory(), runner, offsets, loggers, clock, log, cluster, fencing,
      isExactlyOnce: isExactlyOnce(workerConfig), redact: (text) => secrets.redact(text),
      check: (named) => checkConnectorConfig(named, parts, 'as-upstream'), onChange: options.onChange ?? (() => {}),
    })
    parts.onLocalChange = (connector, task) => this.#herder.localChange(connector, task)
  }

  /** @throws INVALID_CONFIG naming every key that is unknown or wrong */
  static open(options: ConnectWorkerOptions): ConnectWorker {
    const { broker, config = {}, plugins = [], log, clock = systemClock, random = systemRandom, taskWorkerUrl } = options
    return new ConnectWorker(options, WorkerParts.of({ broker, config, plugins, clock, random, ...(log && { log }), ...(taskWorkerUrl && { taskWorkerUrl }) }))
  }

  /** For a REST API: what people and tools ask. */
  get herder(): Herder {
    return this.#herder
  }

  /** For a REST API: what the worker is made of. */
  get parts(): WorkerParts {
    return this.#parts
  }

  /** How statuses name this worker; `host:port` of its REST API when it has one. */
  set workerId(id: string) {
    this.#workerId = id
  }

  /**
   * Checks the config, then starts the connector; resolves before it runs, see `status`.
   * @throws INVALID_CONFIG with every complaint, PLUGIN_NOT_FOUND, CLOSED
   */
  async start(named: NamedConfig, target?: TargetState): Promise<void> {
    if (this.#isStopped) throw new StreamError('CLOSED', 'the Connect worker was stopped')
    const { named: { name, config } } = await checkConnectorConfig(named, this.#parts)
    if (this.#configs.state.get(name) !== undefined) throw new StreamError('INVALID_CONFIG', `Connector ${name} already exists`)
    await this.#configs.putConnector(name, config, target)
    await this.#herder.reconcile()
  }

  /** What `start` checks. @throws INVALID_CONFIG, PLUGIN_NOT_FOUND */
  async check(named: NamedConfig): Promise<void> {
    await checkConnectorConfig(named, this.#parts)
  }

  /** In the order they were started. */
  status(): readonly ConnectorStatus[] {
    return this.#configs.state.names().map((name) => this.#statusOf(name))
  }

  /** Set when a connector, or every task of one, has failed for good; `among`: only of these. */
  failure(among?: readonly string[]): unknown {
    const failure = this.#configs.state.names().filter((name) => among?.includes(name) ?? true).map((name) => this.#failureOf(name)).find((each) => each !== undefined)
    return failure === undefined ? undefined : this.#parts.secrets.redactError(failure)
  }

  /** Tasks commit and rest. @throws INVALID_ARGUMENT for an unknown name */
  async pause(name: string): Promise<void> {
    await this.#setTarget(name, 'PAUSED')
  }

  async resume(name: string): Promise<void> {
    await this.#setTarget(name, 'STARTED')
  }

  /** Stops the connector and forgets it; its offsets stay. @throws INVALID_ARGUMENT for an unknown name */
  async remove(name: string): Promise<void> {
    this.#checkName(name)
    await this.#herder.remove(name)
  }

  /** Stops every connector: sources before sinks have no meaning across a log, so all at once. Safe to call twice. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#herder.stop()
  }

  async #setTarget(name: string, target: TargetState): Promise<void> {
    this.#checkName(name)
    await this.#herder.setTarget(name, target)
  }

  #statusOf(name: string): ConnectorStatus {
    const { runner, secrets } = this.#parts
    const stored = this.#configs.state.get(name)!
    const local = runner.connectors().get(name)
    const tasks = runner.tasksOf(name)
    const { state, failure, waitingFor } = local?.instance.status ?? { state: 'UNASSIGNED' as const }
    const shown = stored.target === 'STARTED' || state === 'FAILED' ? state : stored.target
    return {
      name,
      type: local?.checked.installed.plugin.type ?? tasks[0]?.checked.installed.plugin.type ?? 'unknown',
      connector: {
        state: shown,
        ...(failure !== undefined && { trace: secrets.redact(describeError(failure)) }),
        ...(waitingFor !== undefined && { waitingFor: secrets.redact(waitingFor) }),
      },
      tasks: tasks.map(({ supervised: { status } }) => ({
        ...status,
        ...(status.trace !== undefined && { trace: secrets.redact(status.trace) }),
        ...(status.waitingFor !== undefined && { waitingFor: secrets.redact(status.waitingFor) }),
      })),
    }
  }

  #failureOf(name: string): unknown {
    const { runner } = this.#parts
    const connector = runner.connectors().get(name)?.instance.status
    if (connector?.state === 'FAILED') return connector.failure
    const tasks = runner.tasksOf(name)
    return tasks.length > 0 && tasks.every(({ supervised }) => supervised.failure !== undefined) ? tasks[0]!.supervised.failure : undefined
  }

  #checkName(name: string): void {
    const names = this.#configs.state.names()
    if (names.includes(name)) return
    const nearest = nearestName(name, names)
    throw new StreamError('INVALID_ARGUMENT', `Connector ${name} not found${nearest === undefined ? '' : `; did you mean ${nearest}?`}`)
  }
}
