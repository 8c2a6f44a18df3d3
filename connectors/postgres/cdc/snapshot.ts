/** Reads whole tables in the order of their primary keys, so that it can go on after a crash where it was. */
import type { Clock } from 'millrace/connect'
import type { Client } from 'pg'
import { endClient } from '../connection.ts'
import { quoteName, quoteText } from '../sink/sql-text.ts'
import { quotedTable } from './catalog.ts'
import type { CapturedTable } from './catalog.ts'
import type { Row } from './change-event.ts'
import { columnValueAt } from './column-value.ts'
import type { ColumnType } from './column-value.ts'
import { CopyOut } from './copy-out.ts'
import type { RowBlock } from './copy-out.ts'
import { nullCell } from './pgoutput.ts'
import type { TableColumn } from './pgoutput.ts'
import type { SnapshotProgress } from './position.ts'
import type { TypeCatalog } from './type-catalog.ts'

/** A table as it is now; it stays so until the transaction ends in which it was looked up. */
export interface TableForm {
  readonly table: CapturedTable
  readonly names: readonly string[]
  readonly types: readonly ColumnType[]
  readonly columns: readonly TableColumn[]
  /** Where the columns of the key are. */
  readonly keyIndexes: readonly number[]
}

/** Rows of one table. Good until the next are asked for. */
export interface SnapshotRows {
  readonly form: TableForm
  readonly block: RowBlock
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

export interface ReadOptions {
  readonly types: TypeCatalog
  readonly clock: Clock
  readonly silenceTimeoutMs: number
}

export interface SnapshotOptions extends ReadOptions {
  /** Has a transaction open whose snapshot is the one to read. */
  readonly client: Client
  /** As `client`: they read chunks of a table beside each other. None: `client` reads. */
  readonly readers: readonly Client[]
  readonly tables: readonly CapturedTable[]
  readonly fetchRows: number
}

const asText = { getTypeParser: () => (text: string) => text }

export class Snapshot {
  readonly #options: SnapshotOptions
  #index: number
  #after: readonly string[] | null
  #form: TableForm | undefined
  /** Parts of the table, in order; the first one is being given. */
  readonly #parts: CopyOut[] = []
  #isPlanned = false
  #turn = 0

  constructor(options: SnapshotOptions, from: SnapshotProgress | null) {
    const { tables } = options
    this.#options = options
    const start = from === null ? 0 : tables.findIndex(({ name }) => name >= from.table)
    this.#index = start < 0 ? tables.length : start
    this.#after = from !== null && tables[this.#index]?.name === from.table ? from.after : null
  }

  /** The next rows; null when every table was read. */
  async next(): Promise<SnapshotRows | null> {
    const { client, types, tables } = this.#options
    for (; this.#index < tables.length; this.#index++) {
      this.#form ??= await formOf(client, types, tables[this.#index]!)
      const block = await this.#nextBlock(this.#form)
      if (block !== null) return { form: this.#form, block }
      this.#after = null
      this.#isPlanned = false
      this.#form = undefined
    }
    return null
  }

  async close(): Promise<void> {
    await Promise.all(this.#options.readers.map(endClient))
  }

  async #nextBlock(form: TableForm): Promise<RowBlock | null> {
    for (;;) {
      await this.#plan(form)
      const [part] = this.#parts
      if (part === undefined) return null
      const block = await part.take()
      if (block !== null) return block
      this.#parts.shift()
    }
  }

  /** Keeps every reader busy. A table without a key, and any table that one connection reads, is one part. */
  async #plan(form: TableForm): Promise<void> {
    const { table } = form
    const { client, readers } = this.#options
    const isWhole = readers.length === 0 || table.keyColumns.length === 0
    while (!this.#isPlanned && this.#parts.length < Math.max(1, readers.length)) {
      const until = isWhole ? null : await this.#endOfChunk(table)
      const reader = isWhole ? client : readers[this.#turn++ % readers.length]!
      this.#parts.push(this.#read(reader, { table, after: this.#after, until, filter: null, limit: null }))
      this.#after = until
      this.#isPlanned = until === null
    }
  }

  #read(reader: Client, chunk: Chunk): CopyOut {
    const { clock, silenceTimeoutMs, fetchRows } = this.#options
    return new CopyOut(reader, chunkQuery(chunk), { blockRows: fetchRows, clock, silenceTimeoutMs })
  }

  async #endOfChunk(table: CapturedTable): Promise<readonly string[] | null> {
    const { client, fetchRows } = this.#options
    const names = table.keyColumns.map(({ name }) => quoteName(name)).join(', ')
    const condition = keyBound(table, '>', this.#after)
    const text = `select ${names} from ${quotedTable(table)}${condition === '' ? '' : ` where ${condition}`} order by ${names} offset ${fetchRows - 1} limit 1`
    const { rows } = await client.query<string[]>({ text, rowMode: 'array', types: asText })
    return rows[0] ?? null
  }
}

/** Where reading goes on behind that row. */
export function progressBehind({ form, block }: SnapshotRows, row: number): SnapshotProgress {
  return { table: form.table.name, after: form.keyIndexes.length === 0 ? null : keyTexts(form, block, row) }
}

function keyTexts({ keyIndexes }: TableForm, block: RowBlock, row: number): string[] {
  const { bytes, cells } = block.row(row)
  return keyIndexes.map((index) => bytes.toString('utf8', cells[2 * index], cells[2 * index + 1]))
}

export interface ReadRow {
  readonly table: CapturedTable
  readonly columns: readonly TableColumn[]
  readonly row: Row
  readonly key: readonly string[]
}

/** Rows of a part of a table with a key. `client` is in a transaction: nobody changes the table in between. */
export async function readChunk(client: Client, { types, clock, silenceTimeoutMs }: ReadOptions, chunk: Chunk): Promise<readonly ReadRow[]> {
  const form = await formOf(client, types, chunk.table)
  const part = new CopyOut(client, chunkQuery(chunk), { blockRows: chunk.limit ?? Number.POSITIVE_INFINITY, clock, silenceTimeoutMs })
  const read: ReadRow[] = []
  for (let block = await part.take(); block !== null; block = await part.take()) {
    for (let row = 0; row < block.rowCount; row++) read.push({ table: chunk.table, columns: form.columns, row: rowAt(form, block, row), key: keyTexts(form, block, row) })
  }
  return read
}

export function rowAt({ names, types }: TableForm, block: RowBlock, row: number): Row {
  const { bytes, cells } = block.row(row)
  const made: Record<string, unknown> = {}
  for (let index = 0; index < names.length; index++) {
    const start = cells[2 * index]!
    made[names[index]!] = start === nullCell ? null : columnValueAt(bytes, start, cells[2 * index + 1]!, types[index]!)
  }
  return made
}

async function formOf(client: Client, catalog: TypeCatalog, table: CapturedTable): Promise<TableForm> {
  const { fields } = await client.query(`select * from ${quotedTable(table)} limit 0`)
  const names = fields.map(({ name }) => name)
  const columns = fields.map(({ name, dataTypeID, dataTypeModifier }) => ({ name, typeOid: dataTypeID, typeModifier: dataTypeModifier }))
  return { table, names, columns, types: await catalog.typesOf(client, fields.map(({ dataTypeID }) => dataTypeID)), keyIndexes: table.keyColumns.map(({ name }) => names.indexOf(name)) }
}

function chunkQuery({ table, after, until, filter, limit }: Chunk): string {
  const conditions = [keyBound(table, '>', after), keyBound(table, '<=', until), filter === null ? '' : `(${filter})`].filter((condition) => condition !== '')
  const where = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`
  const order = table.keyColumns.length === 0 ? '' : ` order by ${table.keyColumns.map(({ name }) => quoteName(name)).join(', ')}`
  return `select * from ${quotedTable(table)}${where}${order}${limit === null ? '' : ` limit ${limit}`}`
}

export function keyBound({ keyColumns }: CapturedTable, comparison: '>' | '<=', key: readonly string[] | null): string {
  if (key === null || keyColumns.length === 0) return ''
  const names = keyColumns.map(({ name }) => quoteName(name)).join(', ')
  return `(${names}) ${comparison} (${keyColumns.map(({ type }, index) => `${quoteText(key[index]!)}::${type}`).join(', ')})`
}
