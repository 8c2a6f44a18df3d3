import { expect } from 'vitest'
import type { Broker } from '../../src/core/index.ts'
import { PollingMember, codeOf, eventually, freshName, partitionsOf, topicWith } from './contract-kit.ts'
import type { Promises } from './broker-suite.ts'

/** Longer than any test may take: who waits for them shows. */
const timeouts = { sessionTimeoutMs: 300_000, rebalanceTimeoutMs: 300_000 }

/** How a member comes into a group, and how that is given up. */
export function joiningContract(promises: Promises): void {
  for (const [kind, instance] of [['member', undefined], ['static member', 'second']] as const) {
    promises(`a ${kind} whose signal fires while it waits for others to join gives up, and the group goes on without it`, async (broker, another) => {
      const topic = await topicWith(broker, 2)
      const options = { groupId: freshName('group'), topics: [topic], ...timeouts }
      // Nobody reads with it, so it does not learn that the group moves.
      const first = await broker.joinGroup(options)
      const stop = new AbortController()
      const joining = codeOf(another.joinGroup({ ...options, signal: stop.signal, ...(instance !== undefined && { groupInstanceId: instance }) }))
      await isWaiting(broker, options.groupId)
      stop.abort()
      expect(await joining).toBe('ABORTED')
      await eventually(async () => {
        await first.read({ maxWaitMs: 50 })
        expect(first.assignment.map(({ partition }) => `${topic}-${partition}`).sort()).toEqual(partitionsOf(topic, 2))
        const { state, members } = await broker.groups.describe(options.groupId)
        expect([state, members.map(({ memberId }) => memberId)]).toEqual(['stable', [first.memberId]])
      })
      await first.leave()
    })
  }

  promises('a signal that has fired before keeps a member out of the group', async (broker) => {
    const topic = await topicWith(broker, 1)
    const groupId = freshName('group')
    expect(await codeOf(broker.joinGroup({ groupId, topics: [topic], ...timeouts, signal: AbortSignal.abort() }))).toBe('ABORTED')
    expect((await broker.groups.describe(groupId)).members).toEqual([])
  })

  promises('a signal that fires after the group has answered ends nothing', async (broker) => {
    const topic = await topicWith(broker, 1, ['a'])
    const stop = new AbortController()
    const only = await PollingMember.join(broker, { groupId: freshName('group'), topics: [topic], offsetReset: 'earliest', signal: stop.signal, onRebalance: () => stop.abort() })
    await eventually(async () => expect(only.values).toEqual(['a']))
    await only.leave()
  })
}

/** Somebody has asked to be let in, and the others are waited for. */
function isWaiting(broker: Broker, groupId: string): Promise<void> {
  return eventually(async () => expect((await broker.groups.describe(groupId)).state).toBe('preparing-rebalance'))
}
