import { expect } from 'vitest'
import { codeOf, createTopic, eventually, freshName, appendAll, visibleValues } from './contract-kit.ts'
import type { Promises } from './broker-suite.ts'

export function topicContract(promises: Promises): void {
  promises('a created topic is listed and described', async (broker) => {
    const topic = await createTopic(broker, { partitions: 3, configs: { 'retention.ms': '86400000' } })
    expect(await broker.topics.list()).toContain(topic)
    const [description] = await broker.topics.describe([topic])
    expect(description).toMatchObject({ topic, internal: false })
    expect(description!.partitions.map(({ partition, logStartOffset, highWatermark }) => [partition, logStartOffset, highWatermark])).toEqual([[0, 0, 0], [1, 0, 0], [2, 0, 0]])
    expect(description!.configs).toContainEqual({ name: 'retention.ms', value: '86400000', source: 'topic' })
    expect(description!.configs).toContainEqual({ name: 'cleanup.policy', value: 'delete', source: 'default' })
  })

  promises('a description tells how large each partition has become', async (broker) => {
    const topic = await createTopic(broker, { partitions: 2 })
    const producer = await broker.openProducer()
    await appendAll(producer, { topic, partition: 1 }, ['x'.repeat(10_000)])
    await producer.close()
    const [description] = await broker.topics.describe([topic])
    const [empty, full] = description!.partitions.map(({ sizeBytes }) => sizeBytes)
    expect(empty).toBe(0)
    expect(full).toBeGreaterThan(10_000)
  })

  promises('a topic that exists cannot be created again', async (broker) => {
    const topic = await createTopic(broker)
    expect(await codeOf(broker.topics.create([{ topic }]))).toBe('TOPIC_ALREADY_EXISTS')
  })

  promises('what cannot be a topic is refused', async (broker) => {
    expect(await codeOf(broker.topics.create([{ topic: 'not a name' }]))).toBe('INVALID_TOPIC')
    expect(await codeOf(broker.topics.create([{ topic: freshName('none'), partitions: 0 }]))).toBe('INVALID_PARTITIONS')
    expect(await codeOf(broker.topics.create([{ topic: freshName('copies'), replicationFactor: 99 }]))).toBe('INVALID_REPLICATION_FACTOR')
    expect(await codeOf(broker.topics.create([{ topic: freshName('key'), configs: { 'retension.ms': '1' } }]))).toBe('INVALID_CONFIG')
    expect(await codeOf(broker.topics.create([{ topic: freshName('value'), configs: { 'retention.ms': 'soon' } }]))).toBe('INVALID_CONFIG')
  })

  promises('a topic that does not exist cannot be described, altered or removed', async (broker) => {
    const missing = freshName('missing')
    expect(await codeOf(broker.topics.describe([missing]))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await codeOf(broker.topics.alter(missing, { partitions: 2 }))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await codeOf(broker.topics.remove([missing]))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  promises('a removed topic is gone, and its name can be used again for an empty one', async (broker) => {
    const topic = await createTopic(broker)
    const producer = await broker.openProducer()
    await appendAll(producer, { topic, partition: 0 }, ['old'])
    await producer.close()
    await broker.topics.remove([topic])
    await eventually(async () => expect(await broker.topics.list()).not.toContain(topic))
    await eventually(() => createTopic(broker, { topic }))
    expect(await visibleValues(broker, { topic, partition: 0 }, 'read-uncommitted')).toEqual([])
  })

  promises('partitions can be added and not taken away', async (broker) => {
    const topic = await createTopic(broker, { partitions: 2 })
    await broker.topics.alter(topic, { partitions: 4 })
    await eventually(async () => expect((await broker.topics.describe([topic]))[0]!.partitions).toHaveLength(4))
    for (const partitions of [3, 4]) expect(await codeOf(broker.topics.alter(topic, { partitions }))).toBe('INVALID_PARTITIONS')
  })

  promises('configs can be set and taken back to their defaults', async (broker) => {
    const topic = await createTopic(broker, { configs: { 'max.message.bytes': '2000' } })
    const configOf = async (name: string) => (await broker.topics.describe([topic]))[0]!.configs.find((config) => config.name === name)
    await broker.topics.alter(topic, { configs: { 'max.message.bytes': null, 'segment.bytes': '2097152' } })
    await eventually(async () => expect(await configOf('segment.bytes')).toMatchObject({ value: '2097152', source: 'topic' }))
    expect(await configOf('max.message.bytes')).toMatchObject({ value: '1048588', source: 'default' })
    expect(await codeOf(broker.topics.alter(topic, { configs: { 'segment.bytes': 'big' } }))).toBe('INVALID_CONFIG')
    expect(await codeOf(broker.topics.alter(topic, { configs: { 'no.such.config': '1' } }))).toBe('INVALID_CONFIG')
  })

  promises('offsets are found by place and by timestamp', async (broker) => {
    const topic = await createTopic(broker)
    const producer = await broker.openProducer()
    const target = { topic, partition: 0 }
    for (const timestamp of [1_000, 3_000, 2_000, 5_000]) await producer.append({ ...target, value: new Uint8Array(1), timestamp })
    const offsetAt = async (at: 'earliest' | 'latest' | number) => {
      const [answer] = await broker.topics.listOffsets([{ ...target, at }])
      return [answer!.offset, answer!.timestamp]
    }
    expect((await offsetAt('earliest'))[0]).toBe(0)
    expect((await offsetAt('latest'))[0]).toBe(4)
    expect(await offsetAt(1_000)).toEqual([0, 1_000])
    expect(await offsetAt(1_001)).toEqual([1, 3_000])
    expect(await offsetAt(4_000)).toEqual([3, 5_000])
    expect(await offsetAt(6_000)).toEqual([-1, -1])
    await producer.close()
  })

  promises('an offset is not looked up by a timestamp that cannot be', async (broker) => {
    const topic = await createTopic(broker)
    for (const at of [-1, -2, -3, 1.5, Number.NaN]) expect(await codeOf(broker.topics.listOffsets([{ topic, partition: 0, at }])), String(at)).toBe('INVALID_ARGUMENT')
  })

  promises('deleted records are not read any more, and the log starts behind them', async (broker) => {
    const topic = await createTopic(broker)
    const target = { topic, partition: 0 }
    const producer = await broker.openProducer()
    for (const value of ['a', 'b', 'c']) await producer.append({ ...target, value: new TextEncoder().encode(value) })
    expect(await broker.topics.deleteRecords([{ ...target, beforeOffset: 2 }])).toEqual([{ ...target, logStartOffset: 2 }])
    expect((await broker.topics.listOffsets([{ ...target, at: 'earliest' }]))[0]!.offset).toBe(2)
    expect(await visibleValues(broker, target, 'read-uncommitted')).toEqual(['c'])
    expect(await codeOf(broker.topics.deleteRecords([{ ...target, beforeOffset: 9 }]))).toBe('OFFSET_OUT_OF_RANGE')
    expect(await broker.topics.deleteRecords([{ ...target, beforeOffset: -1 }])).toEqual([{ ...target, logStartOffset: 3 }])
    await producer.close()
  })
}
