import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKafkaBroker, systemClock } from '../../src/core/index.ts'
import type { Broker, RecordView, TopicPartition } from '../../src/core/index.ts'
import { freshName, hasKafkaTools, runKafkaTool } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

const encode = (text: string) => Buffer.from(text)
const toolTimeoutMs = 120_000
/** Where the brokers are somebody else's, there may be no Java to run the tools with. */
const itWithTools = it.skipIf(!hasKafkaTools())

await describeWith('kafka', 'Kafka\'s own tools and the Kafka backend', ({ bootstrapServers }) => {
  let broker: Broker
  beforeAll(async () => {
    broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
  })
  afterAll(() => broker?.close())

  const consoleConsumer = async (topic: string, count: number, ...options: string[]) => {
    const output = await runKafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      '--bootstrap-server', bootstrapServers, '--topic', topic, '--max-messages', String(count), '--timeout-ms', '20000', ...options,
    ])
    return output.trimEnd().split('\n')
  }
  const topicOf = async (partitions = 1) => {
    const topic = freshName('tools')
    await broker.topics.create([{ topic, partitions }])
    return topic
  }
  const recordsFrom = async (target: TopicPartition, count: number) => {
    const reader = await broker.openReader()
    reader.assign([{ ...target, offset: 0 }])
    const records: RecordView[] = []
    for (let reads = 0; records.length < count && reads < 40; reads++) {
      for (const { batches } of (await reader.read({ maxWaitMs: 500 })).partitions) for (const batch of batches) records.push(...batch)
    }
    await reader.close()
    return records
  }
  const valuesFrom = async (target: TopicPartition, count: number) =>
    (await recordsFrom(target, count)).map(({ key, value }) => `${Buffer.from(key!).toString()}=${Buffer.from(value!).toString()}`)

  itWithTools('the console consumer reads keys, headers, timestamps and tombstones as we wrote them', async () => {
    const topic = await topicOf()
    const producer = await broker.openProducer()
    await producer.append({ topic, key: encode('k'), value: encode('v'), timestamp: 1_700_000_000_000, headers: [{ key: 'h', value: encode('1') }, { key: 'h', value: encode('2') }] })
    await producer.append({ topic, key: encode('gone'), value: null, timestamp: 1_700_000_000_001 })
    await producer.close()
    const shown = ['print.key', 'print.headers', 'print.timestamp', 'print.offset'].flatMap((name) => ['--formatter-property', `${name}=true`])
    expect(await consoleConsumer(topic, 2, '--from-beginning', ...shown)).toEqual([
      'CreateTime:1700000000000\tOffset:0\th:1,h:2\tk\tv',
      'CreateTime:1700000000001\tOffset:1\tNO_HEADERS\tgone\tnull',
    ])
  }, toolTimeoutMs)

  itWithTools('the console consumer sees our committed transactions and no aborted one', async () => {
    const topic = await topicOf()
    const producer = await broker.openProducer({ transactionalId: freshName('tools') })
    for (const [value, isKept] of [['a', true], ['dropped', false], ['b', true]] as const) {
      producer.begin()
      await producer.append({ topic, value: encode(value) })
      await (isKept ? producer.commit() : producer.abort())
    }
    await producer.close()
    expect(await consoleConsumer(topic, 2, '--from-beginning', '--isolation-level', 'read_committed')).toEqual(['a', 'b'])
  }, toolTimeoutMs)

  const consoleProducer = (topic: string, lines: readonly string[], ...options: string[]) =>
    runKafkaTool('org.apache.kafka.tools.ConsoleProducer', ['--bootstrap-server', bootstrapServers, '--topic', topic, ...options], `${lines.join('\n')}\n`)
  const readerProperties = (properties: Readonly<Record<string, string>>) => Object.entries(properties).flatMap(([name, value]) => ['--reader-property', `${name}=${value}`])

  itWithTools.each(['gzip', 'snappy', 'lz4', 'zstd'])('we read what the console producer writes, compression %s', async (codec) => {
    const topic = await topicOf()
    const lines = Array.from({ length: 50 }, (_, index) => `key${index}:value ${index}`)
    await consoleProducer(topic, lines, '--compression-codec', codec, ...readerProperties({ 'parse.key': 'true', 'key.separator': ':' }))
    expect(await valuesFrom({ topic, partition: 0 }, 50)).toEqual(lines.map((line) => line.replace(':', '=')))
  }, toolTimeoutMs)

  itWithTools('we read its headers, nulls and times', async () => {
    const topic = await topicOf()
    const before = systemClock.now()
    await consoleProducer(topic, ['h:1,h:2|k|v', 'h:3|k|NULL'], ...readerProperties({ 'parse.key': 'true', 'parse.headers': 'true', 'headers.delimiter': '|', 'key.separator': '|', 'null.marker': 'NULL' }))
    const [first, second] = await recordsFrom({ topic, partition: 0 }, 2)
    expect(first!.headers.map(({ key, value }) => [key, Buffer.from(value!).toString()])).toEqual([['h', '1'], ['h', '2']])
    expect(Buffer.from(first!.value!).toString()).toBe('v')
    expect(second!.value).toBeNull()
    expect(first!.timestamp).toBeGreaterThanOrEqual(before)
    expect(first!.timestamp).toBeLessThanOrEqual(systemClock.now())
  }, toolTimeoutMs)

  itWithTools('the group tool describes our members, and the console consumer goes on from our committed offsets', async () => {
    const topic = await topicOf()
    const groupId = freshName('tools')
    const producer = await broker.openProducer()
    for (const value of ['a', 'b', 'c']) await producer.append({ topic, value: encode(value) })
    await producer.close()
    const member = await broker.joinGroup({ groupId, topics: [topic], clientId: 'agreeing-client' })
    await member.commit([{ topic, partition: 0, offset: 1 }])
    const described = await runKafkaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', ['--bootstrap-server', bootstrapServers, '--describe', '--group', groupId])
    const [, row] = described.split('\n').filter((line) => line.includes(topic) || line.startsWith('GROUP'))
    expect(row!.split(/\s+/).slice(0, 6)).toEqual([groupId, topic, '0', '1', '3', '2'])
    expect(row).toContain('agreeing-client')
    await member.leave()
    expect(await consoleConsumer(topic, 2, '--group', groupId)).toEqual(['b', 'c'])
    expect((await broker.groups.describe(groupId)).offsets).toMatchObject([{ topic, partition: 0, offset: 3 }])
  }, toolTimeoutMs)
})
