/**
 * What topologies promise, end to end on the embedded engine with exactly-once: input topic → operators → stores, changelog
 * and output topic, committed and on disk, with the start and the end of the application. Long enough (400,000 records) that
 * these and the compiler's warming up do not decide. `node dist/bench/streams.js [name…]`
 */
import { join } from 'node:path'
import { openEmbeddedBroker, randomInteger, seededRandom, stringSerde } from '../src/core/index.ts'
import type { UnsealedBatch } from '../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../src/streams/index.ts'
import type { Topology } from '../src/streams/index.ts'
import { bench, benchDirectory } from './harness.ts'
import type { BenchCase, Calibration } from './harness.ts'
import {
  counts, countByKey, foreignKeyJoin, hitData, hits, others, parseAll, paths, perMinute, randomKeys, stateless, streamStreamJoin, streamTableJoin,
  tableTableJoin, textBatches, users, windowedCount,
} from './hits.ts'
import type { HitData } from './hits.ts'

const hitCount = 400_000
const lineCount = 40_000
const wordsPerLine = 12

const lines = topic('lines', { key: stringSerde, value: stringSerde })
const random = seededRandom(7)
const words = Array.from({ length: 5_000 }, (_, index) => `word${index.toString(36)}`)
const lineTexts = Array.from({ length: lineCount }, () => Array.from({ length: wordsPerLine }, () => words[randomInteger(random, words.length)]!).join(' '))

function wordCount(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(lines).flatMapValues((line) => line.split(' ')).groupBy((word) => word, { key: stringSerde }).count({ store: 'words' }).toStream().to(counts)
  return builder.build()
}

const countWords: Calibration = {
  name: 'split and Map of the same lines',
  run() {
    const found = new Map<string, number>()
    for (const line of lineTexts) for (const word of line.split(' ')) found.set(word, (found.get(word) ?? 0) + 1)
    if (found.size === 0) throw new Error('nothing was counted')
  },
}

const directory = benchDirectory()
const broker = await openEmbeddedBroker({ directory: join(directory.path, 'data') })

/** Topics of their own for each case: what a case reads and writes is there when it is asked for, and gone after it. */
async function withTopics(inputs: Readonly<Record<string, readonly UnsealedBatch[]>>, work: () => Promise<void>): Promise<void> {
  const names = [hits, others, users, lines, paths, counts, perMinute].map(({ name }) => name)
  // The records are of last January, and retention goes by the time of a record.
  await broker.topics.create(names.map((name) => ({ topic: name, configs: { 'retention.ms': '-1' } })))
  const producer = await broker.openProducer()
  for (const [name, batches] of Object.entries(inputs)) {
    for (const { bytes, recordCount } of batches) await producer.appendBatch({ topic: name, partition: 0 }, { bytes: new Uint8Array(bytes), recordCount })
  }
  await producer.close()
  await work()
  await broker.topics.remove([...names, ...(await broker.topics.list()).filter((name) => name.startsWith('bench-'))])
}

let runs = 0

async function process(topology: Topology): Promise<void> {
  const app = new StreamsApp(topology, { applicationId: `bench-${runs++}`, broker, windowChangelogRetention: '3650d' })
  await app.start()
  await app.caughtUp()
  await app.close()
}

interface TopologyCase {
  readonly name: string
  readonly inputs: () => Readonly<Record<string, HitData>>
  readonly topology: () => Topology
}

const tenThousandKeys = (): HitData => hitData(7, hitCount, randomKeys(11, 10_000))
const otherHits = (): HitData => hitData(8, hitCount / 2, randomKeys(12, 10_000), 6)
const userRows = (): HitData => hitData(9, 10_000, (index) => `key-${index}`, 0)

const cases: readonly TopologyCase[] = [
  ...[3, 6, 10].map((count) => ({ name: `topology-stateless-${count}`, inputs: () => ({ hits: tenThousandKeys() }), topology: () => stateless(count) })),
  { name: 'topology-count-10k-keys', inputs: () => ({ hits: tenThousandKeys() }), topology: countByKey },
  { name: 'topology-windowed-json-count-10k-keys', inputs: () => ({ hits: tenThousandKeys() }), topology: windowedCount },
  { name: 'topology-windowed-json-count-1m-keys', inputs: () => ({ hits: hitData(7, hitCount, randomKeys(11, 1_000_000)) }), topology: windowedCount },
  { name: 'topology-stream-table-join', inputs: () => ({ users: userRows(), hits: tenThousandKeys() }), topology: streamTableJoin },
  { name: 'topology-table-table-join', inputs: () => ({ hits: tenThousandKeys(), others: otherHits() }), topology: tableTableJoin },
  { name: 'topology-stream-stream-join', inputs: () => ({ hits: tenThousandKeys(), others: otherHits() }), topology: streamStreamJoin },
  { name: 'topology-foreign-key-join', inputs: () => ({ users: userRows(), hits: tenThousandKeys() }), topology: foreignKeyJoin },
]

const asked = globalThis.process.argv.slice(2)
const isAsked = (name: string) => asked.length === 0 || asked.some((part) => name.includes(part))

for (const { name, inputs, topology } of cases.filter((one) => isAsked(one.name))) {
  const data = inputs()
  const batches = Object.fromEntries(Object.entries(data).map(([input, hitsOf]) => [input, hitsOf.batches]))
  await withTopics(batches, async () => { await bench(caseOf(name, Object.values(batches).flat(), () => process(topology()), parseAll(...Object.values(data)))) })
}
const wordCase = 'topology-word-count (records are words)'
if (isAsked(wordCase)) {
  const batches = textBatches(lineTexts, (index) => `key-${index % 10_000}`, 1)
  await withTopics({ lines: batches }, async () => {
    await bench({ ...caseOf(wordCase, batches, () => process(wordCount()), countWords), records: lineCount * wordsPerLine })
  })
}
await broker.close()
directory.remove()

function caseOf(name: string, batches: readonly UnsealedBatch[], run: () => Promise<void>, against: Calibration): BenchCase {
  return {
    name, run, against,
    records: batches.reduce((sum, batch) => sum + batch.recordCount, 0),
    bytes: batches.reduce((sum, batch) => sum + batch.bytes.length, 0),
  }
}
