import { describe, expect, it } from 'vitest'
import { isStreamError, openEmbeddedBroker, partitionForKey, rangeAssignor, seededRandom } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { LocalEngine } from '../../../src/core/engine/local-engine.ts'
import { nextGroupKind, nextGroupSchemas } from '../../../src/core/engine/next-group-records.ts'
import { encodeStruct } from '../../../src/core/engine/struct-codec.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'
import { PollingMember, appendAll, codeOf, createTopic, encode, errorOf, eventually, readValues, recordOf, visibleValues } from '../../contract/contract-kit.ts'

const day = 86_400_000
let seed = 0

function open(fileSystem: MemoryFileSystem, clock?: ManualClock): Promise<Broker> {
  return openEmbeddedBroker({ directory: '/data', fileSystem, random: seededRandom(++seed), ...(clock && { clock }) })
}

describe('a directory that is opened again', () => {
  it('has its topics with their configs, records and committed offsets', async () => {
    const disk = new MemoryFileSystem()
    const first = await open(disk)
    const topic = await createTopic(first, { partitions: 2, configs: { 'retention.ms': '5000' } })
    const producer = await first.openProducer()
    await appendAll(producer, { topic, partition: 1 }, ['a', 'b'])
    await first.groups.setOffsets('g', [{ topic, partition: 1, offset: 1, metadata: 'm' }])
    await first.close()
    expect(disk.openFiles).toBe(0)
    const second = await open(disk)
    const [description] = await second.topics.describe([topic])
    expect(description!.partitions.map(({ highWatermark }) => highWatermark)).toEqual([0, 2])
    expect(description!.configs.find(({ name }) => name === 'retention.ms')).toEqual({ name: 'retention.ms', value: '5000', source: 'topic' })
    expect(await readValues(second, { topic, partition: 1 }, { count: 2 })).toEqual(['a', 'b'])
    expect((await second.groups.describe('g')).offsets).toEqual([{ topic, partition: 1, offset: 1, metadata: 'm' }])
    await second.close()
  })

  it('leaves no file open where the disk fails at a step of opening it', async () => {
    const whole = new MemoryFileSystem()
    const broker = await open(whole)
    const topic = await createTopic(broker, { partitions: 2 })
    const producer = await broker.openProducer({ transactionalId: 'open' })
    producer.begin()
    for (const partition of [0, 1]) await appendAll(producer, { topic, partition }, ['a', 'b', 'c', 'd', 'e', 'f'])
    await broker.groups.setOffsets('g', [{ topic, partition: 1, offset: 1 }])
    for (let failing = 0, hasFailed = true; hasFailed; failing++) {
      let left = failing
      hasFailed = false
      const disk = whole.kill({ fault: () => (left-- === 0 ? ((hasFailed = true), 'EIO') : null) })
      const opened = await open(disk).catch((error: unknown) => (isStreamError(error) ? null : Promise.reject(error as Error)))
      left = -1
      await opened?.close().catch(() => undefined)
      expect(disk.openFiles, `operation ${failing}`).toBe(0)
    }
    await broker.close()
  })

  it('does not know a group any more that was removed, nor one whose offsets went with their topic', async () => {
    const disk = new MemoryFileSystem()
    const first = await open(disk)
    const topic = await createTopic(first)
    for (const groupId of ['removed', 'topicless', 'kept']) await first.groups.setOffsets(groupId, [{ topic, partition: 0, offset: 0 }])
    await first.groups.remove(['removed'])
    const other = await createTopic(first)
    await first.groups.setOffsets('kept', [{ topic: other, partition: 0, offset: 0 }])
    await first.topics.remove([topic])
    expect(await first.groups.list()).toEqual(['kept'])
    await first.close()
    const second = await open(disk)
    expect(await second.groups.list()).toEqual(['kept'])
    expect((await second.groups.describe('kept')).offsets).toEqual([{ topic: other, partition: 0, offset: 0, metadata: '' }])
    await second.close()
  })

  it('never gives out a producer id again', async () => {
    const disk = new MemoryFileSystem()
    const ids: number[] = []
    for (let life = 0; life < 3; life++) {
      const broker = await open(disk)
      for (let count = 0; count < 3; count++) ids.push((await broker.openProducer()).producerId)
      await broker.close()
    }
    expect(new Set(ids).size).toBe(9)
  })

  it('goes on from the epoch of a group that a broker kept with the next-generation protocol', async () => {
    const disk = new MemoryFileSystem()
    const first = await open(disk)
    const topic = await createTopic(first)
    await first.groups.setOffsets('g', [{ topic, partition: 0, offset: 0 }])
    await first.close()
    const engine = await LocalEngine.open({
      directory: '/data', fileSystem: disk, clock: new ManualClock(), random: seededRandom(1), internalTopicPartitions: 50, offsetsRetentionMs: day,
    })
    const { key, value } = nextGroupSchemas.ConsumerGroupMetadata
    await engine.offsetsTopic.write('g', [{ key: encodeStruct(key, nextGroupKind, { groupId: 'g' }), value: encodeStruct(value, 0, { epoch: 41 }) }])
    await engine.close()
    const second = await open(disk)
    expect(await second.groups.describe('g')).toMatchObject({ state: 'empty', generation: 41, offsets: [{ topic, partition: 0, offset: 0 }] })
    const member = await PollingMember.join(second, { groupId: 'g', topics: [topic] })
    expect(member.member.generation).toBe(42)
    await member.leave()
    await second.close()
  })

  it('goes on with the next generation of a group, and the next epoch of a transactional id', async () => {
    const disk = new MemoryFileSystem()
    const first = await open(disk)
    const topic = await createTopic(first)
    const before = await PollingMember.join(first, { groupId: 'g', topics: [topic] })
    const { generation } = before.member
    const { producerId, producerEpoch } = await first.openProducer({ transactionalId: 'tx' })
    await before.leave()
    await first.close()
    const second = await open(disk)
    const after = await PollingMember.join(second, { groupId: 'g', topics: [topic] })
    expect(after.member.generation).toBeGreaterThan(generation)
    const next = await second.openProducer({ transactionalId: 'tx' })
    expect(next.producerId).toBe(producerId)
    expect(next.producerEpoch).toBeGreaterThan(producerEpoch)
    await after.leave()
    await second.close()
  })

  it('takes a static member back with its partitions, without a new generation', async () => {
    const disk = new MemoryFileSystem()
    const first = await open(disk)
    const topic = await createTopic(first, { partitions: 3 })
    const options = { groupId: 'g', topics: [topic], groupInstanceId: 'one' }
    const before = await PollingMember.join(first, options)
    const { generation } = before.member
    await before.leave()
    await first.close()
    const second = await open(disk)
    const after = await PollingMember.join(second, options)
    expect(after.member.generation).toBe(generation)
    expect(after.assigned).toHaveLength(3)
    await after.leave()
    await second.close()
  })

  it('does not bring the records of a removed topic back', async () => {
    const disk = new MemoryFileSystem()
    const first = await open(disk)
    await first.topics.create([{ topic: 'gone' }])
    const producer = await first.openProducer()
    await producer.append(recordOf({ topic: 'gone', partition: 0 }, 'old'))
    await first.groups.setOffsets('g', [{ topic: 'gone', partition: 0, offset: 1 }])
    await first.topics.remove(['gone'])
    await first.close()
    const second = await open(disk)
    expect(await second.topics.list()).toEqual([])
    expect((await second.groups.describe('g')).offsets).toEqual([])
    await second.topics.create([{ topic: 'gone' }])
    expect(await visibleValues(second, { topic: 'gone', partition: 0 }, 'read-uncommitted')).toEqual([])
    await second.close()
  })
})

describe('topics that change under those who use them', () => {
  it('get their new partitions used by a producer that was there before', async () => {
    const clock = new ManualClock()
    const broker = await open(new MemoryFileSystem(), clock)
    const topic = await createTopic(broker)
    const producer = await broker.openProducer()
    await producer.append({ topic, key: encode('a'), value: null })
    await broker.topics.alter(topic, { partitions: 50 })
    await clock.advance(300_001)
    await eventually(async () => {
      const { partition } = await producer.append({ topic, key: encode('a'), value: null })
      expect(partition).toBe(partitionForKey(encode('a'), 50))
    })
    await broker.close()
  })

  it('leave the members of a group that read others too in peace when they are removed', async () => {
    const broker = await open(new MemoryFileSystem())
    const [stays, goes] = [await createTopic(broker), await createTopic(broker)]
    const member = await PollingMember.join(broker, { groupId: 'g', topics: [stays, goes], offsetReset: 'earliest' })
    await broker.topics.remove([goes])
    const producer = await broker.openProducer()
    await producer.append(recordOf({ topic: stays, partition: 0 }, 'still read'))
    await eventually(async () => {
      expect(member.values).toEqual(['still read'])
      expect(member.assigned).toEqual([`${stays}-0`])
    })
    await member.leave()
    await broker.close()
  })
})

it('a member whose assignor throws is told so, and does not hold up the others', async () => {
  const broker = await open(new MemoryFileSystem())
  const topic = await createTopic(broker)
  const broken = { ...rangeAssignor, assign: () => { throw new Error('cannot divide') } }
  await expect(broker.joinGroup({ groupId: 'g', topics: [topic], assignors: [broken] })).rejects.toThrow('cannot divide')
  await eventually(async () => expect((await broker.groups.describe('g')).members).toEqual([]))
  const member = await broker.joinGroup({ groupId: 'g', topics: [topic] })
  expect(member.assignment).toHaveLength(1)
  await broker.close()
})

it('topics before one that cannot be created are there, those after it are not', async () => {
  const broker = await open(new MemoryFileSystem())
  const specs = [{ topic: 'first', partitions: 20 }, { topic: 'second' }, { topic: 'first' }, { topic: 'after' }]
  expect(await errorOf(broker.topics.create(specs))).toMatchObject({ code: 'TOPIC_ALREADY_EXISTS', details: { topic: 'first' } })
  expect(await broker.topics.list()).toEqual(['first', 'second'])
  expect((await broker.topics.describe(['first']))[0]!.partitions).toHaveLength(20)
  await broker.close()
})

describe('errors of the engine', () => {
  it('name the topic that was probably meant', async () => {
    const broker = await open(new MemoryFileSystem())
    await broker.topics.create([{ topic: 'access-log' }])
    expect(await errorOf(broker.topics.describe(['acces-log']))).toMatchObject({ message: "topic 'acces-log' does not exist; did you mean 'access-log'?" })
    expect(await errorOf(broker.topics.create([{ topic: 'x', configs: { 'retension.ms': '1' } }]))).toMatchObject({
      code: 'INVALID_CONFIG', message: "Unknown topic config name: retension.ms; did you mean 'retention.ms'?",
    })
    await broker.close()
  })

  it('refuse a second process on the same directory, and say which one has it', async () => {
    const disk = new MemoryFileSystem()
    const broker = await open(disk)
    expect(await errorOf(open(disk))).toMatchObject({ code: 'DIRECTORY_LOCKED', message: expect.stringContaining(String(process.pid)) as string })
    await broker.close()
    await (await open(disk)).close()
  })

  it('refuse a catalog that a newer version wrote, and one that is damaged', async () => {
    const disk = new MemoryFileSystem()
    await (await open(disk)).close()
    disk.setBytes('/data/catalog.json', Buffer.from('{"format":2,"nextProducerId":0,"topics":[]}'))
    expect(await codeOf(open(disk))).toBe('UNSUPPORTED_FORMAT')
    disk.setBytes('/data/catalog.json', Buffer.from('{"format":1,'))
    expect(await errorOf(open(disk))).toMatchObject({ code: 'STORAGE_CORRUPT', message: expect.stringContaining('/data/catalog.json') as string })
  })

  it('keep the internal topics for the engine', async () => {
    const broker = await open(new MemoryFileSystem())
    await broker.topics.create([{ topic: 't' }])
    await broker.groups.setOffsets('g', [{ topic: 't', partition: 0, offset: 1 }])
    expect(await broker.topics.list()).toEqual(['t'])
    expect(await broker.topics.list({ includeInternal: true })).toEqual(['__consumer_offsets', 't'])
    const producer = await broker.openProducer()
    expect(await codeOf(producer.append({ topic: '__consumer_offsets', value: null }))).toBe('INVALID_TOPIC')
    expect(await codeOf(broker.topics.remove(['__consumer_offsets']))).toBe('INVALID_TOPIC')
    await broker.close()
  })
})

describe('a full disk', () => {
  it('refuses appends and commits with a retriable error, damages nothing, and lets everything go on when there is room', async () => {
    let full = false
    const disk = new MemoryFileSystem({ fault: (operation) => (full && operation === 'write' ? 'ENOSPC' : null) })
    const broker = await open(disk)
    const topic = await createTopic(broker)
    const target = { topic, partition: 0 }
    const plain = await broker.openProducer()
    const producer = await broker.openProducer({ transactionalId: 'tx' })
    await plain.append(recordOf(target, 'before'))
    producer.begin()
    await producer.append(recordOf(target, 'in transaction'))
    full = true
    expect(await errorOf(plain.append(recordOf(target, 'no room')))).toMatchObject({ code: 'STORAGE_FULL', retriable: true })
    expect(await errorOf(producer.commit())).toMatchObject({ code: 'STORAGE_FULL', retriable: true })
    full = false
    await plain.append(recordOf(target, 'after'))
    await producer.commit()
    expect(await visibleValues(broker, target, 'read-committed')).toEqual(['before', 'in transaction', 'after'])
    await broker.close()
    const again = await open(disk)
    expect(await visibleValues(again, target, 'read-committed')).toEqual(['before', 'in transaction', 'after'])
    await again.close()
  })
})

describe('time', () => {
  it('aborts a transaction that takes too long, and leaves no timer behind', async () => {
    const clock = new ManualClock()
    const broker = await open(new MemoryFileSystem(), clock)
    const topic = await createTopic(broker)
    const producer = await broker.openProducer({ transactionalId: 'tx', transactionTimeoutMs: 1_000 })
    expect(clock.pendingTimers).toBe(0)
    producer.begin()
    await producer.append(recordOf({ topic, partition: 0 }, 'late'))
    expect(clock.pendingTimers).toBeGreaterThan(0)
    await clock.advance(1_000)
    expect(await codeOf(producer.commit())).toBe('PRODUCER_FENCED')
    expect(await visibleValues(broker, { topic, partition: 0 }, 'read-committed')).toEqual([])
    await broker.close()
    expect(clock.pendingTimers).toBe(0)
  })

  it('is not needed while nothing happens: an idle group, reader and producer hold no timer but the one that looks whether the member goes on reading', async () => {
    const clock = new ManualClock()
    const broker = await open(new MemoryFileSystem(), clock)
    const topic = await createTopic(broker)
    const member = await broker.joinGroup({ groupId: 'g', topics: [topic] })
    const producer = await broker.openProducer({ transactionalId: 'tx' })
    expect(clock.pendingTimers).toBe(1)
    await member.leave()
    expect(clock.pendingTimers).toBe(0)
    await producer.close()
    await broker.close()
    expect(clock.pendingTimers).toBe(0)
  })

  it('lets old records go and keeps the last of each key, set off by use', async () => {
    const clock = new ManualClock()
    const broker = await open(new MemoryFileSystem(), clock)
    const old = await createTopic(broker, { configs: { 'retention.ms': '3600000', 'internal.segment.bytes': '2000' } })
    const compacted = await createTopic(broker, { configs: { 'cleanup.policy': 'compact', 'internal.segment.bytes': '2000', 'min.cleanable.dirty.ratio': '0.01' } })
    const producer = await broker.openProducer()
    for (let index = 0; index < 60; index++) {
      await producer.append({ topic: old, partition: 0, value: new Uint8Array(100), timestamp: clock.now() })
      await producer.append({ topic: compacted, partition: 0, key: encode(`k${index % 3}`), value: encode(`v${index}`), timestamp: clock.now() })
    }
    await clock.advance(2 * 3_600_000)
    await eventually(async () => {
      await producer.append({ topic: compacted, partition: 0, key: encode('use'), value: encode('x'), timestamp: clock.now() })
      const [start] = await broker.topics.listOffsets([{ topic: old, partition: 0, at: 'earliest' }])
      expect(start!.offset).toBe(60)
      await clock.advance(15_000)
    })
    await eventually(async () => {
      await producer.append({ topic: compacted, partition: 0, key: encode('use'), value: encode('x'), timestamp: clock.now() })
      await clock.advance(15_000)
      const values = await visibleValues(broker, { topic: compacted, partition: 0 }, 'read-committed')
      expect(values.filter((value) => value !== 'x').length).toBeLessThan(60)
      expect(values).toEqual(expect.arrayContaining(['v57', 'v58', 'v59']))
    })
    await broker.close()
  })
})

describe('what a topic’s configs do', () => {
  it.each([[{ 'flush.messages': '2' }, 0], [{ 'flush.ms': '50' }, 50]])('records that were only written are made durable by %o', async (configs, waitMs) => {
    const clock = new ManualClock()
    const disk = new MemoryFileSystem()
    const broker = await open(disk, clock)
    const topic = await createTopic(broker, { configs })
    const producer = await broker.openProducer({ acknowledge: 'written' })
    for (const value of ['a', 'b']) await producer.append(recordOf({ topic, partition: 0 }, value))
    await clock.advance(waitMs)
    await new Promise(setImmediate)
    const after = await open(disk.crash({ random: seededRandom(3) }))
    expect(await readValues(after, { topic, partition: 0 }, { count: 2 })).toEqual(['a', 'b'])
    await after.close()
  })

  it('compression.type stores batches with another codec than they were sent with, and readers see the same', async () => {
    const broker = await open(new MemoryFileSystem())
    const value = 'compressible '.repeat(400)
    const sizeOf = async (type: string) => {
      const topic = await createTopic(broker, { configs: { 'compression.type': type } })
      const producer = await broker.openProducer()
      await producer.append(recordOf({ topic, partition: 0 }, value))
      const reader = await broker.openReader()
      reader.assign([{ topic, partition: 0, offset: 0 }])
      const [read] = (await reader.read()).partitions
      expect([...read!.batches[0]!].map((record) => String(Buffer.from(record.value!)))).toEqual([value])
      return read!.batches[0]!.sizeBytes
    }
    expect(await sizeOf('gzip')).toBeLessThan((await sizeOf('producer')) / 10)
    await broker.close()
  })

  it('more than one replica is refused with what to do, or clamped to one where that was asked for', async () => {
    const strict = await open(new MemoryFileSystem())
    const three = { topic: 't', replicationFactor: 3 }
    const error = await errorOf(() => strict.topics.create([three]))
    expect(error).toMatchObject({ code: 'INVALID_REPLICATION_FACTOR', message: expect.stringContaining('replication is what the Kafka backend is for') })
    await strict.close()
    const lenient = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem(), random: seededRandom(1), clampReplicas: true })
    await lenient.topics.create([{ ...three, configs: { 'min.insync.replicas': '2' } }])
    const [description] = await lenient.topics.describe(['t'])
    expect(description!.partitions[0]!.replicas).toEqual([0])
    expect(description!.configs.find(({ name }) => name === 'min.insync.replicas')).toMatchObject({ value: '1' })
    expect(await codeOf(lenient.topics.create([{ topic: 'u', replicationFactor: 0 }]))).toBe('INVALID_REPLICATION_FACTOR')
    await lenient.close()
  })
})
