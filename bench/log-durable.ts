/**
 * What durability costs: whole batches with a sync for all that wait, the disk's own rate over a longer stretch, and commits
 * that touch 1, 16 and 64 partitions. `node dist/bench/log-durable.js [name…]`; MILLRACE_BENCH_BYTES sizes the stretch (default 1 GB).
 */
import { closeSync, fdatasync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Broker, Producer } from '../src/core/broker.ts'
import { openEmbeddedBroker } from '../src/core/engine/embedded-broker.ts'
import { RecordBatchBuilder } from '../src/core/log/record-batch-builder.ts'
import { bench, benchDirectory } from './harness.ts'

const recordsPerBatch = 512
const recordBytes = 126
const keys = Array.from({ length: recordsPerBatch }, (_, i) => Buffer.from(`user-${String(i).padStart(11, '0')}`))
const values = Array.from({ length: recordsPerBatch }, (_, i) => Buffer.alloc(100, `{"n":${i},"text":"abcdefghijklmnopqrstuvwxyz"}`))
const now = Date.parse('2026-01-01T00:00:00Z')
const directory = benchDirectory()

function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve())))
}

/** One lane of several: it fills a batch while the others wait for the disk. */
async function produce(producer: Producer, batches: number): Promise<void> {
  const builder = new RecordBatchBuilder({ maxBytes: 128 * 1024 })
  for (let i = 0; i < batches; i++) {
    for (let r = 0; r < recordsPerBatch; r++) builder.add(keys[r]!, values[r]!, now + r)
    const batch = builder.build()
    await producer.appendBatch({ topic: 'bench', partition: 0 }, batch)
    builder.reuse(batch.bytes)
  }
}

async function writeAndSync(bytes: number, raw: Uint8Array): Promise<void> {
  const fd = openSync(join(directory.path, 'raw'), 'w')
  for (let written = 0; written < bytes; written += raw.length) {
    writeSync(fd, raw)
    await sync(fd)
  }
  closeSync(fd)
}

async function freshBroker(partitions: number): Promise<Broker> {
  directory.empty()
  const broker = await openEmbeddedBroker({ directory: join(directory.path, 'data') })
  await broker.topics.create([{ topic: 'bench', partitions }])
  return broker
}

/** Against a program that writes as much at a time as is in flight here, and has nothing else to do. */
async function ingest(name: string, bytes: number, batchesInFlight: number): Promise<void> {
  const raw = Buffer.alloc(recordsPerBatch * recordBytes * batchesInFlight, 7)
  const batchesPerLane = Math.ceil(bytes / (recordsPerBatch * recordBytes * batchesInFlight))
  const records = batchesPerLane * batchesInFlight * recordsPerBatch
  let broker = await freshBroker(1)
  let producer = await broker.openProducer()
  await bench({
    name, records, bytes: records * recordBytes,
    async prepare() {
      await broker.close()
      broker = await freshBroker(1)
      producer = await broker.openProducer()
    },
    run: async () => void (await Promise.all(Array.from({ length: batchesInFlight }, () => produce(producer, batchesPerLane)))),
    against: { name: `write of ${raw.length} bytes and fdatasync, one after the other`, run: () => writeAndSync(records * recordBytes, raw) },
  })
  await broker.close()
}

/** One record into each partition, and a commit: the time of the commit alone, at the median. */
async function commit(partitions: number): Promise<void> {
  const rounds = 200
  const broker = await freshBroker(partitions)
  const producer = await broker.openProducer({ transactionalId: 'bench' })
  const once = async () => {
    producer.begin()
    for (let partition = 0; partition < partitions; partition++) void producer.append({ topic: 'bench', partition, key: keys[0]!, value: values[0]! })
    const start = performance.now()
    await producer.commit()
    return performance.now() - start
  }
  for (let i = 0; i < 20; i++) await once()
  const latencies: number[] = []
  const cpu = process.cpuUsage()
  for (let i = 0; i < rounds; i++) latencies.push(await once())
  const { user, system } = process.cpuUsage(cpu)
  await producer.close()
  await broker.close()
  const sorted = latencies.toSorted((a, b) => a - b)
  const rounded = (ms: number) => Number(ms.toFixed(2))
  console.log(JSON.stringify({ name: `commit-${partitions}`, p50Ms: rounded(sorted[rounds >> 1]!), p99Ms: rounded(sorted[Math.floor(rounds * 0.99)]!), cpuMs: rounded((user + system) / 1000 / rounds) }))
}

const cases: Readonly<Record<string, () => Promise<void>>> = {
  'durable-batches': () => ingest('durable-batches', 128 * 1024 * 1024, 16),
  'sustained': () => ingest('sustained', Number(process.env['MILLRACE_BENCH_BYTES'] ?? 1e9), 64),
  'commit-1': () => commit(1),
  'commit-16': () => commit(16),
  'commit-64': () => commit(64),
}
const wanted = process.argv.slice(2)
try {
  for (const [name, run] of Object.entries(cases)) if (wanted.length === 0 || wanted.includes(name)) await run()
} finally {
  directory.remove()
}
