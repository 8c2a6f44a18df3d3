import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteHeap, isSameBlockSize } from '../../../src/streams/state/byte-heap.ts'

const lengths = fc.oneof(fc.nat(200), fc.nat(20_000))

describe('ByteHeap', () => {
  it('gives blocks that do not overlap, as long as they are not freed', () => {
    fc.assert(fc.property(fc.array(fc.record({ length: lengths, frees: fc.boolean() }), { maxLength: 200 }), (steps) => {
      const heap = new ByteHeap()
      const blocks: { readonly address: number; readonly length: number; readonly mark: number }[] = []
      for (const [index, { length, frees }] of steps.entries()) {
        if (frees && blocks.length > 0) {
          const { address, length: freed } = blocks.splice(index % blocks.length, 1)[0]!
          heap.free(address, freed)
        }
        const block = { address: heap.allocate(length), length, mark: index % 251 }
        heap.page(block.address).fill(block.mark, heap.offset(block.address), heap.offset(block.address) + length)
        blocks.push(block)
      }
      for (const { address, length, mark } of blocks) {
        const start = heap.offset(address)
        expect(heap.page(address).subarray(start, start + length).every((byte) => byte === mark)).toBe(true)
      }
    }), { numRuns: 100 })
  })

  it('gives out again every block that was freed, from addresses of one byte to those of three', () => {
    const length = 8
    const heap = new ByteHeap()
    const addresses = Array.from({ length: 70_000 }, () => heap.allocate(length))
    const freed = addresses.filter((_, index) => [0, 1, 200, 255, 256, 257, 511, 4096, 65_535, 65_536, 69_999].includes(index))
    for (const address of freed) heap.free(address, length)
    const again = freed.map(() => heap.allocate(length))
    expect(again.toSorted((a, b) => a - b)).toEqual(freed)
    expect(Math.max(...again)).toBeGreaterThan(65_536)
  })

  it('uses a freed block again for any length of the same block size', () => {
    fc.assert(fc.property(lengths, lengths, (first, second) => {
      fc.pre(isSameBlockSize(first, second))
      const heap = new ByteHeap()
      const address = heap.allocate(first)
      heap.free(address, second)
      expect(heap.allocate(second)).toBe(address)
    }))
  })

  it('wastes at most a fifth of a block beyond 128 bytes', () => {
    for (let length = 129; length < 16 * 1024; length += 7) {
      expect(isSameBlockSize(length, Math.ceil(length * 1.3))).toBe(false)
    }
  })
})
