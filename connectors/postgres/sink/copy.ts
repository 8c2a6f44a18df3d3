/** Many rows at once: COPY, straight into the table or by way of a temporary one. */
import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Client, Connection, Submittable } from 'pg'
import { CopyText } from './copy-text.ts'
import { quoteName } from './sql-text.ts'
import { CellTexts, mergeText } from './statements.ts'
import type { Batch, WriteMode } from './statements.ts'
import type { Column, Table } from './table.ts'

/** Whether each value can be given to its column as text. */
export function canCopy({ keyColumns, otherColumns }: Batch): boolean {
  return [...keyColumns, ...otherColumns].every(({ kind }) => kind !== 'composite')
}

/**
 * As `writeStatement`, for inserts and upserts of many rows. `staged`: the temporary tables that this transaction has filled; they are empty again
 * when it ends. @throws what the server says, as for a statement
 */
export async function copyRows(client: Client, mode: Exclude<WriteMode, 'update'>, table: Table, batch: Batch, staged: Set<string>): Promise<void> {
  const columns = [...batch.keyColumns, ...batch.otherColumns]
  if (mode === 'insert') return copyInto(client, table.name, columns, batch.rows)
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  const stage = `pg_temp.${quoteName(`millrace_${createHash('sha256').update(`${table.name} ${names} ${columns.map(({ type }) => type).join()}`).digest('hex').slice(0, 20)}`)}`
  // Emptying it costs the server a new file and entries in its catalog.
  if (staged.has(stage)) await client.query(`truncate ${stage}`)
  else await client.query(`create temp table if not exists ${stage.slice('pg_temp.'.length)} on commit delete rows as select ${names} from ${table.name} with no data`)
  staged.add(stage)
  await copyInto(client, stage, columns, batch.rows)
  await client.query(mergeText(table, batch, stage))
}

function copyInto(client: Client, name: string, columns: readonly Column[], rows: Batch['rows']): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(`copy ${name} (${columns.map((column) => quoteName(column.name)).join(', ')}) from stdin`, columns, rows, (error) => (error === null ? resolve() : reject(error))))
  })
}

/** The part of pg's connection that is used here. */
interface CopyConnection {
  readonly stream: Duplex
  query(text: string): void
  endCopyFrom(): void
  sendCopyFail(reason: string): void
}

/**
 * A statement that the server asks the data of, as pg's queue of queries takes it. Rows are written while they are sent: the server works on
 * the first ones in the meantime, and no more of them wait than the socket takes.
 */
class CopyIn implements Submittable {
  readonly #text: string
  readonly #cells: CellTexts
  readonly #rows: Batch['rows']
  readonly #copy = new CopyText()
  #written = 0
  /** Why not all of the data could be sent. */
  #failure: Error | undefined
  #isOver = false
  /** Told when it is over; pg wraps it to end its time-out. */
  callback: (error: Error | null) => void

  constructor(text: string, columns: readonly Column[], rows: Batch['rows'], callback: (error: Error | null) => void) {
    this.#text = text
    this.#cells = new CellTexts(columns)
    this.#rows = rows
    this.callback = callback
  }

  submit(connection: Connection): void {
    (connection as unknown as CopyConnection).query(this.#text)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    try {
      while (!this.#isOver && this.#written < this.#rows.length) {
        if (this.#send(connection.stream)) continue
        connection.stream.once('drain', () => this.handleCopyInResponse(connection))
        return
      }
      if (!this.#isOver) connection.endCopyFrom()
    } catch (error) {
      this.#failure = error as Error
      connection.sendCopyFail('a value cannot be written')
    }
  }

  /** @returns whether the socket takes more at once */
  #send(stream: Duplex): boolean {
    while (this.#written < this.#rows.length && !this.#copy.isFull) this.#cells.copyRow(this.#rows[this.#written++]!, this.#copy)
    return stream.write(this.#copy.take())
  }

  handleError(error: Error): void {
    this.#isOver = true
    this.callback(this.#failure ?? error)
  }

  handleReadyForQuery(): void {
    this.callback(null)
  }

  handleCommandComplete(): void {}
}
