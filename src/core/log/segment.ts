import { join } from 'node:path'
import { StreamError, isStreamError } from '../errors.ts'
import { readInt64 } from './big-endian.ts'
import { EntryFile } from './entry-file.ts'
import type { EntryFileOptions } from './entry-file.ts'
import { segmentFileName } from './file-names.ts'
import type { SegmentFile } from './file-names.ts'
import type { FileHandle, FileSystem } from './file-system.ts'
import { OffsetIndex, offsetIndexEntryBytes } from './offset-index.ts'
import type { ReadHandles } from './read-handles.ts'
import { batchHeaderBytes, batchSizeAt, RecordBatchView } from './record-batch.ts'
import { TimeIndex, timeIndexEntryBytes } from './time-index.ts'
import { TransactionIndex, transactionIndexEntryBytes } from './transaction-index.ts'

export interface SegmentOptions {
  readonly fileSystem: FileSystem
  readonly handles: ReadHandles
  readonly directory: string
  readonly baseOffset: number
}

export interface IndexEntries {
  readonly offsetEntries: number
  readonly timeEntries: number
  readonly transactionEntries: number
}

export interface SegmentReadRequest {
  /** The read begins with the batch that holds this offset, or the first one after it. */
  readonly offset: number
  /** Batches from here on are left out. */
  readonly limitOffset: number
  /** The first batch is returned whatever its size. */
  readonly maxBytes: number
}

const segmentFiles = ['log', 'index', 'timeindex', 'txnindex'] as const
const maxIndexBytes = 64 * 1024 * 1024
/** Positions and relative offsets are int32 in the indexes. */
const maxInt32 = 2147483647
/** A read begins at an index entry, so it may see about so many bytes before the batch it wants. */
const readAheadBytes = 8192

/**
 * One stretch of the log: a `.log` file of batches back to back, and its indexes.
 * ```
 *   active: appended to, indexes in memory ──roll, seal──▶ sealed: read only, indexes on disk ──▶ deleted
 * ```
 */
export class Segment {
  readonly baseOffset: number
  readonly path: string
  /** Bytes of whole batches: what a failed write left behind is beyond it. */
  sizeBytes: number
  readonly offsetIndex: OffsetIndex
  readonly timeIndex: TimeIndex
  readonly transactionIndex: TransactionIndex
  /** Largest timestamp, and the last offset of the first batch that has it; -1 without one. */
  maxTimestamp = -1
  offsetOfMaxTimestamp = -1
  readonly #options: SegmentOptions
  /** Open for writing while active. */
  #file: FileHandle | null
  #bytesSinceIndexEntry = 0
  #firstTimestamp: number | null = null
  /** Where the last read ended: a reader that goes on from there needs no index. */
  #resume = { offset: -1, position: 0 }

  private constructor(options: SegmentOptions, file: FileHandle | null, sizeBytes: number, indexes: SegmentIndexes) {
    this.#options = options
    this.baseOffset = options.baseOffset
    this.path = pathOf(options, 'log')
    this.#file = file
    this.sizeBytes = sizeBytes
    this.offsetIndex = new OffsetIndex(indexes.offset)
    this.timeIndex = new TimeIndex(indexes.time)
    this.transactionIndex = new TransactionIndex(indexes.transaction)
    this.#takeMaxTimestamp()
  }

  /** A new empty segment, or an old file whose indexes will be filled by a scan. */
  static create(options: SegmentOptions): Segment {
    const file = options.fileSystem.open(pathOf(options, 'log'), 'write')
    return new Segment(options, file, file.sizeBytes(), indexesOf(options, (entries) => EntryFile.create(entries)))
  }

  /** Active again, with the index entries that were flushed. */
  static openActive(options: SegmentOptions): Segment {
    const file = options.fileSystem.open(pathOf(options, 'log'), 'write')
    return new Segment(options, file, file.sizeBytes(), indexesOf(options, (entries) => EntryFile.load(entries, maxIndexBytes)))
  }

  /** null when an index is missing or of an impossible size: the segment must be scanned. */
  static openSealed(options: SegmentOptions): Segment | null {
    const status = options.fileSystem.stat(pathOf(options, 'log'))
    const offset = EntryFile.openSealed(entryOptions(options, 'index'))
    const time = EntryFile.openSealed(entryOptions(options, 'timeindex'))
    if (status === null || offset === null || time === null) return null
    const transaction = EntryFile.openSealed(entryOptions(options, 'txnindex')) ?? EntryFile.create(entryOptions(options, 'txnindex'))
    return new Segment(options, null, status.sizeBytes, { offset, time, transaction })
  }

  get isActive(): boolean {
    return this.#file !== null
  }

  /** Of the first batch (its largest); null when empty. */
  get firstTimestamp(): number | null {
    if (this.#firstTimestamp === null && this.sizeBytes > 0) {
      const header = new Uint8Array(batchHeaderBytes)
      this.#options.handles.use(this.path).read(header, 0, batchHeaderBytes, 0)
      this.#firstTimestamp = new RecordBatchView(header).maxTimestamp
    }
    return this.#firstTimestamp
  }

  /** Whether a batch of these bytes that ends at this offset can be expressed in the indexes. */
  canHold(bytes: number, lastOffset: number): boolean {
    return this.sizeBytes + bytes <= maxInt32 && lastOffset - this.baseOffset <= maxInt32
  }

  /** Writes into the page cache. A failed write leaves the segment as it was. @throws STORAGE_FULL, STORAGE_ERROR */
  append(batch: RecordBatchView, indexIntervalBytes: number): void {
    const position = this.sizeBytes
    try {
      this.#file!.write([batch.batchBytes], position)
    } catch (error) {
      this.#file!.truncate(position)
      throw error
    }
    this.index(batch, position, indexIntervalBytes)
  }

  /** Takes a batch that is in the file into account. */
  index(batch: RecordBatchView, position: number, indexIntervalBytes: number): void {
    const { lastOffset, maxTimestamp, sizeBytes } = batch
    this.#firstTimestamp ??= maxTimestamp
    if (maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = maxTimestamp
      this.offsetOfMaxTimestamp = lastOffset
    }
    if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
      this.offsetIndex.append(lastOffset - this.baseOffset, position)
      this.markTime()
      this.#bytesSinceIndexEntry = 0
    }
    this.#bytesSinceIndexEntry += sizeBytes
    this.sizeBytes = position + sizeBytes
  }

  /** Puts the largest timestamp so far into the time index. */
  markTime(): void {
    if (this.isActive && this.maxTimestamp >= 0) this.timeIndex.append(this.maxTimestamp, this.offsetOfMaxTimestamp - this.baseOffset)
  }

  /** Resolves when everything appended before the call is on disk. */
  sync(): Promise<void> {
    return this.#file === null ? Promise.resolve() : this.#file.sync()
  }

  /** The indexes as they are, on disk: for a clean close and before sealing. */
  async flushIndexes(options: { readonly sync: boolean }): Promise<void> {
    this.markTime()
    const files = [this.offsetIndex.file, this.timeIndex.file, ...(this.transactionIndex.file.count > 0 ? [this.transactionIndex.file] : [])]
    const results = await Promise.allSettled(files.map((file) => file.flush(options)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  /** After a sync and a flush: nothing is appended any more, and memory and the descriptor are given back. */
  seal(): void {
    this.offsetIndex.file.seal()
    this.timeIndex.file.seal()
    if (this.transactionIndex.file.count > 0) this.transactionIndex.file.seal()
    this.#closeFile()
  }

  #closeFile(): void {
    this.#file?.close()
    this.#file = null
  }

  /** Gives the descriptors back; nothing is written. */
  close(): void {
    this.#closeFile()
    for (const kind of segmentFiles) this.#options.handles.drop(pathOf(this.#options, kind))
  }

  /** Before a scan from `position` on: the file counts up to there, the indexes up to these numbers of entries. */
  rewind(position: number, entries: IndexEntries): void {
    this.sizeBytes = position
    this.offsetIndex.file.truncate(entries.offsetEntries)
    this.timeIndex.file.truncate(entries.timeEntries)
    this.transactionIndex.file.truncate(entries.transactionEntries)
    this.#takeMaxTimestamp()
  }

  get entries(): IndexEntries {
    return { offsetEntries: this.offsetIndex.file.count, timeEntries: this.timeIndex.file.count, transactionEntries: this.transactionIndex.file.count }
  }

  #takeMaxTimestamp(): void {
    const { last } = this.timeIndex
    this.maxTimestamp = last?.timestamp ?? -1
    this.offsetOfMaxTimestamp = last === null ? -1 : this.baseOffset + last.relativeOffset
  }

  /** Gives up what is in the file behind the whole batches. */
  cutFile(): void {
    this.#file!.truncate(this.sizeBytes)
  }

  /** Whole batches with right checksums, none when the segment has nothing at or after the offset. @throws STORAGE_CORRUPT */
  read(request: SegmentReadRequest): RecordBatchView[] {
    if (this.sizeBytes === 0) return []
    const start = this.#startFor(request.offset)
    const wanted = Math.max(batchHeaderBytes, Math.min(request.maxBytes, this.sizeBytes)) + (start.exact ? 0 : readAheadBytes)
    let chunk = this.#chunk(start.position, wanted)
    let found = this.#collect(chunk, start, request)
    while (found.batches.length === 0 && found.next !== null) {
      chunk = this.#chunk(found.next.position, Math.max(wanted, found.next.neededBytes))
      found = this.#collect(chunk, found.next, request)
    }
    return found.batches
  }

  /** Where to look for the offset: exactly there, or at an index entry before it. */
  #startFor(offset: number): ReadStart {
    if (this.#resume.offset === offset) return { position: this.#resume.position, offset, exact: true }
    const entry = this.offsetIndex.floor(offset - this.baseOffset)
    if (entry === null) return { position: 0, offset: this.baseOffset, exact: offset === this.baseOffset }
    return { position: entry.position, offset: -1, exact: false, endsAt: this.baseOffset + entry.relativeOffset }
  }

  #chunk(position: number, wanted: number): Chunk {
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(wanted, this.sizeBytes - position)))
    const length = this.#options.handles.use(this.path).read(bytes, 0, bytes.length, position)
    if (length < bytes.length) throw this.#damaged(position + length, -1, `the file ends, but ${this.sizeBytes} bytes were written`)
    return { bytes, position }
  }

  /** Takes what the request wants from the chunk; `next` when the first batch of interest is not whole in it. */
  #collect(chunk: Chunk, start: ReadStart, request: SegmentReadRequest): { readonly batches: RecordBatchView[]; readonly next: (ReadStart & { readonly neededBytes: number }) | null } {
    const batches: RecordBatchView[] = []
    let at = 0
    let expected = start.offset
    let taken = 0
    for (;;) {
      const position = chunk.position + at
      if (position >= this.sizeBytes) break
      const size = this.#batchSize(chunk, at, expected)
      if (size === 0) {
        if (batches.length > 0) break
        return { batches, next: { position, offset: expected, exact: true, neededBytes: this.#neededBytes(chunk, at) } }
      }
      const batch = new RecordBatchView(chunk.bytes, at, request.offset)
      this.#ensureOrder(batch, position, expected, start)
      if (batch.baseOffset >= request.limitOffset || (batches.length > 0 && taken + size > request.maxBytes)) break
      if (batch.lastOffset >= request.offset) {
        if (!this.#accept(batch, position, batches.length > 0)) break
        batches.push(batch)
        taken += size
      }
      expected = batch.nextOffset
      at += size
      if (batches.length > 0 && taken >= request.maxBytes) break
    }
    if (batches.length > 0) this.#resume = { offset: expected, position: chunk.position + at }
    return { batches, next: null }
  }

  #batchSize(chunk: Chunk, at: number, offset: number): number {
    try {
      return batchSizeAt(chunk.bytes, at)
    } catch (error) {
      throw this.#damaged(chunk.position + at, offset, messageOf(error))
    }
  }

  /** Bytes from the batch on that are needed to see it whole. */
  #neededBytes(chunk: Chunk, at: number): number {
    const header = new Uint8Array(batchHeaderBytes)
    const position = chunk.position + at
    const length = this.#options.handles.use(this.path).read(header, 0, batchHeaderBytes, position)
    const sizeBytes = length < batchHeaderBytes ? Infinity : new RecordBatchView(header).sizeBytes
    if (position + sizeBytes > this.sizeBytes) throw this.#damaged(position, -1, `a record batch of ${sizeBytes} bytes begins, but only ${this.sizeBytes - position} follow`)
    return sizeBytes
  }

  /** The base offset is outside the checksum: it must follow what came before, and an index entry must tell the truth. */
  #ensureOrder(batch: RecordBatchView, position: number, expected: number, start: ReadStart): void {
    if (batch.baseOffset < expected) throw this.#damaged(position, expected, `a batch of offset ${batch.baseOffset} stands where offset ${expected} or a later one must be`)
    if (position === start.position && start.endsAt !== undefined && batch.lastOffset !== start.endsAt) {
      throw this.#damaged(position, start.endsAt, `the index says that the batch here ends with offset ${start.endsAt}, but it ends with ${batch.lastOffset}`)
    }
  }

  /** False when the batch is damaged and there are good ones before it, which the reader gets first. */
  #accept(batch: RecordBatchView, position: number, hasOthers: boolean): boolean {
    try {
      batch.ensureValid()
      this.#ensureNextFollows(batch, position)
      return true
    } catch (error) {
      if (hasOthers && isStreamError(error)) return false
      if (isStreamError(error, 'STORAGE_CORRUPT')) throw error
      throw this.#damaged(position, batch.baseOffset, messageOf(error))
    }
  }

  #ensureNextFollows(batch: RecordBatchView, position: number): void {
    const next = position + batch.sizeBytes
    if (next + 8 > this.sizeBytes) return
    const nextBase = this.#baseOffsetAt(batch, next)
    if (nextBase < batch.nextOffset) throw this.#damaged(position, batch.baseOffset, `a batch ends with offset ${batch.lastOffset}, but the next one begins with ${nextBase}`)
  }

  #baseOffsetAt(batch: RecordBatchView, position: number): number {
    const at = batch.position + batch.sizeBytes
    if (at + 8 <= batch.bytes.length) return readInt64(batch.bytes, at)
    const base = new Uint8Array(8)
    this.#options.handles.use(this.path).read(base, 0, 8, position)
    return readInt64(base, 0)
  }

  #damaged(position: number, offset: number, what: string): StreamError {
    const where = offset < 0 ? '' : ` (offset ${offset})`
    return new StreamError('STORAGE_CORRUPT', `${this.path} is damaged at position ${position}${where}: ${what}`, { details: { path: this.path, position, offset } })
  }

  /** Removes the files. */
  remove(): void {
    this.close()
    for (const kind of segmentFiles) this.#options.fileSystem.remove(pathOf(this.#options, kind))
  }
}

interface SegmentIndexes {
  readonly offset: EntryFile
  readonly time: EntryFile
  readonly transaction: EntryFile
}

interface Chunk {
  readonly bytes: Uint8Array
  /** In the file. */
  readonly position: number
}

interface ReadStart {
  readonly position: number
  /** The batch there begins with this offset or a later one; -1 when it is not known. */
  readonly offset: number
  readonly exact: boolean
  /** The batch there ends with this offset, says the index. */
  readonly endsAt?: number
}

function pathOf(options: SegmentOptions, kind: SegmentFile): string {
  return join(options.directory, segmentFileName(options.baseOffset, kind))
}

function entryOptions(options: SegmentOptions, kind: 'index' | 'timeindex' | 'txnindex'): EntryFileOptions {
  const entryBytes = { index: offsetIndexEntryBytes, timeindex: timeIndexEntryBytes, txnindex: transactionIndexEntryBytes }[kind]
  return { fileSystem: options.fileSystem, handles: options.handles, path: pathOf(options, kind), entryBytes }
}

function indexesOf(options: SegmentOptions, open: (entries: EntryFileOptions) => EntryFile): SegmentIndexes {
  return { offset: open(entryOptions(options, 'index')), time: open(entryOptions(options, 'timeindex')), transaction: open(entryOptions(options, 'txnindex')) }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
