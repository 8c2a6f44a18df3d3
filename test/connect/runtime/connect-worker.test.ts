import { describe, expect, it } from 'vitest'
import { connectorError, ConnectWorker, retriableError } from '../../../src/connect/index.ts'
import type { AnyPlugin, RawConfig, SourcePlugin, Struct } from '../../../src/connect/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker, readTopic, until } from './connect-kit.ts'

const quick: RawConfig = { 'task.host': 'in-process', 'offset.flush.interval.ms': '20', 'restart.backoff.ms': '10' }
const text: RawConfig = { 'key.converter': 'StringConverter', 'value.converter': 'StringConverter' }

function openWorker(broker: Broker, plugins: readonly AnyPlugin[], config: RawConfig = {}) {
  const log = memoryLog()
  const worker = ConnectWorker.open({ broker, plugins, log, config: { ...quick, ...config } })
  afterTest(() => worker.stop())
  return { worker, log }
}

async function produce(broker: Broker, topic: string, values: readonly (string | null)[]) {
  const producer = await broker.openProducer()
  await Promise.all(values.map((value) => producer.append({ topic, key: Buffer.from('"k"'), value: value === null ? null : Buffer.from(value) })))
  await producer.close()
}

describe('what is shown of a connector that takes long to start', () => {
  /** A source whose starts wait until a test lets them go. */
  function slowSource(part: 'connector' | 'task') {
    const waiting: (() => void)[] = []
    const wait = () => new Promise<void>((resolve) => { waiting.push(resolve) })
    const { plugin } = new FedSource()
    const slow: SourcePlugin = {
      ...plugin,
      createConnector: () => ({ ...plugin.createConnector(), ...(part === 'connector' && { start: wait }) }),
      createTask: () => ({ ...plugin.createTask(), ...(part === 'task' && { start: wait }) }),
    }
    return { slow, waiting, letGo: () => waiting.splice(0).forEach((resolve) => resolve()) }
  }

  it('is a task that is not RUNNING before its start has returned', async () => {
    const { slow, waiting, letGo } = slowSource('task')
    const { worker } = openWorker(await openBroker(), [slow], text)
    const shown = async () => (await worker.herder.status('fed')).tasks.map(({ state }) => state)
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => waiting.length === 1, 'it starts')
    expect(await shown()).toEqual(['UNASSIGNED'])
    letGo()
    await until(async () => (await shown())[0] === 'RUNNING', 'it runs')
    await worker.herder.restartTask('fed', 0)
    await until(() => waiting.length === 1, 'it starts again')
    expect(await shown()).toEqual(['RESTARTING'])
    await worker.pause('fed')
    letGo()
    await until(async () => (await shown())[0] === 'PAUSED', 'it is paused when it has started')
    await worker.resume('fed')
    expect(await shown()).toEqual(['RUNNING'])
  })

  it('is a connector that is not what it was before', async () => {
    const { slow, waiting, letGo } = slowSource('connector')
    const { worker } = openWorker(await openBroker(), [slow], text)
    const shown = async () => (await worker.herder.status('fed')).connector.state
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => waiting.length === 1, 'it starts')
    expect(await shown()).toBe('UNASSIGNED')
    letGo()
    await until(async () => (await shown()) === 'RUNNING', 'it runs')
    void worker.herder.put({ name: 'fed', config: { 'connector.class': 'FedSource', 'limit': '2' } })
    await until(() => waiting.length === 1, 'it starts with its new config')
    expect(await shown()).toBe('UNASSIGNED')
    letGo()
    await until(async () => (await shown()) === 'RUNNING', 'it runs again')
    await worker.herder.restartConnector('fed')
    await until(() => waiting.length === 1, 'it is started again')
    expect(await shown()).toBe('RESTARTING')
    letGo()
    await until(async () => (await shown()) === 'RUNNING', 'it runs once more')
  })
})

describe('what a task writes to the log', () => {
  it('says which task it is', async () => {
    const source = new FedSource()
    const { worker, log } = openWorker(await openBroker(), [source.plugin], text)
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => source.context !== undefined, 'it has started')
    source.context!.log.info('the slot was made')
    expect(log.lines).toEqual(['info: SourceTask fed-0: the slot was made'])
  })
})

describe('a source connector', () => {
  it.each(['enabled', 'disabled'])('appends what it polls and goes on behind it after a restart (exactly once: %s)', async (support) => {
    const broker = await openBroker()
    const source = new FedSource()
    source.feed('one', 'two')
    source.feed('three')
    const config = { ...text, 'exactly.once.source.support': support }
    const first = openWorker(broker, [source.plugin], config)
    await first.worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => source.committed.at(-1) === 3, 'offset 3 is committed')
    await first.worker.stop()
    expect(source.stops).toBe(1)
    const second = openWorker(broker, [source.plugin], config)
    source.feed('four')
    await second.worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => source.committed.at(-1) === 4, 'offset 4 is committed')
    expect(source.started).toEqual([undefined, 3])
    expect((await readTopic(broker, 'fed')).map(({ value }) => value)).toEqual(['one', 'two', 'three', 'four'])
    expect(second.worker.status()).toMatchObject([{ name: 'fed', type: 'source', connector: { state: 'RUNNING' }, tasks: [{ id: 0, state: 'RUNNING', records: 1 }] }])
  })

  it('tells the task where each record went, in order', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    source.feed('a', 'b')
    source.feed('c')
    const { worker } = openWorker(broker, [source.plugin], { ...text, 'exactly.once.source.support': 'disabled' })
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => source.acknowledged.length === 3, 'three records are acknowledged')
    expect(source.acknowledged).toEqual(['a@0', 'b@1', 'c@2'])
  })

  it('writes offsets as Kafka Connect does', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    source.feed('one')
    const { worker } = openWorker(broker, [source.plugin], text)
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => source.committed.length === 1, 'the offset is committed')
    expect(await readTopic(broker, 'connect-offsets')).toMatchObject([{ key: '["fed",{"log":"a"}]', value: '{"position":1}' }])
    const [topic] = await broker.topics.describe(['connect-offsets'])
    expect(topic!.configs).toContainEqual({ name: 'cleanup.policy', value: 'compact', source: 'topic' })
  })

  it('commits nothing of a poll whose batch fails, and appends it once after the restart', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    source.feed('one')
    source.polls.push(() => { throw connectorError('the well is poisoned') })
    source.feed('two')
    const { worker, log } = openWorker(broker, [source.plugin], text)
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => source.committed.at(-1) === 2, 'offset 2 is committed')
    expect(source.started).toEqual([undefined, 1])
    expect((await readTopic(broker, 'fed')).map(({ value }) => value)).toEqual(['one', 'two'])
    expect(log.lines.filter((line) => line.includes('the well is poisoned'))).toHaveLength(1)
    expect(worker.status()[0]!.tasks[0]).toMatchObject({ state: 'RUNNING', attempts: 1, records: 2 })
  })

  it('waits out a retriable error, says so once, and resumes without a restart', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    for (let tries = 0; tries < 2; tries++) source.polls.push(() => { throw retriableError('the well is dry') })
    source.feed('water')
    const { worker, log } = openWorker(broker, [source.plugin], text)
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource', 'errors.retry.delay.max.ms': '10' } })
    await until(() => source.committed.length === 1, 'the record arrives')
    expect(source.started).toHaveLength(1)
    expect(log.lines.filter((line) => line.includes('the well is dry'))).toHaveLength(1)
    expect(log.lines.filter((line) => line.includes('works again'))).toHaveLength(1)
  })

  it('stays failed, with the reason in its status, when there is no restart policy', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    source.polls.push(() => { throw connectorError('no more') })
    const { worker } = openWorker(broker, [source.plugin], { ...text, 'restart.policy': 'none' })
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => worker.status()[0]!.tasks[0]?.state === 'FAILED', 'the task fails')
    expect(worker.status()[0]!.tasks[0]!.trace).toContain('no more')
    expect(worker.failure()).toBeInstanceOf(Error)
  })

  it('skips records that cannot be converted when told so, and their offsets advance', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    source.polls.push(() => [source.record('good'), { ...source.record('x'), value: 5 }])
    const { worker } = openWorker(broker, [source.plugin], { 'value.converter': 'ByteArrayConverter' })
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource', 'errors.tolerance': 'all' } })
    await until(() => source.committed.at(-1) === 2, 'both offsets are committed')
    expect(source.acknowledged).toEqual(['good@dropped', '5@dropped'])
    expect(worker.status()[0]!.tasks[0]).toMatchObject({ records: 0, skipped: 2 })
  })

  it('rests while it is paused', async () => {
    const broker = await openBroker()
    const source = new FedSource()
    source.feed('one')
    const { worker } = openWorker(broker, [source.plugin], text)
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => source.committed.length === 1, 'the first is committed')
    await worker.pause('fed')
    await until(() => worker.status()[0]!.tasks[0]!.state === 'PAUSED', 'it is paused')
    await worker.resume('fed')
    source.feed('two')
    await until(() => source.committed.at(-1) === 2, 'the second is committed')
    expect(source.stops).toBe(0)
  })
})

describe('a sink connector', () => {
  it('hands over what is in the topic once, also over a restart', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    await broker.topics.create([{ topic: 'in', partitions: 2 }])
    await produce(broker, 'in', ['"a"', '"b"'])
    const config = { 'connector.class': 'KeepingSink', 'topics': 'in' }
    const first = openWorker(broker, [sink.plugin])
    await first.worker.start({ name: 'keep', config })
    await until(() => sink.values.length === 2, 'two records are put')
    await first.worker.stop()
    expect(sink.calls).toEqual(['start', 'open', 'put', 'flush', 'close', 'stop'])
    await produce(broker, 'in', ['"c"'])
    const second = openWorker(broker, [sink.plugin])
    await second.worker.start({ name: 'keep', config })
    await until(() => sink.values.length === 3, 'the third is put')
    expect(sink.values).toEqual(['a', 'b', 'c'])
    expect((await broker.groups.describe('connect-keep')).offsets.reduce((sum, { offset }) => sum + offset, 0)).toBeGreaterThanOrEqual(2)
  })

  it('waits for a topic that does not exist yet', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    const { worker, log } = openWorker(broker, [sink.plugin])
    await worker.start({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'later' } })
    await until(() => worker.status()[0]!.tasks[0]?.waitingFor !== undefined, 'it says that it waits')
    await broker.topics.create([{ topic: 'later' }])
    await produce(broker, 'later', ['1'])
    await until(() => sink.values.length === 1, 'the record is put')
    expect(log.lines.filter((line) => line.includes('waiting for a topic'))).toHaveLength(1)
    expect(worker.status()[0]!.tasks[0]!.waitingFor).toBeUndefined()
  })

  it('hands over the same records again after a retriable error', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    let failures = 0
    sink.onPut = (records) => {
      if (records.length > 0 && failures++ < 3) throw retriableError('the target is away')
    }
    await broker.topics.create([{ topic: 'in' }])
    await produce(broker, 'in', ['1', '2'])
    const { worker, log } = openWorker(broker, [sink.plugin])
    await worker.start({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'in', 'errors.retry.delay.max.ms': '5' } })
    await until(() => sink.values.length === 2, 'both records are put')
    expect(sink.values).toEqual([1, 2])
    expect(log.lines.filter((line) => line.includes('the target is away'))).toHaveLength(1)
  })

  it('sends what it cannot read, and what the task rejects, to the dead-letter topic with the reason', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    sink.onPut = async (records) => {
      for (const record of records) if (record.value === 2) await sink.context!.reject(record, new Error('too even'))
    }
    await broker.topics.create([{ topic: 'in' }])
    await produce(broker, 'in', ['1', '{', '2', '3'])
    const { worker, log } = openWorker(broker, [sink.plugin])
    await worker.start({
      name: 'keep',
      config: {
        'connector.class': 'KeepingSink', 'topics': 'in', 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': 'dead',
        'errors.deadletterqueue.context.headers.enable': 'true',
      },
    })
    await until(() => sink.values.length === 3, 'the readable records are put')
    const dead = await readTopic(broker, 'dead')
    expect(dead.map(({ key, value }) => [key, value])).toEqual([['"k"', '{'], ['"k"', '2']])
    expect(dead[0]!.headers).toMatchObject({
      '__connect.errors.topic': 'in', '__connect.errors.partition': '0', '__connect.errors.offset': '1', '__connect.errors.connector.name': 'keep',
      '__connect.errors.task.id': '0', '__connect.errors.stage': 'VALUE_CONVERTER', '__connect.errors.class.name': 'org.apache.kafka.connect.json.JsonConverter',
    })
    expect(dead[1]!.headers).toMatchObject({ '__connect.errors.stage': 'TASK_PUT', '__connect.errors.exception.message': 'too even', '__connect.errors.class.name': 'test.KeepingSink' })
    expect(log.lines.filter((line) => line.includes('records go to the dead letters in dead; the first one because'))).toHaveLength(1)
  })

  it('searches a batch that the task refuses for the record to blame, where that is asked for', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    sink.onPut = (records) => {
      if (records.some(({ value }) => value === 4)) throw connectorError('four is right out')
    }
    await broker.topics.create([{ topic: 'in' }])
    await produce(broker, 'in', ['1', '2', '3', '4', '5'])
    const { worker } = openWorker(broker, [sink.plugin])
    await worker.start({
      name: 'keep',
      config: { 'connector.class': 'KeepingSink', 'topics': 'in', 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': 'dead', 'errors.sink.bisect': 'true' },
    })
    await until(() => sink.values.length === 4, 'the others are put')
    expect(sink.values).toEqual([1, 2, 3, 5])
    await until(async () => (await readTopic(broker, 'dead')).length === 1, 'the one to blame is kept')
    expect((await readTopic(broker, 'dead')).map(({ value }) => value)).toEqual(['4'])
    expect(worker.status()[0]!.tasks[0]).toMatchObject({ state: 'RUNNING', skipped: 1 })
  })

  it('blames no record for what the task says is no record\'s fault', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    let isAllowed = false
    sink.onPut = (records) => {
      if (records.length > 0 && !isAllowed) throw connectorError('a permission is missing', { details: { ofNoRecord: true } })
      if (records.some(({ value }) => value === 4)) throw new Error('a batch with four in it')
    }
    await broker.topics.create([{ topic: 'in' }, { topic: 'dead' }])
    await produce(broker, 'in', ['1', '2', '3', '4', '5'])
    const { worker } = openWorker(broker, [sink.plugin])
    await worker.start({
      name: 'keep',
      config: { 'connector.class': 'KeepingSink', 'topics': 'in', 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': 'dead', 'errors.sink.bisect': 'true' },
    })
    await until(() => worker.status()[0]!.tasks[0]?.trace?.includes('a permission is missing') === true, 'the task fails')
    isAllowed = true
    await until(() => sink.values.length === 4, 'the others are put')
    expect(sink.values).toEqual([1, 2, 3, 5])
    await until(async () => (await readTopic(broker, 'dead')).length === 1, 'the one to blame is kept')
    expect((await readTopic(broker, 'dead')).map(({ value }) => value)).toEqual(['4'])
  })

  it('fails on an unreadable record when that is not tolerated, and says which it was', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    await broker.topics.create([{ topic: 'in' }])
    await produce(broker, 'in', ['1', '{'])
    const { worker } = openWorker(broker, [sink.plugin], { 'restart.policy': 'none' })
    await worker.start({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'in' } })
    await until(() => worker.status()[0]!.tasks[0]?.state === 'FAILED', 'the task fails')
    expect(worker.status()[0]!.tasks[0]!.trace).toContain('topic in, partition 0, offset 1')
  })

  it('goes on from offsets that the task keeps itself', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    sink.onOpen = () => sink.context!.seek([{ topic: 'in', partition: 0, offset: 2 }])
    await broker.topics.create([{ topic: 'in' }])
    await produce(broker, 'in', ['1', '2', '3'])
    const { worker } = openWorker(broker, [sink.plugin])
    await worker.start({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'in' } })
    await until(() => sink.values.length > 0, 'a record is put')
    expect(sink.values).toEqual([3])
  })

  it('reads topics that appear later, also when it keeps its offsets itself', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    sink.onOpen = () => sink.context!.seek([{ topic: 'in-a', partition: 0, offset: 1 }])
    await broker.topics.create([{ topic: 'in-a' }])
    await produce(broker, 'in-a', ['1', '2'])
    const { worker, log } = openWorker(broker, [sink.plugin])
    await worker.start({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics.regex': 'in-.*', 'consumer.override.metadata.max.age.ms': '50' } })
    await until(() => sink.values.length === 1, 'the second of the first topic is put')
    await broker.topics.create([{ topic: 'in-b' }, { topic: 'out' }])
    await produce(broker, 'in-b', ['3', '4'])
    await until(() => sink.values.includes(4), 'the other topic is read')
    expect(new Set(sink.values)).toEqual(new Set([2, 3, 4]))
    expect(log.lines.filter((line) => line.includes('failed'))).toEqual([])
    expect(worker.status()[0]!.tasks[0]).toMatchObject({ state: 'RUNNING', attempts: 0 })
  })

  it('divides the partitions among its tasks', async () => {
    const broker = await openBroker()
    const sink = new KeepingSink()
    await broker.topics.create([{ topic: 'in', partitions: 4 }])
    const { worker } = openWorker(broker, [sink.plugin])
    await worker.start({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'in', 'tasks.max': '2' } })
    const shares = async () => (await broker.groups.describe('connect-keep')).members.map(({ assignment }) => assignment.length)
    await until(async () => (await shares()).join() === '2,2', 'both own two partitions')
    await produce(broker, 'in', ['1'])
    await until(() => sink.values.length === 1, 'the record is put')
  })
})

describe('a config', () => {
  it('is refused with every complaint, and the nearest key that is known', async () => {
    const broker = await openBroker()
    const { worker } = openWorker(broker, [new FedSource().plugin])
    const start = worker.start({ name: 'fed', config: { 'connector.class': 'FedSource', 'task.max': '2', 'limit': 'many', 'tasks.max': '0' } })
    await expect(start).rejects.toThrow(/contains the following 3 error\(s\):\nUnknown configuration "task\.max"; did you mean "tasks\.max"\?\n.*tasks\.max.*\n.*Not a number of type INT/)
  })

  it('names the nearest connector class', async () => {
    const broker = await openBroker()
    const { worker } = openWorker(broker, [new FedSource().plugin])
    await expect(worker.start({ name: 'fed', config: { 'connector.class': 'FedSoruce' } })).rejects.toThrow(/did you mean/)
  })

  it('of a worker is checked as strictly', async () => {
    const broker = await openBroker()
    expect(() => ConnectWorker.open({ broker, config: { 'offset.flush.interval': '5' } })).toThrow('Unknown configuration "offset.flush.interval"; did you mean "offset.flush.interval.ms"?')
  })

  it('needs topics, one way or the other', async () => {
    const broker = await openBroker()
    const { worker } = openWorker(broker, [new KeepingSink().plugin])
    await expect(worker.start({ name: 'keep', config: { 'connector.class': 'KeepingSink' } })).rejects.toThrow('Must configure one of topics or topics.regex')
  })
})

describe('transforms', () => {
  it('change what a source appends and what a sink is handed, and dropped records advance the offset', async () => {
    const broker = await openBroker()
    const [source, sink] = [new FedSource(), new KeepingSink()]
    source.polls.push(() => ['one', ''].map((value) => ({ ...source.record(value), ...(value === '' && { value: null }) })))
    const { worker } = openWorker(broker, [source.plugin, sink.plugin], text)
    await worker.start({
      name: 'fed',
      config: {
        'connector.class': 'FedSource', 'transforms': 'drop,route', 'transforms.drop.type': 'Filter', 'transforms.drop.predicate': 'empty',
        'predicates': 'empty', 'predicates.empty.type': 'RecordIsTombstone',
        'transforms.route.type': 'RegexRouter', 'transforms.route.regex': 'fed', 'transforms.route.replacement': 'routed',
      },
    })
    await until(() => source.committed.at(-1) === 2, 'both offsets are committed')
    await worker.start({
      name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'routed', 'transforms': 'wrap', 'transforms.wrap.type': 'HoistField$Value', 'transforms.wrap.field': 'line' },
    })
    await until(() => sink.values.length > 0, 'a record is put')
    expect(sink.values.map((value) => (value as Struct).get('line'))).toEqual(['one'])
  })
})
