/**
 * Programs of Kafka Streams and the same ones here, one after the other in one run on the same machine and the same records: Java on a broker, ours on that
 * broker, and ours embedded, exactly once and synced to the disk. One line a program. CPU is that of the process that runs the program: a
 * broker's is not counted, that of the embedded log is. Each starts cold and runs once. Java's seconds are from the first record to the last, ours from the start of the
 * application until everything is committed. `node dist/bench/streams-beside-kafka.js [case…]`; MILLRACE_BENCH_RECORDS sizes it (default 600,000), and
 * MILLRACE_BENCH_GUARANTEES says how Java runs (default at_least_once,exactly_once_v2).
 */
import { join } from 'node:path'
import { openEmbeddedBroker, openKafkaBroker } from '../src/core/index.ts'
import type { Broker } from '../src/core/index.ts'
import { StreamsApp } from '../src/streams/index.ts'
import type { Topology } from '../src/streams/index.ts'
import { measureKafkaStreams, startKafka } from '../test/kit/kafka.ts'
import { benchDirectory } from './harness.ts'
import {
  customerData, eventData, eventRowData, foreignKeyProgram, lineData, orderData, sideData, statelessProgram, streamStreamProgram, streamTableProgram, tableTableProgram,
  windowedProgram, wordCountProgram, wordsIn,
} from './reference-programs.ts'
import type { TopicData } from './topic-data.ts'

const recordCount = Number(process.env['MILLRACE_BENCH_RECORDS'] ?? 600_000)
const lineCount = Math.round(recordCount / 10)
const customerCount = 100_000
const guarantees = (process.env['MILLRACE_BENCH_GUARANTEES'] ?? 'at_least_once,exactly_once_v2').split(',')
/** What a broker writes is on its disk after it, as with the embedded log. */
const outputTopics = ['out', 'counted']

interface ProgramCase {
  readonly inputs: () => Readonly<Record<string, TopicData>>
  readonly topology: () => Topology
  /** What is counted: records of the streams, or words. */
  readonly units: number
}

const sides = () => ({ left: sideData('left', recordCount / 2), right: sideData('right', recordCount / 2) })

const cases: Readonly<Record<string, ProgramCase>> = {
  'stateless': { inputs: () => ({ lines: lineData(recordCount) }), topology: statelessProgram, units: recordCount },
  'word-count': { inputs: () => ({ lines: lineData(lineCount) }), topology: wordCountProgram, units: wordsIn(lineCount) },
  'windowed-count': { inputs: () => ({ events: eventData(recordCount, 10_000) }), topology: () => windowedProgram(), units: recordCount },
  'stream-table-join': { inputs: () => ({ customers: customerData(customerCount), orders: orderData(recordCount) }), topology: streamTableProgram, units: recordCount },
  'table-table-join': { inputs: sides, topology: tableTableProgram, units: recordCount },
  'foreign-key-join': { inputs: () => ({ customers: customerData(10_000), events: eventRowData(recordCount) }), topology: foreignKeyProgram, units: recordCount },
  'stream-stream-join': { inputs: sides, topology: streamStreamProgram, units: recordCount },
}

interface Cost {
  readonly seconds: number
  readonly cpuSeconds: number
}

async function fill(broker: Broker, inputs: Readonly<Record<string, TopicData>>): Promise<void> {
  // The times of the records are not of today, and retention goes by them.
  await broker.topics.create([...Object.keys(inputs), ...outputTopics].map((topic) => ({ topic, configs: { 'retention.ms': '-1' } })))
  const producer = await broker.openProducer()
  for (const [topic, { batches }] of Object.entries(inputs)) for (const batch of batches) await producer.appendBatch({ topic, partition: 0 }, batch)
  await producer.close()
}

async function empty(broker: Broker): Promise<void> {
  await broker.topics.remove((await broker.topics.list()).filter((topic) => !topic.startsWith('__')))
}

async function ours(broker: Broker, topology: Topology, applicationId: string): Promise<Cost> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const app = new StreamsApp(topology, { applicationId, broker, windowChangelogRetention: '3650d' })
  await app.start()
  await app.caughtUp()
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  await app.close()
  return { seconds, cpuSeconds: (user + system) / 1e6 }
}

function figures(units: number, { seconds, cpuSeconds }: Cost): { readonly recordsPerSecond: number; readonly cpuSecondsPerMillion: number } {
  return { recordsPerSecond: Math.round(units / seconds), cpuSecondsPerMillion: Number(((cpuSeconds / units) * 1e6).toPrecision(3)) }
}

const asked = process.argv.slice(2)
const directory = benchDirectory()
const embedded = await openEmbeddedBroker({ directory: join(directory.path, 'data') })
// A broker that is measured is compiled as well as Java can.
const kafka = await startKafka({ javaOptions: ['-XX:TieredStopAtLevel=4'] })
const cluster = await openKafkaBroker({ brokers: [kafka.bootstrapServers] })
try {
  for (const [name, { inputs, topology, units }] of Object.entries(cases)) {
    if (asked.length > 0 && !asked.some((part) => name.startsWith(part))) continue
    // A log makes batches its own.
    for (const broker of [embedded, cluster]) await fill(broker, inputs())
    const java: Record<string, unknown> = {}
    for (const guarantee of guarantees) {
      const stores = name === 'stream-stream-join' ? 'rocksDB' : 'inMemory'
      java[guarantee] = figures(units, await measureKafkaStreams([kafka.bootstrapServers, name, stores, guarantee, '1', String(units)]))
    }
    const onKafka = figures(units, await ours(cluster, topology(), `ours-${name}`))
    const onDisk = figures(units, await ours(embedded, topology(), `ours-${name}`))
    console.log(JSON.stringify({ name: `beside-kafka-streams-${name}`, units, java, onKafka, embedded: onDisk }))
    for (const broker of [embedded, cluster]) await empty(broker)
  }
} finally {
  await cluster.close()
  await kafka.stop()
  await embedded.close()
  directory.remove()
}
