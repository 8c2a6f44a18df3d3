import { StreamError, isStreamError } from '../errors.ts'
import type { BlockAhead, ReadBlock, ReadMemory } from '../record.ts'
import { readInt64 } from './big-endian.ts'
import type { OffsetIndex, OffsetIndexEntry } from './offset-index.ts'
import type { ReadHandles } from './read-handles.ts'
import { batchHeaderBytes, batchSizeAt, RecordBatchView } from './record-batch.ts'

/** What is read: a segment. */
export interface ReadableSegment {
  readonly path: string
  readonly baseOffset: number
  readonly sizeBytes: number
  readonly offsetIndex: OffsetIndex
  /** When an entry of the offset index does not tell the truth. */
  rebuildIndexes(): void
}

export interface SegmentReadRequest {
  /** The read begins with the batch that holds this offset, or the first one after it. */
  readonly offset: number
  /** Batches from here on are left out; no batch reaches over it. */
  readonly limitOffset: number
  /** The first batch is returned whatever its size. */
  readonly maxBytes: number
  /** As of ReadIntoOptions. */
  readonly memory?: ReadMemory | undefined
}

interface Chunk {
  readonly bytes: Uint8Array
  /** What the bytes are of, if that is used again. */
  readonly block: ReadBlock | null
  /** In the file. */
  readonly position: number
}

interface ReadStart {
  readonly position: number
  /** The batch there begins with this offset or a later one; -1 when it is not known. */
  readonly offset: number
}

interface Collected {
  readonly batches: RecordBatchView[]
  /** Where the first batch of interest begins, when it is not whole in the chunk, and the bytes it takes. */
  readonly next: (ReadStart & { readonly neededBytes: number }) | null
}

/** A read begins at an index entry, so it may see about so many bytes before the batch it wants. */
const readAheadBytes = 8192

/** Less is read as quickly when it is asked for. */
const leastAsideBytes = 256 * 1024
/** For one reader, as for both sides of a join; each is as large as its reads. Where many inputs take turns, most would wait and only take memory. */
const mostAhead = 2
/** So often a block may keep others from being read ahead; then its reader has gone elsewhere, and it makes room. */
const mostInTheWay = 16

/**
 * Finds batches by offset and checks all that it gives out: checksums, and the order of base offsets, which are outside the
 * checksum. What is wrong is named by file and position; good batches before it are given first.
 */
export class SegmentReader {
  readonly #segment: ReadableSegment
  readonly #handles: ReadHandles
  /** Where the last read ended: a reader that goes on from there needs no index. */
  #resume: ReadStart = { offset: -1, position: 0 }

  constructor(segment: ReadableSegment, handles: ReadHandles) {
    this.#segment = segment
    this.#handles = handles
  }

  /** @throws STORAGE_CORRUPT */
  read(request: SegmentReadRequest): RecordBatchView[] {
    const { sizeBytes } = this.#segment
    if (sizeBytes === 0) return []
    const start = this.#startFor(request.offset)
    const wanted = Math.max(batchHeaderBytes, Math.min(request.maxBytes, sizeBytes)) + (start.offset === request.offset ? 0 : readAheadBytes)
    let found = this.#collect(this.#chunk(start.position, wanted, request.memory), start, request)
    while (found.batches.length === 0 && found.next !== null) {
      found = this.#collect(this.#chunk(found.next.position, Math.max(wanted, found.next.neededBytes), request.memory), found.next, request)
    }
    if (found.batches.length > 0) this.#readAhead(request)
    return found.batches
  }

  /** Goes on reading while the reader works on what it is given. What is less than a whole read waits for what will be written behind it. */
  #readAhead({ maxBytes, memory }: SegmentReadRequest): void {
    const { position } = this.#resume
    if (memory?.ahead === undefined || maxBytes < leastAsideBytes || this.#segment.sizeBytes - position < maxBytes) return
    if (!makesRoom(memory.ahead)) return
    const ahead: BlockAhead = { block: memory.take(maxBytes), position, isWhole: false, isDropped: false, inTheWay: 0 }
    memory.ahead.set(this, ahead)
    void this.#fill(ahead)
  }

  /** Never rejects: what is wrong is found by the read that asks for it. */
  async #fill(ahead: BlockAhead): Promise<void> {
    const { bytes } = ahead.block
    try {
      ahead.isWhole = (await this.#handles.use(this.#segment.path).readAside(bytes, ahead.position)) === bytes.length
    } catch {
      // Read once more when it is asked for.
    }
    if (ahead.isDropped) ahead.block.giveBack()
  }

  /** What was read ahead, if it is that, and there already. */
  #takeAhead(position: number, memory: ReadMemory | undefined): Chunk | null {
    const ahead = memory?.ahead?.get(this)
    if (ahead === undefined) return null
    memory!.ahead!.delete(this)
    if (ahead.isWhole && ahead.position === position) return { bytes: ahead.block.bytes, block: ahead.block, position }
    drop(ahead)
    return null
  }

  /** Where to look for the offset: exactly there, or at an index entry before it. */
  #startFor(offset: number): ReadStart {
    const { baseOffset, offsetIndex, sizeBytes } = this.#segment
    if (this.#resume.offset === offset && this.#resume.position < sizeBytes) return this.#resume
    const entry = offsetIndex.floor(offset - baseOffset)
    if (entry === null) return { position: 0, offset: baseOffset }
    const start = this.#checked(entry)
    if (start !== null) return start
    this.#segment.rebuildIndexes()
    return this.#startFor(offset)
  }

  /** Index files have no checksum: the batch must be there and end as the entry says. */
  #checked({ position, relativeOffset }: OffsetIndexEntry): ReadStart | null {
    const header = position >= 0 ? this.#header(position) : null
    if (header?.magic !== 2 || header.lastOffset !== this.#segment.baseOffset + relativeOffset) return null
    return { position, offset: header.baseOffset }
  }

  #header(position: number): RecordBatchView | null {
    const header = new Uint8Array(batchHeaderBytes)
    const length = this.#handles.use(this.#segment.path).read(header, 0, batchHeaderBytes, position)
    return length === batchHeaderBytes ? new RecordBatchView(header) : null
  }

  #chunk(position: number, wanted: number, memory: ReadMemory | undefined): Chunk {
    const ahead = this.#takeAhead(position, memory)
    if (ahead !== null) return ahead
    const { path, sizeBytes } = this.#segment
    const size = Math.max(0, Math.min(wanted, sizeBytes - position))
    const block = memory?.take(size) ?? null
    const bytes = block?.bytes ?? Buffer.allocUnsafeSlow(size)
    const length = this.#handles.use(path).read(bytes, 0, bytes.length, position)
    if (length < bytes.length) throw this.#damaged(position + length, -1, `the file ends, but ${sizeBytes} bytes were written`)
    return { bytes, block, position }
  }

  /** Takes what the request wants from the chunk. */
  #collect(chunk: Chunk, start: ReadStart, request: SegmentReadRequest): Collected {
    const batches: RecordBatchView[] = []
    let at = 0
    let expected = start.offset
    let taken = 0
    while (chunk.position + at < this.#segment.sizeBytes && (batches.length === 0 || taken < request.maxBytes)) {
      const size = this.#batchSize(chunk, at, expected, batches.length > 0)
      if (size === 0 && batches.length === 0) return { batches, next: { position: chunk.position + at, offset: expected, neededBytes: this.#neededBytes(chunk, at, expected) } }
      if (size === 0 || (batches.length > 0 && taken + size > request.maxBytes)) break
      const batch = new RecordBatchView(chunk.bytes, at, request.offset, chunk.block)
      if (expected >= request.limitOffset || !this.#accept(batch, chunk.position + at, expected, request.limitOffset, batches.length > 0)) break
      if (batch.baseOffset >= request.limitOffset) break
      expected = batch.nextOffset
      at += size
      if (batch.lastOffset < request.offset) continue
      batches.push(batch)
      taken += size
    }
    if (batches.length > 0) this.#resume = { offset: expected, position: chunk.position + at }
    return { batches, next: null }
  }

  /** 0: not whole in the chunk; or not possible, when there are good batches before it, which the reader gets first. */
  #batchSize(chunk: Chunk, at: number, offset: number, hasOthers: boolean): number {
    try {
      return batchSizeAt(chunk.bytes, at)
    } catch (error) {
      if (hasOthers) return 0
      throw this.#damaged(chunk.position + at, offset, messageOf(error))
    }
  }

  /** Bytes from the batch on that are needed to see it whole. */
  #neededBytes(chunk: Chunk, at: number, offset: number): number {
    const position = chunk.position + at
    const sizeBytes = this.#header(position)?.sizeBytes ?? Infinity
    const follow = this.#segment.sizeBytes - position
    if (sizeBytes > follow) throw this.#damaged(position, offset, `a record batch of ${sizeBytes} bytes begins, but only ${follow} follow`)
    return sizeBytes
  }

  /** False when the batch is damaged and there are good ones before it. */
  #accept(batch: RecordBatchView, position: number, expected: number, limitOffset: number, hasOthers: boolean): boolean {
    try {
      this.#ensureOrder(batch, position, expected, limitOffset)
      // Those that are passed over too: a damaged end could hide the offset that is looked for.
      this.#ensureWhole(batch, position)
      return true
    } catch (error) {
      if (hasOthers && isStreamError(error, 'STORAGE_CORRUPT')) return false
      throw error
    }
  }

  /** The base offset is outside the checksum: it must be between what came before and what comes behind. */
  #ensureOrder(batch: RecordBatchView, position: number, expected: number, limitOffset: number): void {
    const { baseOffset, nextOffset } = batch
    if (baseOffset < expected) throw this.#damaged(position, expected, `a batch of offset ${baseOffset} stands where offset ${expected} or a later one must be`)
    if (nextOffset > limitOffset) throw this.#damaged(position, expected, `a batch of offsets ${baseOffset} to ${nextOffset - 1} stands before offset ${limitOffset}`)
    const next = position + batch.sizeBytes
    const following = next + 8 > this.#segment.sizeBytes ? nextOffset : this.#baseOffsetAt(batch, next)
    if (following < nextOffset) throw this.#damaged(position, baseOffset, `a batch ends with offset ${nextOffset - 1}, but the next one begins with ${following}`)
  }

  #ensureWhole(batch: RecordBatchView, position: number): void {
    try {
      batch.ensureValid()
    } catch (error) {
      throw this.#damaged(position, batch.baseOffset, messageOf(error))
    }
  }

  #baseOffsetAt(batch: RecordBatchView, position: number): number {
    const at = batch.position + batch.sizeBytes
    if (at + 8 <= batch.bytes.length) return readInt64(batch.bytes, at)
    const base = new Uint8Array(8)
    this.#handles.use(this.#segment.path).read(base, 0, 8, position)
    return readInt64(base, 0)
  }

  #damaged(position: number, offset: number, what: string): StreamError {
    const { path } = this.#segment
    const where = offset < 0 ? '' : ` (offset ${offset})`
    return new StreamError('STORAGE_CORRUPT', `${path} is damaged at position ${position}${where}: ${what}`, { details: { path, position, offset } })
  }
}

/** Whether there is, or could be made, room for one more. */
function makesRoom(blocks: Map<object, BlockAhead>): boolean {
  if (blocks.size < mostAhead) return true
  const [reader, oldest] = blocks.entries().next().value!
  if (++oldest.inTheWay <= mostInTheWay) return false
  blocks.delete(reader)
  drop(oldest)
  return true
}

function drop(ahead: BlockAhead): void {
  ahead.isDropped = true
  if (ahead.isWhole) ahead.block.giveBack()
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
