import { expect } from 'vitest'
import { cooperativeStickyAssignor, rangeAssignor, stickyAssignor } from '../../src/core/index.ts'
import { PollingMember, eventually, freshName, partitionsOf, topicWith } from './contract-kit.ts'
import type { Promises } from './broker-suite.ts'

/** How partitions go from one member of a group to another. */
export function rebalanceContract(promises: Promises): void {
  promises('with the cooperative assignor only what moves is revoked, and the rest is read on', async (broker, another) => {
    const topic = await topicWith(broker, 4, ['a'])
    const options = { groupId: freshName('group'), topics: [topic], offsetReset: 'earliest' as const, assignors: [cooperativeStickyAssignor] }
    const first = await PollingMember.join(broker, options)
    await eventually(async () => expect(first.values).toHaveLength(4))
    await first.member.commit([...first.positions.values()])
    const second = await PollingMember.join(another, options)
    await eventually(async () => {
      expect(first.assigned).toHaveLength(2)
      expect([...first.assigned, ...second.assigned].sort()).toEqual(partitionsOf(topic, 4))
    })
    const [joined, ...later] = first.events
    expect(joined!.assigned).toHaveLength(4)
    expect(later.flatMap(({ revoked }) => revoked)).toHaveLength(2)
    expect(later.flatMap(({ assigned, lost }) => [...assigned, ...lost])).toEqual([])
    await second.leave()
    await eventually(async () => expect(first.assigned).toEqual(partitionsOf(topic, 4)))
    expect(first.events.flatMap(({ revoked }) => revoked)).toHaveLength(2)
    expect([...first.values, ...second.values]).toEqual(['a', 'a', 'a', 'a'])
    await first.leave()
  })

  promises('what a cooperative member gives up it can commit first, and the next owner goes on from there', async (broker, another) => {
    const topic = await topicWith(broker, 2, ['a', 'b'])
    const groupId = freshName('group')
    const first = await PollingMember.join(broker, {
      groupId, topics: [topic], offsetReset: 'earliest', assignors: [cooperativeStickyAssignor],
      async onRebalance({ revoked }) {
        if (revoked.length > 0) await first.member.commit(revoked.map(({ topic: name, partition }) => ({ topic: name, partition, offset: 1 })))
      },
    })
    await eventually(async () => expect(first.values).toHaveLength(4))
    const second = await PollingMember.join(another, { groupId, topics: [topic], offsetReset: 'earliest', assignors: [cooperativeStickyAssignor] })
    await eventually(async () => expect(second.values).toEqual(['b']))
    expect(first.assigned).toHaveLength(1)
    await Promise.all([first.leave(), second.leave()])
  })

  promises('the sticky assignor leaves a member what it had when another one joins', async (broker, another) => {
    const topic = await topicWith(broker, 6)
    const options = { groupId: freshName('group'), topics: [topic], assignors: [stickyAssignor] }
    const [first, second] = [await PollingMember.join(broker, options), await PollingMember.join(another, options)]
    await eventually(async () => expect([first.assigned.length, second.assigned.length]).toEqual([3, 3]))
    const [firstHad, secondHad] = [first.assigned, second.assigned]
    const third = await PollingMember.join(broker, options)
    await eventually(async () => expect([first, second, third].map(({ assigned }) => assigned.length)).toEqual([2, 2, 2]))
    expect(firstHad).toEqual(expect.arrayContaining([...first.assigned]))
    expect(secondHad).toEqual(expect.arrayContaining([...second.assigned]))
    await Promise.all([first.leave(), second.leave(), third.leave()])
  })

  promises('while partitions are revoked they can still be committed', async (broker, another) => {
    const topic = await topicWith(broker, 2, ['a', 'b'])
    const groupId = freshName('group')
    let commits = 0
    const first = await PollingMember.join(broker, {
      groupId, topics: [topic], offsetReset: 'earliest',
      async onRebalance({ revoked }) {
        if (revoked.length === 0) return
        await first.member.commit(revoked.map(({ topic: name, partition }) => ({ topic: name, partition, offset: 1 })))
        commits++
      },
    })
    await eventually(async () => expect(first.values).toHaveLength(4))
    const second = await PollingMember.join(another, { groupId, topics: [topic], offsetReset: 'earliest' })
    await eventually(async () => expect([...first.assigned, ...second.assigned].sort()).toEqual(partitionsOf(topic, 2)))
    expect(commits).toBeGreaterThanOrEqual(1)
    await eventually(async () => expect(second.values).toEqual(['b']))
    await Promise.all([first.leave(), second.leave()])
  })

  for (const [protocol, assignor] of [['an eager', rangeAssignor], ['a cooperative', cooperativeStickyAssignor]] as const) {
    promises(`${protocol} member whose onRebalance throws says so from read, and goes on with the group`, async (broker, another) => {
      const topic = await topicWith(broker, 2)
      const options = { groupId: freshName('group'), topics: [topic], assignors: [assignor] }
      let isBroken = true
      const assigned: number[] = []
      const first = await broker.joinGroup({
        ...options,
        onRebalance(event) {
          assigned.push(event.assigned.length)
          if (event.revoked.length === 0 || !isBroken) return
          isBroken = false
          throw new Error('a mistake of the caller')
        },
      })
      while (first.assignment.length < 2) await first.read({ maxWaitMs: 100 })
      const joining = PollingMember.join(another, options)
      await eventually(async () => expect(await first.read({ maxWaitMs: 50 }).then(() => 'nothing', String)).toContain('a mistake of the caller'))
      const both = Promise.all([joining, eventually(async () => {
        await first.read({ maxWaitMs: 50 })
        expect(first.assignment).toHaveLength(1)
      })])
      const [second] = await both
      await eventually(async () => {
        await first.read({ maxWaitMs: 50 })
        expect([...first.assignment.map(({ partition }) => `${topic}-${partition}`), ...second.assigned].sort()).toEqual(partitionsOf(topic, 2))
      })
      expect(assigned.at(-1)).toBe(protocol === 'an eager' ? 1 : 0)
      await first.commit([{ ...first.assignment[0]!, offset: 0 }])
      await second.leave()
      await eventually(async () => {
        await first.read({ maxWaitMs: 50 })
        expect(first.assignment).toHaveLength(2)
      })
      await first.leave()
    })
  }
}
