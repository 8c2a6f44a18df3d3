import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bigintSerde, booleanSerde, doubleSerde, floatSerde, integerSerde, longSerde, shortSerde, voidSerde } from '../../src/core/fixed-length-serdes.ts'
import type { Serde } from '../../src/core/serde.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const serdes: readonly (readonly [string, Serde<never>, number, fc.Arbitrary<unknown>])[] = [
  ['long', longSerde as Serde<never>, 8, fc.maxSafeInteger()],
  ['bigint', bigintSerde as Serde<never>, 8, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  ['integer', integerSerde as Serde<never>, 4, fc.integer()],
  ['short', shortSerde as Serde<never>, 2, fc.integer({ min: -32768, max: 32767 })],
  ['double', doubleSerde as Serde<never>, 8, fc.double()],
  ['float', floatSerde as Serde<never>, 4, fc.float()],
  ['boolean', booleanSerde as Serde<never>, 1, fc.boolean()],
]

describe.each(serdes)('the serde of a %s', (_name, serde, length, values) => {
  it('reads what it wrote, and always writes as many bytes', () => {
    fc.assert(fc.property(values, (value) => {
      const bytes = serde.serialize(value as never)
      expect(bytes.length).toBe(length)
      expect(serde.deserialize(bytes)).toEqual(value)
    }))
  })

  it('refuses more bytes, and fewer', () => {
    expect(() => serde.deserialize(new Uint8Array(length + 1))).toThrow(`but the data has ${length + 1}`)
    expect(() => serde.deserialize(new Uint8Array(length - 1))).toThrow(`but the data has ${length - 1}`)
  })
})

describe('serdes of fixed length', () => {
  it('write the bytes of Kafka\'s serialisers', () => {
    expect(hex(longSerde.serialize(258))).toBe('0000000000000102')
    expect(hex(longSerde.serialize(-1))).toBe('ffffffffffffffff')
    expect(hex(longSerde.serialize(Number.MIN_SAFE_INTEGER))).toBe('ffe0000000000001')
    expect(hex(bigintSerde.serialize(-(2n ** 63n)))).toBe('8000000000000000')
    expect(hex(integerSerde.serialize(-2))).toBe('fffffffe')
    expect(hex(shortSerde.serialize(-17858))).toBe('ba3e')
    expect(hex(doubleSerde.serialize(1.5))).toBe('3ff8000000000000')
    expect(hex(floatSerde.serialize(1.5))).toBe('3fc00000')
    expect(hex(booleanSerde.serialize(true))).toBe('01')
  })

  it('refuse values that have no bytes of their kind', () => {
    expect(() => longSerde.serialize(0.5)).toThrow('0.5 is not an integer')
    expect(() => longSerde.serialize(2 ** 60)).toThrow('without loss')
    expect(() => bigintSerde.serialize(2n ** 63n)).toThrow('64-bit')
    expect(() => integerSerde.serialize(2 ** 31)).toThrow('32-bit')
    expect(() => shortSerde.serialize(32768)).toThrow('16-bit')
    expect(() => shortSerde.serialize(0.5)).toThrow('16-bit')
  })

  it('pass null by where there is never a value, and refuse every other', () => {
    expect(() => voidSerde.serialize('' as unknown as null)).toThrow('takes no value')
    expect(() => voidSerde.deserialize(new Uint8Array(0))).toThrow('the data has 0 bytes')
  })

  it('refuse bytes that are no value of theirs', () => {
    expect(() => longSerde.deserialize(Buffer.from('7fffffffffffffff', 'hex'))).toThrow('9223372036854775807 does not fit')
    expect(() => booleanSerde.deserialize(Uint8Array.of(2))).toThrow('but the byte is 2')
  })
})
