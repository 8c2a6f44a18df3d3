import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import { changeSerde } from '../../src/streams/change-serde.ts'

const serde = changeSerde(stringSerde)
const hex = (newValue: string | null, oldValue: string | null) => Buffer.from(serde.serialize({ newValue, oldValue, isLatest: true })).toString('hex')

describe('a change on its way through a repartition topic', () => {
  it('has the bytes that Kafka Streams gives it', () => {
    expect(hex('ab', null)).toBe('616201')
    expect(hex(null, 'ab')).toBe('616200')
    expect(hex('ab', 'c')).toBe('0461626302')
  })

  it('is read as it was written', () => {
    fc.assert(fc.property(fc.option(fc.string()), fc.option(fc.string({ maxLength: 300 })), (newValue, oldValue) => {
      fc.pre(newValue !== null || oldValue !== null)
      expect(serde.deserialize(serde.serialize({ newValue, oldValue, isLatest: true }))).toEqual({ newValue, oldValue, isLatest: true })
    }))
  })

  it('is refused when nothing changed, or the bytes make no sense', () => {
    expect(() => hex(null, null)).toThrow('neither')
    expect(() => serde.deserialize(Uint8Array.of(65, 3))).toThrow('ends with 3')
    expect(() => serde.deserialize(Uint8Array.of())).toThrow('ends with nothing')
    expect(() => serde.deserialize(Uint8Array.of(200, 1, 65, 2))).toThrow('beyond its end')
    expect(() => serde.deserialize(Uint8Array.of(255, 255, 255, 255, 255, 255, 2))).toThrow('cannot be read')
  })
})
