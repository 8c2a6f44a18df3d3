import { connectorError, dataError, isStreamError } from 'millrace/connect'
import type { SinkRecord } from 'millrace/connect'
import { createHash } from 'node:crypto'
import type { Client } from 'pg'
import { failureOf, recordError } from '../failures.ts'
import type { Failure } from '../failures.ts'
import { canCopy, copyPacked, copyRows, hasBinaryForm } from './copy.ts'
import type { CopyOptions } from './copy.ts'
import { hasNoBytes } from './copy-binary.ts'
import { addColumnsStatement, createTableStatement } from './create-table.ts'
import type { DeclaredTypes } from './create-table.ts'
import type { CopyPlan, PackedRows } from './packed-rows.ts'
import { areDistinct, reduceRows } from './reduce.ts'
import type { Row } from './row.ts'
import { deleteStatement, writeStatement } from './statements.ts'
import type { Batch, RowCells, Statement, WriteMode } from './statements.ts'
import { StraightTries } from './straight-tries.ts'
import { describeTable, requireUniqueKey } from './table.ts'
import type { Table } from './table.ts'
import { metAtEnd } from './transaction.ts'
import type { Transaction } from './transaction.ts'

export interface WriterOptions {
  readonly mode: WriteMode
  readonly batchRows: number
  /** From so many rows on, COPY takes the place of a statement; 0: never. */
  readonly copyRows: number
  readonly autoCreate: boolean
  readonly autoEvolve: boolean
  /** Those that the config names, whatever a record holds. */
  readonly keyColumns: readonly string[]
  /** For tables and columns that are made. */
  readonly columnTypes: DeclaredTypes
}

/** Sends a record to the dead letters; rejects when that is not wanted. */
export type Reject = (record: SinkRecord, error: unknown) => Promise<void>

const maxPreparedStatements = 200

/** What the server said of rows to upsert that were copied straight into the table. */
const refusedStraight = new WeakSet<object>()

/** So often a value had no form in bytes: its columns are given texts from then on. */
const mostWithoutBytes = 3

/** Writes rows of one table, inside a transaction of the caller. Lives as long as the connection. */
export class TableWriter {
  readonly #name: string
  readonly #options: WriterOptions
  readonly #reject: Reject
  readonly #prepared = new Set<string>()
  /** Temporary tables that the caller's transaction has filled. */
  #staged = new Set<string>()
  #table: Table | undefined
  #transaction: Transaction | undefined
  #mayBeBinary = true
  #withoutBytes = 0
  readonly #straightTries = new StraightTries()
  /** Rows to upsert are copied straight into the table. */
  #isStraight = false
  #plan: CopyPlan | undefined

  constructor(name: string, options: WriterOptions, reject: Reject) {
    this.#name = name
    this.#options = options
    this.#reject = reject
  }

  /** How rows to come may be packed; undefined where the last ones had no common form. */
  get plan(): CopyPlan | undefined {
    return this.#plan
  }

  /** As `write`, for rows that were packed by a plan; `rowsOf` reads them once more where they cannot be written as they are. */
  async writePacked(transaction: Transaction, plan: CopyPlan, packed: readonly PackedRows[], rowsOf: (packed: PackedRows) => readonly Row[]): Promise<void> {
    this.#begin(transaction)
    const areMany = packed.reduce((sum, { rowCount }) => sum + rowCount, 0) >= this.#options.copyRows
    for (const [index, rows] of packed.entries()) {
      const isLast = index === packed.length - 1
      this.#isStraight = this.#straightTries.isDue()
      // The table may have been looked at again since they were packed.
      const isCopied = areMany && plan === this.#plan && await this.#copyWhole(plan, rows, isLast)
      if (!isCopied) await this.#writeSome(rowsOf(rows), { attempt: 'first', isLast })
    }
  }

  #begin(transaction: Transaction): void {
    this.#transaction = transaction
    this.#staged = new Set()
    this.#mayBeBinary = this.#withoutBytes < mostWithoutBytes
  }

  /** @returns false where the rows have to be looked at one by one: nothing of them is written then */
  async #copyWhole(plan: CopyPlan, rows: PackedRows, isLast: boolean): Promise<boolean> {
    const transaction = this.#transaction!
    transaction.defer('savepoint batch')
    const staged = new Set(this.#staged)
    try {
      await this.#copy((how) => copyPacked(transaction, plan, rows, { ...how, isLast }))
      transaction.defer('release savepoint batch')
      return true
    } catch (error) {
      const failure = failureOf(error)
      if (metAtEnd.has(error as object) || isNobodys(failure)) throw error
      transaction.defer('rollback to savepoint batch')
      this.#staged = staged
      if (refusedStraight.has(error as object)) this.#merge()
      else this.#plan = undefined
      return false
    }
  }

  /**
   * In order, once in a transaction. Writes what the table takes and rejects the rest, record by record. `isLast`: nothing follows but the end, which may go
   * with the last rows. @throws for anything that is not the fault of a record
   */
  async write(transaction: Transaction, rows: readonly Row[], isLast: boolean): Promise<void> {
    this.#begin(transaction)
    for (let from = 0; from < rows.length;) {
      if (rows[from]!.truncates) {
        await this.#truncate()
        from++
        continue
      }
      const to = endOfRun(rows, from, Math.min(rows.length, from + this.#options.batchRows))
      this.#isStraight = this.#straightTries.isDue()
      await this.#writeSome(rows.slice(from, to), { attempt: 'first', isLast: isLast && to === rows.length })
      from = to
    }
  }

  async #truncate(): Promise<void> {
    const client = await this.#client()
    const table = (this.#table ??= await describeTable(client, this.#name))
    if (table !== undefined) await client.query(`truncate ${table.name}`)
  }

  #client(): Promise<Client> {
    return this.#transaction!.client()
  }

  /** All rows in one go, or, when one of them is refused, each half by itself: down to the one that is at fault. */
  async #writeSome(rows: readonly Row[], how: { readonly attempt: 'first' | 'second'; readonly isLast: boolean }): Promise<void> {
    const transaction = this.#transaction!
    transaction.defer('savepoint batch')
    const staged = new Set(this.#staged)
    try {
      await this.#apply(rows, how.isLast)
      transaction.defer('release savepoint batch')
      return
    } catch (error) {
      const failure = error === hasNoBytes ? 'form' : isStreamError(error, 'INVALID_DATA') ? 'record' : failureOf(error)
      if (metAtEnd.has(error as object) || isNobodys(failure) || (failure === 'table' && how.attempt === 'second')) throw error
      transaction.defer('rollback to savepoint batch')
      this.#staged = staged
      this.#plan = undefined
      if (failure === 'form') this.#writeTexts()
      else if (refusedStraight.has(error as object)) this.#merge()
      else if (failure === 'table') this.#table = undefined
      else if (rows.length === 1) return this.#reject(rows[0]!.record, isStreamError(error) ? error : recordError(this.#name, error))
      else return this.#writeHalves(rows)
      return this.#writeSome(rows, { ...how, attempt: this.#table === undefined ? 'second' : how.attempt })
    }
  }

  /** Whatever the reason was, merging the rows shows it again, or does without it. */
  #merge(): void {
    this.#isStraight = false
    this.#straightTries.refused()
  }

  /** The rest of this transaction; and everything, when it happens again and again. */
  #writeTexts(): void {
    this.#mayBeBinary = false
    this.#withoutBytes++
  }

  async #writeHalves(rows: readonly Row[]): Promise<void> {
    const middle = rows.length >> 1
    await this.#writeSome(rows.slice(0, middle), { attempt: 'first', isLast: false })
    await this.#writeSome(rows.slice(middle), { attempt: 'first', isLast: false })
  }

  async #apply(rows: readonly Row[], isLast: boolean): Promise<void> {
    const table = await this.#fittingTable(rows)
    const keyNames = rows[0]!.key.names
    if (this.#options.mode === 'upsert') requireUniqueKey(table, keyNames)
    const isPlain = this.#options.mode === 'insert' ? rows.every(({ values }) => values !== null) : areDistinct(rows)
    const changes = isPlain ? [] : reduceRows(rows)
    const keyColumns = keyNames.map((name) => table.columns.get(name)!)
    const deleted = changes.filter((change) => change.deleted)
    if (deleted.length > 0) await this.#run(deleteStatement(table, keyColumns, deleted))
    const groups = groupedByColumns(isPlain ? rows : changes, table)
    let plan: CopyPlan | undefined
    for (const [index, { names, cells }] of groups.entries()) {
      const otherColumns = names.map((name) => table.columns.get(name)!)
      if (this.#options.mode === 'update' && otherColumns.length === 0) continue
      // An insert is refused for a column that must not be null, even where the row is there and would keep its value.
      const updatesOnly = this.#options.mode === 'upsert' && keyColumns.length > 0 && lacksRequired(table, keyNames, names)
      const batch = { keyColumns, otherColumns, rows: cells }
      const { mode, copyRows: fewest } = this.#options
      if (mode !== 'update' && !updatesOnly && fewest > 0 && cells.length >= fewest && canCopy(batch)) {
        await this.#copy((how) => copyRows(this.#transaction!, table, batch, { ...how, mayBeBinary: this.#mayBeBinary, isLast: isLast && index === groups.length - 1 }))
        if (isPlain && groups.length === 1 && this.#mayBeBinary) plan = this.#planOf(table, batch)
        continue
      }
      const written = await this.#run(writeStatement(updatesOnly ? 'update' : mode, table, batch))
      if (updatesOnly && written < cells.length) throw dataError(`the record lacks a column of ${this.#name} that must not be null, and there is no row that it could change`)
    }
    this.#plan = plan
  }

  /** Straight into the table, or by way of a temporary one. */
  async #copy(copy: (how: Pick<CopyOptions, 'way' | 'staged'>) => Promise<void>): Promise<void> {
    const staged = this.#staged
    if (this.#options.mode === 'insert') return copy({ way: 'straight', staged })
    if (!this.#isStraight) return copy({ way: 'merge', staged })
    try {
      await copy({ way: 'straight', staged })
    } catch (error) {
      refusedStraight.add(error as object)
      throw error
    }
    this.#straightTries.taken()
  }

  /** The same as before where nothing is different. */
  #planOf(table: Table, { keyColumns, otherColumns, rows }: Batch): CopyPlan | undefined {
    const { key, values } = rows.at(-1)!
    if (!hasBinaryForm({ keyColumns, otherColumns }) || values === null || values.names.some((name) => !table.columns.has(name))) return undefined
    const { isDatabaseText } = values
    const last = this.#plan
    if (last?.table === table && last.keyNames === key.names && last.valueNames === values.names && last.isDatabaseText === isDatabaseText) return last
    return { table, keyColumns, otherColumns, keyNames: key.names, valueNames: values.names, isDatabaseText, isDistinct: this.#options.mode !== 'insert' }
  }

  /** The table, made or extended where that is wanted. @throws a data error that names table, column and what to do */
  async #fittingTable(rows: readonly Row[]): Promise<Table> {
    this.#table ??= await describeTable(await this.#client(), this.#name) ?? await this.#create(rows)
    const missing = missingColumn(this.#table, rows)
    if (missing === undefined) return this.#table
    if (this.#options.keyColumns.includes(missing)) {
      throw connectorError(`table ${this.#name} has no column "${missing}", which pk.mode and pk.fields make the primary key of; add it, or name others`)
    }
    const statement = this.#options.autoEvolve ? addColumnsStatement(this.#name, new Set(this.#table.columns.keys()), rows, this.#options.columnTypes) : undefined
    if (statement === undefined) {
      // A column that was dropped cannot be told from a field that the table never had, and only some records may have: errors.tolerance says
      // what becomes of them, as it does with Confluent's JDBC sink.
      throw dataError(`table ${this.#name} has no column "${missing}", which the record has; add it, let a transform drop the field, or set auto.evolve=true`)
    }
    await this.#alter(statement)
    this.#table = await describeTable(await this.#client(), this.#name)
    return this.#table!
  }

  /** One at a time: PostgreSQL's own "if not exists" may meet a table that another transaction is making. */
  async #alter(statement: string): Promise<void> {
    const client = await this.#client()
    await client.query(`select pg_advisory_xact_lock(hashtextextended('millrace', 0))`)
    await client.query(statement)
  }

  async #create(rows: readonly Row[]): Promise<Table> {
    if (!this.#options.autoCreate) throw connectorError(`there is no table ${this.#name}; create it, or set auto.create=true`)
    const statement = createTableStatement(this.#name, rows, this.#options.columnTypes)
    if (statement === undefined) throw dataError(`there is no table ${this.#name}, and the record has no field to make it of`)
    await this.#alter(statement)
    return (await describeTable(await this.#client(), this.#name))!
  }

  async #run({ text, values }: Statement): Promise<number> {
    const known = this.#prepared.has(text)
    const prepare = known || this.#prepared.size < maxPreparedStatements
    if (!known && prepare) this.#prepared.add(text)
    const name = createHash('sha256').update(text).digest('hex').slice(0, 32)
    const client = await this.#client()
    const { rowCount } = await client.query({ ...(prepare ? { name } : {}), text, values: [...values] })
    return rowCount ?? 0
  }
}

/** No other way of writing the rows would fare better. */
function isNobodys(failure: Failure | 'form'): boolean {
  return failure === 'environment' || failure === 'setup' || failure === 'bug'
}

function lacksRequired({ columns }: Table, keys: readonly string[], names: readonly string[]): boolean {
  return [...columns.values()].some(({ name, required }) => required && !keys.includes(name) && !names.includes(name))
}

/** Rows from `from` on that belong together: up to one that empties the table, or whose texts are of another origin. */
function endOfRun(rows: readonly Row[], from: number, most: number): number {
  let isDatabaseText: boolean | undefined
  for (let at = from; at < most; at++) {
    const { truncates, values } = rows[at]!
    if (truncates || (values !== null && values.isDatabaseText !== (isDatabaseText ??= values.isDatabaseText))) return at
  }
  return most
}

/** A null without a column says nothing; anything else would be lost. */
function missingColumn({ columns }: Table, rows: readonly Row[]): string | undefined {
  const lacks = (name: string) => !columns.has(name)
  let [soundKey, soundValues]: (readonly string[] | undefined)[] = []
  for (const { key, values } of rows) {
    if (key.names !== soundKey) {
      const missing = key.names.find(lacks)
      if (missing !== undefined) return missing
      soundKey = key.names
    }
    if (values === null || values.names === soundValues) continue
    const missing = values.names.find((name, index) => values.values[index] !== null && lacks(name))
    if (missing !== undefined) return missing
    if (!values.names.some(lacks)) soundValues = values.names
  }
  return undefined
}

interface ColumnGroup {
  readonly names: readonly string[]
  readonly cells: RowCells[]
}

/** A statement writes the same columns of all its rows: a field that a record lacks keeps its value in the row. */
function groupedByColumns(changes: readonly RowCells[], table: Table): ColumnGroup[] {
  const groups = new Map<string, ColumnGroup>()
  let last: { readonly of: readonly string[]; readonly group: ColumnGroup } | undefined
  for (const change of changes) {
    const { values } = change
    if (values === null) continue
    if (last?.of !== values.names) {
      const names = values.names.filter((name) => table.columns.get(name)?.generated === false)
      const id = names.join('\0')
      const group = groups.get(id) ?? { names, cells: [] }
      groups.set(id, group)
      last = { of: values.names, group }
    }
    last.group.cells.push(change)
  }
  return [...groups.values()]
}
