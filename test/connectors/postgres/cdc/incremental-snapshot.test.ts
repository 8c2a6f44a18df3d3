import { expect, it } from 'vitest'
import { postgresCdcSource } from '../../../../connectors/postgres/plugins.ts'
import { capture, dropSlotsAfterEach, patientPolls, pollUntilSome, rows, untilGiven } from '../../../kit/postgres-capture.ts'
import { freshDatabase, queryRows, withClient } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import type { Given } from '../../../kit/source-harness.ts'

dropSlotsAfterEach()

const signalTable = 'create table signals (id varchar(42) primary key, type varchar(32) not null, data varchar(2048))'
const signal = (url: string, type: string, data: unknown) => queryRows(url, `insert into signals values (gen_random_uuid()::text, $1, $2)`, [type, JSON.stringify(data)])
type Row = { id: number; n: number; __op: string } | null

/** What a table is after these records, as a reader of the topic would build it. */
function replica(given: readonly Given[], topic: string): Map<number, number> {
  const table = new Map<number, number>()
  for (const { key, value } of given.filter((each) => each.topic === topic)) {
    const { id } = key as { id: number }
    if (value === null) table.delete(id)
    else table.set(id, (value as { n: number }).n)
  }
  return table
}

const read = (given: readonly Given[]) => given.filter(({ value }) => (value as Row)?.__op === 'r')

await describeWith('postgres', 'IncrementalSnapshot', (server) => {
  const config = { 'snapshot.mode': 'never', 'signal.data.collection': 'public.signals', 'incremental.snapshot.chunk.size': '10', 'heartbeat.interval.ms': '300' }

  it('reads tables again on demand, goes on after a crash, and can be paused, resumed and stopped (dbz#1533, dbz#2105, dbz#2236)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `${signalTable}; create table a (id int primary key, n int); create table b (id int primary key, n int); create table keyless (n int); insert into a select i, i from generate_series(1, 95) i; insert into b select i, i from generate_series(1, 30) i`)
    const source = capture(url, config)
    await source.start()
    await source.poll()
    source.commit()
    await signal(url, 'execute-snapshot', { 'data-collections': ['public.a', 'public.keyless', 'public.b'], type: 'incremental', 'additional-conditions': [{ 'data-collection': 'public.b', filter: 'n % 2 = 0' }] })
    for (let polls = 0; read(source.given).length < 20 && polls < patientPolls; polls++) await source.poll()
    await signal(url, 'pause-snapshot', {})
    await signal(url, 'log', { message: 'paused' }) // comes after it
    for (let polls = 0; !source.log.lines.includes('info paused') && polls < patientPolls; polls++) await source.poll()
    for (let quiet = 0; quiet < 5;) { // a chunk that was open may still come
      const before = read(source.given).length
      await source.poll()
      quiet = read(source.given).length === before ? quiet + 1 : 0
    }
    expect(read(source.given).length).toBeLessThan(95)
    await signal(url, 'resume-snapshot', {})
    for (let round = 0; read(source.given).length < 95 + 15 && round < 100; round++) {
      await pollUntilSome(source)
      if (round % 3 !== 2) continue
      source.commit(Math.ceil(source.uncommittedCount * 0.7))
      await source.crash()
      await source.start()
    }
    expect(read(source.given).map(({ topic, key }) => `${topic} ${(key as { id: number }).id}`)).toEqual([
      ...Array.from({ length: 95 }, (_, i) => `db.public.a ${i + 1}`),
      ...Array.from({ length: 15 }, (_, i) => `db.public.b ${2 * i + 2}`),
    ])
    expect(rows(source).every(({ topic }) => topic !== 'db.public.signals')).toBe(true)
    for (let polls = 0; [...source.committed.values()].some(({ incremental }) => incremental !== undefined) && polls < patientPolls; polls++) {
      await source.poll()
      source.commit()
    }
    expect(source.log.lines.some((line) => line.startsWith('warn') && line.includes('public.keyless') && line.includes('no primary key'))).toBe(true)
    await signal(url, 'execute-snapshot', { 'data-collections': ['public.a'] })
    for (let polls = 0; read(source.given).length < 120 && polls < patientPolls; polls++) await source.poll()
    await signal(url, 'stop-snapshot', {})
    const wasStopped = () => source.log.lines.includes('info reading tables again was stopped by a signal')
    for (let polls = 0; !wasStopped() && polls < patientPolls; polls++) await source.poll()
    expect(wasStopped()).toBe(true)
    for (let polls = 0; polls < 10; polls++) await source.poll()
    expect(read(source.given).length).toBeLessThan(205)
  }, 120_000)

  it('never gives an old row behind a newer change, while rows change as fast as they are read', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `${signalTable}; create table t (id int primary key, n int); insert into t select i, 0 from generate_series(1, 200) i`)
    const source = capture(url, config)
    await source.start()
    await source.poll()
    let stop = false
    const writer = withClient(url, async (client) => {
      for (let n = 1; !stop; n++) {
        await client.query(`begin; update t set n = ${n} where id % 7 = ${n % 7}; delete from t where id = ${1 + (n % 200)}; commit`)
        await client.query(`insert into t values (${1 + (n % 200)}, ${n}) on conflict do nothing; update t set id = id + 1000, n = ${n} where id = ${1 + ((n * 31) % 200)} and not exists (select 1 from t where id = ${1001 + ((n * 31) % 200)})`)
      }
    })
    for (let round = 0; round < 2; round++) {
      const already = read(source.given).length
      await queryRows(url, `select pg_logical_emit_message(true, 'millrace.signal', '{"type": "execute-snapshot", "data": {"data-collections": ["public.t"]}}')`)
      for (let polls = 0; (read(source.given).length < already + 100 || source.log.lines.filter((line) => line.includes('are read')).length <= round) && polls < 4 * patientPolls; polls++) await source.poll()
    }
    stop = true
    await writer
    const truth = await queryRows(url, 'select id, n from t order by id')
    const wanted = JSON.stringify(truth.map(({ id, n }) => [id, n]))
    const present = () => JSON.stringify([...replica(source.given, 'db.public.t')].toSorted(([a], [b]) => a - b))
    for (let polls = 0; present() !== wanted && polls < patientPolls; polls++) await source.poll()
    expect(present()).toBe(wanted)
    const seen = new Map<number, number>()
    for (const { key, value } of rows(source)) {
      const { id } = key as { id: number }
      if (value === null) continue
      expect((value as { n: number }).n).toBeGreaterThanOrEqual(seen.get(id) ?? 0)
      seen.set(id, (value as { n: number }).n)
    }
  }, 120_000)

  it('passes over signals that say nothing it knows', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `${signalTable}; create table t (id int primary key)`)
    const source = capture(url, config)
    await source.start()
    await source.poll()
    for (const [type, data] of [['execute-snapshot', '{'], ['execute-snapshot', '{"data-collections": ["public.none"]}'], ['execute-snapshot', '{"data-collections": ["public.t"], "type": "blocking"}'], ['fly', null], ['pause-snapshot', '{}']]) {
      await queryRows(url, 'insert into signals values (gen_random_uuid()::text, $1, $2)', [type, data])
    }
    await queryRows(url, `insert into signals values ('l', 'log', '{"message": "hello"}'); select pg_logical_emit_message(true, 'millrace.signal', 'nonsense')`)
    for (let polls = 0; source.log.lines.filter((line) => line.startsWith('warn')).length < 5 && polls < patientPolls; polls++) await source.poll()
    expect(source.log.lines.filter((line) => line.startsWith('warn'))).toHaveLength(5)
    expect(source.log.lines).toContain('info hello')
  }, 120_000)

  it('takes signals that POST /connectors/{name}/signals passes on, and refuses those that a capture would pass over', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key); insert into t select generate_series(1, 5)')
    const slot = `test_${process.pid}_signals`
    const source = capture(url, { 'slot.name': slot, 'snapshot.mode': 'never' })
    const given = postgresCdcSource.config.parse({ 'connection.url': url, 'topic.prefix': 'db', 'slot.name': slot })
    const ask = (type: string, data = {}) => postgresCdcSource.createConnector().signal!(given, { type, data })
    await expect(ask('execute-snapshot', { 'data-collections': ['public.t'] })).rejects.toThrow('the connector has not run yet')
    await source.start()
    await source.poll()
    await expect(ask('fly')).rejects.toThrow('there is no signal fly; there are execute-snapshot, stop-snapshot')
    await expect(ask('execute-snapshot', { 'data-collections': ['public.none'] })).rejects.toThrow('public.none is none')
    await ask('execute-snapshot', { 'data-collections': ['public.*'] })
    expect((await untilGiven(source, 5)).map(({ value }) => value)).toEqual([1, 2, 3, 4, 5].map((id) => ({ id, __op: 'r' })))
  }, 120_000)

  it('says how the table of signals must look', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key)')
    const source = capture(url, config)
    await source.start()
    await expect(source.poll()).rejects.toThrow('signal.data.collection names public.signals, which is no table: create table public.signals (id varchar(42) primary key')
  }, 120_000)
})
