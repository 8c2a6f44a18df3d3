/**
 * What topologies promise, end to end on the embedded engine with exactly-once: input topic → operators → stores, changelog
 * and output topic, committed and on disk. `node dist/bench/streams.js [name…]`
 */
import { join } from 'node:path'
import { RecordBatchBuilder, jsonSerde, longSerde, openEmbeddedBroker, seededRandom, randomInteger, stringSerde } from '../src/core/index.ts'
import type { Broker } from '../src/core/index.ts'
import { StreamsApp, StreamsBuilder, jsonWindowedSerde, topic, tumbling } from '../src/streams/index.ts'
import type { Topology } from '../src/streams/index.ts'
import { bench, benchDirectory } from './harness.ts'
import type { Calibration } from './harness.ts'

interface Hit {
  readonly user: string
  readonly path: string
  readonly ms: number
  readonly at: number
}

const hitCount = 200_000
const keyCount = 10_000
const lineCount = 20_000
const wordsPerLine = 12
const random = seededRandom(7)
const start = Date.parse('2026-01-01T00:00:00Z')

const hits = topic('hits', { key: stringSerde, value: jsonSerde<Hit>() })
const lines = topic('lines', { key: stringSerde, value: stringSerde })
const perMinute = topic('per-minute', { key: jsonWindowedSerde(), value: longSerde })
const counts = topic('counts', { key: stringSerde, value: longSerde })
const slow = topic('slow', { key: stringSerde, value: stringSerde })

const hitTexts = Array.from({ length: hitCount }, (_, index): string => {
  const hit: Hit = { user: `user-${randomInteger(random, 1_000)}`, path: `/page/${randomInteger(random, 100)}`, ms: randomInteger(random, 1_000), at: start + index * 3 }
  return JSON.stringify(hit)
})
const words = Array.from({ length: 5_000 }, (_, index) => `word${index.toString(36)}`)
const lineTexts = Array.from({ length: lineCount }, () => Array.from({ length: wordsPerLine }, () => words[randomInteger(random, words.length)]!).join(' '))

function windowedCount(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(hits, { timestamp: (hit) => hit.at }).groupByKey().windowedBy(tumbling('1m')).count({ store: 'per-minute' }).toStream().to(perMinute)
  return builder.build()
}

function wordCount(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(lines).flatMapValues((line) => line.split(' ')).groupBy((word) => word, { key: stringSerde }).count({ store: 'words' }).toStream().to(counts)
  return builder.build()
}

function stateless(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(hits).filter((hit) => hit.ms > 500).mapValues((hit) => hit.path).to(slow)
  return builder.build()
}

const parseHits: Calibration = {
  name: 'JSON.parse of the same values',
  run() {
    let sum = 0
    for (const text of hitTexts) sum += (JSON.parse(text) as Hit).ms
    if (sum === 0) throw new Error('nothing was parsed')
  },
}

const countWords: Calibration = {
  name: 'split and Map of the same lines',
  run() {
    const found = new Map<string, number>()
    for (const line of lineTexts) for (const word of line.split(' ')) found.set(word, (found.get(word) ?? 0) + 1)
    if (found.size === 0) throw new Error('nothing was counted')
  },
}

async function fill(broker: Broker, name: string, texts: readonly string[]): Promise<number> {
  const producer = await broker.openProducer()
  const builder = new RecordBatchBuilder({ maxBytes: 64 * 1024 })
  let bytes = 0
  const send = async () => {
    const batch = builder.build()
    bytes += batch.bytes.length
    await producer.appendBatch({ topic: name, partition: 0 }, batch)
  }
  for (const [index, text] of texts.entries()) {
    const [key, value] = [stringSerde.serialize(`key-${randomInteger(random, keyCount)}`), stringSerde.serialize(text)]
    if (builder.add(key, value, start + index)) continue
    await send()
    builder.add(key, value, start + index)
  }
  await send()
  await producer.close()
  return bytes
}

const directory = benchDirectory()
const broker = await openEmbeddedBroker({ directory: join(directory.path, 'data') })
// The hits are of last January, and retention goes by the time of a record.
await broker.topics.create([hits, lines, perMinute, counts, slow].map(({ name }) => ({ topic: name, configs: { 'retention.ms': '-1' } })))
const hitBytes = await fill(broker, 'hits', hitTexts)
const lineBytes = await fill(broker, 'lines', lineTexts)
let runs = 0

async function process(topology: Topology): Promise<void> {
  const app = new StreamsApp(topology, { applicationId: `bench-${runs++}`, broker, windowChangelogRetention: '3650d' })
  await app.start()
  await app.caughtUp()
  await app.close()
}

const cases = [
  { name: 'topology-stateless', records: hitCount, bytes: hitBytes, run: () => process(stateless()), against: parseHits },
  { name: 'topology-windowed-json-count-10k-keys', records: hitCount, bytes: hitBytes, run: () => process(windowedCount()), against: parseHits },
  { name: 'topology-word-count (records are words)', records: lineCount * wordsPerLine, bytes: lineBytes, run: () => process(wordCount()), against: countWords },
]

const asked = globalThis.process.argv.slice(2)
for (const benchCase of cases) {
  if (asked.length === 0 || asked.some((name) => benchCase.name.includes(name))) await bench(benchCase)
}
await broker.close()
directory.remove()
