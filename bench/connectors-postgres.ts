/**
 * What the PostgreSQL connectors promise, against the server's own tools in the same run: snapshot against COPY TO, changes against
 * `pg_recvlogical`, appends against COPY FROM, upserts against one `unnest` statement a batch.
 * Needs MILLRACE_TEST_PG, or a server that tests can start. `npm run build && node dist/bench/connectors-postgres.js [PART OF A NAME]…`; `memory` alone measures what a slow consumer costs.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { sleep, systemClock } from 'millrace/connect'
import type { SinkRecord, SinkTaskContext, SourceTaskContext } from 'millrace/connect'
import { postgresCdcSource, postgresSink } from 'millrace/connectors/postgres'
import { freshDatabase, findOrStartPostgres, queryRows } from '../test/kit/postgres.ts'
import { bench, benchDirectory } from './harness.ts'

const rows = Number(process.env['MILLRACE_BENCH_ROWS'] ?? 200_000)
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
let round = 0

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
  await task.stop()
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

try {
  await queryRows(url, `create table source ${columns}; insert into source ${fill}`)
  if (isAsked('snapshot')) await benchSnapshot()
  if (isAsked('changes')) await benchChanges()
  if (isAsked('memory')) await benchMemory()
  await benchSink()
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
  await dropSlot('bench_snapshot')
}

/** The slot is made first, then the changes: they are in the log when the clock starts. */
async function prepareChanges(): Promise<void> {
  await dropSlot('bench_changes')
  await queryRows(url, `select pg_create_logical_replication_slot('bench_changes', 'pgoutput')`)
  await queryRows(url, 'drop publication if exists millrace; create publication millrace for table source')
  await queryRows(url, `insert into source select id + ${++round * 10 * rows}, name, n, at from source where id <= ${rows}`)
}

async function benchChanges(): Promise<void> {
  await bench({
    name: 'changes', records: rows, bytes: rows * rowBytes,
    prepare: prepareChanges,
    run: () => capture({ 'slot.name': 'bench_changes', 'snapshot.mode': 'never' }, rows),
    against: {
      name: 'pg_recvlogical to /dev/null',
      prepare: prepareChanges,
      run: async () => receive(String((await queryRows(url, 'select pg_current_wal_lsn()::text as lsn'))[0]!['lsn'])),
    },
  })
  await dropSlot('bench_changes')
  console.log(JSON.stringify({ name: 'memory of the change-data source', peakMegabytes: Math.round(peakBytes / 1_048_576) }))
}

/** A consumer that rests after each poll: to be asked for alone. */
async function benchMemory(): Promise<void> {
  for (const config of [{ 'slot.name': 'bench_snapshot', 'snapshot.mode': 'initial' }, { 'slot.name': 'bench_changes', 'snapshot.mode': 'never' }]) {
    if (config['snapshot.mode'] === 'never') await prepareChanges()
    await capture(config, rows, 10)
    await dropSlot(config['slot.name'])
    console.log(JSON.stringify({ name: `memory with a slow consumer, snapshot.mode=${config['snapshot.mode']}`, peakMegabytes: Math.round(peakBytes / 1_048_576) }))
  }
}

async function benchSink(): Promise<void> {
  const upsert = { 'insert.mode': 'upsert' }
  const cases = [
    ['sink append', { 'insert.mode': 'insert' }, 5_000], ['sink append without COPY', { 'insert.mode': 'insert', 'copy.rows': '0' }, 5_000],
    ['sink upsert', upsert, 5_000], ['sink upsert without COPY', { ...upsert, 'copy.rows': '0' }, 5_000],
    ['sink upsert on two connections', { ...upsert, 'write.connections': '2' }, 10_000], ['sink upsert on two connections without COPY', { ...upsert, 'copy.rows': '0', 'write.connections': '2' }, 10_000],
  ] as const
  if (!cases.some(([name]) => isAsked(name))) return
  peakBytes = 0
  const file = join(directory.path, 'rows')
  psql(String.raw`\copy (${fill}) to '${file}'`)
  const prepare = () => queryRows(url, `drop table if exists target; create table target ${columns}`).then(quiet)
  for (const [name, config, batch] of cases) {
    if (!isAsked(name)) continue
    await bench({
      name, records: rows, bytes: rows * rowBytes,
      prepare, run: () => write(config, batch),
      against: { name: '\\copy from a file', prepare, run: () => psql(String.raw`\copy target from '${file}'`) },
    })
  }
  console.log(JSON.stringify({ name: 'memory of the sink', peakMegabytes: Math.round(peakBytes / 1_048_576) }))
}
