import { Decimal, Struct, dataError, schema as schemas } from 'millrace/connect'
import type { Schema, SinkRecord } from 'millrace/connect'
import { changeOf, isPlaceholder } from './change-value.ts'

/** What one record asks of its table. */
export interface Row {
  readonly record: SinkRecord
  /** Column → value, for the columns of the primary key. */
  readonly key: ReadonlyMap<string, Cell>
  /** Column → value of the other columns; null: delete the row. */
  readonly values: ReadonlyMap<string, Cell> | null
  /** All rows go. */
  readonly truncates: boolean
}

export interface Cell {
  readonly value: unknown
  /** null: none; the value is what JSON gave. */
  readonly schema: Schema | null
  /** A text is as a database wrote it: one for a JSON column is JSON. */
  readonly isDatabaseText?: boolean
}

export interface RowOptions {
  readonly pkMode: 'none' | 'kafka' | 'record_key' | 'record_value' | 'record_header'
  readonly pkFields: readonly string[]
  readonly deleteEnabled: boolean
  readonly truncateEnabled: boolean
  /** Stands for a value that did not change and is not known. */
  readonly placeholder: string
  /** The column of a value that has no fields. */
  readonly valueColumn: string
}

type Fields = ReadonlyMap<string, Cell>

const coordinates = ['__connect_topic', '__connect_partition', '__connect_offset']

/** Undefined for a record that asks nothing of a table. @throws a data error that says what about the record does not fit */
export function rowOf(record: SinkRecord, options: RowOptions): Row | undefined {
  const change = changeOf(record.value)
  if (change === undefined) return record.value === null || record.value === undefined ? deletion(record, options) : writing(record, record.value, options, false)
  if (change.effect === 'write') return writing(record, change.row, options, true)
  if (change.effect === 'delete') return deletion(record, options)
  return change.effect === 'truncate' && options.truncateEnabled ? { record, key: new Map(), values: null, truncates: true } : undefined
}

function writing(record: SinkRecord, value: unknown, options: RowOptions, isDatabaseText: boolean): Row {
  const plain = fieldsOf(value, record.valueSchema) ?? new Map([[options.valueColumn, { value, schema: record.valueSchema }]])
  const fields = isDatabaseText ? known(plain, options.placeholder) : plain
  const key = keyOf(record, fields, options)
  if (key.size === 0) return { record, key, values: fields, truncates: false }
  return { record, key, values: without(fields, key), truncates: false }
}

function without(fields: Fields, key: Fields): Fields {
  let isApart = true
  for (const name of key.keys()) isApart &&= !fields.has(name)
  return isApart ? fields : new Map([...fields].filter(([name]) => !key.has(name)))
}

/** Without the fields whose place a placeholder holds. */
function known(fields: Fields, placeholder: string): Fields {
  const base64 = Buffer.from(placeholder).toString('base64')
  const cells = new Map<string, Cell>()
  for (const [name, { value, schema }] of fields) if (!isPlaceholder(value, placeholder, base64)) cells.set(name, { value, schema, isDatabaseText: true })
  return cells
}

function deletion(record: SinkRecord, options: RowOptions): Row {
  return { record, key: keyOfDeleted(record, options), values: null, truncates: false }
}

function keyOfDeleted(record: SinkRecord, options: RowOptions): Fields {
  if (!options.deleteEnabled) throw dataError('the record deletes its row; set delete.enabled=true to let it')
  return keyOf(record, new Map(), options)
}

function keyOf(record: SinkRecord, fields: Fields, { pkMode, pkFields }: RowOptions): Fields {
  if (pkMode === 'none') return new Map()
  if (pkMode === 'kafka') return coordinatesOf(record, pkFields.length > 0 ? pkFields : coordinates)
  if (pkMode === 'record_header') return picked(headersOf(record), pkFields, 'header')
  if (pkMode === 'record_value') return picked(fields, pkFields, 'value')
  if (record.key === null || record.key === undefined) throw dataError('the key is null, and pk.mode=record_key makes the primary key of it')
  const members = fieldsOf(record.key, record.keySchema)
  if (members !== undefined) return picked(members, pkFields, 'key')
  if (pkFields.length !== 1) throw dataError(`the key is a single value, so pk.fields must name one column, not ${pkFields.length}`)
  return new Map([[pkFields[0]!, { value: record.key, schema: record.keySchema }]])
}

function coordinatesOf({ originalTopic, originalPartition, originalOffset }: SinkRecord, names: readonly string[]): Fields {
  const cells: Cell[] = [
    { value: originalTopic, schema: schemas.string() },
    { value: originalPartition, schema: schemas.int32() },
    { value: originalOffset, schema: schemas.int64() },
  ]
  return new Map(names.map((name, index) => [name, cells[index]!]))
}

/** The last one of each name. */
function headersOf({ headers }: SinkRecord): Fields {
  return new Map(headers.map(({ key, value, schema }) => [key, { value, schema }]))
}

function picked(fields: Fields, names: readonly string[], part: 'key' | 'value' | 'header'): Fields {
  if (names.length === 0) return fields
  return new Map(
    names.map((name) => {
      const cell = fields.get(name)
      if (cell === undefined || cell.value === null) throw dataError(part === 'header' ? `there is no header "${name}", which pk.fields names` : `the ${part} has no field "${name}", which pk.fields names`)
      return [name, cell]
    }),
  )
}

/** The members of an object, a struct or a map with text keys; undefined for anything else. */
function fieldsOf(value: unknown, of: Schema | null): Fields | undefined {
  if (value instanceof Struct) return new Map((value.schema.fields ?? []).map(({ name, schema }) => [name, { value: value.get(name), schema }]))
  if (value instanceof Map) return new Map([...value].map(([name, member]) => [String(name), { value: member as unknown, schema: of?.valueSchema ?? null }]))
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array || value instanceof Date || value instanceof Decimal) return undefined
  const fields = new Map<string, Cell>()
  for (const name of Object.keys(value)) fields.set(name, { value: (value as Readonly<Record<string, unknown>>)[name], schema: null })
  return fields
}
