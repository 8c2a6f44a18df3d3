import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/core/index.ts'
import {
  completeJoin, completeSync, metadataOf, moveTo, newGroupState, sharesProtocol, staticMember, withMember, withMemberReplaced, withoutMember,
} from '../../../src/core/engine/group-state.ts'
import type { GroupState, MemberState } from '../../../src/core/engine/group-state.ts'

function member(memberId: string, protocols: readonly string[], groupInstanceId: string | null = null): MemberState {
  const metadata = new Uint8Array([memberId.length])
  return {
    memberId, groupInstanceId, clientId: 'c', clientHost: 'h', sessionTimeoutMs: 1_000, rebalanceTimeoutMs: 1_000,
    protocols: protocols.map((name) => ({ name, metadata })), assignment: new Uint8Array(0),
  }
}

function groupOf(...members: readonly MemberState[]): GroupState {
  const empty = moveTo(newGroupState('g', 0), 'preparing-rebalance', 1)
  return members.reduce((state, each) => withMember(state, 'consumer', each), empty)
}

describe('a group', () => {
  it('grows its generation by one with each completed join', () => {
    const joined = completeJoin(groupOf(member('a', ['range'])), 2)
    expect(joined).toMatchObject({ phase: 'completing-rebalance', generation: 1, protocol: 'range', leader: 'a' })
    expect(completeJoin(moveTo(joined, 'preparing-rebalance', 3), 4).generation).toBe(2)
  })

  it('is empty, and keeps its generation, when nobody is left', () => {
    const stable = completeSync(completeJoin(groupOf(member('a', ['range'])), 2), new Map(), 3)
    const left = completeJoin(withoutMember(moveTo(stable, 'preparing-rebalance', 4), 'a'), 5)
    expect(left).toMatchObject({ phase: 'empty', generation: 2, protocol: null, leader: null, phaseTimestamp: 5 })
  })

  it('is led by the member that joined first of those that stay', () => {
    const three = groupOf(member('a', ['range']), member('b', ['range']), member('c', ['range']))
    expect(three.leader).toBe('a')
    expect(withoutMember(three, 'a').leader).toBe('b')
    expect(withoutMember(three, 'c').leader).toBe('a')
  })

  it('gives each member what the leader said, and nothing to those it left out', () => {
    const joined = completeJoin(groupOf(member('a', ['range']), member('b', ['range'])), 2)
    const stable = completeSync(joined, new Map([['a', new Uint8Array([1])], ['stranger', new Uint8Array([2])]]), 3)
    expect(stable.phase).toBe('stable')
    expect([...stable.members.values()].map(({ assignment }) => [...assignment])).toEqual([[1], []])
  })

  it('goes only where its phases lead', () => {
    expect(() => moveTo(newGroupState('g', 0), 'stable', 1)).toThrow(AssertionError)
  })
})

describe('the protocol of a group', () => {
  it('is the one that all support and most prefer', () => {
    const votes = groupOf(member('a', ['range', 'roundrobin']), member('b', ['roundrobin', 'range']), member('c', ['roundrobin', 'range']))
    expect(completeJoin(votes, 2).protocol).toBe('roundrobin')
    const common = groupOf(member('a', ['sticky', 'range']), member('b', ['range']))
    expect(completeJoin(common, 2).protocol).toBe('range')
  })

  it('must be shared by who wants to join', () => {
    const group = groupOf(member('a', ['range']), member('b', ['range', 'roundrobin']))
    const offering = (name: string) => [{ name, metadata: new Uint8Array(0) }]
    expect(sharesProtocol(group, 'consumer', offering('range'))).toBe(true)
    expect(sharesProtocol(group, 'consumer', offering('roundrobin'))).toBe(false)
    expect(sharesProtocol(group, 'connect', offering('range'))).toBe(false)
    expect(sharesProtocol(newGroupState('g', 0), 'connect', offering('x'))).toBe(true)
  })

  it('says which metadata counts', () => {
    expect([...metadataOf(member('abc', ['range']), 'range')]).toEqual([3])
    expect(metadataOf(member('abc', ['range']), null)).toHaveLength(0)
  })
})

it('a static member that comes back under another id keeps its place and, as leader, its role', () => {
  const group = groupOf(member('a', ['range'], 'one'), member('b', ['range']))
  const back = withMemberReplaced(group, 'a', member('a2', ['range'], 'one'))
  expect([...back.members.keys()]).toEqual(['a2', 'b'])
  expect(back.leader).toBe('a2')
  expect(staticMember(back, 'one')?.memberId).toBe('a2')
})
