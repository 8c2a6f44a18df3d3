import { describe, expect, it } from 'vitest'
import { RecordBatchBuilder } from '../../../src/core/index.ts'
import { RecordBatchView, patchOffset, splitBatches } from '../../../src/core/log/record-batch.ts'
import { SpareMemory, blockOf, decodePartition, encodePartition } from '../../../src/core/port/port-messages.ts'

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

const batch = (bytes: number) => Uint8Array.from({ length: bytes }, (_, index) => index % 251)

describe('memory that comes back', () => {
  it('is used again for the next batch that has room in it, which has its own bytes and no others', () => {
    const spare = new SpareMemory()
    const first = spare.copyOf(batch(20_000))
    expect(first).toEqual(batch(20_000))
    spare.giveBack(first.buffer)
    const second = spare.copyOf(batch(18_000))
    expect(second).toEqual(batch(18_000))
    expect(second.buffer).toBe(first.buffer)
  })

  it('is nobody else\'s while it is away', () => {
    const spare = new SpareMemory()
    spare.giveBack(spare.copyOf(batch(20_000)).buffer)
    const [first, second] = [spare.copyOf(batch(20_000)), spare.copyOf(batch(20_000))]
    expect(second.buffer).not.toBe(first.buffer)
  })

  it('is not used for a batch that it is too small for', () => {
    const spare = new SpareMemory()
    const first = spare.copyOf(batch(20_000))
    spare.giveBack(first.buffer)
    const second = spare.copyOf(batch(40_000))
    expect(second).toEqual(batch(40_000))
    expect(second.buffer).not.toBe(first.buffer)
  })

  it('is not sent back for a small batch, which takes no more than its bytes', () => {
    const copy = new SpareMemory().copyOf(batch(100))
    expect(copy.buffer.byteLength).toBe(100)
    expect(blockOf(copy)).toBeNull()
  })

  it('is kept up to 4 MiB: what came first is forgotten', () => {
    const spare = new SpareMemory()
    const blocks = Array.from({ length: 6 }, () => spare.copyOf(batch(1_048_576)).buffer)
    for (const block of blocks) spare.giveBack(block)
    const taken = new Set(Array.from({ length: 6 }, () => spare.copyOf(batch(1_048_576)).buffer))
    expect(blocks.map((block) => taken.has(block))).toEqual([false, false, true, true, true, true])
  })
})
