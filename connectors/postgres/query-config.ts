import { configSpec, option } from 'millrace/connect'
import type { ConfigOf } from 'millrace/connect'
import { z } from 'zod'
import { connectionOptions } from './connection-config.ts'
import { schemaOptions } from './schemas/schema-config.ts'

const options = {
  ...connectionOptions,
  'topic.prefix': option.string({
    doc: 'Rows of a table go to the topic <prefix><table>, those of `query` to <prefix>.',
    check: z.string().regex(/^[A-Za-z0-9._-]+$/, 'only letters, digits, dots, dashes and underscores'),
  }),
  mode: option.oneOf(['bulk', 'incrementing', 'timestamp', 'timestamp+incrementing'], {
    doc: 'bulk: all rows, every time. incrementing: new rows, by a column that grows. timestamp: new and changed rows, by a column with the time of the change. timestamp+incrementing: the same, and ties are ordered by the growing column.',
  }),
  'table.include.list': option.list({ doc: 'Tables to read, as schema.table; * stands for any text. Needed unless there is a query.', default: [] }),
  query: option.string({ doc: 'A select to read instead of tables. To be safe against late commits it gives the xmin of the table that changes as __xid: select o.*, o.xmin as __xid from orders o join …', default: null }),
  'incrementing.column': option.string({ doc: 'The column that grows.', default: null }),
  'timestamp.column': option.string({ doc: 'The column with the time of the last change. Rows where it is null are not read.', default: null }),
  ...schemaOptions('connect'),
  'poll.interval.ms': option.int({ doc: 'Time between two looks at a table.', default: 5_000, check: z.number().min(1) }),
  'batch.max.rows': option.int({ doc: 'Most rows of one poll: as many are read from the cursor at a time.', default: 1_000, check: z.number().min(1) }),
  'lookback.ms': option.int({
    doc: 'How far back rows are looked for that were committed late: longer than a transaction takes between its first number or time and its first write. Only a bound for the search; nothing is given twice.',
    default: 600_000,
    check: z.number().min(0),
  }),
}

export const postgresQueryConfig = configSpec(options, {
  rules: (config) => ({
    ...(config.query === null && config['table.include.list'].length === 0 ? { 'table.include.list': 'name tables, or a query' } : {}),
    ...(config.query !== null && config['table.include.list'].length > 0 ? { query: 'either a query or tables' } : {}),
    ...(config.mode.includes('incrementing') && config['incrementing.column'] === null ? { 'incrementing.column': `mode=${config.mode} needs it` } : {}),
    ...(config.mode.includes('timestamp') && config['timestamp.column'] === null ? { 'timestamp.column': `mode=${config.mode} needs it` } : {}),
  }),
})

export type PostgresQueryConfig = ConfigOf<typeof postgresQueryConfig>

/** What a task gets besides: its share of the tables. */
export const postgresQueryTaskConfig = configSpec({
  ...options,
  'task.tables': option.list({ doc: 'The tables that this task reads.', default: [] }),
})

export type PostgresQueryTaskConfig = ConfigOf<typeof postgresQueryTaskConfig>
