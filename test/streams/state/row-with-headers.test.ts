import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { headersFromBytes, headersToBytes, valueAndHeadersSerde, valueTimestampAndHeadersSerde } from '../../../src/streams/state/row-with-headers.ts'

const headers = fc.array(fc.record({ key: fc.string({ unit: 'grapheme' }), value: fc.option(fc.uint8Array({ maxLength: 200 })) }), { maxLength: 70 })

describe('rows with headers', () => {
  it('are read as they were written, with a timestamp and without', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.maxSafeInteger(), headers, (value, timestamp, list) => {
      const [stamped, plain] = [valueTimestampAndHeadersSerde(stringSerde), valueAndHeadersSerde(stringSerde)]
      expect(stamped.deserialize(stamped.serialize({ value, timestamp, headers: list }))).toEqual({ value, timestamp, headers: list })
      expect(plain.deserialize(plain.serialize({ value, headers: list }))).toEqual({ value, headers: list })
    }), { numRuns: 50 })
  })

  it('that are damaged are refused, whatever lengths they claim', () => {
    fc.assert(fc.property(headers.filter((list) => list.length > 0), fc.nat(), (list, cut) => {
      const whole = headersToBytes(list)
      expect(() => headersFromBytes(whole.subarray(0, 1 + (cut % (whole.length - 1))))).toThrow('damaged')
    }), { numRuns: 50 })
    const serde = valueTimestampAndHeadersSerde(stringSerde)
    for (const bytes of ['', 'feffffff0f', '0202', '80', '00ff', '01ffffffffffffffff']) expect(() => serde.deserialize(new Uint8Array(Buffer.from(bytes, 'hex')))).toThrow('damaged')
  })
})
