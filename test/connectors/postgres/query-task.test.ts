import { afterEach, expect, it } from 'vitest'
import { postgresQuerySource } from '../../../connectors/postgres/plugins.ts'
import { freshDatabase, queryRows, withClient } from '../../kit/postgres.ts'
import { describeWith } from '../../kit/services.ts'
import { SourceHarness } from '../../kit/source-harness.ts'

let sources: { stop(): Promise<void> }[] = []

afterEach(async () => {
  for (const source of sources) await source.stop()
  sources = []
})

function reader(url: string, config: Record<string, string>) {
  const source = new SourceHarness(postgresQuerySource, { 'connection.url': url, 'topic.prefix': 'db-', 'table.include.list': 'public.*', 'poll.interval.ms': '1', ...config })
  sources.push(source)
  return source
}

const ids = (source: { given: readonly { value: unknown }[] }) => source.given.map(({ value }) => (value as { id: number }).id)
const incrementing = { mode: 'incrementing', 'incrementing.column': 'id' }
const byTime = { mode: 'timestamp', 'timestamp.column': 'at' }

async function rounds(source: { poll(): Promise<number> }) {
  for (let empty = 0; empty < 3;) empty = (await source.poll()) > 0 ? 0 : empty + 1
}

/** Any transaction of the server, also one of another database, holds rows back until it ends. */
async function untilGiven(source: { poll(): Promise<number>; given: readonly unknown[] }, count: number) {
  for (let polls = 0; source.given.length < count && polls < 20_000; polls++) await source.poll()
  await rounds(source)
}

await describeWith('postgres', 'PostgresQuerySource', (server) => {
  it('reads all rows every time in bulk mode, with a cursor', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table a (id int primary key, v text); insert into a select i, 'v' || i from generate_series(1, 25) i; create table b (x int); insert into b values (1)`)
    const source = reader(url, { mode: 'bulk', 'batch.max.rows': '10', 'poll.interval.ms': '60000' })
    await source.start()
    expect([await source.poll(), await source.poll(), await source.poll()]).toEqual([10, 10, 5])
    await rounds(source)
    expect(source.given.filter(({ topic }) => topic === 'db-b')).toMatchObject([{ key: null, value: { x: 1 } }])
    expect(source.given[0]).toMatchObject({ topic: 'db-a', key: { id: 1 }, value: { id: 1, v: 'v1' } })
    expect(Object.keys(source.given[0]!.value as object)).toEqual(['id', 'v'])
    for (let polls = 0; source.given.length < 52 && polls < 300; polls++) await source.poll()
    expect(source.given).toHaveLength(52)
  })

  it('gives a row that is committed after one with a higher number (kafka-connect-jdbc#172, kafka-connect-jdbc#1015, kafka-connect-jdbc#914)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id serial primary key)')
    const source = reader(url, incrementing)
    await source.start()
    await withClient(url, async (slow) => {
      await slow.query('begin; insert into t default values') // 1
      await queryRows(url, 'insert into t default values') // 2, and committed
      await rounds(source)
      expect(ids(source)).toEqual([]) // 2 waits for what may still come before it
      await slow.query('commit')
    })
    await untilGiven(source, 2)
    expect(ids(source)).toEqual([1, 2])
  })

  it('gives rows of many transactions that overlap at random, each once, with crashes in between', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id serial primary key, at timestamptz not null default now())')
    const both = [reader(url, { ...incrementing, 'batch.max.rows': '7', 'lookback.ms': '50' }), reader(url, { ...byTime, 'batch.max.rows': '7', 'lookback.ms': '50' })]
    for (const source of both) await source.start()
    for (let round = 0; round < 12; round++) {
      await withClient(url, (a) => withClient(url, async (b) => {
        await a.query('begin; insert into t select from generate_series(1, 5)')
        await b.query('begin; insert into t select from generate_series(1, 5)')
        await b.query('insert into t default values; commit')
        for (const source of both) for (let polls = 0; polls < 3; polls++) await source.poll()
        await a.query(`insert into t default values; ${round % 3 === 0 ? 'rollback' : 'commit'}`)
      }))
      for (const source of both) {
        await source.poll()
        source.commit(Math.floor(source.uncommittedCount / 2))
        await source.crash()
        await source.start()
      }
    }
    const [count] = await queryRows(url, 'select array_agg(id order by id) as ids from t')
    for (const source of both) {
      await untilGiven(source, (count!['ids'] as unknown[]).length)
      expect(ids(source).toSorted((a, b) => a - b)).toEqual(count!['ids'])
    }
  }, 60_000)

  it('goes on in the middle of rows with the same time after a restart (kafka-connect-jdbc#598), to the microsecond (kafka-connect-jdbc#70), with those of 1970 (kafka-connect-jdbc#541)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (id int primary key, at timestamptz(6)); insert into t select i, '2026-11-21 00:00:00.123456' from generate_series(1, 20) i; insert into t select i, '2026-11-21 00:00:00.123457' from generate_series(21, 25) i; insert into t values (26, '1970-01-01')`)
    const source = reader(url, { ...byTime, 'batch.max.rows': '4' })
    for (const commits of [3, 5, 1, 7]) {
      await source.start()
      for (let polls = 0; polls < 3; polls++) await source.poll()
      source.commit(commits)
      await source.crash()
    }
    await source.start()
    await untilGiven(source, 26)
    expect(ids(source)).toEqual([26, ...Array.from({ length: 25 }, (_, i) => i + 1)])
  })

  it('takes times without a zone as the database has them, whatever the zone of the user, and leaves none out around a change of the clock (kafka-connect-jdbc#1354)', async () => {
    const url = await freshDatabase(server)
    const user = new URL(url)
    user.searchParams.set('options', '-c timezone=America/New_York')
    // The hour that New York has twice, and the one that it does not have.
    await queryRows(url, `create table t (id int primary key, at timestamp); insert into t select i, '2026-11-01 00:30:00'::timestamp + i * interval '10 minutes' from generate_series(1, 12) i; insert into t select 100 + i, '2027-03-14 01:30:00'::timestamp + i * interval '10 minutes' from generate_series(1, 12) i`)
    const source = reader(user.href, { ...byTime, 'batch.max.rows': '5' })
    for (const commits of [4, 6, 5]) {
      await source.start()
      for (let polls = 0; polls < 2; polls++) await source.poll()
      source.commit(commits)
      await source.crash()
    }
    await source.start()
    await untilGiven(source, 24)
    expect(ids(source)).toEqual([...Array.from({ length: 12 }, (_, i) => i + 1), ...Array.from({ length: 12 }, (_, i) => i + 101)])
    expect(source.given[0]!.value).toMatchObject({ at: '2026-11-01T00:40:00' })
  })

  it('keeps rows with the same time apart in a table without a key', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (id int, at timestamp); insert into t select i, '2026-11-21' from generate_series(1, 9) i`)
    const source = reader(url, { ...byTime, 'batch.max.rows': '2' })
    await source.start()
    await source.poll()
    source.commit(1)
    await source.crash()
    await source.start()
    await untilGiven(source, 9)
    expect(ids(source)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('gives every version of a row that it meets, though its time goes backwards', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (id int primary key, at timestamptz, v int); insert into t values (1, now(), 1), (2, now(), 1)`)
    const source = reader(url, { mode: 'timestamp+incrementing', 'timestamp.column': 'at', 'incrementing.column': 'id' })
    await source.start()
    await untilGiven(source, 2)
    await queryRows(url, `update t set v = 2, at = at - interval '5 seconds' where id = 1`)
    await untilGiven(source, 3)
    expect(source.given.map(({ value }) => [(value as { id: number }).id, (value as { v: number }).v])).toEqual([[1, 1], [2, 1], [1, 2]])
  })

  it('reads a query, and is safe against late commits where the query tells the transaction', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table o (id serial primary key, c int); create table c (c int primary key, name text); insert into c values (1, $$Ann$$)')
    const config = { 'table.include.list': '', 'topic.prefix': 'orders', ...incrementing }
    const source = reader(url, { ...config, query: 'select o.id, c.name, o.xmin as __xid from o join c using (c);' })
    const unsafe = reader(url, { ...config, query: 'select o.id, c.name from o join c using (c)' })
    for (const each of [source, unsafe]) await each.start()
    await withClient(url, async (slow) => {
      await slow.query('begin; insert into o (c) values (1)')
      await queryRows(url, 'insert into o (c) values (1)')
      for (const each of [source, unsafe]) await rounds(each)
      await slow.query('commit')
    })
    await untilGiven(source, 2)
    await rounds(unsafe)
    expect(source.given.map(({ topic, value }) => [topic, value])).toEqual([['orders', { id: 1, name: 'Ann' }], ['orders', { id: 2, name: 'Ann' }]])
    expect(ids(unsafe)).toEqual([2]) // the trap
    expect(unsafe.log.lines).toEqual([expect.stringContaining('rows that are committed out of order may be missed') as string])
  })

  it('waits for a reader that stands still, and goes on after the server ended the connection', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key); insert into t select generate_series(1, 100)')
    const source = reader(url, { ...incrementing, 'batch.max.rows': '30' })
    await source.start()
    let first = 0
    for (let polls = 0; first === 0 && polls < 20_000; polls++) first = await source.poll()
    expect(first).toBe(30)
    await queryRows(url, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'millrace under-test' and datname = current_database()`)
    await expect((async () => { for (let polls = 0; polls < 20_000; polls++) await source.poll() })()).rejects.toMatchObject({ retriable: true })
    await untilGiven(source, 100)
    expect(ids(source)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
  })

  it('divides tables among tasks', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table a (id int); create table b (id int); create table c (id int); insert into a values (1); insert into b values (2); insert into c values (3)')
    const tasks = [reader(url, incrementing), reader(url, incrementing)]
    await Promise.all(tasks.map((task, index) => task.start(2, index)))
    await untilGiven(tasks[0]!, 2)
    await untilGiven(tasks[1]!, 1)
    expect(tasks.map(ids)).toEqual([[1, 3], [2]])
  })

  it.each([
    [{ mode: 'incrementing', 'incrementing.column': 'nope' }, 'public.t has no column "nope"; it has id'],
    [{ mode: 'timestamp', 'timestamp.column': 'id', 'table.include.list': '', query: 'select id from t' }, 'set mode=timestamp+incrementing'],
  ])('says what is wrong with %j', async (config, complaint) => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int)')
    const source = reader(url, config)
    await source.start()
    await expect(source.poll()).rejects.toMatchObject({ code: 'CONNECTOR_FAILED', message: expect.stringContaining(complaint) as string })
  })
})
