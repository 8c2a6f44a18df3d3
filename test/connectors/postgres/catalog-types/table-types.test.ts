import { createJiti } from 'jiti'
import { afterEach, expect, it } from 'vitest'
import type { z } from 'zod'
import { postgresCdcSource } from '../../../../connectors/postgres/plugins.ts'
import { postgresTypes } from '../../../../connectors/postgres/tools.ts'
import { runConsole } from '../../../../src/cli/run-console.ts'
import { MemoryTerminal } from '../../../kit/memory-terminal.ts'
import { freshDatabase, queryRows } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'
import { SourceHarness } from '../../../kit/source-harness.ts'
import { systemClock } from 'millrace/connect'

let source: SourceHarness<unknown, unknown> | undefined

afterEach(async () => {
  await source?.stop()
})

await describeWith('postgres', 'millrace types', (server) => {
  it('prints schemas that every event of the change-data source fits', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, `create type mood as enum ('fine', 'it''s "sad"'); create domain positive as int not null check (value > 0);
      create table order_lines (id bigint primary key, mood mood not null, moods mood[], n positive, price numeric(10,2), at timestamptz, raw bytea, f float8[], "odd name" text, class int, flag boolean not null default true);
      create table "delete" (a int, b int, primary key (a, b))`)
    await queryRows(url, `insert into order_lines values (1, 'fine', '{fine,NULL}', 3, 1.5, now(), '\\x00ff', '{NaN,1.5}', null, 1), (2, 'it''s "sad"', null, 1, null, null, null, null, 'x', null); insert into "delete" values (1, 2)`)
    const terminal = new MemoryTerminal()
    expect(await runConsole(['types', url, '--prefix', 'shop'], terminal)).toBe(0)
    const text = terminal.output
    expect(text).toContain(`mood: z.enum(['fine', 'it\\'s "sad"']),`)
    expect(text).toContain(`export const orderLines = topic('shop.public.order_lines', { key: orderLinesRow.pick({ id: true }), value: envelope(orderLinesRow) })`)
    expect(text).toContain('export const _delete = topic(')
    const module = await createJiti(import.meta.url).evalModule(text.replace(`import { topic } from 'millrace/streams'`, 'const topic = (name, formats) => ({ name, ...formats })'), { filename: import.meta.filename, ext: '.ts', async: true }) as Record<string, { key: z.ZodType; value: z.ZodType; name: string }>
    source = new SourceHarness(postgresCdcSource as never, { 'connection.url': url, 'topic.prefix': 'shop', 'slot.name': `types_${process.pid}`, 'publication.name': 'types' }, systemClock)
    await source.start()
    for (let polls = 0; source.given.filter(({ topic }) => topic.includes('public')).length < 3 && polls < 20; polls++) await source.poll()
    await queryRows(url, `update order_lines set n = 2 where id = 1; delete from order_lines where id = 2`)
    for (let polls = 0; source.given.filter(({ topic }) => topic.includes('public')).length < 6 && polls < 60; polls++) await source.poll()
    const events = source.given.filter(({ topic }) => topic.includes('public'))
    expect(events).toHaveLength(6)
    for (const { topic, key, value } of events) {
      const { key: keySchema, value: valueSchema } = Object.values(module).find(({ name }) => name === topic)!
      expect(keySchema.parse(key)).toEqual(key)
      if (value !== null) valueSchema.parse(value)
    }
    await source.stop()
    await queryRows(url, `select pg_drop_replication_slot('types_${process.pid}')`)
  }, 60_000)

  it('tells tables of two schemas apart', async () => {
    const url = await freshDatabase(server)
    await queryRows(url, 'create schema b; create table t (id int); create table b.t (id int)')
    const text = await postgresTypes(url, { tables: [], prefix: 'p' })
    expect([...text.matchAll(/^export const (\w+) = topic\('([^']+)'/gm)].map(([, name, topic]) => [name, topic])).toEqual([['t', 'p.b.t'], ['publicT', 'p.public.t']])
  })
})
