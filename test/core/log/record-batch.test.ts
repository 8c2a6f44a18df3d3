import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { decodeSnapshot, encodeSnapshot } from '../../../src/core/log/producer-snapshot.ts'
import { ProducerState } from '../../../src/core/log/producer-state.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { RecordBatchView, SpareMemory, sealBatch, sequenceAfter, spareBlockOf, splitBatches } from '../../../src/core/log/record-batch.ts'
import { randomInteger, seededRandom } from '../../../src/core/random.ts'
import { batch } from '../../kit/log-fixtures.ts'

/** More by MILLRACE_FUZZ_INPUTS. */
const fuzzInputs = Number(process.env['MILLRACE_FUZZ_INPUTS'] ?? 8_000)

function withHeaders(compression: 'none' | 'gzip' | 'snappy' | 'lz4'): Uint8Array {
  const builder = new RecordBatchBuilder({ maxBytes: 10_000, compression })
  for (let i = 0; i < 5; i++) builder.add(Buffer.from(`key-${i}`), i === 2 ? null : Buffer.alloc(40, i), 1000 + i, [{ key: 'h', value: i === 1 ? null : Buffer.from('v') }])
  const { bytes } = builder.build()
  sealBatch(bytes, { producerId: 1, producerEpoch: 0, baseSequence: 0, transactional: false })
  return bytes
}

/** Everything a reader may ask of a batch; a typed error is an answer. */
function lookAtAll(bytes: Uint8Array): void {
  try {
    for (const view of splitBatches(bytes)) {
      let seen = 0
      for (const record of view) seen += (record.key?.length ?? 0) + (record.value?.length ?? 0) + record.headers.length
      if (seen > 100_000_000) throw new Error('more than the bytes can hold')
    }
  } catch (error) {
    if (!isStreamError(error)) throw error
  }
}

describe('RecordBatchView', () => {
  it('leaves out the records before the offset that was asked for', () => {
    const bytes = batch(['a', 'b', 'c'])
    expect([...new RecordBatchView(bytes, 0, 1)].map(({ offset }) => offset)).toEqual([1, 2])
    const visited: number[] = []
    new RecordBatchView(bytes, 0, 2).forEach(({ offset }) => visited.push(offset))
    expect(visited).toEqual([2])
  })

  it('finds each flipped bit but those of base offset, length and leader epoch by the checksum', () => {
    const bytes = batch(['value'])
    for (let at = 16; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes)
      changed[at]! ^= 1 << (at % 8)
      expect(() => new RecordBatchView(changed).ensureValid(), `byte ${at}`).toThrow(expect.toSatisfy((error) => isStreamError(error, 'CORRUPT_RECORD')))
    }
  })

  it('splits a buffer into its whole batches and leaves the rest', () => {
    const [first, second] = [batch(['a']), batch(['b', 'c'])]
    const bytes = Buffer.concat([first, second, second.subarray(0, 40)])
    expect(splitBatches(bytes).map(({ position, recordCount }) => [position, recordCount])).toEqual([[0, 1], [first.length, 2]])
  })

  it('counts sequences over the largest one', () => {
    expect([sequenceAfter(2147483647, 1), sequenceAfter(2147483646, 4), sequenceAfter(5, 0)]).toEqual([0, 2, 5])
  })
})

describe('decoders', () => {
  it.each(['none', 'gzip', 'snappy', 'lz4'] as const)('answer any bytes with records or a typed error (%s)', (compression) => {
    const random = seededRandom(3)
    const good = withHeaders(compression)
    for (let i = 0; i < fuzzInputs / 4; i++) {
      const bytes = Uint8Array.from(good)
      for (let flips = 1 + randomInteger(random, 3); flips > 0; flips--) bytes[i % 2 === 0 ? 57 + randomInteger(random, bytes.length - 57) : randomInteger(random, bytes.length)] = randomInteger(random, 256)
      lookAtAll(i % 5 === 0 ? bytes.subarray(0, randomInteger(random, bytes.length)) : bytes)
    }
  })

  it('answer any snapshot with producers or a typed error', () => {
    const random = seededRandom(4)
    const state = new ProducerState()
    state.restore([{ producerId: 5, epoch: 1, batches: [], lastTimestamp: 9, coordinatorEpoch: 2, transactionFirstOffset: -1 }])
    const good = encodeSnapshot(state)
    expect(decodeSnapshot(good, 'x')).toHaveLength(1)
    for (let at = 0; at < good.length; at++) {
      const bytes = Uint8Array.from(good)
      bytes[at]! ^= 1 << randomInteger(random, 8)
      expect(() => decodeSnapshot(bytes, '/d/5.snapshot'), `byte ${at}`).toThrow(/5\.snapshot is not a producer snapshot/)
      expect(() => decodeSnapshot(good.subarray(0, at), '/d/5.snapshot')).toThrow(/5\.snapshot is not a producer snapshot/)
    }
  })
})

describe('memory that comes back', () => {
  it('is taken again by whoever has room in it, and is nobody else\'s while it is away', () => {
    const memory = new SpareMemory()
    const block = memory.take(20_000)
    memory.giveBack(block)
    const [first, second] = [memory.take(18_000), memory.take(18_000)]
    expect(first).toBe(block)
    expect(second).not.toBe(block)
  })

  it('is not taken for more than it holds', () => {
    const memory = new SpareMemory()
    const block = memory.take(20_000)
    memory.giveBack(block)
    expect(memory.take(40_000)).not.toBe(block)
    expect(memory.take(40_000).byteLength).toBeGreaterThanOrEqual(40_000)
  })

  it('is not kept where it is small, or went to another thread', () => {
    const memory = new SpareMemory()
    const small = memory.take(100)
    expect(small.byteLength).toBe(100)
    expect(spareBlockOf(new Uint8Array(small))).toBeNull()
    memory.giveBack(small)
    expect(memory.take(100)).not.toBe(small)
    const sent = memory.take(20_000)
    structuredClone(sent, { transfer: [sent] })
    memory.giveBack(sent)
    expect(memory.take(20_000).byteLength).toBeGreaterThanOrEqual(20_000)
  })

  it('is kept up to a bound: what came first is forgotten', () => {
    const memory = new SpareMemory(4 * 1_048_576)
    const blocks = Array.from({ length: 6 }, () => memory.take(1_048_576))
    for (const block of blocks) memory.giveBack(block)
    const taken = new Set(Array.from({ length: 6 }, () => memory.take(1_048_576)))
    expect(blocks.map((block) => taken.has(block))).toEqual([false, false, true, true, true, true])
  })

  it('holds one batch at a time: batches that were not given back stay as they were', () => {
    const memory = new SpareMemory()
    const builder = new RecordBatchBuilder({ maxBytes: 64 * 1024, memory })
    const away: { readonly batch: Uint8Array; readonly fill: number }[] = []
    const blocks = new Set<ArrayBufferLike>()
    for (let round = 0; round < 60; round++) {
      // Now and then a batch that is small beside the memory it was written in, and is copied out of it.
      for (let i = 0; i < (round % 5 === 0 ? 18 : 60); i++) builder.add(null, new Uint8Array(1000).fill(round), round)
      const batch = builder.build().bytes
      blocks.add(batch.buffer)
      away.push({ batch, fill: round })
      for (const { batch: waiting, fill } of away) {
        for (const { timestamp, value } of new RecordBatchView(waiting)) expect([timestamp, value!.every((byte) => byte === fill)]).toEqual([fill, true])
      }
      if (away.length < 3) continue
      const { batch: written } = away.splice(round % 3, 1)[0]!
      written.fill(0xff)
      memory.giveBack(written.buffer)
    }
    expect(blocks.size).toBeLessThan(20)
  })
})
