/** Many rows at once: COPY, straight into the table or by way of a temporary one. */
import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Connection, Submittable } from 'pg'
import { CopyBinary } from './copy-binary.ts'
import type { CopyForm } from './copy-bytes.ts'
import { CopyText } from './copy-text.ts'
import { quoteName } from './sql-text.ts'
import type { CopyPlan, PackedRows } from './packed-rows.ts'
import { RowCellsReader, mergeText } from './statements.ts'
import type { Batch } from './statements.ts'
import type { Table } from './table.ts'
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

/** Whether bytes can be tried. */
export function hasBinaryForm({ keyColumns, otherColumns }: Pick<Batch, 'keyColumns' | 'otherColumns'>): boolean {
  return [...keyColumns, ...otherColumns].every(({ binary }) => binary !== null)
}

/** As `writeStatement`, for inserts and upserts of many rows. @throws what the server says, as for a statement */
export function copyRows(transaction: Transaction, table: Table, batch: Batch, { mayBeBinary, ...how }: CopyOptions): Promise<void> {
  const isBinary = mayBeBinary && hasBinaryForm(batch)
  return copy(transaction, table, batch, { ...how, isBinary, messages: new RowMessages(batch, isBinary ? new CopyBinary() : new CopyText()) })
}

/** As `copyRows`, for rows that are bytes already. */
export function copyPacked(transaction: Transaction, { table, ...columns }: CopyPlan, rows: PackedRows, how: Omit<CopyOptions, 'mayBeBinary'>): Promise<void> {
  return copy(transaction, table, columns, { ...how, isBinary: true, messages: { next: () => rows.messages.shift() } })
}

interface CopyHow extends Omit<CopyOptions, 'mayBeBinary'> {
  readonly isBinary: boolean
  readonly messages: CopyMessages
}

function copy(transaction: Transaction, table: Table, batch: Pick<Batch, 'keyColumns' | 'otherColumns'>, { way, staged, isBinary, messages, isLast }: CopyHow): Promise<void> {
  const columns = [...batch.keyColumns, ...batch.otherColumns]
  const submit = (text: string, done: (error: Error | null, completed: number) => void, sent: () => void) => new CopyIn(text, { messages, done, sent })
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  const copyInto = (name: string) => `copy ${name} (${names}) from stdin${isBinary ? ' (format binary)' : ''}`
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

/** What goes to the server. */
interface CopyMessages {
  /** Undefined behind the last one. @throws what stands in the way of writing it */
  next(): Buffer | undefined
}

/** Rows that are written while they are sent: the server works on the first ones in the meantime, and no more of them wait than the socket takes. */
class RowMessages implements CopyMessages {
  readonly #rows: Batch['rows']
  readonly #form: CopyForm
  readonly #reader: RowCellsReader
  #written = 0
  #isOver = false

  constructor({ keyColumns, otherColumns, rows }: Batch, form: CopyForm) {
    this.#rows = rows
    this.#form = form
    this.#reader = new RowCellsReader([...keyColumns, ...otherColumns])
  }

  next(): Buffer | undefined {
    if (this.#isOver) return undefined
    while (this.#written < this.#rows.length && !this.#form.isFull) this.#reader.copyRow(this.#rows[this.#written++]!, this.#form)
    this.#isOver = this.#written === this.#rows.length
    if (this.#isOver) this.#form.end()
    return this.#form.take()
  }
}

interface CopyInOptions {
  readonly messages: CopyMessages
  /** `completed`: how many of the statements were done. */
  readonly done: (error: Error | null, completed: number) => void
  readonly sent: () => void
}

/** Statements one of which the server asks data of, as pg's queue of queries takes it. */
class CopyIn implements Submittable {
  readonly #text: string
  readonly #options: CopyInOptions
  /** Why not all of the data could be sent. */
  #failure: Error | undefined
  #isOver = false
  #completed = 0
  /** Told when it is over; pg wraps it to end its time-out. */
  callback: (error: Error | null) => void

  constructor(text: string, options: CopyInOptions) {
    this.#text = text
    this.#options = options
    this.callback = (error) => options.done(error, this.#completed)
  }

  submit(connection: Connection): void {
    (connection as unknown as CopyConnection).query(this.#text)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    const { messages, sent } = this.#options
    try {
      for (let message; !this.#isOver && (message = messages.next()) !== undefined;) {
        if (connection.stream.write(message)) continue
        connection.stream.once('drain', () => this.handleCopyInResponse(connection))
        return
      }
      if (this.#isOver) return
      connection.endCopyFrom()
      sent()
    } catch (error) {
      this.#failure = error as Error
      connection.sendCopyFail('a value cannot be written')
    }
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
