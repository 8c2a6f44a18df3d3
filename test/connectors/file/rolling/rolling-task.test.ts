import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parquetReadObjects } from 'hyparquet'
import { Decimal, Struct, schema } from 'millrace/connect'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rollingFileSink } from '../../../../connectors/file/plugins.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

let folder: string
let sinks: { stop(): Promise<void> }[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-rolling-'))
})

afterEach(async () => {
  for (const sink of sinks) await sink.stop()
  sinks = []
  rmSync(folder, { recursive: true, force: true })
})

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ value: { n: from + i } }))

function sinkTo(config: Record<string, string> = {}) {
  const sink = new SinkHarness(rollingFileSink, { path: join(folder, '{topic}/{partition}-{offset}.jsonl'), 'roll.records': '4', ...config })
  sinks.push(sink)
  return sink
}

/** Names below the folder, in order, without what is not published. */
function published(): string[] {
  return (readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name))).filter((name) => !name.includes('.millrace')).toSorted((a, b) => (a < b ? -1 : 1))
}

const offsetName = (offset: number) => String(offset).padStart(20, '0')
const text = (name: string) => readFileSync(join(folder, name), 'utf8')
const all = () => published().flatMap((name) => text(name).split('\n').slice(0, -1)).map((line) => (JSON.parse(line) as { n: number }).n)

describe('RollingFileSink', () => {
  it('publishes whole files by number of records, and commits no more than that', async () => {
    const sink = sinkTo()
    sink.append('t', 0, ...numbers(0, 10))
    await sink.start()
    await sink.put(3)
    expect(published()).toEqual([])
    await sink.put()
    await sink.commit()
    expect(published()).toEqual([`t/0-${offsetName(0)}.jsonl`, `t/0-${offsetName(4)}.jsonl`])
    await sink.stop()
    await sink.start() // the two records behind are read again
    await sink.put()
    sink.append('t', 0, ...numbers(10, 12))
    await sink.put()
    expect(all()).toEqual(numbers(0, 12).map(({ value }) => value.n))
  })

  it('publishes by size and by time', async () => {
    const bySize = sinkTo({ 'roll.records': '0', 'roll.bytes': '300000', path: join(folder, 'size/{partition}-{offset}') })
    bySize.append('t', 0, ...Array.from({ length: 2_000 }, () => ({ value: 'x'.repeat(1_000) })))
    await bySize.start()
    await bySize.put()
    expect(published().length).toBeGreaterThan(2)
    const byTime = sinkTo({ 'roll.records': '0', 'roll.interval.ms': '2000', path: join(folder, 'time/{partition}-{offset}') })
    byTime.append('t', 0, { value: 1 })
    await byTime.start()
    await byTime.put()
    const before = byTime.clock.monotonic()
    while (byTime.clock.monotonic() < before + 2_000) await new Promise<void>((resolve) => { byTime.clock.setTimer(500, resolve) })
    expect(published().filter((name) => name.startsWith('time'))).toEqual([])
    await byTime.put()
    expect(published().filter((name) => name.startsWith('time'))).toHaveLength(1)
  })

  it('puts records into the folder of their day, whatever order they come in, and each once', async () => {
    const sink = sinkTo({ path: join(folder, '{topic}/dt={yyyy-MM-dd}/{HH}-{partition}-{offset}.jsonl'), 'roll.records': '3' })
    const at = (day: number, n: number) => ({ timestamp: Date.UTC(2026, 10, day, 23, 59), value: { n } })
    sink.append('t', 1, at(1, 0), at(2, 1), at(1, 2), at(2, 3), at(1, 4), at(3, 5))
    await sink.start()
    await sink.put()
    expect(published()).toEqual([`t/dt=2026-11-01/23-1-${offsetName(0)}.jsonl`, `t/dt=2026-11-02/23-1-${offsetName(1)}.jsonl`])
    await sink.commit()
    await sink.stop()
    await sink.start()
    sink.append('t', 1, at(3, 6), at(3, 7))
    await sink.put()
    expect(published()).toHaveLength(3)
    expect(all().toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('bounds the files that are written at a time', async () => {
    const sink = sinkTo({ path: join(folder, '{yyyy-MM-dd}/{partition}-{offset}'), 'roll.records': '0', 'max.open.files': '2' })
    sink.append('t', 0, ...[1, 2, 3, 1].map((day) => ({ timestamp: Date.UTC(2026, 0, day), value: { n: day } })))
    await sink.start()
    await sink.put()
    expect(published()).toEqual([`2026-01-01/0-${offsetName(0)}`, `2026-01-02/0-${offsetName(1)}`])
  })

  it('gives a name to what a crash left without one, and takes away what was not decided', async () => {
    const sink = sinkTo()
    sink.append('t', 0, ...numbers(0, 6))
    await sink.start()
    await sink.put()
    const [name] = published()
    const lane = join(folder, '.millrace/under-test/t-0')
    const manifest = JSON.parse(readFileSync(join(lane, 'manifest.json'), 'utf8')) as { renames: [string, string][] }
    renameSync(join(folder, name!), manifest.renames[0]![0]) // as if it had crashed between the manifest and the rename
    writeFileSync(join(lane, '1-99.part'), 'torn')
    sinks = []
    const next = sinkTo() // the first one is still there, as one that is only slow would be
    next.append('t', 0, ...numbers(0, 6), ...numbers(6, 8))
    await next.start()
    expect(published()).toEqual([name])
    expect(readdirSync(lane)).toEqual(['manifest.json'])
    await next.put()
    expect(all()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    sink.append('t', 0, ...numbers(6, 8))
    await expect(sink.put()).rejects.toThrow(/(a later task has taken over|disk refuses)/)
    expect(all()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    await next.stop()
  })

  it('survives a restart after every single step, with several days and partitions', async () => {
    const config = { path: join(folder, 'dt={yyyy-MM-dd}/{topic}-{partition}-{offset}.jsonl'), 'roll.records': '3' }
    const records = Array.from({ length: 40 }, (_, n) => ({ timestamp: Date.UTC(2026, 0, 1 + ((n * 7) % 3)), value: { n } }))
    const sink = sinkTo(config)
    sink.append('a', 0, ...records)
    sink.append('a', 1, ...records)
    for (let step = 0; step < 60; step++) {
      await sink.start()
      for (let puts = 0; puts < (step % 5); puts++) await sink.put(1 + (step % 3))
      if (step % 2 === 0) await sink.commit()
      await sink.stop()
    }
    await sink.start()
    await sink.put()
    await sink.stop()
    await sink.start()
    sink.append('a', 0, { timestamp: 0, value: { n: 40 } }, { timestamp: 0, value: { n: 41 } }, { timestamp: 0, value: { n: 42 } }) // enough to publish the rest
    sink.append('a', 1, { timestamp: 0, value: { n: 40 } }, { timestamp: 0, value: { n: 41 } }, { timestamp: 0, value: { n: 42 } })
    await sink.put()
    expect(all().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 86 }, (_, i) => i >> 1))
  })

  it('compresses', async () => {
    const sink = sinkTo({ compression: 'gzip' })
    sink.append('t', 0, ...numbers(0, 4))
    await sink.start()
    await sink.put()
    expect(published()).toEqual([`t/0-${offsetName(0)}.jsonl.gz`])
    expect(gunzipSync(readFileSync(join(folder, published()[0]!))).toString()).toBe('{"n":0}\n{"n":1}\n{"n":2}\n{"n":3}\n')
  })

  it('writes separated values, and begins another file when the columns are others', async () => {
    const sink = sinkTo({ format: 'csv', 'roll.records': '3', path: join(folder, '{partition}-{offset}.csv') })
    sink.append('t', 0, { value: { id: 1, note: 'a "b", c' } }, { value: { id: 2 } }, { value: { id: 3, extra: [1, null] } }, { value: { id: 4, note: null } }, { value: new Map([['id', 5n]]) })
    await sink.start()
    await sink.put()
    expect(published().map(text)).toEqual(['id,note\n1,"a ""b"", c"\n2,\n', 'id,extra\n3,"[1,null]"\n'])
  })

  it('writes Parquet that another reader understands, with columns from the values', async () => {
    const sink = sinkTo({ format: 'parquet', 'roll.records': '4', path: join(folder, '{partition}-{offset}.parquet') })
    const shape = schema.struct({ id: schema.int64(), price: schema.decimal(2), at: schema.timestamp(), raw: schema.bytes(), tags: schema.array(schema.string()) })
    const struct = new Struct(shape, { id: 2n ** 60n, price: Decimal.parse('1.50'), at: new Date(5), raw: Buffer.from('hi'), tags: ['a'] })
    sink.append('t', 0, { value: { id: 1, n: 1, text: 'ä', ok: true, deep: { a: [1] }, none: null } }, { value: { id: 2, n: 0.5 } }, { value: struct, valueSchema: shape }, { value: struct, valueSchema: shape })
    sink.append('t', 1, ...Array.from({ length: 4 }, () => ({ value: struct, valueSchema: shape })))
    await sink.start()
    await sink.put()
    const rows = async (name: string) => {
      const bytes = readFileSync(join(folder, name))
      return parquetReadObjects({ file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) })
    }
    const [first, second] = published()
    expect((await rows(first!)).slice(0, 2)).toMatchObject([{ id: 1n, n: 1, text: 'ä', ok: true, deep: { a: [1] } }, { id: 2n, n: 0.5, text: null, ok: null, deep: null }])
    expect((await rows(second!))[0]).toMatchObject({ id: 2n ** 60n, price: '1.50', at: new Date(5), tags: ['a'] })
  })

  it('writes many groups of rows into one Parquet file with bounded memory', async () => {
    const sink = sinkTo({ format: 'parquet', 'roll.records': '25000', path: join(folder, '{partition}-{offset}.parquet') })
    sink.append('t', 0, ...numbers(0, 25_000))
    await sink.start()
    await sink.put()
    const bytes = readFileSync(join(folder, published()[0]!))
    const rows = await parquetReadObjects({ file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) })
    expect(rows.map(({ n }) => Number(n))).toEqual(numbers(0, 25_000).map(({ value }) => value.n))
  })

  it('rejects what no file can hold and goes on', async () => {
    const loop: Record<string, unknown> = {}
    loop['loop'] = loop
    const sink = sinkTo({ 'roll.records': '2' })
    sink.append('t', 0, { value: { n: 1 } }, { value: loop }, { value: { n: 2 } })
    await sink.start()
    await sink.put()
    expect(all()).toEqual([1, 2])
    expect(sink.rejected).toHaveLength(1)
  })

  it('overwrites nothing, and notices a topic that was made anew', async () => {
    const sink = sinkTo({ 'roll.records': '2' })
    sink.append('t', 0, ...numbers(0, 2))
    await sink.start()
    rmSync(join(folder, 't'), { recursive: true, force: true })
    const stranger = join(folder, `t/0-${offsetName(0)}.jsonl`)
    await sink.put()
    expect(existsSync(stranger)).toBe(true)
    await sink.stop()
    const other = sinkTo({ 'roll.records': '2' })
    other.append('t', 0, { value: { n: 7 } })
    await other.start()
    other.resetBeyondEnd()
    await expect(other.put()).rejects.toThrow(/t-0 was written up to offset 2, but goes on at 0: the topic was made anew/)
    rmSync(join(dirname(dirname(stranger)), '.millrace'), { recursive: true })
    const third = sinkTo({ 'roll.records': '1' })
    third.append('t', 0, { value: { n: 7 } })
    await third.start()
    await expect(third.put()).rejects.toThrow(/is there already, and was not written by this connector/)
  })

  it.each([['out/{topic}', 'needs {partition}'], ['out/{partition}', 'needs {offset}'], ['{partition}{offset}{week}', '{week} is none of']])('refuses the name %s', (path, complaint) => {
    expect(() => rollingFileSink.config.parse({ path })).toThrow(complaint)
  })
})
