import { expect } from 'vitest'
import type { Broker, ReadResult } from '../../src/core/index.ts'
import { appendAll, batchOf, codeOf, createTopic, decode, errorOf, eventually, freshName, pause, patienceMs, readValues, recordOf } from './contract-kit.ts'
import type { Promises } from './broker-suite.ts'

function valuesOf(result: ReadResult): readonly (string | null)[] {
  return result.partitions.flatMap(({ batches }) => batches.flatMap((batch) => [...batch].map((record) => decode(record.value))))
}

async function filledTopic(broker: Broker, values: readonly string[], partitions = 1): Promise<string> {
  const topic = await createTopic(broker, { partitions })
  const producer = await broker.openProducer()
  for (let partition = 0; partition < partitions; partition++) for (const value of values) await producer.append(recordOf({ topic, partition }, value))
  await producer.close()
  return topic
}

export function readerContract(promises: Promises): void {
  promises('a read goes on where the last one ended', async (broker) => {
    const topic = await filledTopic(broker, ['a', 'b', 'c'])
    const reader = await broker.openReader()
    reader.assign([{ topic, partition: 0, offset: 0 }])
    const values: (string | null)[] = []
    while (values.length < 3) values.push(...valuesOf(await reader.read({ maxBytes: 1, maxWaitMs: patienceMs })))
    expect(values).toEqual(['a', 'b', 'c'])
    expect(reader.positions()).toEqual([{ topic, partition: 0, offset: 3 }])
    await reader.close()
  })

  promises('a read from the middle of a batch gives the records from there on', async (broker) => {
    const topic = await createTopic(broker)
    const producer = await broker.openProducer()
    await producer.appendBatch({ topic, partition: 0 }, batchOf(['a', 'b', 'c', 'd']))
    expect(await readValues(broker, { topic, partition: 0 }, { from: 2, count: 2 })).toEqual(['c', 'd'])
    await producer.close()
  })

  promises('the result says where the partition stands', async (broker) => {
    const topic = await filledTopic(broker, ['a', 'b'])
    const reader = await broker.openReader()
    reader.assign([{ topic, partition: 0, offset: 1 }])
    const { partitions } = await reader.read({ maxWaitMs: patienceMs })
    expect(partitions).toHaveLength(1)
    expect(partitions[0]).toMatchObject({ topic, partition: 0, nextOffset: 2, logStartOffset: 0, highWatermark: 2, lastStableOffset: 2 })
    await reader.close()
  })

  promises('a read at the end waits for the next record', async (broker) => {
    const topic = await filledTopic(broker, ['a'])
    const reader = await broker.openReader()
    const producer = await broker.openProducer()
    reader.assign([{ topic, partition: 0, offset: 1 }])
    const reading = reader.read({ maxWaitMs: patienceMs })
    await pause(20)
    await producer.append(recordOf({ topic, partition: 0 }, 'b'))
    expect(valuesOf(await reading)).toEqual(['b'])
    await Promise.all([reader.close(), producer.close()])
  })

  promises('a read gives up empty-handed after its time', async (broker) => {
    const topic = await createTopic(broker)
    const reader = await broker.openReader()
    reader.assign([{ topic, partition: 0, offset: 0 }])
    expect(await reader.read({ maxWaitMs: 0 })).toEqual({ partitions: [] })
    expect(await reader.read({ maxWaitMs: 30 })).toEqual({ partitions: [] })
    await reader.close()
  })

  promises('a signal ends a waiting read at once, without data and without an error', async (broker) => {
    const topic = await createTopic(broker)
    const reader = await broker.openReader()
    reader.assign([{ topic, partition: 0, offset: 0 }])
    const abort = new AbortController()
    const reading = reader.read({ maxWaitMs: 60_000, signal: abort.signal })
    await pause(20)
    abort.abort()
    expect(await reading).toEqual({ partitions: [] })
    expect(await reader.read({ maxWaitMs: 60_000, signal: abort.signal })).toEqual({ partitions: [] })
    expect(await reader.read({ maxWaitMs: 0 })).toEqual({ partitions: [] })
    await reader.close()
  })

  promises('a batch larger than maxBytes is read all the same', async (broker) => {
    const topic = await filledTopic(broker, ['x'.repeat(5_000), 'y'.repeat(5_000)])
    const reader = await broker.openReader()
    reader.assign([{ topic, partition: 0, offset: 0 }])
    expect(valuesOf(await reader.read({ maxBytes: 100, maxWaitMs: patienceMs }))).toEqual(['x'.repeat(5_000)])
    await reader.close()
  })

  promises('no partition starves beside a full one', async (broker) => {
    const topic = await filledTopic(broker, Array.from({ length: 40 }, () => 'z'.repeat(1_000)), 3)
    const reader = await broker.openReader()
    reader.assign([0, 1, 2].map((partition) => ({ topic, partition, offset: 0 })))
    const seen = new Set<number>()
    for (let reads = 0; reads < 12; reads++) {
      for (const { partition } of (await reader.read({ maxBytes: 2_000, maxWaitMs: patienceMs })).partitions) seen.add(partition)
    }
    expect(seen).toEqual(new Set([0, 1, 2]))
    await reader.close()
  })

  promises('an assignment replaces the one before', async (broker) => {
    const topic = await filledTopic(broker, ['a', 'b'], 2)
    const reader = await broker.openReader()
    reader.assign([{ topic, partition: 0, offset: 0 }])
    await reader.read({ maxWaitMs: patienceMs })
    reader.assign([{ topic, partition: 1, offset: 1 }])
    const { partitions } = await reader.read({ maxWaitMs: patienceMs })
    expect(partitions.map(({ partition }) => partition)).toEqual([1])
    expect(reader.positions()).toEqual([{ topic, partition: 1, offset: 2 }])
    await reader.close()
  })

  promises('a position outside of the log is an error that names the partition', async (broker) => {
    const topic = await filledTopic(broker, ['a'])
    const reader = await broker.openReader()
    reader.assign([{ topic, partition: 0, offset: 50 }])
    expect(await errorOf(reader.read({ maxWaitMs: patienceMs }))).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', details: { topic, partition: 0 } })
    await reader.close()
  })

  promises('a reader of a topic that is removed and made again goes on at its offset in the new one, once that has come so far', async (broker) => {
    const topic = await filledTopic(broker, ['a', 'b', 'c'])
    const target = { topic, partition: 0 }
    const reader = await broker.openReader()
    reader.assign([{ ...target, offset: 3 }])
    await broker.topics.remove([topic])
    await eventually(() => createTopic(broker, { topic }))
    const producer = await broker.openProducer()
    await eventually(() => appendAll(producer, target, ['A']))
    await eventually(async () => expect(await codeOf(reader.read({ maxWaitMs: 100 }))).toBe('OFFSET_OUT_OF_RANGE'))
    await appendAll(producer, target, ['B', 'C', 'D'])
    await producer.close()
    await eventually(async () => expect(valuesOf(await reader.read({ maxWaitMs: 1_000 }))).toEqual(['D']))
    await reader.close()
  })

  promises('a topic that does not exist cannot be read', async (broker) => {
    const reader = await broker.openReader()
    reader.assign([{ topic: freshName('missing'), partition: 0, offset: 0 }])
    expect(await codeOf(reader.read({ maxWaitMs: patienceMs }))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    await reader.close()
  })

  promises('bad arguments are refused', async (broker) => {
    const reader = await broker.openReader()
    expect(await codeOf(() => reader.assign([{ topic: 't', partition: 0, offset: -1 }]))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => reader.assign([{ topic: 't', partition: 0.5, offset: 0 }]))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(reader.read({ maxWaitMs: -1 }))).toBe('INVALID_ARGUMENT')
    await reader.close()
    expect(await codeOf(reader.read())).toBe('CLOSED')
    await reader.close()
  })

  promises('records of one client are read by another', async (broker, another) => {
    const topic = await filledTopic(broker, ['a'])
    const producer = await another.openProducer()
    await appendAll(producer, { topic, partition: 0 }, ['b'])
    expect(await readValues(broker, { topic, partition: 0 }, { count: 2 })).toEqual(['a', 'b'])
    await producer.close()
  })
}
