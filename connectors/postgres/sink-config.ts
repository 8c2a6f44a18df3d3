import { configSpec, option } from 'millrace/connect'
import type { ConfigOf } from 'millrace/connect'
import { z } from 'zod'
import { connectionOptions } from './connection-config.ts'
import { columnTypesOf } from './sink/json-schema.ts'

const options = {
  ...connectionOptions,
  'table.name.format': option.string({ doc: 'The table for a topic: ${topic} stands for its name. A dot separates the schema from the table.', default: '${topic}', check: z.string().min(1) }),
  'insert.mode': option.oneOf(['insert', 'upsert', 'update'], {
    doc: 'insert: each record is a new row. upsert: a record replaces the row with its primary key, or is a new one. update: it changes the row with its primary key, if there is one.',
    default: 'insert',
  }),
  'pk.mode': option.oneOf(['none', 'kafka', 'record_key', 'record_value', 'record_header'], {
    doc: 'What the primary key is made of. kafka: topic, partition and offset. record_key, record_value, record_header: the fields, or headers, that pk.fields names.',
    default: 'none',
  }),
  'pk.fields': option.list({
    doc: 'Columns of the primary key, separated by commas. Empty: all fields of the key or value, or __connect_topic, __connect_partition, __connect_offset. For a key that is a single value: its column.',
    default: [],
  }),
  'delete.enabled': option.boolean({ doc: 'A record whose value is null, and the event of a deletion, delete the row with its key. Needs pk.mode=record_key.', default: false }),
  'truncate.enabled': option.boolean({ doc: 'The event of a truncated table empties the table. false: it is passed over.', default: false }),
  'unavailable.value.placeholder': option.string({ doc: 'What change events hold in place of a large value that did not change: such a column keeps its value.', default: '__debezium_unavailable_value', check: z.string().min(1) }),
  'value.column': option.string({ doc: 'The column for a value that has no fields, such as a number.', default: 'value', check: z.string().min(1) }),
  'auto.create': option.boolean({ doc: 'Make a table that is missing, from the first records.', default: false }),
  'auto.evolve': option.boolean({ doc: 'Add a column that is missing, from the first record that has it.', default: false }),
  'value.schema': option.string({
    doc: 'A JSON Schema of the values (JSON.stringify(z.toJSONSchema(…)) of a zod schema): auto.create and auto.evolve make its columns, with its types. Members that it does not know get theirs from the first record that has them.',
    default: null,
  }),
  'batch.size': option.int({ doc: 'Most rows in one statement.', default: 3_000, check: z.number().min(1).max(100_000) }),
  'copy.rows': option.int({ doc: 'From so many rows of a table at a time on, they are written with COPY: straight into the table; with insert.mode=upsert by way of a temporary table where it has some of their keys already. 0: never.', default: 500, check: z.number().min(0) }),
  'write.connections': option.int({
    doc: 'On how many connections a task writes beside each other. A partition belongs to one of them, so its records stay in order; each connection has its own transaction, with the offsets of its partitions.',
    default: 1,
    check: z.number().min(1).max(16),
  }),
  'table.error': option.oneOf(['fail', 'pause'], {
    doc: 'What becomes of a topic whose table cannot be written for a reason that a person must remove, such as a missing permission. fail: the task fails. pause: it waits and is tried again, and the other topics go on. A table that is only locked for too long always waits so.',
    default: 'fail',
  }),
  'exactly.once': option.boolean({
    doc: 'Keep the offsets in the database, in the transaction of the rows: each record has its effect once. false: offsets are committed afterwards, and a crash may repeat records.',
    default: true,
  }),
  'offsets.table': option.string({ doc: 'The table for them; it is made when it is missing.', default: 'millrace_offsets', check: z.string().min(1) }),
}

export const postgresSinkConfig = configSpec(options, {
  rules: (config) => ({
    ...(config['insert.mode'] !== 'insert' && config['pk.mode'] === 'none' ? { 'pk.mode': `insert.mode=${config['insert.mode']} needs a primary key: set pk.mode to kafka, record_key, record_value or record_header` } : {}),
    ...(config['delete.enabled'] && config['pk.mode'] !== 'record_key' ? { 'delete.enabled': 'deleting needs pk.mode=record_key' } : {}),
    ...schemaComplaint(config['value.schema']),
    ...(config['pk.mode'] === 'kafka' && ![0, 3].includes(config['pk.fields'].length) ? { 'pk.fields': 'pk.mode=kafka needs three columns, for topic, partition and offset, or none' } : {}),
  }),
})

function schemaComplaint(text: string | null): Readonly<Record<string, string>> {
  try {
    if (text !== null) columnTypesOf(text)
    return {}
  } catch (error) {
    return { 'value.schema': (error as Error).message }
  }
}

export type PostgresSinkConfig = ConfigOf<typeof postgresSinkConfig>
