import { expect, it } from 'vitest'
import type { ContractLog } from './contract-kit.ts'
import { codeOf, createTopic, freshName, recordOf } from './contract-kit.ts'

export function closingContract(start: () => Promise<ContractLog>): void {
  it('a closed client answers nothing any more, and closes everything that was opened from it', async () => {
    const log = await start()
    const broker = await log.connect()
    const topic = await createTopic(broker)
    const producer = await broker.openProducer()
    const reader = await broker.openReader()
    const member = await broker.joinGroup({ groupId: freshName('group'), topics: [topic] })
    await broker.close()
    expect(await codeOf(broker.topics.list())).toBe('CLOSED')
    expect(await codeOf(broker.groups.list())).toBe('CLOSED')
    expect(await codeOf(broker.describeCluster())).toBe('CLOSED')
    expect(await codeOf(broker.openProducer())).toBe('CLOSED')
    expect(await codeOf(broker.openReader())).toBe('CLOSED')
    expect(await codeOf(broker.joinGroup({ groupId: 'g', topics: [topic] }))).toBe('CLOSED')
    expect(await codeOf(producer.append(recordOf({ topic, partition: 0 }, 'late')))).toBe('CLOSED')
    expect(await codeOf(reader.read())).toBe('CLOSED')
    expect(await codeOf(member.read())).toBe('CLOSED')
    await broker.close()
    await log.stop()
  }, 60_000)

  it('a read that waits ends when the client closes', async () => {
    const log = await start()
    const broker = await log.connect()
    const topic = await createTopic(broker)
    const reader = await broker.openReader()
    reader.assign([{ topic, partition: 0, offset: 0 }])
    const reading = codeOf(reader.read({ maxWaitMs: 60_000 }))
    await broker.close()
    expect(await reading).toBe('CLOSED')
    await log.stop()
  }, 60_000)
}
