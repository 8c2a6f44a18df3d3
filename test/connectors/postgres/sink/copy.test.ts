import { expect, it } from 'vitest'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { createTypes, createTypesTable, insertTypes, typesInRecord } from '../../../kit/postgres-types.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

const hostile = ['tab\tand\nnewline\r\n', String.raw`\N`, String.raw`\.`, '\\', '', 'null', '"quoted", {braces}', 'ä 🚲']

await describeWith('postgres', 'copyRows', (server) => {
  it.each(['insert', 'upsert'])('writes what a statement writes, with hostile names and values, in several batches of one transaction (%s)', async (mode) => {
    const url = await freshDatabase(server)
    for (const copyRows of ['0', '1']) {
      const table = `t"${copyRows}\tx`
      const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'insert.mode': mode, 'pk.mode': 'record_key', 'pk.fields': 'id', 'table.name.format': table, 'auto.create': 'true', 'copy.rows': copyRows, 'batch.size': '7', 'offsets.table': `offsets_${copyRows}` })
      for (let n = 0; n < 40; n++) sink.append('topic', 0, { key: mode === 'insert' ? n : n % 13, value: { 'te"xt\\': hostile[n % hostile.length], n, doc: { a: hostile }, none: null } })
      await sink.start()
      await sink.put()
      await sink.stop()
      expect(sink.rejected).toEqual([])
    }
    const [stated, copied] = await Promise.all(['0', '1'].map((copyRows) => queryRows(url, `select * from "t""${copyRows}\tx" order by id`)))
    expect(copied).toEqual(stated)
    expect(copied).toHaveLength(mode === 'insert' ? 40 : 13)
    expect(new Set(copied!.map((row) => row['te"xt\\']))).toEqual(new Set(hostile))
  }, 120_000)

  it('writes values of every type that has no members', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `${createTypes}; ${createTypesTable}; ${insertTypes}`)
    const composite = await queryRows(url, `select attname from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type e on e.oid = t.typelem where attrelid = 't'::regclass and attnum > 0 and coalesce(nullif(e.typtype, 'b'), t.typtype) = 'c'`)
    expect(composite).toHaveLength(2)
    await queryRows(url, `alter table t ${composite.map(({ attname }) => `drop ${String(attname)}`).join(', ')}`)
    const plain = Object.fromEntries(Object.entries(typesInRecord).filter(([name]) => !composite.some(({ attname }) => attname === name)))
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'copy.rows': '1' })
    sink.append('t', 0, { key: { id: 2 }, value: { op: 'c', source: {}, before: null, after: { id: 2, ...plain } } })
    await sink.start()
    await sink.put()
    await sink.stop()
    expect(sink.rejected).toEqual([])
    const [original, copy] = await queryRows(url, `select t::text from t order by id`)
    expect(String(copy!['t']).slice(2)).toBe(String(original!['t']).slice(2))
  }, 120_000)

  it('writes more in one go than the socket takes, and says what was wrong with it', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key, text text check (length(text) = 20000))')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'pk.mode': 'record_key', 'pk.fields': 'id', 'copy.rows': '1' })
    for (let n = 0; n < 40; n++) sink.append('t', 0, { key: n, value: { text: 'ä\t'.repeat(n === 3 ? 1 : 10_000) } })
    await sink.start()
    await sink.put()
    await sink.stop()
    expect(sink.rejected.map(({ record }) => record.offset)).toEqual([3])
    expect(await queryRows(url, 'select count(*)::int as n, min(text) as first, max(text) as last from t')).toEqual([{ n: 39, first: 'ä\t'.repeat(10_000), last: 'ä\t'.repeat(10_000) }])
  }, 120_000)

  it.each(['insert', 'upsert'])('finds the rows that the table refuses, and writes the others, in several batches of one transaction (%s)', async (mode) => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key, n int check (n <> 77))')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'insert.mode': mode, 'pk.mode': 'record_key', 'pk.fields': 'id', 'copy.rows': '1', 'batch.size': '60' })
    for (let n = 0; n < 200; n++) sink.append('t', 0, { key: mode === 'insert' ? n : n % 90, value: { n: n === 150 ? 'no number' : n } })
    await sink.start()
    await sink.put()
    await sink.stop()
    expect(sink.rejected.map(({ record }) => record.offset).toSorted((a, b) => a - b)).toEqual([77, 150])
    const last = (id: number) => id + 90 * Math.trunc((199 - id) / 90)
    const expected = mode === 'insert' ? Array.from({ length: 200 }, (_, n) => ({ id: n, n })).filter(({ n }) => n !== 77 && n !== 150) : Array.from({ length: 90 }, (_, id) => ({ id, n: last(id) === 150 ? 60 : last(id) }))
    expect(await queryRows(url, 'select id, n from t order by id')).toEqual(expected)
  }, 120_000)
})
