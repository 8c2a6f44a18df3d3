import { assert } from '../../core/index.ts'
import type { KeysAhead } from '../../core/index.ts'
import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import { ByteRows } from './byte-rows.ts'
import { copyInto } from './bytes.ts'
import { KeyChains } from './key-chains.ts'
import type { BaseLength } from './key-chains.ts'
import { OrderedRows } from './ordered-rows.ts'
import { ScratchBytes } from './scratch-bytes.ts'

/**
 * A byte store in memory. Reads and writes of single keys go through a hash table; the order of keys exists only once
 * something was scanned. The first change of a row since the last commit notes what was there before:
 * ```
 *   changes  Int32Array × 3   row · where its bytes begin in `before` · how many they were (absent: there was no such key)
 *   before   Uint8Array       values one after the other
 * ```
 * A row that is deleted stays, without a value, until the commit: put again meanwhile, it is not noted twice. After `seal` a
 * row may be noted once more, for the commit after the next.
 */
export class MemoryByteStore implements ByteStore {
  readonly #rows = new ByteRows()
  /** Rows without a value. */
  #deleted = 0
  #order: OrderedRows | null = null
  /** Exists once the rows of a key were asked for. */
  #chains: KeyChains | null = null
  #changes = new Int32Array(3 * 8)
  #changeCount = 0
  #before = new Uint8Array(64)
  #beforeLength = 0
  /** How many of the changes are sealed; -1: none is, and the next commit is about all of them. */
  #sealedCount = -1
  #sealedLength = 0
  /** By row number: 1 for a row among the changes that are not sealed. */
  #changed = new Uint8Array(16)
  readonly #borrowed = new ScratchBytes()
  readonly #restored = new ScratchBytes()

  /** Memory that the rows take, used or not. */
  get heldBytes(): number {
    return this.#rows.heldBytes + this.#changes.byteLength + this.#before.byteLength + this.#changed.byteLength
  }

  get(key: Uint8Array): Uint8Array | null {
    const row = this.#rows.find(key)
    return row < 0 ? null : this.#rows.value(row)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    const rows = this.#rows
    const row = rows.find(key)
    if (row < 0) return null
    const length = rows.valueLength(row)
    if (length < 0) return null
    const start = rows.offset(row) + rows.keyLength(row)
    return this.#borrowed.copy(rows.page(row), start, start + length)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    const rows = this.#rows
    const row = rows.find(key)
    if (row < 0) {
      if (value !== null) this.#added(rows.add(key, value), key)
      return
    }
    this.replace(row, value)
  }

  /** As `put`, of the key of a row. */
  replace(row: number, value: Uint8Array | null): void {
    this.touch(row)
    this.#deleted += Number(value === null) - Number(this.#rows.valueLength(row) < 0)
    this.#rows.setValue(row, value)
  }

  /** As `replace`, by the first `length` bytes of `value`; below 0: it is deleted. */
  replaceBy(row: number, value: ScratchBytes, length: number): void {
    this.touch(row)
    this.#deleted += Number(length < 0) - Number(this.#rows.valueLength(row) < 0)
    this.#rows.setValueFrom(row, value, length)
  }

  /** As `put`, of a key that was written to `key` and was just not found in the table; of a deletion, too, there is a row then, until the commit. */
  addIn(key: ScratchBytes, length: number, value: ScratchBytes, valueLength: number): number {
    const row = this.#rows.addFrom(key, length, value, valueLength)
    if (valueLength < 0) this.#deleted++
    this.#added(row, null)
    return row
  }

  /** The row counts as changed since the last commit, or seal: until the commit after that it stays where it is, also without a value. */
  touch(row: number): void {
    if (!this.#isChanged(row)) this.#note(row)
  }

  /** To find rows and read them where they lie; one without a value is deleted. */
  get table(): ByteRows {
    return this.#rows
  }

  /** True: the next commit is about what was sealed. */
  get isSealed(): boolean {
    return this.#sealedCount >= 0
  }

  putRow(table: ByteRows, tableRow: number): void {
    const rows = this.#rows
    const row = rows.findOf(table, tableRow)
    const isDeletion = table.valueLength(tableRow) < 0
    if (row < 0) {
      if (!isDeletion) this.#added(rows.addOf(table, tableRow), null)
      return
    }
    this.touch(row)
    this.#deleted += Number(isDeletion) - Number(rows.valueLength(row) < 0)
    rows.setValueOf(row, table, tableRow)
  }

  /** Numbers of rows in the order of keys, also of those that are deleted. */
  rowsIn({ from, to, reverse }: ByteRange): Iterable<number> {
    const order = (this.#order ??= new OrderedRows(this.#rows, this.#allRows()))
    return reverse ? order.descending(from, to) : order.ascending(from, to)
  }

  *scan(range: ByteRange): Iterable<ByteEntry> {
    for (const row of this.rowsIn(range)) {
      const value = this.#rows.value(row)
      if (value !== null) yield { key: this.#rows.key(row), value }
    }
  }

  /** The numbers of the rows whose keys are `key` and `suffixBytes` bytes more, in the order of whole keys. After a commit they may be those of other rows. */
  rowsOf(key: Uint8Array, suffixBytes: number): readonly number[] {
    this.#chains ??= new KeyChains(this.#rows, (rowKey) => rowKey.length - suffixBytes)
    return this.#chains.rowsOf(key)
  }

  *scanOf(key: Uint8Array, baseLength: BaseLength): Iterable<ByteEntry> {
    this.#chains ??= new KeyChains(this.#rows, baseLength)
    for (const row of this.#chains.rowsOf(key)) {
      const entry = this.entryAt(row)
      if (entry !== null) yield entry
    }
  }

  /** Of a row from `rowsOf`; null when there is none meanwhile. */
  entryAt(row: number): ByteEntry | null {
    if (!this.#rows.isRow(row)) return null
    const value = this.#rows.value(row)
    return value === null ? null : { key: this.#rows.key(row), value }
  }

  lookAhead(keys: KeysAhead): void {
    this.#rows.lookAhead(keys)
  }

  count(): number {
    return this.#rows.count - this.#deleted
  }

  seal(): void {
    assert(this.#sealedCount < 0, 'what was sealed is committed or rolled back before more is')
    for (let index = 0; index < this.#changeCount; index++) this.#changed[this.#changes[3 * index]!] = 0
    this.#sealedCount = this.#changeCount
    this.#sealedLength = this.#beforeLength
  }

  commit(): void {
    const isSealed = this.#sealedCount >= 0
    const count = isSealed ? this.#sealedCount : this.#changeCount
    for (let index = 0; index < count; index++) {
      const row = this.#changes[3 * index]!
      // What was changed after the seal is the next commit's.
      if (isSealed && this.#isChanged(row)) continue
      this.#changed[row] = 0
      if (this.#rows.valueLength(row) < 0) this.#remove(row)
    }
    if (isSealed && this.#changeCount > count) this.#forgetSealed()
    else this.#forgetChanges()
  }

  /** From the last change to the first: one that was sealed may have one behind it. */
  rollback(): void {
    for (let index = this.#changeCount - 1; index >= 0; index--) {
      const row = this.#changes[3 * index]!
      const start = this.#changes[3 * index + 1]!
      const length = this.#changes[3 * index + 2]!
      this.#changed[row] = 0
      if (length === absent) this.#remove(row)
      else if (length !== deleted) this.#rows.setValue(row, this.#restored.copy(this.#before, start, start + length))
      // The change that deleted it was committed, or is sealed and undone later.
      else if (this.#sealedCount < 0 || index < this.#sealedCount) this.#remove(row)
      else this.#rows.setValue(row, null)
    }
    this.#deleted = 0
    this.#forgetChanges()
  }

  #added(row: number, key: Uint8Array | null): void {
    this.#order?.add(row)
    this.#chains?.add(row, key ?? this.#rows.key(row))
    this.#addChange(row, absent)
  }

  #isChanged(row: number): boolean {
    return row < this.#changed.length && this.#changed[row] === 1
  }

  #note(row: number): void {
    const rows = this.#rows
    const length = rows.valueLength(row)
    if (length < 0) {
      this.#addChange(row, deleted)
      return
    }
    this.#addChange(row, length)
    if (this.#beforeLength + length > this.#before.length) this.#before = enlarged(this.#before, this.#beforeLength + length)
    const start = rows.offset(row) + rows.keyLength(row)
    copyInto(this.#before, this.#beforeLength, rows.page(row), start, start + length)
    this.#beforeLength += length
  }

  #addChange(row: number, length: number): void {
    if (row >= this.#changed.length) this.#changed = enlarged(this.#changed, row + 1)
    this.#changed[row] = 1
    const at = 3 * this.#changeCount++
    if (at === this.#changes.length) {
      const larger = new Int32Array(2 * at)
      larger.set(this.#changes)
      this.#changes = larger
    }
    this.#changes[at] = row
    this.#changes[at + 1] = this.#beforeLength
    this.#changes[at + 2] = length
  }

  /** The changes after the seal move to the front. */
  #forgetSealed(): void {
    this.#changes.copyWithin(0, 3 * this.#sealedCount, 3 * this.#changeCount)
    this.#before.copyWithin(0, this.#sealedLength, this.#beforeLength)
    this.#changeCount -= this.#sealedCount
    this.#beforeLength -= this.#sealedLength
    for (let index = 0; index < this.#changeCount; index++) this.#changes[3 * index + 1]! -= this.#sealedLength
    this.#sealedCount = -1
  }

  #forgetChanges(): void {
    this.#sealedCount = -1
    this.#changeCount = 0
    this.#beforeLength = 0
    // One large transaction does not hold its memory for ever.
    if (this.#before.length > keptBytes) this.#before = new Uint8Array(keptBytes)
    if (this.#changes.length > keptChanges) this.#changes = new Int32Array(keptChanges)
  }

  /** A row without a value leaves the table. */
  #remove(row: number): void {
    if (this.#rows.valueLength(row) < 0) this.#deleted--
    this.#order?.delete(row)
    this.#chains?.delete(row)
    this.#rows.remove(row)
  }

  #allRows(): number[] {
    const all: number[] = []
    for (let row = 0; row < this.#rows.limit; row++) if (this.#rows.isRow(row)) all.push(row)
    return all
  }
}

/** Length of what was there before a key that was not. */
const absent = -1
/** Of a row that was deleted before, and whose deletion was sealed. */
const deleted = -2
const keptBytes = 1 << 20
const keptChanges = 3 << 16

function enlarged(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(length, 2 * bytes.length))
  larger.set(bytes)
  return larger
}
