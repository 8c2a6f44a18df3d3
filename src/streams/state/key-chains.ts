import { ByteRows } from './byte-rows.ts'

/** How much of a row's key is the key that rows are looked up by. */
export type BaseLength = (rowKey: Uint8Array) => number

/**
 * The rows of each key, of a table whose keys have more after that (a time, a number, another key): found with one look-up, whatever
 * else there is. Kept by row number, as everything about rows:
 * ```
 *   key ──▶ its row in `bases` ──first──▶ newest row of the key ──next──▶ the one before it ──next──▶ … -1
 *                                         (before: -1)       ◀──before──                 ◀──before── …
 * ```
 */
export class KeyChains {
  readonly #rows: ByteRows
  readonly #baseLength: BaseLength
  readonly #bases = new ByteRows()
  #first = new Int32Array(16)
  #next = new Int32Array(16)
  #before = new Int32Array(16)

  constructor(rows: ByteRows, baseLength: BaseLength) {
    this.#rows = rows
    this.#baseLength = baseLength
    for (let row = 0; row < rows.limit; row++) if (rows.isRow(row)) this.add(row, rows.key(row))
  }

  add(row: number, rowKey: Uint8Array): void {
    const length = this.#baseLength(rowKey)
    let base = this.#bases.find(rowKey, length)
    if (base < 0) {
      base = this.#bases.add(rowKey, null, length)
      if (base >= this.#first.length) this.#first = enlarged(this.#first, base)
      this.#first[base] = -1
    }
    if (row >= this.#next.length) {
      this.#next = enlarged(this.#next, row)
      this.#before = enlarged(this.#before, row)
    }
    const after = this.#first[base]!
    this.#next[row] = after
    this.#before[row] = -1
    if (after >= 0) this.#before[after] = row
    this.#first[base] = row
  }

  /** While the row is still there. */
  delete(row: number): void {
    const after = this.#next[row]!
    const before = this.#before[row]!
    if (after >= 0) this.#before[after] = before
    if (before >= 0) {
      this.#next[before] = after
      return
    }
    const rowKey = this.#rows.key(row)
    const base = this.#bases.find(rowKey, this.#baseLength(rowKey))
    this.#first[base] = after
    if (after < 0) this.#bases.remove(base)
  }

  /** The rows of a key, in the order of their whole keys. */
  rowsOf(key: Uint8Array): readonly number[] {
    const base = this.#bases.find(key)
    if (base < 0) return noRows
    const found: number[] = []
    for (let row = this.#first[base]!; row >= 0; row = this.#next[row]!) found.push(row)
    return found.length === 1 ? found : found.sort((a, b) => this.#rows.compareRows(a, b))
  }
}

const noRows: readonly number[] = []

function enlarged(numbers: Int32Array, index: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * index)
  larger.set(numbers)
  return larger
}
