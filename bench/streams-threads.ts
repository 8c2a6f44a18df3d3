/**
 * The windowed count of `streams.ts` over two partitions, by two stream threads, against the same by one. One runs beside the log in
 * the main thread, two are workers, which reach it through a port. The ratio is the speed of two over that of one; needs two free cores. Starting
 * workers, and the compiler's warming up in each, is part of a run: so it is long. `node dist/bench/streams-threads.js`
 */
import { join } from 'node:path'
import { openEmbeddedBroker } from '../src/core/index.ts'
import { StreamsApp } from '../src/streams/index.ts'
import { bench, benchDirectory } from './harness.ts'
import { counted, eventData, events } from './reference-programs.ts'
import topology from './windowed-topology.ts'

const partitions = 2
const recordsPerPartition = 1_000_000
const users = 10_000

const directory = benchDirectory()
const broker = await openEmbeddedBroker({ directory: join(directory.path, 'data') })
// The records are of one day, and retention goes by the time of a record.
await broker.topics.create([events, counted].map(({ name }) => ({ topic: name, partitions, configs: { 'retention.ms': '-1' } })))
const bytes = await fill()

/** The same records in each partition. */
async function fill(): Promise<number> {
  const producer = await broker.openProducer()
  let sum = 0
  for (const batch of eventData(recordsPerPartition, users).batches) {
    for (let partition = 0; partition < partitions; partition++) {
      sum += batch.bytes.length
      // The producer seals the bytes that it is given, for one place.
      await producer.appendBatch({ topic: events.name, partition }, { bytes: new Uint8Array(batch.bytes), recordCount: batch.recordCount })
    }
  }
  await producer.close()
  return sum
}

let runs = 0

async function count(threads: number): Promise<void> {
  const app = new StreamsApp(topology, {
    applicationId: `bench-${runs++}`, broker, threads, windowChangelogRetention: '3650d', topologyModule: new URL('./windowed-topology.js', import.meta.url),
  })
  await app.start()
  await app.caughtUp()
  await app.close()
}

await bench({ name: 'windowed-count-two-threads', records: partitions * recordsPerPartition, bytes, run: () => count(2), against: { name: 'one thread', run: () => count(1) } })
await broker.close()
directory.remove()
