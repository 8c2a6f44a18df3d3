import { systemClock, systemRandom } from '../../core/index.ts'
import { openRestApi } from '../rest-api.ts'
import type { RestApi } from '../rest-api.ts'
import { peerTls } from '../tls.ts'
import { checkConnectorConfig } from './check-config.ts'
import type { ConnectWorkerOptions } from './connect-worker.ts'
import { isExactlyOnce } from './run-task.ts'
import { taskUnit } from './herder/assignment.ts'
import type { Unit } from './herder/assignment.ts'
import { ClusterMember } from './herder/cluster-member.ts'
import { decodeConfigRecord, encodeConfigRecord, isAnyWorkers } from './herder/config-records.ts'
import type { ConfigRecord } from './herder/config-records.ts'
import { ConfigState } from './herder/config-state.ts'
import { ConfigStore } from './herder/config-store.ts'
import { Herder } from './herder/herder.ts'
import { LateCluster } from './herder/late-cluster.ts'
import { Peers } from './herder/peers.ts'
import { unavailable } from './herder/refusal.ts'
import { SessionKeys } from './herder/session-keys.ts'
import { decodeStatusRecord, encodeStatusRecord } from './herder/status-records.ts'
import type { StatusRecord } from './herder/status-records.ts'
import { StatusState, StatusStore } from './herder/status-store.ts'
import { TopicRecordLog } from './herder/topic-record-log.ts'
import { ZombieFencing } from './herder/zombie-fencing.ts'
import { quietly, quietlyInTime } from './quietly.ts'
import { WorkerParts } from './worker-parts.ts'

/**
 * A worker of a cluster. Connectors and what becomes of them are kept in three topics with Kafka Connect's keys and values, so
 * that a cluster of Kafka Connect can be taken over and given back.
 */
export class DistributedWorker {
  readonly #parts: WorkerParts
  readonly #cluster = new LateCluster()
  readonly #configState = new ConfigState()
  readonly #statusState = new StatusState()
  readonly #peers: Peers
  /** What stands in the config topic when the worker starts is no news: its restarts were done long ago. */
  #isLive = false
  readonly #sessionKeys: SessionKeys
  #herder: Herder | undefined
  #configs: ConfigStore | undefined
  #statuses: StatusStore | undefined
  #api: RestApi | undefined
  #stopped: Promise<void> | undefined

  private constructor(parts: WorkerParts) {
    this.#parts = parts
    const { worker, workerConfig, clock, log } = parts
    this.#peers = new Peers({ sessionKey: () => this.#configState.sessionKey, leaderUrl: () => this.#cluster.member?.leaderUrl ?? null, tls: () => peerTls(worker) })
    this.#sessionKeys = new SessionKeys({
      known: () => this.#configState.sessionKey, put: (key) => this.#configs!.putSessionKey(key), isLeader: () => this.#cluster.member?.isLeader ?? false,
      ttlMs: workerConfig['inter.worker.key.ttl.ms'], clock, log,
    })
  }

  /** Resolves when it answers and is a member of its group, or about to be. @throws INVALID_CONFIG */
  static async open(options: ConnectWorkerOptions): Promise<DistributedWorker> {
    const { broker, config = {}, plugins = [], log, clock = systemClock, random = systemRandom, taskWorkerUrl } = options
    const worker = new DistributedWorker(WorkerParts.of({ broker, config, plugins, clock, random, ...(log && { log }), ...(taskWorkerUrl && { taskWorkerUrl }) }))
    try {
      await worker.#open(options.onChange ?? (() => {}))
    } catch (error) {
      await worker.stop()
      throw error
    }
    return worker
  }

  /** Of its REST API: `http://host:port`. */
  get url(): string {
    return this.#api!.url
  }

  get herder(): Herder {
    return this.#herder!
  }

  /** Whether it has its share of the work. */
  isReady(): boolean {
    return this.#cluster.isReady()
  }

  /** Stops what runs here, tells the cluster so, and leaves it. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #open(onChange: () => void): Promise<void> {
    const { broker, clock, log, secrets, runner, offsets, loggers, workerConfig } = this.#parts
    // each is kept as soon as it is open: when the next step fails, `stop` closes what there is
    const configs = await this.#openConfigs()
    this.#configs = configs
    const statuses = await this.#openStatuses()
    this.#statuses = statuses
    const fencing = new ZombieFencing({ broker, configs, cluster: this.#cluster, groupId: workerConfig['group.id'], askLeader: (connector, signal) => this.#peers.requestFence(connector, signal) })
    this.#parts.sourceGate = fencing
    this.#parts.clusterGroup = workerConfig['group.id']
    const herder = new Herder({
      mode: 'distributed', configs, statuses, runner, offsets, loggers, clock, log, cluster: this.#cluster, fencing, isExactlyOnce: isExactlyOnce(workerConfig), redact: (text) => secrets.redact(text), onChange,
      check: (named) => checkConnectorConfig(named, this.#parts, 'as-upstream'),
      sendTasks: (connector, tasks) => this.#peers.sendTasks(connector, tasks),
    })
    this.#herder = herder
    this.#parts.onLocalChange = (connector, task) => herder.localChange(connector, task)
    for (const [namespace, level] of this.#configState.levels()) loggers.set(namespace, level)
    this.#api = await openRestApi({ herder, parts: this.#parts, isReady: () => this.isReady(), peers: this.#peers })
    const member = new ClusterMember({
      broker, config: workerConfig, clock, log, workerId: new URL(this.#api.url).host, url: this.#api.url,
      units: () => this.#units(), onAssignment: () => herder.reconcile(), onLead: () => this.#sessionKeys.ensure(),
    })
    try {
      await member.join()
    } catch (error) {
      await member.leave()
      throw error
    }
    this.#cluster.member = member
    this.#isLive = true
    member.unitsChanged()
  }

  async #openConfigs(): Promise<ConfigStore> {
    const { broker, workerConfig, clock, log } = this.#parts
    return new ConfigStore(this.#configState, await TopicRecordLog.open<ConfigRecord>({
      broker, clock, log, topic: workerConfig['config.storage.topic'], partitions: 1, needsOnePartition: true, replicationFactor: workerConfig['config.storage.replication.factor'],
      encode: encodeConfigRecord, decode: decodeConfigRecord, apply: (record) => this.#apply(record), writer: (records) => (records.every(isAnyWorkers) ? this.#joined().plainWriter() : this.#joined().leaderWriter()),
    }))
  }

  async #openStatuses(): Promise<StatusStore> {
    const { broker, workerConfig, clock, log } = this.#parts
    return new StatusStore(this.#statusState, await TopicRecordLog.open<StatusRecord>({
      broker, clock, log, topic: workerConfig['status.storage.topic'], partitions: workerConfig['status.storage.partitions'], needsOnePartition: false,
      replicationFactor: workerConfig['status.storage.replication.factor'],
      encode: encodeStatusRecord, decode: decodeStatusRecord, apply: (record) => this.#applyStatus(record), writer: () => this.#joined().plainWriter(),
    }))
  }

  #applyStatus(record: StatusRecord): void {
    this.#statusState.apply(record)
    if (record.kind !== 'topic') this.#herder?.statusTold(record.name, record.kind === 'task' ? record.task : null, record.status)
  }

  #joined(): ClusterMember {
    const { member } = this.#cluster
    if (member === undefined) throw unavailable('the worker has not joined its cluster yet')
    return member
  }

  #apply(record: ConfigRecord): void {
    const change = this.#configState.apply(record)
    if (!this.#isLive) return
    this.#herder?.changed(change)
    if (['connector', 'tasks', 'removed', 'target-state'].includes(change.kind)) this.#cluster.member?.unitsChanged()
  }

  #units(): readonly Unit[] {
    return this.#configState.names().flatMap((name) => [name, ...this.#configState.get(name)!.tasks.map((_, task) => taskUnit(name, task))])
  }

  /** Every step is taken, whatever became of those before it: a Kafka that is away must not keep tasks running, or the group waiting. */
  async #stop(): Promise<void> {
    this.#sessionKeys.close()
    const { log, clock } = this.#parts
    await quietly('the REST API did not close', () => this.#api?.close(), log)
    const steps: readonly (readonly [string, () => Promise<void> | undefined])[] = [
      ['the other workers cannot be told that nothing runs here', () => this.#herder?.tellUnassigned()],
      ['the cluster cannot be left', () => this.#cluster.member?.leave()],
      ['the status topic did not close', () => this.#statuses?.close()],
      ['the config topic did not close', () => this.#configs?.close()],
    ]
    await quietly('what runs here did not stop', () => this.#herder?.stop(), log)
    for (const [what, step] of steps) await quietlyInTime(what, step, { log, clock, graceMs: lastStepMs })
  }
}

/** For each step that needs the log, which may be away. */
const lastStepMs = 5_000

/** Opens a worker of a cluster, with its REST API: what `millrace connect distributed worker.json` does. @throws INVALID_CONFIG */
export function openDistributedWorker(options: ConnectWorkerOptions): Promise<DistributedWorker> {
  return DistributedWorker.open(options)
}
