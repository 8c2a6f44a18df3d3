import { describe, expect, it } from 'vitest'
import { randomInteger, seededRandom } from '../../src/core/index.ts'
import { murmur3 } from '../../src/streams/murmur3.ts'

describe('murmur3', () => {
  // The first three are from recorded foreign-key joins; they are shorter than a block.
  it.each([
    ['v|f1', '59547f5b81f8c381080c0c1c687cb569'],
    ['w|f2', '325103078ef881a5544d4b0ddbd3003c'],
    ['x', '7cceb46e5bde39b69b73f1593bae1c9f'],
  ])('gives %s the hash that Kafka Streams gives it', (text, hash) => {
    expect(hex(murmur3(Buffer.from(text)))).toBe(hash)
  })

  it('tells texts of all lengths around a block apart, and reads views from their start', () => {
    const texts = Array.from({ length: 50 }, (_, length) => 'a'.repeat(length))
    expect(new Set(texts.map((text) => hex(murmur3(Buffer.from(text))))).size).toBe(50)
    const padded = Buffer.from(`xx${'a'.repeat(40)}`)
    expect(murmur3(padded.subarray(2))).toEqual(murmur3(Buffer.from('a'.repeat(40))))
  })

  it('gives bytes of any length what the same steps give in integers of 64 bits', () => {
    const random = seededRandom(3)
    for (let round = 0; round < 2_000; round++) {
      const isExtreme = round % 3 === 0
      const bytes = Uint8Array.from({ length: round % 70 }, () => (isExtreme ? 255 * randomInteger(random, 2) : randomInteger(random, 256)))
      expect(hex(murmur3(bytes)), hex(bytes)).toBe(plainMurmur3(bytes))
    }
  })
})

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Step by step as it is published, with zeros for what the last block lacks: these change nothing. */
function plainMurmur3(bytes: Uint8Array): string {
  const padded = Buffer.alloc(Math.ceil(bytes.length / 16) * 16)
  padded.set(bytes)
  const [c1, c2] = [0x87c37b91114253d5n, 0x4cf5ad432745937fn]
  const wrap = (value: bigint) => BigInt.asUintN(64, value)
  const rotate = (value: bigint, bits: bigint) => wrap((value << bits) | (value >> (64n - bits)))
  let [h1, h2] = [104_729n, 104_729n]
  for (let at = 0; at < padded.length; at += 16) {
    h1 ^= wrap(rotate(wrap(padded.readBigUInt64LE(at) * c1), 31n) * c2)
    const isWhole = at + 16 <= bytes.length
    if (isWhole) h1 = wrap(wrap(rotate(h1, 27n) + h2) * 5n + 0x52dce729n)
    h2 ^= wrap(rotate(wrap(padded.readBigUInt64LE(at + 8) * c2), 33n) * c1)
    if (isWhole) h2 = wrap(wrap(rotate(h2, 31n) + h1) * 5n + 0x38495ab5n)
  }
  const mixed = (h: bigint) => {
    const once = wrap((h ^ (h >> 33n)) * 0xff51afd7ed558ccdn)
    const twice = wrap((once ^ (once >> 33n)) * 0xc4ceb9fe1a85ec53n)
    return twice ^ (twice >> 33n)
  }
  h1 = wrap((h1 ^ BigInt(bytes.length)) + (h2 ^ BigInt(bytes.length)))
  h2 = mixed(wrap((h2 ^ BigInt(bytes.length)) + h1))
  h1 = wrap(mixed(h1) + h2)
  return [h1, wrap(h2 + h1)].map((half) => half.toString(16).padStart(16, '0')).join('')
}
