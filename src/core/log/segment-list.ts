import { assert } from '../assert.ts'
import type { RecordBatchView } from './record-batch.ts'
import type { Segment } from './segment.ts'
import type { SegmentReadRequest } from './segment-reader.ts'
import type { AbortedTransaction } from './transaction-index.ts'

/** The segments of a log in the order of their offsets: at least one, and the last is active. Each knows where the next begins. */
export class SegmentList implements Iterable<Segment> {
  readonly #segments: Segment[]

  constructor(segments: readonly Segment[]) {
    assert(segments.length > 0, 'a log without a segment')
    this.#segments = [...segments]
    for (const [i, segment] of segments.entries()) segment.endOffset = segments[i + 1]?.baseOffset ?? Infinity
  }

  get active(): Segment {
    return this.#segments.at(-1)!
  }

  get count(): number {
    return this.#segments.length
  }

  get sizeBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.sizeBytes, 0)
  }

  at(index: number): Segment {
    return this.#segments[index]!
  }

  first(count: number): readonly Segment[] {
    return this.#segments.slice(0, count)
  }

  [Symbol.iterator](): Iterator<Segment> {
    return this.#segments[Symbol.iterator]()
  }

  /** The new active segment. */
  push(segment: Segment): void {
    this.active.endOffset = segment.baseOffset
    this.#segments.push(segment)
  }

  /** Takes out the segments that lie wholly before the offset; the active one stays. */
  takeBefore(offset: number): readonly Segment[] {
    let count = 0
    while (count < this.#segments.length - 1 && this.#segments[count]!.endOffset <= offset) count++
    return this.#segments.splice(0, count)
  }

  /** Whether these are there, one behind the other. */
  includes(group: readonly Segment[]): boolean {
    const at = this.#segments.indexOf(group[0]!)
    return at >= 0 && group.every((segment, i) => this.#segments[at + i] === segment)
  }

  replace(group: readonly Segment[], replacement: Segment): void {
    replacement.endOffset = group.at(-1)!.endOffset
    this.#segments.splice(this.#segments.indexOf(group[0]!), group.length, replacement)
  }

  /** Batches of the first segment that has any for the request; without any, the next offset is the limit. @throws STORAGE_CORRUPT */
  read(request: SegmentReadRequest): { readonly batches: readonly RecordBatchView[]; readonly nextOffset: number } {
    for (let i = this.#indexOf(request.offset); i < this.#segments.length; i++) {
      const batches = this.#segments[i]!.read(request)
      if (batches.length > 0) return { batches, nextOffset: batches.at(-1)!.nextOffset }
    }
    return { batches: [], nextOffset: request.limitOffset }
  }

  /** The aborted transactions that overlap [from, to). @throws STORAGE_CORRUPT */
  abortedIn(from: number, to: number): readonly AbortedTransaction[] {
    const found: AbortedTransaction[] = []
    for (let i = this.#indexOf(from); i < this.#segments.length; i++) {
      const { aborted, complete } = this.#segments[i]!.transactionIndex.overlapping(from, to)
      found.push(...aborted)
      if (complete) break
    }
    return found
  }

  /** Of the last segment that begins at or before the offset. */
  #indexOf(offset: number): number {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#segments[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}
