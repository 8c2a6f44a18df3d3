/** The SQL of a batch: one parameter a column, each an array with one item a row. */
import { cellText } from './cell-text.ts'
import type { CopyForm } from './copy-bytes.ts'
import type { Fields } from './fields.ts'
import { arrayLiteral, quoteName, quoteText } from './sql-text.ts'
import type { Column, Table } from './table.ts'

export interface Statement {
  readonly text: string
  readonly values: readonly string[]
}

export type WriteMode = 'insert' | 'upsert' | 'update'

/** What a row holds. */
export interface RowCells {
  readonly key: Fields
  readonly values: Fields | null
}

/** Rows that have the same columns. */
export interface Batch {
  readonly keyColumns: readonly Column[]
  readonly otherColumns: readonly Column[]
  readonly rows: readonly RowCells[]
}

export function writeStatement(mode: WriteMode, table: Table, batch: Batch): Statement {
  const { keyColumns, otherColumns, rows } = batch
  const columns = [...keyColumns, ...otherColumns]
  const names = columns.map(({ name }) => quoteName(name))
  const source = unnested(table, columns)
  const text = {
    insert: () => `insert into ${table.name} (${names.join(', ')}) ${withIdentity} select ${source}`,
    upsert: () => `insert into ${table.name} (${names.join(', ')}) ${withIdentity} select ${source} on conflict (${keyColumns.map(({ name }) => quoteName(name)).join(', ')}) ${onConflict(otherColumns)}`,
    update: () => `update ${table.name} as t set ${otherColumns.map(({ name }) => `${quoteName(name)} = s.${quoteName(name)}`).join(', ')} from (select ${source}) as s where ${matching(keyColumns)}`,
  }[mode]()
  return { text, values: parameters(columns, rows) }
}

export function deleteStatement(table: Table, keyColumns: readonly Column[], rows: Batch['rows']): Statement {
  const text = `delete from ${table.name} as t using (select ${unnested(table, keyColumns)}) as s where ${matching(keyColumns)}`
  return { text, values: parameters(keyColumns, rows) }
}

/** Moves the rows of a temporary table into the table. */
export function mergeText(table: Table, { keyColumns, otherColumns }: Pick<Batch, 'keyColumns' | 'otherColumns'>, stage: string): string {
  const names = [...keyColumns, ...otherColumns].map(({ name }) => quoteName(name)).join(', ')
  return `insert into ${table.name} (${names}) ${withIdentity} select ${names} from ${stage} on conflict (${keyColumns.map(({ name }) => quoteName(name)).join(', ')}) ${onConflict(otherColumns)}`
}

/** The record's value, also in a column that the table would rather number by itself. */
const withIdentity = 'overriding system value'

function onConflict(columns: readonly Column[]): string {
  if (columns.length === 0) return 'do nothing'
  return `do update set ${columns.map(({ name }) => `${quoteName(name)} = excluded.${quoteName(name)}`).join(', ')}`
}

function matching(keyColumns: readonly Column[]): string {
  return keyColumns.map(({ name }) => `t.${quoteName(name)} = s.${quoteName(name)}`).join(' and ')
}

/**
 * The select list and source that turn the parameters into rows. Arrays of arrays cannot be unnested, so those travel as texts; members
 * of composite types travel as JSON.
 */
function unnested(table: Table, columns: readonly Column[]): string {
  const arrays = columns.map(({ kind, type }, index) => `$${index + 1}::${kind === 'array' ? 'text' : kind === 'composite' ? 'jsonb' : arrayable(type)}[]`)
  const list = columns.map((column, index) => `${selected(table, column, `c${index}`)} as ${quoteName(column.name)}`)
  return `${list.join(', ')} from unnest(${arrays.join(', ')}) as u (${columns.map((_, index) => `c${index}`).join(', ')})`
}

function selected(table: Table, { kind, name, type }: Column, alias: string): string {
  if (kind === 'array') return `${alias}::${type}`
  if (kind !== 'composite') return alias
  return `(jsonb_populate_record(null::${table.name}, jsonb_build_object(${quoteText(name)}, ${alias}))).${quoteName(name)}`
}

/** `character(3)` would cut longer texts silently in a cast; the column itself refuses them. */
function arrayable(type: string): string {
  return type.replace(/^(character varying|character|bit varying|bit)\(\d+\)$/, (_, base: string) => (base.startsWith('character') ? 'text' : 'bit varying'))
}

function parameters(columns: readonly Column[], rows: Batch['rows']): string[] {
  const reader = new RowCellsReader(columns)
  return columns.map((_, index) => arrayLiteral(rows.map((row) => reader.textOf(row, index))))
}

const nowhere = -1_000_000

/** The cells of columns in rows, wherever each row has them. */
export class RowCellsReader {
  readonly #columns: readonly Column[]
  /** By column, in rows with these names: a place among the values, or below zero the complement of one in the key. */
  readonly #places: number[] = []
  #keyNames: readonly string[] | undefined
  #valueNames: readonly string[] | undefined

  constructor(columns: readonly Column[]) {
    this.#columns = columns
  }

  /** Null for none. @throws a data error */
  textOf(row: RowCells, index: number): string | null {
    this.#findAll(row)
    const { kind, array } = this.#columns[index]!
    const place = this.#places[index]!
    if (place === nowhere) return null
    const fields = place < 0 ? row.key : row.values!
    return cellText(fields.values[place < 0 ? ~place : place], kind, array, fields.isDatabaseText)
  }

  /** All columns of a row. @throws a data error */
  copyRow(row: RowCells, to: CopyForm): void {
    this.#findAll(row)
    const { key, values } = row
    to.startRow(this.#columns.length)
    for (let index = 0; index < this.#columns.length; index++) {
      const place = this.#places[index]!
      const fields = place < 0 ? key : values!
      to.addCell(place === nowhere ? null : fields.values[place < 0 ? ~place : place], this.#columns[index]!, fields.isDatabaseText)
    }
    to.endRow()
  }

  #findAll({ key, values }: RowCells): void {
    if (key.names !== this.#keyNames || values?.names !== this.#valueNames) this.#find(key.names, values?.names)
  }

  #find(keyNames: readonly string[], valueNames: readonly string[] | undefined): void {
    this.#keyNames = keyNames
    this.#valueNames = valueNames
    for (const [index, { name }] of this.#columns.entries()) {
      const ofValue = valueNames?.indexOf(name) ?? -1
      const ofKey = keyNames.indexOf(name)
      this.#places[index] = ofValue >= 0 ? ofValue : ofKey >= 0 ? ~ofKey : nowhere
    }
  }
}
