/**
 * A snapshot that is killed again and again while random transactions run, and is resumed each time with the state of that moment: each
 * event must fit what came before it. MILLRACE_SNAPSHOT_SEEDS sizes it.
 */
import { expect, it } from 'vitest'
import type { Client } from 'pg'
import { randomInteger, seededRandom, systemClock } from '../../src/core/index.ts'
import type { Random } from '../../src/core/index.ts'
import { freshDatabase, queryRows, withClient } from '../kit/postgres.ts'
import { capture, dropSlotsAfterEach, pollPatiently, rows, values } from '../kit/postgres-capture.ts'
import { replayStrictly } from '../kit/postgres-replay.ts'
import type { Row } from '../kit/postgres-replay.ts'
import { describeWith } from '../kit/services.ts'

const seeds = Number(process.env['MILLRACE_SNAPSHOT_SEEDS'] ?? 1)
const firstSeed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)

dropSlotsAfterEach()

const keyNames = (table: string) => (table === 'b' ? ['x', 'y'] : ['id'])
const tables = ['a', 'b', 'c', 'd', 'e']

/** Several tables, so that some are done, one is being read and some are not begun when the snapshot is cut. */
const create = `
  create table a (id int primary key, n int);
  create table b (x text, y int, n int, primary key (x, y));
  create table c (id text primary key, n int, big text); alter table c alter big set storage external;
  create table d (id uuid primary key, n int); alter table d replica identity full;
  create table e (id int primary key, n int);
  insert into a select i, 0 from generate_series(1, 40) i;
  insert into b select chr(65 + i % 7) || case when i % 2 = 0 then lower(chr(70 + i % 5)) else '' end, i, 0 from generate_series(1, 40) i;
  insert into c select 'Käy ' || i, 0, case when i % 3 = 0 then repeat('x', 4000) end from generate_series(1, 40) i;
  insert into d select md5(i::text)::uuid, 0 from generate_series(1, 40) i;`

const keyOf: Readonly<Record<string, (i: number) => string>> = {
  a: (i) => String(i), b: (i) => `('${String.fromCharCode(65 + (i % 7))}', ${i})`, c: (i) => `'Käy ${i}'`, d: (i) => `md5('${i}')::uuid`,
}
const keyColumn = (table: string) => (table === 'b' ? '(x, y)' : '(id)')

function statement(random: Random): string {
  const table = tables[randomInteger(random, 4)]!
  const key = keyOf[table]!(randomInteger(random, 80))
  const other = keyOf[table]!(randomInteger(random, 80))
  const columns = keyColumn(table).slice(1, -1)
  const is = (value: string) => `${table === 'b' ? keyColumn(table) : columns} = ${value}`
  const bare = (value: string) => value.replace(/^\((.*)\)$/, '$1')
  const choices = [
    `insert into ${table} (${columns}, n) values (${bare(key)}, ${randomInteger(random, 1000)}) on conflict do nothing`,
    `update ${table} set n = n + 1 where ${is(key)}`,
    `delete from ${table} where ${is(key)}`,
    `update ${table} set ${table === 'b' ? `(x, y) = (${bare(other)})` : `${columns} = ${other}`}, n = -n where ${is(key)} and not exists (select 1 from ${table} where ${is(other)})`,
    `savepoint s; delete from ${table}; rollback to s`,
    `savepoint s; update ${table} set n = n + 1 where ${is(key)}; release s`,
  ]
  return choices[randomInteger(random, choices.length)]!
}

async function write(client: Client, random: Random, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const statements = Array.from({ length: 1 + randomInteger(random, 4) }, () => statement(random))
    await client.query(`begin; ${statements.join('; ')}; ${randomInteger(random, 6) === 0 ? 'rollback' : 'commit'}`)
  }
}

async function pollPatientlyFrom(source: ReturnType<typeof capture>): Promise<void> {
  await source.start()
  await pollPatiently(source)
}

await describeWith('postgres', 'a snapshot that was cut off', (server) => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    it(`goes on with the rows as they are then, and no change comes that they show, seed ${seed}`, async () => {
      const url = await freshDatabase(server)
      await queryRows(url, create)
      const random = seededRandom(seed)
      const source = capture(url, { 'format': 'debezium', 'toast.unchanged': 'reselect', 'snapshot.fetch.size': '6', 'max.batch.size': '5', 'snapshot.max.threads': String(1 + (seed % 2)), 'incremental.snapshot.chunk.size': '7' })
      await withClient(url, (early) => withClient(url, (writer) => withClient(url, async (late) => {
        for (let cut = 0; cut < 8; cut++) {
          // One that is open while a snapshot is taken, and was begun before others that it shows. The slot is made without: its creation waits for all.
          if (cut === 0) await pollPatientlyFrom(source)
          await early.query(`begin; insert into e values (${1000 + cut}, 0); savepoint s; insert into e values (${2000 + cut}, 0); release s`)
          if (cut > 0) await source.start()
          for (let polls = 0; polls <= randomInteger(random, 3); polls++) await pollPatiently(source)
          await write(writer, random, 4)
          await late.query(`begin; insert into e values (${3000 + cut}, 0)`)
          await early.query(cut % 3 === 0 ? 'rollback' : 'commit')
          source.commit(randomInteger(random, source.uncommittedCount + 1))
          await source.crash()
          await write(writer, random, 4)
          // These wait for whoever reads the table.
          if (randomInteger(random, 3) === 0) await writer.query(`truncate ${tables[randomInteger(random, 4)]}`)
          if (randomInteger(random, 3) === 0) await writer.query(`alter table ${tables[randomInteger(random, 4)]} add column if not exists extra text`)
          await late.query('commit')
        }
        await source.start()
        while (source.given.at(-1)?.offset['snapshotTable'] !== undefined) await pollPatiently(source)
        await writer.query(`insert into a values (-1, 0)`)
        const isDone = () => values(rows(source)).some((value) => (value as { after: { id: number } | null } | null)?.after?.id === -1)
        while (!isDone()) await pollPatiently(source)
        for (let more = 0; more < 5; more++) await pollPatiently(source)
        const replica = replayStrictly(values(rows(source)), keyNames)
        const wanted = new Map<string, unknown>()
        for (const table of tables) {
          const { rows: found } = await writer.query<{ row: Record<string, unknown> }>(`select jsonb_strip_nulls(to_jsonb(t)) as row from ${table} t`)
          for (const { row } of found) wanted.set(`${table} ${JSON.stringify(keyNames(table).map((name) => row[name]))}`, row)
        }
        const present = (row: Row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))
        expect(Object.fromEntries(Array.from(replica, ([key, row]) => [key, present(row)]))).toEqual(Object.fromEntries(wanted))
      })))
    }, 60_000)
  }
})
