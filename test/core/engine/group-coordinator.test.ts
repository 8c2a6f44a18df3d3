import { describe, expect, it } from 'vitest'
import { openEmbeddedBroker, seededRandom } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { createTopic, eventually, recordOf } from '../../contract/contract-kit.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

const day = 86_400_000
let seed = 0

function open(fileSystem: MemoryFileSystem, clock: ManualClock): Promise<Broker> {
  return openEmbeddedBroker({ directory: '/data', fileSystem, random: seededRandom(++seed), clock })
}

describe('with time, the coordinator', () => {
  it('removes a static member that does not come back within its session time-out', async () => {
    const clock = new ManualClock()
    const broker = await open(new MemoryFileSystem(), clock)
    const topic = await createTopic(broker, { partitions: 2 })
    const member = await broker.joinGroup({ groupId: 'g', topics: [topic], groupInstanceId: 'one', sessionTimeoutMs: 6_000 })
    await member.leave()
    expect((await broker.groups.describe('g')).state).toBe('stable')
    await clock.advance(6_000)
    expect(await broker.groups.describe('g')).toMatchObject({ state: 'empty', members: [] })
    await broker.close()
  })

  it('forgets the offsets of a group a week after its last member left, and the group with them', async () => {
    const clock = new ManualClock()
    const broker = await open(new MemoryFileSystem(), clock)
    const topic = await createTopic(broker)
    const target = { topic, partition: 0 }
    const member = await broker.joinGroup({ groupId: 'left', topics: [topic] })
    await member.commit([{ ...target, offset: 1 }])
    await broker.groups.setOffsets('never-had-members', [{ ...target, offset: 2 }])
    const producer = await broker.openProducer()
    await clock.advance(6 * day)
    await member.leave()
    await producer.append(recordOf(target, 'housekeeping is set off by use'))
    await clock.advance(2 * day)
    await eventually(async () => {
      await producer.append(recordOf(target, 'again'))
      expect(await broker.groups.list()).toEqual(['left'])
    })
    expect((await broker.groups.describe('left')).offsets).toHaveLength(1)
    await clock.advance(6 * day)
    await eventually(async () => {
      await producer.append(recordOf(target, 'and again'))
      expect(await broker.groups.list()).toEqual([])
    })
    await broker.close()
  })

  it('forgets a group that was left without ever having committed, and none that is in use', async () => {
    const clock = new ManualClock()
    const broker = await open(new MemoryFileSystem(), clock)
    const topic = await createTopic(broker)
    const [gone, stays] = [await broker.joinGroup({ groupId: 'gone', topics: [topic] }), await broker.joinGroup({ groupId: 'stays', topics: [topic] })]
    await gone.leave()
    const producer = await broker.openProducer()
    expect(await broker.groups.list()).toEqual(['gone', 'stays'])
    await eventually(async () => {
      await stays.read({ maxWaitMs: 0 })
      await stays.commit([{ topic, partition: 0, offset: 0 }])
      await producer.append(recordOf({ topic, partition: 0 }, 'housekeeping is set off by use'))
      await clock.advance(100_000)
      expect(await broker.groups.list()).toEqual(['stays'])
    })
    await broker.close()
  })

  it('counts a group as in use until the process of its members ended, however long ago they joined', async () => {
    const clock = new ManualClock()
    const disk = new MemoryFileSystem()
    const killed = await open(disk, clock)
    const topic = await createTopic(killed)
    const member = await killed.joinGroup({ groupId: 'long', topics: [topic] })
    await member.commit([{ topic, partition: 0, offset: 1 }])
    await clock.advance(30 * day)
    const left = disk.kill()
    await killed.close()
    const broker = await open(left, clock)
    const producer = await broker.openProducer()
    await producer.append(recordOf({ topic, partition: 0 }, 'sets housekeeping off'))
    await clock.advance(day)
    expect((await broker.groups.describe('long')).offsets).toHaveLength(1)
    await broker.close()
  })
})
