import { readInt32, writeInt32 } from './big-endian.ts'
import type { EntryFile } from './entry-file.ts'

export const offsetIndexEntryBytes = 8

export interface OffsetIndexEntry {
  /** Last offset of the batch, less the base offset of the segment. */
  readonly relativeOffset: number
  /** Where that batch begins in the `.log`. */
  readonly position: number
}

/** `.index`: relative offset i32, position i32, both ascending; one entry for about every `indexIntervalBytes`. */
export class OffsetIndex {
  readonly file: EntryFile

  constructor(file: EntryFile) {
    this.file = file
  }

  append(relativeOffset: number, position: number): void {
    const at = this.file.add()
    writeInt32(this.file.bytes, at, relativeOffset)
    writeInt32(this.file.bytes, at + 4, position)
  }

  entry(index: number): OffsetIndexEntry {
    const at = this.file.entryAt(index)
    return { relativeOffset: readInt32(this.file.bytes, at), position: readInt32(this.file.bytes, at + 4) }
  }

  /** The last entry whose batch ends at or before the offset; null when the search must begin at the start of the segment. */
  floor(relativeOffset: number): OffsetIndexEntry | null {
    let low = 0
    let high = this.file.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.entry(middle).relativeOffset <= relativeOffset) low = middle + 1
      else high = middle
    }
    return low === 0 ? null : this.entry(low - 1)
  }
}
