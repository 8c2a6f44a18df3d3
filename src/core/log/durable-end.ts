import type { Segment } from './segment.ts'
import type { UnsyncedBytes } from './sync-journal.ts'

export interface LogEnd {
  readonly offset: number
  /** Where that offset begins. */
  readonly segment: Segment
  readonly position: number
}

/** How much of a log is durable: by its own files, and beyond that by the journal. */
export class DurableEnd {
  #end: LogEnd
  #syncedOffset: number

  constructor(end: LogEnd) {
    this.#end = end
    this.#syncedOffset = end.offset
  }

  /** Everything before is durable. */
  get offset(): number {
    return this.#end.offset
  }

  /** Everything before is in the log's own files on disk. */
  get syncedOffset(): number {
    return this.#syncedOffset
  }

  /** What the journal could take of a log that ends at `end`; null when it lies in more than one segment. */
  unsynced({ offset, segment, position }: LogEnd): UnsyncedBytes | null {
    if (this.#end.segment !== segment) return null
    return { segmentBaseOffset: segment.baseOffset, position: this.#end.position, length: position - this.#end.position, endOffset: offset }
  }

  synced(end: LogEnd): void {
    this.#syncedOffset = end.offset
    if (end.offset >= this.#end.offset) this.#end = end
  }

  journalled({ segmentBaseOffset, position, length, endOffset }: UnsyncedBytes): void {
    const { segment, offset } = this.#end
    if (segment.baseOffset === segmentBaseOffset && endOffset > offset) this.#end = { offset: endOffset, segment, position: position + length }
  }
}
