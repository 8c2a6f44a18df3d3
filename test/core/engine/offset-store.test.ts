import { describe, expect, it } from 'vitest'
import { openEmbeddedBroker, seededRandom } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { LocalEngine } from '../../../src/core/engine/local-engine.ts'
import { codeOf, recordOf } from '../../contract/contract-kit.ts'
import { heldDisk, turns } from '../../kit/held-disk.ts'
import type { HeldDisk } from '../../kit/held-disk.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

const target = { topic: 't', partition: 0 }
const outsider = { groupId: 'g', generation: -1, memberId: '', groupInstanceId: null }
const clock = () => new ManualClock()
let seed = 0

const open = ({ fileSystem }: HeldDisk): Promise<Broker> => openEmbeddedBroker({ directory: '/data', fileSystem, clock: clock(), random: seededRandom(++seed) })

function openEngine(fileSystem: MemoryFileSystem): Promise<LocalEngine> {
  return LocalEngine.open({ directory: '/data', fileSystem, clock: clock(), random: seededRandom(++seed), internalTopicPartitions: 1, offsetsRetentionMs: 60_000 })
}

async function offsetOf(broker: Broker): Promise<number | undefined> {
  return (await broker.groups.describe('g')).offsets.find(({ topic }) => topic === 't')?.offset
}

describe('committed offsets', () => {
  it('are those that were written last: a transaction does not bring back what it wrote before, and compaction changes nothing', async () => {
    const disk = heldDisk()
    const broker = await open(disk)
    await broker.topics.create([{ topic: 't' }])
    const engine = (broker as unknown as { readonly engine: LocalEngine }).engine
    const producer = { transactionalId: 'tx', transactionTimeoutMs: 60_000 }
    const identity = await engine.initProducer(producer)
    await engine.commitTransactionOffsets({ transactionalId: 'tx', producer: identity, group: outsider, offsets: [{ ...target, offset: 5 }] })
    await broker.groups.setOffsets('g', [{ ...target, offset: 2 }])
    await engine.endTransaction({ transactionalId: 'tx', producer: identity, outcome: 'commit', acknowledge: 'durable' })
    expect(await offsetOf(broker)).toBe(2)
    await broker.close()
    const again = await open(disk)
    expect(await offsetOf(again)).toBe(2)
    await again.close()
  })

  it('of a topic that is removed do not come back with the transaction in which they were written', async () => {
    const disk = heldDisk()
    const broker = await open(disk)
    await broker.topics.create([{ topic: 't' }, { topic: 'other' }])
    const engine = (broker as unknown as { readonly engine: LocalEngine }).engine
    const identity = await engine.initProducer({ transactionalId: 'tx', transactionTimeoutMs: 60_000 })
    await engine.commitTransactionOffsets({ transactionalId: 'tx', producer: identity, group: outsider, offsets: [{ ...target, offset: 5 }, { topic: 'other', partition: 0, offset: 7 }] })
    await broker.topics.remove(['t'])
    await broker.topics.create([{ topic: 't' }])
    await engine.endTransaction({ transactionalId: 'tx', producer: identity, outcome: 'commit', acknowledge: 'durable' })
    expect((await broker.groups.describe('g')).offsets).toMatchObject([{ topic: 'other', offset: 7 }])
    await broker.close()
    const again = await open(disk)
    expect((await again.groups.describe('g')).offsets).toMatchObject([{ topic: 'other', offset: 7 }])
    await again.close()
  })

  it('of a topic that is removed while they are on their way to the disk are not those of the next topic of that name', async () => {
    const disk = heldDisk()
    const broker = await open(disk)
    await broker.topics.create([{ topic: 't' }])
    await broker.groups.setOffsets('other', [{ ...target, offset: 0 }])
    const release = disk.hold('__consumer_offsets')
    const committing = broker.groups.setOffsets('g', [{ ...target, offset: 9 }])
    await turns()
    const removing = broker.topics.remove(['t'])
    await turns()
    release()
    await Promise.all([committing, removing])
    await broker.topics.create([{ topic: 't' }])
    expect(await offsetOf(broker)).toBeUndefined()
    await broker.close()
    const again = await open(disk)
    expect(await offsetOf(again)).toBeUndefined()
    await again.close()
  })

  it('of a topic whose removal was cut short by a kill are not those of the next topic of that name', async () => {
    const disk = new MemoryFileSystem()
    const engine = await openEngine(disk)
    await engine.createTopics([{ topic: 't' }])
    await engine.commitOffsets({ ...outsider, offsets: [{ ...target, offset: 9 }] })
    await engine.log.catalog.remove('t')
    const left = disk.kill()
    await engine.close().catch(() => undefined)
    const again = await openEngine(left)
    await again.createTopics([{ topic: 't' }])
    expect(await again.fetchOffsets({ groupId: 'g', partitions: [target], stable: true })).toEqual([])
    await again.commitOffsets({ ...outsider, offsets: [{ ...target, offset: 1 }] })
    expect(await again.fetchOffsets({ groupId: 'g', partitions: [target], stable: true })).toMatchObject([{ offset: 1 }])
    await again.close()
  })

  it('are refused for a topic that does not exist, in a transaction too: one that is made later would be read from there', async () => {
    const broker = await open(heldDisk())
    await broker.topics.create([{ topic: 't' }])
    expect(await codeOf(broker.groups.setOffsets('g', [{ ...target, offset: 1 }, { topic: 'missing', partition: 0, offset: 1 }]))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await offsetOf(broker)).toBeUndefined()
    const producer = await broker.openProducer({ transactionalId: 'tx' })
    producer.begin()
    await producer.append(recordOf(target, 'a'))
    expect(await codeOf(producer.commit({ group: outsider, offsets: [{ topic: 'missing', partition: 0, offset: 1 }] }))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    await producer.abort()
    await broker.close()
  })

  it('that are committed while older ones expire stay', async () => {
    const disk = heldDisk()
    const engineClock = clock()
    const engine = await LocalEngine.open({ directory: '/data', fileSystem: disk.fileSystem, clock: engineClock, random: seededRandom(++seed), internalTopicPartitions: 1, offsetsRetentionMs: 60_000 })
    await engine.createTopics([{ topic: 't' }])
    await engine.commitOffsets({ ...outsider, offsets: [{ ...target, offset: 1 }] })
    await engineClock.advance(100_000)
    const release = disk.hold('__consumer_offsets')
    const committing = engine.commitOffsets({ ...outsider, offsets: [{ ...target, offset: 2 }] })
    await turns()
    const expiring = engine.groups.expireOffsets(60_000)
    await turns()
    release()
    await Promise.all([committing, expiring])
    expect(await engine.fetchOffsets({ groupId: 'g', partitions: [target], stable: true })).toMatchObject([{ offset: 2 }])
    await engine.close()
    const again = await openEngine(disk.memory)
    expect(await again.fetchOffsets({ groupId: 'g', partitions: [target], stable: true })).toMatchObject([{ offset: 2 }])
    await again.close()
  })
})
