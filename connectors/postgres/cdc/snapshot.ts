/** Reads whole tables in the order of their primary keys, so that it can go on after a crash where it was. */
import type { Client } from 'pg'
import { quoteName } from '../sink/sql-text.ts'
import { quotedTable } from './catalog.ts'
import type { CapturedTable } from './catalog.ts'
import type { Row } from './change-event.ts'
import { columnValue } from './column-value.ts'
import type { SnapshotProgress } from './position.ts'
import type { TypeCatalog } from './type-catalog.ts'

export interface SnapshotRow {
  readonly table: CapturedTable
  readonly row: Row
  /** Progress after this row. */
  readonly progress: SnapshotProgress
}

const asText = { getTypeParser: () => (text: string) => text }

export class Snapshot {
  readonly #client: Client
  readonly #tables: readonly CapturedTable[]
  readonly #types: TypeCatalog
  readonly #fetchRows: number
  #index: number
  #after: readonly string[] | null
  #cursorOpen = false

  /** `client` has a transaction open whose snapshot is the one to read. */
  constructor(client: Client, tables: readonly CapturedTable[], types: TypeCatalog, fetchRows: number, from: SnapshotProgress | null) {
    this.#client = client
    this.#tables = tables
    this.#types = types
    this.#fetchRows = fetchRows
    const start = from === null ? 0 : tables.findIndex(({ name }) => name >= from.table)
    this.#index = start < 0 ? tables.length : start
    this.#after = from !== null && tables[this.#index]?.name === from.table ? from.after : null
  }

  /** The next rows; empty when every table was read. */
  async next(): Promise<readonly SnapshotRow[]> {
    for (; this.#index < this.#tables.length; this.#index++) {
      const table = this.#tables[this.#index]!
      if (!this.#cursorOpen) await this.#openCursor(table)
      const rows = await this.#fetch(table)
      if (rows.length > 0) return rows
      await this.#client.query('close snapshot_rows')
      this.#cursorOpen = false
      this.#after = null
    }
    return []
  }

  async #openCursor(table: CapturedTable): Promise<void> {
    const names = table.keyColumns.map(({ name }) => quoteName(name))
    const after = this.#after
    const behind = after === null || names.length === 0 ? '' : ` where (${names.join(', ')}) > (${table.keyColumns.map(({ type }, index) => `$${index + 1}::${type}`).join(', ')})`
    const order = names.length === 0 ? '' : ` order by ${names.join(', ')}`
    await this.#client.query(`declare snapshot_rows no scroll cursor for select * from ${quotedTable(table)}${behind}${order}`, behind === '' ? [] : [...after!])
    this.#cursorOpen = true
  }

  async #fetch(table: CapturedTable): Promise<SnapshotRow[]> {
    const { rows, fields } = await this.#client.query<(string | null)[]>({ text: `fetch ${this.#fetchRows} from snapshot_rows`, rowMode: 'array', types: asText })
    const types = await this.#types.typesOf(this.#client, fields.map(({ dataTypeID }) => dataTypeID))
    const keyIndexes = table.keyColumns.map(({ name }) => fields.findIndex((field) => field.name === name))
    return rows.map((cells) => ({
      table,
      row: Object.fromEntries(fields.map(({ name }, index) => [name, columnValue(cells[index] ?? null, types[index]!)])),
      progress: { table: table.name, after: keyIndexes.length === 0 ? null : keyIndexes.map((index) => String(cells[index])) },
    }))
  }
}
