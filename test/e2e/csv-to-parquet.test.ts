/** A folder that CSV files are put into becomes a typed topic, and the topic a folder of Parquet files by day: each row once, through restarts of the worker. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parquetReadObjects } from 'hyparquet'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openEmbeddedBroker } from 'millrace'
import { ConnectWorker, sleep, systemClock } from 'millrace/connect'
import type { RawConfig } from 'millrace/connect'
import { plugins } from 'millrace/connectors/file'
import { collectingLog } from '../kit/source-harness.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-csv-to-parquet-'))
  mkdirSync(join(folder, 'in'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const at = (name: string) => join(folder, name)

/** Those of docs/guide/pipelines.md, in a hurry and in this folder. */
const page = readFileSync(new URL('../../docs/guide/pipelines.md', import.meta.url), 'utf8')
function connector(name: string, overrides: RawConfig): RawConfig {
  const found = Array.from(page.matchAll(/```json\n([^]*?)```/g), ([, text]) => JSON.parse(text!) as { readonly name: string; readonly config: RawConfig }).find((each) => each.name === name)
  return { ...found!.config, ...overrides }
}

const connectors = () => ({
  orders: connector('orders', { 'path': at('in/*'), 'cleanup.folder': at('done'), 'cleanup.idle.ms': '1', 'rescan.interval.ms': '50', 'poll.interval.ms': '10' }),
  lake: connector('lake', { 'path': at('lake/dt={yyyy-MM-dd}/{partition}-{offset}.parquet'), 'roll.interval.ms': '100' }),
})

function put(name: string, from: number, to: number, bad = ''): void {
  const rows = Array.from({ length: to - from }, (_, i) => `${from + i},"Ann, ""the"" buyer",${(from + i) / 4},2026-11-${String(1 + ((from + i) % 3)).padStart(2, '0')}T12:00:00Z\n`)
  const text = Buffer.from(`id,name,price,at\n${rows.join('')}${bad}`)
  writeFileSync(at('being-written'), name.endsWith('.gz') ? gzipSync(text) : text)
  renameSync(at('being-written'), at(`in/${name}`))
}

async function lake() {
  if (!existsSync(at('lake'))) return []
  const names = readdirSync(at('lake'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.parquet'))
  const files = await Promise.all(names.map(async (name) => {
    const bytes = readFileSync(join(folder, 'lake', name))
    const rows = await parquetReadObjects({ file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) })
    return rows.map((row) => ({ ...row, day: name.slice(0, 13) }))
  }))
  return files.flat() as { id: bigint | number; name: string; price: number; at: string; day: string }[]
}

it('gives every row of every file to one Parquet file of its day', async () => {
  let count = 0
  for (let round = 0; round < 3; round++) {
    const broker = await openEmbeddedBroker({ directory: at('data') })
    const log = collectingLog()
    const config = { 'task.host': 'in-process', 'offset.flush.interval.ms': '20', 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'false', 'key.converter': 'StringConverter', 'consumer.auto.offset.reset': 'earliest' }
    const worker = ConnectWorker.open({ broker, log, config, plugins })
    for (const [name, connector] of Object.entries(connectors())) await worker.start({ name, config: connector })
    put(`a-${round}.csv`, count, count + 40, round === 1 ? 'no,order\n' : '')
    put(`b-${round}.csv.gz`, count + 40, count + 60)
    count += 60
    const isDone = async () => (await lake()).length >= count && readdirSync(at('in')).length === 0
    for (let tries = 0; tries < 2_000 && !(round < 2 ? readdirSync(at('in')).length === 0 : await isDone()); tries++) await sleep(systemClock, 25)
    await worker.stop()
    await broker.close()
    expect(log.lines.filter((line) => line.startsWith('error'))).toEqual([])
  }
  const rows = (await lake()).toSorted((a, b) => Number(a.id) - Number(b.id))
  expect(rows.map(({ id }) => Number(id))).toEqual(Array.from({ length: count }, (_, id) => id))
  expect(rows[7]).toMatchObject({ name: 'Ann, "the" buyer', price: 1.75, at: '2026-11-02T12:00:00Z', day: 'dt=2026-11-02' })
  expect(readdirSync(at('done')).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['a-0.csv', 'a-1.csv', 'a-2.csv', 'b-0.csv.gz', 'b-1.csv.gz', 'b-2.csv.gz'])
}, 120_000)
