import { describe, expect, it } from 'vitest'
import { murmur3 } from '../../src/streams/murmur3.ts'

describe('murmur3', () => {
  // The first three are from recorded foreign-key joins; they are shorter than a block.
  it.each([
    ['v|f1', '59547f5b81f8c381080c0c1c687cb569'],
    ['w|f2', '325103078ef881a5544d4b0ddbd3003c'],
    ['x', '7cceb46e5bde39b69b73f1593bae1c9f'],
  ])('gives %s the hash that Kafka Streams gives it', (text, hash) => {
    expect(Buffer.from(murmur3(Buffer.from(text))).toString('hex')).toBe(hash)
  })

  it('tells texts of all lengths around a block apart, and reads views from their start', () => {
    const texts = Array.from({ length: 50 }, (_, length) => 'a'.repeat(length))
    expect(new Set(texts.map((text) => Buffer.from(murmur3(Buffer.from(text))).toString('hex'))).size).toBe(50)
    const padded = Buffer.from(`xx${'a'.repeat(40)}`)
    expect(murmur3(padded.subarray(2))).toEqual(murmur3(Buffer.from('a'.repeat(40))))
  })
})
