import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { longSerde, seededRandom, randomInteger, stringSerde, systemClock } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, jsonWindowedSerde, topic, tumbling } from '../../src/streams/index.ts'
import type { StreamsConfig, StreamsState, Topology } from '../../src/streams/index.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../kit/streams-harness.ts'

const words = topic('words', { key: stringSerde, value: stringSerde })
const counts = topic('counts', { key: stringSerde, value: z.number() })

/** Every update is forwarded, so that the output of a key is 1, 2, 3 … without gap and without repetition. */
const settings = { applicationId: 'app', cacheMaxBytes: 0, commitInterval: 5 } as const

function countWords(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(words).groupBy((word) => word).count({ store: 'word-counts' }).toStream().to(counts)
  return builder.build()
}

function shout(work: (value: string) => string): Topology {
  const builder = new StreamsBuilder()
  builder.stream(words).mapValues(work, { name: 'shout' }).to(topic('loud', { key: stringSerde, value: stringSerde }))
  return builder.build()
}

let broker: Broker
let apps: StreamsApp[]

beforeEach(async () => {
  broker = await openMemoryBroker()
  apps = []
})

afterEach(async () => {
  await Promise.allSettled(apps.map((app) => app.close()))
  await broker.close()
})

function appOf(topology: Topology, options: Partial<StreamsConfig> = {}): StreamsApp {
  const app = new StreamsApp(topology, { ...settings, broker, ...options })
  apps.push(app)
  return app
}

async function runToEnd(topology: Topology, options: Partial<StreamsConfig> = {}): Promise<StreamsApp> {
  const app = appOf(topology, options)
  await app.start()
  await app.caughtUp()
  await app.close()
  return app
}

describe('an application', () => {
  it('that is closed while it starts ends, whatever it is at', async () => {
    await createTopics(broker, { words: 3, counts: 2 })
    for (let turns = 0; turns < 60; turns += 3) {
      const app = appOf(countWords(), { applicationId: `app-${turns}` })
      const started = app.start()
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      await app.close()
      expect(app.state, `closed after ${turns} turns`).toBe('NOT_RUNNING')
      await started
      await app.finished()
      await app.close()
      expect(app.state).toBe('NOT_RUNNING')
      expect((await broker.groups.describe(`app-${turns}`)).members).toEqual([])
    }
  })

  it('has caught up before a commit is due: what is processed is committed when nothing is left', async () => {
    await createTopics(broker, { words: 3, counts: 2 })
    await write(broker, 'words', ['a', 'b', 'a', 'c', 'a', 'b'].map((value) => ({ key: 'line', value })))
    const app = appOf(countWords(), { commitInterval: '1h' })
    await app.start()
    await app.caughtUp()
    expect(latest(await readAll(broker, 'counts'))).toEqual({ a: '3', b: '2', c: '1' })
    await write(broker, 'words', [{ key: 'line', value: 'a' }])
    await app.caughtUp()
    expect(latest(await readAll(broker, 'counts'))).toEqual({ a: '4', b: '2', c: '1' })
  })

  it('is not idle while there is more in a topic that it did not ask for, because enough of it waited', async () => {
    let passedMs = 0
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + passedMs }
    await createTopics(broker, { words: 1, loud: 1 })
    await write(broker, 'words', Array.from({ length: 1_000 }, () => ({ value: 'a'.repeat(4_000) })))
    // A slice of processing ends long before what was read.
    const app = appOf(shout((word) => (passedMs++, word)), { commitInterval: '1h', maxBufferedRecords: 1, clock })
    await app.start()
    await app.caughtUp()
    expect(app.metrics()).toMatchObject({ inputRecords: 1_000, commits: 1 })
  })

  it('counts through a repartition topic into a table of counts', async () => {
    await createTopics(broker, { words: 3, counts: 2 })
    await write(broker, 'words', ['a', 'b', 'a', 'c', 'a', 'b'].map((value) => ({ key: 'line', value })))
    const app = await runToEnd(countWords())
    expect(latest(await readAll(broker, 'counts'))).toEqual({ a: '3', b: '2', c: '1' })
    expect(app.metrics()).toMatchObject({ processedRecords: 12, inputRecords: 6, droppedRecords: 0, rollbacks: 0 })
  })

  it('goes on where it was, with the state it had', async () => {
    await createTopics(broker, { words: 2, counts: 1 })
    for (let round = 1; round <= 3; round++) {
      await write(broker, 'words', [{ key: 'k', value: 'a' }])
      await runToEnd(countWords())
    }
    expect((await readAll(broker, 'counts')).map((record) => record.value)).toEqual(['1', '2', '3'])
  })

  it('reports its states as it starts, runs and ends', async () => {
    await createTopics(broker, { words: 1, counts: 1 })
    const app = appOf(countWords())
    const states: StreamsState[] = [app.state]
    app.onStateChange((state) => states.push(state))
    await app.start()
    await app.close()
    expect(states).toEqual(['CREATED', 'REBALANCING', 'RUNNING', 'PENDING_SHUTDOWN', 'NOT_RUNNING'])
    await expect(app.start()).rejects.toThrow('starts once')
  })

  it('says how to create a topic that does not exist', async () => {
    await createTopics(broker, { counts: 1 })
    const app = appOf(countWords())
    await expect(app.start()).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', message: expect.stringContaining('millrace topics --create --topic words') })
    expect(app.state).toBe('ERROR')
  })

  it('creates its internal topics with the configs that Kafka Streams gives them', async () => {
    await createTopics(broker, { words: 3, counts: 1 })
    await runToEnd(countWords())
    const [repartition, changelog] = await broker.topics.describe(['app-word-counts-repartition', 'app-word-counts-changelog'])
    expect([repartition!.partitions.length, changelog!.partitions.length]).toEqual([3, 3])
    const own = changelog!.configs.filter((entry) => entry.source === 'topic').map(({ name, value }) => [name, value])
    expect(Object.fromEntries(own)).toMatchObject({ 'cleanup.policy': 'compact' })
  })

  it('keeps the changelogs of windows as long as it is told', async () => {
    const builder = new StreamsBuilder()
    builder.stream(words).groupByKey().windowedBy(tumbling('1m')).count({ store: 'per-minute' })
    await createTopics(broker, { words: 1 })
    await runToEnd(builder.build(), { windowChangelogRetention: '10d' })
    const [changelog] = await broker.topics.describe(['app-per-minute-changelog'])
    expect(changelog!.configs.find(({ name }) => name === 'retention.ms')!.value).toBe(String(10 * 86_400_000 + 60_000))
  })

  it('waits for the answers of a foreign-key join, too', async () => {
    const [orders, customers] = ['orders', 'customers'].map((name) => topic(name, { key: stringSerde, value: stringSerde })) as [typeof words, typeof words]
    const builder = new StreamsBuilder()
    builder.table(orders).joinOn(builder.table(customers), (order) => order, (order, name) => `${order} ${name}`)
      .toStream().to(topic('joined', { key: stringSerde, value: stringSerde }))
    await createTopics(broker, { orders: 2, customers: 2, joined: 1 })
    await write(broker, 'customers', [{ key: 'c', value: 'Ann' }])
    await write(broker, 'orders', Array.from({ length: 20 }, (_, index) => ({ key: `o${index}`, value: 'c' })))
    await runToEnd(builder.build())
    expect(Object.keys(latest(await readAll(broker, 'joined')))).toHaveLength(20)
  })

  it('deletes what it has read of its repartition topics', async () => {
    await createTopics(broker, { words: 1, counts: 1 })
    const app = appOf(countWords(), { repartitionPurgeInterval: 0 })
    await app.start()
    const startOf = async () => (await broker.topics.describe(['app-word-counts-repartition']))[0]!.partitions[0]!.logStartOffset
    for (let round = 0; round < 50 && await startOf() === 0; round++) {
      await write(broker, 'words', [{ key: 'line', value: 'a' }])
      await app.caughtUp()
    }
    expect(await startOf()).toBeGreaterThan(0)
    await app.close()
    await write(broker, 'words', [{ key: 'line', value: 'a' }])
    await runToEnd(countWords())
    const values = (await readAll(broker, 'counts')).map((record) => Number(record.value))
    expect(values).toEqual(values.map((_, index) => index + 1))
  })

  it('does not wait for records that retention has taken meanwhile', async () => {
    await createTopics(broker, { words: 1, loud: 1 })
    await write(broker, 'words', [{ value: 'a' }])
    const app = appOf(shout((word) => word.toUpperCase()))
    app.pause()
    await app.start()
    const asked = vi.spyOn(broker.groups, 'describe')
    const caughtUp = app.caughtUp()
    await vi.waitUntil(() => asked.mock.calls.length > 0)
    await broker.topics.deleteRecords([{ topic: 'words', partition: 0, beforeOffset: -1 }])
    await expect(caughtUp).resolves.toBeUndefined()
  })

  it('refuses internal topics whose partitions no longer fit', async () => {
    await createTopics(broker, { words: 1, counts: 1 })
    await runToEnd(countWords())
    await broker.topics.alter('words', { partitions: 2 })
    await expect(appOf(countWords()).start()).rejects.toMatchObject({ code: 'TOPOLOGY_INVALID', message: expect.stringContaining('1 partitions') })
  })

  it('names an unknown setting', () => {
    expect(() => new StreamsApp(countWords(), { ...settings, broker, comitInterval: 5 } as StreamsConfig)).toThrow('comitInterval')
  })

  it('shares the work between two instances and hands it over', async () => {
    await createTopics(broker, { words: 4, counts: 1 })
    const [first, second] = [appOf(countWords()), appOf(countWords())]
    await first.start()
    await write(broker, 'words', numbered(100))
    await second.start()
    await first.caughtUp()
    expect(first.metrics().tasks + second.metrics().tasks).toBe(8)
    expect(second.metrics().tasks).toBe(4)
    await first.close()
    await write(broker, 'words', numbered(100))
    await second.caughtUp()
    await second.close()
    expectCounted(await readAll(broker, 'counts'), 200)
  })
})

describe('a global table', () => {
  it('is filled from all partitions before the first record is processed, and follows its topic', async () => {
    const builder = new StreamsBuilder()
    const text = { key: stringSerde, value: stringSerde }
    const names = builder.globalTable(topic('names', text), { store: 'names' })
    builder.stream(words).leftJoin(names, (word, name) => `${word} is ${name ?? 'unknown'}`, { on: (word) => word }).to(topic('loud', text))
    await createTopics(broker, { words: 1, names: 3, loud: 1 })
    await write(broker, 'names', ['a', 'b', 'c', 'd'].map((key) => ({ key, value: key.toUpperCase() })))
    await write(broker, 'words', ['a', 'b', 'c', 'd', 'e'].map((value) => ({ key: 'k', value })))
    const app = appOf(builder.build())
    await app.start()
    await app.caughtUp()
    await write(broker, 'names', [{ key: 'e', value: 'E' }, { key: 'a', value: null }])
    while (latest(await readAll(broker, 'loud'))['k'] !== 'e is E') {
      await write(broker, 'words', [{ key: 'k', value: 'e' }])
      await app.caughtUp()
    }
    const found = (await readAll(broker, 'loud')).map((record) => record.value)
    expect(found.slice(0, 5)).toEqual(['a is A', 'b is B', 'c is C', 'd is D', 'e is unknown'])
  })
})

describe('a record that cannot be handled', () => {
  const failing = (value: string) => {
    if (value === 'bad') throw new TypeError('cannot shout this')
    return value.toUpperCase()
  }

  it('ends the application by default, with operator, topic, partition and offset in the error', async () => {
    await createTopics(broker, { words: 1, loud: 1 })
    await write(broker, 'words', [{ value: 'good' }, { value: 'bad' }])
    const app = appOf(shout(failing))
    await app.start()
    await expect(app.finished()).rejects.toMatchObject({ code: 'PROCESSING_FAILED', message: expect.stringMatching(/shout.*words-0.*offset 1.*cannot shout this.*onProcessingError: 'dead-letter'/) })
    expect(app.state).toBe('ERROR')
    await expect(app.caughtUp()).rejects.toMatchObject({ code: 'PROCESSING_FAILED' })
    expect((await broker.groups.describe('app')).members).toEqual([])
  })

  it('is left out when the policy says so', async () => {
    await createTopics(broker, { words: 1, loud: 1 })
    await write(broker, 'words', [{ value: 'good' }, { value: 'bad' }, { value: 'fine' }])
    const app = await runToEnd(shout(failing), { onProcessingError: 'skip' })
    expect((await readAll(broker, 'loud')).map((record) => record.value)).toEqual(['GOOD', 'FINE'])
    expect(app.metrics().droppedRecords).toBe(1)
  })

  it('goes to the dead-letter topic as it was, with the reason and its origin', async () => {
    const numbers = topic('words', { value: z.object({ n: z.number() }) })
    const builder = new StreamsBuilder()
    builder.stream(numbers).mapValues((value) => value.n).to(topic('loud', { value: z.number(), key: stringSerde }) as never)
    await createTopics(broker, { words: 1, loud: 1 })
    await write(broker, 'words', [{ value: '{"n":1}' }, { value: '{"n":"x"}' }, { value: 'no json' }, { value: null }])
    await runToEnd(builder.build(), { onDeserializationError: 'dead-letter' })
    expect((await readAll(broker, 'loud')).map((record) => record.value)).toEqual(['1'])
    const dead = await readAll(broker, 'app-dead-letter')
    expect(dead.map((record) => record.value)).toEqual(['{"n":"x"}', 'no json', null])
    expect(dead[0]!.headers).toMatchObject({ '__streams.errors.topic': 'words', '__streams.errors.offset': '1', '__streams.errors.message': expect.stringContaining('n: ') })
  })

  it('is left out, or a dead letter, where a result is larger than its topic takes; all others are written', async () => {
    await createTopics(broker, { words: 1 })
    await broker.topics.create([{ topic: 'loud', configs: { 'max.message.bytes': '2000' } }])
    const values = ['a', 'x'.repeat(1_500), 'b']
    await write(broker, 'words', values.map((value) => ({ key: 'k', value })))
    const twice = () => shout((value) => value + value)
    await expect(runToEnd(twice())).rejects.toMatchObject({ message: expect.stringContaining('max.message.bytes is 2000') as string })
    const app = await runToEnd(twice(), { onSerializationError: 'dead-letter' })
    expect((await readAll(broker, 'loud')).map(({ value }) => value)).toEqual(['aa', 'bb'])
    expect(app.metrics().droppedRecords).toBe(1)
    expect(await readAll(broker, 'app-dead-letter')).toMatchObject([{ key: 'k', value: values[1] }])
  })

  it('is tried again from the last commit when the application asks for it', async () => {
    await createTopics(broker, { words: 1, loud: 1 })
    await write(broker, 'words', [{ value: 'a' }, { value: 'bad' }, { value: 'b' }])
    let attempts = 0
    const app = await runToEnd(shout((value) => (value === 'bad' && ++attempts < 3 ? failing(value) : value)), { onFailure: () => 'replace' })
    expect((await readAll(broker, 'loud')).map((record) => record.value)).toEqual(['a', 'bad', 'b'])
    expect(app.metrics().rollbacks).toBe(2)
  })

  it('finds a sink topic that is created while it runs, and names it until then', async () => {
    const builder = new StreamsBuilder()
    builder.stream(words).to((value) => `out-${value}`)
    await createTopics(broker, { 'words': 1, 'out-a': 1 })
    await write(broker, 'words', [{ key: 'k', value: 'a' }, { key: 'k', value: 'b' }])
    const failures: string[] = []
    const app = appOf(builder.build(), { onFailure: (failure) => { failures.push(failure.message); return 'replace' } })
    await app.start()
    while (failures.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await createTopics(broker, { 'out-b': 1 })
    await app.caughtUp()
    expect(failures[0]).toContain('out-b')
    expect((await readAll(broker, 'out-b')).length).toBe(1)
    expect((await readAll(broker, 'out-a')).length).toBe(1)
  })
})

describe('at least once', () => {
  it('commits outputs, then offsets, without transactions', async () => {
    await createTopics(broker, { words: 2, counts: 1 })
    await write(broker, 'words', numbered(50))
    await runToEnd(countWords(), { guarantee: 'at-least-once', commitInterval: 5 })
    expectCounted(await readAll(broker, 'counts'), 50)
  })
})

describe('exactly once', () => {
  it.each([1, 2, 3, 4])('survives power cuts before any operation of the disk (seed %i)', async (seed) => {
    const random = seededRandom(seed)
    const power = { operationsLeft: Infinity, found: null as MemoryFileSystem | null }
    const fault = (): null => {
      if (power.operationsLeft-- === 0) power.found = disk.crash()
      return null
    }
    let disk = new MemoryFileSystem({ random, fault })
    let life = await openMemoryBroker(disk)
    await createTopics(life, { words: 2, counts: 1 })
    const rounds = 12
    const done: number[] = []
    for (let round = 1; round <= rounds; round++) {
      await write(life, 'words', numbered(40))
      const app = new StreamsApp(countWords(), { ...settings, broker: life, commitInterval: 1 })
      power.operationsLeft = randomInteger(random, 80)
      await app.start()
      await app.caughtUp()
      power.operationsLeft = Infinity
      const found = power.found ?? disk.crash()
      power.found = null
      await app.close()
      await life.close()
      disk = found
      life = await openMemoryBroker(disk)
      done.push((await readAll(life, 'counts')).length)
    }
    expect(done.filter((count, index) => count < 40 * (index + 1)).length, 'cuts that left work').toBeGreaterThan(2)
    const last = new StreamsApp(countWords(), { ...settings, broker: life })
    await last.start()
    await last.caughtUp()
    await last.close()
    expectCounted(await readAll(life, 'counts'), 40 * rounds)
    await life.close()
  })

  it('restores a table from its own topic, up to where it had come, when that serves as the changelog', async () => {
    const text = { key: stringSerde, value: stringSerde }
    const program = () => {
      const builder = new StreamsBuilder()
      const rows = builder.table(topic('rows', text), { store: 'rows' })
      rows.groupBy((value, key) => [value, key], { key: stringSerde, value: stringSerde }).count({ store: 'groups' }).toStream().to(counts)
      return builder.build({ optimization: 'all' })
    }
    await createTopics(broker, { rows: 1, counts: 1 })
    await write(broker, 'rows', [{ key: 'a', value: 'x' }, { key: 'b', value: 'x' }])
    await runToEnd(program())
    await write(broker, 'rows', [{ key: 'a', value: 'y' }, { key: 'b', value: 'x' }])
    await runToEnd(program())
    expect((await broker.topics.list()).filter((name) => name.endsWith('-changelog'))).toEqual(['app-groups-changelog'])
    expect(latest(await readAll(broker, 'counts'))).toEqual({ x: '1', y: '1' })
  })

  it('restores stores from changelogs with progress', async () => {
    await createTopics(broker, { words: 1, counts: 1 })
    await write(broker, 'words', numbered(40))
    await runToEnd(countWords())
    const progress: string[] = []
    await runToEnd(countWords(), { onRestore: ({ taskId, topic: changelog, position, endOffset }) => progress.push(`${taskId} ${changelog} ${position === endOffset}`) })
    expect(progress.at(-1)).toBe('1_0 app-word-counts-changelog true')
  })
})

describe('windowed keys', () => {
  it('are partitioned by the key inside, as the key itself is', async () => {
    const builder = new StreamsBuilder()
    const windowedCounts = builder.stream(words).groupByKey().windowedBy(tumbling(10, { grace: 100 })).count()
    windowedCounts.toStream().to(topic('counts', { key: jsonWindowedSerde(), value: z.number() }))
    await createTopics(broker, { words: 4, counts: 4 })
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    // Retention would delete records of the distant past.
    const now = Math.floor(systemClock.now() / 1000) * 1000
    await write(broker, 'words', keys.flatMap((key) => [5, 15, 25].map((ms) => ({ key, value: 'x', timestamp: now + ms }))))
    await runToEnd(builder.build())
    const placesOf = (topicRecords: Awaited<ReturnType<typeof readAll>>, keyOf: (key: string) => string) =>
      [...new Set(topicRecords.map(({ key, partition }) => `${keyOf(key!)} in ${partition}`))].sort()
    const written = await readAll(broker, 'counts')
    expect(written.length).toBe(24)
    expect(placesOf(written, (key) => (JSON.parse(key) as { key: string }).key)).toEqual(placesOf(await readAll(broker, 'words'), (key) => key))
  })
})

describe('a long serde', () => {
  it('writes what other Kafka clients read', async () => {
    const builder = new StreamsBuilder()
    builder.stream(words).groupByKey().count().toStream().to(topic('counts', { key: stringSerde, value: longSerde }))
    await createTopics(broker, { words: 1, counts: 1 })
    await write(broker, 'words', [{ key: 'k', value: 'v' }])
    await runToEnd(builder.build())
    expect((await readAll(broker, 'counts')).map((record) => record.value)).toEqual(['\0\0\0\0\0\0\0\u0001'])
  })
})

function numbered(count: number) {
  return Array.from({ length: count }, (_, index) => ({ key: String(index), value: `word-${index % 7}` }))
}

/** Per key 1, 2, 3 … without gap and without repetition, `total` in all. */
function expectCounted(records: readonly { readonly key: string | null; readonly value: string | null }[], total: number): void {
  const byKey = new Map<string, string[]>()
  for (const { key, value } of records) byKey.set(key!, [...(byKey.get(key!) ?? []), value!])
  for (const [key, values] of byKey) expect(values, key).toEqual(values.map((_, index) => String(index + 1)))
  expect(records.length).toBe(total)
}

function latest(records: readonly { readonly key: string | null; readonly value: string | null }[]): Record<string, string | null> {
  return Object.fromEntries(records.map(({ key, value }) => [key!, value]))
}
