import { expect, it } from 'vitest'
import { parseSchemaless, systemClock } from 'millrace/connect'
import type { SourceSpans } from 'millrace/connect'
import { recordsOf } from '../../../../connectors/postgres/cdc/change-event.ts'
import type { EventOptions } from '../../../../connectors/postgres/cdc/change-event.ts'
import { capturedTables } from '../../../../connectors/postgres/cdc/catalog.ts'
import { rowRead } from '../../../../connectors/postgres/cdc/incremental-snapshot.ts'
import { rowAt, Snapshot } from '../../../../connectors/postgres/cdc/snapshot.ts'
import { SnapshotRecords } from '../../../../connectors/postgres/cdc/snapshot-records.ts'
import { TypeCatalog } from '../../../../connectors/postgres/cdc/type-catalog.ts'
import { freshDatabase, withClient } from '../../../kit/postgres.ts'
import { describeWith } from '../../../kit/services.ts'

const hostile = ['', String.raw`\N`, String.raw`\n`, '\\', 'tab\tand\nnewline\r\b\f\v', '\u0001\u007f', 'say "hello"', `it's {"a": [1]}`, 'ä 🚲 \u2028', 'x'.repeat(70_000), `${'y'.repeat(300)}"`]

const tables = `
  create table "plain \t""x" (id int primary key, "te""xt" text, n bigint, f float8, b bool, at timestamptz, local timestamp, day date, raw bytea, list text[], "number" numeric, doc jsonb);
  create table tied (part text, id int, note text, primary key (part, id));
  create table keyless (note text, other text);
  create table bare ()`

await describeWith('postgres', 'SnapshotRecords', (server) => {
  it.each(['debezium', 'flat'] as const)('writes of the bytes of COPY what objects of the rows would be written as (%s)', async (format) => {
    await withClient(await freshDatabase(server), async (client) => {
      await client.query(tables)
      const name = '"plain \t""x"'
      for (const [id, text] of [...hostile, null].entries()) {
        await client.query(`insert into ${name} values ($1, $2, 9223372036854775807, 'NaN', true, now(), now(), '2026-11-21', '\\x00ff', array[$2, null], 1.50, jsonb_build_object('a', $2::text))`, [id, text])
        await client.query('insert into tied values ($1, $2, null)', [text ?? 'none', id])
        await client.query('insert into keyless values ($1, $2)', [text, id % 2 === 0 ? null : text])
        await client.query('insert into bare default values')
      }
      await client.query(`insert into ${name} values (-1, null, null, null, null, null, null, null, null, null, null, null), (-2, 'old', -5, '-Infinity', false, '0044-03-15 12:00:00+00 BC', '-infinity', 'infinity', '', '{}', 'NaN', 'null'), (-3, 'odd', 0, 1e-300, null, 'infinity', '12026-01-01', '0044-03-15 BC', null, '{{a},{"\\"b"}}', '-Infinity', '[]')`)
      await client.query('begin isolation level repeatable read')
      const captured = await capturedTables(client, ['public.*'])
      const types = new TypeCatalog()
      const snapshot = new Snapshot({ client, readers: [], tables: captured, fetchRows: 4, types, clock: systemClock, silenceTimeoutMs: Number.POSITIVE_INFINITY }, null)
      const options: EventOptions = { topicPrefix: 'db', database: 'test', format, tombstones: true, partition: { server: 'db' } }
      const records = new SnapshotRecords(options)
      let count = 0
      for (let rows = await snapshot.next(); rows !== null; rows = await snapshot.next()) {
        const { form, block } = rows
        const spans = records.of(rows, { lsn: 5n, nowMs: 7 }, () => ({}))
        for (let row = 0; row < block.rowCount; row++, count++) {
          const change = { ...rowRead({ table: form.table, columns: form.columns, row: rowAt(form, block, row) }, 5n, 7), snapshot: 'true' } as const
          const [made] = recordsOf(change, options, 7, () => ({}), {})
          expect({ topic: spans.topic, key: read(spans, spans.keySpans!, row), value: read(spans, spans.spans, row) }).toEqual({ topic: made!.topic, key: made!.key, value: made!.value })
        }
      }
      expect(count).toBe(4 * (hostile.length + 1) + 3)
      await client.query('rollback')
    })
  }, 60_000)
})

function read({ bytes }: SourceSpans, of: Uint32Array, row: number): unknown {
  return of[2 * row + 1]! < of[2 * row]! ? null : parseSchemaless(Buffer.from(bytes.subarray(of[2 * row], of[2 * row + 1])).toString())
}
