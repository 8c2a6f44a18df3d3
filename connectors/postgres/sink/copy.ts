/** Many rows at once: COPY, straight into the table or by way of a temporary one. */
import { createHash } from 'node:crypto'
import type { Client, Connection, Submittable } from 'pg'
import { quoteName } from './sql-text.ts'
import { CellTexts, mergeText } from './statements.ts'
import type { Batch, WriteMode } from './statements.ts'
import type { Column, Table } from './table.ts'

const chunkChars = 65_536

/** Whether each value can be given to its column as text. */
export function canCopy({ keyColumns, otherColumns }: Batch): boolean {
  return [...keyColumns, ...otherColumns].every(({ kind }) => kind !== 'composite')
}

/** As `writeStatement`, for inserts and upserts of many rows. @throws what the server says, as for a statement */
export async function copyRows(client: Client, mode: Exclude<WriteMode, 'update'>, table: Table, batch: Batch): Promise<void> {
  const columns = [...batch.keyColumns, ...batch.otherColumns]
  if (mode === 'insert') return copyInto(client, table.name, columns, batch.rows)
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  const stage = `pg_temp.${quoteName(`millrace_${createHash('sha256').update(`${table.name} ${names} ${columns.map(({ type }) => type).join()}`).digest('hex').slice(0, 20)}`)}`
  await client.query(`create temp table if not exists ${stage.slice('pg_temp.'.length)} on commit delete rows as select ${names} from ${table.name} with no data`)
  await copyInto(client, stage, columns, batch.rows)
  await client.query(mergeText(table, batch, stage))
  await client.query(`truncate ${stage}`)
}

function copyInto(client: Client, name: string, columns: readonly Column[], rows: Batch['rows']): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(`copy ${name} (${columns.map((column) => quoteName(column.name)).join(', ')}) from stdin`, chunksOf(columns, rows), (error) => (error === null ? resolve() : reject(error))))
  })
}

/** Made while they are sent: the server works on the first ones in the meantime. */
function* chunksOf(columns: readonly Column[], rows: Batch['rows']): Iterable<Buffer> {
  const texts = new CellTexts(columns)
  let text = ''
  for (const row of rows) {
    for (let index = 0; index < columns.length; index++) {
      if (index > 0) text += '\t'
      text += copyText(texts.of(row, index))
    }
    text += '\n'
    if (text.length < chunkChars) continue
    yield Buffer.from(text)
    text = ''
  }
  if (text !== '') yield Buffer.from(text)
}

/** The part of pg's connection that is used here. */
interface CopyConnection {
  query(text: string): void
  sendCopyFromChunk(bytes: Buffer): void
  endCopyFrom(): void
  sendCopyFail(reason: string): void
}

/** A statement that the server asks the data of, as pg's queue of queries takes it. */
class CopyIn implements Submittable {
  readonly #text: string
  readonly #chunks: Iterable<Buffer>
  /** Why not all of the data could be sent. */
  #failure: Error | undefined
  /** Told when it is over; pg wraps it to end its time-out. */
  callback: (error: Error | null) => void

  constructor(text: string, chunks: Iterable<Buffer>, callback: (error: Error | null) => void) {
    this.#text = text
    this.#chunks = chunks
    this.callback = callback
  }

  submit(connection: Connection): void {
    (connection as unknown as CopyConnection).query(this.#text)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    try {
      for (const chunk of this.#chunks) connection.sendCopyFromChunk(chunk)
      connection.endCopyFrom()
    } catch (error) {
      this.#failure = error as Error
      connection.sendCopyFail('a value cannot be written')
    }
  }

  handleError(error: Error): void {
    this.callback(this.#failure ?? error)
  }

  handleReadyForQuery(): void {
    this.callback(null)
  }

  handleCommandComplete(): void {}
}

/** A value in the text format of COPY. */
function copyText(text: string | null): string {
  if (text === null) return String.raw`\N`
  return /[\\\t\n\r]/.test(text) ? text.replace(/[\\\t\n\r]/g, (character) => escapes[character]!) : text
}

const escapes: Readonly<Record<string, string>> = { '\\': String.raw`\\`, '\t': String.raw`\t`, '\n': String.raw`\n`, '\r': String.raw`\r` }
