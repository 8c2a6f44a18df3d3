import type { SinkOffsets, SinkRecord, SinkTaskContext } from 'millrace/connect'
import type { Client } from 'pg'
import type { Connection } from '../connection.ts'
import { commitError, failureOf } from '../failures.ts'
import type { PostgresSinkConfig } from '../sink-config.ts'
import type { DeclaredTypes } from './create-table.ts'
import type { OffsetTable } from './offset-table.ts'
import { RowPacker } from './packed-rows.ts'
import type { CopyPlan, PackedRows } from './packed-rows.ts'
import { keyColumnsOf, RowReader } from './row.ts'
import type { Row, RowOptions } from './row.ts'
import { tableName } from './sql-text.ts'
import { TableWriter } from './table-writer.ts'
import { Transaction, metAtEnd } from './transaction.ts'

export interface LaneOptions {
  readonly config: PostgresSinkConfig
  readonly context: SinkTaskContext
  readonly connection: Connection
  readonly offsets: OffsetTable
  readonly rowOptions: RowOptions
  readonly columnTypes: DeclaredTypes
}

/** Records of some partitions, and their rows in order. */
export interface LaneRows {
  readonly records: readonly SinkRecord[]
  readonly byTable: ReadonlyMap<string, readonly Row[]>
  /** Records that are no rows, and why. */
  readonly refused: readonly (readonly [record: SinkRecord, error: unknown])[]
  /** All of them, in place of rows. */
  readonly packed: { readonly table: string; readonly plan: CopyPlan; readonly rows: readonly PackedRows[] } | null
}

/** Errors that were met while a table was written, and not on the way there. */
export const metAtTable = new WeakSet<object>()

/**
 * Writes the records of some partitions on one connection. One call is one transaction:
 *
 *   1. lock the offsets of its partitions and leave out what was written before (by us, or by a predecessor we do not know of)
 *   2. write the rows, table by table; reject records that the table refuses
 *   3. write the offsets: with the last rows, when those go by COPY
 */
export class Lane {
  readonly connection: Connection
  readonly #options: LaneOptions
  readonly #reader: RowReader
  /** Writers know the connection's prepared statements, so they end with it. */
  #writers: { readonly connection: Client; readonly byTable: Map<string, TableWriter> } | undefined
  /** The table of the last records, when it was one. */
  #onlyTable: string | undefined

  constructor(options: LaneOptions) {
    this.#options = options
    this.#reader = new RowReader(options.rowOptions)
    this.connection = options.connection
  }

  /** What the records ask of their tables. Touches nothing. */
  read(records: readonly SinkRecord[]): LaneRows {
    const packed = this.#packed(records)
    return packed === null ? this.#rowsOf(records) : { records, byTable: new Map(), refused: [], packed }
  }

  /** Null where they are not all of the form that the last ones had. */
  #packed(records: readonly SinkRecord[]): LaneRows['packed'] {
    const { config } = this.#options
    const table = this.#onlyTable
    const plan = table === undefined ? undefined : this.#writers?.byTable.get(table)?.plan
    if (table === undefined || plan === undefined) return null
    const packer = new RowPacker(plan, config['batch.size'])
    let topic: string | undefined
    for (let index = 0; index < records.length; index++) {
      const record = records[index]!
      if (record.topic !== topic && tableName(config['table.name.format'], record.topic) !== table) return null
      topic = record.topic
      const row = this.#tryRowOf(record)
      if (row === null || (row !== undefined && !packer.add(row, index))) return null
    }
    return { table, plan, rows: packer.end(records.length) }
  }

  /** Null for a record that is to be refused. */
  #tryRowOf(record: SinkRecord): Row | null | undefined {
    try {
      return this.#reader.rowOf(record)
    } catch {
      return null
    }
  }

  #rowsOf(records: readonly SinkRecord[]): LaneRows {
    const { config } = this.#options
    const byTable = new Map<string, Row[]>()
    const refused: (readonly [SinkRecord, unknown])[] = []
    let last = { topic: '', table: '' }
    for (const record of records) {
      if (last.topic !== record.topic) last = { topic: record.topic, table: tableName(config['table.name.format'], record.topic) }
      const { table } = last
      try {
        const row = this.#reader.rowOf(record)
        if (row === undefined) continue
        const rows = byTable.get(table)
        if (rows === undefined) byTable.set(table, [row])
        else rows.push(row)
      } catch (error) {
        refused.push([record, error])
      }
    }
    return { records, byTable, refused, packed: null }
  }

  /** Resolves when the rows are committed. `sent` is called when only the server's answer is missing, if there is such a moment. */
  async write(rows: LaneRows, sent: () => void): Promise<void> {
    let isAtTable = false
    try {
      await this.connection.use(async (client) => {
        const transaction = new Transaction(client, sent)
        try {
          await this.#writeIn(transaction, rows, () => { isAtTable = true })
          isAtTable = false
          await transaction.finish()
        } catch (error) {
          await transaction.rollBack().catch(() => this.connection.close())
          // what is checked at the commit names no row, but it is one of them
          throw (!isAtTable || metAtEnd.has(error as object)) && failureOf(error) === 'record' ? commitError(this.connection.server, error) : error
        }
      })
    } catch (error) {
      if (isAtTable && !metAtEnd.has(error as object) && !metAtEnd.has((error as Error).cause as object)) metAtTable.add(error as object)
      throw error
    }
  }

  async #writeIn(transaction: Transaction, rows: LaneRows, atTable: () => void): Promise<void> {
    const { config, context, offsets } = this.#options
    const next = nextOffsets(rows.records)
    const stored = config['exactly.once'] ? await offsets.lock(transaction, next) : []
    const left = notWritten(rows.records, stored)
    const { byTable, refused, packed } = left.length === rows.records.length ? rows : this.#rowsOf(left)
    for (const [record, error] of refused) await context.reject(record, error)
    if (config['exactly.once']) transaction.endWith([offsets.writing(furthest(next, stored))])
    atTable()
    if (packed !== null) return this.#writerOf(transaction, packed.table).writePacked(transaction, packed.plan, packed.rows, ({ from, to }) => this.#rowsOf(left.slice(from, to)).byTable.get(packed.table)!)
    this.#onlyTable = byTable.size === 1 ? [...byTable.keys()][0] : undefined
    let tablesLeft = byTable.size
    for (const [table, of] of byTable) await this.#writerOf(transaction, table).write(transaction, of, --tablesLeft === 0)
  }

  #writerOf({ connection }: Transaction, table: string): TableWriter {
    const { config, context, rowOptions, columnTypes } = this.#options
    if (this.#writers?.connection !== connection) this.#writers = { connection, byTable: new Map() }
    const known = this.#writers.byTable.get(table)
    if (known !== undefined) return known
    const options = {
      mode: config['insert.mode'], batchRows: config['batch.size'], copyRows: config['copy.rows'], autoCreate: config['auto.create'], autoEvolve: config['auto.evolve'],
      keyColumns: keyColumnsOf(rowOptions), columnTypes,
    }
    const writer = new TableWriter(table, options, (record, error) => context.reject(record, error))
    this.#writers.byTable.set(table, writer)
    return writer
  }
}

function nextOffsets(records: readonly SinkRecord[]): SinkOffsets {
  const next = new Map<string, SinkOffsets[number]>()
  for (let index = 0; index < records.length; index++) {
    const { originalTopic: topic, originalPartition: partition, originalOffset } = records[index]!
    const follower = records[index + 1]
    if (follower?.originalTopic === topic && follower.originalPartition === partition) continue
    next.set(`${topic}-${partition}`, { topic, partition, offset: originalOffset + 1 })
  }
  return [...next.values()]
}

function notWritten(records: readonly SinkRecord[], stored: SinkOffsets): readonly SinkRecord[] {
  if (stored.length === 0) return records
  const written = new Map(stored.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
  let last = { topic: '', partition: -1, next: 0 }
  return records.filter(({ originalTopic: topic, originalPartition: partition, originalOffset }) => {
    if (last.topic !== topic || last.partition !== partition) last = { topic, partition, next: written.get(`${topic}-${partition}`) ?? 0 }
    return originalOffset >= last.next
  })
}

/** A predecessor may have written more than we were given. */
function furthest(next: SinkOffsets, stored: SinkOffsets): SinkOffsets {
  const written = new Map(stored.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
  return next.map((each) => ({ ...each, offset: Math.max(each.offset, written.get(`${each.topic}-${each.partition}`) ?? 0) }))
}
