/** Reads whole tables in the order of their primary keys, so that it can go on after a crash where it was. */
import type { Client } from 'pg'
import { quoteName, quoteText } from '../sink/sql-text.ts'
import { quotedTable } from './catalog.ts'
import type { CapturedTable } from './catalog.ts'
import type { Row } from './change-event.ts'
import { columnValue } from './column-value.ts'
import type { ColumnType } from './column-value.ts'
import { copyOut, copiedText, copiedValue } from './copy-out.ts'
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

/** A table as it is now; it stays so until the transaction ends in which it was looked up. */
interface TableForm {
  readonly names: readonly string[]
  readonly types: readonly ColumnType[]
  /** Where the columns of the key are. */
  readonly keyIndexes: readonly number[]
}

const asText = { getTypeParser: () => (text: string) => text }

export class Snapshot {
  readonly #client: Client
  /** Read chunks beside each other; or the one connection there is. */
  readonly #readers: readonly Client[]
  readonly #tables: readonly CapturedTable[]
  readonly #types: TypeCatalog
  readonly #fetchRows: number
  #index: number
  #after: readonly string[] | null
  #form: TableForm | undefined
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
      this.#form ??= await formOf(this.#client, this.#types, table)
      const rows = await this.#nextOf(table, this.#form)
      if (rows.length > 0) return rows
      this.#after = null
      this.#planned = false
      this.#form = undefined
    }
    return []
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.end().catch(() => undefined)))
  }

  #nextOf(table: CapturedTable, form: TableForm): Promise<readonly SnapshotRow[]> {
    if (table.keyColumns.length === 0) return this.#nextOfCursor(table, form)
    return this.#readers.length > 0 ? this.#nextChunk(table, form) : this.#nextInTurn(table, form)
  }

  /** Without a key there is nothing to go on by: the server keeps the place. */
  async #nextOfCursor(table: CapturedTable, { names, types }: TableForm): Promise<readonly SnapshotRow[]> {
    if (!this.#cursorOpen) {
      await this.#client.query(`declare snapshot_rows no scroll cursor for ${chunkQuery({ table, after: null, until: null, filter: null, limit: null })}`)
      this.#cursorOpen = true
    }
    const { rows } = await this.#client.query<(string | null)[]>({ text: `fetch ${this.#fetchRows} from snapshot_rows`, rowMode: 'array', types: asText })
    if (rows.length === 0) {
      await this.#client.query('close snapshot_rows')
      this.#cursorOpen = false
    }
    const progress = { table: table.name, after: null }
    return rows.map((cells) => ({ table, progress, row: Object.fromEntries(names.map((name, index) => [name, columnValue(cells[index] ?? null, types[index]!)])) }))
  }

  /** While one chunk is worked on, the next one is read. */
  async #nextInTurn(table: CapturedTable, form: TableForm): Promise<readonly SnapshotRow[]> {
    const read = () => {
      const chunk = copyChunk(this.#client, form, { table, after: this.#after, until: null, filter: null, limit: this.#fetchRows })
      chunk.catch(() => undefined) // whoever takes it meets the error
      this.#chunks.push(chunk)
    }
    if (this.#chunks.length === 0 && !this.#planned) read()
    const rows = await this.#chunks.shift() ?? []
    this.#planned = rows.length < this.#fetchRows
    this.#after = rows.at(-1)?.progress.after ?? this.#after
    if (!this.#planned) read()
    return rows
  }

  /** Keeps every reader busy, and gives what they read in the order of the key. */
  async #nextChunk(table: CapturedTable, form: TableForm): Promise<readonly SnapshotRow[]> {
    while (!this.#planned && this.#chunks.length < this.#readers.length) {
      const until = await this.#endOfChunk(table)
      const chunk = copyChunk(this.#readers[this.#turn++ % this.#readers.length]!, form, { table, after: this.#after, until, filter: null, limit: null })
      chunk.catch(() => undefined) // whoever takes it meets the error
      this.#chunks.push(chunk)
      this.#after = until
      this.#planned = until === null
    }
    return await this.#chunks.shift() ?? []
  }

  async #endOfChunk(table: CapturedTable): Promise<readonly string[] | null> {
    const names = table.keyColumns.map(({ name }) => quoteName(name)).join(', ')
    const condition = keyBound(table, '>', this.#after)
    const text = `select ${names} from ${quotedTable(table)}${condition === '' ? '' : ` where ${condition}`} order by ${names} offset ${this.#fetchRows - 1} limit 1`
    const { rows } = await this.#client.query<string[]>({ text, rowMode: 'array', types: asText })
    return rows[0] ?? null
  }
}

/** Rows of a part of a table with a key. `client` is in a transaction: nobody changes the table in between. */
export async function readChunk(client: Client, types: TypeCatalog, chunk: Chunk): Promise<readonly SnapshotRow[]> {
  return copyChunk(client, await formOf(client, types, chunk.table), chunk)
}

async function formOf(client: Client, catalog: TypeCatalog, table: CapturedTable): Promise<TableForm> {
  const { fields } = await client.query(`select * from ${quotedTable(table)} limit 0`)
  const names = fields.map(({ name }) => name)
  return { names, types: await catalog.typesOf(client, fields.map(({ dataTypeID }) => dataTypeID)), keyIndexes: table.keyColumns.map(({ name }) => names.indexOf(name)) }
}

async function copyChunk(client: Client, { names, types, keyIndexes }: TableForm, chunk: Chunk): Promise<readonly SnapshotRow[]> {
  const { table } = chunk
  const read: SnapshotRow[] = []
  await copyOut(client, chunkQuery(chunk), (bytes, cells) => {
    const row: Record<string, unknown> = {}
    for (let index = 0; index < names.length; index++) row[names[index]!] = copiedValue(bytes, cells, index, types[index]!)
    read.push({ table, row, progress: { table: table.name, after: keyIndexes.map((index) => copiedText(bytes, cells, index) ?? '') } })
  })
  return read
}

function chunkQuery({ table, after, until, filter, limit }: Chunk): string {
  const conditions = [keyBound(table, '>', after), keyBound(table, '<=', until), filter === null ? '' : `(${filter})`].filter((condition) => condition !== '')
  const where = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`
  const order = table.keyColumns.length === 0 ? '' : ` order by ${table.keyColumns.map(({ name }) => quoteName(name)).join(', ')}`
  return `select * from ${quotedTable(table)}${where}${order}${limit === null ? '' : ` limit ${limit}`}`
}

function keyBound({ keyColumns }: CapturedTable, comparison: '>' | '<=', key: readonly string[] | null): string {
  if (key === null || keyColumns.length === 0) return ''
  const names = keyColumns.map(({ name }) => quoteName(name)).join(', ')
  return `(${names}) ${comparison} (${keyColumns.map(({ type }, index) => `${quoteText(key[index]!)}::${type}`).join(', ')})`
}
