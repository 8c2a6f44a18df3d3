/**
 * One record of four is bad, in every way that a record can be, under every policy: what was asked for happens, all others are
 * processed, and its dead letter, put back when the program is mended, leads to what it would have led to. The table in
 * docs/guide/dead-letters.md has the same rows.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readDeadLetter, readDeadLetterTopic, redrive, stringSerde } from '../../src/core/index.ts'
import type { Broker, DeadLetter } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../src/streams/index.ts'
import type { ErrorPolicy } from '../../src/streams/index.ts'
import { TopologyTestDriver } from '../../src/streams/testing/index.ts'
import { badRecordCases, programOf } from '../kit/bad-records.ts'
import type { BadRecordCase } from '../kit/bad-records.ts'
import { openMemoryBroker, readAll, write } from '../kit/streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }
const good = [{ key: 'a', value: 'one' }, { key: 'c', value: 'two' }, { key: 'd', value: 'three' }]
const bad = { key: 'b', value: 'bad' }
const startMs = Date.UTC(2026, 0, 1)
const headers = [{ key: 'trace', value: stringSerde.serialize('7') }]
const settings = { applicationId: 'app', cacheMaxBytes: 0, commitInterval: 5, windowChangelogRetention: '10000d' } as const

type Row = { readonly key: string; readonly value: string }

const at = (row: Row) => ({ ...row, timestamp: startMs + [...good, bad].indexOf(row) * 10 })
const inOrder = [good[0]!, bad, good[1]!, good[2]!]

let broker: Broker

beforeEach(async () => {
  broker = await openMemoryBroker()
  await broker.topics.create([
    ...['in', 'other'].map((name) => ({ topic: name, partitions: 2 })),
    { topic: 'out', partitions: 2, configs: { 'max.message.bytes': '20000' } },
  ])
  await write(broker, 'other', [...good, bad].map(({ key }) => ({ key, value: 'x', timestamp: startMs - 1_000 })))
  const producer = await broker.openProducer()
  for (const row of inOrder) await producer.append({ topic: 'in', key: stringSerde.serialize(row.key), value: stringSerde.serialize(row.value), timestamp: at(row).timestamp, headers })
  await producer.close()
})
afterEach(() => broker.close())

function appOf(subject: BadRecordCase, isMended: boolean, policy: ErrorPolicy): StreamsApp {
  return new StreamsApp(programOf(subject, isMended), { ...settings, ...subject.settings, broker, [subject.policy]: policy })
}

async function runToEnd(subject: BadRecordCase, isMended: boolean, policy: ErrorPolicy): Promise<StreamsApp> {
  const app = appOf(subject, isMended, policy)
  await app.start()
  await app.caughtUp()
  await app.close()
  return app
}

/** What there is in a dead letter beside the record. */
function plain({ origin, error, message, headers: own }: DeadLetter) {
  return { origin: origin?.topic, error, message, headers: own.map(({ key, value }) => `${key}=${stringSerde.deserialize(value!)}`) }
}

/** What the program gives when nothing is wrong with it, for these records in this order; keys do not meet, so that it may be sorted. */
async function expected(subject: BadRecordCase, rows: readonly Row[]): Promise<readonly string[]> {
  const driver = new TopologyTestDriver(programOf(subject, true))
  if (readsOther(subject)) for (const { key } of [...good, bad]) driver.inputTopic(topic('other', text)).pipe({ key, value: 'x', timestamp: startMs - 1_000 })
  for (const row of rows) driver.inputTopic(topic('in', text)).pipe(at(row))
  await driver.settled()
  return driver.outputTopic(topic('out', text)).readAll().map(({ key, value }) => `${key}=${value}`).sort()
}

function readsOther(subject: BadRecordCase): boolean {
  return JSON.stringify(programOf(subject, true).describe()).includes('other')
}

async function written(): Promise<readonly string[]> {
  return (await readAll(broker, 'out')).map(({ key, value }) => `${key}=${value}`).sort()
}

describe.each(badRecordCases)('a record that is bad for $what ($policy)', (subject) => {
  it('ends the application with its place and what to do, by default; mended, it goes on with that record', async () => {
    const app = appOf(subject, false, 'fail')
    await app.start()
    await expect(app.finished()).rejects.toMatchObject({ message: expect.stringMatching(new RegExp(`-[01] at offset \\d+[^]*${subject.policy}: 'dead-letter'`)) as string })
    for (const line of await written()) expect(line).not.toMatch(/^b=/)
    await runToEnd(subject, true, 'fail')
    expect(await written()).toEqual(await expected(subject, inOrder))
  })

  it('is left out and counted, and all others are processed', async () => {
    const app = await runToEnd(subject, false, 'skip')
    expect(app.metrics().droppedRecords).toBe(1)
    expect(await written()).toEqual(await expected(subject, good))
  })

  it('is a dead letter, which goes back once', async () => {
    await runToEnd(subject, false, 'dead-letter')
    expect(await written()).toEqual(await expected(subject, good))
    const letters = []
    for await (const { record } of readDeadLetterTopic(broker, 'app-dead-letter')) letters.push({ key: stringSerde.deserialize(record.key!), timestamp: record.timestamp, ...plain(readDeadLetter(record)) })
    expect(letters).toEqual([{
      key: 'b', timestamp: at(bad).timestamp, headers: ['trace=7'], origin: expect.stringMatching(/^in$|^app-.*-(repartition|topic)$/) as string,
      error: expect.stringMatching(/Error$/) as string, message: expect.stringMatching(/./) as string,
    }])
    expect(await redrive(broker, { deadLetterTopic: 'app-dead-letter' })).toBe(1)
    await runToEnd(subject, true, 'fail')
    const whole = await expected(subject, [...good, bad])
    expect(await written()).toEqual(whole)
    expect(await redrive(broker, { deadLetterTopic: 'app-dead-letter' })).toBe(0)
    await runToEnd(subject, true, 'fail')
    expect(await written()).toEqual(whole)
  })
})

describe('what no policy but its own decides', () => {
  const failing = (policies: Partial<Record<'onProcessingError' | 'onSerializationError', ErrorPolicy>>) => {
    const subject = badRecordCases.find(({ what }) => what === 'a serde of a sink')!
    return new StreamsApp(programOf(subject, false), { ...settings, broker, ...policies })
  }

  it('is a result that cannot be written: onProcessingError does not let it pass', async () => {
    const app = failing({ onProcessingError: 'skip' })
    await app.start()
    await expect(app.finished()).rejects.toMatchObject({ code: 'SERIALIZATION_FAILED', message: expect.stringContaining("onSerializationError: 'dead-letter'") as string })
  })
})

describe('a failure without a record at hand', () => {
  async function letters() {
    const found = []
    for await (const { record } of readDeadLetterTopic(broker, 'app-dead-letter')) found.push(readDeadLetter(record))
    return found
  }

  it('of a punctuator is a letter that says so, and a redrive passes over it', async () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).process<string, string>(() => ({
      init(context) { context.schedule('1d', 'stream-time', () => { throw new TypeError('not now') }) },
      process() {},
    }))
    const app = new StreamsApp(builder.build(), { ...settings, broker, onProcessingError: 'dead-letter' })
    await app.start()
    await app.caughtUp()
    await app.close()
    const found = await letters()
    expect(found.length).toBeGreaterThan(0)
    for (const letter of found) expect(letter).toMatchObject({ hasRecord: false, origin: null, message: 'not now' })
    expect(await redrive(broker, { deadLetterTopic: 'app-dead-letter' })).toBe(0)
  })

  it('behind a cache is a letter that names the last record of the row, and a redrive puts back nothing: the row has it already', async () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).groupByKey().count().toStream().mapValues((_count, key) => {
      if (key === 'b') throw new TypeError('not this one')
      return 'x'
    }).to(topic('out', text))
    const app = new StreamsApp(builder.build(), { ...settings, cacheMaxBytes: 100_000, broker, onProcessingError: 'dead-letter' })
    await app.start()
    await app.caughtUp()
    await app.close()
    expect(await letters()).toMatchObject([{ hasRecord: false, origin: { topic: 'in' }, message: 'not this one' }])
    expect(await redrive(broker, { deadLetterTopic: 'app-dead-letter' })).toBe(0)
    expect(await written()).toEqual(['a=x', 'c=x', 'd=x'])
  })
})

describe('a dead letter', () => {
  it('has room in its topic, however large the record is that the source topic took', async () => {
    const large = 'x'.repeat(1_048_000)
    await write(broker, 'in', [{ key: 'e', value: large }])
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).mapValues((value) => {
      if (value === large) throw new TypeError(large)
      return value
    }).to(topic('out', text))
    const app = new StreamsApp(builder.build(), { ...settings, broker, onProcessingError: 'dead-letter' })
    await app.start()
    await app.caughtUp()
    await app.close()
    expect(await written()).toEqual(inOrder.map(({ key, value }) => `${key}=${value}`).sort())
    expect(await redrive(broker, { deadLetterTopic: 'app-dead-letter' })).toBe(1)
    expect((await readAll(broker, 'in')).filter(({ value }) => value === large).length).toBe(2)
  })
})
