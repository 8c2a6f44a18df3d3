/**
 * Operators and stores alone: from encoded input batches to encoded output and changelog batches, without a log or a broker.
 * A commit (caches emptied, stores committed) comes every 20,000 records. `node dist/bench/operators.js [name…]`
 */
import { RecordBatchBuilder, jsonSerde, longSerde, randomInteger, seededRandom, stringSerde, systemClock } from '../src/core/index.ts'
import type { RecordBatch } from '../src/core/index.ts'
import { splitBatches } from '../src/core/log/record-batch.ts'
import { StreamsBuilder, joinWithin, jsonWindowedSerde, topic, tumbling } from '../src/streams/index.ts'
import type { Stream, Topology } from '../src/streams/index.ts'
import { BatchingCollector } from '../src/streams/runtime/record-collector.ts'
import { StreamTask } from '../src/streams/runtime/stream-task.ts'
import { bench } from './harness.ts'
import type { BenchCase } from './harness.ts'

interface Hit {
  readonly user: string
  readonly path: string
  readonly ms: number
  readonly at: number
}

/** Read in turn, a batch of each, as a task with two inputs does. */
type Inputs = ReadonlyMap<string, readonly RecordBatch[]>

const recordCount = 200_000
const recordsPerCommit = 20_000
const startMs = Date.parse('2026-01-01T00:00:00Z')

const hits = topic('hits', { key: stringSerde, value: jsonSerde<Hit>() })
const others = topic('others', { key: stringSerde, value: jsonSerde<Hit>() })
const users = topic('users', { key: stringSerde, value: jsonSerde<Hit>() })
const paths = topic('paths', { key: stringSerde, value: stringSerde })
const counts = topic('counts', { key: stringSerde, value: longSerde })
const perMinute = topic('per-minute', { key: jsonWindowedSerde(), value: longSerde })

/** Values of one topic and of which keys, one every `everyMs` milliseconds of event time. */
function values(seed: number, count: number, everyMs: number): readonly string[] {
  const random = seededRandom(seed)
  return Array.from({ length: count }, (_, index) => JSON.stringify({
    user: `user-${randomInteger(random, 1_000)}`, path: `/page/${randomInteger(random, 100)}`, ms: randomInteger(random, 1_000), at: startMs + index * everyMs,
  } satisfies Hit))
}

function batchesOf(texts: readonly string[], keyOf: (index: number) => string, everyMs: number): readonly RecordBatch[] {
  const builder = new RecordBatchBuilder({ maxBytes: 64 * 1024 })
  const batches: RecordBatch[] = []
  for (const [index, text] of texts.entries()) {
    const record = [stringSerde.serialize(keyOf(index)), stringSerde.serialize(text), startMs + index * everyMs] as const
    if (builder.add(...record)) continue
    batches.push(...splitBatches(builder.build().bytes))
    builder.add(...record)
  }
  return [...batches, ...splitBatches(builder.build().bytes)]
}

function randomKeys(seed: number, keys: number): () => string {
  const random = seededRandom(seed)
  return () => `key-${randomInteger(random, keys)}`
}

/** One task over all inputs; answers the bytes that it wrote. */
function runTask(topology: Topology, inputs: Inputs): number {
  let bytes = 0
  const collector = new BatchingCollector({ maxBatchBytes: 256 * 1024, partitionCount: () => 1, sendBatch: (_target, batch) => { bytes += batch.bytes.length } })
  const task = new StreamTask({
    taskId: '0_0', partition: 0, applicationId: 'bench', nodes: topology.nodes, stores: topology.stores, repartitionTopics: [],
    clock: systemClock, config: {}, collector,
  })
  const commit = () => {
    task.prepareCommit()
    collector.flush()
    task.committed()
  }
  const offsets = new Map<string, number>()
  const longest = Math.max(...[...inputs.values()].map((batches) => batches.length))
  for (let index = 0, sinceCommit = 0; index < longest; index++) {
    for (const [name, batches] of inputs) {
      const batch = batches[index]
      if (batch === undefined) continue
      offsets.set(name, (offsets.get(name) ?? 0) + batch.recordCount)
      task.addRecords({ topic: name, partition: 0 }, [batch], offsets.get(name)!)
    }
    while (task.process(startMs)) sinceCommit++
    if (sinceCommit < recordsPerCommit) continue
    commit()
    sinceCommit = 0
  }
  commit()
  task.close()
  return bytes
}

function built(make: (builder: StreamsBuilder) => void): Topology {
  const builder = new StreamsBuilder()
  make(builder)
  return builder.build()
}

/** `count` operators in front of the sink: a third each of filters, new values and looks. */
function stateless(count: number): Topology {
  return built((builder) => {
    let stream: Stream<string, Hit> = builder.stream(hits)
    for (let index = 0; index < count - 1; index++) {
      if (index % 3 === 0) stream = stream.filter((hit) => hit.ms >= index)
      else if (index % 3 === 1) stream = stream.mapValues((hit) => ({ ...hit, ms: hit.ms + 1 }))
      else stream = stream.peek((hit) => { if (hit.ms < 0) throw new Error('there is no such hit') })
    }
    stream.mapValues((hit) => hit.path).to(paths)
  })
}

function windowedCount(): Topology {
  return built((builder) => {
    builder.stream(hits, { timestamp: (hit) => hit.at }).groupByKey().windowedBy(tumbling('1m')).count({ store: 'per-minute' }).toStream().to(perMinute)
  })
}

const everyMs = 3
const hitTexts = values(7, recordCount, everyMs)
const otherTexts = values(8, recordCount / 2, 2 * everyMs)
const userTexts = values(9, 10_000, everyMs)
const hitsOf = (keys: number): readonly RecordBatch[] => batchesOf(hitTexts, randomKeys(11, keys), everyMs)
const fewKeys = hitsOf(10_000)
const otherHits = batchesOf(otherTexts, randomKeys(12, 10_000), 2 * everyMs)
const userRows = batchesOf(userTexts, (index) => `key-${index}`, 0)

function benchCase(name: string, topology: () => Topology, inputs: Inputs): BenchCase {
  const batches = [...inputs.values()].flat()
  const texts = inputs.has('others') ? [...hitTexts, ...otherTexts] : inputs.has('users') ? [...hitTexts, ...userTexts] : hitTexts
  return {
    name,
    records: batches.reduce((sum, batch) => sum + batch.recordCount, 0),
    bytes: batches.reduce((sum, batch) => sum + batch.sizeBytes, 0),
    run() {
      if (runTask(topology(), inputs) === 0) throw new Error('nothing was written')
    },
    against: {
      name: 'JSON.parse of the same values',
      run() {
        let sum = 0
        for (const text of texts) sum += (JSON.parse(text) as Hit).ms
        if (sum === 0) throw new Error('nothing was parsed')
      },
    },
  }
}

const hitsOnly: Inputs = new Map([['hits', fewKeys]])
const cases: readonly (() => BenchCase)[] = [
  ...[3, 6, 10].map((count) => () => benchCase(`stateless-${count}`, () => stateless(count), hitsOnly)),
  () => benchCase('count-10k-keys', () => built((builder) => {
    builder.stream(hits).groupByKey().count({ store: 'counts' }).toStream().to(counts)
  }), hitsOnly),
  () => benchCase('windowed-count-10k-keys', windowedCount, hitsOnly),
  () => benchCase('windowed-count-1m-keys', windowedCount, new Map([['hits', hitsOf(1_000_000)]])),
  () => benchCase('stream-table-join-10k-keys', () => built((builder) => {
    const table = builder.table(users)
    builder.stream(hits).join(table, (hit, user) => `${hit.path} ${user.user}`).to(paths)
  }), new Map([['users', userRows], ['hits', fewKeys]])),
  () => benchCase('table-table-join-10k-keys', () => built((builder) => {
    builder.table(hits).join(builder.table(others), (hit, other) => `${hit.path} ${other.path}`).toStream().to(paths)
  }), new Map([['hits', fewKeys], ['others', otherHits]])),
  () => benchCase('stream-stream-join-10k-keys', () => built((builder) => {
    builder.stream(hits).join(builder.stream(others), (hit, other) => `${hit.path} ${other.path}`, { within: joinWithin('10s', { grace: '5s' }) }).to(paths)
  }), new Map([['hits', fewKeys], ['others', otherHits]])),
]

const asked = process.argv.slice(2)
for (const make of cases) {
  const made = make()
  if (asked.length === 0 || asked.some((name) => made.name.includes(name))) await bench(made)
}
