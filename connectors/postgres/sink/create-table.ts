/** Tables and columns for records, when the connector is told to make them. */
import { Decimal, logicalOf } from 'millrace/connect'
import type { Schema } from 'millrace/connect'
import { namedCells, noFields } from './fields.ts'
import type { Cell } from './fields.ts'
import type { Row } from './row.ts'
import { semanticColumn } from './semantic-type.ts'
import { quoteName } from './sql-text.ts'

/** Column → type, for columns whose type somebody has said. */
export type DeclaredTypes = ReadonlyMap<string, string>

/** The statement that makes a table with what is declared and what the rows have; undefined while there is no column of a known type. */
export function createTableStatement(table: string, rows: readonly Row[], declared: DeclaredTypes): string | undefined {
  const types = new Map(declared)
  const keyColumns: string[] = []
  for (const { key, values } of rows) {
    for (const [name, cell] of namedCells(key)) {
      if (!keyColumns.includes(name)) keyColumns.push(name)
      types.set(name, types.get(name) ?? typeOf(cell, true) ?? 'text')
    }
    for (const [name, cell] of namedCells(values ?? noFields)) {
      const type = types.has(name) ? undefined : typeOf(cell, false)
      if (type !== undefined) types.set(name, type)
    }
  }
  if (types.size === 0) return undefined
  const columns = [...types].map(([name, type]) => `${quoteName(name)} ${type}`)
  const primaryKey = keyColumns.length === 0 ? [] : [`primary key (${keyColumns.map(quoteName).join(', ')})`]
  return `create table if not exists ${table} (${[...columns, ...primaryKey].join(', ')})`
}

/** The statement that adds the columns which are declared, or which the rows have, and the table has not; undefined when there are none of a known type. */
export function addColumnsStatement(table: string, existing: ReadonlySet<string>, rows: readonly Row[], declared: DeclaredTypes): string | undefined {
  const added = new Map([...declared].filter(([name]) => !existing.has(name)))
  for (const { values } of rows) {
    for (const [name, cell] of namedCells(values ?? noFields)) {
      const type = existing.has(name) || added.has(name) ? undefined : typeOf(cell, false)
      if (type !== undefined) added.set(name, type)
    }
  }
  if (added.size === 0) return undefined
  return `alter table ${table} ${[...added].map(([name, type]) => `add column if not exists ${quoteName(name)} ${type}`).join(', ')}`
}

/**
 * By the schema where there is one. A JSON number is a double, which holds every JSON number as it is; in a primary key a whole
 * number is a bigint, since keys are compared. Undefined for a null without schema: it may become anything.
 */
function typeOf({ value, schema }: Cell, inKey: boolean): string | undefined {
  if (schema !== null) return typeOfSchema(schema)
  switch (typeof value) {
    case 'string':
      return 'text'
    case 'boolean':
      return 'boolean'
    case 'bigint':
      return 'numeric'
    case 'number':
      return inKey && Number.isInteger(value) ? 'bigint' : 'double precision'
    default:
  }
  if (value === null || value === undefined) return undefined
  if (value instanceof Date) return 'timestamptz'
  if (value instanceof Decimal) return 'numeric'
  return value instanceof Uint8Array ? 'bytea' : 'jsonb'
}

const logicalTypes = { decimal: 'numeric', date: 'date', time: 'time', timestamp: 'timestamptz' } as const

const schemaTypes: Readonly<Record<Schema['type'], string>> = {
  int8: 'smallint',
  int16: 'smallint',
  int32: 'integer',
  int64: 'bigint',
  float32: 'real',
  float64: 'double precision',
  boolean: 'boolean',
  string: 'text',
  bytes: 'bytea',
  array: 'jsonb',
  map: 'jsonb',
  struct: 'jsonb',
}

function typeOfSchema(schema: Schema): string {
  const semantic = semanticColumn(schema)
  if (semantic !== undefined) return semantic
  const logical = logicalOf(schema)
  if (logical !== undefined) return logicalTypes[logical]
  const element = schema.valueSchema
  if (schema.type === 'array' && element !== undefined && (semanticColumn(element) !== undefined || !['array', 'map', 'struct'].includes(element.type))) return `${typeOfSchema(element)}[]`
  return schemaTypes[schema.type]
}
