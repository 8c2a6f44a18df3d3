import { expect } from 'vitest'
import { PollingMember, codeOf, createTopic, freshName } from './contract-kit.ts'
import type { Promises } from './broker-suite.ts'

/** What groups do not take in, and who. */
export function refusalContract(promises: Promises): void {
  promises('offsets of a topic that does not exist are refused, whoever commits them', async (broker) => {
    const topic = await createTopic(broker)
    const groupId = freshName('group')
    const offsets = [{ topic: freshName('missing'), partition: 0, offset: 1 }]
    expect(await codeOf(broker.groups.setOffsets(groupId, offsets))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    const only = await PollingMember.join(broker, { groupId, topics: [topic] })
    expect(await codeOf(only.member.commit(offsets))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    const producer = await broker.openProducer({ transactionalId: freshName('tx') })
    producer.begin()
    expect(await codeOf(producer.commit({ group: only.member.metadata(), offsets: [...offsets, { topic, partition: 0, offset: 1 }] }))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    await producer.abort()
    expect((await broker.groups.describe(groupId)).offsets).toEqual([])
    await Promise.all([only.leave(), producer.close()])
  })

  promises('a member whose first assignment its owner cannot take is not in the group', async (broker) => {
    const topic = await createTopic(broker)
    const groupId = freshName('group')
    await expect(broker.joinGroup({ groupId, topics: [topic], onRebalance: () => Promise.reject(new Error('not now')) })).rejects.toThrow('not now')
    expect((await broker.groups.describe(groupId)).members).toEqual([])
  })
}
