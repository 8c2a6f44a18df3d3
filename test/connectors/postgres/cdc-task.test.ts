import { describe, expect, it } from 'vitest'
import { systemClock } from 'millrace/connect'
import { freshDatabase, queryRows, startPostgres } from '../../kit/postgres.ts'
import { capture, dropSlotsAfterEach, patientPolls, pollPatiently, rows, untilGiven, values } from '../../kit/postgres-capture.ts'
import { describeWith } from '../../kit/services.ts'

dropSlotsAfterEach()

await describeWith('postgres', 'PostgresCdcSource', (server) => {
  it('gives the rows that are there, then every change, in both forms', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table items (id int primary key, name text); insert into items values (1, 'one'), (2, 'two')`)
    const flat = capture(url)
    const envelopes = capture(url, { format: 'debezium', 'publication.name': 'other' })
    for (const source of [flat, envelopes]) {
      await source.start()
      await untilGiven(source, 2)
      await source.poll()
    }
    await queryRows(url, `insert into items values (3, 'three'); update items set name = 'zwei' where id = 2; delete from items where id = 1`)
    expect((await untilGiven(flat, 5)).map(({ topic, key, value }) => [topic, key, value])).toEqual([
      ['db.public.items', { id: 1 }, { id: 1, name: 'one', __op: 'r' }],
      ['db.public.items', { id: 2 }, { id: 2, name: 'two', __op: 'r' }],
      ['db.public.items', { id: 3 }, { id: 3, name: 'three', __op: 'c' }],
      ['db.public.items', { id: 2 }, { id: 2, name: 'zwei', __op: 'u' }],
      ['db.public.items', { id: 1 }, null],
    ])
    expect((await untilGiven(envelopes, 6)).slice(2).map(({ key, value }) => [key, value])).toMatchObject([
      [{ id: 3 }, { op: 'c', before: null, after: { id: 3, name: 'three' }, source: { connector: 'postgresql', name: 'db', schema: 'public', table: 'items', snapshot: 'false' } }],
      [{ id: 2 }, { op: 'u', before: null, after: { id: 2, name: 'zwei' } }],
      [{ id: 1 }, { op: 'd', before: { id: 1 }, after: null }],
      [{ id: 1 }, null],
    ])
  })

  it('loses and repeats nothing wherever it is killed, in snapshot and in the middle of transactions (DBZ-5915, DBZ-7816, DBZ-8312, DBZ-9149)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table a (id int primary key, n int); create table b (x text, y int, n int, primary key (x, y)); insert into a select i, 0 from generate_series(1, 25) i; insert into b select 'k' || i % 3, i, 0 from generate_series(1, 25) i`)
    const source = capture(url, { 'snapshot.fetch.size': '7', 'max.batch.size': '4' })
    let changes = 0
    for (let round = 0; round < 12; round++) {
      await source.start()
      for (let polls = 0; polls < 4; polls++) await pollPatiently(source)
      if (round > 4) {
        await queryRows(url, `begin; insert into a select ${round} * 1000 + i, ${round} from generate_series(1, 9) i; update b set n = ${round} where y = ${round}; commit`)
        await queryRows(url, `begin; delete from a; rollback`)
        changes += 10
        for (let polls = 0; polls < 2; polls++) await pollPatiently(source)
      }
      source.commit(Math.floor((source.uncommittedCount * (round % 4)) / 3))
      await source.crash()
    }
    await source.start()
    await pollPatiently(source)
    const given = await untilGiven(source, 50 + changes)
    expect(given).toHaveLength(50 + changes)
    const seen = given.map(({ key, value }) => JSON.stringify([key, (value as { n: number }).n]))
    expect(new Set(seen).size).toBe(seen.length)
  }, 120_000)

  it('reads a table without a gap and without a repeat while it is written (DBZ-2288)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id serial primary key, at int)')
    let stop = false
    const writer = (async () => {
      for (let i = 0; !stop; i++) await queryRows(url, `insert into t (at) select ${i} from generate_series(1, 10)`)
    })()
    const source = capture(url, { 'snapshot.fetch.size': '10' })
    await source.start()
    for (let polls = 0; polls < 25; polls++) await source.poll()
    stop = true
    await writer
    const [count] = await queryRows(url, 'select count(*)::int as n from t')
    const given = await untilGiven(source, count!['n'] as number)
    expect(given.map(({ key }) => (key as { id: number }).id).toSorted((a, b) => a - b)).toEqual(Array.from({ length: count!['n'] as number }, (_, i) => i + 1))
    expect(new Set(given.map(({ value }) => (value as { __op: string }).__op))).toEqual(new Set(['r', 'c']))
  })

  it('tells the story of each key when a key changes, and of the old row where the table keeps it', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table k (id int primary key, v text); create table f (id int primary key, v text); alter table f replica identity full; create table n (v text); insert into k values (1, 'a'); insert into f values (1, 'a')`)
    const source = capture(url, { format: 'debezium', 'snapshot.mode': 'never' })
    await source.start()
    await source.poll()
    await queryRows(url, `update k set id = 2; update f set v = 'b'; insert into n values ('no key'); truncate n`)
    const given = await untilGiven(source, 6)
    expect(given.map(({ topic, key, value }) => [topic, key, value])).toMatchObject([
      ['db.public.k', { id: 1 }, { op: 'd', before: { id: 1 }, after: null }],
      ['db.public.k', { id: 1 }, null],
      ['db.public.k', { id: 2 }, { op: 'c', before: null, after: { id: 2, v: 'a' } }],
      ['db.public.f', { id: 1 }, { op: 'u', before: { id: 1, v: 'a' }, after: { id: 1, v: 'b' } }],
      ['db.public.n', null, { op: 'c', after: { v: 'no key' } }],
      ['db.public.n', null, { op: 't', before: null, after: null }],
    ])
  })

  it('leaves out large values that an update did not touch, and follows changes of the table', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (id int primary key, big text, n int); alter table t alter big set storage external`)
    const source = capture(url, { 'snapshot.mode': 'never' })
    await source.start()
    await source.poll()
    await queryRows(url, `insert into t values (1, repeat('x', 100000), 1)`)
    await queryRows(url, 'update t set n = 2')
    await queryRows(url, `alter table t add extra int[]; update t set extra = '{1,NULL,3}', big = 'small'`)
    const given = await untilGiven(source, 3)
    expect(values(given)).toEqual([
      { id: 1, big: 'x'.repeat(100_000), n: 1, __op: 'c' },
      { id: 1, n: 2, __op: 'u' },
      { id: 1, big: 'small', n: 2, extra: [1, null, 3], __op: 'u' },
    ])
  })

  it('is loud about a slot that was dropped or moved, and reads the tables again when told so (DBZ-5739)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key); insert into t values (1)')
    const slot = `test_${process.pid}_lost`
    const source = capture(url, { 'slot.name': slot })
    await source.start()
    await untilGiven(source, 1)
    await source.poll()
    source.commit()
    await source.crash()
    expect([...source.committed.values()]).toEqual([{ lsn: expect.any(String) as string, system: expect.any(String) as string, tables: expect.any(String) as string, timeline: 1 }])
    const drop = async () => {
      await queryRows(url, `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '${slot}' and active`)
      for (;;) {
        const [state] = await queryRows(url, `select active from pg_replication_slots where slot_name = '${slot}'`)
        if (state?.['active'] !== true) break
      }
      await queryRows(url, `select pg_drop_replication_slot('${slot}')`)
    }
    await drop()
    await source.start()
    await expect(source.poll()).rejects.toMatchObject({ code: 'CONNECTOR_FAILED', retriable: false, message: expect.stringContaining(`slot ${slot} is gone`) as string })
    await source.stop()
    await queryRows(url, 'insert into t values (2)')
    await queryRows(url, `select pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
    await source.start()
    await expect(source.poll()).rejects.toThrow(/it was made anew, or somebody else reads it/)
    await source.stop()
    const again = capture(url, { 'slot.name': slot, 'slot.lost': 'snapshot' })
    for (const [partition, offset] of source.committed) again.committed.set(partition, offset)
    await again.start()
    expect(values(await untilGiven(again, 2))).toEqual([{ id: 1, __op: 'r' }, { id: 2, __op: 'r' }])
    expect(again.log.lines[0]).toMatch(/error slot .* Changes are missing: the tables are read again/)
  })

  it('stores no position while only other tables change when heartbeats are off', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table still (id int primary key); create table moving (id serial primary key)')
    const source = capture(url, { 'slot.name': `test_${process.pid}_still`, 'table.include.list': 'public.still', 'heartbeat.interval.ms': '0' })
    await source.start()
    await source.poll() // the position at which it all begins
    await queryRows(url, 'insert into moving select from generate_series(1, 100); insert into still values (1)')
    expect((await untilGiven(source, 1)).map(({ topic }) => topic)).toEqual(['db.public.still'])
  })

  it('lets the server forget its log when only other tables change, and never more than was committed (DBZ-9641, DBZ-892, dbz#2027, pg-logical-replication#24)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table quiet (id int primary key); create table busy (id serial primary key, filler text)')
    const slot = `test_${process.pid}_quiet`
    const source = capture(url, { 'slot.name': slot, 'table.include.list': 'public.quiet', 'heartbeat.interval.ms': '100' })
    await source.start()
    await source.poll()
    source.commit()
    const confirmed = async () => (await queryRows(url, `select confirmed_flush_lsn - '0/0' as lsn from pg_replication_slots where slot_name = '${slot}'`))[0]!['lsn'] as string
    const before = Number(await confirmed())
    await queryRows(url, `insert into busy (filler) select repeat('x', 1000) from generate_series(1, 1000)`)
    for (let polls = 0; polls < 10; polls++) await source.poll()
    expect(source.gauges.get('cdc_uncommitted_bytes')!()).toBeNaN() // nothing is known to be committed
    expect(Number(await confirmed())).toBe(before) // heartbeats were given, but nothing was committed
    for (let polls = 0; Number(await confirmed()) < before + 500_000 && polls < patientPolls; polls++) {
      await source.poll()
      source.commit()
      await source.tellCommitted()
    }
    expect(Number(await confirmed())).toBeGreaterThan(before + 500_000)
    const lag = source.gauges.get('cdc_uncommitted_bytes')!
    // Others write into the log of the server, too.
    for (let polls = 0; lag() >= 500_000 && polls < patientPolls; polls++) {
      await source.poll()
      source.commit()
      await source.tellCommitted()
    }
    expect(lag()).toBeLessThan(500_000)
    await queryRows(url, `insert into busy (filler) select repeat('x', 1000) from generate_series(1, 1000)`)
    for (let polls = 0; lag() < 500_000 && polls < patientPolls; polls++) await source.poll()
    expect(lag()).toBeGreaterThanOrEqual(500_000)
    expect(source.gauges.get('cdc_queued_bytes')!()).toBe(0)
  }, 120_000)

  it('gives the rows and nothing more in mode initial_only, and leaves no slot behind', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key); insert into t select generate_series(1, 5)')
    const slot = `test_${process.pid}_only`
    const source = capture(url, { 'slot.name': slot, 'snapshot.mode': 'initial_only', 'snapshot.fetch.size': '2' })
    await source.start()
    await source.poll()
    source.commit(1)
    await source.crash()
    await source.start()
    await pollPatiently(source)
    await untilGiven(source, 5)
    await source.poll()
    await source.poll()
    expect(await queryRows(url, `select 1 from pg_replication_slots where slot_name = '${slot}'`)).toHaveLength(1) // not committed yet
    source.commit()
    await source.tellCommitted()
    await queryRows(url, 'insert into t values (6)')
    for (let polls = 0; polls < 3; polls++) await source.poll()
    expect(await queryRows(url, `select 1 from pg_replication_slots where slot_name = '${slot}'`)).toHaveLength(0)
    await source.crash()
    await source.start()
    await source.poll()
    expect(rows(source).map(({ key }) => (key as { id: number }).id)).toEqual([1, 2, 3, 4, 5])
  })

  it('gives the rows at every start in mode always, and then the changes since its last position', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key); insert into t values (1), (2)')
    const source = capture(url, { 'snapshot.mode': 'always' })
    await source.start()
    await untilGiven(source, 2)
    await source.poll()
    source.commit()
    await source.crash()
    await queryRows(url, 'delete from t where id = 1; insert into t values (3)')
    await source.start()
    await pollPatiently(source)
    const given = await untilGiven(source, 6)
    expect(given.map(({ key, value }) => [(key as { id: number }).id, (value as { __op: string } | null)?.__op ?? null])).toEqual([[1, 'r'], [2, 'r'], [2, 'r'], [3, 'r'], [1, null], [3, 'c']])
  })

  it('proves the whole way with messages of its own where it is told to, and gives none of them', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key)')
    const source = capture(url, { 'snapshot.mode': 'never', 'heartbeat.interval.ms': '100', 'heartbeat.message': 'true', 'message.prefix.include.list': 'app' })
    await source.start()
    const positions = () => new Set(source.given.map(({ value }) => (value as { lsn: string }).lsn))
    for (let polls = 0; positions().size < 4 && polls < patientPolls; polls++) await source.poll()
    expect(positions().size).toBeGreaterThanOrEqual(4)
    expect(rows(source)).toEqual([])
  })

  it('gives rows and changes of a partitioned table as those of one table, also when a row moves to another partition', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (id int, n int, primary key (id)) partition by range (id); create table t_low partition of t for values from (0) to (10); create table t_high partition of t for values from (10) to (20); insert into t values (1, 1), (11, 1)`)
    const source = capture(url)
    await source.start()
    await untilGiven(source, 2)
    await pollPatiently(source)
    await queryRows(url, `insert into t values (2, 2); update t set n = 5 where id = 11; update t set id = 12 where id = 1; delete from t_high where id = 11`)
    const given = await untilGiven(source, 7)
    expect(new Set(given.map(({ topic }) => topic))).toEqual(new Set(['db.public.t']))
    expect(given.map(({ key, value }) => [(key as { id: number }).id, (value as { n: number } | null)?.n ?? null])).toEqual([[1, 1], [11, 1], [2, 2], [11, 5], [1, null], [12, 1], [11, null]])
  }, 60_000)

  it('goes by the primary key that a table has at the time of the change, though it was another one at the start', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (a int primary key, b int not null); insert into t values (1, 10)`)
    const source = capture(url)
    await source.start()
    await untilGiven(source, 1)
    await pollPatiently(source)
    await queryRows(url, `insert into t values (2, 20); alter table t drop constraint t_pkey; alter table t add primary key (b); insert into t values (3, 30); alter table t drop column a; insert into t values (40)`)
    expect((await untilGiven(source, 4)).map(({ key }) => key)).toEqual([{ a: 1 }, { a: 2 }, { b: 30 }, { b: 40 }])
  }, 60_000)

  it('gives what it read again also when the connection is lost in the poll in which its chunk ended', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create type mood as enum ('good'); create table t (id int primary key); create table u (id int primary key, m mood, filler text); insert into t select generate_series(1, 5)`)
    const source = capture(url, { 'snapshot.mode': 'never' })
    await source.start()
    await source.poll()
    await queryRows(url, `select pg_logical_emit_message(true, 'millrace.signal', '{"type": "execute-snapshot", "data": {"data-collections": ["public.t"]}}')`)
    for (let polls = 0; !source.log.lines.some((line) => line.includes('asks for the rows')) && polls < patientPolls; polls++) await source.poll()
    await queryRows(url, 'insert into t values (6)')
    await untilGiven(source, 1) // the next chunk is open now, and the message behind it on its way
    await queryRows(url, `alter table u alter filler set storage external; insert into u values (1, 'good', repeat('x', 200000))`)
    for (let tries = 0; source.gauges.get('cdc_queued_bytes')!() < 200_000 && tries < patientPolls; tries++) await queryRows(url, 'select pg_sleep(0.05)')
    await queryRows(url, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'millrace under-test' and backend_type = 'client backend' and datname = current_database()`)
    await expect(source.poll()).rejects.toMatchObject({ retriable: true })
    const ids = (topic: string) => new Set(rows(source).filter((each) => each.topic === topic).map(({ key }) => (key as { id: number }).id))
    for (let polls = 0; (ids('db.public.t').size < 6 || ids('db.public.u').size < 1) && polls < patientPolls; polls++) await pollPatiently(source)
    expect(ids('db.public.t')).toEqual(new Set([1, 2, 3, 4, 5, 6]))
    expect(ids('db.public.u')).toEqual(new Set([1]))
  }, 60_000)

  it('lets the server forget nothing before the rows of the snapshot are committed (redpanda connect#4584), and only what is committed without a gap (redpanda connect#4510, #4687)', async () => {
    const url = await freshDatabase(server)
    const slot = `test_${process.pid}_barrier`
    await queryRows(url, 'create table t (id int primary key); insert into t select generate_series(1, 20)')
    const source = capture(url, { 'slot.name': slot, 'snapshot.fetch.size': '5', 'heartbeat.interval.ms': '50', 'status.interval.ms': '50' })
    const confirmed = async () => Number((await queryRows(url, `select confirmed_flush_lsn - '0/0' as lsn from pg_replication_slots where slot_name = '${slot}'`))[0]!['lsn'])
    await source.start()
    await untilGiven(source, 20)
    const begin = await confirmed()
    await queryRows(url, 'insert into t select generate_series(21, 30)')
    await untilGiven(source, 30)
    for (const count of [0, 12]) {
      source.commit(count)
      await source.tellCommitted()
      for (let polls = 0; polls < 3; polls++) await source.poll()
      expect(await confirmed()).toBe(begin)
    }
    source.commit()
    await source.tellCommitted()
    for (let polls = 0; (await confirmed()) === begin && polls < patientPolls; polls++) await source.poll()
    expect(await confirmed()).toBeGreaterThan(begin)
    await source.crash()
    await source.start()
    await queryRows(url, 'insert into t values (31)')
    await pollPatiently(source)
    expect((await untilGiven(source, 31)).map(({ key }) => (key as { id: number }).id)).toEqual(Array.from({ length: 31 }, (_, i) => i + 1))
  }, 60_000)

  it('puts a table whose name no topic can have into a topic of a name like it', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table "Größe (cm)" (id int primary key); insert into "Größe (cm)" values (1)`)
    const source = capture(url)
    await source.start()
    await untilGiven(source, 1)
    await pollPatiently(source)
    await queryRows(url, `insert into "Größe (cm)" values (2)`)
    expect((await untilGiven(source, 2)).map(({ topic }) => topic)).toEqual(['db.public.Gr__e__cm_', 'db.public.Gr__e__cm_'])
  }, 60_000)

  it('follows an enum that gets a value, and tells types of one name in two schemas apart (dbz#304, DBZ-9455)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create schema other; create type mood as enum ('good'); create type other.mood as (x int, y text); create table t (id int primary key, a mood, b other.mood, c mood[]); insert into t values (1, 'good', row(1, 'one'), '{good}')`)
    const source = capture(url)
    await source.start()
    await untilGiven(source, 1)
    await pollPatiently(source)
    await queryRows(url, `alter type mood add value 'bad'`)
    await queryRows(url, `insert into t values (2, 'bad', row(2, 'two'), '{bad,good}')`)
    expect(values(await untilGiven(source, 2))).toEqual([{ id: 1, a: 'good', b: { x: 1, y: 'one' }, c: ['good'], __op: 'r' }, { id: 2, a: 'bad', b: { x: 2, y: 'two' }, c: ['bad', 'good'], __op: 'c' }])
  }, 60_000)

  describe.skipIf(server.origin === 'environment')('with a server of its own', () => {
    it('outlives restarts and crashes of the server, and a sink that stands still for twice wal_sender_timeout (pg-logical-replication PR #1, spiceai PR #11653)', async () => {
      const own = await startPostgres({ settings: { wal_sender_timeout: '2s' } })
      try {
        await queryRows(own.url, 'create table t (id int primary key, filler text)')
        const source = capture(own.url, { 'max.queue.bytes': '65536', 'max.batch.size': '50' })
        await source.start()
        await source.poll()
        await queryRows(own.url, `insert into t select i, repeat('x', 1000) from generate_series(1, 1000) i`)
        await source.poll()
        await new Promise((resolve) => systemClock.setTimer(4_100, () => resolve(undefined)))
        const [walsender] = await queryRows(own.url, `select count(*)::int as n from pg_stat_replication`)
        expect(walsender).toEqual({ n: 1 }) // still connected, though nobody reads
        await untilGiven(source, 1000)
        for (const how of ['fast', 'crash'] as const) {
          await own.stopServer(how) // what was given is not committed: the slot must not move beyond it
          await expect((async () => { for (;;) await source.poll() })()).rejects.toMatchObject({ retriable: true })
          await own.startServer()
          await queryRows(own.url, `insert into t select ${how === 'fast' ? 1000 : 1100} + i, '' from generate_series(1, 100) i`)
          await pollPatiently(source)
          await untilGiven(source, how === 'fast' ? 1100 : 1200)
        }
        expect(rows(source).map(({ key }) => (key as { id: number }).id)).toEqual(Array.from({ length: 1200 }, (_, i) => i + 1))
        await source.crash()
        await source.start()
        await pollPatiently(source)
        await untilGiven(source, 1200)
        expect(rows(source)).toHaveLength(1200)
      } finally {
        await own.stop()
      }
    }, 120_000)
  })
})
