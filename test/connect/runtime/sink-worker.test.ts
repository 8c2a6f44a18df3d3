import { describe, expect, it } from 'vitest'
import { ConnectWorker, retriableError } from '../../../src/connect/index.ts'
import type { SinkPlugin, SinkRecord } from '../../../src/connect/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { afterTest, KeepingSink, memoryLog, openBroker, until } from './connect-kit.ts'

async function brokerWith(...values: readonly string[]): Promise<Broker> {
  const broker = await openBroker()
  await broker.topics.create([{ topic: 'words' }])
  const producer = await broker.openProducer()
  for (const value of values) await producer.append({ topic: 'words', value: Buffer.from(value) })
  await producer.close()
  return broker
}

async function startSink(broker: Broker, plugin: SinkPlugin, config: Readonly<Record<string, string>> = {}) {
  const log = memoryLog()
  const worker = ConnectWorker.open({ broker, plugins: [plugin], log, config: { 'task.host': 'in-process', 'value.converter': 'StringConverter', 'offset.flush.interval.ms': '3600000', 'restart.policy': 'none' } })
  afterTest(() => worker.stop())
  await worker.start({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'words', 'consumer.override.max.poll.records': '1', ...config } })
  return { worker, log }
}

describe('a sink that is stopped', () => {
  it('while its target is away commits what it took before', async () => {
    const broker = await brokerWith('one', 'two')
    const sink = new KeepingSink()
    sink.onPut = (records) => { if (records.some(({ value }) => value === 'two')) throw retriableError('it is away') }
    const { worker } = await startSink(broker, sink.plugin)
    await until(() => worker.status()[0]!.tasks[0]?.waitingFor !== undefined, 'it waits')
    await worker.stop()
    expect(sink.values).toEqual(['one'])
    expect((await broker.groups.describe('connect-keep')).offsets).toMatchObject([{ topic: 'words', partition: 0, offset: 1 }])
  })

  it('leaves its group and is stopped, whatever it throws', async () => {
    const broker = await brokerWith('one')
    const sink = new KeepingSink()
    const plugin: SinkPlugin = {
      ...sink.plugin,
      createTask: () => ({ ...sink.plugin.createTask(), close: () => { throw new Error('close went wrong') } }),
    }
    sink.onPut = () => { if (sink.puts === 2) throw new Error('it cannot go on') }
    const { worker, log } = await startSink(broker, plugin)
    await until(() => worker.status()[0]!.tasks[0]?.state === 'FAILED', 'it has failed')
    expect(worker.status()[0]!.tasks[0]!.trace).toContain('it cannot go on')
    expect(sink.calls.at(-1)).toBe('stop')
    expect((await broker.groups.describe('connect-keep')).members).toEqual([])
    expect(log.lines.filter((line) => line.includes('close went wrong'))).toHaveLength(1)
  })
})

describe('a sink that is stopped in front of a record that cannot be converted', () => {
  it('ends, and no rejection is left that nobody waits for', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => { unhandled.push(reason) }
    process.on('unhandledRejection', note)
    afterTest(() => { process.off('unhandledRejection', note) })
    const broker = await brokerWith('"one"', 'no JSON')
    const sink = new KeepingSink()
    let stopped: Promise<void> | undefined
    sink.onPut = (records) => { if (records.length > 0) stopped ??= started.worker.stop() }
    const started = await startSink(broker, sink.plugin, { 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'false' })
    await until(() => stopped !== undefined, 'the first was taken')
    await stopped
    await new Promise((resolve) => { setImmediate(resolve) })
    expect(sink.values).toEqual(['one'])
    expect(unhandled).toEqual([])
  })
})

describe('a sink that is stopped while it waits to join its group', () => {
  it('gives up, and leaves no member behind for which the next start would wait', async () => {
    const broker = await brokerWith('one')
    const other = await broker.joinGroup({ groupId: 'connect-keep', topics: ['words'] })
    const sink = new KeepingSink()
    const { worker, log } = await startSink(broker, sink.plugin)
    await until(async () => (await broker.groups.describe('connect-keep')).state === 'preparing-rebalance', 'it waits for the other member, which does not read')
    await worker.stop()
    expect((await broker.groups.describe('connect-keep')).members.map(({ memberId }) => memberId)).toEqual([other.memberId])
    expect(sink.calls).toEqual(['start', 'stop'])
    expect(log.lines.filter((line) => /abandoned|failed/.test(line))).toEqual([])
  })
})

describe('a sink that seeks in one partition', () => {
  it('is given the records of the others that were read before', async () => {
    const broker = await openBroker()
    await broker.topics.create([{ topic: 'words', partitions: 2 }])
    const producer = await broker.openProducer()
    for (const value of ['one', 'two', 'three']) for (const partition of [0, 1]) await producer.append({ topic: 'words', partition, value: Buffer.from(`${partition}-${value}`) })
    await producer.close()
    const sink = new KeepingSink()
    sink.onPut = (records) => {
      if (records.length > 0 && sink.values.length === 1) sink.context!.seek([{ topic: 'words', partition: records[0]!.originalPartition, offset: 0 }])
    }
    await startSink(broker, sink.plugin)
    await until(() => sink.puts > 12 && sink.values.length >= 7, 'everything was handed over')
    expect(new Set(sink.values)).toEqual(new Set(['0-one', '0-two', '0-three', '1-one', '1-two', '1-three']))
  })
})

describe('a sink that rejects a record while it makes its records durable', () => {
  it('has no offset committed behind it that stands for nothing', async () => {
    const broker = await brokerWith('one', 'two')
    const sink = new KeepingSink()
    const given: SinkRecord[] = []
    sink.onPut = (records) => { given.push(...records) }
    const flush = (): void => {
      for (const record of given.splice(0)) sink.context!.reject(record, new Error('it is too late for it')).catch(() => undefined)
    }
    const plugin: SinkPlugin = { ...sink.plugin, createTask: () => ({ ...sink.plugin.createTask(), flush }) }
    const { worker } = await startSink(broker, plugin)
    await until(() => sink.values.length === 2, 'both were taken')
    sink.context!.requestCommit()
    await until(() => worker.status()[0]!.tasks[0]?.state === 'FAILED', 'it has failed')
    expect(worker.status()[0]!.tasks[0]!.trace).toContain('it is too late for it')
    expect((await broker.groups.describe('connect-keep')).offsets).toEqual([])
  })
})
