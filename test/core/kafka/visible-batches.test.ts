import { describe, expect, it } from 'vitest'
import { fetchedBatches } from '../../../src/core/kafka/visible-batches.ts'
import { encodeMarker } from '../../../src/core/log/control-batch.ts'
import { patchOffset, sealBatch } from '../../../src/core/log/record-batch.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'

/** A log of batches: `['data', producerId, values…]` or a marker. */
type Entry = readonly ['data' | 'plain', number, ...string[]] | readonly ['commit' | 'abort', number]

function logOf(...entries: readonly Entry[]): Buffer {
  const batches: Uint8Array[] = []
  let offset = 0
  for (const [kind, producerId, ...values] of entries) {
    let bytes: Uint8Array
    if (kind === 'commit' || kind === 'abort') {
      bytes = encodeMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, type: kind, timestamp: 0 })
    } else {
      const builder = new RecordBatchBuilder({ maxBytes: 10_000 })
      for (const value of values) builder.add(null, Buffer.from(value), 0)
      bytes = builder.build().bytes
      sealBatch(bytes, { producerId, producerEpoch: 0, baseSequence: 0, transactional: kind === 'data' })
    }
    patchOffset(bytes, offset, 0)
    offset += Math.max(1, values.length)
    batches.push(bytes)
  }
  return Buffer.concat(batches)
}

function visible(log: Buffer, aborted: { producerId: number; firstOffset: number }[], from = 0): string[] {
  return fetchedBatches(log, from, 'read-committed', aborted).flatMap(({ batch, isVisible }) => (isVisible ? [...batch].map(({ value }) => Buffer.from(value!).toString()) : []))
}

describe('fetchedBatches', () => {
  it('hides each aborted transaction of a producer that aborts twice and commits between', () => {
    const log = logOf(['data', 1, 'a'], ['abort', 1], ['data', 1, 'b'], ['commit', 1], ['data', 1, 'c'], ['abort', 1], ['data', 1, 'd'], ['commit', 1])
    expect(visible(log, [{ producerId: 1, firstOffset: 4 }, { producerId: 1, firstOffset: 0 }])).toEqual(['b', 'd'])
  })

  it('hides records whose abort marker lies beyond the answer', () => {
    expect(visible(logOf(['plain', -1, 'x'], ['data', 1, 'a', 'b'], ['data', 2, 'c']), [{ producerId: 1, firstOffset: 1 }])).toEqual(['x', 'c'])
  })

  it('hides records of a transaction that began before the answer', () => {
    const log = logOf(['data', 7, 'late'], ['abort', 7], ['data', 7, 'kept'])
    expect(visible(log, [{ producerId: 7, firstOffset: -100 }])).toEqual(['kept'])
  })

  it('lets a producer\'s records without a transaction through, and those of others in between', () => {
    const log = logOf(['data', 1, 'a'], ['data', 2, 'b'], ['plain', 1, 'plain'], ['abort', 1], ['commit', 2])
    expect(visible(log, [{ producerId: 1, firstOffset: 0 }])).toEqual(['b', 'plain'])
  })

  it('moves past markers and aborted batches, and leaves out records before the position', () => {
    const log = logOf(['plain', -1, 'a', 'b', 'c'], ['commit', 3])
    const batches = fetchedBatches(log, 2, 'read-committed', [])
    expect(batches.map(({ batch, isVisible }) => [batch.nextOffset, isVisible])).toEqual([[3, true], [4, false]])
    expect(visible(log, [], 2)).toEqual(['c'])
  })

  it('shows everything but markers to read-uncommitted', () => {
    const log = logOf(['data', 1, 'a'], ['abort', 1])
    expect(fetchedBatches(log, 0, 'read-uncommitted', [{ producerId: 1, firstOffset: 0 }]).map(({ isVisible }) => isVisible)).toEqual([true, false])
  })

  it('leaves out a batch that is cut off, and refuses a damaged one', () => {
    const log = logOf(['plain', -1, 'a'], ['plain', -1, 'b'])
    expect(visible(log.subarray(0, log.length - 1), [])).toEqual(['a'])
    const damaged = Buffer.from(log)
    damaged[log.length - 3]! ^= 1
    expect(() => visible(damaged, [])).toThrow(/checksum/)
  })
})
