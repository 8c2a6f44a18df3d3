import { readInt32, readInt64, writeInt32, writeInt64 } from './big-endian.ts'
import type { EntryFile } from './entry-file.ts'

export const timeIndexEntryBytes = 12

export interface TimeIndexEntry {
  /** The largest timestamp of the segment up to the batch. */
  readonly timestamp: number
  /** Last offset of the batch that has it, less the base offset of the segment. */
  readonly relativeOffset: number
}

/** `.timeindex`: timestamp i64 (strictly ascending), relative offset i32 (ascending). */
export class TimeIndex {
  readonly file: EntryFile

  constructor(file: EntryFile) {
    this.file = file
  }

  get last(): TimeIndexEntry | null {
    return this.file.count === 0 ? null : this.entry(this.file.count - 1)
  }

  /** A timestamp that is not above the last one adds nothing. */
  append(timestamp: number, relativeOffset: number): void {
    const { last } = this
    if (last !== null && timestamp <= last.timestamp) return
    const at = this.file.add()
    writeInt64(this.file.bytes, at, timestamp)
    writeInt32(this.file.bytes, at + 8, relativeOffset)
  }

  entry(index: number): TimeIndexEntry {
    const at = this.file.entryAt(index)
    return { timestamp: readInt64(this.file.bytes, at), relativeOffset: readInt32(this.file.bytes, at + 8) }
  }

  /** The last entry with a timestamp below this one: no record at or before its batch is as young as the timestamp. */
  below(timestamp: number): TimeIndexEntry | null {
    let low = 0
    let high = this.file.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.entry(middle).timestamp < timestamp) low = middle + 1
      else high = middle
    }
    return low === 0 ? null : this.entry(low - 1)
  }
}
