/** Parquet: rows are gathered to groups, and each group is written column by column. */
import { Decimal } from 'millrace/connect'
import type { SinkRecord } from 'millrace/connect'
import { ByteWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer'
import type { BasicType } from 'hyparquet-writer'
import { plain } from '../sink/line-format.ts'
import type { FileBody, TemporaryFile } from './file-body.ts'
import { fieldsOf } from './text-body.ts'

type ColumnType = Extract<BasicType, 'BOOLEAN' | 'INT64' | 'DOUBLE' | 'STRING' | 'TIMESTAMP' | 'BYTE_ARRAY' | 'JSON'>
type Row = Readonly<Record<string, unknown>>

/** A group is kept in memory until it is written. */
const groupRows = 10_000
const groupChars = 8 * 1_048_576

const maxInt64 = 2n ** 63n

/** The columns are those of the first group; a row that does not fit them needs another file. Every column may hold null. */
export class ParquetBody implements FileBody {
  readonly #file: TemporaryFile
  readonly #bytes = new ByteWriter()
  #rows: Row[] = []
  #chars = 0
  #columns: ReadonlyMap<string, ColumnType> | undefined
  #writer: ParquetWriter | undefined
  #finished = false

  constructor(file: TemporaryFile) {
    this.#file = file
  }

  add({ value }: SinkRecord): boolean {
    const row = fieldsOf(value)
    if (this.#columns !== undefined && !fits(row, this.#columns)) return false
    this.#drain()
    if (this.#rows.length >= groupRows || this.#chars >= groupChars) {
      this.#writeGroup()
      if (!fits(row, this.#columns!)) return false
    }
    this.#rows.push(row)
    for (const name in row) this.#chars += sizeOf(row[name])
    return true
  }

  finish(): void {
    this.#drain()
    if (this.#rows.length > 0) this.#writeGroup()
    if (!this.#finished) void this.#writer?.finish()
    this.#finished = true
    this.#drain()
  }

  #writeGroup(): void {
    this.#columns ??= columnsOf(this.#rows)
    const columnData = [...this.#columns].map(([name, type]) => ({ name, type, nullable: true, data: this.#rows.map((row) => cellOf(row[name], type)) }))
    this.#writer ??= new ParquetWriter({ writer: this.#bytes, schema: schemaFromColumnData({ columnData }), createdBy: 'millrace' })
    void this.#writer.write({ columnData, rowGroupSize: this.#rows.length })
    this.#rows = []
    this.#chars = 0
    this.#drain()
  }

  /** Gives what is encoded to the disk; after trouble with that, it is still there for the next try. */
  #drain(): void {
    if (this.#bytes.index === 0) return
    this.#file.append(this.#bytes.getBytes())
    this.#bytes.index = 0
  }
}

function columnsOf(rows: readonly Row[]): ReadonlyMap<string, ColumnType> {
  const types = new Map<string, ColumnType | undefined>()
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      const type = typeOf(value)
      const known = types.get(name)
      types.set(name, known === undefined || type === undefined || known === type ? (type ?? known) : common(known, type))
    }
  }
  return new Map([...types].map(([name, type]) => [name, type ?? 'STRING'])) // nothing but nulls so far
}

/** Undefined for null, which fits every type. */
function typeOf(value: unknown): ColumnType | undefined {
  if (value === null || value === undefined) return undefined
  switch (typeof value) {
    case 'boolean':
      return 'BOOLEAN'
    case 'bigint':
      return value < maxInt64 && value >= -maxInt64 ? 'INT64' : 'STRING'
    case 'number':
      return Number.isSafeInteger(value) ? 'INT64' : 'DOUBLE'
    case 'string':
      return 'STRING'
    default:
  }
  if (value instanceof Date) return 'TIMESTAMP'
  if (value instanceof Uint8Array) return 'BYTE_ARRAY'
  return value instanceof Decimal ? 'STRING' : 'JSON'
}

function common(a: ColumnType, b: ColumnType): ColumnType {
  const both = new Set([a, b])
  return both.has('INT64') && both.has('DOUBLE') ? 'DOUBLE' : 'JSON'
}

function fits(row: Row, columns: ReadonlyMap<string, ColumnType>): boolean {
  return Object.entries(row).every(([name, value]) => {
    const [type, column] = [typeOf(value), columns.get(name)]
    if (type === undefined) return column !== undefined || value === undefined
    return type === column || column === 'JSON' || (column === 'DOUBLE' && typeof value === 'number')
  })
}

function cellOf(value: unknown, type: ColumnType): unknown {
  if (value === null || value === undefined) return null
  switch (type) {
    case 'INT64':
      return BigInt(value as number | bigint)
    case 'DOUBLE':
      return Number(value)
    case 'STRING':
      return typeof value === 'string' ? value : String(plain(value))
    case 'JSON':
      return plain(value)
    default:
      return value
  }
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length
  return typeof value === 'object' && value !== null ? 100 : 8
}
