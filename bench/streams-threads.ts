/**
 * The windowed count of `streams.ts` over two partitions, by two stream threads, against the same by one. One runs beside the log in
 * the main thread, two are workers, which reach it through a port. The ratio is the speed of two over that of one; it needs two free cores.
 * Both applications run from the first to the last of their runs, each on a log of its own, so what is measured is how fast they go on, not
 * how fast a worker starts and its compiler warms up. The records of a run are written beforehand, in a transaction: to end it is the start.
 * `node dist/bench/streams-threads.js`; MILLRACE_BENCH_RECORDS is the size of a run.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEmbeddedBroker } from '../src/core/index.ts'
import type { Broker, Producer } from '../src/core/index.ts'
import { StreamsApp } from '../src/streams/index.ts'
import { bench, benchDirectory } from './harness.ts'
import { counted, eventData, events } from './reference-programs.ts'
import topology from './windowed-topology.ts'

const partitions = 2
const recordsPerPartition = Number(globalThis.process.env['MILLRACE_BENCH_RECORDS'] ?? 2_000_000) / partitions
const users = 10_000

const directory = benchDirectory()

/** An application that runs, and records that it will see. */
class Counting {
  readonly #broker: Broker
  readonly #app: StreamsApp
  readonly #producer: Producer
  #written = 0
  bytes = 0

  private constructor(broker: Broker, app: StreamsApp, producer: Producer) {
    this.#broker = broker
    this.#app = app
    this.#producer = producer
  }

  static async start(threads: number): Promise<Counting> {
    const broker = await openEmbeddedBroker({ directory: join(directory.path, `threads-${threads}`) })
    // The records are of one day, and retention goes by the time of a record.
    await broker.topics.create([events, counted].map(({ name }) => ({ topic: name, partitions, configs: { 'retention.ms': '-1' } })))
    const app = new StreamsApp(topology, {
      applicationId: `bench-${threads}`, broker, threads, windowChangelogRetention: '3650d', topologyModule: new URL('./windowed-topology.js', import.meta.url),
    })
    await app.start()
    return new Counting(broker, app, await broker.openProducer({ transactionalId: 'bench', transactionTimeoutMs: 600_000 }))
  }

  /** The same records in each partition, later ones than before; they are on disk when it ends, and not to be seen. */
  async prepare(): Promise<void> {
    this.#producer.begin()
    this.bytes = 0
    const ends = Array.from({ length: partitions }, () => 0)
    for (const { bytes, recordCount } of eventData(recordsPerPartition, users, this.#written).batches) {
      for (let partition = 0; partition < partitions; partition++) {
        this.bytes += bytes.length
        // The producer seals the bytes that it is given, for one place.
        const { baseOffset } = await this.#producer.appendBatch({ topic: events.name, partition }, { bytes: new Uint8Array(bytes), recordCount })
        ends[partition] = baseOffset + recordCount
      }
    }
    while (!(await this.#areDurable(ends))) await sleep(10)
    this.#written += recordsPerPartition
  }

  async #areDurable(ends: readonly number[]): Promise<boolean> {
    const queries = ends.map((_end, partition) => ({ topic: events.name, partition, at: 'latest' as const }))
    const answers = await this.#broker.topics.listOffsets(queries, { isolation: 'read-uncommitted' })
    return answers.every(({ partition, offset }) => offset >= ends[partition]!)
  }

  async run(): Promise<void> {
    await this.#producer.commit()
    await this.#app.caughtUp()
  }

  async close(): Promise<void> {
    await this.#producer.close()
    await this.#app.close()
    await this.#broker.close()
  }
}

const two = await Counting.start(2)
const one = await Counting.start(1)
await two.prepare()
await two.run()
await bench({
  name: 'windowed-count-two-threads', records: partitions * recordsPerPartition, bytes: two.bytes, prepare: () => two.prepare(), run: () => two.run(),
  against: { name: 'one thread', prepare: () => one.prepare(), run: () => one.run() },
})
await two.close()
await one.close()
directory.remove()
