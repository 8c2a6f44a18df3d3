import { describe, expect, it } from 'vitest'
import { cooperativeStickyAssignor, openEmbeddedBroker, openPortBroker, seededRandom, servePort } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { createTopic, decode, eventually, pause, recordOf } from '../../contract/contract-kit.ts'
import { heldDisk, turns } from '../../kit/held-disk.ts'
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

describe('while something else is going on, the coordinator', () => {
  it('removes a group without the member that joins meanwhile, whose group begins anew', async () => {
    const disk = heldDisk()
    const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: disk.fileSystem, random: seededRandom(1), clock: new ManualClock() })
    const topic = await createTopic(broker)
    const target = { topic, partition: 0 }
    const first = await broker.joinGroup({ groupId: 'g', topics: [topic] })
    await first.commit([{ ...target, offset: 1 }])
    await first.leave()
    const release = disk.hold('__consumer_offsets')
    const removing = broker.groups.remove(['g'])
    await turns()
    const joining = broker.joinGroup({ groupId: 'g', topics: [topic] })
    await turns()
    release()
    const [member] = await Promise.all([joining, removing])
    expect(await broker.groups.describe('g')).toMatchObject({ state: 'stable', members: [{ memberId: member.memberId }] })
    await member.commit([{ ...target, offset: 2 }])
    const other = broker.joinGroup({ groupId: 'g', topics: [topic] })
    await eventually(async () => {
      await member.read({ maxWaitMs: 0 })
      expect((await broker.groups.describe('g')).members).toHaveLength(2)
    })
    await eventually(async () => {
      await member.read({ maxWaitMs: 0 })
      expect([...member.assignment, ...(await Promise.race([other, pause(1)]))?.assignment ?? []]).toHaveLength(1)
    })
    await broker.close()
    const again = await openEmbeddedBroker({ directory: '/data', fileSystem: disk.fileSystem, random: seededRandom(2), clock: new ManualClock() })
    expect((await again.groups.describe('g')).offsets).toMatchObject([{ ...target, offset: 2 }])
    await again.close()
  })

  it('keeps a static member of this process that was slow once and came back', async () => {
    const clock = new ManualClock()
    const broker = await open(new MemoryFileSystem(), clock)
    const topic = await createTopic(broker)
    const member = await broker.joinGroup({ groupId: 'g', topics: [topic], groupInstanceId: 'one', sessionTimeoutMs: 6_000, maxPollIntervalMs: 1_000 })
    await member.read({ maxWaitMs: 0 })
    await clock.advance(1_500)
    await turns()
    await member.read({ maxWaitMs: 0 })
    const { generation } = member
    expect(generation, 'it had left').toBe(2)
    for (let read = 0; read < 20; read++) {
      await clock.advance(500)
      await member.read({ maxWaitMs: 0 })
    }
    expect(member.generation).toBe(generation)
    expect(member.assignment).toHaveLength(1)
    await broker.close()
  })

  it('lets the last member go on a full disk: that the group is empty is not worth the process', async () => {
    let isFull = false
    const clock = new ManualClock()
    const broker = await open(new MemoryFileSystem({ fault: (operation) => (isFull && operation === 'write' ? 'ENOSPC' : null) }), clock)
    const topic = await createTopic(broker)
    const remaining = await broker.joinGroup({ groupId: 'static', topics: [topic], groupInstanceId: 'one', sessionTimeoutMs: 6_000 })
    const member = await broker.joinGroup({ groupId: 'g', topics: [topic] })
    await remaining.leave()
    isFull = true
    await clock.advance(6_000)
    expect((await broker.groups.describe('static')).state).toBe('empty')
    await member.leave()
    expect((await broker.groups.describe('g')).state).toBe('empty')
    isFull = false
    await broker.close()
  })

  it('has no member of a process whose first assignment was refused, or which closed meanwhile', async () => {
    const broker = await open(new MemoryFileSystem(), new ManualClock())
    const topic = await createTopic(broker)
    await expect(broker.joinGroup({ groupId: 'g', topics: [topic], onRebalance: () => Promise.reject(new Error('no')) })).rejects.toThrow('no')
    expect((await broker.groups.describe('g')).members).toEqual([])
    const { port1, port2 } = new MessageChannel()
    servePort(broker, port1 as never)
    const elsewhere = openPortBroker({ port: port2 as never })
    let assigned = () => undefined as void
    const inRebalance = new Promise<void>((resolve) => (assigned = resolve))
    const joining = elsewhere.joinGroup({
      groupId: 'g', topics: [topic],
      onRebalance: async () => {
        assigned()
        await elsewhere.close()
      },
    })
    await inRebalance
    await expect(joining).rejects.toMatchObject({ code: 'CLOSED' })
    await eventually(async () => expect((await broker.groups.describe('g')).members).toEqual([]))
    await broker.close()
  })

  it('gives a cooperative member the records of a topic that was removed and made anew before the group noticed', async () => {
    const broker = await open(new MemoryFileSystem(), new ManualClock())
    const topic = await createTopic(broker, { partitions: 2 })
    const options = { groupId: 'g', topics: [topic], offsetReset: 'earliest', assignors: [cooperativeStickyAssignor] } as const
    const leader = await broker.joinGroup(options)
    const joining = broker.joinGroup(options)
    const follower = await eventually(async () => {
      await leader.read({ maxWaitMs: 0 })
      const joined = await Promise.race([joining, pause(1)])
      await joined?.read({ maxWaitMs: 0 })
      expect([leader.assignment.length, joined?.assignment.length]).toEqual([1, 1])
      return joined!
    })
    await broker.topics.remove([topic])
    await follower.read({ maxWaitMs: 0 })
    await broker.topics.create([{ topic, partitions: 2 }])
    const producer = await broker.openProducer()
    for (const partition of [0, 1]) await producer.append(recordOf({ topic, partition }, `new ${partition}`))
    const seen = new Set<string | null>()
    await eventually(async () => {
      for (const member of [leader, follower]) {
        const { partitions } = await member.read({ maxWaitMs: 0 })
        for (const { batches } of partitions) for (const batch of batches) for (const { value } of batch) seen.add(decode(value))
      }
      expect(seen).toEqual(new Set(['new 0', 'new 1']))
    }, 5_000)
    await broker.close()
  })
})
