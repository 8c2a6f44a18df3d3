import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConnectWorker, dryRun } from '../../../src/connect/index.ts'
import type { DryRecord, DryRunOptions, NamedConfig } from '../../../src/connect/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker, temporaryDirectory, until } from '../runtime/connect-kit.ts'

async function run(named: NamedConfig, options: Partial<DryRunOptions> = {}): Promise<readonly DryRecord[]> {
  const found: DryRecord[] = []
  for await (const record of dryRun(named, { broker: null, maxRecords: 10, maxWaitMs: 200, signal: AbortSignal.timeout(60_000), ...options })) found.push(record)
  return found
}

function fileConfig(lines: string, more: Readonly<Record<string, string>> = {}): NamedConfig {
  const path = join(temporaryDirectory(), 'in.log')
  writeFileSync(path, lines)
  return { name: 'lines', config: { 'connector.class': 'FileSource', path, 'topic': 'lines', 'value.converter': 'StringConverter', ...more } }
}

/** Everything that a run could leave behind. */
async function traces(broker: Broker) {
  const topics = await broker.topics.list()
  const ends = await broker.topics.listOffsets((await broker.topics.describe(topics)).flatMap(({ topic, partitions }) => partitions.map(({ partition }) => ({ topic, partition, at: 'latest' as const }))))
  return { topics, ends, groups: await broker.groups.list() }
}

describe('a dry run of a source', () => {
  it('shows records as they would stand in the topic, and what transforms drop', async () => {
    const found = await run(fileConfig('one\ntwo\n', {
      'transforms': 'route,drop', 'transforms.route.type': 'RegexRouter', 'transforms.route.regex': '(.*)', 'transforms.route.replacement': 'all-$1',
      'transforms.drop.type': 'Filter', 'transforms.drop.predicate': 'never', 'predicates': 'never', 'predicates.never.type': 'TopicNameMatches', 'predicates.never.pattern': 'x',
    }))
    expect(found.map(({ outcome }) => outcome)).toMatchObject([{ kind: 'record', topic: 'all-lines', key: null, value: 'one' }, { kind: 'record', topic: 'all-lines', value: 'two' }])
    const dropped = await run(fileConfig('one\n', { 'transforms': 'drop', 'transforms.drop.type': 'Filter' }))
    expect(dropped.map(({ outcome }) => outcome)).toEqual([{ kind: 'dropped' }])
  })

  it('ends after as many records as were asked for', async () => {
    expect(await run(fileConfig('a\nb\nc\n'), { maxRecords: 2 })).toHaveLength(2)
  })

  it('says where a record fails, and goes on', async () => {
    const source = new FedSource()
    source.polls.push(() => [{ ...source.record('x'), value: { a: 1 } }, source.record('ok')])
    const plugin = { ...source.plugin, onlyReadsUntilCommit: true }
    const found = await run({ name: 'fed', config: { 'connector.class': 'FedSource', 'value.converter': 'ByteArrayConverter' } }, { plugins: [plugin] })
    expect(found.map(({ outcome }) => outcome.kind === 'refused' && outcome.stage)).toEqual(['VALUE_CONVERTER', 'VALUE_CONVERTER'])
  })

  it('goes on where the connector stands, and leaves no trace in the log', async () => {
    const broker = await openBroker()
    const named = fileConfig('a\nb\n')
    const worker = ConnectWorker.open({ broker, log: memoryLog(), config: { 'task.host': 'in-process' } })
    await worker.start(named)
    await until(() => worker.status()[0]?.tasks[0]?.records === 2, 'two lines are in the topic')
    await worker.stop()
    writeFileSync(named.config['path']!, 'a\nb\nc\n')
    const before = await traces(broker)
    const found = await run(named, { broker })
    expect(found.map(({ outcome }) => outcome.kind === 'record' && outcome.value)).toEqual(['c'])
    expect(await traces(broker)).toEqual(before)
  })

  it('refuses a source that does not say that polling it has no effect, before it is started', async () => {
    const source = new FedSource()
    await expect(run({ name: 'fed', config: { 'connector.class': 'FedSource' } }, { plugins: [source.plugin] })).rejects.toThrow('test.FedSource cannot be run dry')
    expect(source.started).toEqual([])
  })

  it('refuses what a worker would refuse', async () => {
    await expect(run({ name: 'x', config: { 'connector.class': 'FileSource', 'path': 'a', 'topi': 'b' } })).rejects.toThrow('Missing required configuration "topic"')
  })
})

describe('a dry run of a sink', () => {
  it('shows what put would get, reads on from the committed offsets, joins no group and calls no sink', async () => {
    const broker = await openBroker()
    await broker.topics.create([{ topic: 'in' }])
    const producer = await broker.openProducer()
    for (const value of ['{"n":1}', '{"n":2}', 'no json']) await producer.append({ topic: 'in', value: Buffer.from(value) })
    await producer.flush()
    await broker.groups.setOffsets('connect-keep', [{ topic: 'in', partition: 0, offset: 1 }])
    const before = await traces(broker)
    const sink = new KeepingSink()
    const found = await run({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'in', 'transforms': 'take', 'transforms.take.type': 'ExtractField$Value', 'transforms.take.field': 'n' } }, { broker, plugins: [sink.plugin] })
    expect(found).toMatchObject([
      { from: 'in-0@1', outcome: { kind: 'record', topic: 'in', partition: 0, key: null, value: '2' } },
      { from: 'in-0@2', outcome: { kind: 'refused', stage: 'VALUE_CONVERTER' } },
    ])
    expect(sink.calls).toEqual([])
    expect(await traces(broker)).toEqual(before)
    afterTest(() => producer.close())
  })

  it('needs to know where its topics are', async () => {
    await expect(run({ name: 'keep', config: { 'connector.class': 'KeepingSink', 'topics': 'in' } }, { plugins: [new KeepingSink().plugin] })).rejects.toThrow('say where its topics are')
  })
})
