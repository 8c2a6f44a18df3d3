import type { Assignor, GroupOptions, LastAssignment } from '../broker.ts'
import { StreamError, isStreamError } from '../errors.ts'
import type { TopicPartition } from '../record.ts'
import { consumerProtocolType, decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../consumer-protocol.ts'
import type { EngineApi, JoinAnswer, JoinRequest } from './engine-api.ts'

export interface MemberIdentity {
  /** Empty when the coordinator has given none. */
  readonly memberId: string
  readonly generation: number
}

export interface JoinInput {
  readonly options: GroupOptions
  readonly assignors: readonly Assignor[]
  readonly identity: MemberIdentity
  readonly owned: LastAssignment
  /** What the member had, even if it gave it up since; null: nothing so far. */
  readonly last: LastAssignment | null
  /** The member leaves. */
  readonly signal: AbortSignal
  /** The coordinator has answered: from now on the member commits in this generation. */
  onJoined(identity: MemberIdentity): void
}

export interface JoinedRound {
  readonly identity: MemberIdentity
  readonly assignment: readonly TopicPartition[]
  readonly userData: Uint8Array | null
  /** What a leader assigned over; null for followers. */
  readonly partitionCounts: ReadonlyMap<string, number> | null
}

const defaultSessionTimeoutMs = 45_000
const defaultRebalanceTimeoutMs = 60_000

/** The group moved on while this member was joining: it has to begin again. */
const beginAgain = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'MEMBER_ID_REQUIRED'] as const

/**
 * One member's way through a rebalance, repeated until the group stands still:
 * 1. join, with the topics wanted and the partitions owned; wait for the others
 * 2. as the leader: divide the partitions among the members
 * 3. sync: hand the division in (leader), get one's own part
 */
export async function joinRound(engine: EngineApi, input: JoinInput): Promise<JoinedRound> {
  const { signal, options } = input
  let { memberId } = input.identity
  // Whatever the coordinator waits for, it does not wait for one that leaves, and neither do the others.
  const leave = () => {
    if (memberId !== '') engine.leaveGroup(options.groupId, memberId).catch(() => undefined)
  }
  signal.addEventListener('abort', leave, { once: true })
  try {
    for (;;) {
      if (signal.aborted) throw new StreamError('CLOSED', `the member left group '${options.groupId}' while it was joining`)
      try {
        const answer = await engine.joinGroup(joinRequest(knownAs(input, memberId), memberId), signal)
        memberId = answer.memberId
        input.onJoined({ memberId, generation: answer.generation })
        if (signal.aborted) leave()
        return await syncRound(engine, input, answer)
      } catch (error) {
        if (!beginAgain.some((code) => isStreamError(error, code))) {
          if (input.identity.memberId === '') leave()
          throw error
        }
        if (isStreamError(error, 'UNKNOWN_MEMBER_ID')) memberId = ''
      }
    }
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

/** A member that the group does not know owns nothing there any more. */
function knownAs(input: JoinInput, memberId: string): JoinInput {
  return memberId === '' ? { ...input, owned: { partitions: [], generation: -1 }, last: null } : input
}

function joinRequest({ options, assignors, owned, last }: JoinInput, memberId: string): JoinRequest {
  return {
    groupId: options.groupId,
    memberId,
    groupInstanceId: options.groupInstanceId ?? null,
    clientId: options.clientId ?? 'millrace',
    clientHost: '/127.0.0.1',
    sessionTimeoutMs: options.sessionTimeoutMs ?? defaultSessionTimeoutMs,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? defaultRebalanceTimeoutMs,
    protocolType: consumerProtocolType,
    protocols: assignors.map((assignor) => ({
      name: assignor.name,
      metadata: encodeSubscription({
        topics: options.topics,
        userData: assignor.userData?.(options.topics, last) ?? null,
        ownedPartitions: owned.partitions,
        generation: owned.generation,
        rackId: options.rackId ?? null,
      }),
    })),
    local: true,
  }
}

async function syncRound(engine: EngineApi, input: JoinInput, answer: JoinAnswer): Promise<JoinedRound> {
  const leads = answer.leader === answer.memberId && !answer.skipAssignment
  const division = leads ? await divide(engine, input.assignors, answer) : null
  const identity = { memberId: answer.memberId, generation: answer.generation }
  const bytes = await engine.syncGroup({ groupId: input.options.groupId, ...identity, assignments: division?.assignments ?? new Map() })
  const { partitions, userData } = decodeAssignment(bytes)
  return { identity, assignment: partitions, userData, partitionCounts: division?.partitionCounts ?? null }
}

async function divide(engine: EngineApi, assignors: readonly Assignor[], answer: JoinAnswer) {
  const members = answer.members.map(({ memberId, groupInstanceId, metadata }) => ({ memberId, groupInstanceId, ...decodeSubscription(metadata) }))
  const partitionCounts = await engine.partitionCounts([...new Set(members.flatMap((member) => member.topics))])
  const assignor = assignors.find(({ name }) => name === answer.protocol)
  if (assignor === undefined) throw new StreamError('INCONSISTENT_GROUP_PROTOCOL', `the coordinator chose assignor '${answer.protocol}', which this member does not offer`)
  const divided = assignor.assign({ members, partitionCounts })
  const data = assignor.assignedData?.({ members, partitionCounts })
  const assignments = new Map([...divided].map(([memberId, partitions]) => [memberId, encodeAssignment({ partitions, userData: data?.get(memberId) ?? null })]))
  return { partitionCounts, assignments }
}
