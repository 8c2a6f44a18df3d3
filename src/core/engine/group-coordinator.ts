import type { CommittedOffset, GroupDescription } from '../broker.ts'
import { unhurriedNow } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import type { Random } from '../random.ts'
import { randomUuid } from '../random.ts'
import { consumerProtocolType, decodeAssignment } from '../consumer-protocol.ts'
import type { TopicPartition } from '../record.ts'
import { validateGroupId, validateSessionTimeout } from '../validate.ts'
import { decodeGroupValue, decodeNextGroupEpoch, encodeGroupKey, encodeGroupValue } from './coordinator-records.ts'
import type { CommitRequest, FetchOffsetsRequest, JoinAnswer, JoinRequest, MemberEvent, SyncRequest, WatchRequest } from './engine-api.ts'
import { Group, unknownMember } from './group.ts'
import { completeJoin, completeSync, metadataOf, moveTo, newGroupState, noAssignment, sameProtocols, sharesProtocol, staticMember, withMember, withMemberReplaced } from './group-state.ts'
import type { GroupState, MemberState } from './group-state.ts'
import type { InternalRecord, InternalTopic } from './internal-topic.ts'
import { offsetExpiry, subscribedTopics } from './offset-expiry.ts'
import type { OffsetStore } from './offset-store.ts'

export interface GroupCoordinatorOptions {
  readonly clock: Clock
  readonly random: Random
  readonly topic: InternalTopic
  readonly offsets: OffsetStore
}

/**
 * Membership of consumer groups, with Kafka's classic protocol: who is in, which generation it is, and who has which
 * partitions. What a group may do in which phase stands in `group-state.ts`; what waits for a change, in `group.ts`.
 */
export class GroupCoordinator {
  readonly #clock: Clock
  readonly #unhurriedNow: () => number
  readonly #random: Random
  readonly #topic: InternalTopic
  readonly #offsets: OffsetStore
  readonly #groups = new Map<string, Group>()
  #isClosed = false

  constructor(options: GroupCoordinatorOptions) {
    this.#clock = options.clock
    this.#unhurriedNow = unhurriedNow(options.clock)
    this.#random = options.random
    this.#topic = options.topic
    this.#offsets = options.offsets
  }

  /**
   * A group's record, at start. Members lived in a process that is gone, so a group comes back empty, with its generation;
   * only when all of them are static it comes back as it was, and waits for them for a session time-out. A group of the
   * next-generation protocol goes on from its epoch, as a classic one.
   */
  restore(groupId: string, value: Uint8Array | null, kind: 'group' | 'next-group'): void {
    this.#groups.get(groupId)?.close()
    this.#groups.delete(groupId)
    if (value === null) return
    if (kind === 'next-group') {
      const state = { ...newGroupState(groupId, this.#clock.now()), generation: decodeNextGroupEpoch(value), protocolType: consumerProtocolType }
      this.#groups.set(groupId, new Group(this.#clock, state))
      return
    }
    const stored = decodeGroupValue(value)
    // Members that died with their process kept the group in use until now.
    const emptySince = stored.members.length > 0 ? this.#clock.now() : stored.currentStateTimestamp
    const base = { ...newGroupState(groupId, emptySince), generation: stored.generation, protocolType: stored.protocolType }
    const members = stored.members.map((member): [string, MemberState] => [member.memberId, { ...member, protocols: [{ name: stored.protocol ?? '', metadata: member.subscription }] }])
    const returns = members.length > 0 && members.every(([, member]) => member.groupInstanceId !== null)
    const state: GroupState = returns ? { ...base, phase: 'stable', protocol: stored.protocol, leader: stored.leader, members: new Map(members) } : base
    this.#groups.set(groupId, new Group(this.#clock, state))
  }

  /** All records are read: members that may come back have their time from now on. */
  startSessions(): void {
    for (const group of this.#groups.values()) for (const memberId of group.state.members.keys()) this.#startSession(group, memberId)
  }

  close(): void {
    this.#isClosed = true
    for (const group of this.#groups.values()) group.close()
  }

  // ---------------------------------------------------------------------------------------------------- membership

  /** @throws INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT, INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID, MEMBER_ID_REQUIRED, FENCED_INSTANCE_ID */
  async join(request: JoinRequest, signal?: AbortSignal): Promise<JoinAnswer> {
    validateGroupId(request.groupId)
    validateSessionTimeout(request.sessionTimeoutMs)
    await this.#topic.ensure()
    // Its deadline would keep the process alive, and nobody would answer it.
    if (this.#isClosed) throw new StreamError('CLOSED', 'the broker is closed')
    const group = this.#groupToJoin(request)
    if (request.requireKnownMemberId && request.memberId === '' && request.groupInstanceId === null) throw this.#invite(group, request)
    const entered = this.#enter(group, request)
    const { memberId } = entered
    // One of this process needs no session, also if it has come back in the one that it left with.
    if (request.local) group.endSession(memberId)
    if (entered.answered !== undefined) return entered.answered
    const answer = group.waitForJoin(memberId)
    if (!request.local) this.#startSession(group, memberId)
    this.#rebalance(group)
    const leave = () => {
      if (group.hasJoined(memberId)) this.leave(request.groupId, memberId)
    }
    signal?.addEventListener('abort', leave, { once: true })
    if (signal?.aborted) leave()
    return answer.finally(() => signal?.removeEventListener('abort', leave))
  }

  async sync(request: SyncRequest): Promise<Uint8Array> {
    const group = this.#memberOf(request)
    checkProtocol(group.state, request)
    switch (group.state.phase) {
      case 'preparing-rebalance': throw rebalancing(request.groupId)
      case 'stable': return group.state.members.get(request.memberId)!.assignment
    }
    const assignment = group.waitForSync(request.memberId)
    if (group.state.leader !== request.memberId) return assignment
    const [given] = await Promise.all([assignment, this.#adoptAssignments(group, request.assignments)])
    return given
  }

  /** A remote member lives. @throws UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS: join again */
  heartbeat(request: MemberRequest): void {
    validateGroupId(request.groupId)
    const group = this.#memberOf(request)
    group.prolongSession(request.memberId)
    if (group.state.phase === 'preparing-rebalance') throw rebalancing(request.groupId)
  }

  watch(request: WatchRequest, onEvent: (event: MemberEvent) => void): () => void {
    const group = this.#groups.get(request.groupId)
    if (group?.state.members.has(request.memberId) !== true) return onEvent('removed'), () => undefined
    const { phase, generation } = group.state
    if (phase === 'preparing-rebalance' || generation !== request.generation) return onEvent('rejoin'), () => undefined
    group.watch(request.memberId, onEvent)
    return () => group.unwatch(request.memberId, onEvent)
  }

  isMember(groupId: string, memberId: string): boolean {
    return this.#groups.get(groupId)?.state.members.has(memberId) === true
  }

  /** A static member stays in for its session time-out: it may come back and go on. Not one that leaves while it joins, for that the others would wait. */
  leave(groupId: string, memberId: string): void {
    const group = this.#groups.get(groupId)
    const member = group?.state.members.get(memberId)
    if (group === undefined || member === undefined) throw unknownMember(groupId, memberId)
    if (member.groupInstanceId === null || group.hasJoined(memberId)) return this.#remove(group, memberId)
    group.forget(memberId, unknownMember(groupId, memberId))
    this.#startSession(group, memberId)
  }

  /** Takes a member out for good, a static one too. @throws UNKNOWN_MEMBER_ID */
  expel(groupId: string, memberId: string): void {
    const group = this.#groups.get(groupId)
    if (group?.state.members.has(memberId) !== true) throw unknownMember(groupId, memberId)
    this.#remove(group, memberId)
  }

  /** For descriptions that say more than `describe`. */
  stateOf(groupId: string): GroupState | undefined {
    return this.#groups.get(groupId)?.state
  }

  #groupToJoin(request: JoinRequest): Group {
    const known = this.#groups.get(request.groupId)
    if (known === undefined && request.memberId !== '') throw unknownMember(request.groupId, request.memberId)
    const group = known ?? new Group(this.#clock, request.groupId)
    if (!sharesProtocol(group.state, request.protocolType, request.protocols)) {
      const wanted = request.protocols.map(({ name }) => name).join(', ')
      throw new StreamError('INCONSISTENT_GROUP_PROTOCOL', `group '${request.groupId}' has no assignor in common with this member, which offers: ${wanted}`)
    }
    this.#groups.set(request.groupId, group)
    return group
  }

  /** Puts the member into the group. What comes back without an answer waits for the next generation. */
  #enter(group: Group, request: JoinRequest): Entered {
    const known = request.groupInstanceId === null ? undefined : staticMember(group.state, request.groupInstanceId)
    if (request.memberId === '') {
      const member = newMember(request, this.#newMemberId(request))
      if (known !== undefined) return this.#takeOverStatic(group, request, known, member)
      group.state = withMember(group.state, request.protocolType, member)
      return { memberId: member.memberId }
    }
    if (known !== undefined && known.memberId !== request.memberId) throw fencedInstance(request)
    const member = group.state.members.get(request.memberId)
    if (member === undefined && group.acceptInvited(request.memberId)) {
      group.state = withMember(group.state, request.protocolType, newMember(request, request.memberId))
      return { memberId: request.memberId }
    }
    if (member === undefined) throw unknownMember(request.groupId, request.memberId)
    return rejoin(group, request, member)
  }

  #newMemberId(request: JoinRequest): string {
    return `${request.groupInstanceId ?? request.clientId}-${randomUuid(this.#random)}`
  }

  #invite(group: Group, request: JoinRequest): StreamError {
    const memberId = this.#newMemberId(request)
    group.invite(memberId, request.sessionTimeoutMs)
    return new StreamError('MEMBER_ID_REQUIRED', `join group '${request.groupId}' again as member '${memberId}'`, { retriable: true, details: { memberId } })
  }

  #takeOverStatic(group: Group, request: JoinRequest, known: MemberState, member: MemberState): Entered {
    const unchanged = sameMetadata(group.state, known, request)
    group.state = withMemberReplaced(group.state, known.memberId, { ...member, assignment: known.assignment })
    group.forget(known.memberId, fencedInstance(request))
    if (!request.local) this.#startSession(group, member.memberId)
    const { memberId } = member
    const goesOn = group.state.phase === 'stable' && unchanged
    if (goesOn) this.#noteReplaced(group)
    return goesOn ? { memberId, answered: group.joinAnswer(memberId, group.state.leader === memberId) } : { memberId }
  }

  /** No generation begins that would be stored: after a restart the member is known by its new id all the same, unless the disk refuses. */
  #noteReplaced(group: Group): void {
    try {
      this.#topic.writeUnacknowledged(group.state.groupId, [groupRecord(group.state)])
    } catch {
      // As after a power cut: the member of before is waited for.
    }
  }

  // ---------------------------------------------------------------------------------------------------- rebalancing

  /**
   * 1. everyone who is in is told to join again, and nobody waits for an assignment any more
   * 2. when all have joined, or the time is up for the others, a generation begins: each is answered, the leader divides
   * 3. the leader's assignment is stored, and each is given its part: `#adoptAssignments`
   */
  #rebalance(group: Group): void {
    if (group.state.phase !== 'preparing-rebalance') {
      group.state = moveTo(group.state, 'preparing-rebalance', this.#clock.now())
      group.rejectSyncs(rebalancing(group.state.groupId))
      group.setDeadline(group.rebalanceTimeoutMs, () => this.#goOnWithout(group))
      for (const memberId of group.state.members.keys()) group.tell(memberId, 'rejoin')
    }
    if (group.missingMembers.length === 0) this.#beginGeneration(group)
  }

  /** Those that did not join in time are out. Static members stay: they may come back, and have a session. */
  #goOnWithout(group: Group): void {
    for (const memberId of group.missingMembers) {
      if (group.state.members.get(memberId)!.groupInstanceId === null) group.removeMember(memberId)
    }
    if (group.joinedCount > 0 || !group.hasMembers) this.#beginGeneration(group)
    else group.setDeadline(group.rebalanceTimeoutMs, () => this.#goOnWithout(group))
  }

  #beginGeneration(group: Group): void {
    group.clearDeadline()
    group.state = completeJoin(group.state, this.#clock.now())
    if (group.state.phase === 'empty') {
      this.#store(group.state).catch(() => undefined)
      return
    }
    if (!group.hasJoined(group.state.leader!)) group.state = { ...group.state, leader: group.firstJoined()! }
    group.setDeadline(group.rebalanceTimeoutMs, () => this.#dropUnsynced(group))
    group.answerJoins()
  }

  /** A member that joined and never asked for its assignment is as good as gone. */
  #dropUnsynced(group: Group): void {
    for (const memberId of [...group.state.members.keys()]) if (!group.hasSynced(memberId)) group.removeMember(memberId)
    this.#rebalance(group)
  }

  /** The assignment is on disk before anybody works by it. */
  async #adoptAssignments(group: Group, assignments: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const { generation } = group.state
    const next = completeSync(group.state, assignments, this.#clock.now())
    try {
      await this.#store(next)
    } catch (error) {
      group.rejectSyncs(error as StreamError)
      return
    }
    if (group.state.generation !== generation || group.state.phase !== 'completing-rebalance') return
    group.clearDeadline()
    group.state = completeSync(group.state, assignments, this.#clock.now())
    group.answerSyncs()
  }

  #remove(group: Group, memberId: string): void {
    group.removeMember(memberId)
    if (group.state.phase !== 'empty' && group.state.phase !== 'dead') this.#rebalance(group)
  }

  #startSession(group: Group, memberId: string): void {
    group.startSession(memberId, () => this.#remove(group, memberId))
  }

  /** What a full disk refuses at once rejects, too: timers come by here. */
  async #store(state: GroupState): Promise<void> {
    await this.#topic.write(state.groupId, [groupRecord(state)])
  }

  // ---------------------------------------------------------------------------------------------------- offsets

  /** @throws UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS, FENCED_INSTANCE_ID, UNKNOWN_TOPIC_OR_PARTITION */
  async commit(request: CommitRequest): Promise<void> {
    // From the checks to the write nothing else may happen.
    await this.#topic.ensure()
    const group = this.#groups.get(request.groupId)
    if (isFromOutside(request)) {
      if (group?.hasMembers) throw new StreamError('UNKNOWN_MEMBER_ID', `group '${request.groupId}' has members; only they can commit its offsets`)
    } else {
      if (this.#memberToCommit(request).state.phase === 'completing-rebalance') throw rebalancing(request.groupId)
    }
    group?.prolongSession(request.memberId)
    await this.#offsets.commit(request.groupId, request.offsets, { now: this.#clock.now(), retentionTimeMs: request.retentionTimeMs ?? -1 })
  }

  /** Before offsets become part of a transaction. @throws as `commit`; without a member there is nothing to check */
  checkTransactionCommit(request: Omit<CommitRequest, 'offsets'>): void {
    if (!isFromOutside(request)) this.#memberToCommit(request)
  }

  async fetchOffsets(request: FetchOffsetsRequest, signal?: AbortSignal): Promise<readonly CommittedOffset[]> {
    const isUnstable = () => request.stable && this.#offsets.isUnstable(request.groupId, request.partitions)
    while (isUnstable()) {
      if (signal?.aborted) throw new StreamError('ABORTED', `the wait for an open transaction over offsets of group '${request.groupId}' was ended`)
      await nextSettled(this.#offsets, signal)
    }
    return this.#offsets.fetch(request.groupId, request.partitions)
  }

  /**
   * Forgets offsets that nobody has needed for `retentionMs`, and groups that are left with none. A group's offsets age from
   * when its last member left, those committed without members from their commit; a group with members keeps all.
   */
  async expireOffsets(retentionMs: number): Promise<void> {
    const now = this.#unhurriedNow()
    for (const groupId of this.list()) {
      const state = this.#groups.get(groupId)?.state
      const isExpired = offsetExpiry(state, { now, retentionMs })
      const isLeftOver = isExpired !== null && await this.#offsets.expire(groupId, isExpired) && !this.#offsets.isUnstable(groupId, null)
      if (isLeftOver && state?.phase === 'empty' && this.#groups.get(groupId)?.state === state) await this.remove(groupId)
    }
  }

  isUnstable(groupId: string, partitions: readonly TopicPartition[]): boolean {
    return this.#offsets.isUnstable(groupId, partitions)
  }

  #memberToCommit(request: Omit<CommitRequest, 'offsets'>): Group {
    if (!this.#groups.has(request.groupId)) throw illegalGeneration(request.groupId, request.generation, null)
    return this.#memberOf(request)
  }

  #memberOf(request: MemberRequest): Group {
    const group = this.#groups.get(request.groupId)
    if (group !== undefined && request.groupInstanceId) {
      const known = staticMember(group.state, request.groupInstanceId)
      if (known === undefined) throw unknownMember(request.groupId, request.memberId)
      if (known.memberId !== request.memberId) throw fencedInstance({ groupId: request.groupId, groupInstanceId: request.groupInstanceId })
    }
    if (group?.state.members.has(request.memberId) !== true) throw unknownMember(request.groupId, request.memberId)
    if (group.state.generation !== request.generation) throw illegalGeneration(request.groupId, request.generation, group.state.generation)
    return group
  }

  // ---------------------------------------------------------------------------------------------------- administration

  list(): readonly string[] {
    const existing = [...this.#groups].filter(([groupId, group]) => group.hasMembers || group.state.generation > 0 || this.#offsets.has(groupId)).map(([groupId]) => groupId)
    return [...new Set([...existing, ...this.#offsets.groupIds()])].sort()
  }

  describe(groupId: string): GroupDescription {
    const state = this.#groups.get(groupId)?.state
    const offsets = this.#offsets.fetch(groupId, null)
    if (state === undefined) return { groupId, state: offsets.length > 0 ? 'empty' : 'dead', generation: -1, assignor: null, members: [], offsets }
    const members = [...state.members.values()].map(({ memberId, groupInstanceId, clientId, assignment }) => ({
      memberId, groupInstanceId, clientId,
      assignment: state.protocolType === consumerProtocolType ? decodeAssignment(assignment).partitions : [],
    }))
    return { groupId, state: state.phase, generation: state.generation, assignor: state.protocol, members, offsets }
  }

  /** Forgets single offsets. @throws GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP when members read one of the topics */
  async removeOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    const state = this.#groups.get(groupId)?.state
    if (state === undefined && !this.#offsets.has(groupId)) throw notFound(groupId)
    const read = new Set([...(state?.members.values() ?? [])].flatMap((member) => subscribedTopics(state!, member)))
    const inUse = partitions.find(({ topic }) => read.has(topic))
    if (inUse !== undefined) throw new StreamError('NON_EMPTY_GROUP', `members of group '${groupId}' read topic '${inUse.topic}'`, { details: { groupId, topic: inUse.topic } })
    await this.#offsets.remove(groupId, partitions)
  }

  /** @throws GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP */
  async remove(groupId: string): Promise<void> {
    const group = this.#groups.get(groupId)
    if (group === undefined && !this.#offsets.has(groupId)) throw notFound(groupId)
    if (group?.hasMembers) throw new StreamError('NON_EMPTY_GROUP', `group '${groupId}' has ${group.state.members.size} members; stop them first`, { details: { groupId } })
    if (!this.#topic.exists) await this.#topic.ensure()
    const removed = this.#offsets.removeGroup(groupId, [{ key: encodeGroupKey(groupId), value: null }])
    // Who joins from now on is in another group, which begins behind the record that ends this one.
    this.#groups.delete(groupId)
    try {
      await removed
    } catch (error) {
      if (group !== undefined && !this.#groups.has(groupId)) this.#groups.set(groupId, group)
      throw error
    }
  }
}

interface MemberRequest {
  readonly groupId: string
  readonly memberId: string
  readonly generation: number
  readonly groupInstanceId?: string | null
}

interface Entered {
  readonly memberId: string
  /** The generation in force goes on. */
  readonly answered?: JoinAnswer
}

/** Only a leader, or a member that wants something else, moves a group that stands. */
function rejoin(group: Group, request: JoinRequest, member: MemberState): Entered {
  const { memberId } = member
  const unchanged = sameProtocols(member, request.protocols)
  group.state = withMember(group.state, request.protocolType, { ...newMember(request, memberId), assignment: member.assignment })
  const { phase, leader } = group.state
  const goesOn = unchanged && (phase === 'completing-rebalance' || (phase === 'stable' && leader !== memberId))
  return goesOn ? { memberId, answered: group.joinAnswer(memberId) } : { memberId }
}

function newMember(request: JoinRequest, memberId: string): MemberState {
  const { groupInstanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols } = request
  return { memberId, groupInstanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols, assignment: noAssignment }
}

/** A restored member is known by the protocol that was chosen only, so that is what counts. */
function sameMetadata(state: GroupState, known: MemberState, request: JoinRequest): boolean {
  const offered = request.protocols.find(({ name }) => name === state.protocol)
  return offered !== undefined && Buffer.compare(offered.metadata, metadataOf(known, state.protocol)) === 0
}

function groupRecord(state: GroupState): InternalRecord {
  const members = [...state.members.values()].map(({ protocols: _protocols, ...member }) => ({
    ...member, subscription: metadataOf(state.members.get(member.memberId)!, state.protocol),
  }))
  const { groupId, generation, protocol, leader, phaseTimestamp } = state
  const value = { protocolType: state.protocolType ?? '', generation, protocol, leader, currentStateTimestamp: phaseTimestamp, members }
  return { key: encodeGroupKey(groupId), value: encodeGroupValue(value) }
}

function isFromOutside(request: { readonly generation: number; readonly memberId: string }): boolean {
  return request.generation < 0 && request.memberId === ''
}

function nextSettled(offsets: OffsetStore, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      stop()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const stop = offsets.onSettled(finish)
    signal?.addEventListener('abort', finish, { once: true })
  })
}

function checkProtocol(state: GroupState, { groupId, protocolType, protocol }: SyncRequest): void {
  if ((protocolType ?? state.protocolType) === state.protocolType && (protocol ?? state.protocol) === state.protocol) return
  throw new StreamError('INCONSISTENT_GROUP_PROTOCOL', `group '${groupId}' works by ${state.protocolType} ${state.protocol}, not by ${protocolType} ${protocol}`)
}

function rebalancing(groupId: string): StreamError {
  return new StreamError('REBALANCE_IN_PROGRESS', `group '${groupId}' is rebalancing; join again`, { details: { groupId } })
}

function notFound(groupId: string): StreamError {
  return new StreamError('GROUP_ID_NOT_FOUND', `there is no group '${groupId}'`, { details: { groupId } })
}

function illegalGeneration(groupId: string, generation: number, current: number | null): StreamError {
  const now = current === null ? 'there is no such group' : `it is at generation ${current}`
  return new StreamError('ILLEGAL_GENERATION', `generation ${generation} of group '${groupId}' has ended: ${now}`, { details: { groupId, generation } })
}

function fencedInstance({ groupId, groupInstanceId }: { readonly groupId: string; readonly groupInstanceId: string | null }): StreamError {
  return new StreamError('FENCED_INSTANCE_ID', `another member of group '${groupId}' joined with the group instance id '${groupInstanceId}'`, { details: { groupId, groupInstanceId } })
}
