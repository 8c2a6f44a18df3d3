import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { integerSerde, longSerde, stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { TopologyTestDriver } from '../../../src/streams/testing/index.ts'
import { topic } from '../../../src/streams/topic.ts'
import { timeWindowedSerde } from '../../../src/streams/windowed-serde.ts'
import { tumbling } from '../../../src/streams/windows.ts'

const words = topic('words', { key: stringSerde, value: stringSerde })
const counts = topic('counts', { key: stringSerde, value: longSerde })
const windowCounts = topic('window-counts', { key: timeWindowedSerde(stringSerde, 10), value: longSerde })

function wordCount(): StreamsBuilder {
  const builder = new StreamsBuilder()
  builder.stream(words).flatMapValues((line) => line.split(' ')).groupBy((word) => word, { key: stringSerde, value: stringSerde })
    .count({ store: 'count-store' }).toStream().to(counts)
  return builder
}

function caught(act: () => void): Error {
  try {
    act()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

describe('TopologyTestDriver', () => {
  let driver: TopologyTestDriver
  afterEach(() => driver.close())

  it('shows every update, with what went through the repartition topic', () => {
    driver = new TopologyTestDriver(wordCount().build())
    driver.inputTopic(words).pipe({ value: 'to be or not to be', timestamp: 7 })
    expect(driver.outputTopic(counts).readAll().map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`))
      .toEqual(['to=1@7', 'be=1@7', 'or=1@7', 'not=1@7', 'to=2@7', 'be=2@7'])
    expect(driver.outputTopic(counts).isEmpty).toBe(true)
    expect(driver.writtenTopics).toEqual(['test-count-store-changelog', 'test-count-store-repartition'])
  })

  it('gives the same table with four partitions as with one, and puts each key where it belongs', () => {
    const lines = Array.from({ length: 40 }, (_, index) => ({ value: `a${index % 7} b${index % 5} c`, key: `k${index}` }))
    const results = [1, 4].map((partitions) => {
      driver = new TopologyTestDriver(wordCount().build(), { partitions })
      driver.inputTopic(words).pipeAll(lines)
      const stores = Array.from({ length: partitions }, (_, partition) => [...driver.keyValueStore<string, number>('count-store', partition).all()])
      expect(stores.filter((rows) => rows.length > 0).length).toBeGreaterThan(partitions === 1 ? 0 : 2)
      return { table: driver.outputTopic(counts).readToMap(), rows: stores.flat().map(({ key, value }) => `${key}=${value}`).sort() }
    })
    expect(results[1]!.rows).toEqual(results[0]!.rows)
    expect(results[1]!.table).toEqual(results[0]!.table)
  })

  it('lets windows be read, and counts what came too late', () => {
    const builder = new StreamsBuilder()
    builder.stream(words).groupByKey().windowedBy(tumbling(10, { grace: 5 })).count({ store: 'w' }).toStream().to(windowCounts)
    driver = new TopologyTestDriver(builder.build())
    driver.inputTopic(words).pipeAll([1, 12, 3, 30, 4].map((timestamp) => ({ key: 'k', value: 'x', timestamp })))
    expect(driver.outputTopic(windowCounts).readAll().map(({ key, value }) => [key!.start, key!.end, value])).toEqual([[0, 10, 1], [10, 20, 1], [0, 10, 2], [30, 40, 1]])
    expect(driver.droppedRecords).toBe(1)
    expect(driver.windowStore<string, number>('w').fetchOne('k', 30)).toBe(1)
    expect([...driver.timestampedWindowStore<string, number>('w').all()].at(-1)).toEqual({ key: { key: 'k', start: 30, end: 40 }, value: { value: 1, timestamp: 30 } })
  })

  it('takes the wall clock as the timestamp where none is given', () => {
    driver = new TopologyTestDriver(wordCount().build(), { startAtMs: 100 })
    driver.advanceWallClock('1s')
    driver.inputTopic(words).pipe({ value: 'x' })
    expect(driver.outputTopic(counts).read()?.timestamp).toBe(1_100)
  })

  it('says what is wrong: no such topic, no such store, another type of store', () => {
    driver = new TopologyTestDriver(wordCount().build())
    expect(() => driver.inputTopic(counts).pipe({ value: 1 })).toThrow('the topology reads no topic counts')
    expect(() => driver.keyValueStore('nope')).toThrow('the topology has no store nope in partition 0: it has count-store')
    expect(() => driver.sessionStore('count-store')).toThrow('the store count-store is of type timestamped-key-value, not session')
    expect(() => new TopologyTestDriver(wordCount().build(), { partitions: 0 })).toThrow('partitions must be a whole number')
  })

  it('says where in the test a record was piped in that the program fails on, and where the program failed', () => {
    const builder = new StreamsBuilder()
    builder.stream(words).mapValues(function shout(): string { throw new Error('too loud') }).to(words)
    driver = new TopologyTestDriver(builder.build())
    const failure = caught(function inTheTest() { driver.inputTopic(words).pipe({ value: 'a' }) })
    expect(failure).toMatchObject({ code: 'PROCESSING_FAILED' })
    expect(failure.stack).toContain('inTheTest')
    expect((failure.cause as Error).stack).toContain('shout')
  })

  it('names the topic to which something was written that is none of its values', () => {
    const builder = new StreamsBuilder()
    const numbers = topic('numbers', { key: stringSerde, value: z.number() })
    builder.stream(words).mapValues((line) => line as unknown as number).to(numbers)
    driver = new TopologyTestDriver(builder.build())
    driver.inputTopic(words).pipe({ value: 'a' })
    expect(() => driver.outputTopic(numbers).readAll()).toThrow('a value that was written to numbers is none of this topic: does not match the schema')
  })

  it('says what it is given in place of a topic, or of a record', () => {
    driver = new TopologyTestDriver(wordCount().build())
    expect(() => driver.inputTopic('in' as never)).toThrowError('inputTopic: "in" is no topic')
    expect(() => driver.outputTopic('out' as never)).toThrowError('outputTopic: "out" is no topic')
    expect(() => driver.inputTopic(words).pipe('x' as never)).toThrowError('pipe: "x" has no value; give a record, as in { key, value, timestamp }, with the value null for a deletion')
  })

  it('wants a topology, not the builder of one', () => {
    expect(() => new TopologyTestDriver(wordCount() as never)).toThrow('TopologyTestDriver takes a topology, which builder.build() gives')
  })

  it('shows what the error policy does with foreign bytes', () => {
    const numbers = topic('numbers', { key: stringSerde, value: integerSerde })
    const builder = new StreamsBuilder()
    builder.stream(numbers).to(topic('out', { key: stringSerde, value: integerSerde }))
    driver = new TopologyTestDriver(builder.build(), { onDeserializationError: 'dead-letter', deadLetterTopic: 'dead' })
    driver.inputTopic(numbers).pipeBytes({ value: Buffer.from('x'), timestamp: 5 })
    expect(driver.outputTopic(topic('dead', { key: stringSerde, value: stringSerde })).read()).toMatchObject({ value: 'x', timestamp: 5 })
  })

  it('comes back from its changelogs after a restart, in every partition', () => {
    driver = new TopologyTestDriver(wordCount().build(), { partitions: 3 })
    const lines = Array.from({ length: 20 }, (_, index) => ({ value: `a${index % 4} b${index % 3}`, key: `k${index}` }))
    driver.inputTopic(words).pipeAll(lines)
    const before = [0, 1, 2].map((partition) => [...driver.keyValueStore<string, number>('count-store', partition).all()])
    driver.restart()
    expect([0, 1, 2].map((partition) => [...driver.keyValueStore<string, number>('count-store', partition).all()])).toEqual(before)
    driver.outputTopic(counts).readAll()
    driver.inputTopic(words).pipe({ value: 'a0' })
    expect(driver.outputTopic(counts).read()).toMatchObject({ key: 'a0', value: 6 })
  })
})
