import { describe, expect, it } from 'vitest'
import { dataEquals, Decimal, fieldOf, schema, schemaEquals, Struct } from '../../src/connect/schema.ts'

describe('Decimal', () => {
  it.each([
    ['1.20', 120n, 2], ['-0.005', -5n, 3], ['1e3', 1n, -3], ['12.5E-2', 125n, 3], ['.5', 5n, 1], ['7.', 7n, 0],
  ])('reads %s as digits and scale', (text, unscaled, scale) => {
    expect(Decimal.parse(text)).toEqual(new Decimal(unscaled, scale))
  })

  it.each(['', '.', '1e', 'NaN', '1 ', '0x1', '1e9999999999'])('refuses %j', (text) => {
    expect(() => Decimal.parse(text)).toThrow(/is not a decimal number/)
  })

  it.each([
    [new Decimal(0n, 0), '0'], [new Decimal(120n, 2), '1.20'], [new Decimal(-5n, 3), '-0.005'], [new Decimal(1n, -3), '1E+3'],
    [new Decimal(123n, -2), '1.23E+4'], [new Decimal(1n, 7), '1E-7'], [new Decimal(1n, 6), '0.000001'],
  ])('writes itself as a BigDecimal does', (value, text) => {
    expect(value.toString()).toBe(text)
  })

  it.each([0n, 1n, -1n, 127n, 128n, -128n, -129n, 2n ** 63n, -(2n ** 64n) - 1n])('survives its two\'s complement bytes: %s', (unscaled) => {
    const bytes = new Decimal(unscaled, 1).toBytes()
    expect(Decimal.fromBytes(bytes, 1).unscaled).toBe(unscaled)
  })

  it('uses as few bytes as it can', () => {
    expect([...new Decimal(128n, 0).toBytes()]).toEqual([0, 128])
    expect([...new Decimal(-128n, 0).toBytes()]).toEqual([128])
  })
})

describe('Struct', () => {
  const user = schema.struct({ id: schema.int64(), name: schema.string({ optional: true, default: 'nobody' }) })

  it('answers the default in place of null, and null to those who ask without default', () => {
    const struct = new Struct(user, { id: 7 })
    expect(struct.get('name')).toBe('nobody')
    expect(struct.getWithoutDefault('name')).toBeNull()
  })

  it('refuses a field that the schema does not have', () => {
    expect(() => new Struct(user, { age: 1 })).toThrow('age is not a valid field name')
    expect(() => new Struct(user).get('age')).toThrow('age is not a valid field name')
  })

  it('can be made of its values in the order of the fields, all of them', () => {
    const struct = new Struct(user, [7, null])
    expect([struct.valueAt(0), struct.valueAt(1), struct.get('name')]).toEqual([7, null, 'nobody'])
    expect(() => new Struct(user, [7])).toThrow('a Struct of 2 fields cannot be made of 1 values')
  })

  it('keeps the order of fields that look like numbers when they are given as pairs', () => {
    expect(schema.struct([['2', schema.int8()], ['1', schema.int8()]]).fields!.map(({ name }) => name)).toEqual(['2', '1'])
  })

  it('finds a field by name', () => {
    expect(fieldOf(user, 'name')!.index).toBe(1)
    expect(fieldOf(user, 'x')).toBeUndefined()
    expect(() => fieldOf(schema.int8(), 'x')).toThrow(/not a struct/)
  })
})

describe('equality', () => {
  it('of schemas covers every part', () => {
    const a = schema.struct({ x: schema.decimal(2, { default: new Decimal(1n, 2) }), y: schema.map(schema.string(), schema.array(schema.int8())) })
    const b = schema.struct({ x: schema.decimal(2, { default: new Decimal(1n, 2) }), y: schema.map(schema.string(), schema.array(schema.int8())) })
    expect(schemaEquals(a, b)).toBe(true)
    expect(schemaEquals(a, schema.struct({ y: a.fields![1]!.schema, x: a.fields![0]!.schema }))).toBe(false)
    expect(schemaEquals(schema.decimal(2), schema.decimal(3))).toBe(false)
    expect(schemaEquals(null, undefined)).toBe(true)
    expect(schemaEquals(null, schema.int8())).toBe(false)
  })

  it('of data compares by value', () => {
    expect(dataEquals({ a: [1, new Uint8Array([1])] }, { a: [1, new Uint8Array([1])] })).toBe(true)
    expect(dataEquals(new Map([[{ k: 1 }, new Date(5)]]), new Map([[{ k: 1 }, new Date(5)]]))).toBe(true)
    expect(dataEquals(new Decimal(10n, 1), new Decimal(1n, 0))).toBe(false)
    expect(dataEquals([1], { 0: 1 })).toBe(false)
  })
})
