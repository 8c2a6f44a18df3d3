import { describe, expect, it } from 'vitest'
import { RecordBatchBuilder } from '../../../src/core/index.ts'
import { RecordBatchView, patchOffset, splitBatches } from '../../../src/core/log/record-batch.ts'
import { decodePartition, encodePartition } from '../../../src/core/port/port-messages.ts'

/** `count` batches of one record back to back, as they are read from a segment. */
function chunkOf(count: number): RecordBatchView[] {
  const batches = Array.from({ length: count }, (_, offset) => {
    const builder = new RecordBatchBuilder({ maxBytes: 1024 })
    builder.add(null, Uint8Array.of(offset), offset)
    const { bytes } = builder.build()
    patchOffset(bytes, offset, 0)
    return bytes.slice()
  })
  const chunk = Buffer.allocUnsafeSlow(batches.reduce((size, { length }) => size + length, 0))
  batches.reduce((at, bytes) => (chunk.set(bytes, at), at + bytes.length), 0)
  return splitBatches(chunk)
}

function partitionOf(batches: readonly RecordBatchView[]) {
  return { topic: 't', partition: 0, batches, nextOffset: 9, logStartOffset: 0, highWatermark: 9, lastStableOffset: 9 }
}

describe('the batches of a partition on their way through a port', () => {
  it('are handed over in the memory that they were read into', () => {
    const batches = chunkOf(4)
    const encoded = encodePartition(partitionOf(batches))
    expect(encoded.bytes.buffer).toBe(batches[0]!.bytes.buffer)
  })

  it('arrive at their offsets, without those between them that nobody shall see', () => {
    const batches = chunkOf(6).filter((_, index) => index !== 2)
    const { batches: arrived } = decodePartition(encodePartition(partitionOf(batches)), 1)
    expect(arrived.map(({ baseOffset }) => baseOffset)).toEqual([0, 1, 3, 4, 5])
    expect(arrived.flatMap((batch) => [...batch].map(({ offset }) => offset)), 'records from where reading began').toEqual([1, 3, 4, 5])
  })

  it('are copied where they are few of what was read, so that nobody keeps the rest', () => {
    const batches = chunkOf(10).slice(3, 5)
    const encoded = encodePartition(partitionOf(batches))
    expect(encoded.bytes.length).toBe(batches[0]!.sizeBytes * 2)
    expect(decodePartition(encoded, 0).batches.map(({ baseOffset }) => baseOffset)).toEqual([3, 4])
  })

  it('are copied out of memory that they share with others, which cannot be handed over', () => {
    const whole = chunkOf(1)[0]!
    const shared = new Uint8Array(4 * whole.sizeBytes).subarray(0, whole.sizeBytes)
    shared.set(whole.bytes)
    expect(encodePartition(partitionOf([new RecordBatchView(shared)])).bytes.buffer).not.toBe(shared.buffer)
    expect(encodePartition(partitionOf([])).bytes).toHaveLength(0)
  })
})
