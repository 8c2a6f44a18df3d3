/** Rows by COPY … TO STDOUT: the server writes them fastest that way, and nothing is made of them that nobody asked for. */
import type { Client, Connection, Submittable } from 'pg'
import { columnValue, columnValueAt } from './column-value.ts'
import type { ColumnType } from './column-value.ts'

/**
 * Where the cells of a row are in its bytes: start and end of each, one behind the other. A start below zero: the cell holds
 * escapes, and starts at `-1 - start`; an end below zero: null.
 */
export type CopiedCells = readonly number[]

/** The bytes are only good during the call, and so are the cells. */
export type CopiedRow = (bytes: Buffer, cells: CopiedCells) => void

/** Gives every row of a query to `each`, in order. @throws what the server says, or `each` */
export function copyOut(client: Client, query: string, each: CopiedRow): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyOut(`copy (${query}) to stdout`, each, (error) => (error === null ? resolve() : reject(error))))
  })
}

export function copiedText(bytes: Buffer, cells: CopiedCells, index: number): string | null {
  const [start, end] = [cells[2 * index] ?? 0, cells[2 * index + 1] ?? -1]
  if (end < 0) return null
  return start < 0 ? unescaped(bytes.toString('utf8', -1 - start, end)) : bytes.toString('utf8', start, end)
}

export function copiedValue(bytes: Buffer, cells: CopiedCells, index: number, type: ColumnType): unknown {
  const [start, end] = [cells[2 * index] ?? 0, cells[2 * index + 1] ?? -1]
  if (end < 0) return null
  return start < 0 ? columnValue(copiedText(bytes, cells, index), type) : columnValueAt(bytes, start, end, type)
}

/** A statement that answers with data, as pg's queue of queries takes it. */
class CopyOut implements Submittable {
  readonly #text: string
  readonly #each: CopiedRow
  readonly #cells: number[] = []
  #failure: Error | null = null
  /** Told when it is over; pg wraps it to end its time-out. */
  callback: (error: Error | null) => void

  constructor(text: string, each: CopiedRow, callback: (error: Error | null) => void) {
    this.#text = text
    this.#each = each
    this.callback = callback
  }

  submit(connection: Connection): void {
    (connection as unknown as { query(text: string): void }).query(this.#text)
  }

  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    if (this.#failure !== null) return
    try {
      findCells(chunk, this.#cells)
      this.#each(chunk, this.#cells)
    } catch (error) {
      this.#failure = error as Error
    }
  }

  handleError(error: Error): void {
    this.callback(error)
  }

  handleReadyForQuery(): void {
    this.callback(this.#failure)
  }

  handleCommandComplete(): void {}
}

const tab = 0x09
const newline = 0x0a
const backslash = 0x5c
const letterN = 0x4e

/** Writes the cells of one row in the text format into `cells`. */
function findCells(bytes: Buffer, cells: number[]): void {
  let length = 0
  let start = 0
  let hasEscapes = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === backslash) {
      hasEscapes = true
      at++ // what is escaped is no end
    } else if (byte === tab || byte === newline) {
      const isNull = hasEscapes && at - start === 2 && bytes[start + 1] === letterN
      cells[length++] = hasEscapes ? -1 - start : start
      cells[length++] = isNull ? -1 : at
      start = at + 1
      hasEscapes = false
    }
  }
  cells.length = length
}

const characters: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (_, character: string) => characters[character] ?? character)
}
