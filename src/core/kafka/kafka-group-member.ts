import { rangeAssignor } from '../assignors.ts'
import type { CommittedOffset, GroupMember, GroupMetadata, GroupOptions, Isolation, PartitionPosition, ReadOptions, ReadResult } from '../broker.ts'
import type { Assignment } from '../consumer-protocol.ts'
import { StreamError } from '../errors.ts'
import { resetOffsets } from '../offset-reset.ts'
import { PollDeadline } from '../poll-deadline.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import { validateGroupOptions, validateOffsets, validatePositions, validateReadOptions, validateTarget } from '../validate.ts'
import { eitherSignal, joinAborted, settledWithin } from '../wait.ts'
import { commitOffsets, fetchCommitted } from './committed-offsets.ts'
import { GroupMembership } from './group-membership.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { KafkaFetcher } from './kafka-fetcher.ts'
import type { KafkaLane } from './kafka-lane.ts'
import { KafkaTopicAdmin } from './kafka-topic-admin.ts'

const defaultSessionTimeoutMs = 45_000
const defaultRebalanceTimeoutMs = 60_000
const defaultMaxWaitMs = 500
const nothing: ReadResult = { partitions: [] }

interface MembershipOwner {
  /** It joins from now on, and may leave before it has. */
  opened(member: GroupMember): void
  left(member: GroupMember): void
}

/** Resolves once the first assignment was handed to `onRebalance`. */
export async function joinKafkaGroup(cluster: KafkaCluster, options: GroupOptions, owner: MembershipOwner): Promise<GroupMember> {
  validateGroupOptions(options)
  const member = new KafkaGroupMember(cluster, options, (left) => owner.left(left))
  owner.opened(member)
  try {
    await member.joinFirst()
    return member
  } catch (error) {
    await member.leave()
    throw error
  }
}

/**
 * A member of a consumer group of the cluster; all of its rebalancing happens inside `read`:
 * ```
 *   eager         stable ──(the group moves)──▶ onRebalance({ revoked: everything }) ──▶ joining ──▶ onRebalance({ assigned }) ──▶ positions ──▶ stable
 *   cooperative   stable ──(the group moves)──▶ joining, and reading on ──▶ onRebalance({ revoked: what goes }), onRebalance({ assigned: what is new })
 *                   ──▶ positions of what is new ──▶ stable, or joining again when something went
 *   both          stable ──(removed)──▶ onRebalance({ lost }) ──▶ joining as a new member
 * ```
 * Only the exchange with the coordinator goes on between two reads.
 */
class KafkaGroupMember implements GroupMember {
  readonly #cluster: KafkaCluster
  readonly #options: GroupOptions
  readonly #left: (member: GroupMember) => void
  readonly #lane: KafkaLane
  readonly #fetchLane: KafkaLane
  readonly #fetcher: KafkaFetcher
  readonly #membership: GroupMembership
  readonly #topics: KafkaTopicAdmin
  /** All assignors must agree to it. */
  readonly #isCooperative: boolean
  readonly #paused = new Set<string>()
  /** Of assigned partitions, before the fetcher has them: those that the caller chose. */
  readonly #sought = new Map<string, PartitionPosition>()
  #assignment: readonly TopicPartition[] = []
  /** Under which the assignment was given: a join under another one means that others own it by now. */
  #ownedAs = ''
  #joining: Promise<Assignment> | null = null
  /** The join that is going on has ended, well or badly: the next step of a read takes it up. */
  #hasJoined = false
  /** Of the assignment: the fetcher does not have them yet. */
  #unplaced: readonly TopicPartition[] = []
  #positioning: Promise<readonly PartitionPosition[]> | null = null
  #wake: () => void = () => undefined
  #leaving: Promise<void> | undefined
  readonly #polls: PollDeadline
  #isReading = false

  constructor(cluster: KafkaCluster, options: GroupOptions, left: (member: GroupMember) => void) {
    this.#cluster = cluster
    this.#options = options
    this.#left = left
    this.#lane = cluster.openLane(options.clientId)
    this.#fetchLane = cluster.openLane(options.clientId)
    this.#topics = new KafkaTopicAdmin(cluster)
    this.#fetcher = new KafkaFetcher(cluster, this.#fetchLane, async (position, _isolation, cause) => (await this.#reset([position], cause))[0]!.offset)
    const { assignors = [rangeAssignor] } = options
    this.#isCooperative = assignors.every(({ rebalanceProtocol }) => rebalanceProtocol === 'cooperative')
    const settings = {
      ...options,
      assignors,
      sessionTimeoutMs: options.sessionTimeoutMs ?? defaultSessionTimeoutMs,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? defaultRebalanceTimeoutMs,
    }
    this.#polls = new PollDeadline(cluster.clock, options.maxPollIntervalMs, () => void this.#stepOut())
    this.#membership = new GroupMembership(cluster, this.#lane, settings, () => this.#wake())
  }

  async joinFirst(): Promise<void> {
    await this.#adopt(await this.#joinedFirst())
    this.#ensureIn()
    this.#polls.done()
  }

  async #joinedFirst(): Promise<Assignment> {
    const { groupId, signal } = this.#options
    const giveUp = () => void this.leave()
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      if (signal?.aborted) giveUp()
      this.#startJoining()
      const joined = await this.#joining!
      this.#ensureIn()
      return joined
    } catch (error) {
      throw signal?.aborted ? joinAborted(groupId, error) : error
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  get generation(): number {
    return this.#membership.generation
  }

  get memberId(): string {
    return this.#membership.memberId
  }

  get assignment(): readonly TopicPartition[] {
    return this.#assignment
  }

  metadata(): GroupMetadata {
    return this.#membership.metadata()
  }

  // -------------------------------------------------------------------------------------------------- reading

  async read(options: ReadOptions = {}): Promise<ReadResult> {
    this.#ensureIn()
    validateReadOptions(options)
    this.#polls.begin()
    this.#isReading = true
    try {
      return await this.#readUntil(this.#cluster.clock.monotonic() + (options.maxWaitMs ?? defaultMaxWaitMs), options)
    } finally {
      this.#isReading = false
      if (this.#leaving === undefined) this.#polls.done()
    }
  }

  async #readUntil(deadline: number, options: ReadOptions): Promise<ReadResult> {
    for (;;) {
      const isReady = await this.#prepare(deadline, options.signal)
      if (!isReady) return nothing
      const result = await this.#fetch(options, Math.max(0, deadline - this.#cluster.clock.monotonic()))
      const mayGoOn = this.#groupHasMoved() && options.signal?.aborted !== true && this.#cluster.clock.monotonic() < deadline
      if (result.partitions.length > 0 || !mayGoOn) return result
      this.#ensureIn()
    }
  }

  /** Whatever the group wants before records can be read; false when it takes longer than the caller waits. */
  async #prepare(deadline: number, signal: AbortSignal | undefined): Promise<boolean> {
    for (;;) {
      if (this.#membership.news !== null && this.#joining === null) await this.#joinAgain()
      if (this.#joining !== null && !this.#readsOn()) {
        if (!(await this.#settledBy(this.#joining, deadline, signal))) return false
        await this.#adopt(await this.#takeJoined())
        continue
      }
      if (this.#unplaced.length === 0) return true
      this.#positioning ??= this.#findPositions()
      if (!(await this.#settledBy(this.#positioning, deadline, signal))) return false
      await this.#takePositions()
    }
  }

  /** A cooperative member that others wait for goes on with what it owns until it is told what to give up. */
  #readsOn(): boolean {
    return this.#isCooperative && !this.#hasJoined && !this.#isDisowned()
  }

  /** The group has gone on without this member, which joined again as a new one. */
  #isDisowned(): boolean {
    return this.#membership.memberId !== this.#ownedAs
  }

  #groupHasMoved(): boolean {
    return this.#hasJoined || (this.#membership.news !== null && this.#joining === null)
  }

  /** Ends early when the group moves. */
  async #fetch(options: ReadOptions, maxWaitMs: number): Promise<ReadResult> {
    if (this.#groupHasMoved()) return nothing
    const news = new AbortController()
    this.#wake = () => news.abort()
    const abort = eitherSignal(news.signal, options.signal)
    try {
      return await this.#fetcher.read({ ...options, maxWaitMs, signal: abort.signal })
    } finally {
      this.#wake = () => undefined
      abort.release()
    }
  }

  /** True when the promise settled before the deadline and the signal. */
  #settledBy(promise: Promise<unknown>, deadline: number, signal: AbortSignal | undefined): Promise<boolean> {
    return settledWithin(promise, this.#cluster.clock, Math.max(0, deadline - this.#cluster.clock.monotonic()), signal)
  }

  // -------------------------------------------------------------------------------------------------- rebalancing

  rejoin(): void {
    this.#ensureIn()
    this.#membership.rejoin()
  }

  async #joinAgain(): Promise<void> {
    const { news } = this.#membership
    if (news === 'fenced') {
      throw new StreamError('FENCED_INSTANCE_ID', `another member joined group ${this.#options.groupId} with the group instance id ${this.#options.groupInstanceId}; leave with this one`)
    }
    try {
      if (news === 'removed') await this.#giveUp(this.#assignment, 'lost')
      else if (!this.#isCooperative) await this.#giveUp(this.#assignment, 'revoked')
    } finally {
      if (news === 'removed') this.#membership.forget()
      this.#startJoining()
    }
  }

  async #giveUp(going: readonly TopicPartition[], how: 'revoked' | 'lost'): Promise<void> {
    if (going.length === 0) return
    try {
      await this.#options.onRebalance?.({ generation: this.generation, assigned: [], revoked: [], lost: [], [how]: going })
    } finally {
      this.#remove(going)
    }
  }

  #remove(going: readonly TopicPartition[]): void {
    const gone = new Set(going.map(keyOf))
    const stays = (target: TopicPartition) => !gone.has(keyOf(target))
    this.#assignment = this.#assignment.filter(stays)
    this.#unplaced = this.#unplaced.filter(stays)
    this.#fetcher.remove(going)
    for (const key of gone) {
      this.#paused.delete(key)
      this.#sought.delete(key)
    }
  }

  #startJoining(): void {
    this.#hasJoined = false
    const settled = () => {
      this.#hasJoined = true
      this.#wake()
    }
    this.#joining = this.#membership.join(this.#assignment)
    this.#joining.then(settled, settled) // a failure is told by the read that takes it up
  }

  /** After a failure the next read joins again. */
  async #takeJoined(): Promise<Assignment> {
    try {
      return await this.#joining!
    } catch (error) {
      if (this.#leaving === undefined) this.#startJoining()
      throw error
    }
  }

  /**
   * 1. what another member owns by now, or is to own, is given up
   * 2. what is new is taken up
   * 3. a cooperative member that gave something up joins again, so that the one it is meant for gets it
   */
  async #adopt(given: Assignment): Promise<void> {
    this.#joining = null
    this.#hasJoined = false
    const isDisowned = this.#isDisowned()
    const stays = new Set(given.partitions.map(keyOf))
    const going = this.#assignment.filter((target) => isDisowned || !stays.has(keyOf(target)))
    try {
      await this.#giveUp(going, isDisowned ? 'lost' : 'revoked')
    } finally {
      await this.#takeUp(given, going.length > 0 && !isDisowned)
    }
  }

  async #takeUp({ partitions: assignment, userData }: Assignment, joinsAgain: boolean): Promise<void> {
    const kept = new Set(this.#assignment.map(keyOf))
    const added = assignment.filter((target) => !kept.has(keyOf(target)))
    this.#assignment = assignment
    this.#ownedAs = this.memberId
    this.#unplaced = [...this.#unplaced, ...added]
    this.#positioning = null
    if (joinsAgain) this.#startJoining()
    await this.#options.onRebalance?.({ generation: this.generation, assigned: added, revoked: [], lost: [], ...(userData !== null && { userData }) })
  }

  // -------------------------------------------------------------------------------------------------- positions

  /** Committed offsets, and where there are none, what `offsetReset` says. */
  async #findPositions(): Promise<readonly PartitionPosition[]> {
    const missing = this.#unplaced.filter((target) => !this.#sought.has(keyOf(target)))
    const committed = missing.length === 0 ? [] : await fetchCommitted(this.#cluster, this.#lane, this.#options.groupId, missing)
    const found = new Set(committed.map(keyOf))
    return [...committed, ...await this.#reset(missing.filter((target) => !found.has(keyOf(target))))]
  }

  async #takePositions(): Promise<void> {
    try {
      const found = await this.#positioning!
      const placed = [...found.filter((position) => !this.#sought.has(keyOf(position))), ...this.#sought.values()]
      this.#fetcher.add(placed)
      this.#fetcher.pause(this.#unplaced.filter((target) => this.#paused.has(keyOf(target))))
      this.#unplaced = []
      this.#sought.clear()
    } finally {
      this.#positioning = null
    }
  }

  async #reset(partitions: readonly TopicPartition[], cause?: StreamError): Promise<readonly PartitionPosition[]> {
    if (partitions.length === 0) return []
    const at = this.#options.offsetReset ?? 'latest'
    if (at === 'none') {
      const { topic, partition } = partitions[0]!
      const why = cause === undefined ? `has no committed offset for ${topic}-${partition}` : `stands at an offset of ${topic}-${partition} that the log does not have`
      const message = `group ${this.#options.groupId} ${why}, and offsetReset is 'none'; commit one, or choose 'earliest' or 'latest'`
      throw new StreamError('OFFSET_OUT_OF_RANGE', message, { details: { topic, partition, groupId: this.#options.groupId }, cause })
    }
    const isolation: Isolation = 'read-uncommitted'
    return resetOffsets(partitions, at, this.#cluster.clock.now(), (queries) => this.#topics.listOffsets(queries, { isolation }))
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#ensureAssigned(partitions)
    for (const target of partitions) this.#paused.add(keyOf(target))
    this.#fetcher.pause(this.#placed(partitions))
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#ensureAssigned(partitions)
    for (const target of partitions) this.#paused.delete(keyOf(target))
    this.#fetcher.resume(this.#placed(partitions))
  }

  seek(position: PartitionPosition): void {
    validatePositions([position])
    this.#ensureAssigned([position])
    if (this.#placed([position]).length > 0) this.#fetcher.seek(position)
    else this.#sought.set(keyOf(position), position)
  }

  #placed(partitions: readonly TopicPartition[]): readonly TopicPartition[] {
    if (this.#unplaced.length === 0) return partitions
    const unplaced = new Set(this.#unplaced.map(keyOf))
    return partitions.filter((target) => !unplaced.has(keyOf(target)))
  }

  // -------------------------------------------------------------------------------------------------- offsets

  async commit(nextOffsets: readonly CommittedOffset[]): Promise<void> {
    this.#ensureIn()
    validateOffsets(nextOffsets)
    if (this.#joining !== null && !this.#readsOn()) throw new StreamError('REBALANCE_IN_PROGRESS', `group ${this.#options.groupId} is rebalancing: the partitions are not this member's any more`)
    const asked = this.metadata()
    try {
      await commitOffsets(this.#cluster, this.#lane, asked, nextOffsets)
    } catch (error) {
      // What is said of an earlier generation, and comes late, is no news of this one.
      if (asked.generation === this.generation && asked.memberId === this.memberId) this.#membership.learn(error)
      throw error
    }
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    this.#ensureIn()
    for (const target of partitions) validateTarget(target)
    return fetchCommitted(this.#cluster, this.#lane, this.#options.groupId, partitions)
  }

  // -------------------------------------------------------------------------------------------------- life cycle

  leave(): Promise<void> {
    this.#leaving ??= this.#leave()
    return this.#leaving
  }

  /** Nobody reads any more: the others shall have the partitions. A join that is going on ends first; what it gave is not taken up. */
  async #stepOut(): Promise<void> {
    const joined = await this.#joining?.catch(() => null)
    if (this.#leaving !== undefined || this.#isReading) return
    if (joined) {
      this.#joining = null
      this.#hasJoined = false
    }
    await this.#membership.stepOut()
  }

  async #leave(): Promise<void> {
    this.#polls.stop()
    this.#wake()
    this.#cluster.closeLane(this.#fetchLane)
    await this.#membership.leave()
    this.#cluster.closeLane(this.#lane)
    this.#left(this)
  }

  #ensureIn(): void {
    if (this.#leaving !== undefined) throw new StreamError('CLOSED', `this member has left group ${this.#options.groupId}`)
  }

  #ensureAssigned(partitions: readonly TopicPartition[]): void {
    this.#ensureIn()
    for (const { topic, partition } of partitions) {
      if (this.#assignment.some((assigned) => assigned.topic === topic && assigned.partition === partition)) continue
      throw new StreamError('INVALID_ARGUMENT', `${topic}-${partition} is not assigned to this member of group ${this.#options.groupId}`)
    }
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
