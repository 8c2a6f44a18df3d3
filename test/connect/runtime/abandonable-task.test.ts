/** What people see of a plugin that throws or hangs in one of its methods, and that it can be got rid of. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ConnectWorker } from '../../../src/connect/index.ts'
import type { RawConfig } from '../../../src/connect/index.ts'
import type { ConnectorStateInfo } from '../../../src/connect/runtime/herder/connector-info.ts'
import type { Broker } from '../../../src/core/index.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker, readTopic, temporaryDirectory, until } from './connect-kit.ts'

const taskWorkerUrl = new URL('../../../dist/src/connect/runtime/task-worker.js', import.meta.url)
const plugin = new URL('./fixtures/trouble-plugins.mjs', import.meta.url).href

/** Class, method, what it does there; then what becomes of the connector and of its task, and the first line of the trace. */
type Trouble = readonly [connectorClass: 'Source' | 'Sink' | 'NoTask', method: string, how: 'throws' | 'hangs', connector: string, task: string, trace?: string]

const inProcess: readonly Trouble[] = [
  ['Source', 'connector.start', 'throws', 'FAILED', 'none', 'Error: connector.start is broken'],
  ['Source', 'connector.start', 'hangs', 'UNASSIGNED', 'none'],
  ['Source', 'connector.taskConfigs', 'throws', 'FAILED', 'none', 'Error: connector.taskConfigs is broken'],
  ['Source', 'connector.taskConfigs', 'hangs', 'UNASSIGNED', 'none'],
  ['Source', 'connector.stop', 'throws', 'RUNNING', 'RUNNING'],
  ['Source', 'connector.stop', 'hangs', 'RUNNING', 'RUNNING'],
  ['NoTask', 'createTask', 'throws', 'RUNNING', 'FAILED', 'Error: createTask is broken'],
  ['Source', 'task.start', 'throws', 'RUNNING', 'FAILED', 'Error: task.start is broken'],
  ['Source', 'task.start', 'hangs', 'RUNNING', 'UNASSIGNED'],
  ['Source', 'task.poll', 'throws', 'RUNNING', 'FAILED', 'Error: task.poll is broken'],
  ['Source', 'task.poll', 'hangs', 'RUNNING', 'RUNNING'],
  ['Source', 'task.commitRecord', 'throws', 'RUNNING', 'FAILED', 'Error: task.commitRecord is broken'],
  ['Source', 'task.commit', 'throws', 'RUNNING', 'FAILED', 'Error: task.commit is broken'],
  ['Source', 'task.commit', 'hangs', 'RUNNING', 'RUNNING'],
  ['Source', 'task.stop', 'throws', 'RUNNING', 'RUNNING'],
  ['Source', 'task.stop', 'hangs', 'RUNNING', 'RUNNING'],
  ['Source', 'transform.create', 'throws', 'RUNNING', 'FAILED', 'StreamError: transform.create is broken'],
  ['Source', 'transform.apply', 'throws', 'RUNNING', 'FAILED', 'StreamError: a transform failed for a record of SourceTask'],
  ['Source', 'transform.close', 'throws', 'RUNNING', 'RUNNING'],
  ['Sink', 'task.start', 'throws', 'RUNNING', 'FAILED', 'Error: task.start is broken'],
  ['Sink', 'task.start', 'hangs', 'RUNNING', 'UNASSIGNED'],
  ['Sink', 'task.open', 'throws', 'RUNNING', 'FAILED', 'Error: task.open is broken'],
  ['Sink', 'task.open', 'hangs', 'RUNNING', 'RUNNING'],
  ['Sink', 'task.put', 'throws', 'RUNNING', 'FAILED', 'Error: task.put is broken'],
  ['Sink', 'task.put', 'hangs', 'RUNNING', 'RUNNING'],
  ['Sink', 'task.flush', 'throws', 'RUNNING', 'FAILED', 'Error: task.flush is broken'],
  ['Sink', 'task.flush', 'hangs', 'RUNNING', 'RUNNING'],
  ['Sink', 'task.close', 'throws', 'RUNNING', 'RUNNING'],
  ['Sink', 'task.close', 'hangs', 'RUNNING', 'RUNNING'],
  ['Sink', 'task.stop', 'throws', 'RUNNING', 'RUNNING'],
  ['Sink', 'task.stop', 'hangs', 'RUNNING', 'RUNNING'],
  ['Sink', 'transform.create', 'throws', 'RUNNING', 'FAILED', 'StreamError: transform.create is broken'],
  ['Sink', 'transform.apply', 'throws', 'RUNNING', 'FAILED', 'StreamError: a transform failed for topic in, partition 0, offset'],
  ['Sink', 'transform.close', 'throws', 'RUNNING', 'RUNNING'],
]
const inThread = inProcess.filter(([, method]) => ['task.poll', 'task.put', 'task.stop', 'task.open'].includes(method))

/** They are called when it is deleted. */
const lastMethods: ReadonlySet<string> = new Set(['connector.stop', 'task.close', 'task.stop', 'transform.close'])

const nameOf = ([connectorClass, method, how]: Trouble) => `${connectorClass} ${method} ${how}`

function open(broker: Broker, config: RawConfig) {
  const log = memoryLog()
  const worker = ConnectWorker.open({
    broker, log, taskWorkerUrl,
    config: { 'plugin.path': plugin, 'value.converter': 'StringConverter', 'restart.policy': 'none', 'task.shutdown.graceful.timeout.ms': '300', 'offset.flush.interval.ms': '50', ...config },
  })
  afterTest(() => worker.stop())
  return { worker, herder: worker.herder, log }
}

const topicOf = (name: string) => name.replaceAll(' ', '.')

function configOf([connectorClass, method, how]: Trouble, name: string, marker = ''): RawConfig {
  const trouble = method.startsWith('transform.')
    ? { 'transforms': 't', 'transforms.t.type': 'Troubled', 'transforms.t.in': method.slice('transform.'.length), 'transforms.t.marker': marker }
    : { 'trouble.in': method, 'trouble.how': how, 'trouble.marker': marker }
  return { ...soundConfigOf(connectorClass, name), ...trouble }
}

function soundConfigOf(connectorClass: Trouble[0], name: string): RawConfig {
  return connectorClass === 'Sink' ? { 'connector.class': 'TroubledSink', 'topics': 'in' } : { 'connector.class': connectorClass === 'NoTask' ? 'NoTask' : 'TroubledSource', 'topic': topicOf(name) }
}

/** As the table has it. */
function seen(info: ConnectorStateInfo | undefined): readonly (string | undefined)[] {
  const trace = (info?.connector.trace ?? info?.tasks[0]?.trace)?.split('\n')[0]
  return [info?.connector.state ?? 'none', info?.tasks[0]?.state ?? 'none', ...(trace === undefined ? [] : [trace])]
}

function isAsExpected([, , , connector, task, trace]: Trouble, [connectorSeen, taskSeen, traceSeen]: readonly (string | undefined)[]): boolean {
  return connectorSeen === connector && taskSeen === task && (trace === undefined ? traceSeen === undefined : traceSeen?.startsWith(trace) === true)
}

async function works(broker: Broker, [connectorClass]: Trouble, name: string, from: number): Promise<boolean> {
  if (connectorClass === 'Sink') return ((await broker.groups.describe(`connect-${name}`)).offsets[0]?.offset ?? 0) > from
  return (await broker.topics.list()).includes(topicOf(name)) && (await readTopic(broker, topicOf(name))).length > 3
}

describe.each([
  ['inside the worker, at least once', { 'task.host': 'in-process', 'exactly.once.source.support': 'disabled' }, inProcess],
  ['inside the worker, exactly once', { 'task.host': 'in-process' }, inProcess],
  ['in a thread', { 'task.host': 'thread' }, inThread],
] as const)('plugins that throw or hang %s', (_where, config, troubles) => {
  it('show it, can be deleted and made anew, and hold up nobody else', async () => {
    if (!existsSync(fileURLToPath(taskWorkerUrl))) throw new Error('build first: npm run build')
    const broker = await openBroker()
    const { worker, herder } = open(broker, config)
    const endOfInput = async () => (await broker.topics.listOffsets([{ topic: 'in', partition: 0, at: 'latest' }]))[0]!.offset
    await herder.create({ name: 'sound', config: { 'connector.class': 'TroubledSource', 'topic': 'in' } })
    await until(async () => (await broker.topics.list()).includes('in'), 'the sound connector writes')
    const directory = temporaryDirectory()
    const markerOf = (trouble: Trouble) => join(directory, topicOf(nameOf(trouble)))
    await Promise.all(troubles.map((trouble) => herder.create({ name: nameOf(trouble), config: configOf(trouble, nameOf(trouble), markerOf(trouble)) })))

    const statuses = async () => Promise.all(troubles.map(async (trouble) => [trouble, seen(await herder.status(nameOf(trouble)).catch(() => undefined))] as const))
    await until(async () => (await statuses()).every(([trouble, found]) => isAsExpected(trouble, found)), 'all are as expected').catch(async () => {
      const wrong = (await statuses()).filter(([trouble, found]) => !isAsExpected(trouble, found))
      expect(wrong.map(([trouble, found]) => [nameOf(trouble), ...found])).toEqual(wrong.map(([trouble]) => [nameOf(trouble), ...trouble.slice(3)]))
    })
    const reached = troubles.filter(([, method]) => method !== 'createTask' && !lastMethods.has(method))
    await until(() => reached.every((trouble) => existsSync(markerOf(trouble))), 'each is called that goes wrong')
    expect((await statuses()).filter(([trouble, found]) => !isAsExpected(trouble, found)).map(([trouble]) => nameOf(trouble))).toEqual([])
    const before = await endOfInput()
    await until(async () => await endOfInput() > before, 'the sound connector goes on')

    await Promise.all(troubles.map((trouble) => herder.remove(nameOf(trouble))))
    expect(worker.parts.runner.tasks().map(({ connector }) => connector)).toEqual(['sound'])
    // a task that is slow to end may be ended before it comes to its last methods
    expect(troubles.filter(([, method]) => method === 'connector.stop').filter((trouble) => !existsSync(markerOf(trouble))).map(nameOf)).toEqual([])
    const sound = troubles.filter(([connectorClass]) => connectorClass !== 'NoTask')
    const from = await endOfInput()
    await Promise.all(sound.map((trouble) => herder.create({ name: nameOf(trouble), config: soundConfigOf(trouble[0], nameOf(trouble)) })))
    for (const trouble of sound) await until(() => works(broker, trouble, nameOf(trouble), from), `${nameOf(trouble)} works when it is made anew`)
  }, 90_000)
})

describe('a connector that does not say whether its offsets may be changed', () => {
  it('is told of after a minute, and is not locked for longer', async () => {
    const clock = new ManualClock()
    const worker = ConnectWorker.open({ broker: await openBroker(), clock, log: memoryLog(), config: { 'plugin.path': plugin, 'task.host': 'in-process' } })
    afterTest(() => worker.stop())
    await worker.start({ name: 'mute', config: configOf(['Source', 'connector.alterOffsets', 'hangs', '', ''], 'mute') }, 'STOPPED')
    const altered = worker.herder.alterOffsets('mute', [{ partition: { counter: 1 }, offset: { position: 3 } }]).catch((error: unknown) => error)
    await until(() => clock.pendingTimers > 0, 'it is asked')
    const removed = worker.herder.remove('mute')
    await clock.advance(60_000)
    expect(await altered).toMatchObject({ details: { httpStatus: 500 }, message: 'The connector did not say within 60 s whether its offsets may be changed; they were not' })
    await removed
    expect(worker.status()).toEqual([])
  })
})

describe('a connector whose check of its config hangs', () => {
  it('holds up a patch, and nothing else that is asked of it', async () => {
    const { herder } = open(await openBroker(), { 'task.host': 'in-process' })
    await herder.create({ name: 'slow', config: soundConfigOf('Source', 'slow') })
    void herder.patch('slow', { 'trouble.in': 'connector.validate', 'trouble.how': 'hangs' })
    await herder.setTarget('slow', 'PAUSED')
    await herder.remove('slow')
    expect(herder.names()).toEqual([])
  })
})

describe('a task that fails, and then does not end', () => {
  it.each(['close', 'stop'] as const)('is shown as failed, though its %s hangs', async (method) => {
    const sink = new KeepingSink()
    sink.onPut = () => { throw new Error('the other side has gone') }
    const hanging = { ...sink.plugin, createTask: () => ({ ...sink.plugin.createTask(), [method]: () => new Promise<void>(() => {}) }) }
    const broker = await openBroker()
    await broker.topics.create([{ topic: 'in' }])
    await (await broker.openProducer()).append({ topic: 'in', value: Buffer.from('"x"') })
    const worker = ConnectWorker.open({ broker, plugins: [hanging], log: memoryLog(), config: { 'restart.policy': 'none', 'task.shutdown.graceful.timeout.ms': '200' } })
    afterTest(() => worker.stop())
    await worker.start({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'in' } })
    await until(() => worker.status()[0]!.tasks[0]?.state === 'FAILED', 'it has failed')
    expect(worker.status()[0]!.tasks[0]?.trace).toContain('the other side has gone')
  })
})

describe('a source task that comes back after nobody waited for it', () => {
  it.each(['disabled', 'enabled'])('appends nothing and commits nothing, with exactly.once.source.support=%s', async (support) => {
    const source = new FedSource()
    const broker = await openBroker()
    const worker = ConnectWorker.open({
      broker, plugins: [source.plugin], log: memoryLog(), config: { 'value.converter': 'StringConverter', 'exactly.once.source.support': support, 'task.shutdown.graceful.timeout.ms': '100', 'offset.flush.interval.ms': '10' },
    })
    afterTest(() => worker.stop())
    source.feed('one')
    let comeBack = () => {}
    let isHanging = false
    await worker.start({ name: 'fed', config: { 'connector.class': 'FedSource' } })
    await until(() => source.committed.at(-1) === 1, 'the first record is committed')
    const late = source.record('late')
    source.polls.push(() => new Promise((resolve) => {
      isHanging = true
      comeBack = () => resolve([late])
    }))
    await until(() => isHanging, 'it hangs')
    await worker.herder.restartTask('fed', 0)
    source.feed('two', 'three')
    await until(() => source.committed.at(-1) === 4, 'its successor goes on')
    comeBack()
    await until(() => source.stops === 1, 'it is stopped now that it has come back')
    await worker.stop()
    expect((await readTopic(broker, 'fed')).map(({ value }) => value)).toEqual(['one', 'two', 'three'])
    expect(source.committed).toEqual([1, 4])
    expect((await readTopic(broker, 'connect-offsets')).map(({ value }) => value)).toEqual(['{"position":1}', '{"position":4}'])
  })
})
