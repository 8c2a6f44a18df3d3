import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { isPlainText, plainTest } from '../../src/core/plain-schema.ts'
import { stringSerde, zodSerde } from '../../src/core/serde.ts'
import { TextWindow } from '../../src/core/text-window.ts'

const address = z.object({ street: z.string(), number: z.int() })
const schemas = {
  'flat': z.object({ a: z.string(), b: z.number(), c: z.boolean() }),
  'whole numbers': z.object({ a: z.int(), b: z.number().int() }),
  'nested': z.object({ a: address, b: z.array(address), c: z.null() }),
  'optional and nullable': z.object({ a: z.string().optional(), b: z.nullable(z.number()), c: z.optional(z.array(z.string())) }),
  'strict': z.strictObject({ a: z.string(), b: z.number().optional() }),
  'loose': z.looseObject({ a: z.string(), b: z.number() }),
  'a list': z.array(z.number()),
  'text': z.string(),
}

const changing = {
  'a check': z.object({ a: z.string().min(2) }),
  'a format': z.object({ a: z.email() }),
  'a change of text': z.object({ a: z.string().trim() }),
  'a transformation': z.object({ a: z.string().transform((text) => text.length) }),
  'a default': z.object({ a: z.string().default('x') }),
  'an optional default': z.object({ a: z.string().default('x').optional() }),
  'a refinement of the whole': z.object({ a: z.string() }).refine(({ a }) => a !== 'no'),
  'coercion': z.object({ a: z.coerce.number() }),
  'a catch': z.object({ a: z.string().catch('x') }),
  'frozen': z.object({ a: z.string() }).readonly(),
  'a smaller range': z.object({ a: z.int32() }),
  'whole and positive': z.object({ a: z.int().positive() }),
}

/** As JSON gives them (so no object is without a prototype), often with the members that the schemas name, in any order. */
const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(fc.constant('x'), fc.string({ maxLength: 3 }), fc.double(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant(undefined)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.record({ a: tie('value'), b: tie('value'), c: tie('value'), d: tie('value') }, { requiredKeys: [], noNullPrototype: true }),
    fc.record({ street: fc.string(), number: fc.integer() }, { requiredKeys: ['street'], noNullPrototype: true }),
    fc.shuffledSubarray(['a', 'b', 'c']).chain((names) => fc.tuple(...names.map(() => tie('value'))).map((found) => Object.fromEntries(names.map((name, index) => [name, found[index]])))),
  ),
})).value

describe('plainTest', () => {
  it.each(Object.entries(schemas))('passes only what the schema gives back as it is: %s', (_name, schema) => {
    const test = plainTest(schema)!
    fc.assert(fc.property(values, (value) => {
      if (!test(value)) return
      const result = schema.safeParse(value)
      expect(result.success).toBe(true)
      expect(result.data).toStrictEqual(value)
      expect(JSON.stringify(result.data)).toBe(JSON.stringify(value))
    }), { numRuns: 1_000 })
  })

  it('passes values as they mostly are', () => {
    expect(plainTest(schemas.flat)!({ a: 'x', b: 1.5, c: true })).toBe(true)
    expect(plainTest(schemas.nested)!({ a: { street: 's', number: 1 }, b: [], c: null })).toBe(true)
    expect(plainTest(schemas['optional and nullable'])!({ b: null, c: ['x'] })).toBe(true)
    expect(plainTest(schemas['whole numbers'])!({ a: 1, b: 2 })).toBe(true)
  })

  it('leaves to the schema what is more or less than its members, or in another order', () => {
    const test = plainTest(schemas.flat)!
    for (const value of [{ a: 'x', b: 1 }, { b: 1, a: 'x', c: true }, { a: 'x', b: 1, c: true, d: 1 }, { a: 1, b: 1, c: true }, [], null, 'x', {}]) expect(test(value)).toBe(false)
    expect(test(JSON.parse('{"a":"x","b":1,"c":true,"__proto__":1}'))).toBe(false)
    expect(plainTest(schemas['whole numbers'])!({ a: 1.5, b: 2 })).toBe(false)
  })

  it.each(Object.entries(changing))('is not made for %s', (_name, schema) => {
    expect(plainTest(schema)).toBeNull()
  })

  it('is not made for a schema within itself, nor for one of another make', () => {
    const tree: z.ZodType = z.object({ get child() { return tree } })
    expect(plainTest(tree)).toBeNull()
    expect(plainTest({ '~standard': { version: 1, vendor: 'other', validate: (value) => ({ value }) } })).toBeNull()
  })
})

describe('isPlainText', () => {
  it('holds for text without conditions only', () => {
    expect(isPlainText(z.string())).toBe(true)
    for (const schema of [z.string().min(1), z.email(), z.string().trim(), z.coerce.string(), z.string().optional(), z.number()]) expect(isPlainText(schema)).toBe(false)
  })

  it('makes the serde of such a schema that of text, which refuses null', () => {
    const serde = zodSerde(z.string())
    expect(serde).toMatchObject({ isExact: true, rejectsNull: true })
    const bytes = Buffer.from('-grüße-')
    const window = new TextWindow(bytes, bytes.length)
    expect(window.covers(1, bytes.length - 1)).toBe(true)
    expect(serde.deserializeFrom!(window, 1, bytes.length - 1)).toBe('grüße')
    expect(stringSerde.deserialize(serde.serialize('x'))).toBe('x')
  })
})
