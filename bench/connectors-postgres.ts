/**
 * What the PostgreSQL connectors promise, in turns with the least that such a thing could be in the same run: snapshot with COPY TO, changes with a
 * reader of the bare socket and with `pg_recvlogical`, appends with COPY FROM, upserts with a connection that only sends `unnest` statements.
 * Needs MILLRACE_TEST_PG, or a server that tests can start. `npm run build && node dist/bench/connectors-postgres.js [PART OF A NAME]…`; `memory of a snapshot`,
 * `memory of changes` and `memory of a sink`, each asked for alone, measure a process with a slow consumer, or a slow database.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { sleep, systemClock } from 'millrace/connect'
import type { SinkRecord, SinkTaskContext, SourceTaskContext } from 'millrace/connect'
import { postgresCdcSource, postgresSink } from 'millrace/connectors/postgres'
import { freshDatabase, findOrStartPostgres, queryRows, withClient } from '../test/kit/postgres.ts'
import { bench, benchDirectory } from './harness.ts'

const rows = Number(process.env['MILLRACE_BENCH_ROWS'] ?? 200_000)
/** Of the transactions whose changes are read. */
const transactionRows = Number(process.env['MILLRACE_BENCH_TRANSACTION_ROWS'] ?? 1_000)
/** Records of a put in the measure of memory; a worker gives 500 unless it is told otherwise. */
const memoryBatch = Number(process.env['MILLRACE_BENCH_BATCH'] ?? 500)
const rowBytes = 60
const asked = process.argv.slice(2)
const isAsked = (name: string) => asked.length === 0 || asked.some((part) => name.includes(part))
const quiet = () => undefined
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet }
const server = await findOrStartPostgres()
const url = await freshDatabase(server)
const fill = `select i, 'customer ' || i, i % 1000, now() from generate_series(1, ${rows}) i`
const columns = '(id int primary key, name text, n int, at timestamptz)'
const directory = benchDirectory()
let peakBytes = 0
/** Of the processes of the server that worked for the runs of a case; empty where they cannot be seen. */
let serverSeconds: number[] = []

function noteMemory(): void {
  peakBytes = Math.max(peakBytes, process.memoryUsage().rss)
}

function sourceContext(signal: AbortSignal): SourceTaskContext {
  return { connectorName: 'bench', taskId: 0, clock: systemClock, log, signal, gauge: quiet, allOffsets: () => Promise.resolve([]), offsets: (partitions) => Promise.resolve(partitions.map(() => undefined)) }
}

async function capture(config: Readonly<Record<string, string>>, count: number, pauseMs = 0): Promise<void> {
  const abort = new AbortController()
  const task = postgresCdcSource.createTask()
  await task.start(postgresCdcSource.config.parse({ 'connection.url': url, 'topic.prefix': 'bench', 'table.include.list': 'public.source', ...config }), sourceContext(abort.signal))
  for (let given = 0; given < count;) {
    const items = (await task.poll(abort.signal)) ?? []
    for (const item of 'spans' in items ? [items] : items) given += 'spans' in item ? item.recordCount : 'topic' in item && !item.topic.endsWith('.heartbeat') ? 1 : 0
    noteMemory()
    if (pauseMs > 0) await sleep(systemClock, pauseMs)
  }
  await noteServer('millrace bench')
  await task.stop()
}

/** What those connections have cost the server so far. */
async function noteServer(application: string): Promise<void> {
  const used = await queryRows(url, 'select pid from pg_stat_activity where application_name like $1 and datname = current_database()', [`${application}%`])
  const files = used.map(({ pid }) => `/proc/${Number(pid)}/stat`).filter((file) => existsSync(file))
  // Behind the name of the process, the 12th and 13th word, in hundredths of a second.
  const ticks = files.flatMap((file) => readFileSync(file, 'utf8').replace(/^.*\) /, '').split(' ').slice(11, 13))
  if (files.length > 0) serverSeconds.push(ticks.reduce((sum, each) => sum + Number(each) / 100, 0))
}

function tellServer(name: string): void {
  if (serverSeconds.length > 0) console.log(JSON.stringify({ name: `the server's CPU for ${name}`, microsPerRecord: Number(((serverSeconds.toSorted((a, b) => a - b)[serverSeconds.length >> 1]! * 1e6) / rows).toPrecision(3)) }))
  serverSeconds = []
}

/** The server may take a moment to let go of a slot. */
async function dropSlot(name: string): Promise<void> {
  for (;;) {
    const [slot] = await queryRows(url, 'select active from pg_replication_slots where slot_name = $1', [name])
    if (slot === undefined) return
    if (slot['active'] === true) await queryRows(url, 'select pg_sleep(0.05)')
    else await queryRows(url, 'select pg_drop_replication_slot($1)', [name])
  }
}

/**
 * So many records from an offset on, in two partitions, by turns of a thousand. They are made when they are written, as in a worker: all of them at once would have the
 * collector walk hundreds of megabytes.
 */
const sinkRecords = (from: number, count: number): SinkRecord[] => Array.from({ length: Math.min(count, rows - from) }, (_, index) => {
  const offset = from + index
  const partition = Math.trunc(offset / 1_000) % 2
  return {
    topic: 'target', partition, offset, timestampType: 'create-time', originalTopic: 'target', originalPartition: partition, originalOffset: offset, timestamp: 0, headers: [],
    keySchema: null, key: { id: offset }, valueSchema: null, value: { name: `customer ${offset}`, n: offset % 1000, at: 1_700_000_000_000 + offset },
  }
})

async function write(config: Readonly<Record<string, string>>, batch: number): Promise<void> {
  const abort = new AbortController()
  const task = postgresSink.createTask()
  const context: SinkTaskContext = {
    connectorName: 'bench', taskId: 0, clock: systemClock, log, signal: abort.signal, gauge: quiet, assignment: () => [], seek: quiet, pause: quiet, resume: quiet, requestCommit: quiet, retryAfter: quiet,
    reject: (_, error) => Promise.reject(error as Error),
  }
  await task.start(postgresSink.config.parse({ 'connection.url': url, 'pk.mode': 'record_key', 'exactly.once': 'false', 'batch.size': '5000', ...config }), context)
  for (let from = 0; from < rows; from += batch) {
    await task.put(sinkRecords(from, batch))
    noteMemory()
  }
  await task.put([]) // the last ones are committed, or it says why not
  await noteServer('millrace bench')
  await task.stop()
}

const psql = (text: string) => {
  const { status, stderr } = spawnSync('psql', [url, '-q', '-c', text], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/** The server's own reader of changes, to the end of its log. */
const receive = (lsn: string) => {
  const options = ['-d', url, '--slot', 'bench_changes', '--start', '-o', 'proto_version=1', '-o', 'publication_names=millrace', '-f', '/dev/null', '--endpos', lsn, '--no-loop']
  const { status, error, stderr } = spawnSync('pg_recvlogical', options, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  if (status !== 0) throw error ?? new Error(stderr)
}

/** Counts the inserts that come through the socket, and does nothing with them. */
const readSocket = () => withClient(`${url}?application_name=socket&replication=database`, async (client) => {
  const { connection } = client as unknown as { readonly connection: { readonly stream: Duplex; query(text: string): void } }
  const { stream } = connection
  stream.removeAllListeners('data')
  let rest: Buffer = Buffer.alloc(0)
  let inserts = 0
  await new Promise<void>((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let at = 0
      for (let next; bytes.length - at >= 5 && (next = at + 1 + bytes.readUInt32BE(at + 1)) <= bytes.length; at = next) if (bytes[at + 5] === 0x77 && bytes[at + 30] === 0x49) inserts++
      rest = bytes.subarray(at)
      if (inserts === rows) resolve()
    })
    connection.query(`START_REPLICATION SLOT bench_changes LOGICAL 0/0 (proto_version '1', publication_names 'millrace')`)
  })
  await noteServer('socket')
  stream.destroy()
})

/** Statements that are ready but for their parameters, one behind the other on each of the connections. */
async function sendUnnest(batch: number, connections: number): Promise<void> {
  let next = 0
  const text = 'insert into target select * from unnest($1::int[], $2::text[], $3::int[], $4::timestamptz[]) on conflict (id) do update set name = excluded.name, n = excluded.n, at = excluded.at'
  const send = () => withClient(url, async (client) => {
    for (let from; (from = next) < rows;) {
      next += batch
      const ids = Array.from({ length: Math.min(batch, rows - from) }, (_, index) => from + index)
      const values = [ids, ids.map((id) => `"customer ${id}"`), ids.map((id) => id % 1_000), ids.map(() => '"2026-11-21T07:00:00.000Z"')].map((each) => `{${each.join(',')}}`)
      await client.query({ name: 'upsert', text, values })
    }
  })
  await Promise.all(Array.from({ length: connections }, send))
}

try {
  await queryRows(url, `create table source ${columns}; insert into source ${fill}`)
  if (isAsked('snapshot')) await benchSnapshot()
  if (isAsked('changes')) await benchChanges()
  if (asked.some((part) => part.includes('memory'))) await measureMemory()
  else await benchSink()
} finally {
  directory.remove()
  await server.stop()
}

async function benchSnapshot(): Promise<void> {
  await bench({
    name: 'snapshot', records: rows, bytes: rows * rowBytes,
    prepare: () => dropSlot('bench_snapshot'),
    run: () => capture({ 'slot.name': 'bench_snapshot', 'snapshot.mode': 'initial' }, rows),
    against: { name: 'copy source to stdout', run: () => psql('copy source to stdout') },
  })
  tellServer('snapshot')
  await dropSlot('bench_snapshot')
}

/** Changes that are in the log when the clock starts; a slot that stands before them is copied for each reader. */
async function makeChanges(perTransaction: number): Promise<void> {
  await queryRows(url, 'drop publication if exists millrace; create publication millrace for table source')
  await queryRows(url, `select pg_create_logical_replication_slot('bench_base', 'pgoutput')`)
  await queryRows(url, `do $$ begin for i in 1..${Math.ceil(rows / perTransaction)} loop
    insert into source select id + ${10 * rows}, name, n, at from source where id > (i - 1) * ${perTransaction} and id <= least(i * ${perTransaction}, ${rows}); commit; end loop; end $$`)
}

async function copySlot(): Promise<void> {
  await dropSlot('bench_changes')
  await queryRows(url, `select pg_copy_logical_replication_slot('bench_base', 'bench_changes')`)
}

async function benchChanges(): Promise<void> {
  await makeChanges(transactionRows)
  const end = String((await queryRows(url, 'select pg_current_wal_lsn()::text as lsn'))[0]!['lsn'])
  const run = () => capture({ 'slot.name': 'bench_changes', 'snapshot.mode': 'never' }, rows)
  const common = { records: rows, bytes: rows * rowBytes, prepare: copySlot, run }
  const cost = await bench({ ...common, name: 'changes, against the socket', against: { name: 'reading the socket', prepare: copySlot, run: readSocket } })
  console.log(JSON.stringify({ name: 'reading the socket alone', microsPerRecord: Number((cost.cpuMicrosPerRecord * (cost.cpuRatio ?? 0)).toPrecision(3)) }))
  tellServer('changes, ours and the socket alone')
  await bench({ ...common, name: 'changes, against pg_recvlogical', against: { name: 'pg_recvlogical to /dev/null', prepare: copySlot, run: () => receive(end) } })
  tellServer('changes, ours')
  await dropSlot('bench_changes')
  await dropSlot('bench_base')
}

/** The whole process, at full speed but for a consumer that rests 10 ms after each poll; changes are one transaction. */
async function measureMemory(): Promise<void> {
  peakBytes = 0
  if (isAsked('memory of changes')) {
    await makeChanges(rows)
    await copySlot()
    await capture({ 'slot.name': 'bench_changes', 'snapshot.mode': 'never' }, rows, 10)
    await dropSlot('bench_changes')
    await dropSlot('bench_base')
  } else if (isAsked('memory of a snapshot')) {
    await capture({ 'slot.name': 'bench_snapshot', 'snapshot.mode': 'initial' }, rows, 10)
    await dropSlot('bench_snapshot')
  } else {
    await queryRows(url, `create table target ${columns}`)
    await write({ 'insert.mode': 'upsert', 'write.connections': '2' }, memoryBatch)
  }
  console.log(JSON.stringify({ name: asked.join(' '), rows, peakMegabytes: Math.round(peakBytes / 1_048_576) }))
}

async function benchSink(): Promise<void> {
  const upsert = { 'insert.mode': 'upsert' }
  const prepare = () => queryRows(url, `drop table if exists target; create table target ${columns}`).then(quiet)
  // A row that is changed is written once more: into its own page where there is room, and then no index is touched; else behind the others.
  const prepareFilled = (fillFactor: number) => queryRows(url, `drop table if exists target; create table target ${columns} with (fillfactor = ${fillFactor}); insert into target select i, '', 0, now() from generate_series(0, ${rows - 1}) i`).then(quiet)
  const file = join(directory.path, 'rows')
  const copy = { name: String.raw`\copy from a file`, prepare, run: () => psql(String.raw`\copy target from '${file}'`) }
  const unnest = { name: 'one connection that sends unnest', prepare, run: () => sendUnnest(5_000, 1) }
  const twoUnnest = (fillFactor: number) => ({ name: 'two connections that send unnest', prepare: () => prepareFilled(fillFactor), run: () => sendUnnest(5_000, 2) })
  const cases = [
    ['sink append', { 'insert.mode': 'insert' }, 5_000, copy], ['sink append without COPY', { 'insert.mode': 'insert', 'copy.rows': '0' }, 5_000, copy],
    ['sink upsert', upsert, 5_000, unnest], ['sink upsert without COPY', { ...upsert, 'copy.rows': '0' }, 5_000, unnest],
    ['sink upsert on two connections', { ...upsert, 'write.connections': '2' }, 10_000, unnest], ['sink upsert on two connections without COPY', { ...upsert, 'copy.rows': '0', 'write.connections': '2' }, 10_000, unnest],
    ['sink upsert on two connections, against COPY', { ...upsert, 'write.connections': '2' }, 10_000, copy],
    ['sink upsert of rows that are there, on two connections', { ...upsert, 'write.connections': '2' }, 10_000, twoUnnest(100)],
    ['sink upsert of rows that are there, in pages with room for them twice, on two connections', { ...upsert, 'write.connections': '2' }, 10_000, twoUnnest(45)],
  ] as const
  if (!cases.some(([name]) => isAsked(name))) return
  peakBytes = 0
  psql(String.raw`\copy (${fill}) to '${file}'`)
  for (const [name, config, batch, against] of cases) {
    if (!isAsked(name)) continue
    await bench({ name, records: rows, bytes: rows * rowBytes, prepare: against.prepare, run: () => write(config, batch), against })
    tellServer(name)
  }
  console.log(JSON.stringify({ name: 'memory of the sink', peakMegabytes: Math.round(peakBytes / 1_048_576) }))
}
