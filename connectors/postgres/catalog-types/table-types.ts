/** TypeScript for the topics of a change-data source: a zod schema a table, and the topic with its key and envelope. */
import type { Client } from 'pg'
import { capturedTables } from '../cdc/catalog.ts'
import type { CapturedTable } from '../cdc/catalog.ts'
import { topicOf } from '../cdc/change-event.ts'
import type { ColumnType, ScalarKind } from '../cdc/column-value.ts'
import { TypeCatalog } from '../cdc/type-catalog.ts'
import type { TableTypesOptions } from './table-types-options.ts'

interface ColumnRow {
  readonly table: string
  readonly name: string
  readonly type: string
  readonly required: boolean
  /** Of an enum, or of an array's. */
  readonly labels: readonly string[] | null
}

type TypedColumn = ColumnRow & { readonly is: ColumnType }

const columnsQuery = `
  select a.attrelid::int8::text as table, a.attname as name, a.attnotnull or t.typnotnull as required, t.oid::int8::text as type,
         (select array_agg(l.enumlabel::text order by l.enumsortorder) from pg_enum l where l.enumtypid = case when b.typcategory = 'A' then b.typelem else b.oid end) as labels
  from pg_attribute a
  join pg_type t on t.oid = a.atttypid
  join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
  where a.attrelid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped
  order by a.attrelid, a.attnum`

const schemas: Readonly<Record<ScalarKind, string>> = {
  boolean: 'z.boolean()',
  integer: 'z.number()',
  float: `z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])])`,
  bytes: 'z.base64()',
  timestamptz: 'z.string()',
  timestamp: 'z.string()',
  point: 'z.union([z.object({ x: z.number(), y: z.number() }), z.string()])',
  hstore: 'z.record(z.string(), z.string().nullable())',
  text: 'z.string()',
}

const header = `/** Made by \`millrace types\` from the catalog of the database: make it anew when tables change. */
import { z } from 'zod'
import { topic } from 'millrace/streams'

/** A change of a row: \`before\` and \`after\` as far as the replica identity, and untouched large values, leave them. */
function envelope<Row extends z.ZodObject>(row: Row) {
  return z.object({
    before: row.partial().nullable(),
    after: row.partial().nullable(),
    op: z.enum(['c', 'u', 'd', 'r', 't']),
    source: z.object({ schema: z.string(), table: z.string(), lsn: z.number().nullable(), txId: z.number().nullable(), ts_ms: z.number(), snapshot: z.string() }),
    ts_ms: z.number(),
  })
}
`

/** The text of a module. */
export async function tableTypes(client: Client, { tables: patterns, prefix }: TableTypesOptions): Promise<string> {
  const tables = await capturedTables(client, patterns)
  const { rows: plain } = await client.query<ColumnRow>(columnsQuery, [tables.map(({ oid }) => oid)])
  const types = await new TypeCatalog().typesOf(client, plain.map(({ type }) => Number(type)))
  const rows = plain.map((row, index): TypedColumn => ({ ...row, is: types[index]! }))
  const names = uniqueNames(tables)
  return [header, ...tables.map((table, index) => tableText(table, rows.filter((row) => row.table === String(table.oid)), names[index]!, prefix))].join('\n')
}

function tableText(table: CapturedTable, columns: readonly TypedColumn[], name: string, prefix: string): string {
  const isKey = (column: string) => table.keyColumns.some((key) => key.name === column)
  const members = columns.map((column) => `  ${propertyName(column.name)}: ${schemaOf(column.is, column.labels)}${column.required ? '' : '.nullable()'},`)
  const key = columns.filter((column) => isKey(column.name)).map((column) => `${propertyName(column.name)}: true`).join(', ')
  const row = `${name}Row`
  return [
    `/** ${comment(table.name)} */`,
    `export const ${row} = z.object({`,
    ...members,
    '})',
    `export const ${name} = topic(${literal(topicOf(prefix, table.schema, table.table))}, { ${key === '' ? '' : `key: ${row}.pick({ ${key} }), `}value: envelope(${row}) })`,
    '',
  ].join('\n')
}

function schemaOf(type: ColumnType, labels: readonly string[] | null): string {
  if (type.kind === 'array') return `z.array(${schemaOf(type.element, labels)}.nullable())`
  if (type.kind === 'composite') return `z.object({ ${type.fields.map((field) => `${propertyName(field.name)}: ${schemaOf(field.type, null)}.nullable()`).join(', ')} })`
  return labels === null ? schemas[type.kind] : `z.enum([${labels.map(literal).join(', ')}])`
}

function uniqueNames(tables: readonly CapturedTable[]): readonly string[] {
  const taken = new Set<string>()
  return tables.map(({ schema, table }) => {
    const plain = identifier(table)
    let name = taken.has(plain) ? identifier(`${schema}_${table}`) : plain
    while (taken.has(name)) name += '_'
    taken.add(name)
    return name
  })
}

/** \`order_lines\` → \`orderLines\`. */
function identifier(text: string): string {
  const words = text.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '')
  const name = words.map((word, index) => (index === 0 ? word.charAt(0).toLowerCase() : word.charAt(0).toUpperCase()) + word.slice(1)).join('')
  return /^[\p{L}_$]/u.test(name) && !reserved.has(name) ? name : `_${name}`
}

const reserved = new Set('break case catch class const continue debugger default delete do else enum export extends false finally for function if import in instanceof new null return super switch this throw true try typeof var void while with yield let static await envelope topic z'.split(' '))

function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/u.test(name) && name !== '__proto__' ? name : `[${literal(name)}]`
}

function literal(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", String.raw`\'`)}'`
}

function comment(text: string): string {
  return text.replaceAll('*/', '* /').replaceAll(/\s/gu, ' ')
}
