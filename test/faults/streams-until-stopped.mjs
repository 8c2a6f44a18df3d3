// node --expose-gc streams-until-stopped.mjs DIRECTORY SECONDS RATE: an application that reads a topic at a steady rate, counts in windows and
// joins two streams, exactly once, in an embedded log with retention. Up to 100 lines on the standard output, or one a second: bytes of
// memory after a collection, and what was processed.
import { join } from 'node:path'
import { jsonSerde, longSerde, openEmbeddedBroker, stringSerde } from 'millrace'
import { joinWithin, StreamsApp, StreamsBuilder, timeWindowedSerde, topic, tumbling } from 'millrace/streams'

const [directory, seconds, rate] = process.argv.slice(2)
const keys = 2_000
const partsOfSecond = 4
const secondsBetweenSamples = Math.max(1, Math.floor(Number(seconds) / 100))
const limits = { 'retention.ms': '20000', 'segment.ms': '5000', 'segment.bytes': '4194304' }

const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
await broker.topics.create(['hits', 'orders', 'payments', 'counted', 'joined'].map((name) => ({ topic: name, partitions: 2, configs: limits })))

const json = { key: stringSerde, value: jsonSerde() }
const builder = new StreamsBuilder()
builder.stream(topic('hits', json))
  .groupByKey()
  .windowedBy(tumbling('2s', { grace: '1s' }))
  .count({ store: 'counts' })
  .toStream()
  .to(topic('counted', { key: timeWindowedSerde(stringSerde, '2s'), value: longSerde }))
builder.stream(topic('orders', json))
  .join(builder.stream(topic('payments', json)), (order, payment) => ({ ...order, ...payment }), { within: joinWithin('1s', { grace: '1s' }), ...json, otherValue: json.value })
  .to(topic('joined', json))

const app = new StreamsApp(builder.build(), { applicationId: 'soak', broker, windowChangelogRetention: '10s', repartitionPurgeInterval: '5s', commitInterval: 500, cacheMaxBytes: 1024 * 1024 })
await app.start()
const producer = await broker.openProducer()
const started = performance.now()
let written = 0
for (let second = 1; second <= Number(seconds); second++) {
  for (let part = 1; part <= partsOfSecond; part++) {
    for (; written < ((second - 1) * partsOfSecond + part) * Number(rate) / partsOfSecond; written++) {
      const key = stringSerde.serialize(`key-${written % keys}`)
      const value = json.value.serialize({ id: written, page: `/articles/${written % 97}` })
      void producer.append({ topic: 'hits', key, value })
      if (written % 10 === 0) for (const side of ['orders', 'payments']) void producer.append({ topic: side, key, value })
    }
    await producer.flush()
    const wait = ((second - 1) * partsOfSecond + part) * 1000 / partsOfSecond - (performance.now() - started)
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
  }
  if (second % secondsBetweenSamples !== 0) continue
  globalThis.gc()
  const { rss, heapUsed, external } = process.memoryUsage()
  process.stdout.write(`${rss} ${heapUsed + external} ${app.metrics().processedRecords}\n`)
}
await producer.close()
await app.caughtUp()
await app.close()
await broker.close()
