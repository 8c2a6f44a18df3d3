/** Reads whole tables in the order of their primary keys, so that it can go on after a crash where it was. */
import type { Client, FieldDef } from 'pg'
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

export interface Chunk {
  readonly table: CapturedTable
  /** Rows behind this key; null: from the first. */
  readonly after: readonly string[] | null
  /** Up to this key, which belongs to it; null: up to the last. */
  readonly until: readonly string[] | null
  /** A condition in SQL; null: all rows. */
  readonly filter: string | null
  /** Most rows; null: all. */
  readonly limit: number | null
}

const asText = { getTypeParser: () => (text: string) => text }

export class Snapshot {
  readonly #client: Client
  readonly #readers: readonly Client[]
  readonly #tables: readonly CapturedTable[]
  readonly #types: TypeCatalog
  readonly #fetchRows: number
  #index: number
  #after: readonly string[] | null
  #cursorOpen = false
  /** Being read, in order. */
  #chunks: Promise<readonly SnapshotRow[]>[] = []
  #planned = false
  #turn = 0

  /** `client` has a transaction open whose snapshot is the one to read, and so have `readers`, which read chunks of a table beside each other. */
  constructor(client: Client, readers: readonly Client[], tables: readonly CapturedTable[], types: TypeCatalog, fetchRows: number, from: SnapshotProgress | null) {
    this.#client = client
    this.#readers = readers
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
      const rows = this.#readers.length > 0 && table.keyColumns.length > 0 ? await this.#nextChunk(table) : await this.#nextOfCursor(table)
      if (rows.length > 0) return rows
      this.#after = null
      this.#planned = false
    }
    return []
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.end().catch(() => undefined)))
  }

  async #nextOfCursor(table: CapturedTable): Promise<readonly SnapshotRow[]> {
    if (!this.#cursorOpen) {
      const { text, values } = chunkQuery({ table, after: this.#after, until: null, filter: null, limit: null })
      await this.#client.query(`declare snapshot_rows no scroll cursor for ${text}`, values)
      this.#cursorOpen = true
    }
    const { rows, fields } = await this.#client.query<(string | null)[]>({ text: `fetch ${this.#fetchRows} from snapshot_rows`, rowMode: 'array', types: asText })
    if (rows.length > 0) return snapshotRows(this.#client, this.#types, table, rows, fields)
    await this.#client.query('close snapshot_rows')
    this.#cursorOpen = false
    return []
  }

  /** Keeps every reader busy, and gives what they read in the order of the key. */
  async #nextChunk(table: CapturedTable): Promise<readonly SnapshotRow[]> {
    while (!this.#planned && this.#chunks.length < this.#readers.length) {
      const until = await this.#endOfChunk(table)
      const chunk = readChunk(this.#readers[this.#turn++ % this.#readers.length]!, this.#types, { table, after: this.#after, until, filter: null, limit: null })
      chunk.catch(() => undefined) // whoever takes it meets the error
      this.#chunks.push(chunk)
      this.#after = until
      this.#planned = until === null
    }
    return await this.#chunks.shift() ?? []
  }

  async #endOfChunk(table: CapturedTable): Promise<readonly string[] | null> {
    const names = table.keyColumns.map(({ name }) => quoteName(name)).join(', ')
    const { condition, values } = keyBound(table, '>', this.#after, 0)
    const text = `select ${names} from ${quotedTable(table)}${condition === '' ? '' : ` where ${condition}`} order by ${names} offset ${this.#fetchRows - 1} limit 1`
    const { rows } = await this.#client.query<string[]>({ text, values: [...values], rowMode: 'array', types: asText })
    return rows[0] ?? null
  }
}

export async function readChunk(client: Client, types: TypeCatalog, chunk: Chunk): Promise<readonly SnapshotRow[]> {
  const { rows, fields } = await client.query<(string | null)[]>({ ...chunkQuery(chunk), rowMode: 'array', types: asText })
  return snapshotRows(client, types, chunk.table, rows, fields)
}

function chunkQuery({ table, after, until, filter, limit }: Chunk): { readonly text: string; readonly values: string[] } {
  const begin = keyBound(table, '>', after, 0)
  const end = keyBound(table, '<=', until, begin.values.length)
  const conditions = [begin.condition, end.condition, filter === null ? '' : `(${filter})`].filter((condition) => condition !== '')
  const where = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`
  const order = table.keyColumns.length === 0 ? '' : ` order by ${table.keyColumns.map(({ name }) => quoteName(name)).join(', ')}`
  return { text: `select * from ${quotedTable(table)}${where}${order}${limit === null ? '' : ` limit ${limit}`}`, values: [...begin.values, ...end.values] }
}

function keyBound({ keyColumns }: CapturedTable, comparison: '>' | '<=', key: readonly string[] | null, parameters: number): { readonly condition: string; readonly values: readonly string[] } {
  if (key === null || keyColumns.length === 0) return { condition: '', values: [] }
  const names = keyColumns.map(({ name }) => quoteName(name)).join(', ')
  return { condition: `(${names}) ${comparison} (${keyColumns.map(({ type }, index) => `$${parameters + index + 1}::${type}`).join(', ')})`, values: key }
}

async function snapshotRows(client: Client, catalog: TypeCatalog, table: CapturedTable, rows: readonly (string | null)[][], fields: readonly FieldDef[]): Promise<readonly SnapshotRow[]> {
  const types = await catalog.typesOf(client, fields.map(({ dataTypeID }) => dataTypeID))
  const keyIndexes = table.keyColumns.map(({ name }) => fields.findIndex((field) => field.name === name))
  return rows.map((cells) => {
    const row: Record<string, unknown> = {}
    for (let index = 0; index < fields.length; index++) row[fields[index]!.name] = columnValue(cells[index] ?? null, types[index]!)
    return { table, row, progress: { table: table.name, after: keyIndexes.length === 0 ? null : keyIndexes.map((index) => String(cells[index])) } }
  })
}
