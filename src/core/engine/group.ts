import type { Clock, Timer } from '../clock.ts'
import { StreamError } from '../errors.ts'
import type { JoinAnswer, MemberEvent } from './engine-api.ts'
import { metadataOf, newGroupState, withoutMember } from './group-state.ts'
import type { GroupState } from './group-state.ts'

interface Waiting<T> {
  readonly resolve: (answer: T) => void
  readonly reject: (error: StreamError) => void
}

/** A group at work: its state, and everything that hangs on the next change of it. */
export class Group {
  readonly #clock: Clock
  state: GroupState
  /** Members whose join is not answered yet: they are in for the next generation. */
  readonly #joins = new Map<string, Waiting<JoinAnswer>>()
  readonly #syncs = new Map<string, Waiting<Uint8Array>>()
  readonly #watchers = new Map<string, (event: MemberEvent) => void>()
  readonly #sessions = new Map<string, { timer: Timer; readonly expire: () => void }>()
  /** Ids that were given out and not joined with yet. */
  readonly #invited = new Map<string, Timer>()
  #deadline: Timer | null = null

  constructor(clock: Clock, state: GroupState | string) {
    this.#clock = clock
    this.state = typeof state === 'string' ? newGroupState(state, clock.now()) : state
  }

  /** The member has this long to join with the id it was given. */
  invite(memberId: string, sessionTimeoutMs: number): void {
    this.#invited.set(memberId, this.#clock.setTimer(sessionTimeoutMs, () => void this.#invited.delete(memberId)))
  }

  /** True, once, when the id was given to somebody who wants to join. */
  acceptInvited(memberId: string): boolean {
    this.#invited.get(memberId)?.cancel()
    return this.#invited.delete(memberId)
  }

  get hasMembers(): boolean {
    return this.state.members.size > 0
  }

  // ---------------------------------------------------------------------------------------------------- joins and syncs

  waitForJoin(memberId: string): Promise<JoinAnswer> {
    return wait(this.#joins, memberId)
  }

  hasJoined(memberId: string): boolean {
    return this.#joins.has(memberId)
  }

  get joinedCount(): number {
    return this.#joins.size
  }

  firstJoined(): string | undefined {
    return this.#joins.keys().next().value
  }

  /** A static member goes on under another member id: nothing is left for the old one. */
  forget(memberId: string, why: StreamError): void {
    this.endSession(memberId)
    this.tell(memberId, 'removed')
    this.#joins.get(memberId)?.reject(why)
    this.#joins.delete(memberId)
    this.#syncs.get(memberId)?.reject(why)
    this.#syncs.delete(memberId)
  }

  get missingMembers(): readonly string[] {
    return [...this.state.members.keys()].filter((memberId) => !this.#joins.has(memberId))
  }

  answerJoins(): void {
    const joins = [...this.#joins]
    this.#joins.clear()
    for (const [memberId, { resolve }] of joins) resolve(this.joinAnswer(memberId))
  }

  joinAnswer(memberId: string, skipAssignment = false): JoinAnswer {
    const { generation, protocolType, protocol, leader, members } = this.state
    const leads = leader === memberId
    return {
      memberId, generation, skipAssignment,
      protocolType: protocolType ?? '',
      protocol: protocol ?? '',
      leader: leader ?? '',
      members: leads ? [...members.values()].map((member) => ({ memberId: member.memberId, groupInstanceId: member.groupInstanceId, metadata: metadataOf(member, protocol) })) : [],
    }
  }

  waitForSync(memberId: string): Promise<Uint8Array> {
    return wait(this.#syncs, memberId)
  }

  hasSynced(memberId: string): boolean {
    return this.#syncs.has(memberId)
  }

  answerSyncs(): void {
    const syncs = [...this.#syncs]
    this.#syncs.clear()
    for (const [memberId, { resolve, reject }] of syncs) {
      const member = this.state.members.get(memberId)
      if (member === undefined) reject(unknownMember(this.state.groupId, memberId))
      else resolve(member.assignment)
    }
  }

  rejectSyncs(error: StreamError): void {
    const syncs = [...this.#syncs.values()]
    this.#syncs.clear()
    for (const { reject } of syncs) reject(error)
  }

  // ---------------------------------------------------------------------------------------------------- members

  removeMember(memberId: string): void {
    this.state = withoutMember(this.state, memberId)
    this.forget(memberId, unknownMember(this.state.groupId, memberId))
  }

  watch(memberId: string, listener: (event: MemberEvent) => void): void {
    this.tell(memberId, 'rejoin')
    this.#watchers.set(memberId, listener)
  }

  unwatch(memberId: string, listener: (event: MemberEvent) => void): void {
    if (this.#watchers.get(memberId) === listener) this.#watchers.delete(memberId)
  }

  tell(memberId: string, event: MemberEvent): void {
    const listener = this.#watchers.get(memberId)
    this.#watchers.delete(memberId)
    listener?.(event)
  }

  /** The member is lost unless it is heard of within its session time-out. */
  startSession(memberId: string, expire: () => void): void {
    this.endSession(memberId)
    const member = this.state.members.get(memberId)
    if (member !== undefined) this.#sessions.set(memberId, { timer: this.#clock.setTimer(member.sessionTimeoutMs, expire), expire })
  }

  /** Heard of; without a session (a member of this process) there is nothing to prolong. */
  prolongSession(memberId: string): void {
    const session = this.#sessions.get(memberId)
    if (session !== undefined) this.startSession(memberId, session.expire)
  }

  endSession(memberId: string): void {
    this.#sessions.get(memberId)?.timer.cancel()
    this.#sessions.delete(memberId)
  }

  // ---------------------------------------------------------------------------------------------------- time

  /** Replaces the one before: a group waits for one thing at a time. */
  setDeadline(delayMs: number, expire: () => void): void {
    this.clearDeadline()
    this.#deadline = this.#clock.setTimer(delayMs, () => {
      this.#deadline = null
      expire()
    })
  }

  clearDeadline(): void {
    this.#deadline?.cancel()
    this.#deadline = null
  }

  get rebalanceTimeoutMs(): number {
    return Math.max(0, ...[...this.state.members.values()].map((member) => member.rebalanceTimeoutMs))
  }

  /** The engine closes: nobody is answered any more. */
  close(): void {
    const closed = new StreamError('CLOSED', 'the broker is closed')
    this.clearDeadline()
    for (const { timer } of this.#sessions.values()) timer.cancel()
    for (const timer of this.#invited.values()) timer.cancel()
    this.#invited.clear()
    this.#sessions.clear()
    for (const { reject } of this.#joins.values()) reject(closed)
    this.#joins.clear()
    this.rejectSyncs(closed)
    for (const memberId of this.#watchers.keys()) this.tell(memberId, 'removed')
  }
}

export function unknownMember(groupId: string, memberId: string): StreamError {
  return new StreamError('UNKNOWN_MEMBER_ID', `group '${groupId}' does not know member '${memberId}': it was removed or has left`, { details: { groupId, memberId } })
}

function wait<T>(waiting: Map<string, Waiting<T>>, memberId: string): Promise<T> {
  return new Promise((resolve, reject) => {
    waiting.get(memberId)?.reject(new StreamError('REBALANCE_IN_PROGRESS', `member '${memberId}' asked again before it was answered`))
    waiting.set(memberId, { resolve, reject })
  })
}
