import { expect, it } from 'vitest'
import type { Client } from 'pg'
import { seededRandom } from '../../../../src/core/random.ts'
import { hasNoBytes, CopyBinary } from '../../../../connectors/postgres/sink/copy-binary.ts'
import { copyRows } from '../../../../connectors/postgres/sink/copy.ts'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { describeTable } from '../../../../connectors/postgres/sink/table.ts'
import type { Table } from '../../../../connectors/postgres/sink/table.ts'
import { Transaction } from '../../../../connectors/postgres/sink/transaction.ts'
import { freshDatabase, queryRows, withClient } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

const random = seededRandom(20_261_122)
const some = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)
const integer = (bits: number) => Math.floor((random.next() - 0.5) * 2 ** bits)
const digits = (value: number, count: number) => String(Math.trunc(value)).padStart(count, '0')
const moment = () => `${digits(1 + random.next() * 9998, 4)}-${digits(1 + random.next() * 12, 2)}-${digits(1 + random.next() * 28, 2)}`
const time = () => `${digits(random.next() * 24, 2)}:${digits(random.next() * 60, 2)}:${digits(random.next() * 60, 2)}${random.next() < 0.3 ? '' : `.${digits(random.next() * 1e6, 6).slice(0, 1 + Math.trunc(random.next() * 6))}`}`
const anyDouble = () => new Float64Array(new Uint32Array([random.next() * 2 ** 32, random.next() * 2 ** 32]).buffer)[0]!
const anyText = () => some(Math.trunc(random.next() * 100), () => String.fromCodePoint(1 + Math.trunc(random.next() * (random.next() < 0.5 ? 0x7f : 0xd7fe)))).join('')
const moments = [0, -1, 1_700_000_000_123, 1_700_000_000_123.7, -0.5, 946_684_799_999, 253_402_300_799_999, -62_135_596_800_000, new Date(1_700_000_000_123), new Date(-5)]
const texts = ['', 'plain', 'tab\tand\nnewline\r', String.raw`\N`, String.raw`\.`, '\\', '\u007f', 'ä 🚲', '\ud800 alone', 'x'.repeat(64), 'y'.repeat(65), 'long\t'.repeat(30_000), '"quoted", {braces}', ...some(200, anyText)]
const zoned = ['2026-11-21T07:00:00Z', '2024-02-29T23:59:59.999999Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999999Z', '1999-12-31 23:59:59.9Z', ...some(300, () => `${moment()}T${time()}Z`)]

/** By column type: values that have bytes. */
const plain: Readonly<Record<string, readonly unknown[]>> = {
  int2: [0, -0, 1, -1, 32_767, -32_768],
  int4: [0, 1, -1, 2_147_483_647, -2_147_483_648, ...some(100, () => integer(32))],
  int8: [0, -0, 4_294_967_295, 4_294_967_296, -4_294_967_296, -4_294_967_297, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 9_223_372_036_854_775_807n, -9_223_372_036_854_775_808n, 5n, ...some(200, () => integer(53))],
  float8: [0, -0, 0.1, -1.5, 1e21, 5e-324, Number.MAX_VALUE, Number.NaN, Infinity, -Infinity, ...some(300, anyDouble)],
  float4: [0, -0, 1.5, Number.NaN, Infinity, -Infinity, ...some(100, () => Math.fround(random.next() * 1e6))],
  bool: [true, false],
  text: [...texts, 5, -0, 1.5, 12n, true, { a: 1 }, [1, 'x'], new Date(0), Buffer.from([0, 255])],
  'varchar(300000)': texts,
  'char(5)': ['', 'a', 'abc  ', 'abcde'],
  json: [{ a: [1, null, 'ä\t"\\'] }, 'text', 5, true, ['a'], ...texts.slice(0, 5)],
  jsonb: [{ a: [1, null, 'ä\t"\\'] }, 'text', 5, true, ['a'], { long: 'ä'.repeat(30_000) }],
  timestamptz: [...moments, ...zoned, ...some(100, () => integer(46))],
  timestamp: [...moments, ...zoned, ...zoned.map((text) => text.slice(0, -1)), ...some(100, () => integer(46))],
  date: [...moments, '2026-11-21', '0001-01-01', '9999-12-31', '2000-02-29', ...some(100, moment)],
  uuid: ['0b0e2f3c-8f44-4c0a-9d4e-0a5d3f4c1b2a', '0B0E2F3C-8F44-4C0A-9D4E-0A5D3F4C1B2A'],
  bytea: [Buffer.from([0, 1, 255]), new Uint8Array(), Buffer.alloc(200_000, 7), 'AAE=', ''],
}

/** Values that have none, though the column takes them as texts. */
const texted: Readonly<Record<string, readonly unknown[]>> = {
  int2: ['7', 7n], int4: ['7', ' 7 ', 5n], int8: ['9223372036854775807'], float8: ['0.1', 'infinity', 5n], float4: ['0.1', 0.1, 1e-40], bool: ['yes', 't', '0', 1],
  timestamptz: ['2026-11-21 07:00:00+02', '2026-11-21', 'infinity', '-infinity', '0044-03-15 12:00:00+00 BC', '2026-11-21T24:00:00Z', '2026-11-21T07:00:60Z', '2026-11-21T07:00:00.1234567Z', '10000-01-01T00:00:00Z', -62_135_596_800_001, 253_402_300_800_000],
  timestamp: ['infinity', '-infinity', '0044-03-15 12:00:00 BC', 'yesterday', '2026-11-21', -62_135_596_800_001],
  date: ['infinity', '-infinity', '0044-03-15 BC', '2026-11-21T07:00:00Z', 'Nov 21 2026', -62_135_596_800_001],
  uuid: ['{0b0e2f3c-8f44-4c0a-9d4e-0a5d3f4c1b2a}', '0b0e2f3c8f444c0a9d4e0a5d3f4c1b2a'], bytea: [String.raw`\x00ff`, 'no base64!'],
}

/** Values that neither way takes. */
const refused: Readonly<Record<string, readonly unknown[]>> = {
  int2: [32_768, 1.5, 'x'], int4: [2_147_483_648, Number.NaN], int8: [1.5, 9_223_372_036_854_775_808n], float8: ['x', true], float4: [1e39], bool: [2, 'maybe'], 'char(5)': ['abcdef'], text: ['a\0b'], jsonb: ['nul \0'],
  timestamptz: ['2026-02-29T00:00:00Z', '2026-13-01T00:00:00Z', '0000-01-01T00:00:00Z', Number.NaN, 'x'], timestamp: ['2026-11-31T00:00:00'], date: ['2026-02-29', '0000-01-01'], uuid: ['x'],
}

const fields = (names: readonly string[], values: readonly unknown[]) => ({ names, values, schemas: null, isDatabaseText: false })

async function copied(client: Client, table: Table, values: readonly unknown[], mayBeBinary: boolean): Promise<unknown> {
  const transaction = new Transaction(client, () => undefined)
  const rows = values.map((value, n) => ({ key: fields(['n'], [n]), values: fields(['v'], [value]) }))
  try {
    await copyRows(transaction, table, { keyColumns: [table.columns.get('n')!], otherColumns: [table.columns.get('v')!], rows }, { way: 'straight', staged: new Set(), mayBeBinary, isLast: false })
    return (await client.query(`select n, v::text from ${table.name} order by n`)).rows
  } finally {
    await transaction.rollBack()
  }
}

function hasBytes(table: Table, value: unknown): boolean {
  try {
    new CopyBinary().addCell(value, table.columns.get('v')!, false)
    return true
  } catch (error) {
    if (error === hasNoBytes) return false
    throw error
  }
}

await describeWith('postgres', 'CopyBinary', (server) => {
  it.each(Object.keys(plain))('gives a column of %s what the text would have given it, or leaves it to the text', async (type) => {
    await withClient(await freshDatabase(server), async (client) => {
      await client.query(`create table t (n int primary key, v ${type})`)
      const table = (await describeTable(client, 't'))!
      const values = [...plain[type]!, null, undefined]
      expect(values.filter((value) => !hasBytes(table, value))).toEqual([])
      expect(await copied(client, table, values, true)).toEqual(await copied(client, table, values, false))
      for (const value of texted[type] ?? []) expect([value, hasBytes(table, value)]).toEqual([value, false])
      await copied(client, table, texted[type] ?? [], false)
      for (const value of refused[type] ?? []) {
        const told = await copied(client, table, [value], true).catch((error: Error) => error)
        const known = await copied(client, table, [value], false).catch((error: Error) => error)
        expect([value, known]).toEqual([value, expect.any(Error)])
        expect([value, told === hasNoBytes ? (known as Error).message : (told as Error).message]).toEqual([value, (known as Error).message])
      }
    })
  }, 120_000)

  it('is not tried for types that others made, arrays, and what has no bytes here', async () => {
    await withClient(await freshDatabase(server), async (client) => {
      await client.query(`create schema s; create type s.int4 as enum ('a'); create domain small as int2 check (value < 9); create table t (own s.int4, list int[], number numeric, small small, at time, text text)`)
      expect([...(await describeTable(client, 't'))!.columns.values()].map(({ name, binary }) => [name, binary])).toEqual([['own', null], ['list', null], ['number', null], ['small', 'int2'], ['at', null], ['text', 'text']])
    })
  })

  it.each(['insert', 'upsert'])('gives way to texts where a value has no bytes, and only the record is refused that the table refuses (%s)', async (mode) => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create domain small as int check (value <> 13); create table t (id int primary key, n small, at timestamptz)')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'insert.mode': mode, 'pk.mode': 'record_key', 'pk.fields': 'id', 'copy.rows': '1', 'batch.size': '20' })
    await sink.start()
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 100; n++) sink.append('t', 0, { key: 100 * round + n, value: { n: n === 50 ? '7' : n === 51 ? 'seven' : n, at: n === 70 ? '0044-03-15 12:00:00+00 BC' : 1_000 * n } })
      await sink.put()
    }
    await sink.stop()
    expect(sink.rejected.map(({ record }) => record.offset)).toEqual([0, 1, 2, 3, 4].flatMap((round) => [100 * round + 13, 100 * round + 51]))
    expect(await queryRows(url, `select count(*)::int as rows, sum(n)::int as sum, count(*) filter (where at = '0044-03-15 12:00:00+00 BC')::int as old from t`)).toEqual([{ rows: 490, sum: 5 * (4950 - 13 - 51 - 50 + 7), old: 5 }])
  }, 120_000)
})
