import { connectorError } from 'millrace/connect'
import type { Client } from 'pg'
import type { ArrayForm, ColumnKind } from './cell-text.ts'

/** Types whose values can be written as the bytes in which PostgreSQL keeps them. */
export type BinaryForm = 'int2' | 'int4' | 'int8' | 'float4' | 'float8' | 'bool' | 'text' | 'json' | 'jsonb' | 'timestamptz' | 'timestamp' | 'date' | 'uuid' | 'bytea'

/** A table as the database describes it. */
export interface Table {
  /** Quoted, as statements name it. */
  readonly name: string
  readonly columns: ReadonlyMap<string, Column>
  /** Sets of columns that have a unique index without a condition, which is checked row by row. */
  readonly uniqueKeys: readonly (readonly string[])[]
}

export interface Column {
  readonly name: string
  /** With length and precision, such as `numeric(10,2)`. */
  readonly type: string
  readonly kind: ColumnKind
  /** How its values are written as bytes; null: as texts only. */
  readonly binary: BinaryForm | null
  /** For arrays. */
  readonly array: ArrayForm
  /** The database makes its value; it cannot be written. */
  readonly generated: boolean
  /** It takes no null and has no default. */
  readonly required: boolean
}

interface ColumnRow extends Pick<Column, 'name' | 'type' | 'generated' | 'required'> {
  readonly typeName: string
  readonly isArray: boolean
  readonly isComposite: boolean
  /** No type of that name that somebody else made. */
  readonly isBuiltIn: boolean
  readonly delimiter: string
}

// Of an array, name and class are those of its elements.
const columnsQuery = `
  select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attgenerated <> '' as generated,
         a.attnotnull and not a.atthasdef and a.attidentity = '' as required,
         coalesce(e.typname, b.typname) as "typeName", e.oid is not null as "isArray", coalesce(e.typtype, b.typtype) = 'c' as "isComposite", b.typnamespace = 'pg_catalog'::regnamespace as "isBuiltIn", coalesce(e.typdelim, ',') as delimiter
  from pg_attribute a
  join pg_type t on t.oid = a.atttypid
  join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
  left join pg_type e on e.oid = b.typelem and b.typcategory = 'A' and b.typname not in ('int2vector', 'oidvector')
  where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
  order by a.attnum`

const kindsByName: Readonly<Record<string, ColumnKind>> = {
  json: 'json', jsonb: 'json', timestamptz: 'timestamptz', timestamp: 'timestamp', date: 'date', time: 'time', bytea: 'bytea', point: 'point', hstore: 'hstore',
}

const binaryForms: Readonly<Record<string, BinaryForm>> = {
  int2: 'int2', int4: 'int4', int8: 'int8', float4: 'float4', float8: 'float8', bool: 'bool', text: 'text', varchar: 'text', bpchar: 'text', json: 'json', jsonb: 'jsonb',
  timestamptz: 'timestamptz', timestamp: 'timestamp', date: 'date', uuid: 'uuid', bytea: 'bytea',
}

function columnOf({ typeName, isArray, isComposite, isBuiltIn, delimiter, ...column }: ColumnRow): Column {
  const item = Object.hasOwn(kindsByName, typeName) ? kindsByName[typeName]! : 'other'
  const binary = isBuiltIn && !isArray && Object.hasOwn(binaryForms, typeName) ? binaryForms[typeName]! : null
  return { ...column, kind: isComposite ? 'composite' : isArray ? 'array' : item, binary, array: { item, delimiter } }
}

const uniqueKeysQuery = `
  select array_agg(a.attname::text order by a.attname) as columns
  from pg_index i
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
  where i.indrelid = $1::regclass and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
  group by i.indexrelid`

/** Undefined when there is no such table. */
export async function describeTable(client: Client, name: string): Promise<Table | undefined> {
  const exists = await client.query<{ found: boolean }>('select to_regclass($1) is not null as found', [name])
  if (exists.rows[0]?.found !== true) return undefined
  const columns = await client.query<ColumnRow>(columnsQuery, [name])
  const keys = await client.query<{ columns: string[] }>(uniqueKeysQuery, [name])
  return {
    name,
    columns: new Map(columns.rows.map((row) => [row.name, columnOf(row)])),
    uniqueKeys: keys.rows.map((row) => row.columns),
  }
}

/** @throws a connector error when an upsert by these columns cannot work */
export function requireUniqueKey(table: Table, columns: readonly string[]): void {
  const wanted = columns.toSorted().join('\0')
  if (table.uniqueKeys.some((key) => key.toSorted().join('\0') === wanted)) return
  const list = columns.join(', ')
  throw connectorError(`table ${table.name} has no unique index on (${list}), and insert.mode=upsert needs one: alter table ${table.name} add primary key (${list})`)
}
