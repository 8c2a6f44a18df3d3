import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, expect, it } from 'vitest'
import { systemClock } from 'millrace/connect'
import { postgresCdcSource } from '../../../../connectors/postgres/plugins.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { createTypes, createTypesTable, insertTypes, typeCases, typesInRecord } from '../../../kit/postgres-types.ts'
import { describeWith } from '../../../kit/services.ts'
import { SourceHarness } from '../../../kit/source-harness.ts'

const slot = `types_${process.pid}`

await describeWith('postgres', 'columnValue', (server) => {
  let source: SourceHarness<never, never> | undefined
  afterAll(async () => {
    await source?.stop()
    await queryRows(server.url, 'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active', [slot])
  }, 120_000)

  it('gives a value of every type in the same form in the snapshot and in a change (DBZ-8762, dbz#2097, dbz#2099)', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `${createTypes}; ${createTypesTable}; ${insertTypes}`)
    source = new SourceHarness(postgresCdcSource as never, { 'connection.url': url, 'topic.prefix': 'db', 'slot.name': slot, format: 'flat' }, systemClock)
    await source.start()
    const rows = () => source!.given.filter(({ topic }) => topic === 'db.public.t').map(({ value }) => value)
    for (let polls = 0; rows().length < 1 && polls < 100; polls++) await source.poll()
    await source.poll()
    await queryRows(url, insertTypes)
    for (let polls = 0; rows().length < 2 && polls < 100; polls++) await source.poll()
    expect(rows()).toEqual([{ id: 1, ...typesInRecord, __op: 'r' }, { id: 2, ...typesInRecord, __op: 'c' }])
  }, 120_000)
})

it('is shown type by type in the README; MILLRACE_UPDATE_DOCS=1 writes the table anew', () => {
  const path = new URL('../../../../connectors/postgres/README.md', import.meta.url)
  const escaped = (text: string) => text.replaceAll('|', String.raw`\|`)
  const rows = typeCases.map(([type, sql, value]) => `| ${type} | \`${escaped(sql)}\` | \`${escaped(JSON.stringify(value))}\` |`)
  const table = ['| column | inserted | in the record |', '|---|---|---|', ...rows].join('\n')
  const text = readFileSync(path, 'utf8')
  const shown = text.replace(/(<!-- types -->\n)[^]*?(\n<!-- end of types -->)/, (_, begin: string, end: string) => begin + table + end)
  if (process.env['MILLRACE_UPDATE_DOCS'] === '1') writeFileSync(path, shown)
  expect(shown).toContain(table)
  expect(readFileSync(path, 'utf8')).toBe(shown)
})
