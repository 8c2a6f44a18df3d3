import { expect, it } from 'vitest'
import { capture, dropSlotsAfterEach, pollUntilSome, rows, untilGiven, values } from '../../../kit/postgres-capture.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'

dropSlotsAfterEach()

await describeWith('postgres', 'TransactionReader', (server) => {
  it('tells of the bounds of transactions and numbers their changes, each once wherever it is killed (DBZ-9149)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table a (id int primary key); create table b (id int primary key)')
    const source = capture(url, { format: 'debezium', 'snapshot.mode': 'never', 'provide.transaction.metadata': 'true', 'max.batch.size': '1', 'message.prefix.include.list': 'app' })
    await source.start()
    await source.poll()
    source.commit()
    await queryRows(url, `begin; insert into a values (1); insert into b values (1), (2); select pg_logical_emit_message(true, 'app', 'x'); delete from a; commit`)
    await queryRows(url, `select pg_logical_emit_message(true, 'app', 'alone')`)
    for (let polls = 0; rows(source).length < 9 && polls < 200; polls++) {
      await pollUntilSome(source)
      source.commit() // one change, which may be an event and its tombstone
      await source.crash()
      await source.start()
    }
    const given = rows(source).map(({ topic, value }) => [topic.slice(3), value as { status?: string; id?: string; op?: string; transaction?: { id: string; total_order: number; data_collection_order: number }; message?: unknown }] as const)
    const id = given[0]![1].id!
    expect(id).toMatch(/^\d+:\d+$/)
    expect(given.map(([topic, value]) => [topic, value?.status ?? value?.op ?? null, value?.transaction ?? null])).toEqual([
      ['transaction', 'BEGIN', null],
      ['public.a', 'c', { id, total_order: 1, data_collection_order: 1 }],
      ['public.b', 'c', { id, total_order: 2, data_collection_order: 1 }],
      ['public.b', 'c', { id, total_order: 3, data_collection_order: 2 }],
      ['message', 'm', null],
      ['public.a', 'd', { id, total_order: 4, data_collection_order: 2 }],
      ['public.a', null, null],
      ['transaction', 'END', null],
      ['message', 'm', null],
    ])
    expect(given[7]![1]).toMatchObject({ id, event_count: 4, data_collections: [{ data_collection: 'public.a', event_count: 2 }, { data_collection: 'public.b', event_count: 2 }] })
    expect(given[4]![1].message).toEqual({ prefix: 'app', content: Buffer.from('x').toString('base64') })
  }, 120_000)

  it('gives logical messages of the prefixes that were asked for, inside and outside of transactions, once (dbz#2058)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key)')
    const source = capture(url, { 'snapshot.mode': 'never', 'message.prefix.include.list': 'app.*' })
    await source.start()
    await source.poll()
    await queryRows(url, `select pg_logical_emit_message(false, 'app.one', 'ä'); select pg_logical_emit_message(false, 'other', 'no'); begin; insert into t values (1); select pg_logical_emit_message(true, 'app.two', '2'); rollback`)
    await queryRows(url, `begin; select pg_logical_emit_message(true, 'app.two', '3'); insert into t values (2); commit; select pg_logical_emit_message(true, 'app.last', '')`)
    await untilGiven(source, 4)
    source.commit()
    await source.crash()
    await source.start()
    await queryRows(url, `insert into t values (3)`)
    await pollUntilSome(source)
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    expect((await untilGiven(source, 5)).map(({ topic, key, value }) => [topic, key, value])).toEqual([
      ['db.message', { prefix: 'app.one' }, { prefix: 'app.one', content: base64('ä'), __op: 'm' }],
      ['db.message', { prefix: 'app.two' }, { prefix: 'app.two', content: base64('3'), __op: 'm' }],
      ['db.public.t', { id: 2 }, { id: 2, __op: 'c' }],
      ['db.message', { prefix: 'app.last' }, { prefix: 'app.last', content: '', __op: 'm' }],
      ['db.public.t', { id: 3 }, { id: 3, __op: 'c' }],
    ])
  }, 120_000)

  it('marks large values that did not change where it is told to, by type and in arrays, unless the old row has them (DBZ-5936, DBZ-5944, DBZ-6122, DBZ-6379, DBZ-6720, DBZ-7193, DBZ-7599, debezium#7815)', async () => {
    const url = await freshDatabase(server)
    const columns = ['big text', 'raw bytea', 'list text[]', 'doc jsonb', 'n numeric', 'x xml', 'h varchar', 'ids uuid[]', 'ints int[]', 'blobs bytea[]']
    const names = columns.map((column) => column.split(' ')[0]!)
    for (const table of ['t', 'f']) {
      await queryRows(url, `create table ${table} (id int primary key, ${columns.join(', ')}); ${names.map((name) => `alter table ${table} alter ${name} set storage external`).join('; ')}`)
      await queryRows(url, `insert into ${table} select 1, v, v::bytea, array[v], to_jsonb(v), repeat('7', 9000)::numeric, v::xml, v, array_fill('5f3b1a52-2f0e-4d8e-9a3c-0c4d7c1e8a11'::uuid, '{700}'), array_fill(7, '{3000}'), array_fill(v::bytea, '{2}') from (select repeat('a', 9000) as v) s`)
    }
    await queryRows(url, 'alter table f replica identity full')
    const source = capture(url, { 'toast.unchanged': 'placeholder', 'unavailable.value.placeholder': 'hidden', 'snapshot.mode': 'never' })
    await source.start()
    await source.poll()
    await queryRows(url, `update t set id = 2; update f set id = 2`)
    const given = values(await untilGiven(source, 4)) as Record<string, unknown>[]
    expect(given.find((value) => value?.['__op'] === 'c')).toEqual({ id: 2, big: 'hidden', raw: Buffer.from('hidden').toString('base64'), list: ['hidden'], doc: 'hidden', n: 'hidden', x: 'hidden', h: 'hidden', ids: ['hidden'], ints: ['hidden'], blobs: [Buffer.from('hidden').toString('base64')], __op: 'c' })
    expect(Object.values(given.findLast((value) => value?.['__op'] === 'c')!).filter((value) => value === 'hidden')).toEqual([])
    expect(given.findLast((value) => value?.['__op'] === 'c')).toMatchObject({ id: 2, big: 'a'.repeat(9000), list: ['a'.repeat(9000)], ints: Array.from({ length: 3000 }, () => 7) })
  }, 120_000)
})
