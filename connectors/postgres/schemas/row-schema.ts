import { schema as schemas, Struct } from 'millrace/connect'
import type { Schema } from 'millrace/connect'
import type { TableColumn } from '../cdc/pgoutput.ts'
import type { TypeCatalog } from '../cdc/type-catalog.ts'
import { columnForm } from './column-schema.ts'
import type { ColumnForm, SchemaModes } from './column-schema.ts'

export interface RowSchemaOptions {
  /** `<name>.Value` and `<name>.Key`. */
  readonly name: string
  readonly columns: readonly TableColumn[]
  readonly keyNames: readonly string[]
  readonly types: TypeCatalog
  readonly modes: SchemaModes
}

/** What the rows of a table are with schemas. Only columns of the key are never null: of the others a change may know nothing. */
export class RowSchema {
  readonly name: string
  readonly keySchema: Schema | null
  readonly fields: readonly (readonly [name: string, schema: Schema])[]
  readonly #forms: ReadonlyMap<string, ColumnForm>
  readonly #keyNames: readonly string[]

  constructor({ name, columns, keyNames, types, modes }: RowSchemaOptions) {
    const formOf = ({ name: column, typeOid, typeModifier }: TableColumn) => columnForm(types.baseOf(typeOid, typeModifier), modes, { optional: !keyNames.includes(column) })
    const forms = columns.map((column) => [column.name, formOf(column)] as const)
    this.name = name
    this.#forms = new Map(forms)
    this.#keyNames = keyNames.filter((key) => this.#forms.has(key))
    this.fields = forms.map(([column, { schema }]) => [column, schema] as const)
    this.keySchema = this.#keyNames.length === 0 ? null : schemas.struct(this.#keyNames.map((key) => [key, this.#forms.get(key)!.schema] as const), { name: `${name}.Key` })
  }

  /** What the row tells of the fields of `of`, which are columns of the table. */
  structOf(of: Schema, row: Readonly<Record<string, unknown>>, placeholders: Placeholders = none): Struct {
    const struct = new Struct(of)
    for (const { name } of of.fields!) {
      const value = row[name]
      const form = this.#forms.get(name)
      if (form === undefined) continue
      if (placeholders.names.includes(name)) struct.set(name, this.takesPlaceholder(name) ? placeholderOf(form.schema, placeholders.text) : null)
      else if (value !== undefined && value !== null) struct.set(name, form.of(value))
    }
    return struct
  }

  keyOf(row: Readonly<Record<string, unknown>>): Struct | null {
    return this.keySchema === null ? null : this.structOf(this.keySchema, row)
  }

  /** Whether a column has a value that a text can stand in for. */
  takesPlaceholder(name: string): boolean {
    const schema = this.#forms.get(name)?.schema
    return schema !== undefined && isOfText(schema.type === 'array' ? schema.valueSchema! : schema)
  }
}

/** Columns in whose place a text stands. */
export interface Placeholders {
  readonly names: readonly string[]
  readonly text: string
}

const none: Placeholders = { names: [], text: '' }

function isOfText({ type, name }: Schema): boolean {
  return type === 'string' || (type === 'bytes' && name === undefined)
}

function placeholderOf({ type, valueSchema }: Schema, text: string): unknown {
  if (type === 'array') return [placeholderOf(valueSchema!, text)]
  return type === 'bytes' ? Buffer.from(text) : text
}
