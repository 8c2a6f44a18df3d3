/** Files of lines: JSON, text, or separated values. */
import { Struct, dataError } from 'millrace/connect'
import type { SinkRecord } from 'millrace/connect'
import { json, lineOf, plain } from '../sink/line-format.ts'
import type { Deflate, FileBody, TemporaryFile } from './file-body.ts'

/** How much is gathered before it is compressed and written. */
const pieceChars = 262_144

export interface LineWriter {
  /** The line of a record, with its end; undefined: it belongs into another file. @throws a data error */
  line(record: SinkRecord): string | undefined
}

export class TextBody implements FileBody {
  readonly #file: TemporaryFile
  readonly #writer: LineWriter
  readonly #deflate: Deflate | undefined
  #lines: string[] = []
  #chars = 0

  constructor(file: TemporaryFile, writer: LineWriter, deflate: Deflate | undefined) {
    this.#file = file
    this.#writer = writer
    this.#deflate = deflate
  }

  add(record: SinkRecord): boolean {
    const line = this.#writer.line(record)
    if (line === undefined) return false
    if (this.#chars >= pieceChars) this.finish()
    this.#lines.push(line)
    this.#chars += line.length
    return true
  }

  finish(): void {
    if (this.#chars === 0) return
    const bytes = Buffer.from(this.#lines.join(''))
    this.#file.append(this.#deflate?.(bytes) ?? bytes)
    this.#lines = []
    this.#chars = 0
  }
}

export const jsonLines: LineWriter = { line: ({ value }) => `${json(value)}\n` }
export const recordLines: LineWriter = { line: (record) => lineOf(record, 'record') }
export const textLines: LineWriter = { line: (record) => lineOf(record, 'value') }

/** Columns are those of the first record; one with others needs another file. Fields are quoted where RFC 4180 asks for it. */
export class CsvLines implements LineWriter {
  #columns: readonly string[] | undefined

  line(record: SinkRecord): string | undefined {
    const fields = fieldsOf(record.value)
    const names = Object.keys(fields)
    if (this.#columns === undefined) {
      this.#columns = names
      return csvLine(names) + this.#row(fields)
    }
    const columns = this.#columns
    return names.every((name) => columns.includes(name)) ? this.#row(fields) : undefined
  }

  #row(fields: Readonly<Record<string, unknown>>): string {
    return csvLine(this.#columns!.map((name) => cellOf(fields[name])))
  }
}

/** The fields of a value, as plain data; a value that has none is the one field `value`. @throws a data error for what JSON cannot hold */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (value instanceof Struct) return Object.fromEntries((value.schema.fields ?? []).map(({ name }) => [name, value.get(name)]))
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [String(name), member as unknown]))
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    if (Object.keys(value).length === 0) throw dataError('the value has no fields, so it makes no row')
    return value as Readonly<Record<string, unknown>>
  }
  return { value }
}

function cellOf(value: unknown): string {
  const data = plain(value)
  if (data === null) return ''
  return typeof data === 'object' ? json(value) : String(data as string | number | boolean)
}

function csvLine(cells: readonly string[]): string {
  return `${cells.map((cell) => (/[",\r\n]/u.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\n`
}
