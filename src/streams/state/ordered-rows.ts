/** A table of rows that have numbers and keys. */
export interface KeyedTable {
  /** A copy of the key. */
  key(row: number): Uint8Array
  /** Below 0, 0 or above: the key of the row is before, equal to or after `key`, byte by byte. */
  compareKey(row: number, key: Uint8Array): number
  /** As `compareKey`, of two rows. */
  compareRows(row: number, other: number): number
}

/**
 * Row numbers of a table in the order of their keys, for range scans: blocks of at most 256 rows, so that an insert moves a
 * few and never all. A scan goes on from its last key when the set changed under it.
 */
export class OrderedRows {
  readonly #rows: KeyedTable
  readonly #blocks: number[][] = []
  #version = 0

  /** `members` of the table `rows`; later ones are added one by one, and deleted before they are removed from the table. */
  constructor(rows: KeyedTable, members: readonly number[]) {
    this.#rows = rows
    const sorted = members.toSorted((a, b) => rows.compareRows(a, b))
    for (let start = 0; start < sorted.length; start += fillOfNewBlock) this.#blocks.push(sorted.slice(start, start + fillOfNewBlock))
  }

  add(row: number): void {
    this.#version++
    if (this.#blocks.length === 0) {
      this.#blocks.push([row])
      return
    }
    const compare = (other: number) => this.#rows.compareRows(other, row)
    const at = Math.max(0, this.#blockOf(compare))
    const block = this.#blocks[at]!
    const index = lowerBound(block, compare)
    block.splice(index, 0, row)
    if (block.length > maxBlock) this.#blocks.splice(at + 1, 0, block.splice(fillOfNewBlock))
  }

  delete(row: number): void {
    const compare = (other: number) => this.#rows.compareRows(other, row)
    const at = this.#blockOf(compare)
    const block = this.#blocks[at]
    if (block === undefined) return
    const index = lowerBound(block, compare)
    if (block[index] !== row) return
    this.#version++
    block.splice(index, 1)
    if (block.length === 0) this.#blocks.splice(at, 1)
  }

  /** Rows with keys from `from` (inclusive) to `to` (exclusive), ascending. */
  *ascending(from: Uint8Array | undefined, to: Uint8Array | undefined): Generator<number, void, undefined> {
    let position = from === undefined ? start : this.#seek(from)
    let version = this.#version
    for (;;) {
      const row = this.#blocks[position.block]?.[position.index]
      if (row === undefined || (to !== undefined && this.#rows.compareKey(row, to) >= 0)) return
      const key = this.#rows.key(row)
      yield row
      if (this.#version === version) position = this.#next(position)
      else {
        position = this.#after(key)
        version = this.#version
      }
    }
  }

  /** Rows with keys below `to` (exclusive) down to `from` (inclusive). */
  *descending(from: Uint8Array | undefined, to: Uint8Array | undefined): Generator<number, void, undefined> {
    let position = this.#before(to)
    let version = this.#version
    for (;;) {
      const row = this.#blocks[position.block]?.[position.index]
      if (row === undefined || (from !== undefined && this.#rows.compareKey(row, from) < 0)) return
      const key = this.#rows.key(row)
      yield row
      if (this.#version === version) position = this.#previous(position)
      else {
        position = this.#before(key)
        version = this.#version
      }
    }
  }

  /** The last block whose first row is not after what is looked for; -1 when all are. */
  #blockOf(compare: (row: number) => number): number {
    let low = 0
    let high = this.#blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compare(this.#blocks[middle]![0]!) <= 0) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** The first row whose key is not before `key`. */
  #seek(key: Uint8Array): Position {
    const compare = (row: number) => this.#rows.compareKey(row, key)
    const block = Math.max(0, this.#blockOf(compare))
    const index = lowerBound(this.#blocks[block] ?? [], compare)
    return index < (this.#blocks[block]?.length ?? 0) ? { block, index } : { block: block + 1, index: 0 }
  }

  #after(key: Uint8Array): Position {
    const position = this.#seek(key)
    const row = this.#blocks[position.block]?.[position.index]
    return row !== undefined && this.#rows.compareKey(row, key) === 0 ? this.#next(position) : position
  }

  #before(key: Uint8Array | undefined): Position {
    if (key === undefined) return { block: this.#blocks.length - 1, index: (this.#blocks.at(-1)?.length ?? 0) - 1 }
    return this.#previous(this.#seek(key))
  }

  #next({ block, index }: Position): Position {
    return index + 1 < this.#blocks[block]!.length ? { block, index: index + 1 } : { block: block + 1, index: 0 }
  }

  #previous({ block, index }: Position): Position {
    return index > 0 ? { block, index: index - 1 } : { block: block - 1, index: (this.#blocks[block - 1]?.length ?? 0) - 1 }
  }
}

interface Position {
  readonly block: number
  readonly index: number
}

const start: Position = { block: 0, index: 0 }
const maxBlock = 256
const fillOfNewBlock = 128

function lowerBound(block: readonly number[], compare: (row: number) => number): number {
  let low = 0
  let high = block.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(block[middle]!) < 0) low = middle + 1
    else high = middle
  }
  return low
}
