import type { Assignor, Broker, Clock, ErrorCode, Producer, RebalanceEvent, Timer } from '../../../core/index.ts'
import { isStreamError, sleep } from '../../../core/index.ts'
import type { Log } from '../../connector.ts'
import { describeError } from '../../errors.ts'
import type { WorkerConfig } from '../worker-config.ts'
import { assign, decodeAssignmentRecord, encodeAssignmentRecord, isSameAssignment, taskUnit } from './assignment.ts'
import type { Assignment, AssignmentRecord, Unit } from './assignment.ts'
import { elsewhere } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { TopicRecordLog, transactionalWriter, plainWriter } from './topic-record-log.ts'
import type { RecordWriter } from './topic-record-log.ts'

export interface ClusterMemberOptions {
  readonly broker: Broker
  readonly config: WorkerConfig
  readonly workerId: string
  /** Of this worker's REST API. */
  readonly url: string
  /** What there is to run: planners and tasks of every connector. */
  readonly units: () => readonly Unit[]
  /** The assignment changed: what runs is brought in line with it. */
  readonly onAssignment: () => Promise<void>
  /** This worker leads from now on. */
  readonly onLead: () => Promise<void>
  readonly clock: Clock
  readonly log: Log
}

interface Peer {
  readonly workerId: string
  readonly url: string
}

/** What a worker does for its cluster, one after the other. */
type Step = 'divide' | 'obey'

const assignorName = 'millrace-connect'
const rejoinMs = 1_000

/** After these a producer is dead, or in a state that nobody knows. */
const endsLeadership: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'OUT_OF_ORDER_SEQUENCE', 'INVALID_PRODUCER_ID_MAPPING', 'INVALID_TXN_STATE'])

/**
 * One worker's place in a cluster. Workers are members of the group `group.id`; whoever computes its assignment is the leader. The
 * leader alone writes through the transactional id of the cluster, so that one that was paused and comes back is fenced. It
 * divides the work, and tells the others in a topic; they say there when they have done it.
 * ```
 *   joining ──▶ member ──(computes the assignment)──▶ leader ──(fenced, or another does)──▶ member … ──▶ left
 * ```
 */
export class ClusterMember implements Cluster {
  readonly workerId: string
  readonly #options: ClusterMemberOptions
  readonly #closing = new AbortController()
  readonly #done = new Map<string, number>()
  #records: TopicRecordLog<AssignmentRecord> | undefined
  #plain: Producer | undefined
  #leading: { readonly producer: Producer; readonly write: RecordWriter } | undefined
  #assignment: Assignment | null = null
  /** Those that the last computation of the group's assignment saw; only on the leader. */
  #peers: readonly Peer[] = []
  #isLeader = false
  /** It has not read what the leader before it wrote. */
  #isNewLeader = false
  #generation = -1
  #delay: Timer | undefined
  /** Steps that failed, to be tried again. */
  readonly #again = new Map<Step, Timer>()
  /** Of one membership; fires when it ends, for good or to be begun anew. */
  #givenUp = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #work: Promise<void> = Promise.resolve()

  constructor(options: ClusterMemberOptions) {
    this.#options = options
    this.workerId = options.workerId
  }

  /** Resolves when this worker is a member and has read what the others know. */
  async join(): Promise<void> {
    const { broker, config, clock, log } = this.#options
    this.#plain = await broker.openProducer({ clientId: `connect-worker-${this.workerId}` })
    this.#records = await TopicRecordLog.open<AssignmentRecord>({
      broker, clock, log, topic: `${config['config.storage.topic']}-assignment`, partitions: 1, needsOnePartition: true, replicationFactor: config['config.storage.replication.factor'],
      encode: encodeAssignmentRecord, decode: decodeAssignmentRecord, apply: (record) => this.#apply(record), writer: () => this.leaderWriter(),
    })
    // it runs nothing yet: what it had when it bore this name before, it has let go
    if (this.#assignment?.workers[this.workerId] !== undefined) await this.#tellDone(this.#assignment.sequence)
    this.#running = this.#run()
  }

  /** For what the leader alone writes: a later one fences it. Writing throws NotHere when this worker does not lead, or ceases to meanwhile. */
  async leaderWriter(): Promise<RecordWriter> {
    const leading = this.#leading
    if (leading === undefined || !this.#isLeader) throw elsewhere('the leader', this.leaderUrl)
    return async (records) => {
      try {
        return await leading.write(records)
      } catch (error) {
        // A producer that is closed under a transaction fails in as many ways as that has steps.
        if (this.#leading !== leading) throw elsewhere('the leader', this.leaderUrl)
        if (!isStreamError(error) || !endsLeadership.has(error.code)) throw error
        await this.#giveUp(error)
        throw elsewhere('the leader', null)
      }
    }
  }

  /** For what any worker may write. */
  async plainWriter(): Promise<RecordWriter> {
    return plainWriter(this.#plain!)
  }

  get isLeader(): boolean {
    return this.#isLeader && this.#leading !== undefined
  }

  /** Not that of the group, in which the work may be divided several times. */
  get generation(): number {
    return this.#assignment?.sequence ?? -1
  }

  ownsConnector(name: string): boolean {
    return this.#units().includes(name)
  }

  ownsTask(name: string, task: number): boolean {
    return this.#units().includes(taskUnit(name, task))
  }

  requireLeader(): void {
    if (!this.isLeader) throw elsewhere('the leader', this.#urlOf(this.#assignment?.leader))
  }

  requireConnector(name: string): void {
    this.#require(name, `connector ${name}`)
  }

  requireTask(name: string, task: number): void {
    this.#require(taskUnit(name, task), `task ${name}-${task}`)
  }

  /** Of the leader; null: nobody knows, or it is this one. */
  get leaderUrl(): string | null {
    return this.#urlOf(this.#assignment?.leader)
  }

  isReady(): boolean {
    return this.#assignment?.workers[this.workerId] !== undefined
  }

  /** To be called when there is more or less to run. */
  unitsChanged(): void {
    this.#then('divide')
  }

  /** Leaves the group, so that the others divide the work at once or after the delay. Safe to call twice. */
  async leave(): Promise<void> {
    this.#closing.abort()
    this.#givenUp.abort()
    this.#delay?.cancel()
    for (const timer of this.#again.values()) timer.cancel()
    await this.#running
    await this.#work
    await this.#records?.close()
    await this.#leading?.producer.close()
    await this.#plain?.close()
  }

  // ------------------------------------------------------------------------------------------------ membership

  async #run(): Promise<void> {
    const { clock, log } = this.#options
    while (!this.#closing.signal.aborted) {
      try {
        await this.#beMember()
      } catch (error) {
        if (this.#closing.signal.aborted) return
        log.warn(`worker ${this.workerId}: lost its place in the group (${describeError(error)}); it joins again`)
      }
      await this.#stepDown()
      await sleep(clock, rejoinMs, this.#closing.signal)
    }
  }

  async #beMember(): Promise<void> {
    const { broker, config } = this.#options
    const topic = config['config.storage.topic']
    // It may lead, and lose that, before it is told that it has joined.
    this.#givenUp = new AbortController()
    const { signal } = this.#givenUp
    const member = await broker.joinGroup({
      groupId: config['group.id'], topics: [topic], assignors: [this.#assignor(topic)], offsetReset: 'latest', clientId: `connect-${this.workerId}`,
      sessionTimeoutMs: config['session.timeout.ms'], rebalanceTimeoutMs: config['rebalance.timeout.ms'], signal, onRebalance: (event) => this.#rebalanced(event, topic),
    })
    try {
      while (!this.#closing.signal.aborted && !signal.aborted) {
        // the partition stands for leadership; the records in it are read elsewhere
        member.pause(member.assignment)
        await member.read({ maxWaitMs: config['heartbeat.interval.ms'], signal })
      }
    } finally {
      await member.leave()
    }
  }

  /** Its producer can write no more: another worker leads, or nobody does; the group says which. */
  async #giveUp(reason: unknown): Promise<void> {
    this.#options.log.warn(`worker ${this.workerId}: cannot write as the leader any more (${describeError(reason)}); it joins the group again`)
    this.#givenUp.abort()
    await this.#stepDown()
  }

  /** Gives the one partition to who computes, which makes it the leader, and remembers who is there. */
  #assignor(topic: string): Assignor {
    const own: Peer = { workerId: this.workerId, url: this.#options.url }
    return {
      name: assignorName,
      userData: () => Buffer.from(JSON.stringify(own)),
      assign: ({ members }) => {
        const peers = members.map(({ memberId, userData }) => ({ memberId, peer: readPeer(userData) ?? { workerId: memberId, url: '' } }))
        this.#peers = peers.map(({ peer }) => peer)
        return new Map(peers.map(({ memberId, peer }) => [memberId, peer.workerId === this.workerId ? [{ topic, partition: 0 }] : []]))
      },
    }
  }

  async #rebalanced({ assigned, revoked, lost, generation }: RebalanceEvent, topic: string): Promise<void> {
    const isOurs = (each: { readonly topic: string }) => each.topic === topic
    this.#generation = generation
    if (assigned.some(isOurs)) {
      this.#isLeader = true
      this.#isNewLeader = true
      this.#then('divide')
    } else if (revoked.some(isOurs) || lost.some(isOurs)) await this.#stepDown()
  }

  async #lead(): Promise<void> {
    const { broker, config, log } = this.#options
    if (this.#leading === undefined) {
      const producer = await broker.openProducer({ transactionalId: `connect-cluster-${config['group.id']}`, clientId: `connect-leader-${this.workerId}` })
      // It may have lost that meanwhile.
      if (!this.#isLeader) return producer.close()
      this.#leading = { producer, write: transactionalWriter(producer) }
      log.info(`worker ${this.workerId} leads the cluster ${config['group.id']}`)
    }
    await this.#records!.refresh()
    await this.#options.onLead()
    this.#isNewLeader = false
  }

  async #stepDown(): Promise<void> {
    this.#isLeader = false
    this.#delay?.cancel()
    const leading = this.#leading
    this.#leading = undefined
    await leading?.producer.close().catch(() => {})
  }

  // ------------------------------------------------------------------------------------------------ dividing

  /** The leader's: computes, and tells if that is news. */
  async #divide(): Promise<void> {
    const { config, units, clock } = this.#options
    if (!this.#isLeader || this.#closing.signal.aborted) return
    if (this.#isNewLeader || this.#leading === undefined) await this.#lead()
    if (!this.isLeader) return
    // who has not let go yet still has what it was told to give up
    if (this.#assignment?.isRevoking === true && !this.#isDoneBy(this.#assignment)) return
    const next = assign({
      previous: this.#assignment, leader: this.workerId, generation: this.#generation, workers: new Map(this.#peers.map(({ workerId, url }) => [workerId, url])),
      units: units(), nowMs: clock.now(), maxDelayMs: config['scheduled.rebalance.max.delay.ms'],
    })
    if (!isSameAssignment(this.#assignment, next)) await this.#records!.write([{ kind: 'assignment', assignment: next }])
  }

  #isDoneBy({ workers, sequence }: Assignment): boolean {
    const present = new Set(this.#peers.map(({ workerId }) => workerId))
    return Object.keys(workers).filter((id) => present.has(id)).every((id) => (this.#done.get(id) ?? 0) >= sequence)
  }

  #apply(record: AssignmentRecord): void {
    if (record.kind === 'done') {
      this.#done.set(record.worker, record.sequence)
      if (this.#assignment?.isRevoking === true) this.unitsChanged()
      return
    }
    const isFirst = this.#records === undefined
    const news = membersOf(record.assignment)
    if (!isFirst && (this.#assignment === null || news !== membersOf(this.#assignment))) this.#options.log.info(`cluster ${this.#options.config['group.id']}: ${news}`)
    this.#assignment = record.assignment
    this.#delay?.cancel()
    const { delayUntil } = record.assignment
    if (delayUntil !== null && this.#isLeader) this.#delay = this.#options.clock.setTimer(Math.max(0, delayUntil - this.#options.clock.now()), () => this.unitsChanged())
    // what stood there before this worker joined is of a cluster that it was no part of
    if (!isFirst) this.#then('obey')
  }

  /** Also when it has no part in it: what it runs is others' then. */
  async #obey(): Promise<void> {
    const assignment = this.#assignment
    if (this.#closing.signal.aborted || assignment === null) return
    await this.#options.onAssignment()
    if (assignment.workers[this.workerId] !== undefined) await this.#tellDone(assignment.sequence)
  }

  /** The others may be waiting for what this one has let go. */
  async #tellDone(sequence: number): Promise<void> {
    const write = plainWriter(this.#plain!)
    const [key, value] = encodeAssignmentRecord({ kind: 'done', worker: this.workerId, sequence })
    await write([{ topic: `${this.#options.config['config.storage.topic']}-assignment`, key: Buffer.from(key), value: Buffer.from(value) }])
  }

  // ------------------------------------------------------------------------------------------------

  /** What it was given; when it is missed, what is kept for it. */
  #units(): readonly Unit[] {
    return this.#assignment?.workers[this.workerId]?.units ?? this.#assignment?.lost[this.workerId] ?? []
  }

  #require(unit: Unit, what: string): void {
    if (this.#units().includes(unit)) return
    const owner = Object.entries(this.#assignment?.workers ?? {}).find(([, { units }]) => units.includes(unit))
    throw elsewhere(what, owner === undefined ? null : owner[1].url)
  }

  #urlOf(workerId: string | undefined): string | null {
    return workerId === undefined || workerId === this.workerId ? null : (this.#assignment?.workers[workerId]?.url ?? null)
  }

  /** In its turn, and again after a while when it failed: without it the cluster would stand still. */
  #then(step: Step): void {
    this.#again.get(step)?.cancel()
    this.#work = this.#work.then(() => (step === 'divide' ? this.#divide() : this.#obey())).catch((error: unknown) => {
      if (this.#closing.signal.aborted) return
      this.#options.log.warn(`worker ${this.workerId}: ${describeError(error)}; it tries again`)
      this.#again.set(step, this.#options.clock.setTimer(rejoinMs, () => this.#then(step)))
    })
  }
}

/** Who is there, and who is waited for: for people. */
function membersOf({ workers, lost, delayUntil }: Assignment): string {
  const missed = Object.entries(lost).map(([id, units]) => `; ${id} is missed, and its connectors and tasks (${units.length}) wait for it until ${new Date(delayUntil!).toISOString()}`)
  return `the workers are ${Object.keys(workers).toSorted().join(', ')}${missed.toSorted().join('')}`
}

function readPeer(bytes: Uint8Array | null): Peer | undefined {
  try {
    const json = JSON.parse(Buffer.from(bytes ?? []).toString('utf8')) as Partial<Peer>
    return typeof json.workerId === 'string' && typeof json.url === 'string' ? { workerId: json.workerId, url: json.url } : undefined
  } catch {
    return undefined
  }
}
