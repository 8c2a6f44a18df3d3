/**
 * What the PostgreSQL connectors promise, against the server's own tools in the same run: snapshot against COPY TO, changes against
 * `pg_logical_slot_peek_binary_changes`, appends against COPY FROM, upserts against one `unnest` statement a batch.
 * Needs MILLRACE_TEST_PG, or a server that tests can start. `npm run build && node dist/bench/connectors-postgres.js`
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { systemClock } from 'millrace/connect'
import type { SinkRecord, SinkTaskContext, SourceTaskContext } from 'millrace/connect'
import { postgresCdcSource, postgresSink } from 'millrace/connectors/postgres'
import { freshDatabase, findOrStartPostgres, queryRows } from '../test/kit/postgres.ts'
import { bench, benchDirectory } from './harness.ts'

const rows = Number(process.env['MILLRACE_BENCH_ROWS'] ?? 200_000)
const rowBytes = 60
const quiet = () => undefined
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet }
const server = await findOrStartPostgres()
const url = await freshDatabase(server)
const fill = `select i, 'customer ' || i, i % 1000, now() from generate_series(1, ${rows}) i`
const columns = '(id int primary key, name text, n int, at timestamptz)'
const directory = benchDirectory()
let peakBytes = 0

function noteMemory(): void {
  peakBytes = Math.max(peakBytes, process.memoryUsage().rss)
}

function sourceContext(signal: AbortSignal): SourceTaskContext {
  return { connectorName: 'bench', taskId: 0, clock: systemClock, log, signal, gauge: quiet, allOffsets: () => Promise.resolve([]), offsets: (partitions) => Promise.resolve(partitions.map(() => undefined)) }
}

async function capture(config: Readonly<Record<string, string>>, count: number): Promise<void> {
  const abort = new AbortController()
  const task = postgresCdcSource.createTask()
  await task.start(postgresCdcSource.config.parse({ 'connection.url': url, 'topic.prefix': 'bench', 'table.include.list': 'public.source', ...config }), sourceContext(abort.signal))
  for (let given = 0; given < count;) {
    const items = (await task.poll(abort.signal)) ?? []
    for (const item of 'spans' in items ? [items] : items) given += 'spans' in item ? item.recordCount : 'topic' in item && !item.topic.endsWith('.heartbeat') ? 1 : 0
    noteMemory()
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

const sinkRecords = (topic: string): SinkRecord[] => Array.from({ length: rows }, (_, offset) => ({
  topic, partition: 0, offset, timestampType: 'create-time', originalTopic: topic, originalPartition: 0, originalOffset: offset, timestamp: 0, headers: [],
  keySchema: null, key: { id: offset }, valueSchema: null, value: { name: `customer ${offset}`, n: offset % 1000, at: 1_700_000_000_000 + offset },
}))

async function write(records: readonly SinkRecord[], config: Readonly<Record<string, string>>, batch: number): Promise<void> {
  const abort = new AbortController()
  const task = postgresSink.createTask()
  const context: SinkTaskContext = {
    connectorName: 'bench', taskId: 0, clock: systemClock, log, signal: abort.signal, gauge: quiet, assignment: () => [], seek: quiet, pause: quiet, resume: quiet, requestCommit: quiet, retryAfter: quiet,
    reject: (_, error) => Promise.reject(error as Error),
  }
  await task.start(postgresSink.config.parse({ 'connection.url': url, 'pk.mode': 'record_key', 'exactly.once': 'false', 'batch.size': '5000', ...config }), context)
  for (let from = 0; from < records.length; from += batch) await task.put(records.slice(from, from + batch))
  noteMemory()
  await task.stop()
}

const psql = (text: string) => {
  const { status, stderr } = spawnSync('psql', [url, '-q', '-c', text], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

try {
  await queryRows(url, `create table source ${columns}; insert into source ${fill}`)
  await bench({
    name: 'snapshot', records: rows, bytes: rows * rowBytes,
    prepare: () => dropSlot('bench_snapshot'),
    run: () => capture({ 'slot.name': 'bench_snapshot', 'snapshot.mode': 'initial' }, rows),
    against: { name: 'copy source to stdout', run: () => psql('copy source to stdout') },
  })
  await dropSlot('bench_snapshot')
  let round = 0
  const insertion = () => queryRows(url, `insert into source select id + ${++round * 10 * rows}, name, n, at from source where id <= ${rows}`).then(quiet)
  await bench({
    name: 'changes', records: rows, bytes: rows * rowBytes,
    // The slot is made first, then the changes: they are in the log when the clock starts.
    prepare: async () => {
      await dropSlot('bench_changes')
      await queryRows(url, `select pg_create_logical_replication_slot('bench_changes', 'pgoutput')`)
      await queryRows(url, 'drop publication if exists millrace; create publication millrace for table source')
      await insertion()
    },
    run: () => capture({ 'slot.name': 'bench_changes', 'snapshot.mode': 'never' }, rows),
    against: {
      name: 'pg_logical_slot_peek_binary_changes of the same',
      prepare: async () => {
        await dropSlot('bench_changes')
        await queryRows(url, `select pg_create_logical_replication_slot('bench_changes', 'pgoutput')`)
        await insertion()
      },
      run: () => psql(`copy (select data from pg_logical_slot_peek_binary_changes('bench_changes', null, null, 'proto_version', '1', 'publication_names', 'millrace')) to stdout`),
    },
  })
  await dropSlot('bench_changes')
  console.log(JSON.stringify({ name: 'memory of the change-data source', peakMegabytes: Math.round(peakBytes / 1_048_576) }))
  const records = sinkRecords('target')
  const file = join(directory.path, 'rows')
  psql(String.raw`\copy (${fill}) to '${file}'`)
  for (const [name, config, batch] of [['append', { 'insert.mode': 'insert' }, 5_000], ['append without COPY', { 'insert.mode': 'insert', 'copy.rows': '0' }, 5_000], ['upsert', { 'insert.mode': 'upsert' }, 5_000], ['upsert without COPY', { 'insert.mode': 'upsert', 'copy.rows': '0' }, 5_000]] as const) {
    await bench({
      name: `sink ${name}`, records: rows, bytes: rows * rowBytes,
      prepare: () => queryRows(url, `drop table if exists target; create table target ${columns}`).then(quiet),
      run: () => write(records, config, batch),
      against: {
        name: '\\copy from a file',
        prepare: () => queryRows(url, `drop table if exists target; create table target ${columns}`).then(quiet),
        run: () => psql(String.raw`\copy target from '${file}'`),
      },
    })
  }
  console.log(JSON.stringify({ name: 'memory with all records of the sink made before', peakMegabytes: Math.round(peakBytes / 1_048_576) }))
} finally {
  directory.remove()
  await server.stop()
}
