import { describe, expect, it } from 'vitest'
import { configSpec, ConnectWorker, retriableError } from '../../../src/connect/index.ts'
import type { SourcePlugin, SourcePoll } from '../../../src/connect/index.ts'
import { openEmbeddedBroker, sleep, systemClock } from '../../../src/core/index.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'
import { afterTest, FedSource, memoryLog, openBroker, readTopic, until } from './connect-kit.ts'

const last = 300
const padding = 'x'.repeat(1000)

/** Counts to `last`, going on behind its committed offset. */
const counter: SourcePlugin = {
  type: 'source', class: 'test.Counter', version: '1', config: configSpec({}),
  createConnector: () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {} }),
  createTask: () => {
    let next = 1
    return {
      start: async (_config, context) => { next = Number((await context.offsets([{}]))[0]?.['count'] ?? 0) + 1 },
      poll: async (signal) => {
        await sleep(systemClock, 1, signal)
        if (next > last) return null
        return Array.from({ length: Math.min(10, last - next + 1) }, () => {
          const count = next++
          return { topic: 'counts', value: `${count} ${padding}`, sourcePartition: {}, sourceOffset: { count } }
        })
      },
      stop: () => {},
    }
  },
}

describe('a source on a full disk', () => {
  it.each(['enabled', 'disabled'])('waits, says so, and goes on when there is room (exactly once: %s)', async (support) => {
    let capacityBytes = 150_000
    const fileSystem = new MemoryFileSystem({ get capacityBytes() { return capacityBytes } })
    const broker = await openEmbeddedBroker({ directory: '/data', fileSystem })
    afterTest(() => broker.close())
    const log = memoryLog()
    const worker = ConnectWorker.open({
      broker, plugins: [counter], log,
      config: { 'task.host': 'in-process', 'value.converter': 'StringConverter', 'exactly.once.source.support': support, 'offset.flush.interval.ms': '10', 'restart.backoff.ms': '10', 'restart.backoff.max.ms': '5000' },
    })
    afterTest(() => worker.stop())
    await worker.start({ name: 'count', config: { 'connector.class': 'Counter' } })
    await until(() => worker.status()[0]!.tasks[0]?.state === 'RESTARTING', 'the disk is full')
    expect(worker.status()[0]!.tasks[0]!.trace).toMatch(/space/)
    capacityBytes = Infinity
    const counts = async () => (await readTopic(broker, 'counts')).map(({ value }) => Number(value!.split(' ')[0]))
    await until(async () => (await broker.topics.list()).includes('counts') && (await counts()).includes(last), 'the last count is there')
    const all = Array.from({ length: last }, (_, index) => index + 1)
    if (support === 'enabled') expect(await counts()).toEqual(all)
    expect(new Set(await counts())).toEqual(new Set(all))
    expect(log.lines.filter((line) => line.includes('space'))).toHaveLength(1)
  })
})

describe('a source that is stopped', () => {
  it.each([['disabled', {}], ['enabled', { 'transaction.boundary': 'interval', 'transaction.boundary.interval.ms': '3600000' }]])('while what it reads is away commits what it gave before: nothing comes twice (exactly once: %s)', async (support, boundary) => {
    const broker = await openBroker()
    const source = new FedSource()
    const open = () => {
      const worker = ConnectWorker.open({ broker, plugins: [source.plugin], log: memoryLog(), config: { 'task.host': 'in-process', 'value.converter': 'StringConverter', 'exactly.once.source.support': support, 'offset.flush.interval.ms': '3600000' } })
      afterTest(() => worker.stop())
      return worker
    }
    source.feed('one', 'two')
    source.polls.push(() => { throw retriableError('it is away') })
    const first = open()
    await first.start({ name: 'fed', config: { 'connector.class': 'FedSource', ...boundary } })
    await until(() => first.status()[0]!.tasks[0]?.waitingFor !== undefined, 'it waits')
    await first.stop()
    const second = open()
    source.feed('three')
    await second.start({ name: 'fed', config: { 'connector.class': 'FedSource', ...boundary } })
    await until(() => source.polls.length === 0, 'it has given the third')
    await second.stop()
    expect(source.started).toEqual([undefined, 2])
    expect((await readTopic(broker, 'fed')).map(({ value }) => value)).toEqual(['one', 'two', 'three'])
  })

  it('and cannot stop cleanly does not hide why it failed', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    const plugin: SourcePlugin = { ...source.plugin, createTask: () => ({ start: () => { throw new Error('there is no such place') }, poll: async () => null, stop: () => { throw new TypeError('undefined is not a client') } }) }
    const log = memoryLog()
    const worker = ConnectWorker.open({ broker, plugins: [plugin], log, config: { 'task.host': 'in-process', 'restart.policy': 'none' } })
    afterTest(() => worker.stop())
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => worker.status()[0]!.tasks[0]?.state === 'FAILED', 'it has failed')
    expect(worker.status()[0]!.tasks[0]!.trace).toContain('there is no such place')
    expect(log.lines).toContainEqual('warn: SourceTask fed-0: did not stop cleanly: undefined is not a client')
  })
})

describe('a source that gives positions without records', () => {
  /** Each run tells what is stored, then moves `a` on and forgets `b`. */
  function mover(seen: unknown[]): SourcePlugin {
    return {
      type: 'source', class: 'test.Mover', version: '1', config: configSpec({}),
      createConnector: () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {} }),
      createTask: () => {
        let given = false
        return {
          start: async (_config, context) => { seen.push(await context.allOffsets()) },
          poll: async (signal) => {
            await sleep(systemClock, 1, signal)
            if (given) return null
            given = true
            return [
              { topic: 'moves', value: 'one', sourcePartition: { of: 'b' }, sourceOffset: { at: 1 } },
              { sourcePartition: { of: 'a' }, sourceOffset: { at: seen.length } },
              ...(seen.length > 1 ? [{ sourcePartition: { of: 'b' }, sourceOffset: null }] : []),
            ]
          },
          stop: () => {},
        }
      },
    }
  }

  it.each(['enabled', 'disabled'])('stores and forgets them with the records around them (exactly once: %s)', async (support) => {
    const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem() })
    afterTest(() => broker.close())
    const seen: unknown[] = []
    for (let run = 0; run < 3; run++) {
      const config = { 'task.host': 'in-process', 'value.converter': 'StringConverter', 'exactly.once.source.support': support, 'offset.flush.interval.ms': '10' }
      const worker = ConnectWorker.open({ broker, plugins: [mover(seen)], log: memoryLog(), config })
      await worker.start({ name: 'moves', config: { 'connector.class': 'Mover' } })
      await until(async () => (await broker.topics.list()).includes('moves') && (await readTopic(broker, 'moves')).length > run, 'the record is there')
      await worker.stop()
    }
    // which of two partitions is committed first depends on when its records were acknowledged
    const sorted = seen.map((each) => (each as readonly unknown[]).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)))
    expect(sorted).toEqual([[], [[{ of: 'a' }, { at: 1 }], [{ of: 'b' }, { at: 1 }]], [[{ of: 'a' }, { at: 2 }]]])
  })
})

describe('a source that gives spans of JSON', () => {
  const json = Buffer.from('{"id":9007199254740993}{"id":9007199254740993,"at":1.5}{"id":2}')
  const spans: SourcePoll = {
    topic: 'rows', sourcePartition: { of: 'a' }, bytes: json, keySpans: Uint32Array.of(0, 23, 55, 63, 1, 0), spans: Uint32Array.of(23, 55, 1, 0, 55, 63),
    recordCount: 3, valueType: 'json', timestamp: 7, sourceOffset: (index) => ({ at: index }),
  }
  const plugin: SourcePlugin = {
    type: 'source', class: 'test.Spans', version: '1', config: configSpec({}),
    createConnector: () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {} }),
    createTask: () => {
      let given = false
      return {
        start: () => {},
        poll: async (signal) => {
          await sleep(systemClock, 1, signal)
          if (given) return null
          given = true
          return spans
        },
        stop: () => {},
      }
    },
  }

  const whole = { 'key.converter': 'JsonConverter', 'key.converter.schemas.enable': 'false', 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'false' }
  it.each([
    ['as they are', whole, ['{"id":9007199254740993} {"id":9007199254740993,"at":1.5}', '{"id":2} null', 'null {"id":2}']],
    ['through transforms', { ...whole, 'transforms': 'add', 'transforms.add.type': 'InsertField$Value', 'transforms.add.static.field': 'x', 'transforms.add.static.value': 'y' },
      ['{"id":9007199254740993} {"id":9007199254740993,"at":1.5,"x":"y"}', '{"id":2} null', 'null {"id":2,"x":"y"}']],
    ['through other converters', { ...whole, 'key.converter': 'StringConverter' }, ['{id=9007199254740993} {"id":9007199254740993,"at":1.5}', '{id=2} null', 'null {"id":2}']],
  ] as const)('gives them to the topic %s, with keys and without values', async (_way, config, expected) => {
    const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem() })
    afterTest(() => broker.close())
    const worker = ConnectWorker.open({ broker, plugins: [plugin], log: memoryLog(), config: { 'task.host': 'in-process' } })
    afterTest(() => worker.stop())
    await worker.start({ name: 'spans', config: { 'connector.class': 'Spans', ...config } })
    await until(async () => (await broker.topics.list()).includes('rows') && (await readTopic(broker, 'rows')).length === 3, 'all are there')
    expect((await readTopic(broker, 'rows')).map(({ key, value }) => `${key} ${value}`)).toEqual(expected)
  })
})

describe('a source whose span fits neither into its topic nor into the dead letters', () => {
  it('fails, and no position behind that record is committed', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    const bytes = Buffer.alloc(2_000_000, 'x')
    source.polls.push(() => ({
      topic: 'fed', sourcePartition: { log: 'a' }, bytes, spans: Uint32Array.of(0, 3, 0, bytes.length), recordCount: 2, valueType: 'string', timestamp: 1,
      sourceOffset: (index) => ({ position: index + 1 }),
    }))
    const worker = ConnectWorker.open({ broker, plugins: [source.plugin], log: memoryLog(), config: { 'task.host': 'in-process', 'value.converter': 'StringConverter', 'exactly.once.source.support': 'disabled', 'restart.policy': 'none' } })
    afterTest(() => worker.stop())
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource', 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': 'dead' } })
    await until(() => worker.status()[0]!.tasks[0]?.state === 'FAILED', 'it has failed')
    expect(source.committed).toEqual([])
  })
})

describe('a source whose span does not fit into its topic', () => {
  it('keeps it as a dead letter with its key, and with where it stands in the source', async () => {
    const broker = await openBroker()
    await broker.topics.create([{ topic: 'fed', configs: { 'max.message.bytes': '1000' } }])
    const source = new FedSource()
    const bytes = Buffer.concat([Buffer.from('k1onek2'), Buffer.alloc(2000, 'x'), Buffer.from('k3three')])
    const asked: number[] = []
    source.polls.push(() => ({
      topic: 'fed', sourcePartition: { log: 'a' }, bytes, keySpans: Uint32Array.of(0, 2, 5, 7, 2007, 2009), spans: Uint32Array.of(2, 5, 7, 2007, 2009, 2014), recordCount: 3, valueType: 'string', timestamp: 1,
      sourceOffset: (index) => {
        asked.push(index)
        return { position: index + 1 }
      },
    }))
    const worker = ConnectWorker.open({ broker, plugins: [source.plugin], log: memoryLog(), config: { 'task.host': 'in-process', 'key.converter': 'StringConverter', 'value.converter': 'StringConverter', 'offset.flush.interval.ms': '10' } })
    afterTest(() => worker.stop())
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource', 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': 'dead', 'errors.deadletterqueue.context.headers.enable': 'true' } })
    await until(() => source.committed.at(-1) === 3, 'all are done with')
    expect((await readTopic(broker, 'fed')).map(({ key, value }) => `${key} ${value}`)).toEqual(['k1 one', 'k3 three'])
    const [letter] = await readTopic(broker, 'dead')
    expect(letter).toMatchObject({ key: 'k2', headers: { '__connect.errors.topic': 'fed', '__connect.errors.source.partition': '{"log":"a"}', '__connect.errors.source.offset': '{"position":2}', '__connect.errors.stage': 'KAFKA_PRODUCE' } })
    expect(letter!.value).toHaveLength(2000)
    expect(asked).toEqual(asked.toSorted((a, b) => a - b))
  })
})
