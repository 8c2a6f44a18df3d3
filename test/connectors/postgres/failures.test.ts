/**
 * What a person must remove, or the server gets over, is nobody's dead letter: not even where errors are tolerated and batches are searched for the
 * records to blame. What only some rows are refused for, in whatever words, is theirs alone.
 */
import { expect, it } from 'vitest'
import { ConnectWorker } from '../../../src/connect/index.ts'
import type { RawConfig } from '../../../src/connect/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { postgresSink } from '../../../connectors/postgres/plugins.ts'
import { afterTest, memoryLog, openBroker, readTopic, until } from '../../connect/runtime/connect-kit.ts'
import { freshDatabase, queryRows } from '../../kit/postgres.ts'
import { SinkHarness } from '../../kit/sink-harness.ts'
import { describeWith } from '../../kit/services.ts'

const upsert = { 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'pk.fields': 'id' }
const table = 'create table t (id int primary key, n int); grant all on t to public'

interface Trouble {
  readonly what: string
  readonly config?: RawConfig
  readonly begins: string
  readonly ends: string
  readonly says: RegExp
}

const cut = `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writer_of_rows' and datname = current_database()`
const setReadOnly = (how: string) => `begin read write; do $$ begin execute format('alter database %I ${how}', current_database()); end $$; commit; ${cut}`

const troubles: readonly Trouble[] = [
  { what: 'a permission that is missing', begins: 'revoke all on t from public', ends: 'grant all on t to public', says: /permission denied for table t/ },
  { what: 'a permission that is missing (plain inserts)', config: { 'insert.mode': 'insert' }, begins: 'revoke insert on t from public', ends: 'grant insert on t to public', says: /permission denied for table t/ },
  { what: 'a table that was dropped', begins: 'alter table t rename to gone', ends: 'alter table gone rename to t', says: /there is no table .*t/ },
  { what: 'a unique index that is missing', begins: 'alter table t drop constraint t_pkey', ends: 'alter table t add primary key (id)', says: /has no unique index on \(id\)/ },
  { what: 'a column of the key that is missing', begins: 'alter table t rename id to other', ends: 'alter table t rename other to id', says: /has no column .*id/ },
  { what: 'a table of offsets that is not ours', begins: 'revoke all on millrace_offsets from writer_of_rows', ends: 'grant all on millrace_offsets to writer_of_rows', says: /permission denied for table millrace_offsets/ },
  {
    what: 'a disk that is full', begins: `create function no_space() returns trigger language plpgsql as $$ begin raise exception 'no space left' using errcode = '53100'; end $$; create trigger no_space before insert on t execute function no_space()`,
    ends: 'drop trigger no_space on t', says: /no space left/,
  },
  {
    what: 'a server that only reads', begins: setReadOnly('set default_transaction_read_only = on'), ends: setReadOnly('reset default_transaction_read_only'),
    says: /read-only transaction/,
  },
]

const rowTroubles = [
  { what: 'a trigger raises', setUp: `create function refuse() returns trigger language plpgsql as $$ begin if new.n = 13 then raise exception 'unlucky'; end if; return new; end $$; create trigger refuse before insert or update on t for each row execute function refuse()`, says: /unlucky/ },
  { what: 'a policy of the table refuses', setUp: 'alter table t enable row level security; create policy lucky on t using (true) with check (n <> 13)', says: /row-level security/ },
  { what: 'a deferred trigger raises at the commit', setUp: `create function refuse() returns trigger language plpgsql as $$ begin if new.n = 13 then raise exception 'unlucky'; end if; return new; end $$; create constraint trigger refuse after insert or update on t deferrable initially deferred for each row execute function refuse()`, says: /unlucky/ },
  { what: 'an index cannot hold it', setUp: `alter table t add column s text; create index on t (s)`, says: /index row/ },
]

await describeWith('postgres', 'errors that are tolerated, with errors.sink.bisect', (server) => {
  const open = async (config: RawConfig = {}) => {
    const url = await freshDatabase(server)
    await queryRows(url, `do $$ begin create role writer_of_rows login password 'w'; exception when duplicate_object or unique_violation then null; end $$; grant all on schema public to writer_of_rows; ${table}`)
    const broker = await openBroker()
    await broker.topics.create([{ topic: 't' }, { topic: 'dead' }])
    const worker = ConnectWorker.open({ broker, plugins: [postgresSink], log: memoryLog(), config: { 'task.host': 'in-process', 'offset.flush.interval.ms': '20', 'restart.backoff.ms': '10', 'restart.backoff.max.ms': '200' } })
    afterTest(() => worker.stop())
    const address = new URL(url)
    address.username = 'writer_of_rows'
    address.password = 'w'
    await worker.start({ name: 'rows', config: {
      'connector.class': 'PostgresSink', 'topics': 't', 'connection.url': address.href, 'errors.tolerance': 'all', 'errors.deadletterqueue.topic.name': 'dead',
      'errors.deadletterqueue.context.headers.enable': 'true', 'errors.sink.bisect': 'true', 'errors.retry.delay.max.ms': '200', ...upsert, ...config,
    } })
    return { url, broker, worker }
  }
  const produce = async (broker: Broker, values: readonly object[]) => {
    const producer = await broker.openProducer()
    await Promise.all(values.map((value) => producer.append({ topic: 't', key: Buffer.from(JSON.stringify({ id: (value as { id: number }).id })), value: Buffer.from(JSON.stringify(value)) })))
    await producer.close()
  }
  const idsIn = async (url: string) => (await queryRows(url, 'select id from t order by id')).map(({ id }) => id)
  const rows = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ id: from + i, n: from + i }))

  it.each(troubles)('makes no dead letters of $what', async ({ config, begins, ends, says }) => {
    const { url, broker, worker } = await open(config)
    await produce(broker, rows(0, 2))
    await until(async () => (await idsIn(url)).length === 2, 'the first are written')
    await queryRows(url, begins)
    await produce(broker, [...rows(2, 20), { id: 20, n: 'many' }])
    await until(() => says.test(JSON.stringify(worker.status())), 'the trouble is told')
    expect(await readTopic(broker, 'dead')).toEqual([])
    await queryRows(url, ends)
    await until(async () => (await idsIn(url)).length === 20, 'the others are written')
    await until(async () => (await readTopic(broker, 'dead')).length > 0, 'the one to blame is kept')
    expect((await readTopic(broker, 'dead')).map(({ value }) => value)).toEqual(['{"id":20,"n":"many"}'])
    expect(await idsIn(url)).toEqual(rows(0, 20).map(({ id }) => id))
  }, 60_000)

  it.each(['as it came', 'bisected'])('fails the task by a mistake in a program, which it would meet again, with its stack (%s)', async (how) => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int primary key, doc jsonb)')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, ...upsert })
    sink.bisects = how === 'bisected'
    const doc = { get cells() { throw new TypeError('cells of undefined') } }
    sink.append('t', 0, { key: { id: 1 }, value: { doc } })
    await sink.start()
    const failure = await sink.put().then(() => undefined, (error: unknown) => error)
    expect(failure).toBeInstanceOf(TypeError)
    expect(failure).toMatchObject({ message: 'cells of undefined', stack: expect.stringContaining('failures.test.ts') as string })
    expect(sink.rejected).toEqual([])
    await sink.stop()
  })

  it.each(rowTroubles)('makes a dead letter of a row where $what', async ({ setUp, says }) => {
    const { url, broker, worker } = await open()
    await queryRows(url, setUp)
    const s = Array.from({ length: 20_000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7919) % 20_000))).join('')
    await produce(broker, rows(0, 20).map((row) => (row.n === 13 && setUp.includes('text') ? { ...row, s } : row)))
    await until(async () => (await readTopic(broker, 'dead')).length > 0, 'the one to blame is kept')
    await until(async () => (await idsIn(url)).length === 19, 'the others are written')
    const dead = await readTopic(broker, 'dead')
    expect(dead.map(({ key }) => key)).toEqual(['{"id":13}'])
    expect(dead[0]!.headers['__connect.errors.exception.message']).toMatch(says)
    expect(worker.status()).toMatchObject([{ tasks: [{ state: 'RUNNING', skipped: 1, attempts: 0 }] }])
  }, 60_000)
})
