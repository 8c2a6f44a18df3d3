import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { doubleSerde, longSerde } from '../../src/core/fixed-length-serdes.ts'
import { bytesSerde, isStandardSchema, jsonSerde, stringSerde, zodSerde } from '../../src/core/serde.ts'
import type { Serde, StandardSchema } from '../../src/core/serde.ts'
import { TextWindow } from '../../src/core/text-window.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

describe('a serde', () => {
  it.each<[string, Serde<never>, fc.Arbitrary<unknown>]>([
    ['string', stringSerde as Serde<never>, fc.string({ unit: 'grapheme' })],
    ['bytes', bytesSerde as Serde<never>, fc.uint8Array()],
    ['json', jsonSerde<never>(), fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)],
  ])('%s reads what it wrote', (_name, serde, values) => {
    fc.assert(fc.property(values, (value) => {
      expect(serde.deserialize(serde.serialize(value as never))).toEqual(value)
    }))
  })

  it.each<[string, Serde<never>, fc.Arbitrary<unknown>]>([
    ['string', stringSerde as Serde<never>, fc.string({ unit: 'grapheme' })],
    ['long', longSerde as Serde<never>, fc.maxSafeInteger()],
    ['json', jsonSerde<never>(), fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown)],
    ['zod', zodSerde(z.number()) as Serde<never>, fc.integer()],
  ])('%s does the same in the middle of other bytes', (_name, serde, values) => {
    fc.assert(fc.property(values, fc.nat(200), (value, room) => {
      const alone = serde.serialize(value as never)
      const around = new Uint8Array(room).fill(0xff)
      const end = serde.serializeInto!(value as never, around, 3)
      if (end < 0) return
      expect(hex(around.subarray(3, end))).toBe(hex(alone))
      expect(serde.deserializeRange!(around, 3, end)).toEqual(value)
    }))
  })

  it('takes nothing for readable that it refuses, and short plain text in any case', () => {
    const texts = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.stringMatching(/^"[ -~]{0,8}"?$/), fc.json({ maxDepth: 1 }))
    const parts = fc.oneof(texts.map((text) => new Uint8Array(Buffer.from(text))), fc.uint8Array({ maxLength: 4 }))
    fc.assert(fc.property(parts, fc.constantFrom<Serde<unknown>>(stringSerde, jsonSerde()), (part, serde) => {
      const around = new Uint8Array(part.length + 6).fill(0x22)
      around.set(part, 3)
      if (serde.isReadable!(new TextWindow(around, around.length), 3, 3 + part.length)) expect(hex(serde.serialize(serde.deserialize(part)))).toBe(hex(part))
    }), { numRuns: 2_000 })
    const word = new Uint8Array(Buffer.from('"word"'))
    expect([jsonSerde().isReadable!(new TextWindow(word, 6), 0, 6), stringSerde.isReadable!(new TextWindow(word, 6), 0, 6)]).toEqual([true, true])
  })

  it('writes the bytes of Kafka\'s serialisers', () => {
    expect(hex(stringSerde.serialize('é€'))).toBe('c3a9e282ac')
    expect(hex(jsonSerde().serialize({ b: 1, a: [null] }))).toBe(hex(Buffer.from('{"b":1,"a":[null]}')))
  })

  it('refuses what has no bytes of its kind', () => {
    expect(() => jsonSerde().serialize(undefined)).toThrow('undefined has no JSON form')
    expect(() => jsonSerde().serialize(Promise.resolve('a'))).toThrow('a promise has no JSON form: wait for it first, in a topology with mapAsync')
    expect(() => jsonSerde().serializeInto!(Promise.resolve('a'), new Uint8Array(100), 0)).toThrow('a promise has no JSON form')
  })

  it('refuses bytes that are none of its kind', () => {
    expect(() => stringSerde.deserialize(bytes('ff41'))).toThrow()
    expect(stringSerde.deserialize(bytes('efbfbd'))).toBe('\ufffd')
    expect(() => jsonSerde().deserialize(bytes('7b'))).toThrow()
  })

  it('reads a part of a larger buffer', () => {
    const whole = bytes('ffff0000000000000007ffff')
    expect(longSerde.deserialize(whole.subarray(2, 10))).toBe(7)
    expect(doubleSerde.deserialize(bytes('003ff8000000000000').subarray(1))).toBe(1.5)
    expect(stringSerde.deserialize(bytes('ff4142ff').subarray(1, 3))).toBe('AB')
  })
})

describe('a serde of a schema', () => {
  const order = zodSerde(z.object({ id: z.number(), lines: z.array(z.object({ sku: z.string() })) }))

  it('names the path of what does not match', () => {
    const text = stringSerde.serialize('{"id":"7","lines":[{"sku":"a"},{"sku":1}]}')
    expect(() => order.deserialize(text)).toThrow(/does not match the schema: id: .*; lines\.1\.sku: /)
  })

  it('writes text without quotes for a string schema, and JSON otherwise', () => {
    expect(hex(zodSerde(z.string()).serialize('a'))).toBe('61')
    expect(zodSerde(z.email()).deserialize(bytes(hex(Buffer.from('a@b.org'))))).toBe('a@b.org')
    expect(hex(zodSerde(z.enum(['a'])).serialize('a'))).toBe(hex(Buffer.from('"a"')))
    expect(zodSerde(z.number()).deserialize(bytes('37'))).toBe(7)
  })

  it('takes null only where the schema does', () => {
    expect(order.rejectsNull).toBe(true)
    expect(zodSerde(z.number().nullable()).rejectsNull).toBe(false)
  })

  it('refuses a schema that checks asynchronously', () => {
    const asynchronous: StandardSchema<number> = { '~standard': { version: 1, vendor: 'test', validate: (value) => Promise.resolve({ value: value as number }) } }
    expect(() => zodSerde(asynchronous).deserialize(bytes('37'))).toThrow('asynchronous')
  })
})

it('a schema is what says how it validates, be it an object or a function', () => {
  const standard = { version: 1, vendor: 'here', validate: (value: unknown) => ({ value }) }
  const callable = Object.assign(() => undefined, { '~standard': standard })
  expect([z.string(), { '~standard': standard }, callable].map(isStandardSchema)).toEqual([true, true, true])
  expect([null, undefined, 'text', {}, () => undefined, { '~standard': { version: 1 } }, stringSerde].map(isStandardSchema)).toEqual(Array.from({ length: 7 }, () => false))
})
