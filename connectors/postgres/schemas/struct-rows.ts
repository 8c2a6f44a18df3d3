/** Rows of the query source with Connect schemas. */
import { schema as schemas } from 'millrace/connect'
import type { Schema, SourceRecord } from 'millrace/connect'
import type { Row } from '../cdc/change-event.ts'
import type { TableColumn } from '../cdc/pgoutput.ts'
import type { TypeCatalog } from '../cdc/type-catalog.ts'
import type { SchemaModes } from './column-schema.ts'
import { RowSchema } from './row-schema.ts'

export class StructRows {
  readonly #types: TypeCatalog
  readonly #modes: SchemaModes
  /** By the list of columns, which is another one when the table has changed. */
  readonly #known = new WeakMap<readonly TableColumn[], { readonly row: RowSchema; readonly valueSchema: Schema }>()

  constructor(types: TypeCatalog, modes: SchemaModes) {
    this.#types = types
    this.#modes = modes
  }

  /** The record, whose value is an object of the columns, with its schemas. */
  of(record: SourceRecord, columns: readonly TableColumn[], keyNames: readonly string[]): SourceRecord {
    let form = this.#known.get(columns)
    if (form === undefined) {
      const row = new RowSchema({ name: record.topic, columns, keyNames, types: this.#types, modes: this.#modes })
      form = { row, valueSchema: schemas.struct(row.fields, { name: `${record.topic}.Value` }) }
      this.#known.set(columns, form)
    }
    const { row, valueSchema } = form
    const key = record.key === null ? null : row.keyOf(record.key as Row)
    return { ...record, keySchema: key === null ? null : row.keySchema, key, valueSchema, value: row.structOf(valueSchema, record.value as Row) }
  }
}
