/** Rows as the messages of COPY that they become: a record's row is written while it is read, and no object of it stays until the server has it. */
import { isStreamError } from 'millrace/connect'
import { CopyBinary, hasNoBytes } from './copy-binary.ts'
import { keyOf } from './reduce.ts'
import type { Row } from './row.ts'
import { RowCellsReader } from './statements.ts'
import type { Batch } from './statements.ts'
import type { Table } from './table.ts'

/** How the rows of a table were copied last: those to come tend to be of the same form. */
export interface CopyPlan extends Pick<Batch, 'keyColumns' | 'otherColumns'> {
  readonly table: Table
  readonly keyNames: readonly string[]
  readonly valueNames: readonly string[]
  readonly isDatabaseText: boolean
  /** No two rows of a statement may have the same key. */
  readonly isDistinct: boolean
}

/** The rows of one statement. */
export interface PackedRows {
  /** Of their records, the first one and the one behind the last. */
  readonly from: number
  readonly to: number
  readonly rowCount: number
  /** In order, the first one next; gone when they are sent. */
  readonly messages: Buffer[]
}

export class RowPacker {
  readonly #plan: CopyPlan
  readonly #mostRows: number
  readonly #reader: RowCellsReader
  readonly #done: PackedRows[] = []
  readonly #keys = new Set<string | number>()
  readonly #form = new CopyBinary()
  #messages: Buffer[] = []
  #from = 0
  #rowCount = 0

  constructor(plan: CopyPlan, mostRows: number) {
    this.#plan = plan
    this.#mostRows = mostRows
    this.#reader = new RowCellsReader([...plan.keyColumns, ...plan.otherColumns])
  }

  /** The row of the record at that index. @returns false for a row of another form: then none of them can be packed */
  add(row: Row, index: number): boolean {
    const { keyNames, valueNames, isDatabaseText, isDistinct } = this.#plan
    const { key, values, truncates } = row
    if (truncates || values === null || key.names !== keyNames || values.names !== valueNames || values.isDatabaseText !== isDatabaseText) return false
    if (this.#rowCount === this.#mostRows) this.#close(index)
    if (isDistinct && this.#keys.size === this.#keys.add(keyOf(key)).size) return false
    try {
      this.#reader.copyRow(row, this.#form)
    } catch (error) {
      if (error === hasNoBytes || isStreamError(error, 'INVALID_DATA')) return false
      throw error
    }
    this.#rowCount++
    if (this.#form.isFull) this.#messages.push(this.#form.take())
    return true
  }

  /** All that was added. */
  end(recordCount: number): readonly PackedRows[] {
    if (this.#rowCount > 0) this.#close(recordCount)
    return this.#done
  }

  #close(to: number): void {
    this.#form.end()
    this.#messages.push(this.#form.take())
    this.#done.push({ from: this.#from, to, rowCount: this.#rowCount, messages: this.#messages })
    this.#form.begin()
    this.#messages = []
    this.#from = to
    this.#rowCount = 0
    this.#keys.clear()
  }
}
