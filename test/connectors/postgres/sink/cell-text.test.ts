import { expect, it } from 'vitest'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { createTypes, createTypesTable, insertTypes, typesInRecord } from '../../../kit/postgres-types.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

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
