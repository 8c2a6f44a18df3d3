import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonBytes } from '../../../src/connect/converters/json-bytes.ts'
import { Struct, schema } from '../../../src/connect/schema.ts'

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString())
const number = fc.oneof(
  fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 9, 10, 99_999_999, 100_000_000, 4_294_967_296, 2 ** 53, -(2 ** 53), 1e21, 5e-324, 0.1),
)
const string = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 20 }), fc.constantFrom('\ud800', 'x'.repeat(32), 'x'.repeat(33), 'é'.repeat(40), '"'.repeat(33)))
const leaf = fc.oneof(number, string, fc.boolean(), fc.constant(null))
const name = fc.oneof(fc.constantFrom('id', 'at', '__proto__', 'constructor', '1', '', 'é', 'a"b', '\u2028', '\udc00'), fc.string({ maxLength: 6 }))
const document = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value'), { maxLength: 3 }), fc.uniqueArray(fc.tuple(name, tie('value')), { selector: ([key]) => key, maxLength: 4 }).map((members) => Object.fromEntries(members))),
})).value

describe('JsonBytes', () => {
  it('writes what JSON.stringify writes, whatever it has written before', () => {
    fc.assert(fc.property(fc.array(document, { maxLength: 6 }), (documents) => {
      const json = new JsonBytes()
      for (const value of [...documents, ...documents]) expect(text(json.write(value))).toBe(JSON.stringify(value))
    }), { numRuns: 100 })
  })

  it('leaves what it gave untouched while it goes on, also behind large values', () => {
    const json = new JsonBytes()
    const values = Array.from({ length: 3_000 }, (_, id) => ({ id, text: (id % 500 === 0 ? 'long ' : 'x').repeat(id % 500 === 0 ? 30_000 : 20) }))
    const written = values.map((value) => json.write(value))
    expect(written.map(text)).toEqual(values.map((value) => JSON.stringify(value)))
  })

  it('writes numbers that JSON has not as texts', () => {
    expect(text(new JsonBytes().write([Number.NaN, -Infinity]))).toBe('["NaN","-Infinity"]')
  })

  it('leaves alone what JSON.stringify would not write as it must be, and goes on behind it', () => {
    const json = new JsonBytes()
    const circle: { self?: unknown } = {}
    circle.self = circle
    const strange: unknown[] = [undefined, 1n, new Date(0), new Map(), new Uint8Array(1), () => 0, new Struct(schema.struct({})), circle]
    for (const value of strange) {
      expect(json.write(value)).toBeUndefined()
      expect(json.write({ before: 'here', value })).toBeUndefined()
      expect(text(json.write({ id: 1 }))).toBe('{"id":1}')
    }
  })

  it('goes on with as many shapes as there are values, and with more members than a record has', () => {
    const json = new JsonBytes()
    for (let id = 0; id < 2_000; id++) {
      const value = { [`m${id}`]: { [`n${id % 300}`]: [{ [`o${id % 7}`]: id }] } }
      expect(text(json.write(value))).toBe(JSON.stringify(value))
    }
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, id) => [`member${id}`, id]))
    expect(text(json.write(wide))).toBe(JSON.stringify(wide))
  })
})
