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

  promises('what only JavaScript can ask is refused in words', async (broker) => {
    const words: Readonly<Record<string, () => unknown>> = {
      'topics: give a list, as in': () => broker.topics.create('hits' as never),
      'topics: give a list of topic names': () => broker.topics.describe('hits' as never),
      'topics: give a list of topic': () => broker.topics.remove([5] as never),
      'topic hits has no option "config"': () => broker.topics.create([{ topic: 'hits', config: { 'cleanup.policy': 'compact' } } as never]),
      'alter of topic hits has no option "partition"': () => broker.topics.alter('hits', { partition: 3 } as never),
      'joinGroup has no option "offsetsReset"': () => broker.joinGroup({ groupId: 'g', topics: ['hits'], offsetsReset: 'earliest' } as never),
      'a producer has no option "transactionId"': () => broker.openProducer({ transactionId: 't' } as never),
      'groupId: give text': () => broker.joinGroup(undefined as never),
      "give a list, as in [{ topic: 'hits', partition: 0, offset: 0 }]": () => broker.groups.setOffsets('g', { topic: 'hits' } as never),
    }
    for (const [message, ask] of Object.entries(words)) await expect(Promise.resolve().then(ask)).rejects.toThrow(message)
    const producer = await broker.openProducer()
    await expect(producer.append({ topic: 'hits', value: null, headers: { trace: 'x' } as never })).rejects.toThrow('headers: give a list')
    await expect(producer.append({ topic: 'hits', value: null, headers: [{ key: 'trace', value: 'x' as never }] })).rejects.toThrow('header trace: give bytes')
    await producer.close()
  })

  promises('a member whose first assignment its owner cannot take is not in the group', async (broker) => {
    const topic = await createTopic(broker)
    const groupId = freshName('group')
    await expect(broker.joinGroup({ groupId, topics: [topic], onRebalance: () => Promise.reject(new Error('not now')) })).rejects.toThrow('not now')
    expect((await broker.groups.describe(groupId)).members).toEqual([])
  })
}
