import { expect, it } from 'vitest'
import { randomInteger, seededRandom } from '../../../../src/core/random.ts'
import { cellText } from '../../../../connectors/postgres/sink/cell-text.ts'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { createTypes, createTypesTable, insertTypes, typesInRecord } from '../../../kit/postgres-types.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

it('writes moments as toISOString does, also before 1970, with parts of a millisecond and at the ends of the years that it is for', () => {
  const random = seededRandom(5)
  const first = Date.UTC(2000, 0, 1) - 2_000 * 365.25 * 86_400_000
  const moments = Array.from({ length: 2_000 }, (_, run) => (run % 2 === 0 ? first : 1_700_000_000_000) + randomInteger(random, 2 ** 31) * (run % 2 === 0 ? 30_000 : 1) + (run % 3) / 4)
  for (const moment of [...moments, 0, -1, -0.5, 0.5, 86_399_999, 86_400_000, Date.UTC(9999, 11, 31, 23, 59, 59, 999)]) {
    const date = new Date(moment)
    if (date.getUTCFullYear() > 0 && date.getUTCFullYear() < 10_000) expect(cellText(moment, 'timestamptz'), String(moment)).toBe(date.toISOString())
  }
  expect(cellText(new Date('-000001-01-01T00:00:00Z'), 'timestamptz')).toBe('0002-01-01T00:00:00.000Z BC')
  expect(cellText(Date.UTC(10_000, 0, 1), 'timestamptz')).toBe('10000-01-01T00:00:00.000Z')
  expect(() => cellText(Number.NaN, 'timestamptz')).toThrow('outside the range of dates')
  expect(() => cellText(9e15, 'timestamptz')).toThrow('outside the range of dates')
})

await describeWith('postgres', 'cellText', (server) => {
  it.each(['insert', 'upsert'])('writes a value of every type as the change-data source gives it, so that the row is the same again (%s)', async (mode) => {
    const url = await freshDatabase(server)
    await queryRows(url, `${createTypes}; ${createTypesTable}; ${insertTypes}`)
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'insert.mode': mode, 'pk.mode': 'record_key' })
    sink.append('t', 0, { key: { id: 2 }, value: { op: 'c', source: {}, before: null, after: { id: 2, ...typesInRecord } } })
    await sink.start()
    await sink.put()
    await sink.stop()
    expect(sink.rejected).toEqual([])
    const [original, copy] = await queryRows(url, `select to_jsonb(t) - 'id' as row, t::text from t order by id`)
    expect(copy!['row']).toEqual(original!['row'])
    expect(String(copy!['t']).slice(2)).toBe(String(original!['t']).slice(2))
  }, 120_000)
})

it('takes composite values as JSON text from records with schemas, and as they are from others', () => {
  expect(cellText(['{"a": 1}', null, '(1,)'], 'composite', undefined, true)).toBe('[{"a":1},null,"(1,)"]')
  expect(cellText('{"a": 1}', 'composite')).toBe(String.raw`"{\"a\": 1}"`)
  expect(() => cellText('{"a"', 'composite', undefined, true)).toThrow('a composite value is no JSON: {"a"')
})
