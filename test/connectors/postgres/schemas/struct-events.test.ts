import { expect, it } from 'vitest'
import { Struct, systemClock } from 'millrace/connect'
import type { Schema } from 'millrace/connect'
import { validateValue } from '../../../../src/connect/validate.ts'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { capture, dropSlotsAfterEach, untilGiven } from '../../../kit/postgres-capture.ts'
import { freshDatabase, queryRows, withClient } from '../../../kit/postgres.ts'
import { createTypes, createTypesTable, insertTypes, typeCases } from '../../../kit/postgres-types.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

dropSlotsAfterEach()

/** `field: type`, with the name of the schema where it has one. */
const shape = ({ fields = [] }: Schema) => Object.fromEntries(fields.map(({ name, schema }) => [name, `${schema.type}${schema.name === undefined ? '' : ` ${schema.name}`}${schema.optional ? '?' : ''}`]))
const plain = (struct: unknown): unknown => (struct instanceof Struct ? Object.fromEntries(struct.schema.fields!.map(({ name }) => [name, plain(struct.get(name))])) : struct)

await describeWith('postgres', 'StructEvents', (server) => {
  it('gives envelopes with the schemas of Debezium, in the snapshot and in changes', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (id int primary key, at timestamp, day date, ms timestamp(3), price numeric(9,2), any_scale numeric, flags bit(10)); insert into t values (1, '2026-11-21 07:00:00.5', '2026-11-21', '1970-01-01 00:00:01.25', 12.3, 1.250, b'1000000001')`)
    const source = capture(url, { 'format': 'debezium', 'schemas.enable': 'true' })
    await source.start()
    await untilGiven(source, 1)
    await source.poll()
    await queryRows(url, `update t set price = 1; alter table t add note text; update t set id = 2, note = 'n'; delete from t; select pg_logical_emit_message(true, 'x', 'y')`)
    const given = await untilGiven(source, 7)
    expect(given.map(({ value }) => (value === null ? null : (value as Struct).get('op')))).toEqual(['r', 'u', 'd', null, 'c', 'd', null])
    const [first] = given
    expect(first!.keySchema).toMatchObject({ name: 'db.public.t.Key', optional: false })
    expect(first!.valueSchema).toMatchObject({ name: 'db.public.t.Envelope', version: 2 })
    expect(shape(first!.valueSchema!)).toEqual({ before: 'struct db.public.t.Value?', after: 'struct db.public.t.Value?', source: 'struct io.debezium.connector.postgresql.Source', transaction: 'struct event.block?', op: 'string', ts_ms: 'int64?' })
    expect(shape(first!.valueSchema!.fields![1]!.schema)).toEqual({
      id: 'int32', at: 'int64 io.debezium.time.MicroTimestamp?', day: 'int32 io.debezium.time.Date?', ms: 'int64 io.debezium.time.Timestamp?', price: 'bytes org.apache.kafka.connect.data.Decimal?',
      any_scale: 'struct io.debezium.data.VariableScaleDecimal?', flags: 'bytes io.debezium.data.Bits?',
    })
    expect(plain((first!.value as Struct).get('after'))).toMatchObject({ id: 1, at: 1_795_244_400_500_000, day: 20_778, ms: 1_250, price: { unscaled: 1230n, scale: 2 }, any_scale: { scale: 3, value: Buffer.from([4, 226]) }, flags: Uint8Array.from([1, 2]) })
    expect(Object.keys(plain((given[4]!.value as Struct).get('after')) as object)).toContain('note')
    for (const { key, keySchema, value, valueSchema } of given) {
      validateValue(keySchema!, key)
      if (valueSchema !== null) validateValue(valueSchema, value)
    }
    const heartbeat = source.given.find(({ topic }) => topic === 'db.heartbeat')!
    validateValue(heartbeat.valueSchema!, heartbeat.value)
  })

  it('gives values of every type that the sink puts into a table of its own making as they were', async () => {
    const url = await freshDatabase(server)
    const target = await freshDatabase(server)
    await queryRows(url, `${createTypes}; ${createTypesTable}; ${insertTypes}`)
    await queryRows(target, 'create extension hstore')
    const source = capture(url, { 'format': 'flat', 'schemas.enable': 'true', 'decimal.handling.mode': 'string', 'interval.handling.mode': 'string' })
    await source.start()
    await untilGiven(source, 1)
    await source.poll()
    await queryRows(url, insertTypes)
    const given = await untilGiven(source, 2)
    const sink = new SinkHarness(postgresSink, { 'connection.url': target, 'topics': 't', 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'auto.create': 'true' }, systemClock)
    for (const { key, keySchema, value, valueSchema } of given) {
      validateValue(valueSchema!, value)
      sink.append('t', 0, { key, keySchema, value, valueSchema })
    }
    sink.tolerant = false
    await sink.start()
    await sink.put()
    await sink.stop()
    // Connect has no dimensions, and io.debezium.data.Bits no length where the column has none; the rest are there in another form, such as JSON.
    const changed = ['varbit', 'integer[]', 'money', 'char(3)', 'hstore', 'composite', 'composite[]']
    const columns = typeCases.flatMap(([type], index) => (changed.includes(type) ? [] : [`c${index}`]))
    const compared = (database: string, asTypes: readonly string[]) => withClient(database, async (client) => (await client.query(`select id, ${columns.map((name, index) => `${name}::${asTypes[index]!}::text as ${name}`).join(', ')} from t order by id`)).rows)
    const types = await queryRows(target, `select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 't'::regclass and attnum > 0`)
    const typeOf = (name: string) => types.find((each) => each['name'] === name)!['type'] as string
    // As the column of the target's type sees what is in the source's.
    expect(await compared(target, columns.map(typeOf))).toEqual(await compared(url, columns.map((name) => (typeOf(name).startsWith('jsonb') ? 'text' : typeOf(name)))))
  })

  it('puts the placeholder for a large value that did not change, reads what no text can stand for, and the sink keeps both', async () => {
    const url = await freshDatabase(server)
    const target = await freshDatabase(server)
    await queryRows(url, `create table t (id int primary key, n int, big text, bytes bytea, list text[], numbers float8[]); alter table t alter big set storage external, alter bytes set storage external, alter list set storage external, alter numbers set storage external`)
    await queryRows(url, `insert into t select 1, 0, repeat('x', 9000), convert_to(repeat('y', 9000), 'UTF8'), array[repeat('z', 9000)], array(select i from generate_series(1, 2000) i)`)
    const source = capture(url, { 'format': 'debezium', 'schemas.enable': 'true' })
    await source.start()
    await untilGiven(source, 1)
    await source.poll()
    await queryRows(url, 'update t set n = 1')
    const given = await untilGiven(source, 2)
    const after = plain((given[1]!.value as Struct).get('after')) as Readonly<Record<string, unknown>>
    const placeholder = '__debezium_unavailable_value'
    expect([after['big'], after['bytes'], after['list'], (after['numbers'] as unknown[]).length]).toEqual([placeholder, Buffer.from(placeholder), [placeholder], 2_000])
    const sink = new SinkHarness(postgresSink, { 'connection.url': target, 'topics': 't', 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'auto.create': 'true' }, systemClock)
    for (const { key, keySchema, value, valueSchema } of given) sink.append('t', 0, { key, keySchema, value, valueSchema })
    sink.tolerant = false
    await sink.start()
    await sink.put()
    await sink.stop()
    const contents = 'select id, n, md5(big) as big, md5(bytes) as bytes, md5(list::text) as list, md5(numbers::text) as numbers from t'
    expect(await queryRows(target, contents)).toEqual(await queryRows(url, contents))
  })
})
