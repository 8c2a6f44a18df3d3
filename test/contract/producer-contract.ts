import { expect } from 'vitest'
import { partitionForKey } from '../../src/core/index.ts'
import { appendAll, batchOf, codeOf, createTopic, decode, encode, freshName, readRecords, readValues, recordOf } from './contract-kit.ts'
import type { Promises } from './broker-suite.ts'

export function producerContract(promises: Promises): void {
  promises('records come back as they were appended', async (broker) => {
    const target = { topic: await createTopic(broker), partition: 0 }
    const producer = await broker.openProducer()
    const headers = [{ key: 'h', value: encode('1') }, { key: 'h', value: null }, { key: '', value: new Uint8Array(0) }]
    expect(await producer.append({ ...target, key: encode('k'), value: encode('v'), timestamp: 1_234, headers })).toEqual({ ...target, offset: 0, timestamp: 1_234 })
    expect((await producer.append({ ...target, key: new Uint8Array(0), value: null, timestamp: 0 })).offset).toBe(1)
    const before = Date.now()
    const { offset, timestamp } = await producer.append({ ...target, value: new Uint8Array(0) })
    expect(offset).toBe(2)
    expect(timestamp).toBeGreaterThanOrEqual(before)
    const records = await readRecords(broker, target, { count: 3 })
    expect(records.map((record) => [record.offset, decode(record.key), decode(record.value), record.headers.length])).toEqual([[0, 'k', 'v', 3], [1, '', null, 0], [2, null, '', 0]])
    expect(records[0]!.timestamp).toBe(1_234)
    expect(records[0]!.headers.map(({ key, value }) => [key, decode(value)])).toEqual([['h', '1'], ['h', null], ['', '']])
    await producer.close()
  })

  promises('appends that are not waited for keep their order', async (broker) => {
    const target = { topic: await createTopic(broker), partition: 0 }
    const producer = await broker.openProducer()
    const values = Array.from({ length: 500 }, (_, index) => String(index))
    await appendAll(producer, target, values)
    expect(await readValues(broker, target, { count: 500 })).toEqual(values)
    await producer.close()
  })

  promises('appends are acknowledged in their order, whatever their sizes, and those that follow go on from there', async (broker) => {
    const target = { topic: await createTopic(broker), partition: 0 }
    const producer = await broker.openProducer()
    const sizes = Array.from({ length: 24 }, (_, nth) => (nth % 3 === 2 ? 10 : 60_000))
    let expected = 0
    for (let round = 0; round < 5; round++) {
      const acknowledged: number[] = []
      await Promise.all(sizes.map(async (size) => acknowledged.push((await producer.appendBatch(target, batchOf(['x'.repeat(size)]))).baseOffset)))
      expect(acknowledged).toEqual(sizes.map(() => expected++))
    }
    await producer.close()
  })

  promises('records with a key go where every Kafka producer sends them, and those without to any partition', async (broker) => {
    const topic = await createTopic(broker, { partitions: 5 })
    const producer = await broker.openProducer()
    for (const key of ['a', 'b', 'other', 'key-17']) {
      expect((await producer.append({ topic, key: encode(key), value: null })).partition).toBe(partitionForKey(encode(key), 5))
    }
    const { partition } = await producer.append({ topic, value: encode('no key') })
    expect(partition).toBeGreaterThanOrEqual(0)
    expect(partition).toBeLessThan(5)
    await producer.close()
  })

  promises('a batch is appended whole, in order with single records', async (broker) => {
    const target = { topic: await createTopic(broker), partition: 0 }
    const producer = await broker.openProducer()
    const first = producer.append(recordOf(target, 'a'))
    const batch = producer.appendBatch(target, batchOf(['b', 'c', 'd']))
    const last = producer.append(recordOf(target, 'e'))
    expect((await first).offset).toBe(0)
    expect(await batch).toEqual({ ...target, baseOffset: 1, recordCount: 3, logAppendTime: -1 })
    expect((await last).offset).toBe(4)
    expect(await readValues(broker, target, { count: 5 })).toEqual(['a', 'b', 'c', 'd', 'e'])
    await producer.close()
  })

  promises('the bytes of a batch are the caller\'s again when it is acknowledged: what is written there then changes nothing', async (broker) => {
    const target = { topic: await createTopic(broker), partition: 0 }
    const producer = await broker.openProducer()
    const values = Array.from({ length: 40 }, (_, nth) => String(nth % 10).repeat(nth % 4 === 0 ? 30_000 : 50))
    await Promise.all(values.map(async (value) => {
      const batch = batchOf([value])
      await producer.appendBatch(target, batch)
      batch.bytes.fill(0xff)
    }))
    expect(await readValues(broker, target, { count: values.length })).toEqual(values)
    await producer.close()
  })

  promises('a topic that stamps the time of the append says which it was', async (broker) => {
    const target = { topic: await createTopic(broker, { configs: { 'message.timestamp.type': 'LogAppendTime' } }), partition: 0 }
    const producer = await broker.openProducer()
    const { timestamp } = await producer.append({ ...target, value: encode('x'), timestamp: 5 })
    expect(timestamp).toBeGreaterThan(5)
    const [record] = await readRecords(broker, target, { count: 1 })
    expect(record!.timestamp).toBe(timestamp)
    await producer.close()
  })

  promises('what cannot be appended is refused, and the producer goes on', async (broker) => {
    const topic = await createTopic(broker, { configs: { 'max.message.bytes': '2000' } })
    const compacted = await createTopic(broker, { configs: { 'cleanup.policy': 'compact' } })
    const producer = await broker.openProducer()
    expect(await codeOf(producer.append({ topic: freshName('missing'), value: null }))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await codeOf(producer.append({ topic, partition: 7, value: null }))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await codeOf(producer.append({ topic, value: new Uint8Array(3_000) }))).toBe('RECORD_TOO_LARGE')
    expect(await codeOf(producer.append({ topic: compacted, value: encode('no key') }))).toBe('INVALID_RECORD')
    expect(await codeOf(producer.append({ topic, value: encode('x'), timestamp: -5 }))).toBe('INVALID_TIMESTAMP')
    expect(await producer.append({ topic, partition: 0, value: encode('fits') })).toMatchObject({ offset: 0 })
    await producer.close()
  })

  promises('flush waits for everything, and tells of the first failure once', async (broker) => {
    const target = { topic: await createTopic(broker, { configs: { 'max.message.bytes': '2000' } }), partition: 0 }
    const producer = await broker.openProducer()
    const good = producer.append(recordOf(target, 'good'))
    await producer.flush()
    expect((await broker.topics.listOffsets([{ ...target, at: 'latest' }]))[0]!.offset).toBe(1)
    expect((await good).offset).toBe(0)
    const bad = codeOf(producer.append({ ...target, value: new Uint8Array(3_000) }))
    expect(await codeOf(producer.flush())).toBe('RECORD_TOO_LARGE')
    expect(await bad).toBe('RECORD_TOO_LARGE')
    await producer.flush()
    await producer.close()
  })

  promises('the buffer is bounded: appends beyond it wait and arrive', async (broker) => {
    const target = { topic: await createTopic(broker), partition: 0 }
    const producer = await broker.openProducer({ maxBufferBytes: 4_096 })
    const values = Array.from({ length: 60 }, (_, index) => `${index}:`.padEnd(1_000, 'x'))
    await appendAll(producer, target, values)
    expect(await readValues(broker, target, { count: 60 })).toEqual(values)
    await producer.close()
  })

  promises('every way of acknowledging delivers', async (broker) => {
    const target = { topic: await createTopic(broker), partition: 0 }
    const written = await broker.openProducer({ acknowledge: 'written' })
    const plain = await broker.openProducer({ idempotent: false })
    expect(plain.producerId).toBe(-1)
    expect(written.producerId).toBeGreaterThanOrEqual(0)
    await written.append(recordOf(target, 'written'))
    await plain.append(recordOf(target, 'plain'))
    expect(await readValues(broker, target, { count: 2 })).toEqual(['written', 'plain'])
    await Promise.all([written.close(), plain.close()])
  })

  promises('a closed producer takes nothing, and can be closed again', async (broker) => {
    const target = { topic: await createTopic(broker), partition: 0 }
    const producer = await broker.openProducer()
    const last = producer.append(recordOf(target, 'last'))
    await producer.close()
    expect((await last).offset).toBe(0)
    expect(await codeOf(producer.append(recordOf(target, 'late')))).toBe('CLOSED')
    expect(await codeOf(producer.appendBatch(target, batchOf(['late'])))).toBe('CLOSED')
    await producer.close()
  })
}
