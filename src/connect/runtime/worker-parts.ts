import type { Broker, Clock, Random } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import { Secrets } from '../config-providers/secrets.ts'
import type { AnyPlugin, Log } from '../connector.ts'
import { checkWorkerConfig } from './check-config.ts'
import type { CheckContext } from './check-config.ts'
import { ConnectorOffsets } from './herder/connector-offsets.ts'
import { LocalRunner } from './herder/local-runner.ts'
import { Loggers, workerLogger } from './herder/loggers.ts'
import { consoleLog } from './log.ts'
import { PluginRegistry } from './plugin-registry.ts'
import type { SourceGate } from './source-gate.ts'
import type { WorkerConfig } from './worker-config.ts'

export interface WorkerPartsOptions {
  readonly broker: Broker
  readonly config: RawConfig
  readonly plugins: readonly AnyPlugin[]
  readonly log?: Log
  readonly clock: Clock
  readonly random: Random
  readonly taskWorkerUrl?: URL
}

/** What every worker is made of, by itself or in a cluster. */
export class WorkerParts implements CheckContext {
  readonly broker: Broker
  readonly clock: Clock
  readonly random: Random
  readonly secrets: Secrets
  /** The worker's config, secrets filled in. */
  readonly worker: RawConfig
  readonly workerConfig: WorkerConfig
  readonly registry: PluginRegistry
  readonly loggers: Loggers
  readonly log: Log
  readonly runner: LocalRunner
  readonly offsets: ConnectorOffsets
  /** Told when the status of a connector (`task` null) or a task of this worker may have changed. */
  onLocalChange: (connector: string, task: number | null) => void = () => {}
  /** Of a cluster of workers: set by the worker before anything is checked. */
  clusterGroup: string | null = null
  /** What tasks of exactly-once sources pass; set by the worker before the first is started. */
  sourceGate: SourceGate | undefined

  private constructor(options: WorkerPartsOptions, secrets: Secrets, worker: RawConfig, workerConfig: WorkerConfig) {
    const { broker, clock, random, plugins, taskWorkerUrl } = options
    this.broker = broker
    this.clock = clock
    this.random = random
    this.secrets = secrets
    this.worker = worker
    this.workerConfig = workerConfig
    this.loggers = new Loggers(clock)
    const sink = secrets.redactingLog(options.log ?? consoleLog)
    this.log = this.loggers.logFor(workerLogger, sink)
    this.registry = new PluginRegistry({ plugins, clock, modules: workerConfig['plugin.path'], onBroken: ({ message }) => this.log.error(`${message}; the worker goes on without it`) })
    this.offsets = new ConnectorOffsets({ broker, clock, worker: workerConfig, resolve: this.resolve })
    this.runner = new LocalRunner({
      broker, clock, random, secrets, worker: workerConfig, workerRaw: worker, registry: this.registry, ...(taskWorkerUrl && { taskWorkerUrl }),
      logOf: (connector) => this.loggers.logFor(`${workerLogger}.${connector}`, sink),
      onChange: (connector, task) => this.onLocalChange(connector, task),
      gate: () => this.sourceGate!,
    })
  }

  /** @throws INVALID_CONFIG naming every key that is unknown or wrong */
  static of(options: WorkerPartsOptions): WorkerParts {
    const secrets = Secrets.from(options.config)
    const worker = secrets.resolve(options.config)
    return new WorkerParts(options, secrets, worker, checkWorkerConfig(worker))
  }

  /** Fills in secrets. */
  readonly resolve = (config: RawConfig): RawConfig => this.secrets.resolve(config)
}
