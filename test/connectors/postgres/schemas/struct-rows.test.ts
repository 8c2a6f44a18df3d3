import { expect, it } from 'vitest'
import { Struct, systemClock } from 'millrace/connect'
import { validateValue } from '../../../../src/connect/validate.ts'
import { postgresQuerySource } from '../../../../connectors/postgres/plugins.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SourceHarness } from '../../../kit/source-harness.ts'

await describeWith('postgres', 'StructRows', (server) => {
  it('gives the rows of a query with the schemas of their columns, dates as those of Connect', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create table t (id int primary key, day date, at timestamp, price numeric(9,2), note text); insert into t values (1, '2026-11-21', '2026-11-21 07:00:00.5', 12.3, null)`)
    const source = new SourceHarness(postgresQuerySource, { 'connection.url': url, 'topic.prefix': 'db-', 'mode': 'bulk', 'table.include.list': 'public.t', 'schemas.enable': 'true' }, systemClock, 100)
    await source.start()
    for (let polls = 0; source.given.length < 1 && polls < 600; polls++) await source.poll()
    await source.stop()
    const { key, keySchema, value, valueSchema } = source.given[0]!
    expect([keySchema!.name, valueSchema!.name]).toEqual(['db-t.Key', 'db-t.Value'])
    validateValue(keySchema!, key)
    validateValue(valueSchema!, value)
    const row = value as Struct
    expect(['id', 'day', 'at', 'price', 'note'].map((name) => row.get(name))).toEqual([1, new Date('2026-11-21'), new Date('2026-11-21T07:00:00.500Z'), { unscaled: 1230n, scale: 2 }, null])
  })
})
