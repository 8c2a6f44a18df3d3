import { describe, expect, it, vi } from 'vitest'
import { rangeAssignor } from '../../../src/core/assignors.ts'
import { encodeAssignment, encodeSubscription } from '../../../src/core/consumer-protocol.ts'
import { StreamError } from '../../../src/core/errors.ts'
import { GroupMembership } from '../../../src/core/kafka/group-membership.ts'
import type { KafkaCluster } from '../../../src/core/kafka/kafka-cluster.ts'
import type { KafkaLane } from '../../../src/core/kafka/kafka-lane.ts'
import { ManualClock } from '../../kit/manual-clock.ts'

const metadata = encodeSubscription({ topics: ['a'], userData: null, ownedPartitions: [], generation: -1, rackId: null })
const everything = encodeAssignment({ partitions: [{ topic: 'a', partition: 0 }], userData: null })

/** A coordinator that makes this member the leader, or another one, and a cluster whose topic may grow, or stand still. */
function groupOfOneTopic() {
  const clock = new ManualClock()
  const state = { leads: true, partitionCount: 2, isStandingStill: false, heartbeats: 0 }
  const answers: Readonly<Record<string, () => object>> = {
    JoinGroup: () => ({ errorCode: 0, memberId: 'me', generationId: 1, protocolName: rangeAssignor.name, leader: state.leads ? 'me' : 'other', members: [{ memberId: 'me', groupInstanceId: null, metadata }] }),
    SyncGroup: () => ({ errorCode: 0, assignment: everything }),
    Heartbeat: () => {
      state.heartbeats++
      return { errorCode: 0 }
    },
    LeaveGroup: () => ({ errorCode: 0 }),
  }
  const lane = { send: (_node: number, api: { readonly name: string }) => Promise.resolve(answers[api.name]!()) } as unknown as KafkaLane
  const cluster = {
    clock, requestTimeoutMs: 30_000,
    openLane: () => lane,
    closeLane: () => undefined,
    withCoordinator: (_type: string, _key: string, attempt: (node: number) => Promise<unknown>) => attempt(1),
    retrying: (attempt: () => Promise<unknown>) => attempt(),
    refresh: () => (state.isStandingStill ? new Promise(() => undefined) : Promise.resolve()),
    cachedTopic: () => ({ name: 'a', partitions: Array.from({ length: state.partitionCount }, (_, partitionIndex) => ({ partitionIndex })) }),
    cachedRacks: () => [],
  } as unknown as KafkaCluster
  const settings = { groupId: 'g', topics: ['a'], assignors: [rangeAssignor], sessionTimeoutMs: 45_000, rebalanceTimeoutMs: 60_000 }
  return { clock, state, membership: new GroupMembership(cluster, lane, settings, () => undefined) }
}

it('asks the group to divide a topic again that has grown, as its leader', async () => {
  const { clock, state, membership } = groupOfOneTopic()
  await membership.join([])
  await clock.advance(10_000)
  expect(membership.news).toBeNull()
  state.partitionCount = 4
  await clock.advance(10_000)
  expect(membership.news).toBe('rebalance')
  await membership.leave()
})

it('leaves that to the leader when it is not that any more: it would join again for ever, and the others with it', async () => {
  const { clock, state, membership } = groupOfOneTopic()
  await membership.join([])
  state.leads = false
  await membership.join([])
  state.partitionCount = 4
  await clock.advance(20_000)
  expect(membership.news).toBeNull()
  await membership.leave()
})

it('goes on with its heartbeats while brokers that were asked about topics stand still', async () => {
  const { clock, state, membership } = groupOfOneTopic()
  await membership.join([])
  state.isStandingStill = true
  await clock.advance(10_000)
  state.heartbeats = 0
  await clock.advance(10_000)
  expect(state.heartbeats).toBeGreaterThanOrEqual(9)
  await membership.leave()
})

it('sends no heartbeat when it leaves, also while the answer to its join is on its way to who waits for it', async () => {
  for (let turns = 0; turns < 40; turns++) {
    const { clock, state, membership } = groupOfOneTopic()
    const joining = membership.join([]).catch(() => undefined)
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    await membership.leave()
    await joining
    await clock.advance(10_000)
    expect(state.heartbeats).toBe(0)
  }
})

describe('a member that leaves while its first join waits for others', () => {
  /** Answers the first JoinGroup when it is told to, and no other. */
  function joiningMember(groupInstanceId?: string) {
    const clock = new ManualClock()
    const sent: string[] = []
    let answer: (answer: object) => void = () => undefined
    const closed = new AbortController()
    const joins = (memberId: string) => new Promise<object>((resolve, reject) => {
      if (memberId === '') answer = resolve
      closed.signal.addEventListener('abort', () => reject(new StreamError('CLOSED', 'closed')))
    })
    const send = (_node: number, api: { readonly name: string }, request: { readonly memberId: string; readonly members: readonly object[] }) => {
      sent.push(`${api.name} ${api.name === 'LeaveGroup' ? JSON.stringify(request.members) : request.memberId}`)
      return api.name === 'LeaveGroup' ? Promise.resolve({ errorCode: 0 }) : joins(request.memberId)
    }
    const lane = { send } as unknown as KafkaLane
    const cluster = {
      clock, requestTimeoutMs: 30_000, openLane: () => lane, closeLane: () => closed.abort(),
      withCoordinator: (_type: string, _key: string, attempt: (node: number) => Promise<unknown>) => attempt(1),
    } as unknown as KafkaCluster
    const settings = { groupId: 'g', topics: ['a'], assignors: [rangeAssignor], sessionTimeoutMs: 45_000, rebalanceTimeoutMs: 60_000, ...(groupInstanceId !== undefined && { groupInstanceId }) }
    return { sent, answer: (given: object) => answer(given), membership: new GroupMembership(cluster, lane, settings, () => undefined) }
  }

  it('waits for the id that it is given at once: the group would wait for who bears it', async () => {
    const { sent, answer, membership } = joiningMember()
    const joining = membership.join([]).catch(String)
    const leaving = membership.leave()
    answer({ errorCode: 79, memberId: 'me' })
    await leaving
    expect(await joining).toContain('left group g')
    expect(sent).toEqual(['JoinGroup ', 'LeaveGroup [{"memberId":"me","groupInstanceId":null}]'])
  })

  it('leaves by that id beside the join that waits', async () => {
    const { sent, answer, membership } = joiningMember()
    const joining = membership.join([]).catch(String)
    answer({ errorCode: 79, memberId: 'me' })
    await vi.waitFor(() => expect(sent).toHaveLength(2))
    await membership.leave()
    await joining
    expect(sent).toEqual(['JoinGroup ', 'JoinGroup me', 'LeaveGroup [{"memberId":"me","groupInstanceId":null}]'])
  })

  it('leaves by its instance id when it is static: it has no other before it is answered', async () => {
    const { sent, membership } = joiningMember('one')
    const joining = membership.join([]).catch(String)
    await membership.leave()
    await joining
    expect(sent).toEqual(['JoinGroup ', 'LeaveGroup [{"memberId":"","groupInstanceId":"one"}]'])
  })
})
