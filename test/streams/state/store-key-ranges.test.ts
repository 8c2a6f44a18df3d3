import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareBytes } from '../../../src/streams/state/bytes.ts'
import { sessionsOfKey, sessionsOfKeys, windowsOfKey, windowsOfKeys } from '../../../src/streams/state/store-key-ranges.ts'
import type { KeyRange } from '../../../src/streams/state/store-key-ranges.ts'
import { sessionKey, windowKey } from '../../../src/streams/state/store-keys.ts'

/** Few different bytes, so that keys begin with each other, and with what looks like times. */
const key = fc.array(fc.constantFrom(0, 1, 0x7f, 0xff), { maxLength: 12 }).map((bytes) => Uint8Array.of(...bytes))
const time = fc.oneof(fc.nat(3), fc.nat(2 ** 31), fc.nat(2 ** 52))
const contains = ({ first, last }: KeyRange, row: Uint8Array) => compareBytes(first, row) <= 0 && compareBytes(row, last) <= 0

describe('ranges of keys', () => {
  it('of windows hold every row of their keys and times, and of one key no other start', () => {
    fc.assert(fc.property(key, key, key, time, time, fc.nat(2 ** 31 - 1), (a, b, base, start, to, sequence) => {
      const [low, high] = compareBytes(a, b) <= 0 ? [a, b] : [b, a]
      const row = windowKey(base, start, sequence)
      if (compareBytes(low, base) <= 0 && compareBytes(base, high) <= 0 && start <= to) expect(contains(windowsOfKeys(low, high, to), row)).toBe(true)
      expect(contains(windowsOfKey(base, to, to + 5), row)).toBe(start >= to && start <= to + 5)
    }), { numRuns: 500 })
  })

  it('of sessions hold every row of their keys and times, and of one key no earlier end', () => {
    fc.assert(fc.property(key, key, key, time, time, time, (a, b, base, start, length, latest) => {
      const [low, high] = compareBytes(a, b) <= 0 ? [a, b] : [b, a]
      const row = sessionKey(base, start, start + length)
      if (compareBytes(low, base) <= 0 && compareBytes(base, high) <= 0 && start <= latest) expect(contains(sessionsOfKeys(low, high, latest), row)).toBe(true)
      expect(contains(sessionsOfKey(base, latest, start), row)).toBe(start + length >= latest)
    }), { numRuns: 500 })
  })
})
