import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { listSerde, uuidSerde } from '../../src/core/list-serde.ts'
import { booleanSerde, doubleSerde, floatSerde, integerSerde, longSerde, shortSerde } from '../../src/core/fixed-length-serdes.ts'
import { stringSerde } from '../../src/core/serde.ts'
import type { Serde } from '../../src/core/serde.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const uuid = '00112233-4455-6677-8899-aabbccddeeff'

describe('listSerde', () => {
  // Written by the ListSerializer of Kafka 4.3.1.
  it.each([
    ['longs', listSerde(longSerde) as Serde<unknown>, [1, null, 3], '0000000001000000010000000300000000000000010000000000000003'],
    ['strings', listSerde(stringSerde) as Serde<unknown>, ['a', null, 'bcd', ''], '01000000040000000161ffffffff0000000362636400000000'],
    ['integers', listSerde(integerSerde) as Serde<unknown>, [7], '00000000000000000100000007'],
    ['doubles', listSerde(doubleSerde) as Serde<unknown>, [1.5], '0000000000000000013ff8000000000000'],
    ['shorts', listSerde(shortSerde) as Serde<unknown>, [1, null, -3], '000000000100000001000000030001fffd'],
    ['floats', listSerde(floatSerde) as Serde<unknown>, [1.5, null], '000000000100000001000000023fc00000'],
    ['booleans', listSerde(booleanSerde) as Serde<unknown>, [true, null, false], '01000000030000000101ffffffff0000000100'],
    ['UUIDs', listSerde(uuidSerde) as Serde<unknown>, [uuid, null], '0000000001000000010000000230303131323233332d343435352d363637372d383839392d616162626363646465656666'],
    ['nothing', listSerde(stringSerde) as Serde<unknown>, [], '0100000000'],
  ])('reads and writes %s as Kafka does', (_what, serde, list, bytes) => {
    expect(hex(serde.serialize(list))).toBe(bytes)
    expect(serde.deserialize(Buffer.from(bytes, 'hex'))).toEqual(list)
  })

  it('gives back every list that it wrote', () => {
    fc.assert(fc.property(fc.array(fc.option(fc.string())), (list) => {
      expect(listSerde(stringSerde).deserialize(listSerde(stringSerde).serialize(list))).toEqual(list)
    }))
    fc.assert(fc.property(fc.array(fc.option(fc.integer())), (list) => {
      expect(listSerde(longSerde).deserialize(listSerde(longSerde).serialize(list))).toEqual(list)
    }))
  })

  it.each([['01', 'ends early'], ['017fffffff', 'do not fit'], ['0100000001000000ff', 'does not fit'], ['0000000000', 'instead of 1'], ['', 'begins with undefined']])('refuses %s', (bytes, why) => {
    expect(() => listSerde(stringSerde).deserialize(Buffer.from(bytes, 'hex'))).toThrow(why)
  })

  it('refuses more elements than there are bytes for', () => {
    expect(() => listSerde(longSerde).deserialize(Buffer.from('00000000007fffffff', 'hex'))).toThrow('do not fit')
  })
})

describe('uuidSerde', () => {
  it('is the text', () => {
    expect(Buffer.from(uuidSerde.serialize(uuid)).toString()).toBe(uuid)
    expect(uuidSerde.deserialize(Buffer.from(uuid))).toBe(uuid)
  })

  it('refuses what is no UUID', () => {
    expect(() => uuidSerde.serialize('abc')).toThrow('"abc" is not a UUID')
    expect(() => uuidSerde.deserialize(Buffer.from('abc'))).toThrow('"abc" is not a UUID')
  })
})
