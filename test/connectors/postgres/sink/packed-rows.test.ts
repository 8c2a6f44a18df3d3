import { expect, it } from 'vitest'
import { StreamError } from 'millrace'
import { systemClock } from 'millrace/connect'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { RowPacker } from '../../../../connectors/postgres/sink/packed-rows.ts'
import type { CopyPlan } from '../../../../connectors/postgres/sink/packed-rows.ts'
import type { Column, Table } from '../../../../connectors/postgres/sink/table.ts'
import { seededRandom } from '../../../../src/core/random.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

const column = (name: string): Column => ({ name, type: 'integer', kind: 'other', binary: 'int4', array: { item: 'other', delimiter: ',' }, generated: false, required: false })
const table: Table = { name: 't', columns: new Map(), uniqueKeys: [] }
const plan: CopyPlan = { table, keyColumns: [column('id')], otherColumns: [column('n')], keyNames: ['id'], valueNames: ['n'], isDatabaseText: false, isDistinct: true }
const fields = (names: readonly string[], ...values: readonly unknown[]) => ({ names, values, schemas: null, isDatabaseText: false })
const row = (id: unknown, n: unknown) => ({ record: null as never, key: fields(plan.keyNames, id), values: fields(plan.valueNames, n), truncates: false })

it('is one message of COPY a statement, with the records that it stands for', () => {
  const packer = new RowPacker(plan, 2)
  for (const [index, id] of [1, 2, 1, 3, 5].entries()) expect(packer.add(row(id, 7), 2 * index)).toBe(true)
  const packed = packer.end(11)
  expect(packed.map(({ from, to, rowCount }) => [from, to, rowCount])).toEqual([[0, 4, 2], [4, 8, 2], [8, 11, 1]])
  for (const { messages, rowCount } of packed) {
    expect(messages).toHaveLength(1)
    const message = messages[0]!
    expect([message[0], message.readUInt32BE(1), message.toString('latin1', 5, 11)]).toEqual([0x64, message.length - 1, 'PGCOPY'])
    expect(message.length).toBe(5 + 19 + rowCount * 18 + 2)
  }
})

it.each([
  ['a key that the statement has', row(1, 7)], ['other columns', { ...row(2, 7), values: fields(['m'], 7) }], ['a deletion', { ...row(2, 7), values: null }], ['a table that is emptied', { ...row(2, 7), truncates: true }],
  ['a value without bytes', row(2, 'seven')], ['texts of a database', { ...row(2, 7), values: { ...fields(plan.valueNames, 7), isDatabaseText: true } }],
])('is given up for %s', (_, other) => {
  const packer = new RowPacker(plan, 10)
  expect(packer.add(row(1, 7), 0)).toBe(true)
  expect(packer.add(other, 1)).toBe(false)
})

await describeWith('postgres', 'rows that are packed while they are read', (postgres) => {
  const config = { 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'pk.fields': 'id', 'copy.rows': '1', 'batch.size': '40', 'table.name.format': 't' }

  async function sinkTo(url: string, more: Readonly<Record<string, string>> = {}) {
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, ...config, ...more }, systemClock)
    await sink.start()
    return sink
  }

  it.each([['upsert', 1], ['upsert', 2], ['insert', 1]])('are the rows that were asked for, whatever comes between them (%s, %i connections)', async (mode, connections) => {
    const url = await freshDatabase(postgres)
    await queryRows(url, 'create table t (id int primary key, n int check (n % 97 <> 0), note text)')
    const random = seededRandom(5)
    const sink = await sinkTo(url, { 'insert.mode': mode, 'write.connections': String(connections), 'offsets.table': `offsets_${mode}_${connections}` })
    const model = new Map<number, { id: number; n: number; note: string | null }>()
    const refused: unknown[] = []
    let next = 0
    let wasCut = false
    /** As the worker does: what passes by itself is tried again. */
    const putAgain = async () => {
      for (let tries = 0; tries < 5; tries++) {
        try {
          return await sink.put()
        } catch (error) {
          if (!(error instanceof StreamError) || !error.retriable) throw error
          wasCut = true
        }
      }
      return sink.put()
    }
    for (let round = 0; round < 40; round++) {
      const oddity = ['none', 'none', 'none', 'note', 'text', 'refused', 'known', 'nul'][Math.trunc(random.next() * 8)]!
      const odd = Math.trunc(random.next() * 90)
      for (let record = 0; record < 90; record++) {
        const n = 97 * round + record + 1
        const isOdd = record === odd
        const id = isOdd && oddity === 'known' && mode === 'upsert' ? Math.trunc(random.next() * next) : next++
        const before = model.get(id)?.note ?? null
        const value = !isOdd ? { n } : { note: { n, note: 'x' }, text: { n: String(n) }, refused: { n: 97 * round }, nul: { n, note: 'a\0b' } }[oddity] ?? { n }
        sink.append('t', id % 2, { key: id, value })
        if (isOdd && (oddity === 'refused' || oddity === 'nul')) refused.push(id)
        else model.set(id, { id, n, note: isOdd && oddity === 'note' ? 'x' : before })
      }
      await putAgain()
      if (round % 10 === 9) await sink.commit()
      if (round % 13 === 12) await queryRows(url, `alter table t add more_${round} int`)
      if (round % 17 === 16) await queryRows(url, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'millrace under-test%'`)
    }
    await putAgain()
    await sink.stop()
    const rejected = sink.rejected.map(({ record }) => record.key).toSorted((a, b) => Number(a) - Number(b))
    // Of a batch that was handed over again, a record may be rejected again.
    expect(wasCut ? [...new Set(rejected)] : rejected).toEqual(refused)
    expect(await queryRows(url, 'select id, n, note from t order by id')).toEqual([...model.values()].toSorted((a, b) => a.id - b.id))
  }, 60_000)

  it('are looked at one by one when the second batch under way holds one that the table refuses', async () => {
    const url = await freshDatabase(postgres)
    await queryRows(url, 'create table t (id int primary key, n int check (n <> 77))')
    const sink = await sinkTo(url)
    for (let batch = 0; batch < 5; batch++) {
      for (let n = 100 * batch; n < 100 * (batch + 1); n++) sink.append('t', 0, { key: n, value: { n: n === 333 ? 77 : n === 77 ? 0 : n } })
      await sink.put()
    }
    expect(await sink.commit()).toEqual([{ topic: 't', partition: 0, offset: 500 }])
    await sink.stop()
    expect(sink.rejected.map(({ record }) => record.key)).toEqual([333])
    expect(await queryRows(url, 'select count(*)::int as rows from t')).toEqual([{ rows: 499 }])
  }, 60_000)

  it('are written once when their connection is cut between what was sent and the answer, and wait for the commit', async () => {
    const url = await freshDatabase(postgres)
    await queryRows(url, 'create table t (id int primary key, n int); create function slow() returns trigger language plpgsql as $$ begin if exists (select from t where id = 100) then perform pg_sleep(0.5); end if; return null; end $$; create trigger slow after insert on t for each statement execute function slow()')
    const sink = await sinkTo(url, { 'batch.size': '1000' })
    for (let n = 0; n < 100; n++) sink.append('t', 0, { key: n, value: { n } })
    await sink.put()
    await sink.commit()
    for (let n = 100; n < 200; n++) sink.append('t', 0, { key: n, value: { n } })
    await sink.put()
    await queryRows(url, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'millrace under-test%'`)
    expect(await sink.commit()).toEqual([{ topic: 't', partition: 0, offset: 100 }])
    sink.append('t', 0, { key: 200, value: { n: 200 } })
    await sink.put()
    expect(await sink.commit()).toEqual([{ topic: 't', partition: 0, offset: 201 }])
    await sink.stop()
    expect(await queryRows(url, 'select count(*)::int as rows, sum(n)::int as sum from t')).toEqual([{ rows: 201, sum: 200 * 201 / 2 }])
  }, 60_000)

  it('are given up with their batch when its commit fails, and none of them is blamed', async () => {
    const url = await freshDatabase(postgres)
    await queryRows(url, 'create table u (n int primary key); insert into u select generate_series(0, 99); create table t (id int primary key, n int references u deferrable initially deferred)')
    const sink = await sinkTo(url, { 'batch.size': '1000' })
    for (let n = 0; n < 100; n++) sink.append('t', 0, { key: n, value: { n } })
    await sink.put()
    await sink.commit()
    for (let n = 100; n < 200; n++) sink.append('t', 0, { key: n, value: { n } })
    await sink.put().catch(() => undefined)
    await expect(sink.put()).rejects.toThrow('violates foreign key constraint')
    expect(await sink.commit()).toEqual([{ topic: 't', partition: 0, offset: 100 }])
    await queryRows(url, 'insert into u select generate_series(100, 200)')
    await sink.put()
    await sink.stop()
    expect(sink.rejected).toEqual([])
    expect(await queryRows(url, 'select count(*)::int as rows from t')).toEqual([{ rows: 200 }])
  }, 60_000)
})
