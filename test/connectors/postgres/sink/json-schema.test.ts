import { expect, it } from 'vitest'
import { z } from 'zod'
import { columnTypesOf } from '../../../../connectors/postgres/sink/json-schema.ts'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

const of = (schema: z.ZodType) => Object.fromEntries(columnTypesOf(JSON.stringify(z.toJSONSchema(schema))))

it('gives a column to each member of a zod schema', () => {
  const address = z.object({ street: z.string() })
  expect(of(z.object({
    id: z.int(), small: z.int32(), price: z.number(), paid: z.boolean(), name: z.string(), at: z.iso.datetime(), day: z.iso.date(), ref: z.uuid(), raw: z.base64(), mood: z.enum(['fine', 'sad']),
    one: z.literal(1), note: z.string().nullable(), later: z.iso.datetime().nullish(), tags: z.array(z.string()), scores: z.array(z.number().nullable()), grid: z.array(z.array(z.int())),
    from: address, to: address, any: z.unknown(), either: z.union([z.string(), z.number()]), counts: z.record(z.string(), z.int()),
  }))).toEqual({
    id: 'bigint', small: 'integer', price: 'double precision', paid: 'boolean', name: 'text', at: 'timestamptz', day: 'date', ref: 'uuid', raw: 'bytea', mood: 'text',
    one: 'double precision', note: 'text', later: 'timestamptz', tags: 'text[]', scores: 'double precision[]', grid: 'jsonb',
    from: 'jsonb', to: 'jsonb', any: 'jsonb', either: 'jsonb', counts: 'jsonb',
  })
})

it('follows references, also those that lead in a circle or nowhere, and takes types by their values', () => {
  const schema = { $ref: '#/$defs/a~1b', $defs: { 'a/b': { properties: { x: { $ref: '#/$defs/loop' }, y: { $ref: '#/nowhere' }, z: { $ref: 'https://example.org' }, e: { enum: ['a', null] }, t: { type: ['integer', 'null'] }, d: { $ref: '#/$defs/deep' } } }, loop: { $ref: '#/$defs/loop' }, deep: { type: 'array', items: { anyOf: [{ $ref: '#/$defs/deep' }, { type: 'null' }] } } } }
  expect(Object.fromEntries(columnTypesOf(JSON.stringify(schema)))).toEqual({ x: 'jsonb', y: 'jsonb', z: 'jsonb', e: 'text', t: 'bigint', d: 'jsonb' })
})

it('says what is wrong when the option is read', () => {
  expect(() => postgresSink.config.parse({ 'connection.url': 'postgres://h/d', 'value.schema': '{' })).toThrow('not JSON')
  expect(() => postgresSink.config.parse({ 'connection.url': 'postgres://h/d', 'value.schema': '{"type":"string"}' })).toThrow('the schema must describe an object')
})

await describeWith('postgres', 'value.schema', (server) => {
  it('makes tables and adds columns with its types, whatever the first records hold (kafka-connect-jdbc#868)', async () => {
    const url = await freshDatabase(server)
    const typesOf = () => queryRows(url, `select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as required from pg_attribute where attrelid = 'orders'::regclass and attnum > 0 order by attnum`)
    const run = async (schema: z.ZodType, ...values: object[]) => {
      const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'insert.mode': 'upsert', 'pk.mode': 'record_value', 'pk.fields': 'id', 'auto.create': 'true', 'auto.evolve': 'true', 'exactly.once': 'false', 'value.schema': JSON.stringify(z.toJSONSchema(schema)) })
      sink.append('orders', 0, ...values.map((value) => ({ value })))
      await sink.start()
      await sink.put()
      await sink.stop()
      expect(sink.rejected).toEqual([])
    }
    const first = z.object({ id: z.int(), at: z.iso.datetime(), tags: z.array(z.string()).nullable(), note: z.string().optional() })
    await run(first, { id: 1, at: '2026-11-21T07:00:00Z', tags: null, more: true })
    expect(await typesOf()).toEqual([
      { name: 'id', type: 'bigint', required: true }, { name: 'at', type: 'timestamp with time zone', required: false }, { name: 'tags', type: 'text[]', required: false },
      { name: 'note', type: 'text', required: false }, { name: 'more', type: 'boolean', required: false },
    ])
    await run(first.extend({ day: z.iso.date(), ref: z.uuid().nullable() }), { id: 1, at: 1_700_000_000_000, tags: ['a,b'], day: '2026-11-21', ref: null })
    expect((await typesOf()).slice(5)).toEqual([{ name: 'day', type: 'date', required: false }, { name: 'ref', type: 'uuid', required: false }])
    expect(await queryRows(url, `select id, tags, day::text, more, extract(epoch from at)::int8 as at from orders`)).toEqual([{ id: '1', tags: ['a,b'], day: '2026-11-21', more: true, at: '1700000000' }])
  })
})
