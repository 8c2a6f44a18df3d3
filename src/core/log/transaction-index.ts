import { StreamError } from '../errors.ts'
import { readInt16, readInt64, writeInt16, writeInt64 } from './big-endian.ts'
import type { EntryFile } from './entry-file.ts'

export const transactionIndexEntryBytes = 34

/** A transaction that was aborted, and where. */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Of the abort marker. */
  readonly lastOffset: number
  /** Of the log when the marker was appended: no transaction below it was still open. */
  readonly lastStableOffset: number
}

/** `.txnindex`: version i16 = 0, producer id, first offset, last offset, last stable offset (i64 each), in the order of the markers. */
export class TransactionIndex {
  readonly file: EntryFile

  constructor(file: EntryFile) {
    this.file = file
  }

  append(aborted: AbortedTransaction): void {
    const at = this.file.add()
    const { bytes } = this.file
    writeInt16(bytes, at, 0)
    writeInt64(bytes, at + 2, aborted.producerId)
    writeInt64(bytes, at + 10, aborted.firstOffset)
    writeInt64(bytes, at + 18, aborted.lastOffset)
    writeInt64(bytes, at + 26, aborted.lastStableOffset)
  }

  /** @throws STORAGE_CORRUPT when the entry is of an unknown version or not possible */
  entry(index: number): AbortedTransaction {
    const at = this.file.entryAt(index)
    const { bytes } = this.file
    const entry = {
      producerId: readInt64(bytes, at + 2), firstOffset: readInt64(bytes, at + 10),
      lastOffset: readInt64(bytes, at + 18), lastStableOffset: readInt64(bytes, at + 26),
    }
    if (readInt16(bytes, at) === 0 && entry.firstOffset <= entry.lastOffset) return entry
    throw new StreamError('STORAGE_CORRUPT', `${this.file.path}: entry ${index} is damaged`, { details: { path: this.file.path, position: index * transactionIndexEntryBytes } })
  }

  /** Those that overlap [from, to), in the order of their markers. `complete`: later segments cannot hold more of them. */
  overlapping(from: number, to: number): { readonly aborted: readonly AbortedTransaction[]; readonly complete: boolean } {
    const aborted: AbortedTransaction[] = []
    for (let i = this.#firstEndingAt(from); i < this.file.count; i++) {
      const entry = this.entry(i)
      if (entry.firstOffset < to) aborted.push(entry)
      if (entry.lastStableOffset >= to) return { aborted, complete: true }
    }
    return { aborted, complete: false }
  }

  /** Markers stand in the order of their offsets. */
  #firstEndingAt(offset: number): number {
    let low = 0
    let high = this.file.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.entry(middle).lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
