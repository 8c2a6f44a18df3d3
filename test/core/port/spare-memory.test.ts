import { describe, expect, it } from 'vitest'
import { SpareMemory, blockOf } from '../../../src/core/port/spare-memory.ts'

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
