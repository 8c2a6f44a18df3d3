import { expect, test } from 'vitest'
import { crc32c } from '../../../src/core/log/crc32c.ts'
import { crc32cInScript } from '../../../src/core/log/crc32c-script.ts'
import { randomInteger, seededRandom } from '../../../src/core/random.ts'

/** The definition: one bit after the other. */
function bitwise(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return (crc ^ -1) >>> 0
}

test('the checksum of the nine digits is the published check value', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
})

test('the native checksum, the one in JavaScript and the definition agree for every length and alignment', () => {
  const random = seededRandom(1)
  const bytes = Uint8Array.from({ length: 3000 }, () => randomInteger(random, 256))
  const lengths = [...Array.from({ length: 80 }, (_, i) => i), 500, 511, 512, 513, 1024, 2047, 2900]
  for (const start of [0, 1, 2, 3, 61]) {
    for (const length of lengths) {
      const expected = bitwise(bytes.subarray(start, start + length))
      expect(crc32c(bytes, start, start + length)).toBe(expected)
      expect(crc32cInScript(bytes, start, start + length)).toBe(expected)
    }
  }
})
