import { describe, expect, it } from 'vitest'
import type { EngineApi, FetchRequest, FetchedPartition } from '../../../src/core/engine/engine-api.ts'
import { ReadAhead } from '../../../src/core/engine/embedded-reader.ts'
import { RecordBatchBuilder } from '../../../src/core/index.ts'
import { RecordBatchView, patchOffset } from '../../../src/core/log/record-batch.ts'

const batchBytes = 400

function batchAt(offset: number): RecordBatchView {
  const builder = new RecordBatchBuilder({ maxBytes: 1024 })
  builder.add(null, new Uint8Array(batchBytes), 0)
  const { bytes } = builder.build()
  patchOffset(bytes, offset, 0)
  return new RecordBatchView(bytes)
}

function requestOf(positions: Readonly<Record<number, number>>, options: Partial<FetchRequest> = {}): FetchRequest {
  const list = Object.entries(positions).map(([partition, offset]) => ({ topic: 't', partition: Number(partition), offset }))
  return { positions: list, maxBytes: 500, minBytes: 1, maxWaitMs: 100, isolation: 'read-committed', ...options }
}

/** One record a batch, one batch an answer, up to offset `end` in each partition. */
function setUp(end = 100) {
  const requests: FetchRequest[] = []
  const fetch = (request: FetchRequest): Promise<readonly FetchedPartition[]> => {
    requests.push(request)
    const position = request.positions.find(({ offset }) => offset < end)
    if (position === undefined) return Promise.resolve([])
    const { topic, partition, offset } = position
    return Promise.resolve([{ topic, partition, batches: [batchAt(offset)], nextOffset: offset + 1, logStartOffset: 0, highWatermark: end, lastStableOffset: end }])
  }
  const ahead = new ReadAhead({ fetch } as unknown as EngineApi, new AbortController().signal)
  const read = async (request: FetchRequest) => {
    const partitions = await fetch(request)
    ahead.start(request, partitions)
  }
  const took = async (request: FetchRequest) => (await ahead.take(request)).map(({ partition, batches }) => [partition, batches[0]!.baseOffset])
  return { requests, ahead, read, took }
}

describe('ReadAhead', () => {
  it('has asked for what follows when a read came to as much as was asked for', async () => {
    const { requests, read, took } = setUp()
    await read(requestOf({ 0: 5 }))
    expect(requests.at(-1)).toMatchObject({ positions: [{ topic: 't', partition: 0, offset: 6 }], maxWaitMs: 0 })
    expect(await took(requestOf({ 0: 6 }))).toEqual([[0, 6]])
    expect(await took(requestOf({ 0: 6 })), 'given once').toEqual([])
  })

  it('asks for nothing where a read came to little: the end is near, and whoever waits there shall hear of news at once', async () => {
    const { requests, read } = setUp()
    await read(requestOf({ 0: 5 }, { maxBytes: 10_000 }))
    expect(requests).toHaveLength(1)
  })

  it('begins with the partition that was not read', async () => {
    const { read, took } = setUp()
    await read(requestOf({ 0: 5, 1: 7 }))
    expect(await took(requestOf({ 0: 6, 1: 7 }))).toEqual([[1, 7]])
  })

  it('gives nothing to a reader that goes on elsewhere, that reads otherwise, or that asks for less', async () => {
    for (const request of [requestOf({ 0: 50 }), requestOf({ 0: 6 }, { isolation: 'read-uncommitted' }), requestOf({ 0: 6 }, { maxBytes: 450 }), requestOf({ 0: 6 }, { minBytes: 600 })]) {
      const { read, took } = setUp()
      await read(requestOf({ 0: 5 }))
      expect(await took(request)).toEqual([])
      expect(await took(requestOf({ 0: 6 })), 'nor to anybody afterwards').toEqual([])
    }
  })

  it('keeps what belongs to a paused partition, but not for ever', async () => {
    const { read, took } = setUp()
    await read(requestOf({ 0: 5 }))
    for (let reads = 0; reads < 16; reads++) expect(await took(requestOf({ 1: 0 }))).toEqual([])
    expect(await took(requestOf({ 0: 6 }))).toEqual([[0, 6]])
    await read(requestOf({ 0: 5 }))
    for (let reads = 0; reads < 17; reads++) await took(requestOf({ 1: 0 }))
    expect(await took(requestOf({ 0: 6 }))).toEqual([])
  })

  it('holds one answer at most', async () => {
    const { requests, read } = setUp()
    await read(requestOf({ 0: 5 }))
    await read(requestOf({ 1: 5 }))
    expect(requests).toHaveLength(3)
  })

  it('leaves it to the read that asks for it to find out what is wrong', async () => {
    const ahead = new ReadAhead({ fetch: () => Promise.reject(new Error('gone')) } as unknown as EngineApi, new AbortController().signal)
    ahead.start(requestOf({ 0: 5 }), [{ topic: 't', partition: 0, batches: [batchAt(5)], nextOffset: 6, logStartOffset: 0, highWatermark: 9, lastStableOffset: 9 }])
    expect(await ahead.take(requestOf({ 0: 6 }))).toEqual([])
  })
})
