import type { ByteRows } from './byte-rows.ts'
import { copyInto } from './bytes.ts'
import type { WriteBackRows } from './write-back-rows.ts'

/** Rows that wait for a flush, in the order in which they came, with what they were before: numbers and bytes, so that there is no object for each. */
export class WaitingRows {
  /** The tables that have the rows, each once. */
  #owners: WriteBackRows[] = []
  /** Which of them has the row. */
  #ownerOf = new Int32Array(16)
  /** Of the row that was added last. */
  #lastOwner = -1
  #rows = new Int32Array(16)
  /** Lengths of values; below 0: there was none. */
  #lengths = new Int32Array(16)
  /** Old values, one after the other, where they are kept: `#ends` has where that of a row ends. */
  #ends = new Int32Array(16)
  #values = new Uint8Array(64)
  #valuesEnd = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  owner(index: number): WriteBackRows {
    return this.#owners[this.#ownerOf[index]!]!
  }

  row(index: number): number {
    return this.#rows[index]!
  }

  /** The numbers of those rows from `from` on, up to the size of `rows`, that are in the table; gives how many. */
  rowsIn(table: ByteRows, from: number, rows: Int32Array): number {
    const end = Math.min(this.#count, from + rows.length)
    let count = 0
    for (let index = from; index < end; index++) if (this.owner(index).table === table) rows[count++] = this.#rows[index]!
    return count
  }

  /** A copy. */
  entries(): readonly WaitingRow[] {
    return this.#count === 0 ? noRows : Array.from({ length: this.#count }, (_, index) => ({ owner: this.owner(index), row: this.#rows[index]! }))
  }

  hadValue(index: number): boolean {
    return this.#lengths[index]! >= 0
  }

  /** A copy; null where there was none. Only of rows of which `keepValue` was called. */
  oldValue(index: number): Uint8Array | null {
    const length = this.#lengths[index]!
    return length < 0 ? null : this.#values.slice(this.#ends[index]! - length, this.#ends[index])
  }

  /** Of a row that has a value and is added next. */
  keepValue(table: ByteRows, row: number): void {
    const length = table.valueLength(row)
    if (this.#valuesEnd + length > this.#values.length) {
      const larger = new Uint8Array(Math.max(this.#valuesEnd + length, 2 * this.#values.length))
      larger.set(this.#values)
      this.#values = larger
    }
    const at = table.offset(row) + table.keyLength(row)
    copyInto(this.#values, this.#valuesEnd, table.page(row), at, at + length)
    this.#valuesEnd += length
  }

  /** `length`: of the value that it had. */
  add(owner: WriteBackRows, row: number, length: number): void {
    const index = this.#count++
    if (index === this.#rows.length) {
      this.#rows = enlarged(this.#rows)
      this.#lengths = enlarged(this.#lengths)
      this.#ends = enlarged(this.#ends)
      this.#ownerOf = enlarged(this.#ownerOf)
    }
    if (this.#owners[this.#lastOwner] !== owner) this.#turnTo(owner)
    this.#ownerOf[index] = this.#lastOwner
    this.#rows[index] = row
    this.#lengths[index] = length
    this.#ends[index] = this.#valuesEnd
  }

  #turnTo(owner: WriteBackRows): void {
    const known = this.#owners.indexOf(owner)
    this.#lastOwner = known >= 0 ? known : this.#owners.push(owner) - 1
  }

  clear(): void {
    this.#count = 0
    // Tables that are dropped must not be held.
    this.#owners = []
    this.#lastOwner = -1
    this.#valuesEnd = 0
    // Many old values at one time are not held for ever.
    if (this.#values.length > keptBytes) this.#values = new Uint8Array(keptBytes)
  }
}

export interface WaitingRow {
  readonly owner: WriteBackRows
  readonly row: number
}

export const noRows: readonly WaitingRow[] = []
const keptBytes = 1 << 20

function enlarged(numbers: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * numbers.length)
  larger.set(numbers)
  return larger
}
