/**
 * A sorted set of keys for range scans: blocks of at most 256 keys, so that an insert moves a few keys and never all.
 * A scan goes on from its last key when the set changed under it.
 */
export class OrderedKeys {
  readonly #blocks: string[][] = []
  #version = 0

  constructor(keys: Iterable<string>) {
    const sorted = [...keys].sort(compareText)
    for (let start = 0; start < sorted.length; start += fillOfNewBlock) this.#blocks.push(sorted.slice(start, start + fillOfNewBlock))
  }

  add(key: string): void {
    this.#version++
    if (this.#blocks.length === 0) {
      this.#blocks.push([key])
      return
    }
    const at = Math.max(0, this.#blockOf(key))
    const block = this.#blocks[at]!
    const index = lowerBound(block, key)
    if (block[index] === key) return
    block.splice(index, 0, key)
    if (block.length > maxBlock) this.#blocks.splice(at + 1, 0, block.splice(fillOfNewBlock))
  }

  delete(key: string): void {
    const at = this.#blockOf(key)
    const block = this.#blocks[at]
    if (block === undefined) return
    const index = lowerBound(block, key)
    if (block[index] !== key) return
    this.#version++
    block.splice(index, 1)
    if (block.length === 0) this.#blocks.splice(at, 1)
  }

  /** Keys from `from` (inclusive) to `to` (exclusive), ascending. */
  *ascending(from: string | undefined, to: string | undefined): Generator<string, void, undefined> {
    let position = this.#seek(from ?? '')
    let version = this.#version
    for (;;) {
      const key = this.#blocks[position.block]?.[position.index]
      if (key === undefined || (to !== undefined && key >= to)) return
      yield key
      if (this.#version === version) position = this.#next(position)
      else {
        position = this.#seek(`${key}\0`)
        version = this.#version
      }
    }
  }

  /** Keys below `to` (exclusive) down to `from` (inclusive). */
  *descending(from: string | undefined, to: string | undefined): Generator<string, void, undefined> {
    let position = this.#before(to)
    let version = this.#version
    for (;;) {
      const key = this.#blocks[position.block]?.[position.index]
      if (key === undefined || (from !== undefined && key < from)) return
      yield key
      if (this.#version === version) position = this.#previous(position)
      else {
        position = this.#before(key)
        version = this.#version
      }
    }
  }

  /** The last block whose first key is not after `key`; -1 when all are. */
  #blockOf(key: string): number {
    let low = 0
    let high = this.#blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#blocks[middle]![0]! <= key) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  #seek(key: string): Position {
    const block = Math.max(0, this.#blockOf(key))
    const index = lowerBound(this.#blocks[block] ?? [], key)
    return index < (this.#blocks[block]?.length ?? 0) ? { block, index } : { block: block + 1, index: 0 }
  }

  #before(key: string | undefined): Position {
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

const maxBlock = 256
const fillOfNewBlock = 128

function lowerBound(block: readonly string[], key: string): number {
  let low = 0
  let high = block.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (block[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
