/** The machine's clock is set an hour ahead, or back, while the engine runs: nothing that goes by age may go early, and nothing else may notice. */
import { describe, expect, it } from 'vitest'
import { openEmbeddedBroker, seededRandom } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import { createTopic, readValues, recordOf } from '../contract/contract-kit.ts'

const hour = 3_600_000
const minute = 60_000

async function open(clock: ManualClock): Promise<Broker> {
  return openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem(), random: seededRandom(1), clock, offsetsRetentionMs: 30 * minute })
}

describe.each([['ahead', hour], ['back', -hour]])('a clock that is set an hour %s', (_direction, jumpMs) => {
  it('takes no record before its time, and takes it then', async () => {
    const clock = new ManualClock()
    const broker = await open(clock)
    const topic = await createTopic(broker, { configs: { 'retention.ms': String(30 * minute), 'message.timestamp.type': 'LogAppendTime' } })
    const producer = await broker.openProducer()
    const append = (value: string) => producer.append(recordOf({ topic, partition: 0 }, value))
    const startOf = async () => (await broker.topics.describe([topic]))[0]!.partitions[0]!.logStartOffset
    const other = await createTopic(broker)
    /** Use sets off the housekeeping, which takes some turns. */
    const keepHouse = async () => {
      await producer.append(recordOf({ topic: other, partition: 0 }, 'x'))
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    }
    await append('a')
    clock.jump(jumpMs)
    await clock.advance(10 * minute)
    await keepHouse()
    expect(await startOf()).toBe(0)
    await clock.advance(jumpMs < 0 ? hour + 25 * minute : 25 * minute)
    await keepHouse()
    expect(await startOf()).toBe(1)
    await broker.close()
  })

  it('forgets no committed offset, and removes no member', async () => {
    const clock = new ManualClock()
    const broker = await open(clock)
    const topic = await createTopic(broker)
    const producer = await broker.openProducer()
    await broker.groups.setOffsets('left', [{ topic, partition: 0, offset: 0 }])
    const member = await broker.joinGroup({ groupId: 'g', topics: [topic], groupInstanceId: 'one', sessionTimeoutMs: 10 * minute })
    await member.leave()
    clock.jump(jumpMs)
    await clock.advance(minute)
    await producer.append(recordOf({ topic, partition: 0 }, 'x'))
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    expect((await broker.groups.describe('left')).offsets).toHaveLength(1)
    expect((await broker.groups.describe('g')).members).toHaveLength(1)
    await broker.close()
  })

  it('lets offsets go on, and records have the times they were given', async () => {
    const clock = new ManualClock()
    const broker = await open(clock)
    const topic = await createTopic(broker)
    const producer = await broker.openProducer()
    const stamped = clock.now()
    await producer.append({ topic, partition: 0, value: Buffer.from('a'), timestamp: stamped })
    clock.jump(jumpMs)
    const { offset, timestamp } = await producer.append({ topic, partition: 0, value: Buffer.from('b'), timestamp: stamped })
    expect([offset, timestamp]).toEqual([1, stamped])
    expect(await readValues(broker, { topic, partition: 0 }, { count: 2 })).toEqual(['a', 'b'])
    await broker.close()
  })
})
