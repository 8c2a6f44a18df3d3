/**
 * What topologies promise, end to end on the embedded engine with exactly-once: input topic → operators → stores, changelog
 * and output topic, committed and on disk, with the start and the end of the application. Long enough (400,000 records) that
 * these and the compiler's warming up do not decide. `node dist/bench/streams.js [name…]`
 */
import { join } from 'node:path'
import { openEmbeddedBroker } from '../src/core/index.ts'
import type { UnsealedBatch } from '../src/core/index.ts'
import { StreamsApp } from '../src/streams/index.ts'
import type { Topology } from '../src/streams/index.ts'
import { bench, benchDirectory } from './harness.ts'
import type { BenchCase } from './harness.ts'
import { counts, foreignKeyJoin, hitData, hits, paths, perMinute, randomKeys, users, windowedCount } from './hits.ts'
import {
  chainProgram, countProgram, counted, customerData, customers, eventData, events, left, lineData, lines, orderData, orders, out, parseEvents, right, sideData, statelessProgram, streamStreamProgram,
  streamTableProgram, tableTableProgram, windowedProgram, wordCountProgram,
} from './reference-programs.ts'
import type { TopicData } from './topic-data.ts'

const recordCount = 600_000
const lineCount = 60_000
const customerCount = 100_000

const directory = benchDirectory()
const broker = await openEmbeddedBroker({ directory: join(directory.path, 'data') })

/** Topics of their own for each case: what a case reads and writes is there when it is asked for, and gone after it. */
async function withTopics(inputs: Readonly<Record<string, readonly UnsealedBatch[]>>, work: () => Promise<void>): Promise<void> {
  const names = [hits, users, paths, counts, perMinute, lines, events, orders, customers, left, right, out, counted].map(({ name }) => name)
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
  readonly inputs: () => Readonly<Record<string, TopicData>>
  readonly topology: () => Topology
  /** What is counted, where that is not the records of the inputs. */
  readonly unitsOf?: (inputs: Readonly<Record<string, TopicData>>) => number
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
    unitsOf: ({ lines: { texts } = lineData(0) }) => texts.reduce((sum, line) => sum + line.split(' ').length, 0),
  },
  'stream-table-join': { inputs: () => ({ customers: customerData(customerCount), orders: orderData(recordCount) }), topology: streamTableProgram },
  'table-table-join': { inputs: () => ({ left: sideData('left', recordCount / 2), right: sideData('right', recordCount / 2) }), topology: tableTableProgram },
  'stream-stream-join': { inputs: () => ({ left: sideData('left', recordCount / 2), right: sideData('right', recordCount / 2) }), topology: streamStreamProgram },
  'foreign-key-join': { inputs: () => ({ users: hitData(9, 10_000, (index) => `key-${index}`, 0), hits: hitData(7, recordCount / 2, randomKeys(11, 10_000)) }), topology: foreignKeyJoin },
}

const asked = globalThis.process.argv.slice(2)

for (const [name, { inputs, topology, unitsOf }] of Object.entries(cases)) {
  if (asked.length > 0 && !asked.some((part) => name.startsWith(part))) continue
  const data = inputs()
  const batches = Object.fromEntries(Object.entries(data).map(([input, { batches: ofInput }]) => [input, ofInput]))
  const plain = caseOf(`topology-${name}`, Object.values(batches).flat(), () => process(topology()))
  await withTopics(batches, async () => { await bench(unitsOf === undefined ? plain : { ...plain, records: unitsOf(data) }) })
}
await broker.close()
directory.remove()

function caseOf(name: string, batches: readonly UnsealedBatch[], run: () => Promise<void>): BenchCase {
  const records = batches.reduce((sum, batch) => sum + batch.recordCount, 0)
  return {
    name, run, records,
    against: parseEvents(records),
    bytes: batches.reduce((sum, batch) => sum + batch.bytes.length, 0),
  }
}
