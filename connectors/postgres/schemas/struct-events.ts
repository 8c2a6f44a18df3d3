/** Change events with Connect schemas, named and shaped as Debezium's: made of the records without schema that `recordsOf` gives. */
import { schema as schemas, Struct } from 'millrace/connect'
import type { Schema, SourceRecord } from 'millrace/connect'
import { topicOf } from '../cdc/change-event.ts'
import type { Change, EventOptions, Row } from '../cdc/change-event.ts'
import type { TableColumn } from '../cdc/pgoutput.ts'
import type { TypeCatalog } from '../cdc/type-catalog.ts'
import type { SchemaModes } from './column-schema.ts'
import { RowSchema } from './row-schema.ts'
import type { Placeholders } from './row-schema.ts'

const optional = { optional: true } as const

const sourceSchema = schemas.struct({
  connector: schemas.string(), name: schemas.string(), ts_ms: schemas.int64(),
  snapshot: schemas.string({ optional: true, default: 'false', name: 'io.debezium.data.Enum', version: 1, parameters: { allowed: 'true,first,first_in_data_collection,last_in_data_collection,last,false,incremental' } }),
  db: schemas.string(), schema: schemas.string(), table: schemas.string(), txId: schemas.int64(optional), lsn: schemas.int64(optional),
}, { name: 'io.debezium.connector.postgresql.Source' })

const transactionSchema = schemas.struct({ id: schemas.string(), total_order: schemas.int64(), data_collection_order: schemas.int64() }, { optional: true, name: 'event.block', version: 1 })
const transactionKeySchema = schemas.struct({ id: schemas.string() }, { name: 'io.debezium.connector.common.TransactionMetadataKey', version: 1 })
const collectionSchema = schemas.struct({ data_collection: schemas.string(), event_count: schemas.int64() }, { name: 'event.collection', version: 1 })
const transactionValueSchema = schemas.struct({
  status: schemas.string(), id: schemas.string(), ts_ms: schemas.int64(), event_count: schemas.int64(optional), data_collections: schemas.array(collectionSchema, optional),
}, { name: 'io.debezium.connector.common.TransactionMetadataValue', version: 1 })

const messageKeySchema = schemas.struct({ prefix: schemas.string(optional) }, { name: 'io.debezium.connector.postgresql.MessageKey', version: 1 })
const messageSchema = schemas.struct({ prefix: schemas.string(optional), content: schemas.bytes(optional) }, { optional: true, name: 'io.debezium.connector.postgresql.Message', version: 1 })
const messageValueSchema = schemas.struct(
  { op: schemas.string(optional), ts_ms: schemas.int64(optional), source: sourceSchema, transaction: transactionSchema, message: messageSchema },
  { name: 'io.debezium.connector.postgresql.MessageValue', version: 1 },
)
const flatMessageSchema = schemas.struct({ prefix: schemas.string(optional), content: schemas.bytes(optional), __op: schemas.string() }, { name: 'io.debezium.connector.postgresql.Message', version: 1 })

const heartbeatKeySchema = schemas.struct({ server: schemas.string() }, { name: 'millrace.postgres.HeartbeatKey' })
const heartbeatValueSchema = schemas.struct({ ts_ms: schemas.int64(), lsn: schemas.string() }, { name: 'millrace.postgres.Heartbeat' })

interface TableSchemas {
  readonly row: RowSchema
  /** Of before and after; of a flat row with `__op`. */
  readonly rowSchema: Schema
  readonly valueSchema: Schema
}

export class StructEvents {
  readonly #options: EventOptions
  readonly #modes: SchemaModes
  readonly #types: TypeCatalog
  readonly #placeholder: string
  /** By the list of columns, which is another one when the table has changed. */
  readonly #tables = new WeakMap<readonly TableColumn[], TableSchemas>()

  constructor(options: EventOptions, { modes, types, placeholder }: { readonly modes: SchemaModes; readonly types: TypeCatalog; readonly placeholder: string }) {
    this.#options = options
    this.#modes = modes
    this.#types = types
    this.#placeholder = placeholder
  }

  /** The records of a change with their schemas. */
  of(change: Change, records: readonly SourceRecord[]): readonly SourceRecord[] {
    if (change.op === 'begin' || change.op === 'end') return records.map((record) => withSchemas(record, transactionKeySchema, transactionValueSchema))
    if (change.message !== null) return records.map((record) => this.#message(record, change.message!.content))
    const table = this.#schemasOf(change)
    const placeholders = { names: change.unavailable, text: this.#placeholder }
    return records.map((record) => this.#ofTable(record, table, placeholders))
  }

  heartbeat(record: SourceRecord): SourceRecord {
    return withSchemas(record, heartbeatKeySchema, heartbeatValueSchema)
  }

  /** Columns that must be read from the table, for nothing can stand in for their values. */
  withoutPlaceholder(change: Change): readonly string[] {
    const { row } = this.#schemasOf(change)
    return change.unavailable.filter((name) => !row.takesPlaceholder(name))
  }

  #schemasOf({ schema, table, columns, keyColumns }: Change): TableSchemas {
    const known = this.#tables.get(columns)
    if (known !== undefined) return known
    const { topicPrefix, format } = this.#options
    const name = topicOf(topicPrefix, schema, table)
    const row = new RowSchema({ name, columns, keyNames: keyColumns, types: this.#types, modes: this.#modes })
    const isFlat = format === 'flat'
    const rowSchema = schemas.struct(isFlat ? [...row.fields, ['__op', schemas.string()] as const] : row.fields, { name: `${name}.Value`, optional: !isFlat })
    const valueSchema = isFlat ? rowSchema : schemas.struct(
      { before: rowSchema, after: rowSchema, source: sourceSchema, transaction: transactionSchema, op: schemas.string(), ts_ms: schemas.int64(optional) },
      { name: `${name}.Envelope`, version: 2 },
    )
    const made = { row, rowSchema, valueSchema }
    this.#tables.set(columns, made)
    return made
  }

  #ofTable(record: SourceRecord, { row, rowSchema, valueSchema }: TableSchemas, placeholders: Placeholders): SourceRecord {
    const key = record.key === null || record.key === undefined ? null : row.keyOf(record.key as Row)
    const keySchema = key === null ? null : row.keySchema
    if (record.value === null) return { ...record, keySchema, key, valueSchema: null }
    const value = record.value as Row
    if (this.#options.format === 'flat') return { ...record, keySchema, key, valueSchema, value: row.structOf(rowSchema, value, placeholders).set('__op', value['__op']) }
    const rowOf = (of: unknown, hidden?: Placeholders) => (of === null ? null : row.structOf(rowSchema, of as Row, hidden))
    const { before, after, source, transaction, op, ts_ms } = value
    const struct = new Struct(valueSchema, [rowOf(before), rowOf(after, placeholders), structOf(sourceSchema, source), structOf(transactionSchema, transaction), op, ts_ms])
    return { ...record, keySchema, key, valueSchema, value: struct }
  }

  #message(record: SourceRecord, content: Buffer): SourceRecord {
    const { prefix, message, source, transaction, op, ts_ms } = record.value as Row
    const value = this.#options.format === 'flat'
      ? new Struct(flatMessageSchema, { prefix, content, __op: 'm' })
      : new Struct(messageValueSchema, { op, ts_ms, source: structOf(sourceSchema, source), transaction: structOf(transactionSchema, transaction), message: new Struct(messageSchema, { prefix: (message as Row)['prefix'], content }) })
    return { ...record, keySchema: messageKeySchema, key: structOf(messageKeySchema, record.key), valueSchema: value.schema, value }
  }
}

function withSchemas(record: SourceRecord, keySchema: Schema, valueSchema: Schema): SourceRecord {
  return { ...record, keySchema, key: structOf(keySchema, record.key), valueSchema, value: structOf(valueSchema, record.value) }
}

/** Of an object with members for its fields; a list of such objects where the field is one. */
function structOf(of: Schema, value: unknown): Struct | null {
  if (value === null || value === undefined) return null
  const struct = new Struct(of)
  for (const { name, schema } of of.fields!) {
    const member = (value as Row)[name]
    if (member === null || member === undefined) continue
    const items = schema.valueSchema
    struct.set(name, Array.isArray(member) && items !== undefined ? member.map((item) => structOf(items, item)) : member)
  }
  return struct
}
