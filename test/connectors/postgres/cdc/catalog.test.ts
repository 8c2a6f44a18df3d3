import { expect, it } from 'vitest'
import { freshDatabase, queryRows, withClient } from '../../../kit/postgres.ts'
import { capture, dropSlotsAfterEach, rows, untilGiven } from '../../../kit/postgres-capture.ts'
import { describeWith } from '../../../kit/services.ts'
import { capturedTables } from '../../../../connectors/postgres/cdc/catalog.ts'

dropSlotsAfterEach()

await describeWith('postgres', 'the catalog', (server) => {
  it('leaves the tables of other connectors in a publication that they share, and each gives its own', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table orders (id int primary key); create table outbox (id int primary key); create table others (id int primary key)')
    const sources = ['orders', 'outbox'].map((table) => capture(url, { 'table.include.list': `public.${table}`, 'snapshot.mode': 'never' }))
    for (const source of sources) {
      await source.start()
      await source.poll()
    }
    await queryRows(url, 'insert into orders values (1); begin; insert into outbox values (2); insert into orders values (3); insert into outbox values (4); truncate orders, outbox; commit; insert into others values (5); insert into outbox values (6); insert into orders values (7)')
    const told = async (source: (typeof sources)[number], count: number) => (await untilGiven(source, count)).map(({ topic, value }) => [topic, (value as { id?: number; __op: string }).id ?? (value as { __op: string }).__op])
    expect(await told(sources[0]!, 4)).toEqual([1, 3, 't', 7].map((each) => ['db.public.orders', each]))
    expect(await told(sources[1]!, 4)).toEqual([2, 4, 't', 6].map((each) => ['db.public.outbox', each]))
    expect(await queryRows(url, 'select tablename from pg_publication_tables order by 1')).toEqual([{ tablename: 'orders' }, { tablename: 'outbox' }])
  })

  it('keys a table by what identifies its rows in deletes: the primary key, or the index that is its replica identity', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `
      create table by_key (id int primary key, code text not null unique); create table by_index (id int primary key, code text not null unique); create table without_key (code text not null unique);
      create table by_wider (id int primary key, code text not null, unique (code, id)); alter table by_index replica identity using index by_index_code_key;
      alter table without_key replica identity using index without_key_code_key; alter table by_wider replica identity using index by_wider_code_id_key;
      insert into by_index values (1, 'one'); insert into without_key values ('one')`)
    const found = await withClient(url, (client) => capturedTables(client, []))
    expect(found.map(({ table, keyColumns }) => [table, keyColumns.map(({ name }) => name)])).toEqual([['by_index', ['code']], ['by_key', ['id']], ['by_wider', ['id']], ['without_key', ['code']]])
    const source = capture(url)
    await source.start()
    await untilGiven(source, 2)
    await source.poll()
    await queryRows(url, 'delete from by_index; delete from without_key')
    await untilGiven(source, 4)
    expect(rows(source).map(({ topic, key }) => [topic, key])).toEqual(['by_index', 'without_key', 'by_index', 'without_key'].map((table) => [`db.public.${table}`, { code: 'one' }]))
  })
})
