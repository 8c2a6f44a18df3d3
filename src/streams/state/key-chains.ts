import { ByteRows } from './byte-rows.ts'

/**
 * The rows of each key, of a table whose keys have more after that (a time, a number): found with one look-up, whatever
 * else there is. Kept by row number, as everything about rows:
 * ```
 *   key ──▶ its row in `bases` ──first──▶ newest row of the key ──next──▶ the one before it ──next──▶ … -1
 * ```
 */
export class KeyChains {
  readonly #rows: ByteRows
  readonly #suffixBytes: number
  readonly #bases = new ByteRows()
  #first = new Int32Array(16)
  #next = new Int32Array(16)

  /** `suffixBytes`: of each key of `rows`, what comes after the key that rows are looked up by. */
  constructor(rows: ByteRows, suffixBytes: number) {
    this.#rows = rows
    this.#suffixBytes = suffixBytes
    for (let row = 0; row < rows.limit; row++) if (rows.isRow(row)) this.add(row, rows.key(row))
  }

  add(row: number, rowKey: Uint8Array): void {
    const length = rowKey.length - this.#suffixBytes
    let base = this.#bases.find(rowKey, length)
    if (base < 0) {
      base = this.#bases.add(rowKey, null, length)
      if (base >= this.#first.length) this.#first = enlarged(this.#first, base)
      this.#first[base] = -1
    }
    if (row >= this.#next.length) this.#next = enlarged(this.#next, row)
    this.#next[row] = this.#first[base]!
    this.#first[base] = row
  }

  /** While the row is still there. */
  delete(row: number): void {
    const rowKey = this.#rows.key(row)
    const base = this.#bases.find(rowKey, rowKey.length - this.#suffixBytes)
    const after = this.#next[row]!
    if (this.#first[base] === row) this.#first[base] = after
    else {
      let before = this.#first[base]!
      while (this.#next[before] !== row) before = this.#next[before]!
      this.#next[before] = after
    }
    if (this.#first[base] === -1) this.#bases.remove(base)
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
