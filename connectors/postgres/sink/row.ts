import { Decimal, Struct, dataError, schema as schemas } from 'millrace/connect'
import type { Schema, SinkRecord } from 'millrace/connect'

/** What one record asks of its table. */
export interface Row {
  readonly record: SinkRecord
  /** Column → value, for the columns of the primary key. */
  readonly key: ReadonlyMap<string, Cell>
  /** Column → value of the other columns; null: delete the row. */
  readonly values: ReadonlyMap<string, Cell> | null
}

export interface Cell {
  readonly value: unknown
  /** null: none; the value is what JSON gave. */
  readonly schema: Schema | null
}

export interface RowOptions {
  readonly pkMode: 'none' | 'kafka' | 'record_key' | 'record_value'
  readonly pkFields: readonly string[]
  readonly deleteEnabled: boolean
  /** The column of a value that has no fields. */
  readonly valueColumn: string
}

type Fields = ReadonlyMap<string, Cell>

const coordinates = ['__connect_topic', '__connect_partition', '__connect_offset']

/** @throws a data error that says what about the record does not fit */
export function rowOf(record: SinkRecord, options: RowOptions): Row {
  if (record.value === null || record.value === undefined) return { record, key: keyOfDeleted(record, options), values: null }
  const fields = fieldsOf(record.value, record.valueSchema) ?? new Map([[options.valueColumn, { value: record.value, schema: record.valueSchema }]])
  const key = keyOf(record, fields, options)
  return { record, key, values: new Map([...fields].filter(([name]) => !key.has(name))) }
}

function keyOfDeleted(record: SinkRecord, options: RowOptions): Fields {
  if (!options.deleteEnabled) throw dataError('the value is null, a tombstone; set delete.enabled=true to delete the row')
  return keyOf(record, new Map(), options)
}

function keyOf(record: SinkRecord, fields: Fields, { pkMode, pkFields }: RowOptions): Fields {
  if (pkMode === 'none') return new Map()
  if (pkMode === 'kafka') return coordinatesOf(record, pkFields.length > 0 ? pkFields : coordinates)
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

function picked(fields: Fields, names: readonly string[], part: 'key' | 'value'): Fields {
  if (names.length === 0) return fields
  return new Map(
    names.map((name) => {
      const cell = fields.get(name)
      if (cell === undefined || cell.value === null) throw dataError(`the ${part} has no field "${name}", which pk.fields names`)
      return [name, cell]
    }),
  )
}

/** The members of an object, a struct or a map with text keys; undefined for anything else. */
function fieldsOf(value: unknown, of: Schema | null): Fields | undefined {
  if (value instanceof Struct) return new Map((value.schema.fields ?? []).map(({ name, schema }) => [name, { value: value.get(name), schema }]))
  if (value instanceof Map) return new Map([...value].map(([name, member]) => [String(name), { value: member as unknown, schema: of?.valueSchema ?? null }]))
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array || value instanceof Date || value instanceof Decimal) return undefined
  return new Map(Object.entries(value).map(([name, member]) => [name, { value: member as unknown, schema: null }]))
}
