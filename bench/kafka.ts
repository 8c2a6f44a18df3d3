/**
 * The seam over Apache Kafka, beside bare kafkajs and Kafka's own performance tools, all against one broker that the test kit
 * starts: produce, consume, copy in transactions. A record has 100 bytes. `node dist/bench/kafka.js [name…]`
 */
import { Kafka, logLevel } from 'kafkajs'
import type { Broker } from '../src/core/broker.ts'
import { systemClock } from '../src/core/clock.ts'
import { openKafkaBroker } from '../src/core/kafka/open-kafka-broker.ts'
import { RecordBatchBuilder } from '../src/core/log/record-batch-builder.ts'
import { hasKafkaTools, runKafkaTool, startKafka } from '../test/kit/kafka.ts'
import { bench } from './harness.ts'
import type { BenchCase } from './harness.ts'

const records = 200_000
/** Long enough for a JVM to become warm. */
const toolRecords = 1_000_000
const value = Buffer.alloc(100, 'millrace ')
const recordBytes = 107
const maxBatchBytes = 256 * 1024
const inFlight = 8
const bytes = records * recordBytes

const kafka = await startKafka()
const broker = await openKafkaBroker({ brokers: [kafka.bootstrapServers] })
const bare = new Kafka({ brokers: [kafka.bootstrapServers], logLevel: logLevel.ERROR })
let topics = 0

async function freshTopic(): Promise<string> {
  const topic = `bench-${topics++}`
  await broker.topics.create([{ topic }])
  return topic
}

async function produce(topic: string, count: number): Promise<void> {
  const producer = await broker.openProducer()
  const builder = new RecordBatchBuilder({ maxBytes: maxBatchBytes })
  const waiting: Promise<unknown>[] = []
  for (let added = 0; added < count;) {
    while (added < count && builder.add(null, value, systemClock.now())) added++
    waiting.push(producer.appendBatch({ topic, partition: 0 }, builder.build()))
    if (waiting.length >= inFlight) await waiting.shift()
  }
  await Promise.all(waiting)
  await producer.close()
}

async function consume(topic: string, count: number): Promise<void> {
  const reader = await broker.openReader()
  reader.assign([{ topic, partition: 0, offset: 0 }])
  for (let seen = 0; seen < count;) {
    for (const { batches } of (await reader.read({ maxBytes: 4 * 1024 * 1024 })).partitions) {
      for (const batch of batches) batch.forEach((record) => (seen += record.value === null ? 0 : 1))
    }
  }
  await reader.close()
}

async function copy(from: string, to: string, count: number): Promise<void> {
  const reader = await broker.openReader()
  const producer = await broker.openProducer({ transactionalId: `copy-${to}` })
  const builder = new RecordBatchBuilder({ maxBytes: maxBatchBytes })
  const send = () => void producer.appendBatch({ topic: to, partition: 0 }, builder.build())
  reader.assign([{ topic: from, partition: 0, offset: 0 }])
  for (let seen = 0; seen < count;) {
    const { partitions } = await reader.read({ maxBytes: 4 * 1024 * 1024 })
    producer.begin()
    for (const { batches } of partitions) {
      for (const batch of batches) {
        batch.forEach((record) => {
          seen++
          if (builder.add(record.key, record.value, record.timestamp)) return
          send()
          builder.add(record.key, record.value, record.timestamp)
        })
      }
    }
    if (builder.recordCount > 0) send()
    await producer.commit()
  }
  await producer.close()
  await reader.close()
}

async function bareProduce(topic: string, count: number): Promise<void> {
  const producer = bare.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const messages = Array.from({ length: 2_000 }, () => ({ value }))
  for (let sent = 0; sent < count; sent += messages.length) await producer.send({ topic, messages })
  await producer.disconnect()
}

async function bareConsume(topic: string, count: number): Promise<void> {
  const consumer = bare.consumer({ groupId: `bench-${topics++}`, maxBytesPerPartition: 4 * 1024 * 1024 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  let seen = 0
  await new Promise<void>((resolve, reject) => {
    const eachBatch = ({ batch }: { readonly batch: { readonly messages: readonly unknown[] } }) => {
      seen += batch.messages.length
      if (seen >= count) resolve()
      return Promise.resolve()
    }
    consumer.run({ eachBatch }).catch(reject)
  })
  await consumer.disconnect()
}

async function bareCopy(from: string, to: string, count: number): Promise<void> {
  const producer = bare.producer({ transactionalId: `bare-${to}`, idempotent: true, maxInFlightRequests: 1 })
  const consumer = bare.consumer({ groupId: `bench-${topics++}`, maxBytesPerPartition: 4 * 1024 * 1024 })
  await Promise.all([producer.connect(), consumer.connect()])
  await consumer.subscribe({ topic: from, fromBeginning: true })
  let seen = 0
  await new Promise<void>((resolve, reject) => {
    const eachBatch = async ({ batch }: { readonly batch: { readonly messages: readonly { readonly key: Buffer | null; readonly value: Buffer | null }[] } }) => {
      const transaction = await producer.transaction()
      for (let from = 0; from < batch.messages.length; from += 2_000) await transaction.send({ topic: to, messages: batch.messages.slice(from, from + 2_000) })
      await transaction.commit()
      seen += batch.messages.length
      if (seen >= count) resolve()
    }
    consumer.run({ eachBatch }).catch(reject)
  })
  await Promise.all([consumer.disconnect(), producer.disconnect()])
}

let target = ''
const prepare = async () => {
  target = await freshTopic()
}
const source = await freshTopic()
await produce(source, records)

const cases: readonly BenchCase[] = [
  { name: 'kafka-produce', records, bytes, prepare, run: () => produce(target, records), against: { name: 'bare kafkajs, idempotent', prepare, run: () => bareProduce(target, records) } },
  { name: 'kafka-consume', records, bytes, run: () => consume(source, records), against: { name: 'bare kafkajs, eachBatch', run: () => bareConsume(source, records) } },
  { name: 'kafka-transactional-copy', records, bytes, prepare, run: () => copy(source, target, records), against: { name: 'bare kafkajs, a transaction a batch', prepare, run: () => bareCopy(source, target, records) } },
]

/** Kafka's own client on the same broker: records a second, as its tool says. */
async function printToolFigures(): Promise<void> {
  const topic = await freshTopic()
  const connection = ['--bootstrap-server', kafka.bootstrapServers]
  const produced = await runKafkaTool('org.apache.kafka.tools.ProducerPerformance', [
    ...connection, '--topic', topic, '--num-records', String(toolRecords), '--record-size', '100', '--throughput', '-1', '--command-property', 'batch.size=65536',
  ])
  console.log(JSON.stringify({ name: 'kafka-producer-perf-test', recordsPerSecond: Number(/([\d.]+) records\/sec/.exec(produced.trimEnd().split('\n').at(-1)!)![1]) }))
  const consumed = await runKafkaTool('org.apache.kafka.tools.ConsumerPerformance', [...connection, '--topic', topic, '--num-records', String(toolRecords), '--timeout', '60000'])
  const [names, figures] = consumed.trimEnd().split('\n').filter((line) => line.includes(',')).slice(-2).map((line) => line.split(',').map((cell) => cell.trim()))
  console.log(JSON.stringify({ name: 'kafka-consumer-perf-test', recordsPerSecond: Number(figures![names!.indexOf('fetch.nMsg.sec')]) }))
}

try {
  const wanted = process.argv.slice(2)
  for (const benchCase of cases) if (wanted.length === 0 || wanted.includes(benchCase.name)) await bench(benchCase)
  if ((wanted.length === 0 || wanted.includes('kafka-producer-perf-test')) && hasKafkaTools()) await printToolFigures()
} finally {
  await closeAll(broker)
}

async function closeAll(open: Broker): Promise<void> {
  await open.close()
  await kafka.stop()
}
