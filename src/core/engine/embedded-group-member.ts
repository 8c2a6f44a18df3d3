import type {
  Assignor, CommittedOffset, GroupMember, GroupMetadata, GroupOptions, LastAssignment, PartitionPosition, ReadIntoOptions, ReadResult, RebalanceEvent,
} from '../broker.ts'
import { rangeAssignor } from '../assignors.ts'
import type { Clock } from '../clock.ts'
import { StreamError, isStreamError } from '../errors.ts'
import { resetOffsets } from '../offset-reset.ts'
import { PollDeadline } from '../poll-deadline.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import { EmbeddedReader } from './embedded-reader.ts'
import type { EngineApi, MemberEvent } from './engine-api.ts'
import { joinRound } from './join-round.ts'
import type { JoinedRound, MemberIdentity } from './join-round.ts'
import { validateOffsets, validatePositions, validateReadOptions, validateTarget } from '../validate.ts'
import { eitherSignal, joinAborted, settledWithin } from '../wait.ts'

const defaultMaxWaitMs = 500
const nothing: ReadResult = { partitions: [] }

/**
 * A member of a consumer group on the embedded engine, in its process or in another thread:
 * ```
 *   eager         stable ──(the group moved)──▶ onRebalance({ revoked: everything }) ──▶ joining ──▶ onRebalance({ assigned }) ──▶ stable
 *   cooperative   stable ──(the group moved)──▶ joining, and reading on ──▶ onRebalance({ revoked: what goes }), onRebalance({ assigned: what is new })
 *                   ──▶ stable, or joining again when something went
 *   both          stable ──(removed)──▶ onRebalance({ lost }) ──▶ joining as a new member
 * ```
 * All of it happens inside `read`; only the exchange with the coordinator goes on between two reads.
 */
export class EmbeddedGroupMember implements GroupMember {
  readonly #engine: EngineApi
  readonly #clock: Clock
  readonly #options: GroupOptions
  readonly #assignors: readonly Assignor[]
  /** All assignors must agree to it. */
  readonly #isCooperative: boolean
  readonly #reader: EmbeddedReader
  readonly #left: AbortController
  #identity: MemberIdentity = { memberId: '', generation: -1 }
  #assignment: readonly TopicPartition[] = []
  /** The newest assignment, for sticky assignors, also after it was given up; null: there was none, or it was lost. */
  #last: LastAssignment | null = null
  /** Of assigned partitions; absent until it was looked up. */
  readonly #positions = new Map<string, PartitionPosition>()
  readonly #paused = new Set<string>()
  /** Of topics that were removed: nothing to read until the group has moved on without them. */
  readonly #gone = new Set<string>()
  /** What the coordinator wants of this member, until it was done. */
  #pendingEvent: MemberEvent | null = null
  #joining: Promise<JoinedRound> | null = null
  /** The round that is going on has ended, well or badly: the next step of a read takes it up. */
  #hasJoined = false
  /** While joining, the group turned out to have gone on without this member: others own its partitions. */
  #isDisowned = false
  #positioning: Promise<void> | null = null
  /** Ends the watch of the current generation. */
  #watch = new AbortController()
  /** Ends a read that waits for data while the group moves. */
  #wake = new AbortController()
  #reading = false
  readonly #polls: PollDeadline

  private constructor(engine: EngineApi, clock: Clock, options: GroupOptions, left: AbortController) {
    this.#engine = engine
    this.#clock = clock
    this.#options = options
    this.#left = left
    this.#assignors = options.assignors ?? [rangeAssignor]
    this.#isCooperative = this.#assignors.every(({ rebalanceProtocol }) => rebalanceProtocol === 'cooperative')
    this.#reader = new EmbeddedReader(engine)
    this.#polls = new PollDeadline(clock, options.maxPollIntervalMs, () => void this.#stepOut())
  }

  /** `left` is aborted when the member leaves; aborting it earlier gives up joining. */
  static async join(engine: EngineApi, clock: Clock, options: GroupOptions, left: AbortController): Promise<EmbeddedGroupMember> {
    const member = new EmbeddedGroupMember(engine, clock, options, left)
    try {
      const round = await member.#joinFirst()
      await member.#adopt(round)
      member.#checkIn()
      member.#polls.done()
      return member
    } catch (error) {
      // It may be in the group by now, where it would keep partitions that nobody reads.
      left.abort()
      await member.#resign().catch(() => undefined)
      throw error
    }
  }

  async #joinFirst(): Promise<JoinedRound> {
    const { groupId, signal } = this.#options
    const giveUp = () => this.#left.abort()
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      if (signal?.aborted) giveUp()
      this.#startJoining()
      const round = await this.#joining!
      this.#checkIn()
      return round
    } catch (error) {
      throw signal?.aborted ? joinAborted(groupId, error) : error
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  get generation(): number {
    return this.#identity.generation
  }

  get memberId(): string {
    return this.#identity.memberId
  }

  get assignment(): readonly TopicPartition[] {
    return this.#assignment
  }

  metadata(): GroupMetadata {
    return { groupId: this.#options.groupId, generation: this.generation, memberId: this.memberId, groupInstanceId: this.#options.groupInstanceId ?? null }
  }

  // ---------------------------------------------------------------------------------------------------- reading

  async read(options: ReadIntoOptions = {}): Promise<ReadResult> {
    this.#checkIn()
    validateReadOptions(options)
    if (this.#reading) throw new StreamError('INVALID_ARGUMENT', 'read() was called while another read() of this member is going on')
    this.#reading = true
    this.#polls.begin()
    const abort = eitherSignal(this.#left.signal, options.signal)
    try {
      return await this.#readUntil(this.#clock.monotonic() + (options.maxWaitMs ?? defaultMaxWaitMs), { ...options, signal: abort.signal })
    } finally {
      this.#reading = false
      if (!this.#left.signal.aborted) this.#polls.done()
      abort.release()
    }
  }

  /** One round for each thing that has to happen first: revoke, join, look up positions; then the data. */
  async #readUntil(deadline: number, options: ReadIntoOptions & { readonly signal: AbortSignal }): Promise<ReadResult> {
    for (;;) {
      this.#checkIn()
      const remainingMs = Math.max(0, deadline - this.#clock.monotonic())
      if (this.#pendingEvent !== null && this.#joining === null) await this.#joinAgain()
      if (this.#joining !== null && !this.#readsOn()) {
        if (!(await settledWithin(this.#joining, this.#clock, remainingMs, options.signal))) return nothing
        await this.#adopt(await this.#takeJoined())
        continue
      }
      if (this.#needsPositions()) {
        const positioning = (this.#positioning ??= this.#lookUpPositions().catch((error) => this.#noteIfGone(error)).finally(() => (this.#positioning = null)))
        if (!(await settledWithin(positioning, this.#clock, remainingMs, options.signal))) return nothing
        await positioning
        continue
      }
      const result = await this.#readAssigned(remainingMs, options)
      const moved = (this.#pendingEvent !== null || this.#hasJoined) && !options.signal.aborted && this.#clock.monotonic() < deadline
      if (result.partitions.length > 0 || !moved) return result
    }
  }

  async #readAssigned(maxWaitMs: number, options: ReadIntoOptions & { readonly signal: AbortSignal }): Promise<ReadResult> {
    const readable = this.#assignment.filter((target) => !this.#paused.has(keyOf(target)) && !this.#gone.has(keyOf(target))).map((target) => this.#positions.get(keyOf(target))!)
    this.#reader.assign(readable)
    const before = new Map(readable.map((position) => [keyOf(position), position]))
    const abort = eitherSignal(options.signal, this.#wake.signal)
    try {
      const result = await this.#reader.read({ ...options, maxWaitMs, signal: abort.signal })
      for (const { topic, partition, nextOffset } of result.partitions) {
        const key = partitionKey(topic, partition)
        const sought = this.#positions.get(key) !== before.get(key)
        if (!sought) this.#positions.set(key, { topic, partition, offset: nextOffset })
      }
      return result
    } catch (error) {
      if (isStreamError(error, 'OFFSET_OUT_OF_RANGE')) await this.#resetOutOfRange(error, before)
      else this.#noteIfGone(error)
      return nothing
    } finally {
      abort.release()
    }
  }

  /** A topic that was removed is not the reader's failure: the group will move on without it. */
  #noteIfGone(error: unknown): void {
    if (!isStreamError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
    for (const target of this.#assignment) if (target.topic === error.details['topic']) this.#gone.add(keyOf(target))
  }

  /** `read`: the positions that the error is about; what was sought since then stays. */
  async #resetOutOfRange(error: StreamError, read: ReadonlyMap<string, PartitionPosition>): Promise<void> {
    if (this.#options.offsetReset === 'none') throw error
    const key = partitionKey(String(error.details['topic']), Number(error.details['partition']))
    const position = read.get(key)
    if (position === undefined) throw error
    const [reset] = await this.#resetPositions([position])
    if (this.#positions.get(key) === position) this.#positions.set(key, reset!)
  }

  // ---------------------------------------------------------------------------------------------------- positions

  pause(partitions: readonly TopicPartition[]): void {
    for (const target of this.#checkAssigned(partitions)) this.#paused.add(keyOf(target))
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const target of this.#checkAssigned(partitions)) this.#paused.delete(keyOf(target))
  }

  seek(position: PartitionPosition): void {
    validatePositions([position])
    this.#checkAssigned([position])
    this.#positions.set(keyOf(position), { topic: position.topic, partition: position.partition, offset: position.offset })
  }

  #checkAssigned<T extends TopicPartition>(partitions: readonly T[]): readonly T[] {
    this.#checkIn()
    for (const { topic, partition } of partitions) {
      if (!this.#assignment.some((assigned) => assigned.topic === topic && assigned.partition === partition)) {
        throw new StreamError('INVALID_ARGUMENT', `${topic}-${partition} is not assigned to this member of group '${this.#options.groupId}'`)
      }
    }
    return partitions
  }

  #needsPositions(): boolean {
    return this.#assignment.some((target) => !this.#positions.has(keyOf(target)) && !this.#gone.has(keyOf(target)))
  }

  /** Committed offsets, and where there are none, what `offsetReset` says. */
  async #lookUpPositions(): Promise<void> {
    const missing = this.#assignment.filter((target) => !this.#positions.has(keyOf(target)) && !this.#gone.has(keyOf(target)))
    const committed = new Map((await this.committed(missing)).map((offset) => [keyOf(offset), offset]))
    const found = missing.flatMap((target) => committed.get(keyOf(target)) ?? [])
    const reset = await this.#resetPositions(missing.filter((target) => !committed.has(keyOf(target))))
    for (const { topic, partition, offset } of [...found, ...reset]) {
      if (!this.#positions.has(keyOf({ topic, partition }))) this.#positions.set(keyOf({ topic, partition }), { topic, partition, offset })
    }
  }

  async #resetPositions(partitions: readonly TopicPartition[]): Promise<readonly PartitionPosition[]> {
    if (partitions.length === 0) return []
    const at = this.#options.offsetReset ?? 'latest'
    if (at === 'none') {
      const { topic, partition } = partitions[0]!
      const message = `group '${this.#options.groupId}' has no committed offset for ${topic}-${partition}, and offsetReset is 'none'; commit one, or choose 'earliest' or 'latest'`
      throw new StreamError('OFFSET_OUT_OF_RANGE', message, { details: { topic, partition, groupId: this.#options.groupId } })
    }
    return resetOffsets(partitions, at, this.#clock.now(), (queries) => this.#engine.listOffsets(queries, 'read-uncommitted'))
  }

  // ---------------------------------------------------------------------------------------------------- offsets

  async commit(nextOffsets: readonly CommittedOffset[]): Promise<void> {
    this.#checkIn()
    validateOffsets(nextOffsets)
    await this.#engine.commitOffsets({ ...this.metadata(), offsets: nextOffsets })
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    this.#checkIn()
    for (const target of partitions) validateTarget(target)
    return this.#engine.fetchOffsets({ groupId: this.#options.groupId, partitions, stable: true }, this.#left.signal)
  }

  // ---------------------------------------------------------------------------------------------------- rebalancing

  rejoin(): void {
    this.#checkIn()
    this.#pendingEvent ??= 'rejoin'
    this.#wake.abort()
  }

  /** A cooperative member that others wait for goes on with what it owns until it is told what to give up. */
  #readsOn(): boolean {
    return this.#isCooperative && !this.#hasJoined && !this.#isDisowned
  }

  async #joinAgain(): Promise<void> {
    const status = await this.#engine.memberStatus(this.#options.groupId, this.memberId)
    this.#pendingEvent = null
    this.#watch.abort()
    try {
      if (status === 'removed') await this.#giveUp({ revoked: [], lost: this.#assignment })
      else if (!this.#isCooperative) await this.#giveUp({ revoked: this.#assignment, lost: [] })
    } finally {
      if (status === 'removed') this.#forgetIdentity()
      this.#startJoining()
    }
  }

  #forgetIdentity(): void {
    this.#identity = { memberId: '', generation: -1 }
    this.#last = null
  }

  async #giveUp(change: { readonly revoked: readonly TopicPartition[]; readonly lost: readonly TopicPartition[] }): Promise<void> {
    const given = new Set([...change.revoked, ...change.lost].map(keyOf))
    try {
      if (given.size > 0) await this.#tell({ generation: this.generation, assigned: [], ...change })
    } finally {
      this.#assignment = this.#assignment.filter((target) => !given.has(keyOf(target)))
      for (const key of given) {
        this.#positions.delete(key)
        this.#paused.delete(key)
        this.#gone.delete(key)
      }
    }
  }

  #startJoining(): void {
    const owned = { partitions: this.#assignment, generation: this.generation }
    const known = this.memberId
    this.#hasJoined = false
    this.#isDisowned = false
    const wake = (this.#wake = new AbortController())
    const onJoined = (identity: MemberIdentity) => {
      this.#isDisowned ||= known !== '' && identity.memberId !== known
      if (this.#isCooperative) this.#identity = identity
    }
    const settled = () => {
      this.#hasJoined = true
      wake.abort()
    }
    this.#joining = joinRound(this.#engine, { options: this.#options, assignors: this.#assignors, identity: this.#identity, owned, last: this.#last, signal: this.#left.signal, onJoined })
    this.#joining.then(settled, settled)
  }

  /** After a failure the next read tries again from the beginning. */
  async #takeJoined(): Promise<JoinedRound> {
    try {
      return await this.#joining!
    } catch (error) {
      this.#startJoining()
      throw error
    }
  }

  /**
   * 1. what another member owns by now, or is to own, is given up
   * 2. what is new is taken up
   * 3. a cooperative member that gave something up joins again, so that the one it is meant for gets it
   */
  async #adopt(round: JoinedRound): Promise<void> {
    this.#joining = null
    this.#hasJoined = false
    this.#identity = round.identity
    const kept = new Set(round.assignment.map(keyOf))
    const going = this.#assignment.filter((target) => this.#isDisowned || !kept.has(keyOf(target)))
    try {
      await this.#giveUp(this.#isDisowned ? { revoked: [], lost: going } : { revoked: going, lost: [] })
    } finally {
      await this.#takeUp(round, going.length > 0 && !this.#isDisowned)
    }
  }

  async #takeUp(round: JoinedRound, joinsAgain: boolean): Promise<void> {
    // What it keeps of a topic that was removed is of one made anew.
    for (const key of this.#gone) this.#positions.delete(key)
    this.#gone.clear()
    const before = new Set(this.#assignment.map(keyOf))
    this.#assignment = round.assignment
    this.#last = { partitions: round.assignment, generation: this.generation }
    if (joinsAgain) this.#startJoining()
    else this.#watchGroup(round)
    const added = round.assignment.filter((target) => !before.has(keyOf(target)))
    await this.#tell({ generation: this.generation, assigned: added, revoked: [], lost: [], ...(round.userData !== null && { userData: round.userData }) })
  }

  #watchGroup(round: JoinedRound): void {
    this.#watch = new AbortController()
    this.#wake = new AbortController()
    const { signal } = this.#watch
    const request = { groupId: this.#options.groupId, topics: this.#options.topics, partitionCounts: round.partitionCounts, ...round.identity }
    const noteEvent = (event: MemberEvent) => {
      if (signal.aborted) return
      this.#pendingEvent = event
      this.#wake.abort()
    }
    this.#engine.watchMember(request, signal).then(noteEvent, () => noteEvent('removed'))
  }

  async #tell(event: RebalanceEvent): Promise<void> {
    await this.#options.onRebalance?.(event)
  }

  // ---------------------------------------------------------------------------------------------------- life cycle

  async leave(): Promise<void> {
    if (this.#left.signal.aborted) return
    this.#left.abort()
    await this.#resign()
  }

  async #resign(): Promise<void> {
    this.#polls.stop()
    this.#watch.abort()
    await this.#reader.close()
    const joined = await this.#joining?.catch(() => null)
    const { memberId } = joined?.identity ?? this.#identity
    if (memberId !== '') await this.#engine.leaveGroup(this.#options.groupId, memberId).catch(ignoreRemoved)
  }

  /** Nobody reads any more: the others shall have the partitions. A join that is going on ends first; what it gave is not taken up. */
  async #stepOut(): Promise<void> {
    const joined = await this.#joining?.catch(() => null)
    if (this.#left.signal.aborted || this.#reading) return
    if (joined) {
      this.#identity = joined.identity
      this.#joining = null
      this.#hasJoined = false
    }
    this.#pendingEvent = 'removed'
    await this.#engine.leaveGroup(this.#options.groupId, this.memberId).catch(() => undefined)
  }

  #checkIn(): void {
    if (this.#left.signal.aborted) throw new StreamError('CLOSED', `this member has left group '${this.#options.groupId}'`)
  }
}

/** The group may have gone on without this member already. */
function ignoreRemoved(error: unknown): void {
  if (!isStreamError(error, 'UNKNOWN_MEMBER_ID')) throw error
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
