import { assert } from '../../core/index.ts'
import { ByteHeap } from './byte-heap.ts'
import { hashOf, isSameKey } from './byte-rows.ts'
import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { copyInto, readInt32 } from './bytes.ts'
import { OrderedRows } from './ordered-rows.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import { windowStartIn, windowSuffix } from './store-keys.ts'

/**
 * Windows of which a key may have many, also with one start: what stream joins keep. Rows are only ever added, and are asked for by their key
 * without start and number, so this is the only way to them: one table, in which each key leads to its newest row and each row to the one before it.
 * ```
 *   key ──hash──▶ slots   Int32Array × 2    hash · newest row of the key + 1; the first free slot from `hash & mask` on; 0: free; half of them stay so
 *                   │
 *                   ▼
 *                 rows    32 bytes each     start · latest start among the older rows of the key (Float64)
 *                   │                       hash · address of the block · older row of the key (none) · value length (below 0: the row was replaced)
 *                   ▼
 *                 heap    blocks            key length (4) · key · start (8) · number (4) · up to a whole word · value
 * ```
 * What is not committed is the end of `rows`: a rollback takes rows off there.
 */
export class DuplicateRows implements ByteStore {
  #slots = new Int32Array(2 * initialSlots)
  #rows = new Int32Array(8 * initialRows)
  /** The same memory. */
  #times = new Float64Array(this.#rows.buffer)
  readonly #heap = new ByteHeap()
  #count = 0
  #keyCount = 0
  /** Larger ones were never put: no row has such a key yet. */
  #largestNumber = -1
  /** Rows that were replaced since the last commit. */
  #replaced: number[] = []
  #replacedCount = 0
  #committed: Extent = noExtent
  #sealed: Extent | null = null
  #order: OrderedRows | null = null
  readonly #asked = new ScratchBytes()
  readonly #borrowed = new ScratchBytes()

  get(key: Uint8Array): Uint8Array | null {
    const row = this.#find(key)
    return row < 0 ? null : this.#value(row)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    const row = this.#find(key)
    return row < 0 ? null : this.#borrowed.copy(this.page(row), this.valueAt(row), this.valueAt(row) + this.valueLength(row))
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    const length = key.length - windowSuffix
    if (value !== null) {
      const valueAt = duplicateValueAt(key.length)
      const row = this.#asked.room(valueAt + value.length)
      copyInto(row, 0, key, 0, key.length)
      copyInto(row, valueAt, value, 0, value.length)
      this.add(this.#asked, length, windowStartIn(key, length), readInt32(key, length + 8), value.length)
      return
    }
    const row = this.#find(key)
    if (row !== none) this.#replace(row)
  }

  /**
   * As `put`, of a row that was written as it will lie here, but for the length: its whole key, and the value from `duplicateValueAt` on; `keyLength` is
   * what start and number follow.
   */
  add(written: ScratchBytes, keyLength: number, start: number, number: number, valueLength: number): void {
    const { words: source } = written
    // Numbers rise, but what another program wrote to the changelog may repeat them.
    const before = number > this.#largestNumber ? none : this.#find(written.first(keyLength + windowSuffix))
    if (before !== none) this.#replace(before)
    if (2 * this.#keyCount >= this.#slots.length >> 1) this.#growSlots()
    const row = this.#newRow()
    const hash = hashOf(source, keyLength)
    const slot = this.#slotFor(source, keyLength, hash)
    const older = this.#slots[slot + 1]! - 1
    if (older < 0) this.#keyCount++
    this.#slots[slot] = hash
    this.#slots[slot + 1] = row + 1
    this.#times[4 * row] = start
    this.#times[4 * row + 1] = older < 0 ? -1 : Math.max(this.#times[4 * older]!, this.#times[4 * older + 1]!)
    const length = duplicateValueAt(keyLength + windowSuffix) + valueLength
    const address = this.#heap.allocate(keyOffset + length)
    const fields = 8 * row + 4
    this.#rows[fields] = hash
    this.#rows[fields + 1] = address
    this.#rows[fields + 2] = older
    this.#rows[fields + 3] = valueLength
    const words = this.#heap.words(address)
    const at = this.#heap.offset(address) >> 2
    words[at] = keyLength
    for (let index = 0, count = (length + 3) >>> 2; index < count; index++) words[at + 1 + index] = source[index]!
    if (number > this.#largestNumber) this.#largestNumber = number
    this.#order?.add(row)
  }

  *scan({ from, to, reverse }: ByteRange): Iterable<ByteEntry> {
    const order = (this.#order ??= new OrderedRows(this, this.#allRows()))
    for (const row of reverse ? order.descending(from, to) : order.ascending(from, to)) {
      const entry = this.entryAt(row)
      if (entry !== null) yield entry
    }
  }

  /** The numbers of the rows whose keys are `key`, a start and a number, in the order of whole keys. */
  rowsOf(key: Uint8Array): readonly number[] {
    copyInto(this.#asked.room(key.length), 0, key, 0, key.length)
    const rows: number[] = []
    this.collect(this.#asked, key.length, 0, Infinity, rows, 0)
    return rows
  }

  /** Of a row from `rowsOf`; null when there is none meanwhile. */
  entryAt(row: number): ByteEntry | null {
    return row >= this.#count || this.valueLength(row) < 0 ? null : { key: this.key(row), value: this.#value(row) }
  }

  /** Writes to `rows`, from `first` on, those of the key, which was written to `key`, that start from `from` to `to`, in the order of whole keys; gives where they end. */
  collect(key: ScratchBytes, keyLength: number, from: number, to: number, rows: number[], first: number): number {
    let row = this.#newest(key, keyLength)
    if (row < 0) return first
    const times = this.#times
    let end = first
    let isInOrder = true
    for (; row >= 0; row = this.#rows[8 * row + 6]!) {
      const start = times[4 * row]!
      if (start >= from && start <= to && this.valueLength(row) >= 0) {
        if (end > first && !this.#isBefore(row, rows[end - 1]!)) isInOrder = false
        rows[end++] = row
      }
      if (times[4 * row + 1]! < from) break
    }
    if (end > first + 1) this.#turn(rows, first, end, isInOrder)
    return end
  }

  /** The newest stand first; `isInOrder`: that is the latest first. */
  #turn(rows: number[], first: number, end: number, isInOrder: boolean): void {
    for (let low = first, high = end - 1; low < high; low++, high--) {
      const row = rows[low]!
      rows[low] = rows[high]!
      rows[high] = row
    }
    if (isInOrder) return
    const sorted = rows.slice(first, end).sort((a, b) => (this.#isBefore(a, b) ? -1 : 1))
    for (let index = 0; index < sorted.length; index++) rows[first + index] = sorted[index]!
  }

  /** Of two rows of one key. */
  #isBefore(row: number, other: number): boolean {
    const start = this.#times[4 * row]!
    const otherStart = this.#times[4 * other]!
    return start < otherStart || (start === otherStart && this.#numberOf(row) < this.#numberOf(other))
  }

  startOf(row: number): number {
    return this.#times[4 * row]!
  }

  /** The bytes in which key and value lie, until the next change. */
  page(row: number): Uint8Array {
    return this.#heap.page(this.#rows[8 * row + 5]!)
  }

  valueAt(row: number): number {
    return this.#keyAt(row) + duplicateValueAt(this.#keyLength(row))
  }

  valueLength(row: number): number {
    return this.#rows[8 * row + 7]!
  }

  /** A copy of the whole key. */
  key(row: number): Uint8Array {
    return this.page(row).slice(this.#keyAt(row), this.#keyAt(row) + this.#keyLength(row))
  }

  /** Below 0, 0 or above: the key of the row is before, equal to or after `key`, byte by byte. */
  compareKey(row: number, key: Uint8Array): number {
    return Buffer.compare(this.#keyView(row), key)
  }

  /** As `compareKey`, of two rows. */
  compareRows(row: number, other: number): number {
    return Buffer.compare(this.#keyView(row), this.#keyView(other))
  }

  count(): number {
    return this.#count - this.#replacedCount
  }

  seal(): void {
    assert(this.#sealed === null, 'what was sealed is committed or rolled back before more is')
    this.#sealed = this.#extent
  }

  commit(): void {
    this.#committed = this.#sealed ?? this.#extent
    this.#replaced.splice(0, this.#committed.replaced)
    this.#sealed = null
  }

  rollback(): void {
    for (const row of this.#replaced) this.#rows[8 * row + 7] = ~this.valueLength(row)
    this.#replacedCount -= this.#replaced.length
    this.#replaced = []
    this.#largestNumber = this.#committed.largestNumber
    while (this.#count > this.#committed.count) this.#removeLast()
    this.#sealed = null
    this.#order = null
  }

  get #extent(): Extent {
    return { count: this.#count, replaced: this.#replaced.length, largestNumber: this.#largestNumber }
  }

  #replace(row: number): void {
    this.#order?.delete(row)
    this.#rows[8 * row + 7] = ~this.valueLength(row)
    this.#replaced.push(row)
    this.#replacedCount++
  }

  /** The row of a whole key. */
  #find(key: Uint8Array): number {
    const length = key.length - windowSuffix
    copyInto(this.#asked.room(length), 0, key, 0, length)
    const start = windowStartIn(key, length)
    const number = readInt32(key, length + 8)
    let row = this.#newest(this.#asked, length)
    while (row >= 0 && (this.#times[4 * row] !== start || this.valueLength(row) < 0 || this.#numberOf(row) !== number)) row = this.#rows[8 * row + 6]!
    return row
  }

  /** Of a key that was written to `key`; below 0: there is none. */
  #newest(key: ScratchBytes, keyLength: number): number {
    const { words } = key
    return this.#slots[this.#slotFor(words, keyLength, hashOf(words, keyLength)) + 1]! - 1
  }

  /** Where the key is, or would be. */
  #slotFor(key: Int32Array, keyLength: number, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = (2 * hash) & mask; ; slot = (slot + 2) & mask) {
      const row = slots[slot + 1]! - 1
      if (row < 0 || (slots[slot] === hash && this.#isOf(this.#rows[8 * row + 5]!, key, keyLength))) return slot
    }
  }

  /** Blocks begin at whole words. */
  #isOf(address: number, key: Int32Array, keyLength: number): boolean {
    const words = this.#heap.words(address)
    const at = this.#heap.offset(address) >> 2
    return words[at] === keyLength && isSameKey(words, at + 1, key, 0, keyLength)
  }

  #keyAt(row: number): number {
    return this.#heap.offset(this.#rows[8 * row + 5]!) + keyOffset
  }

  /** Of the whole key. */
  #keyLength(row: number): number {
    const address = this.#rows[8 * row + 5]!
    return this.#heap.words(address)[this.#heap.offset(address) >> 2]! + windowSuffix
  }

  #numberOf(row: number): number {
    return readInt32(this.page(row), this.#keyAt(row) + this.#keyLength(row) - 4)
  }

  #keyView(row: number): Uint8Array {
    return this.page(row).subarray(this.#keyAt(row), this.#keyAt(row) + this.#keyLength(row))
  }

  #value(row: number): Uint8Array {
    return this.page(row).slice(this.valueAt(row), this.valueAt(row) + this.valueLength(row))
  }

  #newRow(): number {
    if (8 * this.#count === this.#rows.length) {
      const larger = new Int32Array(2 * this.#rows.length)
      larger.set(this.#rows)
      this.#rows = larger
      this.#times = new Float64Array(larger.buffer)
    }
    return this.#count++
  }

  #removeLast(): void {
    const row = --this.#count
    const fields = 8 * row + 4
    const hash = this.#rows[fields]!
    const older = this.#rows[fields + 2]!
    const mask = this.#slots.length - 1
    let slot = (2 * hash) & mask
    while (this.#slots[slot + 1] !== row + 1) slot = (slot + 2) & mask
    if (older >= 0) this.#slots[slot + 1] = older + 1
    else {
      this.#vacate(slot)
      this.#keyCount--
    }
    this.#heap.free(this.#rows[fields + 1]!, keyOffset + duplicateValueAt(this.#keyLength(row)) + this.valueLength(row))
  }

  #allRows(): number[] {
    const all: number[] = []
    for (let row = 0; row < this.#count; row++) if (this.valueLength(row) >= 0) all.push(row)
    return all
  }

  /** Hashes stand in the slots, so that no row is looked at. */
  #growSlots(): void {
    const before = this.#slots
    this.#slots = new Int32Array(2 * before.length)
    for (let slot = 0; slot < before.length; slot += 2) if (before[slot + 1] !== 0) this.#place(before[slot]!, before[slot + 1]!)
  }

  #place(hash: number, taken: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = (2 * hash) & mask
    while (slots[slot + 1] !== 0) slot = (slot + 2) & mask
    slots[slot] = hash
    slots[slot + 1] = taken
  }

  /** Keys that the free slot would cut off from the place of their hash are placed again. */
  #vacate(hole: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    slots[hole + 1] = 0
    for (let slot = (hole + 2) & mask; slots[slot + 1] !== 0; slot = (slot + 2) & mask) {
      const taken = slots[slot + 1]!
      slots[slot + 1] = 0
      this.#place(slots[slot]!, taken)
    }
  }
}

/** Where the value follows a whole key of that length: at a whole word. */
export function duplicateValueAt(keyLength: number): number {
  return (keyLength + 3) & ~3
}

/** How far rows go. */
interface Extent {
  readonly count: number
  /** Of `#replaced`. */
  readonly replaced: number
  readonly largestNumber: number
}

const noExtent: Extent = { count: 0, replaced: 0, largestNumber: -1 }
const none = -1
/** In a block: after the length of the key. */
const keyOffset = 4
const initialSlots = 16
const initialRows = 8
