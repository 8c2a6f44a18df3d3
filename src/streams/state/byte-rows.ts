import { KeysAhead } from '../../core/index.ts'
import type { RecordsAhead } from '../../core/index.ts'
import { ByteHeap, isSameBlockSize } from './byte-heap.ts'
import { copyInto, copyWords } from './bytes.ts'
import { ScratchBytes } from './scratch-bytes.ts'

/**
 * A hash table from bytes to bytes without strings and without an object per row: nothing for the garbage collector to walk.
 * ```
 *   key ──hash──▶ slots   Int32Array × 2    hash · row number + 1; the first free slot from `hash & mask` on; 0: free; half of them stay so
 *                   │
 *                   ▼
 *                 rows    Int32Array × 4    hash · address of the block · key length · value length (noValue: none)
 *                   │
 *                   ▼
 *                 heap    blocks            key bytes, value bytes
 * ```
 * A row keeps its number until it is removed: whoever keeps more about rows does so in arrays by row number. Numbers are
 * given out again, the last removed first.
 */
export class ByteRows {
  #slots = new Int32Array(2 * initialSlots)
  #rows = new Int32Array(initialSlots * 2)
  readonly #heap = new ByteHeap()
  #count = 0
  /** Row numbers below this were given out at some time. */
  #limit = 0
  /** The row that was removed last; others are linked to it through their address. */
  #firstFree = -1
  /** Of the key that was looked for last. */
  #hash = 0
  #changes = 0

  get count(): number {
    return this.#count
  }

  /** One more than the largest row number so far. */
  get limit(): number {
    return this.#limit
  }

  /** Counts up whenever bytes that are a row's change. */
  get changes(): number {
    return this.#changes
  }

  /** Somebody writes over a value where it lies. */
  overwritten(): void {
    this.#changes++
  }

  /** Memory that rows, slots and blocks take, used or not. */
  get heldBytes(): number {
    return this.#heap.heldBytes + this.#slots.byteLength + this.#rows.byteLength
  }

  /** The row of the key, the first `length` bytes of what is given, or -1. */
  find(key: Uint8Array, length: number = key.length): number {
    copyInto(asked.room(length), 0, key, 0, length)
    return this.findIn(asked, length)
  }

  /** As `find`, of a key that was written to `key`: by words, and without a copy. */
  findIn(key: ScratchBytes, length: number): number {
    return this.#search(hashOf(key.words, length), key.words, 0, length)
  }

  /** As `find`, of the key of a row of another table: its hash is known there, and nothing is copied. */
  findOf(other: ByteRows, otherRow: number): number {
    const address = other.#rows[(otherRow << 2) + 1]!
    return this.#search(other.#rows[otherRow << 2]!, other.#heap.words(address), other.#heap.offset(address) >> 2, other.keyLength(otherRow))
  }

  /** The key is `length` bytes from a word on. */
  #search(hash: number, key: Int32Array, keyAt: number, length: number): number {
    this.#hash = hash
    const slots = this.#slots
    const rows = this.#rows
    const mask = slots.length - 1
    for (let slot = (hash << 1) & mask; ; slot = (slot + 2) & mask) {
      const row = slots[slot + 1]! - 1
      if (row < 0) return -1
      if (slots[slot] === hash && rows[(row << 2) + 2] === length && this.#hasKey(rows[(row << 2) + 1]!, key, keyAt, length)) return row
    }
  }

  /**
   * A hint: fetches into the processor's cache what look-ups of these keys will read. Nothing depends on what is read here: in each of the passes the loads
   * are independent of each other, so that all misses of a pass are waited for at once, not one after the other.
   */
  lookAhead(keys: KeysAhead): void {
    if (this.#count < scatteredRows) return
    const { count, view, keyAt, keyLength } = keys
    const slots = this.#slots
    const mask = slots.length - 1
    let read = 0
    for (let index = 0; index < count; index++) {
      const hash = hashAt(view, keyAt[index]!, keyLength[index]!)
      hashes[index] = hash
      read ^= slots[(hash << 1) & mask]!
    }
    this.#fetch(count, read)
  }

  /** The rows of the keys of these records, or -1; good until a row is added or removed. */
  findAhead(records: RecordsAhead, rows: Int32Array): void {
    const { count, keyAt, keyLength, window } = records
    const { view } = window!
    for (let index = 0; index < count; index++) hashes[index] = hashAt(view, keyAt[index]!, keyLength[index]!)
    if (this.#count >= scatteredRows) this.#fetch(count, 0)
    for (let index = 0; index < count; index++) rows[index] = this.#searchAt(hashes[index]!, view, keyAt[index]!, keyLength[index]!)
  }

  /** As `#search`, of a key that begins anywhere. */
  #searchAt(hash: number, view: DataView, keyAt: number, length: number): number {
    const slots = this.#slots
    const rows = this.#rows
    const mask = slots.length - 1
    for (let slot = (hash << 1) & mask; ; slot = (slot + 2) & mask) {
      const row = slots[slot + 1]! - 1
      if (row < 0) return -1
      if (slots[slot] !== hash || rows[(row << 2) + 2] !== length) continue
      const address = rows[(row << 2) + 1]!
      if (haveSameBytes(this.#heap.view(address), this.#heap.offset(address), view, keyAt, length)) return row
    }
  }

  /** As `lookAhead`, of the keys of rows of another table, whose hashes are known. */
  lookAheadOf({ table, rows, count }: RowsAhead): void {
    if (this.#count < scatteredRows) return
    const slots = this.#slots
    const mask = slots.length - 1
    let read = 0
    for (let index = 0; index < count; index++) {
      const hash = table.#rows[rows[index]! << 2]!
      hashes[index] = hash
      read ^= slots[(hash << 1) & mask]!
    }
    this.#fetch(count, read)
  }

  /** What follows the first slots of that many `hashes`. */
  #fetch(count: number, readBefore: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let read = readBefore
    for (let index = 0; index < count; index++) {
      const hash = hashes[index]!
      let slot = (hash << 1) & mask
      while (slots[slot + 1] !== 0 && slots[slot] !== hash) slot = (slot + 2) & mask
      const row = slots[slot + 1]! - 1
      soughtRows[index] = row
      if (row >= 0) read ^= this.#rows[row << 2]!
    }
    for (let index = 0; index < count; index++) {
      const row = soughtRows[index]!
      if (row >= 0) read ^= this.#heap.fetch(this.#rows[(row << 2) + 1]!, this.#rows[(row << 2) + 2]! + this.#rows[(row << 2) + 3]!)
    }
    readAhead[0]! ^= read
  }

  /** As `add`, of key and value of a row of another table, directly after `findOf`. */
  addOf(other: ByteRows, otherRow: number): number {
    const keyLength = other.keyLength(otherRow)
    const valueLength = other.valueLength(otherRow)
    const row = this.#addEmpty(keyLength, valueLength)
    const address = this.#rows[(row << 2) + 1]!
    const start = other.offset(otherRow)
    copyWords(this.#heap.view(address), this.#heap.offset(address), other.view(otherRow), start, start + keyLength + Math.max(0, valueLength))
    return row
  }

  /** Gives a row the value of a row of another table. */
  setValueOf(row: number, other: ByteRows, otherRow: number): void {
    const length = other.valueLength(otherRow)
    this.#resize(row, length)
    if (length < 0) return
    const address = this.#rows[(row << 2) + 1]!
    const start = other.offset(otherRow) + other.keyLength(otherRow)
    copyWords(this.#heap.view(address), this.#heap.offset(address) + this.#rows[(row << 2) + 2]!, other.view(otherRow), start, start + length)
  }

  /** Adds a row directly after `find` or `findIn` has answered -1 for its key. `value` null: a row without a value. */
  add(key: Uint8Array, value: Uint8Array | null, keyLength: number = key.length): number {
    const row = this.#addEmpty(keyLength, value === null ? noValue : value.length)
    const address = this.#rows[(row << 2) + 1]!
    const page = this.#heap.page(address)
    const offset = this.#heap.offset(address)
    copyInto(page, offset, key, 0, keyLength)
    if (value !== null) copyInto(page, offset + keyLength, value, 0, value.length)
    return row
  }

  /** As `add`, of a key that was written to `key`, and the first `valueLength` bytes of `value`; below 0: none. */
  addFrom(key: ScratchBytes, keyLength: number, value: ScratchBytes, valueLength: number): number {
    const row = this.#addEmpty(keyLength, valueLength)
    const address = this.#rows[(row << 2) + 1]!
    const view = this.#heap.view(address)
    const offset = this.#heap.offset(address)
    copyWords(view, offset, key.view, 0, keyLength)
    if (valueLength > 0) copyWords(view, offset + keyLength, value.view, 0, valueLength)
    return row
  }

  /** A row of the key that was looked for last, whose bytes the caller writes. */
  #addEmpty(keyLength: number, valueLength: number): number {
    if (this.#count << 2 >= this.#slots.length) this.#growSlots()
    const row = this.#newRow()
    this.#changes++
    const at = row << 2
    this.#rows[at] = this.#hash
    this.#rows[at + 1] = this.#heap.allocate(keyLength + Math.max(0, valueLength))
    this.#rows[at + 2] = keyLength
    this.#rows[at + 3] = valueLength
    this.#place(row, this.#hash)
    this.#count++
    return row
  }

  /** As `setValue`, of the first `length` bytes of `value`; below 0: none. */
  setValueFrom(row: number, value: ScratchBytes, length: number): void {
    this.#resize(row, length)
    if (length <= 0) return
    const address = this.#rows[(row << 2) + 1]!
    copyWords(this.#heap.view(address), this.#heap.offset(address) + this.#rows[(row << 2) + 2]!, value.view, 0, length)
  }

  /** In place where the block has the right size; null takes the value away and keeps the row. */
  setValue(row: number, value: Uint8Array | null): void {
    this.#resize(row, value === null ? noValue : value.length)
    if (value === null) return
    const address = this.#rows[(row << 2) + 1]!
    copyInto(this.#heap.page(address), this.#heap.offset(address) + this.#rows[(row << 2) + 2]!, value, 0, value.length)
  }

  /** Makes the room for a value, or for none. */
  #resize(row: number, valueLength: number): void {
    const at = row << 2
    const rows = this.#rows
    const keyLength = rows[at + 2]!
    this.#changes++
    const before = Math.max(0, rows[at + 3]!)
    const length = Math.max(0, valueLength)
    if (before !== length && !isSameBlockSize(keyLength + before, keyLength + length)) this.#move(row, keyLength, before, length)
    rows[at + 3] = valueLength
  }

  remove(row: number): void {
    const at = row << 2
    const rows = this.#rows
    this.#vacate(this.#slotOf(row))
    this.#heap.free(rows[at + 1]!, rows[at + 2]! + Math.max(0, rows[at + 3]!))
    rows[at + 1] = this.#firstFree
    rows[at + 2] = removed
    this.#firstFree = row
    this.#count--
  }

  /** False for a number whose row was removed. */
  isRow(row: number): boolean {
    return this.#rows[(row << 2) + 2] !== removed
  }

  keyLength(row: number): number {
    return this.#rows[(row << 2) + 2]!
  }

  /** Below 0 (noValue): the row has none. */
  valueLength(row: number): number {
    return this.#rows[(row << 2) + 3]!
  }

  /** The bytes in which key and value lie, until the next change of the table. */
  page(row: number): Uint8Array {
    return this.#heap.page(this.#rows[(row << 2) + 1]!)
  }

  /** As `page`, for copies. */
  view(row: number): DataView {
    return this.#heap.view(this.#rows[(row << 2) + 1]!)
  }

  /** Where the key begins in the page; the value follows it. */
  offset(row: number): number {
    return this.#heap.offset(this.#rows[(row << 2) + 1]!)
  }

  /** A copy of the key. */
  key(row: number): Uint8Array {
    const offset = this.offset(row)
    return copyOf(this.page(row), offset, offset + this.keyLength(row))
  }

  /** A copy of the value; null when the row has none. */
  value(row: number): Uint8Array | null {
    const length = this.valueLength(row)
    if (length < 0) return null
    const start = this.offset(row) + this.keyLength(row)
    return copyOf(this.page(row), start, start + length)
  }

  /** Below 0, 0 or above: the key of the row is before, equal to or after `key`, byte by byte. */
  compareKey(row: number, key: Uint8Array): number {
    const page = this.page(row)
    const offset = this.offset(row)
    const length = this.keyLength(row)
    const common = Math.min(length, key.length)
    for (let index = 0; index < common; index++) {
      const difference = page[offset + index]! - key[index]!
      if (difference !== 0) return difference
    }
    return length - key.length
  }

  /** As `compareKey`, of two rows. */
  compareRows(row: number, other: number): number {
    const [page, otherPage] = [this.page(row), this.page(other)]
    const [offset, otherOffset] = [this.offset(row), this.offset(other)]
    const [length, otherLength] = [this.keyLength(row), this.keyLength(other)]
    const common = Math.min(length, otherLength)
    for (let index = 0; index < common; index++) {
      const difference = page[offset + index]! - otherPage[otherOffset + index]!
      if (difference !== 0) return difference
    }
    return length - otherLength
  }

  /** Blocks begin at whole words. */
  #hasKey(address: number, key: Int32Array, keyAt: number, length: number): boolean {
    return isSameKey(this.#heap.words(address), this.#heap.offset(address) >> 2, key, keyAt, length)
  }

  #newRow(): number {
    const reused = this.#firstFree
    if (reused >= 0) {
      this.#firstFree = this.#rows[(reused << 2) + 1]!
      return reused
    }
    if (this.#limit << 2 >= this.#rows.length) {
      const larger = new Int32Array(this.#rows.length * 2)
      larger.set(this.#rows)
      this.#rows = larger
    }
    return this.#limit++
  }

  #move(row: number, keyLength: number, before: number, valueLength: number): void {
    const at = row << 2
    const from = this.#rows[at + 1]!
    const to = this.#heap.allocate(keyLength + valueLength)
    const offset = this.#heap.offset(from)
    copyWords(this.#heap.view(to), this.#heap.offset(to), this.#heap.view(from), offset, offset + keyLength)
    this.#heap.free(from, keyLength + before)
    this.#rows[at + 1] = to
  }

  /** Hashes stand in the slots, so that no row is looked at. */
  #growSlots(): void {
    const before = this.#slots
    this.#slots = new Int32Array(2 * before.length)
    for (let slot = 0; slot < before.length; slot += 2) if (before[slot + 1] !== 0) this.#place(before[slot + 1]! - 1, before[slot]!)
  }

  #place(row: number, hash: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = (hash << 1) & mask
    while (slots[slot + 1] !== 0) slot = (slot + 2) & mask
    slots[slot] = hash
    slots[slot + 1] = row + 1
  }

  #slotOf(row: number): number {
    const mask = this.#slots.length - 1
    let slot = (this.#rows[row << 2]! << 1) & mask
    while (this.#slots[slot + 1] !== row + 1) slot = (slot + 2) & mask
    return slot
  }

  /** Rows that the free slot would cut off from the place of their hash move up. */
  #vacate(from: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = from
    for (let slot = (hole + 2) & mask; slots[slot + 1] !== 0; slot = (slot + 2) & mask) {
      const home = (slots[slot]! << 1) & mask
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      slots[hole] = slots[slot]!
      slots[hole + 1] = slots[slot + 1]!
      hole = slot
    }
    slots[hole + 1] = 0
  }
}

/** Rows of a table, whose keys will be looked up in others soon: at most as many as a group of keys ahead. */
export interface RowsAhead {
  readonly table: ByteRows
  readonly rows: Int32Array
  readonly count: number
}

/** The value length of a row without a value. */
export const noValue = -1
const removed = -1
const initialSlots = 16
/** Fewer rows stay in the processor's cache, with what leads to them. */
const scatteredRows = 16_384
/** Of what was read ahead: kept, so that no compiler leaves the reading out. */
const readAhead = new Int32Array(1)
/** Of the keys that are looked for ahead. */
const hashes = new Int32Array(KeysAhead.groupSize)
const soughtRows = new Int32Array(KeysAhead.groupSize)

/** The key that a table is asked for, of all tables in turn. */
const asked = new ScratchBytes()

/** By number of bytes: what of a word they are, as they lie in memory. */
const firstBytes = Int32Array.from([0, 1, 2, 3], (count) => new Int32Array(Uint8Array.from([0, 1, 2, 3], (index) => (index < count ? 0xff : 0)).buffer)[0]!)

const isLittleEndian = firstBytes[1] === 0xff

/** Of two keys of `length` bytes, each from a word on; of the last word counts what is the key's. */
export function isSameKey(words: Int32Array, start: number, key: Int32Array, keyAt: number, length: number): boolean {
  const whole = length >> 2
  for (let word = 0; word < whole; word++) if (words[start + word] !== key[keyAt + word]) return false
  return (length & 3) === 0 || ((words[start + whole]! ^ key[keyAt + whole]!) & firstBytes[length & 3]!) === 0
}

/** As `isSameKey`, of bytes that begin anywhere. The last bytes are looked at twice where that spares a loop, whose end the processor does not foresee. */
export function haveSameBytes(view: DataView, start: number, other: DataView, otherStart: number, length: number): boolean {
  const shift = otherStart - start
  const end = start + length
  let at = start
  if (length < 4) {
    for (; at < end; at++) if (view.getUint8(at) !== other.getUint8(at + shift)) return false
    return true
  }
  const last = end - 4
  for (; at < last; at += 4) if (view.getInt32(at, true) !== other.getInt32(at + shift, true)) return false
  return view.getInt32(last, true) === other.getInt32(last + shift, true)
}

/** Mixes four bytes at a time. */
export function hashOf(words: Int32Array, length: number): number {
  const whole = length >> 2
  let hash = length
  for (let word = 0; word < whole; word++) {
    hash = Math.imul(hash ^ words[word]!, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  if ((length & 3) !== 0) hash = Math.imul(hash ^ (words[whole]! & firstBytes[length & 3]!), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** As `hashOf`, of bytes that begin anywhere. */
export function hashAt(view: DataView, start: number, length: number): number {
  const whole = start + (length & ~3)
  let hash = length
  let at = start
  for (; at < whole; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, isLittleEndian), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  if ((length & 3) !== 0) hash = Math.imul(hash ^ lastWord(view, at, length & 3), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** As the last word of a key is masked, without what follows it: there may be nothing. */
function lastWord(view: DataView, at: number, count: number): number {
  if (at + 4 <= view.byteLength) return view.getInt32(at, isLittleEndian) & firstBytes[count]!
  let word = 0
  for (let index = 0; index < count; index++) word |= view.getUint8(at + index) << (8 * (isLittleEndian ? index : 3 - index))
  return word
}

function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start)
  copyInto(copy, 0, bytes, start, end)
  return copy
}
