/**
 * The member's side of the classic group protocol, without knowing what the partitions are for:
 * ```
 *   outside ──join: JoinGroup, SyncGroup──▶ stable (heartbeats) ──"the group moves"──▶ join again
 *                                             └──"removed"──▶ outside
 * ```
 */
import type { AssignmentInput, Assignor, GroupMetadata, GroupOptions, LastAssignment } from '../broker.ts'
import type { Timer } from '../clock.ts'
import type { Assignment } from '../consumer-protocol.ts'
import { consumerProtocolType, decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../consumer-protocol.ts'
import { isStreamError, StreamError } from '../errors.ts'
import type { TopicPartition } from '../record.ts'
import { settledWithin } from '../wait.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { kafkaError, throwIfError } from './kafka-errors.ts'
import type { KafkaLane } from './kafka-lane.ts'
import { heartbeat, joinGroup, leaveGroup, syncGroup } from './wire/index.ts'

/** What the coordinator wants of the member. */
export type MemberNews = 'rebalance' | 'removed' | 'fenced'

export interface MembershipSettings extends GroupOptions {
  readonly assignors: readonly Assignor[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
}

type TopicsToAssign = Required<Pick<AssignmentInput, 'partitionCounts' | 'partitionRacks'>>

/** A member learns of a rebalance from its heartbeat, so this is how long the others wait for it at most. */
const longestHeartbeatMs = 1_000
/** A busy coordinator is not a dead one. */
const leastHeartbeatPatienceMs = 1_000
/** How often the leader looks whether topics appeared or grew. */
const topicCheckMs = 5_000

export class GroupMembership {
  readonly #cluster: KafkaCluster
  readonly #settings: MembershipSettings
  readonly #notify: () => void
  /** Joining waits on the broker for the other members, so it has connections of its own. */
  readonly #joinLane: KafkaLane
  readonly #lane: KafkaLane
  #memberId = ''
  #generation = -1
  #news: MemberNews | null = null
  #heartbeatTimer: Timer | null = null
  #hasLeft = false
  /** JoinGroup, until it is answered: the coordinator waits for the other members. */
  #asking: Promise<unknown> | null = null
  /** The user data of the join under way is out of date. */
  #joinsAnew = false
  /** Of the leader: what the assignment was made for. Null for others: who goes by an old one would ask for one rebalance after the other. */
  #assignedTopics: TopicsToAssign | null = null
  /** For sticky assignors. */
  #last: LastAssignment | null = null
  #nextTopicCheck = 0

  constructor(cluster: KafkaCluster, lane: KafkaLane, settings: MembershipSettings, notify: () => void) {
    this.#cluster = cluster
    this.#lane = lane
    this.#joinLane = cluster.openLane(settings.clientId)
    this.#settings = settings
    this.#notify = notify
  }

  get memberId(): string {
    return this.#memberId
  }

  get generation(): number {
    return this.#generation
  }

  get news(): MemberNews | null {
    return this.#news
  }

  metadata(): GroupMetadata {
    return { groupId: this.#settings.groupId, generation: this.#generation, memberId: this.#memberId, groupInstanceId: this.#settings.groupInstanceId ?? null }
  }

  /** News reaches us by answers to other requests too. */
  learn(error: unknown): void {
    if (isStreamError(error, 'REBALANCE_IN_PROGRESS')) this.#tell('rebalance')
    else if (isStreamError(error, 'UNKNOWN_MEMBER_ID') || isStreamError(error, 'ILLEGAL_GENERATION')) this.#tell('removed')
    else if (isStreamError(error, 'FENCED_INSTANCE_ID')) this.#tell('fenced')
  }

  /** After 'removed': the next join is that of a new member. */
  forget(): void {
    this.#noteLeft()
    this.#memberId = ''
    this.#generation = -1
    this.#last = null
  }

  // -------------------------------------------------------------------------------------------------- joining

  /** Asks for a join with fresh user data, as the coordinator might. */
  rejoin(): void {
    this.#joinsAnew = true
    this.#tell('rebalance')
  }

  /** Resolves with the assignment of a new generation. @throws INCONSISTENT_GROUP_PROTOCOL, INVALID_SESSION_TIMEOUT, NOT_AUTHORIZED, FENCED_INSTANCE_ID, BACKEND_UNAVAILABLE (retriable) */
  async join(owned: readonly TopicPartition[]): Promise<Assignment> {
    this.#stopHeartbeats()
    for (;;) {
      this.#ensureIn()
      try {
        const assignment = await this.#joinOnce(owned)
        this.#ensureIn()
        if (this.#settings.groupInstanceId === undefined) this.#cluster.memberships?.joined(this.#settings.groupId, this.#memberId)
        this.#news = this.#joinsAnew ? 'rebalance' : null
        this.#scheduleHeartbeat()
        return assignment
      } catch (error) {
        if (!this.#canJoinAgain(error)) throw error
      }
    }
  }

  /** The group moved on while we joined: begin again, as a new member when it does not know us any more. */
  #canJoinAgain(error: unknown): boolean {
    if (isStreamError(error, 'MEMBER_ID_REQUIRED') || isStreamError(error, 'REBALANCE_IN_PROGRESS')) return true
    if (!isStreamError(error, 'UNKNOWN_MEMBER_ID') && !isStreamError(error, 'ILLEGAL_GENERATION')) return false
    this.forget()
    return true
  }

  async #joinOnce(owned: readonly TopicPartition[]): Promise<Assignment> {
    const { groupId, topics, assignors, sessionTimeoutMs, rebalanceTimeoutMs, groupInstanceId = null, rackId = null } = this.#settings
    this.#joinsAnew = false
    const protocols = assignors.map((assignor) => ({
      name: assignor.name,
      metadata: encodeSubscription({ topics, userData: assignor.userData?.(topics, this.#last) ?? null, ownedPartitions: owned, generation: this.#generation, rackId }),
    }))
    const timeoutMs = rebalanceTimeoutMs + this.#cluster.requestTimeoutMs
    const asking = this.#cluster.withCoordinator('group', groupId, async (nodeId) => {
      const request = { groupId, sessionTimeoutMs, rebalanceTimeoutMs, memberId: this.#memberId, groupInstanceId, protocolType: consumerProtocolType, protocols }
      const answer = await this.#joinLane.send(nodeId, joinGroup, request, timeoutMs)
      if (answer.errorCode === memberIdRequired) this.#memberId = answer.memberId
      throwIfError(answer.errorCode, `joining group ${groupId}`)
      return answer
    }, { timeoutMs })
    this.#asking = asking
    const joined = await asking.finally(() => (this.#asking = null))
    this.#memberId = joined.memberId
    this.#generation = joined.generationId
    this.#assignedTopics = null
    const assignments = joined.leader === joined.memberId ? await this.#assign(joined.protocolName, joined.members) : []
    return this.#cluster.withCoordinator('group', groupId, async (nodeId) => {
      const request = { groupId, generationId: joined.generationId, memberId: joined.memberId, groupInstanceId, assignments }
      const answer = await this.#joinLane.send(nodeId, syncGroup, request, timeoutMs)
      throwIfError(answer.errorCode, `taking the assignment of group ${groupId}`)
      const assignment = decodeAssignment(answer.assignment)
      this.#last = { partitions: assignment.partitions, generation: joined.generationId }
      return assignment
    }, { timeoutMs })
  }

  async #assign(
    protocolName: string,
    joined: readonly { readonly memberId: string; readonly groupInstanceId: string | null; readonly metadata: Uint8Array }[],
  ): Promise<readonly { readonly memberId: string; readonly assignment: Uint8Array }[]> {
    const assignor = this.#settings.assignors.find(({ name }) => name === protocolName)
    if (assignor === undefined) {
      throw new StreamError('INCONSISTENT_GROUP_PROTOCOL', `group ${this.#settings.groupId} chose the assignor ${protocolName}, which this member does not have`)
    }
    const members: AssignmentInput['members'] = joined.map(({ memberId, groupInstanceId, metadata }) => {
      return { memberId, groupInstanceId, ...decodeSubscription(metadata) }
    })
    this.#assignedTopics = await this.#topicsToAssign(members.flatMap(({ topics }) => topics))
    this.#nextTopicCheck = this.#cluster.clock.monotonic() + topicCheckMs
    const input = { members, ...this.#assignedTopics }
    const assignment = assignor.assign(input)
    const data = assignor.assignedData?.(input)
    return members.map(({ memberId }) => ({ memberId, assignment: encodeAssignment({ partitions: assignment.get(memberId) ?? [], userData: data?.get(memberId) ?? null }) }))
  }

  async #topicsToAssign(topics: readonly string[]): Promise<TopicsToAssign> {
    const names = [...new Set(topics)].sort()
    await this.#cluster.retrying(() => this.#cluster.refresh(names))
    const existing = names.filter((name) => this.#cluster.cachedTopic(name) !== undefined)
    return {
      partitionCounts: new Map(existing.map((name) => [name, this.#cluster.cachedTopic(name)!.partitions.length])),
      partitionRacks: new Map(existing.map((name) => [name, this.#cluster.cachedRacks(name)])),
    }
  }

  // -------------------------------------------------------------------------------------------------- heartbeats

  #scheduleHeartbeat(): void {
    const intervalMs = Math.min(longestHeartbeatMs, this.#settings.sessionTimeoutMs / 3, this.#settings.rebalanceTimeoutMs / 3)
    this.#heartbeatTimer?.cancel()
    this.#heartbeatTimer = this.#cluster.clock.setTimer(intervalMs, () => void this.#beat())
  }

  #stopHeartbeats(): void {
    this.#heartbeatTimer?.cancel()
    this.#heartbeatTimer = null
  }

  /** Goes on while news waits to be read: until then we are a member. */
  async #beat(): Promise<void> {
    const timer = this.#heartbeatTimer
    try {
      await this.#sendHeartbeat()
    } catch (error) {
      if (!isStreamError(error)) throw error
      if (timer === this.#heartbeatTimer) this.learn(error)
    }
    if (timer !== this.#heartbeatTimer || timer === null || this.#news === 'removed' || this.#news === 'fenced') return
    this.#scheduleHeartbeat()
    // Not waited for: brokers that stand still must not hold back the next heartbeat.
    if (this.#assignedTopics !== null && this.#cluster.clock.monotonic() >= this.#nextTopicCheck) void this.#checkTopics(this.#assignedTopics)
  }

  async #sendHeartbeat(): Promise<void> {
    const { groupId, groupInstanceId = null, sessionTimeoutMs } = this.#settings
    // a coordinator that stands still leaves time to ask another one before the session ends
    const timeoutMs = Math.min(this.#cluster.requestTimeoutMs, Math.max(leastHeartbeatPatienceMs, sessionTimeoutMs / 3))
    const request = { groupId, generationId: this.#generation, memberId: this.#memberId, groupInstanceId }
    await this.#cluster.withCoordinator('group', groupId, async (nodeId) => {
      const answer = await this.#lane.send(nodeId, heartbeat, request, timeoutMs)
      if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, `heartbeat of group ${groupId}`)
    }, { timeoutMs: sessionTimeoutMs })
  }

  /** Topics that appeared, grew, or moved to other racks since the leader divided them. */
  async #checkTopics(assigned: TopicsToAssign): Promise<void> {
    this.#nextTopicCheck = Infinity
    try {
      const now = await this.#topicsToAssign([...assigned.partitionCounts.keys(), ...this.#settings.topics])
      const isOther = (topic: string) => placesOf(assigned, topic) !== placesOf(now, topic)
      if (assigned === this.#assignedTopics && [...now.partitionCounts.keys()].some(isOther)) this.#tell('rebalance')
    } catch (error) {
      if (!isStreamError(error)) throw error
    } finally {
      if (assigned === this.#assignedTopics) this.#nextTopicCheck = this.#cluster.clock.monotonic() + topicCheckMs
    }
  }

  #tell(news: MemberNews): void {
    if (this.#news === null || this.#news === 'rebalance') this.#news = news
    this.#notify()
  }

  // -------------------------------------------------------------------------------------------------- leaving

  /** The owner does not read any more: the others shall have its partitions, at once or, from a static member, when its session ends. The owner may join again. */
  async stepOut(): Promise<void> {
    this.#stopHeartbeats()
    this.#tell('removed')
    const { groupId, groupInstanceId } = this.#settings
    if (this.#memberId !== '' && groupInstanceId === undefined) await removeMember(this.#cluster, this.#lane, groupId, { memberId: this.#memberId, groupInstanceId: null })
  }

  /** A static member stays in until its session ends, so that it may come back; not one that waits for its first assignment, for that the others would wait. */
  async leave(): Promise<void> {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#stopHeartbeats()
    const { groupId, groupInstanceId } = this.#settings
    const entering = this.#generation === -1 ? this.#asking : null
    // A new member has its id at once, long before its join is answered; then the group waits for who bears it.
    if (entering !== null && this.#memberId === '' && groupInstanceId === undefined) await settledWithin(entering, this.#cluster.clock, leavePatienceMs)
    this.#cluster.closeLane(this.#joinLane)
    if (groupInstanceId !== undefined) {
      if (entering !== null) await removeMember(this.#cluster, this.#lane, groupId, { memberId: '', groupInstanceId })
    } else if (this.#memberId !== '') {
      await removeMember(this.#cluster, this.#lane, groupId, { memberId: this.#memberId, groupInstanceId: null })
      this.#noteLeft()
    }
  }

  #noteLeft(): void {
    if (this.#memberId !== '') this.#cluster.memberships?.left(this.#settings.groupId, this.#memberId)
  }

  #ensureIn(): void {
    if (this.#hasLeft) throw new StreamError('CLOSED', `this member has left group ${this.#settings.groupId}`)
  }
}

/** Partitions and the racks of their replicas, as a text that can be compared. */
function placesOf({ partitionCounts, partitionRacks }: TopicsToAssign, topic: string): string {
  return JSON.stringify([partitionCounts.get(topic), (partitionRacks.get(topic) ?? []).map((racks) => [...racks].sort())])
}

/** With the id of one of its instances, `memberId` may be empty. */
interface LeavingMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

/** Makes a member leave, so that the others rebalance at once. A coordinator that cannot be told will notice that the heartbeats have ended. */
export async function removeMember(cluster: KafkaCluster, lane: KafkaLane, groupId: string, member: LeavingMember): Promise<void> {
  try {
    await cluster.withCoordinator('group', groupId, async (nodeId) => {
      const answer = await lane.send(nodeId, leaveGroup, { groupId, members: [member] }, cluster.requestTimeoutMs)
      throwIfError(answer.errorCode, `leaving group ${groupId}`)
    }, { timeoutMs: leavePatienceMs })
  } catch (error) {
    if (!isStreamError(error)) throw error
  }
}

const memberIdRequired = 79
const leavePatienceMs = 5_000
