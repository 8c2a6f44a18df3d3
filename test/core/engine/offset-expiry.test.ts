import { describe, expect, it } from 'vitest'
import { encodeSubscription } from '../../../src/core/consumer-protocol.ts'
import { newGroupState, noAssignment } from '../../../src/core/engine/group-state.ts'
import type { GroupState, MemberState } from '../../../src/core/engine/group-state.ts'
import { offsetExpiry, subscribedTopics } from '../../../src/core/engine/offset-expiry.ts'

const time = { now: 10_000, retentionMs: 1_000 }

function offset(topic: string, commitTimestamp: number, expireTimestamp = -1) {
  return { topic, partition: 0, offset: 1, metadata: '', commitTimestamp, expireTimestamp, topicId: null }
}

function memberReading(topics: readonly string[]): MemberState {
  const metadata = encodeSubscription({ topics, userData: null, ownedPartitions: [], generation: -1, rackId: null })
  return { memberId: 'm', groupInstanceId: null, clientId: 'c', clientHost: 'h', sessionTimeoutMs: 1, rebalanceTimeoutMs: 1, protocols: [{ name: 'range', metadata }], assignment: noAssignment }
}

function group(change: Partial<GroupState>): GroupState {
  return { ...newGroupState('g', 0), protocolType: 'consumer', protocol: 'range', ...change }
}

describe('offsets are forgotten', () => {
  it('by the age of the commit, when the group never had a member', () => {
    const isExpired = offsetExpiry(undefined, time)!
    expect([isExpired(offset('a', 9_000)), isExpired(offset('a', 9_001))]).toEqual([true, false])
  })

  it('so long after the last member left, however old the commits are', () => {
    const since = (phaseTimestamp: number) => offsetExpiry(group({ phase: 'empty', phaseTimestamp }), time)!(offset('a', 1))
    expect([since(9_000), since(9_001)]).toEqual([true, false])
  })

  it('by the age of the commit, when the group is none of consumers', () => {
    expect(offsetExpiry(group({ phase: 'empty', protocolType: 'connect', phaseTimestamp: 9_999 }), time)!(offset('a', 1))).toBe(true)
  })

  it('of topics that no member reads any more, while the group goes on', () => {
    const member = memberReading(['read'])
    const state = group({ phase: 'stable', members: new Map([['m', member]]) })
    const isExpired = offsetExpiry(state, time)!
    expect([isExpired(offset('read', 1)), isExpired(offset('other', 1)), isExpired(offset('other', 9_500))]).toEqual([false, true, false])
    expect(subscribedTopics(state, member)).toEqual(['read'])
  })

  it.each(['preparing-rebalance', 'completing-rebalance', 'dead'] as const)('never while the group is %s', (phase) => {
    expect(offsetExpiry(group({ phase }), time)).toBeNull()
  })

  it('at the time that came with the commit, before any other rule', () => {
    const isExpired = offsetExpiry(group({ phase: 'empty', phaseTimestamp: 9_999 }), time)!
    expect([isExpired(offset('a', 9_999, 10_000)), isExpired(offset('a', 1, 10_001))]).toEqual([true, false])
  })
})
