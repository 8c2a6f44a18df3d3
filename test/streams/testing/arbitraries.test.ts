import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { doubleSerde, jsonSerde, longSerde, stringSerde } from '../../../src/core/index.ts'
import type { Serde } from '../../../src/core/index.ts'
import { arbitraryKey, arbitraryRecords, arbitraryValue } from '../../../src/streams/testing/arbitraries.ts'
import { topic } from '../../../src/streams/topic.ts'

const seed = 7

describe('values of a topic with a schema', () => {
  const Tree: z.ZodType = z.object({ name: z.string(), get children() { return z.array(Tree) } })
  const schemas: Readonly<Record<string, z.ZodType>> = {
    'an object': z.object({ id: z.uuid(), total: z.number().min(0).max(1e6), count: z.int().positive(), note: z.string().max(5).optional() }),
    'a union': z.discriminatedUnion('kind', [z.object({ kind: z.literal('a'), at: z.int() }), z.object({ kind: z.literal('b'), text: z.string().nullable() })]),
    'lists and maps': z.object({ tags: z.array(z.enum(['x', 'y'])).min(1).max(3), counts: z.record(z.string(), z.int()), pair: z.tuple([z.string(), z.boolean()]) }),
    'formats': z.object({ mail: z.email(), at: z.iso.datetime(), day: z.iso.date(), code: z.string().regex(/^[A-Z]{3}$/), url: z.url() }),
    'a refinement': z.object({ low: z.int().min(0).max(9), high: z.int().min(0).max(9) }).refine(({ low, high }) => low <= high),
    'a default': z.object({ size: z.int().min(0).default(3) }),
    'both of two': z.object({ a: z.string() }).and(z.object({ b: z.boolean() })),
    'itself inside': Tree,
    'plain text': z.string().min(2).max(4),
    'a step': z.int().multipleOf(5).min(-20).max(20),
    'anything': z.unknown(),
  }

  it.each(Object.entries(schemas))('are what the schema allows: %s', (_name, schema) => {
    const { valueSerde } = topic('in', { key: z.string(), value: schema })
    fc.assert(fc.property(arbitraryValue(topic('in', { key: z.string(), value: schema })), (value) => {
      expect(valueSerde.deserialize(valueSerde.serialize(value))).toEqual(value)
    }), { seed, numRuns: 50 })
  })

  it('have the parts that are optional, and do without them', () => {
    const values = fc.sample(arbitraryValue(topic('in', { value: z.object({ note: z.string().optional() }) })), { seed, numRuns: 50 })
    expect(new Set(values.map((value) => 'note' in value))).toEqual(new Set([true, false]))
  })
})

describe('values of a topic with a serde', () => {
  it.each([['text', stringSerde], ['longs', longSerde], ['doubles', doubleSerde]] as const)('are what the serde writes: %s', (_name, serde) => {
    fc.assert(fc.property(arbitraryKey(topic('in', { key: serde as Serde<unknown> })), (key) => {
      expect((serde as Serde<unknown>).deserialize((serde as Serde<unknown>).serialize(key))).toEqual(key)
    }), { seed, numRuns: 50 })
  })

  it('are asked for where a serde does not say what they are', () => {
    const unknown = topic('in', { key: stringSerde, value: jsonSerde<{ a: number }>() })
    expect(() => arbitraryRecords(unknown)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('value of the topic in') as string }))
    expect(fc.sample(arbitraryRecords(unknown, { value: fc.constant({ a: 1 }) }), { seed, numRuns: 5 })).toHaveLength(5)
  })

  it('cannot be made where a schema has no JSON form, and the error says so', () => {
    expect(() => arbitraryValue(topic('in', { value: z.bigint() }))).toThrow(/value of the topic in has a schema that no values can be made for/)
  })
})

describe('lists of records', () => {
  const hits = topic('hits', { key: z.string(), value: z.int() })

  it('have keys that meet again, times out of order, and deletions when asked', () => {
    const lists = fc.sample(arbitraryRecords(hits, { keys: 2, maxLength: 30, withinMs: 100, tombstones: 0.3 }), { seed, numRuns: 100 })
    const all = lists.flat()
    expect(Math.max(...lists.map((list) => new Set(list.map(({ key }) => key)).size))).toBe(2)
    expect(lists.some((list) => list.some(({ timestamp }, index) => index > 0 && timestamp! < list[index - 1]!.timestamp!))).toBe(true)
    expect(all.every(({ timestamp }) => timestamp! >= 0 && timestamp! <= 100)).toBe(true)
    expect(all.some(({ value }) => value === null) && all.some(({ value }) => value !== null)).toBe(true)
  })

  it('have no deletions unless asked', () => {
    expect(fc.sample(arbitraryRecords(hits), { seed, numRuns: 50 }).flat().every(({ value }) => value !== null)).toBe(true)
  })
})
