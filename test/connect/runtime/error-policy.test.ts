import { describe, expect, it } from 'vitest'
import { configSpec, ConnectWorker, dataError, retriableError } from '../../../src/connect/index.ts'
import type { RawConfig, TransformPlugin } from '../../../src/connect/index.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker, readTopic, until } from './connect-kit.ts'

/** Fails for `bad` for good, and for `slow` as often as told. */
function pickyTransform(slowFor: number): TransformPlugin {
  let tries = 0
  return {
    type: 'transformation', class: 'test.Picky', version: '1', config: configSpec({}),
    create: () => ({
      apply: (record) => {
        if (record.value === 'bad') throw dataError('bad is bad')
        if (record.value === 'slow' && tries++ < slowFor) throw retriableError('not yet')
        return record
      },
    }),
  }
}

async function openSource(config: RawConfig, slowFor = 0) {
  const [broker, source, log] = [await openBroker(), new FedSource(), memoryLog()]
  const worker = ConnectWorker.open({
    broker, log, plugins: [source.plugin, pickyTransform(slowFor)], config: { 'task.host': 'in-process', 'restart.policy': 'none', 'offset.flush.interval.ms': '20', 'key.converter': 'StringConverter', 'value.converter': 'StringConverter' },
  })
  afterTest(() => worker.stop())
  const start = () => worker.start({ name: 'fed', config: { 'connector.class': 'FedSource', 'transforms': 'p', 'transforms.p.type': 'Picky', ...config } })
  return { broker, source, log, worker, start }
}

const values = async (broker: Parameters<typeof readTopic>[0], topic = 'fed') => (await readTopic(broker, topic)).map(({ value }) => value)

describe('errors of a source', () => {
  it('waits in place for errors.retry.timeout, keeping the order, while a transform fails retriably', async () => {
    const { broker, source, start } = await openSource({ 'errors.retry.timeout': '-1', 'errors.retry.delay.max.ms': '5' }, 3)
    source.feed('a', 'slow', 'b')
    await start()
    await until(() => source.committed.at(-1) === 3, 'all are committed')
    expect(await values(broker)).toEqual(['a', 'slow', 'b'])
    expect(source.started).toHaveLength(1)
  })

  it('treats the record as failed when that time is over', async () => {
    const { broker, source, log, start } = await openSource({ 'errors.retry.timeout': '30', 'errors.retry.delay.max.ms': '5', 'errors.tolerance': 'all', 'errors.log.enable': 'true' }, 1e9)
    source.feed('a', 'slow', 'b')
    await start()
    await until(() => source.committed.at(-1) === 3, 'all are committed')
    expect(await values(broker)).toEqual(['a', 'b'])
    expect(log.lines).toContainEqual(expect.stringMatching(/not yet \(for longer than errors\.retry\.timeout, 30 ms\) \(skipped\)$/))
  })

  it('keeps what failed in a dead-letter topic, with its reason and its place in the source, before the position moves', async () => {
    const { broker, source, start } = await openSource({ 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': 'dead', 'errors.deadletterqueue.context.headers.enable': 'true' })
    source.feed('a', 'bad', 'b')
    await start()
    await until(() => source.committed.at(-1) === 3, 'all are committed')
    const [letter, ...more] = await readTopic(broker, 'dead')
    expect(more).toEqual([])
    expect(letter).toMatchObject({
      value: 'bad',
      headers: {
        '__connect.errors.topic': 'fed', '__connect.errors.source.partition': '{"log":"a"}', '__connect.errors.source.offset': '{"position":2}', '__connect.errors.stage': 'TRANSFORMATION',
        '__connect.errors.connector.name': 'fed', '__connect.errors.exception.message': 'bad is bad',
      },
    })
  })

  it('shows the record in the log only when errors.log.include.messages says so', async () => {
    const quiet = await openSource({ 'errors.tolerance': 'all', 'errors.log.enable': 'true' })
    quiet.source.feed('bad')
    await quiet.start()
    await until(() => quiet.source.committed.at(-1) === 1, 'it is passed over')
    expect(quiet.log.lines).toContainEqual(expect.stringMatching(/bad is bad \(skipped\)$/))
    const open = await openSource({ 'errors.tolerance': 'all', 'errors.log.enable': 'true', 'errors.log.include.messages': 'true' })
    open.source.feed('bad')
    await open.start()
    await until(() => open.source.committed.at(-1) === 1, 'it is passed over')
    expect(open.log.lines).toContainEqual(expect.stringMatching(/\(skipped\): topic fed, timestamp none, key null, value bad, headers none$/))
  })
})

describe('settings of the clients', () => {
  it('reads as the worker says, and as the connector says over it', async () => {
    const [broker, sink] = [await openBroker(), new KeepingSink()]
    const sizes: number[] = []
    sink.onPut = (records) => { if (records.length > 0) sizes.push(records.length) }
    await broker.topics.create([{ topic: 'in' }])
    const producer = await broker.openProducer()
    await Promise.all(Array.from({ length: 6 }, (_, index) => producer.append({ topic: 'in', key: null, value: Buffer.from(String(index)) })))
    await producer.close()
    const worker = ConnectWorker.open({ broker, log: memoryLog(), plugins: [sink.plugin], config: { 'task.host': 'in-process', 'consumer.max.poll.records': '3', 'value.converter': 'StringConverter' } })
    afterTest(() => worker.stop())
    await worker.start({ name: 'three', config: { 'connector.class': 'KeepingSink', 'topics': 'in' } })
    await until(() => sink.values.length === 6, 'six records are put')
    await worker.remove('three')
    const misspelt = { 'connector.class': 'KeepingSink', 'topics': 'in', 'consumer.override.auto.offset.reset': 'lastest' }
    await expect(worker.start({ name: 'two', config: misspelt })).rejects.toThrow(/Invalid value lastest for configuration consumer\.override\.auto\.offset\.reset/)
    await worker.start({ name: 'two', config: { 'connector.class': 'KeepingSink', 'topics': 'in', 'consumer.override.max.poll.records': '2' } })
    await until(() => sink.values.length === 12, 'six more are put')
    expect(sizes).toEqual([3, 3, 2, 2, 2])
  })

  it('refuses a connection of the connector\'s own, and in a file what has no effect', async () => {
    const { worker } = await openSource({})
    const check = (config: RawConfig) => worker.check({ name: 'fed', config: { 'connector.class': 'FedSource', ...config } })
    await expect(check({ 'producer.override.bootstrap.servers': 'elsewhere:9092' })).rejects.toThrow(/a connector cannot have a connection of its own/)
    await expect(check({ 'consumer.override.made.up': '1' })).rejects.toThrow(/"consumer\.override\.made\.up" has no effect here; these have: auto\.offset\.reset/)
    await expect(check({ 'producer.override.acks': 'maybe' })).rejects.toThrow(/Invalid value maybe for configuration producer\.override\.acks: String must be one of: all, -1, 0, 1/)
    await expect(check({ 'producer.override.buffer.memory': 'much' })).rejects.toThrow(/Invalid value much for configuration producer\.override\.buffer\.memory/)
    await expect(check({ 'producer.override.linger.ms': '100', 'producer.override.acks': 'all' })).resolves.toBeUndefined()
  })
})
