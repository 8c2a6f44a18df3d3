import { describe, expect, it } from 'vitest'
import { RecordBatchBuilder, jsonSerde, longSerde, partitionForKey, stringSerde } from '../../../src/core/index.ts'
import type { UnsealedBatch } from '../../../src/core/index.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import { BatchingCollector } from '../../../src/streams/runtime/record-collector.ts'

function collector(maxBatchBytes: number) {
  const sent: { readonly target: string; readonly records: number }[] = []
  const batching = new BatchingCollector({
    maxBatchBytes,
    partitionCount: () => 3,
    sendBatch: ({ topic, partition }, batch) => sent.push({ target: `${topic}-${partition}`, records: batch.recordCount }),
  })
  return { batching, sent }
}

const value = new Uint8Array(40)

describe('BatchingCollector', () => {
  it('sends a keyed record to the partition of its key and hands over the rest with flush', () => {
    const { batching, sent } = collector(10_000)
    const key = Buffer.from('k')
    batching.send('t', null, key, value, 1, [])
    batching.send('t', null, key, value, 2, [])
    batching.send('t', 2, null, value, 3, [])
    expect(sent).toEqual([])
    batching.flush()
    const own = `t-${partitionForKey(key, 3)}`
    expect(sent.reduce((sum, { records }) => sum + records, 0)).toBe(3)
    expect(sent.find(({ target }) => target === own)!.records).toBeGreaterThanOrEqual(2)
    batching.flush()
    expect(sent.length).toBeLessThanOrEqual(2)
  })

  it('hands over a batch when the next record does not fit, and loses none', () => {
    const { batching, sent } = collector(200)
    for (let count = 0; count < 20; count++) batching.send('t', 0, null, value, count, [])
    batching.flush()
    expect(sent.length).toBeGreaterThan(5)
    expect(sent.reduce((sum, { records }) => sum + records, 0)).toBe(20)
  })

  it('spreads records without a key over partitions, one batch each', () => {
    const { batching, sent } = collector(200)
    for (let count = 0; count < 30; count++) batching.send('t', null, null, value, count, [])
    batching.flush()
    expect(new Set(sent.map(({ target }) => target)).size).toBe(3)
  })

  it('sends what serdes write where their bytes would go', () => {
    for (const partitions of [1, 3]) {
      const sent = [true, false].map((isDirect) => {
        const batches: { readonly partition: number; readonly batch: UnsealedBatch }[] = []
        const batching = new BatchingCollector({ maxBatchBytes: 600, partitionCount: () => partitions, sendBatch: ({ partition }, batch) => batches.push({ partition, batch }) })
        for (let index = 0; index < 200; index++) {
          const key = index % 7 === 0 ? null : `key-${index}`
          if (isDirect && batching.sendSerialized('t', stringSerde, key, longSerde, index, 1_000)) continue
          batching.send('t', null, key === null ? null : stringSerde.serialize(key), longSerde.serialize(index), 1_000, [])
        }
        batching.flush()
        return batches.map(({ partition, batch }) => `${partition} ${Buffer.from(batch.bytes).toString('hex')}`)
      })
      expect(sent[0]!.length).toBeGreaterThan(5)
      expect(sent[0]).toEqual(sent[1])
    }
  })

  it('sends texts that are key and value, of whatever serdes, where their bytes would go', () => {
    const words = ['', 'a', 'word', 'x'.repeat(15), 'y'.repeat(16), 'z'.repeat(70), 'é', '"']
    for (const valueSerde of [stringSerde, jsonSerde<string>()]) {
      const sent = [true, false].map((isDirect) => {
        const batches = new Map<number, string>()
        const batching = new BatchingCollector({ maxBatchBytes: 600, partitionCount: () => 3, sendBatch: ({ partition }, { bytes }) => batches.set(partition, (batches.get(partition) ?? '') + Buffer.from(bytes).toString('hex')) })
        for (let index = 0; index < 300; index++) {
          const word = `${words[index % words.length]!}${index % 3}`
          if (isDirect && batching.sendSerialized('t', stringSerde, word, valueSerde, word, 1_000 + index)) continue
          batching.send('t', null, stringSerde.serialize(word), valueSerde.serialize(word), 1_000 + index, [])
        }
        batching.flush()
        return batches
      })
      expect(sent[0]!.size).toBe(3)
      expect(sent[0]).toEqual(sent[1])
    }
  })

  it('passes a record on as it was read where it would go with its parts: to the partition of its key, an empty one too', () => {
    const source = new RecordBatchBuilder({ maxBytes: 10_000 })
    const keys = ['', 'a', 'b', 'c', 'd', 'e'].map((key) => Buffer.from(key))
    for (const key of keys) source.add(key, value, 1, [])
    const reader = new RecordBatchView(source.build().bytes).reader()
    for (const key of keys) {
      const { batching, sent } = collector(10_000)
      expect(reader.next()).toBe(true)
      // Where those without a key go is drawn anew with every batch.
      for (let turn = 0; turn < 8; turn++) {
        expect(batching.sendRead('t', reader.positionOf(reader.mark), 1)).toBe(true)
        batching.flush()
      }
      expect(new Set(sent.map(({ target }) => target))).toEqual(new Set([`t-${partitionForKey(key, 3)}`]))
    }
  })

  it('forgets what was not handed over', () => {
    const { batching, sent } = collector(10_000)
    batching.send('t', 0, null, value, 1, [])
    batching.discard()
    batching.flush()
    expect(sent).toEqual([])
  })
})
