/**
 * Reads one table, or query, round by round.
 *
 *   idle ──interval──► window: transactions from the last horizon to the oldest that still runs ──► rows by a cursor … ──► idle
 *
 * A row belongs to the window of the transaction that wrote it, whatever its number or time says, so a row that is committed
 * late is given in the round after its commit, and each version of a row once. The first order column only bounds the search.
 */
import type { Client, FieldDef } from 'pg'
import Cursor from 'pg-cursor'
import type { Row } from '../cdc/change-event.ts'
import { columnValue } from '../cdc/column-value.ts'
import type { TableColumn } from '../cdc/pgoutput.ts'
import type { TypeCatalog } from '../cdc/type-catalog.ts'
import type { Progress } from './progress.ts'
import { placeColumn, rowQuery, xidColumn } from './relation.ts'
import type { Relation, Window } from './relation.ts'

export interface Clients {
  readonly client: Client
  readonly catalog: Client
}

export interface ReadRow {
  readonly row: Row
  /** The same list for all rows of a form. */
  readonly columns: readonly TableColumn[]
  readonly progress: Progress
}

/** A value of the first order column, and when it was the highest that could be seen. */
interface Mark {
  readonly value: string
  readonly next: bigint
  readonly atMs: number
}

interface Round {
  readonly cursor: Cursor<Cells>
  readonly window: Window | null
  rows: number
  last: string | null
}

const asText = { getTypeParser: () => (text: string) => text }
const maxMarks = 16

export class RelationReader {
  readonly relation: Relation
  readonly #types: TypeCatalog
  readonly #lookbackMs: number
  #progress: Progress
  #round: Round | undefined
  #marks: Mark[] = []
  #columns: readonly TableColumn[] = []

  constructor(relation: Relation, types: TypeCatalog, progress: Progress, lookbackMs: number) {
    this.relation = relation
    this.#types = types
    this.#progress = progress
    this.#lookbackMs = lookbackMs
  }

  get progress(): Progress {
    return this.#progress
  }

  /**
   * The next rows of the round, which is begun if none is. `client` has a transaction and a cursor open while a round lasts, and
   * answers nothing else meanwhile: what is asked about types goes to `catalog`.
   * @returns an empty list at the end of the round
   */
  async read({ client, catalog }: Clients, maxRows: number, nowMs: number): Promise<readonly ReadRow[]> {
    const round = (this.#round ??= await this.#begin(client))
    const { rows, fields } = await fetch(round.cursor, maxRows)
    if (rows.length === 0) {
      await this.#end(client, round, nowMs)
      return []
    }
    const shown = fields.filter(({ name }) => name !== xidColumn && name !== placeColumn)
    const columns = this.#columnsOf(shown)
    const types = await this.#types.typesOf(catalog, shown.map(({ dataTypeID }) => dataTypeID))
    return rows.map((cells) => {
      round.rows++
      const values = Object.fromEntries(shown.map(({ name }, index) => [name, columnValue(cells[name] ?? null, types[index]!)]))
      return { row: values, columns, progress: this.#advance(round, cells) }
    })
  }

  #columnsOf(fields: readonly FieldDef[]): readonly TableColumn[] {
    const columns = fields.map(({ name, dataTypeID, dataTypeModifier }) => ({ name, typeOid: dataTypeID, typeModifier: dataTypeModifier }))
    if (JSON.stringify(columns) !== JSON.stringify(this.#columns)) this.#columns = columns
    return this.#columns
  }

  async #begin(client: Client): Promise<Round> {
    await client.query('begin isolation level repeatable read, read only')
    const { order, hasXid } = this.relation
    const window = order.length > 0 && hasXid ? await this.#window(client) : null
    const after = window === null ? this.#progress.after : (this.#progress.round?.after ?? null)
    const { text, values } = rowQuery(this.relation, window, window === null ? null : this.#progress.low, order.length === 0 ? null : after)
    const cursor = client.query(new Cursor<Cells>(text, [...values], { types: asText } as never))
    return { cursor, window, rows: 0, last: null }
  }

  /** Of a round that was cut off, the rest; else what has finished since the last one. */
  async #window(client: Client): Promise<Window> {
    const { rows } = await client.query<{ until: string; next: string }>('select pg_snapshot_xmin(s)::text as until, pg_snapshot_xmax(s)::text as next from pg_current_snapshot() s')
    const { until, next } = rows[0]!
    const { horizon, round } = this.#progress
    return { from: horizon, until: round?.until ?? BigInt(until), next: BigInt(next) }
  }

  #advance(round: Round, cells: Cells): Progress {
    const { order } = this.relation
    const after = order.map(({ name }) => cells[name]!)
    round.last = after[0] ?? null
    if (order.length === 0) return this.#progress
    this.#progress = round.window === null ? { ...this.#progress, after } : { ...this.#progress, round: { until: round.window.until, next: round.window.next, after } }
    return this.#progress
  }

  async #end(client: Client, round: Round, nowMs: number): Promise<void> {
    this.#round = undefined
    await round.cursor.close()
    await client.query('commit')
    if (round.window === null) return
    if (round.last !== null) this.#mark({ value: round.last, next: round.window.next, atMs: nowMs })
    this.#progress = { horizon: round.window.until, round: null, low: this.#low(round.window.until, nowMs), after: null }
  }

  #mark(mark: Mark): void {
    const last = this.#marks.at(-1)
    if (last !== undefined && this.#marks.length > 1 && mark.atMs - last.atMs < this.#lookbackMs / maxMarks) return
    this.#marks.push(mark)
    if (this.#marks.length > maxMarks) this.#marks.shift()
  }

  /** The highest value below which every transaction that could have used it has ended long ago. */
  #low(until: bigint, nowMs: number): string | null {
    let low = this.#progress.low
    while (this.#marks[0] !== undefined && this.#marks[0].next <= until && nowMs - this.#marks[0].atMs >= this.#lookbackMs) low = this.#marks.shift()!.value
    return low
  }
}

type Cells = Record<string, string | null>

function fetch(cursor: Cursor<Cells>, maxRows: number): Promise<{ readonly rows: readonly Cells[]; readonly fields: readonly FieldDef[] }> {
  return new Promise((resolve, reject) => {
    cursor.read(maxRows, (error, rows, result) => {
      if (error === undefined || error === null) resolve({ rows, fields: (result as { readonly fields?: readonly FieldDef[] } | undefined)?.fields ?? [] }) // at the end there is no result
      else reject(error)
    })
  })
}
