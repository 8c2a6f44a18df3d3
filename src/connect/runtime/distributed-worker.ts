import { isStreamError, systemClock, systemRandom } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import { describeError } from '../errors.ts'
import { openRestApi } from '../rest-api.ts'
import type { RestApi } from '../rest-api.ts'
import { checkConnectorConfig } from './check-config.ts'
import type { ConnectWorkerOptions } from './connect-worker.ts'
import { isExactlyOnce } from './run-task.ts'
import { taskUnit } from './herder/assignment.ts'
import type { Unit } from './herder/assignment.ts'
import { ClusterMember } from './herder/cluster-member.ts'
import { decodeConfigRecord, encodeConfigRecord } from './herder/config-records.ts'
import type { ConfigRecord } from './herder/config-records.ts'
import { ConfigState } from './herder/config-state.ts'
import { ConfigStore } from './herder/config-store.ts'
import { Herder } from './herder/herder.ts'
import { LateCluster } from './herder/late-cluster.ts'
import { failed, forbidden, unavailable, badRequest } from './herder/refusal.ts'
import { isSigned, newSessionKey, sign, signatureHeader } from './herder/session-key.ts'
import { decodeStatusRecord, encodeStatusRecord } from './herder/status-records.ts'
import type { StatusRecord } from './herder/status-records.ts'
import { StatusState, StatusStore } from './herder/status-store.ts'
import { TopicRecordLog } from './herder/topic-record-log.ts'
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
  /** What stands in the config topic when the worker starts is no news: its restarts were done long ago. */
  #isLive = false
  #herder: Herder | undefined
  #configs: ConfigStore | undefined
  #statuses: StatusStore | undefined
  #api: RestApi | undefined
  #stopped: Promise<void> | undefined

  private constructor(parts: WorkerParts) {
    this.#parts = parts
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
    const { clock, log, secrets, runner, offsets, loggers, workerConfig } = this.#parts
    const configs = await this.#openConfigs()
    const statuses = await this.#openStatuses()
    this.#configs = configs
    this.#statuses = statuses
    const herder = new Herder({
      mode: 'distributed', configs, statuses, runner, offsets, loggers, clock, log, cluster: this.#cluster, redact: (text) => secrets.redact(text), onChange,
      check: (named) => checkConnectorConfig(named, this.#parts, 'as-upstream'),
      sendTasks: (connector, tasks) => this.#sendTasks(connector, tasks),
    })
    this.#herder = herder
    this.#parts.onLocalChange = (connector, task) => herder.localChange(connector, task)
    for (const [namespace, level] of this.#configState.levels()) loggers.set(namespace, level)
    this.#api = await openRestApi({ herder, parts: this.#parts, isReady: () => this.isReady(), further: [this.#tasksEndpoint(herder)] })
    const member = new ClusterMember({
      broker: this.#parts.broker, config: workerConfig, clock, log, workerId: new URL(this.#api.url).host, url: this.#api.url,
      units: () => this.#units(), onAssignment: () => herder.reconcile(), onLead: () => this.#haveSessionKey(),
    })
    await member.join()
    this.#cluster.member = member
    this.#isLive = true
    member.unitsChanged()
  }

  async #openConfigs(): Promise<ConfigStore> {
    const { broker, workerConfig, clock, log } = this.#parts
    return new ConfigStore(this.#configState, await TopicRecordLog.open<ConfigRecord>({
      broker, clock, log, topic: workerConfig['config.storage.topic'], partitions: 1, needsOnePartition: true, replicationFactor: workerConfig['config.storage.replication.factor'],
      encode: encodeConfigRecord, decode: decodeConfigRecord, apply: (record) => this.#apply(record), writer: () => this.#writer(),
    }))
  }

  async #openStatuses(): Promise<StatusStore> {
    const { broker, workerConfig, clock, log } = this.#parts
    return new StatusStore(this.#statusState, await TopicRecordLog.open<StatusRecord>({
      broker, clock, log, topic: workerConfig['status.storage.topic'], partitions: workerConfig['status.storage.partitions'], needsOnePartition: false,
      replicationFactor: workerConfig['status.storage.replication.factor'],
      encode: encodeStatusRecord, decode: decodeStatusRecord, apply: (record) => this.#statusState.apply(record), writer: () => this.#plainWriter(),
    }))
  }

  #writer() {
    const { member } = this.#cluster
    if (member === undefined) throw unavailable('the worker has not joined its cluster yet')
    return member.writer()
  }

  #plainWriter() {
    const { member } = this.#cluster
    if (member === undefined) throw unavailable('the worker has not joined its cluster yet')
    return member.plainWriter()
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

  // ------------------------------------------------------------------------------------------------ between workers

  async #haveSessionKey(): Promise<void> {
    const { workerConfig, clock } = this.#parts
    const known = this.#configState.sessionKey
    if (known === null || clock.now() - known.createdAt > workerConfig['inter.worker.key.ttl.ms']) await this.#configs!.putSessionKey(newSessionKey(clock.now()))
  }

  async #sendTasks(connector: string, tasks: readonly RawConfig[]): Promise<void> {
    const leader = this.#cluster.member?.leaderUrl ?? null
    const key = this.#configState.sessionKey
    if (leader === null || key === null) throw unavailable(`the tasks of connector ${connector} cannot be kept: nobody leads the cluster now`)
    const body = JSON.stringify(tasks)
    const answer = await fetch(`${leader}/connectors/${encodeURIComponent(connector)}/tasks`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...sign(key, body) } })
      .catch((error: unknown) => { throw unavailable(`the leader of the cluster cannot be reached at ${leader}: ${describeError(error)}`, error) })
    if (!answer.ok) throw unavailable(`the leader of the cluster at ${leader} does not take the tasks of connector ${connector}: ${await answer.text()}`)
  }

  #tasksEndpoint(herder: Herder) {
    return {
      method: 'POST', path: '/connectors/:connector/tasks', summary: 'Takes the tasks that a connector planned on another worker.', isInternal: true, isForwarded: true, answers: { 200: 'They are kept' },
      handle: async ({ params, body, headers }: { readonly params: Readonly<Record<string, string>>; readonly body: unknown; readonly headers: Readonly<Record<string, string>> }) => {
        const [key, given] = [this.#configState.sessionKey, headers[signatureHeader]]
        if (given === undefined) throw badRequest('Internal request missing signature header(s)')
        if (key === null) throw unavailable('This worker is still starting up and has not been able to read a session key from the config topic yet')
        if (!isSigned(key, JSON.stringify(body), given)) throw forbidden('Internal request contained invalid signature.')
        await herder.putTasks(params['connector']!, body as readonly RawConfig[])
        await this.#fenceSurplus(params['connector']!)
        return { status: 200, body: null }
      },
    } as const
  }

  /** Tasks that are no more must not write any more, wherever they hang. */
  async #fenceSurplus(connector: string): Promise<void> {
    const { broker, workerConfig, log } = this.#parts
    const tasks = this.#configState.get(connector)?.tasks.length ?? 0
    const before = this.#configState.fencedTasks(connector) ?? tasks
    if (!isExactlyOnce(workerConfig) || before === tasks) return
    for (let task = tasks; task < before; task++) {
      try {
        await (await broker.openProducer({ transactionalId: `${workerConfig['group.id']}-${connector}-${task}` })).close()
      } catch (error) {
        if (!isStreamError(error)) throw error
        throw failed(`task ${connector}-${task} of before could not be fenced: ${error.message}`, error)
      }
    }
    log.debug(`connector ${connector}: ${before - tasks} tasks of before are fenced`)
    await this.#configs!.putFencedTasks(connector, tasks)
  }

  async #stop(): Promise<void> {
    await this.#api?.close()
    await this.#herder?.stop()
    await this.#herder?.tellUnassigned()
    await this.#cluster.member?.leave()
    await this.#statuses?.close()
    await this.#configs?.close()
  }
}

/** Opens a worker of a cluster, with its REST API: what `millrace connect distributed worker.json` does. @throws INVALID_CONFIG */
export function openDistributedWorker(options: ConnectWorkerOptions): Promise<DistributedWorker> {
  return DistributedWorker.open(options)
}
