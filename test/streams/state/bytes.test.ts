import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { copyInto, copyWords } from '../../../src/streams/state/bytes.ts'

describe('copyWords', () => {
  it('copies as many bytes as it is asked for, and no other, whatever their number and wherever they begin in views that begin anywhere', () => {
    const length = fc.oneof(fc.nat(12), fc.integer({ min: 250, max: 262 }), fc.nat(400))
    fc.assert(fc.property(length, fc.nat(9), fc.nat(9), fc.nat(9), (count, start, at, viewAt) => {
      const source = Uint8Array.from({ length: viewAt + start + count + 5 }, (_, index) => 1 + (index % 255))
      const copied = new Uint8Array(viewAt + at + count + 5)
      const expected = new Uint8Array(copied)
      copyWords(new DataView(copied.buffer, viewAt), at, new DataView(source.buffer, viewAt), start, start + count)
      copyInto(expected, viewAt + at, source, viewAt + start, viewAt + start + count)
      expect(Buffer.from(copied).toString('hex')).toBe(Buffer.from(expected).toString('hex'))
    }), { numRuns: 500 })
  })
})
