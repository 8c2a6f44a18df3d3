import { expect, it } from 'vitest'
import { systemClock } from 'millrace/connect'
import { postgresSink } from '../../../../connectors/postgres/plugins.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SinkHarness } from '../../../kit/sink-harness.ts'

await describeWith('postgres', 'the statements of the sink', (server) => {
  it.each(['0', '1'])('write into columns that the table would number by itself, and leave out those that it computes, with copy.rows=%s', async (copyRows) => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create table t (id int generated always as identity primary key, a int, b int generated always as (a * 2) stored)')
    const sink = new SinkHarness(postgresSink, { 'connection.url': url, 'topics': 't', 'insert.mode': 'upsert', 'pk.mode': 'record_key', 'copy.rows': copyRows }, systemClock)
    sink.append('t', 0, ...[[7, 1], [8, 2], [7, 3]].map(([id, a]) => ({ key: { id }, value: { id, a, b: 0 } })))
    sink.tolerant = false
    await sink.start()
    await sink.put()
    await sink.stop()
    expect(await queryRows(url, 'select * from t order by id')).toEqual([{ id: 7, a: 3, b: 6 }, { id: 8, a: 2, b: 4 }])
  })
})
