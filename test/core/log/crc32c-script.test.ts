import { expect, test } from 'vitest'
import { crc32cInScript } from '../../../src/core/log/crc32c-script.ts'

test('the checksum in JavaScript covers the bytes from start to end, and nothing of an empty range', () => {
  const bytes = Buffer.from('xx123456789yy')
  expect(crc32cInScript(bytes, 2, 11)).toBe(0xe3069283)
  expect(crc32cInScript(bytes, 5, 5)).toBe(0)
})
