import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { compressionCodec, compressionNames } from '../../../src/core/log/compression.ts'
import { randomInteger, seededRandom } from '../../../src/core/random.ts'
import type { Random } from '../../../src/core/random.ts'

const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const

/** Text with repetitions near and far, and stretches that do not compress. */
function sample(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length;) {
    const run = 1 + randomInteger(random, 300)
    const kind = randomInteger(random, 3)
    for (let end = Math.min(length, at + run); at < end; at++) {
      bytes[at] = kind === 0 ? randomInteger(random, 256) : kind === 1 ? 97 : bytes[Math.max(0, at - 1 - (run % 70_000))]!
    }
  }
  return bytes
}

describe.each(codecs)('the %s codec', (name) => {
  const codec = compressionCodec(compressionNames.indexOf(name))

  it('gives back what it was given, whatever its size', () => {
    const random = seededRandom(7)
    for (const length of [0, 1, 4, 5, 12, 13, 60, 61, 1000, 65_535, 65_536, 65_537, 200_000]) {
      const bytes = sample(random, length)
      const deflated = codec.deflate(bytes)
      expect(Buffer.compare(codec.inflate(deflated, length), bytes), `${length} bytes`).toBe(0)
      if (length > 1000) expect(deflated.length).toBeLessThan(length)
    }
  })

  it('refuses to inflate beyond the limit', () => {
    const deflated = codec.deflate(Buffer.alloc(1_000_000))
    expect(() => codec.inflate(deflated, 999_999)).toThrow(expect.toSatisfy((error) => isStreamError(error, 'RECORD_TOO_LARGE')))
  })

  it('refuses what is cut, whatever stands behind it in memory', () => {
    const whole = codec.deflate(sample(seededRandom(5), 3000))
    for (let cut = 1; cut < 12; cut++) expect(() => codec.inflate(whole.subarray(0, whole.length - cut), 10_000)).toThrow(expect.toSatisfy((error) => isStreamError(error)))
  })

  it('answers any bytes with data or a typed error', () => {
    const random = seededRandom(11)
    const good = codec.deflate(sample(random, 2000))
    for (let i = 0; i < 1200; i++) {
      const bytes = i % 3 === 0 ? Buffer.from(Array.from({ length: randomInteger(random, 60) }, () => randomInteger(random, 256))) : Buffer.from(good.subarray(0, i % 3 === 1 ? good.length : randomInteger(random, good.length)))
      if (i % 3 === 1) bytes[randomInteger(random, bytes.length)]! ^= 1 << randomInteger(random, 8)
      try {
        codec.inflate(bytes, 10_000)
      } catch (error) {
        if (!isStreamError(error)) throw error
      }
    }
  })
})

describe('compressionCodec', () => {
  it('names an unknown type', () => {
    expect(() => compressionCodec(6)).toThrow(/unknown type 6/)
  })
})
