/**
 * Reads tables again, on demand, while changes go on: chunk by chunk of the primary key.
 *
 *   open(): rows of a chunk, and which transactions they show ──► a message into the log ──► changes … ──► the message comes: close()
 *                                                                                          │
 *                                    a change that the chunk does not show: its row is dropped, for the change has a newer one
 *
 * What the changes before the message say is in the chunk already, or newer than it; so a row that is left is as new as everything that
 * was given before it. Nothing is written but the message, and no lock is held. After the idea of DBLog's watermarks.
 */
import type { Log } from 'millrace/connect'
import type { Client } from 'pg'
import type { CapturedTable } from './catalog.ts'
import type { Change, Row } from './change-event.ts'
import type { IncrementalProgress, IncrementalTable } from './position.ts'
import { readChunk } from './snapshot.ts'
import type { ReadOptions, ReadRow } from './snapshot.ts'
import { TransactionHorizon } from './transaction-horizon.ts'

export const watermarkPrefix = 'millrace.watermark'

interface Window {
  readonly token: string
  readonly tableName: string
  readonly keyNames: readonly string[]
  readonly horizon: TransactionHorizon
  /** By key. */
  readonly rows: Map<string, ReadRow>
  /** Key of the last row read; null: the table ends with this chunk. */
  readonly after: readonly string[] | null
}

export interface ClosedChunk {
  readonly rows: readonly { readonly row: ReadRow; readonly progress: IncrementalProgress }[]
  /** Progress when all of it is given; null: nothing is left to read. */
  readonly done: IncrementalProgress | null
}

export interface IncrementalOptions extends ReadOptions {
  readonly client: Client
  readonly tables: readonly CapturedTable[]
  readonly chunkRows: number
  /** Distinguishes the messages of this run from those of runs before it. */
  readonly runId: string
  readonly log: Log
}

/** Transactions that were given and may not be visible yet: the log is ahead of what queries see. */
const rememberedTransactions = 4_096

export class IncrementalSnapshot {
  readonly #options: IncrementalOptions
  readonly #recent: number[] = []
  #window: Window | undefined
  #windows = 0
  #waitsFor: string | undefined

  constructor(options: IncrementalOptions) {
    this.#options = options
  }

  /** For each transaction whose changes are given. */
  began(xid: number): void {
    if (this.#recent.push(xid) > 2 * rememberedTransactions) this.#recent.splice(0, rememberedTransactions)
  }

  /** Opens the next chunk, if there is one to read and none is open. @returns the progress to go on from, which is less where tables cannot be read */
  async open(progress: IncrementalProgress | null): Promise<IncrementalProgress | null> {
    if (this.#window !== undefined || progress === null || progress.paused) return progress
    const { client, tables, chunkRows } = this.#options
    const [next] = progress.tables
    const table = tables.find(({ name }) => name === next!.name)
    if (table === undefined || table.keyColumns.length === 0) {
      this.#options.log.warn(`table ${next!.name} is not read again: it ${table === undefined ? 'is not captured' : 'has no primary key to go by'}`)
      return withoutFirst(progress)
    }
    await client.query('begin isolation level repeatable read, read only')
    try {
      const horizon = await this.#horizon()
      if (horizon === undefined || !this.#isOpenFor(next!, horizon)) return progress
      const rows = await readChunk(client, this.#options, { table, after: progress.after, until: null, filter: next!.filter, limit: chunkRows })
      const last = rows.at(-1)
      const keyNames = table.keyColumns.map(({ name }) => name)
      this.#window = {
        token: `${this.#options.runId}-${++this.#windows}`,
        tableName: table.name,
        keyNames,
        horizon,
        rows: new Map(rows.map((row) => [keyOf(keyNames, row.row), row])),
        after: rows.length < chunkRows ? null : last!.key,
      }
    } finally {
      await client.query('rollback')
    }
    await client.query(`select pg_logical_emit_message(true, '${watermarkPrefix}', $1)`, [this.#window.token])
    return progress
  }

  /** Whether changes must be observed. */
  get isOpen(): boolean {
    return this.#window !== undefined
  }

  /** A change that comes before the message. */
  observe({ op, schema, table, before, after, oldKey, xid }: Change): void {
    const window = this.#window
    if (window === undefined || xid === null || window.tableName !== `${schema}.${table}` || window.horizon.sees(xid)) return
    if (op === 't') window.rows.clear()
    for (const row of [before, after, oldKey]) if (row !== null) window.rows.delete(keyOf(window.keyNames, row))
  }

  /** Nothing of the chunk is given. */
  cancel(): void {
    this.#window = undefined
  }

  /** Undefined for the message of another chunk. */
  close(token: string, progress: IncrementalProgress): ClosedChunk | undefined {
    const window = this.#window
    if (window?.token !== token) return undefined
    this.#window = undefined
    const rows = [...window.rows.values()].map((row) => ({ row, progress: { ...progress, after: row.key } }))
    const done = window.after === null ? withoutFirst(progress) : { ...progress, after: window.after }
    if (done === null) this.#options.log.info('all tables that were to be read again are read')
    return { rows, done }
  }

  /** False, and said once, while transactions run that may have written to the table before its changes were sent. */
  #isOpenFor({ name, since }: IncrementalTable, horizon: TransactionHorizon): boolean {
    if (since === undefined || horizon.isPast(since)) return true
    if (this.#waitsFor !== name) this.#options.log.info(`the rows of ${name} are read when the transactions have ended that were running when it was added; the oldest is ${horizon.lowest}`)
    this.#waitsFor = name
    return false
  }

  /** Undefined while a transaction that was given already is not visible to queries. */
  async #horizon(): Promise<TransactionHorizon | undefined> {
    const { rows } = await this.#options.client.query<{ snapshot: string }>('select pg_current_snapshot()::text as snapshot')
    const horizon = new TransactionHorizon(rows[0]!.snapshot)
    return this.#recent.every((xid) => horizon.sees(xid)) ? horizon : undefined
  }
}

function withoutFirst({ tables, paused }: IncrementalProgress): IncrementalProgress | null {
  return tables.length > 1 ? { tables: tables.slice(1), after: null, paused } : null
}

function keyOf(names: readonly string[], row: Row): string {
  return JSON.stringify(names.map((name) => (typeof row[name] === 'bigint' ? String(row[name]) : row[name])))
}

/** A row that was read again, not changed. */
export function rowRead({ table: { schema, table, keyColumns }, columns, row }: Pick<ReadRow, 'table' | 'columns' | 'row'>, lsn: bigint, nowMs: number): Change {
  return {
    op: 'r', schema, table, columns, keyColumns: keyColumns.map(({ name }) => name), before: null, after: row, unavailable: [], oldKey: null,
    lsn, xid: null, commitMs: nowMs, snapshot: 'incremental', message: null, order: null, counts: null,
  }
}

/** After what is to be read already. `filter`: a condition in SQL. */
export function withTable(progress: IncrementalProgress | null, table: IncrementalTable): IncrementalProgress {
  return { tables: [...(progress?.tables ?? []), table], after: progress?.after ?? null, paused: progress?.paused ?? false }
}
