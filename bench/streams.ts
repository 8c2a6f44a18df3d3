/**
 * What topologies promise, end to end on the embedded engine with exactly-once: input topic → operators → stores, changelog
 * and output topic, committed and on disk, with the start and the end of the application. A run is long enough that these do not
 * decide, and two runs are left out before those that count, in which the compiler warms up; `coldSeconds` is the first of them.
 * `node dist/bench/streams.js [name…]`; MILLRACE_BENCH_RECORDS is the size of a run.
 */
import { join } from 'node:path'
import { openEmbeddedBroker } from '../src/core/index.ts'
import { StreamsApp } from '../src/streams/index.ts'
import type { Topology } from '../src/streams/index.ts'
import { bench, benchDirectory } from './harness.ts'
import { counts, foreignKeyJoin, hitData, hits, paths, perMinute, randomKeys, users, windowedCount } from './hits.ts'
import {
  chainProgram, countProgram, counted, customerData, customers, eventData, events, left, lineData, lines, orderData, orders, out, parseEvents, right, sideData, statelessProgram, streamStreamProgram,
  streamTableProgram, tableTableProgram, windowedProgram, wordCountProgram, wordsIn,
} from './reference-programs.ts'
import type { TopicData } from './topic-data.ts'

const recordCount = Number(globalThis.process.env['MILLRACE_BENCH_RECORDS'] ?? 2_000_000)
const lineCount = recordCount / 10
const customerCount = 100_000

const directory = benchDirectory()
const broker = await openEmbeddedBroker({ directory: join(directory.path, 'data') })

/** Topics of their own for each case: what a case reads and writes is there when it is asked for, and gone after it. */
async function withTopics(makeInputs: () => Readonly<Record<string, TopicData>>, work: (sizes: Sizes) => Promise<void>): Promise<void> {
  const names = [hits, users, paths, counts, perMinute, lines, events, orders, customers, left, right, out, counted].map(({ name }) => name)
  // The records are of last January, and retention goes by the time of a record.
  await broker.topics.create(names.map((name) => ({ topic: name, configs: { 'retention.ms': '-1' } })))
  await work(await append(makeInputs()))
  await broker.topics.remove([...names, ...(await broker.topics.list()).filter((name) => name.startsWith('bench-'))])
}

/** The batches are garbage after it: the program has them from the log. */
async function append(inputs: Readonly<Record<string, TopicData>>): Promise<Sizes> {
  const producer = await broker.openProducer()
  const sizes = { records: 0, bytes: 0 }
  for (const [name, { batches }] of Object.entries(inputs)) {
    for (const batch of batches) {
      sizes.records += batch.recordCount
      sizes.bytes += batch.bytes.length
      await producer.appendBatch({ topic: name, partition: 0 }, batch)
    }
  }
  await producer.close()
  return sizes
}

let runs = 0

async function process(topology: Topology): Promise<void> {
  const app = new StreamsApp(topology, { applicationId: `bench-${runs++}`, broker, windowChangelogRetention: '3650d' })
  await app.start()
  await app.caughtUp()
  await app.close()
}

interface Sizes {
  readonly records: number
  readonly bytes: number
}

interface TopologyCase {
  readonly inputs: () => Readonly<Record<string, TopicData>>
  readonly topology: () => Topology
  /** What is counted, where that is not the records of the inputs. */
  readonly units?: number
}

const lineInput = () => ({ lines: lineData(recordCount) })

const cases: Readonly<Record<string, TopologyCase>> = {
  'windowed-json-count-10k-keys': { inputs: () => ({ events: eventData(recordCount, 10_000) }), topology: windowedProgram },
  'windowed-json-count-1m-keys': { inputs: () => ({ events: eventData(recordCount, 1_000_000) }), topology: windowedProgram },
  'windowed-json-count-many-rows (two records a row)': { inputs: () => ({ hits: hitData(7, recordCount, randomKeys(11, 10_000)) }), topology: windowedCount },
  'stateless': { inputs: lineInput, topology: statelessProgram },
  'stateless-3': { inputs: lineInput, topology: () => chainProgram(3) },
  'stateless-6': { inputs: lineInput, topology: () => chainProgram(6) },
  'stateless-10': { inputs: lineInput, topology: () => chainProgram(10) },
  'count-10k-keys': { inputs: () => ({ events: eventData(recordCount, 10_000) }), topology: countProgram },
  'word-count (records are words)': {
    inputs: () => ({ lines: lineData(lineCount) }),
    topology: wordCountProgram,
    units: wordsIn(lineCount),
  },
  'stream-table-join': { inputs: () => ({ customers: customerData(customerCount), orders: orderData(recordCount) }), topology: streamTableProgram },
  'table-table-join': { inputs: () => ({ left: sideData('left', recordCount / 2), right: sideData('right', recordCount / 2) }), topology: tableTableProgram },
  'stream-stream-join': { inputs: () => ({ left: sideData('left', recordCount / 2), right: sideData('right', recordCount / 2) }), topology: streamStreamProgram },
  'foreign-key-join': { inputs: () => ({ users: hitData(9, 10_000, (index) => `key-${index}`, 0), hits: hitData(7, recordCount / 2, randomKeys(11, 10_000)) }), topology: foreignKeyJoin },
}

const asked = globalThis.process.argv.slice(2)

for (const [name, { inputs, topology, units }] of Object.entries(cases)) {
  if (asked.length > 0 && !asked.some((part) => name.startsWith(part))) continue
  await withTopics(inputs, async ({ records, bytes }) => {
    await bench({ name: `topology-${name}`, records: units ?? records, bytes, run: () => process(topology()), against: parseEvents(units ?? records) })
  })
}
await broker.close()
directory.remove()
