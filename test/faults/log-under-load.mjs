// node log-under-load.mjs DIRECTORY CASE SIZE: puts one kind of load on a log and prints what came of it as a line of JSON; memory is
// resident megabytes beyond those before the load, at its peak.
import { openEmbeddedBroker, RecordBatchBuilder } from 'millrace'

const [directory, name, size] = process.argv.slice(2)
const count = Number(size)
const broker = await openEmbeddedBroker({ directory })
globalThis.gc()
const before = process.memoryUsage().rss
let peak = before
const look = () => (peak = Math.max(peak, process.memoryUsage().rss))
const watch = setInterval(look, 20)

const cases = {
  /** Topics with a record each, and one that is written to meanwhile. */
  async topics() {
    const names = Array.from({ length: count }, (_, index) => `topic-${index}`)
    for (let at = 0; at < count; at += 500) await broker.topics.create(names.slice(at, at + 500).map((topic) => ({ topic })))
    const producer = await broker.openProducer()
    await Promise.all(names.map((topic) => producer.append({ topic, partition: 0, value: Buffer.from(topic) })))
    look()
    const ends = await broker.topics.listOffsets(names.map((topic) => ({ topic, partition: 0, at: 'latest' })))
    return { records: ends.reduce((sum, { offset }) => sum + offset, 0) }
  },

  /** Readers that wait at the end of one partition; each must get the one record. */
  async waiters() {
    await broker.topics.create([{ topic: 'news' }])
    const readers = await Promise.all(Array.from({ length: count }, () => broker.openReader()))
    for (const reader of readers) reader.assign([{ topic: 'news', partition: 0, offset: 0 }])
    const waiting = readers.map((reader) => reader.read({ maxWaitMs: 120_000 }))
    await new Promise((resolve) => setTimeout(resolve, 200))
    const producer = await broker.openProducer()
    await producer.append({ topic: 'news', partition: 0, value: Buffer.from('now') })
    const results = await Promise.all(waiting)
    return { served: results.filter(({ partitions }) => partitions[0]?.batches[0]?.recordCount === 1).length }
  },

  /** Records of so many megabytes, one after the other, written and read back; one that is too large; and small ones beside them. */
  async huge() {
    const bytes = count * 1024 * 1024
    await broker.topics.create([{ topic: 'huge', configs: { 'max.message.bytes': String(bytes + 1024) } }, { topic: 'small' }])
    const producer = await broker.openProducer({ maxBufferBytes: bytes + 4096 })
    const small = await broker.openProducer()
    let sent = 0
    for (let round = 0; round < 4; round++) {
      await Promise.all([producer.append({ topic: 'huge', partition: 0, value: Buffer.alloc(bytes, round) }), small.append({ topic: 'small', partition: 0, value: Buffer.from('s') }).then(() => sent++)])
    }
    const refused = await producer.append({ topic: 'huge', partition: 0, value: Buffer.alloc(bytes + 4096) }).catch((error) => error.code)
    const reader = await broker.openReader()
    reader.assign([{ topic: 'huge', partition: 0, offset: 0 }])
    const read = []
    while (read.length < 4) {
      for (const { batches } of (await reader.read({ maxBytes: 1024 })).partitions) for (const batch of batches) for (const { value } of batch) read.push(value.length === bytes ? value[0] : -1)
    }
    return { refused, read, sent }
  },

  /** One reader takes a batch now and then while so many megabytes are appended; another keeps up with its own partition. */
  async slow() {
    await broker.topics.create([{ topic: 'flood' }, { topic: 'other' }])
    const [flood, other] = await Promise.all([broker.openProducer(), broker.openProducer()])
    const [slow, quick] = await Promise.all([broker.openReader(), broker.openReader()])
    slow.assign([{ topic: 'flood', partition: 0, offset: 0 }])
    quick.assign([{ topic: 'other', partition: 0, offset: 0 }])
    const builder = new RecordBatchBuilder({ maxBytes: 1_000_000 })
    const value = Buffer.alloc(1000, 7)
    let slowRecords = 0
    let quickRecords = 0
    for (let megabytes = 0; megabytes < count; megabytes++) {
      while (builder.add(null, value, 1)) { /* until it is full */ }
      await flood.appendBatch({ topic: 'flood', partition: 0 }, builder.build())
      await other.append({ topic: 'other', partition: 0, value })
      const seen = (await quick.read({ maxWaitMs: 5_000 })).partitions
      quickRecords += seen.reduce((sum, { batches }) => sum + batches.reduce((records, batch) => records + batch.recordCount, 0), 0)
      if (megabytes % 16 === 0) slowRecords += (await slow.read({ maxWaitMs: 0 })).partitions[0]?.batches[0]?.recordCount ?? 0
    }
    return { appended: count, quickRecords, slowRecords }
  },
}

const result = await cases[name]()
clearInterval(watch)
look()
process.stdout.write(`${JSON.stringify({ ...result, memoryMb: Math.round((peak - before) / 1048576) })}\n`)
await broker.close()
