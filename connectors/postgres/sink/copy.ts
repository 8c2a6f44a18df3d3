/** Many rows at once: COPY, straight into the table or by way of a temporary one. */
import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Connection, Submittable } from 'pg'
import { CopyBinary } from './copy-binary.ts'
import type { CopyForm } from './copy-bytes.ts'
import { CopyText } from './copy-text.ts'
import { quoteName } from './sql-text.ts'
import { RowCellsReader, mergeText } from './statements.ts'
import type { Batch } from './statements.ts'
import type { Column, Table } from './table.ts'
import type { Transaction } from './transaction.ts'

/** Whether each value can be given to its column as text. */
export function canCopy({ keyColumns, otherColumns }: Batch): boolean {
  return [...keyColumns, ...otherColumns].every(({ kind }) => kind !== 'composite')
}

export interface CopyOptions {
  /** `straight`: into the table, which refuses rows that it has; `merge`: by way of a temporary table, so that they are changed. */
  readonly way: 'straight' | 'merge'
  /** The temporary tables that this transaction has filled; they are empty again when it ends. */
  readonly staged: Set<string>
  /** Whether bytes may be tried where each column has a form in them. `hasNoBytes` is thrown when a value has none. */
  readonly mayBeBinary: boolean
  /** Nothing follows in the transaction. */
  readonly isLast: boolean
}

/** As `writeStatement`, for inserts and upserts of many rows. @throws what the server says, as for a statement */
export function copyRows(transaction: Transaction, table: Table, batch: Batch, { way, staged, mayBeBinary, isLast }: CopyOptions): Promise<void> {
  const columns = [...batch.keyColumns, ...batch.otherColumns]
  const form = mayBeBinary && columns.every(({ binary }) => binary !== null) ? new CopyBinary() : new CopyText()
  const submit = (text: string, done: (error: Error | null, completed: number) => void, sent: () => void) => new CopyIn(text, { columns, rows: batch.rows, form, done, sent })
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  const copyInto = (name: string) => `copy ${name} (${names}) from stdin${form instanceof CopyBinary ? ' (format binary)' : ''}`
  if (way === 'straight') return transaction.rows({ before: [], text: copyInto(table.name), after: [], isLast }, submit)
  const stage = `pg_temp.${quoteName(`millrace_${createHash('sha256').update(`${table.name} ${names} ${columns.map(({ type }) => type).join()}`).digest('hex').slice(0, 20)}`)}`
  // Emptying it costs the server a new file and entries in its catalog.
  const empty = staged.has(stage) ? `truncate ${stage}` : `create temp table if not exists ${stage.slice('pg_temp.'.length)} on commit delete rows as select ${names} from ${table.name} with no data`
  staged.add(stage)
  return transaction.rows({ before: [empty], text: copyInto(stage), after: [mergeText(table, batch, stage)], isLast }, submit)
}

/** The part of pg's connection that is used here. */
interface CopyConnection {
  readonly stream: Duplex
  query(text: string): void
  endCopyFrom(): void
  sendCopyFail(reason: string): void
}

interface CopyInOptions {
  readonly columns: readonly Column[]
  readonly rows: Batch['rows']
  readonly form: CopyForm
  /** `completed`: how many of the statements were done. */
  readonly done: (error: Error | null, completed: number) => void
  readonly sent: () => void
}

/**
 * Statements one of which the server asks data of, as pg's queue of queries takes it. Rows are written while they are sent: the server works on
 * the first ones in the meantime, and no more of them wait than the socket takes.
 */
class CopyIn implements Submittable {
  readonly #text: string
  readonly #options: CopyInOptions
  readonly #reader: RowCellsReader
  #written = 0
  /** Why not all of the data could be sent. */
  #failure: Error | undefined
  #isOver = false
  #completed = 0
  /** Told when it is over; pg wraps it to end its time-out. */
  callback: (error: Error | null) => void

  constructor(text: string, options: CopyInOptions) {
    this.#text = text
    this.#options = options
    this.#reader = new RowCellsReader(options.columns)
    this.callback = (error) => options.done(error, this.#completed)
  }

  submit(connection: Connection): void {
    (connection as unknown as CopyConnection).query(this.#text)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    try {
      while (!this.#isOver && this.#written < this.#options.rows.length) {
        if (this.#send(connection.stream)) continue
        connection.stream.once('drain', () => this.handleCopyInResponse(connection))
        return
      }
      if (this.#isOver) return
      connection.endCopyFrom()
      this.#options.sent()
    } catch (error) {
      this.#failure = error as Error
      connection.sendCopyFail('a value cannot be written')
    }
  }

  /** @returns whether the socket takes more at once */
  #send(stream: Duplex): boolean {
    const { rows, form } = this.#options
    while (this.#written < rows.length && !form.isFull) this.#reader.copyRow(rows[this.#written++]!, form)
    if (this.#written === rows.length) form.end()
    return stream.write(form.take())
  }

  handleError(error: Error): void {
    this.#isOver = true
    this.callback(this.#failure ?? error)
  }

  handleReadyForQuery(): void {
    this.callback(null)
  }

  handleCommandComplete(): void {
    this.#completed++
  }

  handleRowDescription(): void {}

  handleDataRow(): void {}
}
