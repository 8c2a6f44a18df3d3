/**
 * Programs and records of the kind that Kafka Streams was measured with on the same machine: lines of words, events as JSON of about 170 bytes, orders
 * and customers, two sides of a join. In the same sizes, numbers of keys and steps of event time.
 */
import { jsonSerde, longSerde, randomInteger, seededRandom, stringSerde } from '../src/core/index.ts'
import type { Duration, Random } from '../src/core/index.ts'
import { joinWithin, topic, tumbling } from '../src/streams/index.ts'
import type { Stream, Topology } from '../src/streams/index.ts'
import type { Calibration } from './harness.ts'
import { built } from './hits.ts'
import { topicData } from './topic-data.ts'
import type { TopicData } from './topic-data.ts'

interface Event {
  readonly user: string
  readonly page: string
  readonly ts: number
}

const text = { key: stringSerde, value: stringSerde }
export const lines = topic('lines', text)
export const events = topic('events', { key: stringSerde, value: jsonSerde<Event>() })
export const orders = topic('orders', text)
export const customers = topic('customers', text)
export const left = topic('left', text)
export const right = topic('right', text)
export const out = topic('out', text)
export const counted = topic('counted', { key: stringSerde, value: longSerde })

const startMs = Date.parse('2026-11-21T00:00:00Z')
const wordCount = 10_000
const filler = '0123456789012345678901234567890123456789'

// ------------------------------------------------------------------------------------------------ records

/** Words of 3 to 9 letters, the n-th as often as 1 in n; 60 to 95 letters a line; ten lines a millisecond. */
export function lineData(count: number, keyOf: (index: number) => string | null = () => null): TopicData {
  return topicData(lineTexts(count), keyOf, (index) => startMs + Math.floor(index / 10))
}

export function wordsIn(lineCount: number): number {
  let words = 0
  for (const line of lineTexts(lineCount)) words += line.split(' ').length
  return words
}

export function* lineTexts(count: number): Iterable<string> {
  const random = seededRandom(42)
  const next = wordsByRank(random)
  for (let index = 0; index < count; index++) {
    const letters = 60 + randomInteger(random, 35)
    let line = next()
    while (line.length < letters) line += ` ${next()}`
    yield Buffer.from(line).toString()
  }
}

function wordsByRank(random: Random): () => string {
  const words = Array.from({ length: wordCount }, () => Array.from({ length: 3 + randomInteger(random, 7) }, () => String.fromCharCode(97 + randomInteger(random, 26))).join(''))
  const cumulative = new Float64Array(wordCount)
  for (let rank = 0, sum = 0; rank < wordCount; rank++) cumulative[rank] = sum += 1 / (rank + 1)
  const ranks = new Uint16Array(65_536)
  for (let index = 0, rank = 0; index < ranks.length; index++) {
    while (cumulative[rank]! / cumulative[wordCount - 1]! < (index + 0.5) / ranks.length) rank++
    ranks[index] = rank
  }
  return () => words[ranks[randomInteger(random, ranks.length)]!]!
}

/** Of users by chance, five a millisecond; `from`: as many are there already. */
export function eventData(count: number, users: number, from = 0): TopicData {
  const timeOf = (index: number) => eventTime(from + index)
  const { keyOf, texts } = eventTexts(count, users, timeOf)
  return topicData(texts, keyOf, timeOf)
}

/** As `eventData`, of 10,000 users, each event under a key of its own: rows of a table that name the row of another one. */
export function eventRowData(count: number): TopicData {
  return topicData(eventTexts(count, 10_000).texts, (index) => `e${index}`, eventTime)
}

/** As `eventData`, over 10,000 rows of users and minutes that come by chance: few minutes with many users, or many with few. */
export function scatteredData(count: number, minutes: number): TopicData {
  const random = seededRandom(42)
  const users = 10_000 / minutes
  const times = Array.from({ length: count }, () => startMs + 60_000 * randomInteger(random, minutes))
  const keys = times.map(() => `user-${String(randomInteger(random, users)).padStart(6, '0')}`)
  const texts = times.map((ts, index) => eventText(random, keys[index]!, ts))
  return topicData(texts, (index) => keys[index]!, (index) => times[index]!)
}

function eventTime(index: number): number {
  return startMs + Math.floor(index / 5)
}

function eventTexts(count: number, users: number, timeOf: (index: number) => number = eventTime): { readonly keyOf: (index: number) => string; readonly texts: Iterable<string> } {
  const random = seededRandom(42)
  const numbers = Uint32Array.from({ length: count }, () => randomInteger(random, users))
  const keyOf = (index: number) => `user-${String(numbers[index]).padStart(6, '0')}`
  return { keyOf, texts: eventsOf(random, count, keyOf, timeOf) }
}

function* eventsOf(random: Random, count: number, keyOf: (index: number) => string, timeOf: (index: number) => number): Iterable<string> {
  for (let index = 0; index < count; index++) yield eventText(random, keyOf(index), timeOf(index))
}

function eventText(random: Random, user: string, ts: number): string {
  const page = `/catalogue/section-${randomInteger(random, 40)}/item-${1_000_000 + randomInteger(random, 1_000)}?utm_source=newsletter&session=`
  const session = [0, 1].map(() => randomInteger(random, 0x1_0000_0000).toString(16).padStart(8, '0')).join('')
  return JSON.stringify({ user, page: page + session, ts } satisfies Event)
}

export function orderData(count: number): TopicData {
  const random = seededRandom(43)
  const texts = madeOf(count, (id) => JSON.stringify({ id, amount: randomInteger(random, 100_000), note: filler }))
  return topicData(texts, () => `k${randomInteger(random, 100_000)}`, (index) => startMs + Math.floor(index / 10))
}

export function customerData(count: number): TopicData {
  const texts = Array.from({ length: count }, (_, index) => JSON.stringify({ name: `customer-${index}`, tier: index % 5 }))
  return topicData(texts, (index) => `k${index % 100_000}`, (index) => startMs - 10_000_000 + index)
}

function* madeOf(count: number, textOf: (index: number) => string): Iterable<string> {
  for (let index = 0; index < count; index++) yield textOf(index)
}

/** Of each key one record in a million; the other side has one at the same time. */
export function sideData(side: 'left' | 'right', count: number): TopicData {
  return topicData(madeOf(count, (index) => sideText(side, index)), sideKey, (index) => startMs + Math.floor(index / 10))
}

/** The same: each key, and its value behind it. */
export function* sideTexts(side: 'left' | 'right', count: number): Iterable<string> {
  for (let index = 0; index < count; index++) {
    yield sideKey(index)
    yield sideText(side, index)
  }
}

function sideKey(index: number): string {
  return `k${(index * 7_919) % 1_000_003}`
}

function sideText(side: 'left' | 'right', index: number): string {
  return `${side}-${index}-${filler}`
}

/** The unit of speed for every topology, whatever its records are: `JSON.parse` of one event for each of `count` records. */
export function parseEvents(count: number): Calibration {
  const texts = [...eventTexts(20_000, 10_000).texts]
  return {
    name: 'JSON.parse of as many events',
    run() {
      let sum = 0
      for (let index = 0; index < count; index++) sum += (JSON.parse(texts[index % texts.length]!) as Event).ts
      if (sum === 0) throw new Error('nothing was parsed')
    },
  }
}

// ------------------------------------------------------------------------------------------------ programs

export function statelessProgram(): Topology {
  return built((builder) => { builder.stream(lines).filter((line) => line.charCodeAt(0) !== 97).mapValues((line) => line.toUpperCase()).to(out) })
}

/** `count` operators between source and sink: filters that let most through, new values, looks, in turn. */
export function chainProgram(count: number): Topology {
  return built((builder) => {
    let stream: Stream<string, string> = builder.stream(lines)
    let seen = 0
    for (let index = 0; index < count; index++) {
      if (index % 3 === 0) stream = stream.filter((line) => line.charCodeAt(index) !== 97)
      else if (index % 3 === 1) stream = stream.mapValues((line) => line.slice(1))
      else stream = stream.peek((line) => { seen += line.length })
    }
    stream.to(out)
    if (seen < 0) throw new Error('nothing is shorter than nothing')
  })
}

/** As `chainProgram`, but no value is changed. */
export function lookingProgram(count: number): Topology {
  return built((builder) => {
    let stream: Stream<string, string> = builder.stream(lines)
    let seen = 0
    for (let index = 0; index < count; index++) {
      if (index % 2 === 0) stream = stream.filter((line) => line.charCodeAt(index) !== 97)
      else stream = stream.peek((line) => { seen += line.length })
    }
    stream.to(out)
    if (seen < 0) throw new Error('nothing is shorter than nothing')
  })
}

export function wordCountProgram(): Topology {
  return built((builder) => {
    builder.stream(lines).flatMapValues((line) => line.split(' ')).groupBy((word) => word, text).count({ store: 'words' }).toStream().to(counted)
  })
}

export function countProgram(): Topology {
  return built((builder) => { builder.stream(events).groupByKey().count({ store: 'counts' }).toStream().to(counted) })
}

/** `grace`: windows stay open for so long. */
export function windowedProgram(grace: Duration = 0): Topology {
  return built((builder) => {
    builder.stream(events, { timestamp: (event) => event.ts }).groupByKey().windowedBy(tumbling('1m', { grace })).count({ store: 'per-minute' }).toStream()
      .selectKey((_count, { key, start }) => `${key}@${start}`).to(counted)
  })
}

export function streamTableProgram(): Topology {
  return built((builder) => { builder.stream(orders).join(builder.table(customers), (order, customer) => order + customer).to(out) })
}

export function tableTableProgram(): Topology {
  return built((builder) => { builder.table(left).join(builder.table(right), (a, b) => a + b).toStream().to(out) })
}

/** Of `eventRowData`, and the first 10,000 customers, who are the users. */
export function foreignKeyProgram(): Topology {
  return built((builder) => {
    builder.table(events).joinOn(builder.table(customers), (event) => `k${Number(event.user.slice(5))}`, (event, customer) => event.page + customer).toStream().to(out)
  })
}

export function streamStreamProgram(): Topology {
  return built((builder) => { builder.stream(left).join(builder.stream(right), (a, b) => a + b, { within: joinWithin('10s') }).to(out) })
}
