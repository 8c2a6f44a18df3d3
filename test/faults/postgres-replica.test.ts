/**
 * Twenty tables become topics, and the topics the same tables in another database, under random transactions, while the process of both
 * connectors is killed and the server crashes. MILLRACE_FAULT_ROUNDS and MILLRACE_HUGE_ROWS size it.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { openEmbeddedBroker, randomInteger, seededRandom, sleep, systemClock } from '../../src/core/index.ts'
import type { Random } from '../../src/core/index.ts'
import { freshDatabase, queryRows, startPostgres, withClient } from '../kit/postgres.ts'
import { describeWith } from '../kit/services.ts'

const rounds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 4)
const hugeRows = Number(process.env['MILLRACE_HUGE_ROWS'] ?? 20_000)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
/** Of 200 ms each, at least. */
const patientTries = 600 + hugeRows / 50
const program = fileURLToPath(new URL('./postgres-replica-until-killed.mjs', import.meta.url))
const tables = Array.from({ length: 20 }, (_, i) => `t${i}`)

const hasTwoKeys = (table: string) => Number(table.slice(1)) % 5 === 0

function createTable(table: string): string {
  const key = hasTwoKeys(table) ? 'primary key (id, part)' : 'primary key (id)'
  const full = Number(table.slice(1)) % 4 === 1 ? `; alter table ${table} replica identity full` : ''
  return `create table ${table} (id int, part text not null default 'p', name text, n int, big text, list int[], ${key}); alter table ${table} alter big set storage external${full};
    insert into ${table} select i, 'p', 'old', i, case when i % 3 = 0 then repeat('b', 5000) end, array[i, null] from generate_series(1, 120) i`
}

let addedColumns = 0

function statement(random: Random): string {
  const table = tables[randomInteger(random, tables.length)]!
  const id = randomInteger(random, 150)
  const text = `'ä"\\{${randomInteger(random, 1000)}}'`
  const choices = [
    `insert into ${table} (id, name, n, big) values (${id}, ${text}, ${randomInteger(random, 100)}, repeat('c', ${randomInteger(random, 3) * 3000})) on conflict do nothing`,
    `update ${table} set n = n + 1 where id = ${id}`,
    `update ${table} set name = ${text}, list = '{1,NULL,${id}}' where id between ${id} and ${id + 4}`,
    `update ${table} set big = repeat('d', ${3000 + randomInteger(random, 3000)}) where id = ${id}`,
    `update ${table} set id = id + 1000 where id = ${id} and not exists (select 1 from ${table} where id = ${id + 1000})`,
    `delete from ${table} where id % 23 = ${id % 23}`,
    `savepoint s; delete from ${table}; insert into ${table} (id) values (-1); rollback to s`,
    `savepoint s; update ${table} set n = -n; release s`,
    `insert into ${table} (id, n) select i, i from generate_series(2000, 2000 + ${randomInteger(random, 300)}) i on conflict do nothing`,
    ...(randomInteger(random, 12) === 0 ? [`truncate ${table}; insert into ${table} (id) values (${id})`] : []),
    ...(randomInteger(random, 12) === 0 ? [`alter table ${table} add column x${++addedColumns} text; update ${table} set x${addedColumns} = 'new' where id % 2 = 0`] : []),
  ]
  return choices[randomInteger(random, choices.length)]!
}

function transaction(random: Random): string {
  const statements = Array.from({ length: 1 + randomInteger(random, 6) }, () => statement(random))
  return `begin; ${statements.join('; ')}; ${randomInteger(random, 6) === 0 ? 'rollback' : 'commit'}`
}

type Row = Readonly<Record<string, unknown>>

/** Rows by key, without nulls, large texts by their digest. */
function comparable(rows: Iterable<Row>): Readonly<Record<string, Row>> {
  const entries = Array.from(rows, ({ big, ...row }): [string, Row] => {
    const present = Object.entries({ ...row, big: typeof big === 'string' ? createHash('md5').update(big).digest('hex') : null }).filter(([, value]) => value !== null)
    return [`${String(row['id']).padStart(8)} ${String(row['part'])}`, Object.fromEntries(present.toSorted(([a], [b]) => (a < b ? -1 : 1)))]
  })
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const contents = async (client: Client, table: string) => comparable((await client.query<{ row: Row }>(`select to_jsonb(t) as row from "${table}" t`)).rows.map(({ row }) => row))

/** A table in one line: how many rows it has, and the sum of what each of them, without its nulls, comes to. Column types may differ. */
interface Digest {
  readonly count: string
  readonly sum: string
}

async function digest(client: Client, table: string): Promise<Digest> {
  return (await client.query<{ count: string; sum: string }>(`select count(*) as count, coalesce(sum(hashtextextended(jsonb_strip_nulls(to_jsonb(t))::text, 0)), 0) as sum from "${table}" t`)).rows[0]!
}

/** Counting is cheap, so it comes first. */
async function equals(client: Client, table: string, wanted: Digest): Promise<boolean> {
  const found = await client.query<{ count: string }>(`select count(*) as count from "${table}"`).catch(() => undefined)
  return found?.rows[0]!.count === wanted.count && (await digest(client, table)).sum === wanted.sum
}

/**
 * A row into each table, when everything before it was captured. A snapshot shows rows as they are later, also where it is asked for by a
 * signal: a replica may be equal, and not be done. It is done when it has this row.
 */
async function writeLast(source: string): Promise<void> {
  await withClient(source, async (client) => {
    const { lsn } = (await client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')).rows[0]!
    const isCaptured = async () => (await client.query('select 1 from pg_replication_slots where confirmed_flush_lsn >= $1::pg_lsn', [lsn])).rowCount === 1
    for (let tries = 0; !(await isCaptured()) && tries < patientTries; tries++) await sleep(systemClock, 200)
    expect(await isCaptured()).toBe(true)
    await client.query(tables.map((table) => `insert into ${table} (id, name) values (-9, 'last')`).join('; '))
  })
}

/** A few of the rows that differ. */
function differing(found: Readonly<Record<string, Row>>, wanted: Readonly<Record<string, Row>>) {
  const keys = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].filter((key) => JSON.stringify(found[key]) !== JSON.stringify(wanted[key])).slice(0, 20)
  return { found: keys.map((key) => found[key] ?? `no row ${key}`), wanted: keys.map((key) => wanted[key] ?? `no row ${key}`) }
}

/** What a reader of the topic alone makes of it. */
async function rebuilt(directory: string): Promise<ReadonlyMap<string, Readonly<Record<string, Row>>>> {
  const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
  const replicas = new Map<string, Readonly<Record<string, Row>>>()
  try {
    for (const table of tables) replicas.set(table, await rebuiltTable(broker, `db.public.${table}`))
  } finally {
    await broker.close()
  }
  return replicas
}

async function rebuiltTable(broker: Awaited<ReturnType<typeof openEmbeddedBroker>>, topic: string) {
  const rows = new Map<string, Row>()
  const [end] = await broker.topics.listOffsets([{ topic, partition: 0, at: 'latest' }])
  const reader = await broker.openReader()
  reader.assign([{ topic, partition: 0, offset: 0 }])
  while (reader.positions()[0]!.offset < end!.offset) {
    for (const { batches } of (await reader.read()).partitions) {
      for (const batch of batches) for (const { key, value } of batch) apply(rows, key === null ? '' : Buffer.from(key).toString(), value === null ? null : (JSON.parse(Buffer.from(value).toString()) as Event))
    }
  }
  await reader.close()
  return comparable(rows.values())
}

interface Event {
  readonly op: string
  readonly after: Row | null
}

function apply(rows: Map<string, Row>, key: string, event: Event | null): void {
  if (event === null || event.op === 'd') rows.delete(key)
  else if (event.op === 't') rows.clear()
  else rows.set(key, { ...rows.get(key), ...event.after })
}

async function end(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

await describeWith('postgres', 'a replica of twenty tables', (shared) => {
  describe.skipIf(shared.origin === 'environment')('with a server of its own', () => {
    it(`equals the original, in the topics and in the other database, however often connectors and server are killed, seed ${seed}`, async () => {
      const server = await startPostgres()
      const directory = mkdtempSync(join(tmpdir(), 'millrace-twenty-tables-'))
      const [source, target] = [await freshDatabase(server), await freshDatabase(server)]
      let said = ''
      let child: ChildProcess | undefined
      const start = async () => {
        child = spawn(process.execPath, [program, directory, source, target, 'twenty'], { stdio: ['ignore', 'pipe', 'pipe'] })
        child.stderr!.on('data', (bytes: Buffer) => { said = (said + bytes.toString()).slice(-4_000) })
        await once(child.stdout!, 'data')
      }
      try {
        await queryRows(source, `create table signals (id varchar(42) primary key, type varchar(32) not null, data varchar(2048)); ${tables.map(createTable).join('; ')}`)
        const random = seededRandom(seed)
        for (let round = 0; round < rounds; round++) {
          await start()
          await withClient(source, async (client) => {
            for (let i = 0; i < 40; i++) await client.query(transaction(random))
            if (round === 2) await client.query(`begin; insert into t3 (id, n) select i, i from generate_series(10000, ${10_000 + hugeRows}) i; delete from t3 where id >= 10000 and id % 10 > 0; commit`)
            if (round % 3 === 1) await client.query(`insert into signals values ('${round}', 'execute-snapshot', '{"data-collections": ["public.t${round}", "public.t1*"]}')`)
          })
          await sleep(systemClock, randomInteger(random, 1_000))
          if (round % 4 === 3) {
            await server.stopServer((round + seed) % 8 < 4 ? 'crash' : 'fast')
            await server.startServer()
          } else await end(child!, 'SIGKILL')
          if (round % 4 === 3) await end(child!, 'SIGKILL')
        }
        await start()
        await writeLast(source)
        const digests = new Map<string, Digest>()
        await withClient(source, async (client) => { for (const table of tables) digests.set(table, await digest(client, table)) })
        const behind = new Set(tables)
        for (let tries = 0; behind.size > 0 && tries < patientTries; tries++) {
          await withClient(target, async (client) => { for (const table of behind) if (await equals(client, `db.public.${table}`, digests.get(table)!)) behind.delete(table) })
          if (behind.size > 0) await sleep(systemClock, 200)
        }
        await end(child!, 'SIGTERM')
        const replicas = await rebuilt(directory)
        for (const table of tables) {
          const original = await withClient(source, (client) => contents(client, table))
          if (behind.has(table)) {
            const { found, wanted } = differing(await withClient(target, (client) => contents(client, `db.public.${table}`)), original)
            expect(found, `seed ${seed}, ${table}: ${said}`).toEqual(wanted)
            throw new Error(`seed ${seed}, ${table}: it came to be equal only after the last look`)
          }
          const { found, wanted } = differing(replicas.get(table)!, original)
          expect(found, `seed ${seed}, topic of ${table}`).toEqual(wanted)
        }
      } finally {
        if (child !== undefined) await end(child, 'SIGKILL')
        await server.stop()
        rmSync(directory, { recursive: true, force: true })
      }
    })
  })
})
