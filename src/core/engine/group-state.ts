/**
 * One consumer group as the coordinator knows it, and how it may change: pure functions over frozen data, with Kafka's
 * classic protocol (`ClassicGroup`).
 *
 * ```
 *   empty ──join──▶ preparing-rebalance ──all joined, or time is up──▶ completing-rebalance ──leader's assignment──▶ stable
 *                     ▲                                                   │                                          │
 *                     └───────────────── join, leave, lost member ────────┴──────────────────────────────────────────┘
 *   without members: preparing-rebalance ──▶ empty ──removed──▶ dead
 * ```
 */
import { assert } from '../assert.ts'

export type GroupPhase = 'empty' | 'preparing-rebalance' | 'completing-rebalance' | 'stable' | 'dead'

export interface GroupProtocol {
  readonly name: string
  /** Opaque to the coordinator: a member's subscription. */
  readonly metadata: Uint8Array
}

export interface MemberState {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** In order of preference. */
  readonly protocols: readonly GroupProtocol[]
  readonly assignment: Uint8Array
}

export interface GroupState {
  readonly groupId: string
  readonly phase: GroupPhase
  /** Grows by one with each completed join; never repeats, also not over a restart. */
  readonly generation: number
  /** `consumer` for consumer groups; null until the first member. */
  readonly protocolType: string | null
  readonly protocol: string | null
  readonly leader: string | null
  /** In the order of joining. */
  readonly members: ReadonlyMap<string, MemberState>
  /** When the phase was entered; offsets of an empty group age from here. */
  readonly phaseTimestamp: number
}

export const noAssignment: Uint8Array = new Uint8Array(0)

const nextPhases: Readonly<Record<GroupPhase, readonly GroupPhase[]>> = {
  empty: ['preparing-rebalance', 'dead'],
  'preparing-rebalance': ['completing-rebalance', 'empty', 'dead'],
  'completing-rebalance': ['stable', 'preparing-rebalance', 'dead'],
  stable: ['preparing-rebalance', 'dead'],
  dead: [],
}

export function newGroupState(groupId: string, now: number): GroupState {
  return { groupId, phase: 'empty', generation: 0, protocolType: null, protocol: null, leader: null, members: new Map(), phaseTimestamp: now }
}

export function moveTo(state: GroupState, phase: GroupPhase, now: number): GroupState {
  assert(nextPhases[state.phase].includes(phase), `group ${state.groupId} goes from ${state.phase} to ${phase}`)
  return { ...state, phase, phaseTimestamp: now }
}

/** Adds the member, or replaces what is known of it; its place in the order stays. */
export function withMember(state: GroupState, protocolType: string, member: MemberState): GroupState {
  return { ...state, protocolType, leader: state.leader ?? member.memberId, members: new Map(state.members).set(member.memberId, member) }
}

/** A leader that goes is followed by the member that joined first of those that stay. */
export function withoutMember(state: GroupState, memberId: string): GroupState {
  const members = new Map(state.members)
  members.delete(memberId)
  const leader = state.leader === memberId ? ([...members.keys()][0] ?? null) : state.leader
  return { ...state, members, leader }
}

/** A static member came back under a new member id: it keeps its place and its assignment. */
export function withMemberReplaced(state: GroupState, oldMemberId: string, member: MemberState): GroupState {
  const members = new Map([...state.members].map(([id, known]) => (id === oldMemberId ? [member.memberId, member] : [id, known])))
  return { ...state, members, leader: state.leader === oldMemberId ? member.memberId : state.leader }
}

export function staticMember(state: GroupState, groupInstanceId: string): MemberState | undefined {
  return [...state.members.values()].find((member) => member.groupInstanceId === groupInstanceId)
}

/** Everyone who wants to be in has joined: a new generation begins, or the group is empty. */
export function completeJoin(state: GroupState, now: number): GroupState {
  const next = { ...state, generation: state.generation + 1 }
  if (state.members.size === 0) return { ...moveTo(next, 'empty', now), protocol: null, leader: null }
  return { ...moveTo(next, 'completing-rebalance', now), protocol: chooseProtocol(state) }
}

/** The leader has spoken. A member it left out gets nothing; one that is not there any more is passed over. */
export function completeSync(state: GroupState, assignments: ReadonlyMap<string, Uint8Array>, now: number): GroupState {
  const members = new Map([...state.members].map(([id, member]) => [id, { ...member, assignment: assignments.get(id) ?? noAssignment }]))
  return { ...moveTo(state, 'stable', now), members }
}

/** True when a member with these protocols could be in the group without the others, or what it said of itself before, having to change. */
export function sharesProtocol(state: GroupState, protocolType: string, protocols: readonly GroupProtocol[]): boolean {
  const members = [...state.members.values()]
  if (members.length === 0) return protocolType !== '' && protocols.length > 0
  return protocolType === state.protocolType && protocols.some(({ name }) => members.every((member) => supports(member, name)))
}

export function sameProtocols(member: MemberState, protocols: readonly GroupProtocol[]): boolean {
  return (
    member.protocols.length === protocols.length &&
    member.protocols.every((known, index) => known.name === protocols[index]!.name && Buffer.compare(known.metadata, protocols[index]!.metadata) === 0)
  )
}

/** What a member said about itself under the protocol that was chosen. */
export function metadataOf(member: MemberState, protocol: string | null): Uint8Array {
  return member.protocols.find(({ name }) => name === protocol)?.metadata ?? noAssignment
}

/** Of the protocols that all support, the one that most members prefer. */
function chooseProtocol(state: GroupState): string {
  const members = [...state.members.values()]
  const candidates = members[0]!.protocols.map(({ name }) => name).filter((name) => members.every((member) => supports(member, name)))
  assert(candidates.length > 0, `the members of group ${state.groupId} share no protocol`)
  const votes = new Map(candidates.map((name) => [name, 0]))
  for (const member of members) {
    const choice = member.protocols.find(({ name }) => votes.has(name))!.name
    votes.set(choice, votes.get(choice)! + 1)
  }
  return candidates.reduce((best, name) => (votes.get(name)! > votes.get(best)! ? name : best))
}

function supports(member: MemberState, protocol: string): boolean {
  return member.protocols.some(({ name }) => name === protocol)
}
