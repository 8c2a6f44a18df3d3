/**
 * The embedded log and a broker of Apache Kafka on the same machine in the same run, with Kafka's own performance tools as its clients:
 * produce, durably and into the page cache, and consume. CPU is everybody's: client, and broker where there is one.
 * Also the encoder beside that of kafkajs. `node dist/bench/log-beside-kafka.js`; MILLRACE_BENCH_RECORDS sizes it (default 2 M).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Acknowledge } from '../src/core/engine/engine-api.ts'
import { openEmbeddedBroker } from '../src/core/engine/embedded-broker.ts'
import { openKafkaBroker } from '../src/core/kafka/open-kafka-broker.ts'
import { RecordBatchBuilder } from '../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../src/core/log/record-batch.ts'
import { hasKafkaTools, runKafkaTool, startKafka } from '../test/kit/kafka.ts'
import { benchDirectory } from './harness.ts'

const records = Number(process.env['MILLRACE_BENCH_RECORDS'] ?? 2_000_000)
const value = Buffer.alloc(100, 'millrace ')
const lanes = 16
const maxBatchBytes = 64 * 1024
const ticksPerSecond = 100
const now = Date.parse('2026-01-01T00:00:00Z')

/** Of this process, of those it started, and of those that have ended, in seconds (Linux). */
function cpuSeconds(): number {
  const stats = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(statOf).filter((stat) => stat !== null)
  const own = new Set([process.pid])
  for (let size = 0; size < own.size;) {
    size = own.size
    for (const { pid, parent } of stats) if (own.has(parent)) own.add(pid)
  }
  return stats.filter(({ pid }) => own.has(pid)).reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond
}

function statOf(pid: string): { readonly pid: number; readonly parent: number; readonly ticks: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number)
    return { pid: Number(pid), parent: fields[1]!, ticks: fields[11]! + fields[12]! + fields[13]! + fields[14]! }
  } catch {
    return null // ended meanwhile
  }
}

/** `run` may answer the records a second itself: a tool's own figure leaves out the start of its process. */
async function measure(name: string, count: number, run: () => Promise<number | void> | number | void): Promise<void> {
  const cpu = cpuSeconds()
  const start = performance.now()
  const answered = await run()
  const perSecond = typeof answered === 'number' ? answered : (count / (performance.now() - start)) * 1000
  const cpuPerMillion = ((cpuSeconds() - cpu) / count) * 1e6
  console.log(JSON.stringify({ name, recordsPerSecond: Math.round(perSecond), cpuSecondsPerMillion: Number(cpuPerMillion.toPrecision(3)) }))
}

async function embedded(): Promise<void> {
  const directory = benchDirectory()
  const broker = await openEmbeddedBroker({ directory: join(directory.path, 'data') })
  for (const acknowledge of ['durable', 'written'] as const) {
    await broker.topics.create([{ topic: acknowledge }])
    for (const run of ['first', 'warm']) await measure(`embedded-produce-${acknowledge} (${run})`, records, () => produce(acknowledge))
  }
  await measure('embedded-consume', records, consume)
  await broker.close()
  directory.remove()

  async function produce(acknowledge: Acknowledge): Promise<void> {
    const producer = await broker.openProducer({ acknowledge })
    let left = records
    const lane = async () => {
      const builder = new RecordBatchBuilder({ maxBytes: maxBatchBytes })
      while (left > 0) {
        while (left > 0 && builder.add(null, value, now)) left--
        const batch = builder.build()
        await producer.appendBatch({ topic: acknowledge, partition: 0 }, batch)
        builder.reuse(batch.bytes)
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    await producer.close()
  }

  async function consume(): Promise<void> {
    const reader = await broker.openReader()
    reader.assign([{ topic: 'durable', partition: 0, offset: 0 }])
    for (let seen = 0; seen < records;) {
      for (const { batches } of (await reader.read({ maxBytes: 4 * 1024 * 1024 })).partitions) {
        for (const batch of batches) batch.forEach((record) => (seen += record.offset >= 0 ? 1 : 0))
      }
    }
    await reader.close()
  }
}

async function kafka(): Promise<void> {
  const started = await startKafka()
  const broker = await openKafkaBroker({ brokers: [started.bootstrapServers] })
  await broker.topics.create([{ topic: 'cached' }, { topic: 'synced', configs: { 'flush.messages': '1' } }])
  await broker.close()
  const connection = ['--bootstrap-server', started.bootstrapServers]
  for (const topic of ['cached', 'synced']) {
    await measure(`kafka-produce (${topic === 'synced' ? 'an fsync a batch' : 'page cache'})`, records, async () => {
      const output = await runKafkaTool('org.apache.kafka.tools.ProducerPerformance', [
        ...connection, '--topic', topic, '--num-records', String(records), '--record-size', '100', '--throughput', '-1',
        '--command-property', 'batch.size=65536', '--command-property', 'linger.ms=5', '--command-property', 'acks=all',
      ])
      return Number(/([\d.]+) records\/sec/.exec(output.trimEnd().split('\n').at(-1)!)![1])
    })
  }
  await measure('kafka-consume', records, async () => {
    const output = await runKafkaTool('org.apache.kafka.tools.ConsumerPerformance', [...connection, '--topic', 'cached', '--num-records', String(records)])
    const [names, figures] = output.trimEnd().split('\n').slice(-2).map((line) => line.split(',').map((cell) => cell.trim()))
    return Number(figures![names!.indexOf('fetch.nMsg.sec')] ?? figures![names!.indexOf('nMsg.sec')])
  })
  await started.stop()
}

/** What kafkajs makes of as many records, with its own checksum. */
interface KafkajsRecordBatch {
  readonly RecordBatch: (batch: object) => Promise<{ readonly buffer: Buffer }>
  readonly Record: (record: object) => object
}

async function codecs(): Promise<void> {
  const count = Math.min(records, 512 * 1000)
  const require = createRequire(import.meta.url)
  const root = require.resolve('kafkajs').replace(/index\.js$/, 'src/protocol/recordBatch/')
  const theirs: KafkajsRecordBatch = { RecordBatch: (require(`${root}v0/index.js`) as Pick<KafkajsRecordBatch, 'RecordBatch'>).RecordBatch, Record: require(`${root}record/v0/index.js`) as KafkajsRecordBatch['Record'] }
  await measure('encode-kafkajs', count, async () => {
    for (let done = 0; done < count; done += 512) {
      const encoded = Array.from({ length: 512 }, (_, i) => theirs.Record({ offsetDelta: i, timestampDelta: 0, key: null, value, headers: {} }))
      await theirs.RecordBatch({ compression: 0, firstTimestamp: now, maxTimestamp: now, partitionLeaderEpoch: 0, lastOffsetDelta: 511, firstSequence: 0, producerId: -1, producerEpoch: 0, records: encoded })
    }
  })
  await measure('encode-millrace', count, () => {
    const builder = new RecordBatchBuilder({ maxBytes: maxBatchBytes })
    for (let done = 0; done < count; done += 512) {
      for (let i = 0; i < 512; i++) builder.add(null, value, now)
      const { bytes } = builder.build()
      sealBatch(bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false })
      builder.reuse(bytes)
    }
  })
}

await codecs()
await embedded()
if (hasKafkaTools()) await kafka()
