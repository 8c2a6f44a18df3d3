import { join } from 'node:path'
import { scanBatches } from './batch-scan.ts'
import { EntryFile } from './entry-file.ts'
import type { EntryFileOptions } from './entry-file.ts'
import { segmentFileName } from './file-names.ts'
import type { SegmentFile } from './file-names.ts'
import { allEnded } from './file-system.ts'
import type { FileHandle, FileSystem } from './file-system.ts'
import { OffsetIndex, offsetIndexEntryBytes } from './offset-index.ts'
import type { ReadHandles } from './read-handles.ts'
import { batchHeaderBytes, RecordBatchView } from './record-batch.ts'
import { SegmentReader } from './segment-reader.ts'
import type { SegmentReadRequest } from './segment-reader.ts'
import { TimeIndex, timeIndexEntryBytes } from './time-index.ts'
import type { TimeIndexEntry } from './time-index.ts'
import { trueTransactionEntries, writeTransactionCheck } from './transaction-check.ts'
import { TransactionIndex, transactionIndexEntryBytes } from './transaction-index.ts'

export interface SegmentOptions {
  readonly fileSystem: FileSystem
  readonly handles: ReadHandles
  readonly directory: string
  readonly baseOffset: number
  /** For indexes that must be made anew. */
  readonly indexIntervalBytes: number
}

export interface IndexEntries {
  readonly offsetEntries: number
  readonly timeEntries: number
  readonly transactionEntries: number
}

const segmentFiles = ['log', 'index', 'timeindex', 'txnindex', 'txncheck'] as const
const rewriteBytes = 1024 * 1024
const maxIndexBytes = 64 * 1024 * 1024
/** Positions and relative offsets are int32 in the indexes. */
const maxInt32 = 2147483647

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
  /** Where the next segment begins; no batch reaches over it. */
  endOffset = Infinity
  #offsetIndex: OffsetIndex
  #timeIndex: TimeIndex
  readonly transactionIndex: TransactionIndex
  /** Largest timestamp, and the last offset of the first batch that has it; -1 without one. */
  maxTimestamp = -1
  offsetOfMaxTimestamp = -1
  readonly #options: SegmentOptions
  /** Open for writing while active. */
  #file: FileHandle | null
  #bytesSinceIndexEntry = 0
  #firstTimestamp: number | null = null
  readonly #reader: SegmentReader
  /** Whether the largest timestamp is known to be that of a batch. */
  #isTimeChecked = false
  /** Of a failed write, and it could not be cut off: nothing may be written before it is. */
  #hasLeftOver = false

  private constructor(options: SegmentOptions, file: FileHandle | null, sizeBytes: number, indexes: SegmentIndexes) {
    this.#options = options
    this.baseOffset = options.baseOffset
    this.path = pathOf(options, 'log')
    this.#file = file
    this.sizeBytes = sizeBytes
    this.#offsetIndex = new OffsetIndex(indexes.offset)
    this.#timeIndex = new TimeIndex(indexes.time)
    this.transactionIndex = new TransactionIndex(indexes.transaction)
    this.#reader = new SegmentReader(this, options.handles)
    this.#takeMaxTimestamp()
  }

  get offsetIndex(): OffsetIndex {
    return this.#offsetIndex
  }

  get timeIndex(): TimeIndex {
    return this.#timeIndex
  }

  /** A new empty segment, or an old file whose indexes will be filled by a scan. */
  static create(options: SegmentOptions): Segment {
    const file = options.fileSystem.open(pathOf(options, 'log'), 'write')
    return new Segment(options, file, file.sizeBytes(), indexesOf(options, (entries) => EntryFile.create(entries)))
  }

  /** Active again, with the index entries that were flushed. */
  static openActive(options: SegmentOptions): Segment {
    const indexes = indexesOf(options, (entries) => EntryFile.load(entries, maxIndexBytes))
    const file = options.fileSystem.open(pathOf(options, 'log'), 'write')
    return new Segment(options, file, file.sizeBytes(), indexes)
  }

  /** null when an index is missing or not to be believed: the segment must be scanned. */
  static openSealed(options: SegmentOptions): Segment | null {
    const status = options.fileSystem.stat(pathOf(options, 'log'))
    const offset = EntryFile.openSealed(entryOptions(options, 'index'))
    const time = EntryFile.openSealed(entryOptions(options, 'timeindex'))
    if (status === null || offset === null || time === null) return null
    const transaction = EntryFile.openSealed(entryOptions(options, 'txnindex')) ?? EntryFile.create(entryOptions(options, 'txnindex'))
    const isVouched = transaction.count > 0 || options.fileSystem.stat(pathOf(options, 'txncheck')) !== null
    if (isVouched && trueTransactions(options) !== Math.max(1, transaction.count)) return null
    return new Segment(options, null, status.sizeBytes, { offset, time, transaction })
  }

  get isActive(): boolean {
    return this.#file !== null
  }

  get isSealed(): boolean {
    return !this.isActive
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

  /** Whether an index of so many bytes has no room for an entry behind so many others; the time index keeps one free for the end of the segment. */
  hasFullIndex(indexBytes: number, others: number): boolean {
    return this.offsetIndex.file.sizeBytes + (1 + others) * offsetIndexEntryBytes > indexBytes || this.timeIndex.file.sizeBytes + (2 + others) * timeIndexEntryBytes > indexBytes
  }

  /** Whether a batch of these bytes that ends at this offset can be expressed in the indexes. */
  canHold(bytes: number, lastOffset: number): boolean {
    return this.sizeBytes + bytes <= maxInt32 && lastOffset - this.baseOffset <= maxInt32
  }

  /** Writes into the page cache, one behind the other. A failed write leaves the segment as it was. @throws STORAGE_FULL, STORAGE_ERROR */
  append(batches: readonly RecordBatchView[], indexIntervalBytes: number): void {
    if (this.#hasLeftOver) this.#cutLeftOver()
    try {
      this.#file!.write(batches.map(({ batchBytes }) => batchBytes), this.sizeBytes)
    } catch (error) {
      this.#hasLeftOver = true
      try {
        this.#cutLeftOver()
      } catch {
        // Why the write failed is what the caller has to know; the next one begins with this.
      }
      throw error
    }
    for (const batch of batches) this.index(batch, this.sizeBytes, indexIntervalBytes)
  }

  #cutLeftOver(): void {
    this.#file!.truncate(this.sizeBytes)
    this.#hasLeftOver = false
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
      this.#putTimeEntry()
      this.#bytesSinceIndexEntry = 0
    }
    this.#bytesSinceIndexEntry += sizeBytes
    this.sizeBytes = position + sizeBytes
  }

  /** Puts the largest timestamp so far into the time index. */
  markTime(): void {
    if (this.isActive) this.#putTimeEntry()
  }

  #putTimeEntry(): void {
    if (this.maxTimestamp >= 0) this.timeIndex.append(this.maxTimestamp, this.offsetOfMaxTimestamp - this.baseOffset)
  }

  /** Fills `into` with what was appended from `position` on, while active. */
  readAppended(into: Uint8Array, position: number): void {
    this.#file!.read(into, 0, into.length, position)
  }

  /** Resolves when everything appended before the call is on disk. */
  sync(): Promise<void> {
    return this.#file === null ? Promise.resolve() : this.#file.sync()
  }

  /** The indexes as they are, on disk: for a clean close and before sealing. */
  async flushIndexes(options: { readonly sync: boolean }): Promise<void> {
    this.markTime()
    const flushes = [this.offsetIndex.file.flush(options), this.timeIndex.file.flush(options), this.#flushTransactions(options)]
    await allEnded(flushes)
  }

  async #flushTransactions(options: { readonly sync: boolean }): Promise<void> {
    const { file } = this.transactionIndex
    if (!this.isActive) return
    // Files of entries that a scan did not find any more would come back.
    if (file.count === 0) return removeTransactions(this.#options)
    const entries = file.bytes.slice(0, file.sizeBytes)
    await file.flush(options)
    const check = this.#options.fileSystem.open(pathOf(this.#options, 'txncheck'), 'write')
    try {
      writeTransactionCheck(check, entries)
      if (options.sync) await check.sync()
    } finally {
      check.close()
    }
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

  #forgetTimes(): void {
    this.#bytesSinceIndexEntry = 0
    this.maxTimestamp = -1
    this.offsetOfMaxTimestamp = -1
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

  /**
   * Writes again what is in the file from `position` on. After a failed sync the kernel holds it for clean though it may never have
   * reached the disk, and another sync, also of another process, would say that all is well. @throws STORAGE_FULL, STORAGE_ERROR
   */
  rewrite(position: number): void {
    const chunk = new Uint8Array(Math.min(rewriteBytes, Math.max(0, this.sizeBytes - position)))
    for (let at = position; at < this.sizeBytes;) {
      const length = this.#file!.read(chunk, 0, Math.min(chunk.length, this.sizeBytes - at), at)
      this.#file!.write([chunk.subarray(0, length)], at)
      at += length
    }
  }

  /** Whole batches with right checksums, none when the segment has nothing at or after the offset. @throws STORAGE_CORRUPT */
  read(request: SegmentReadRequest): RecordBatchView[] {
    return this.#reader.read({ ...request, limitOffset: Math.min(request.limitOffset, this.endOffset) })
  }

  /**
   * The batch from which on a record with at least this timestamp may stand, as the offset to read from; null when no record of
   * the segment is so young. @throws STORAGE_CORRUPT
   */
  searchStart(timestamp: number): number | null {
    this.ensureTimeIndex()
    if (this.maxTimestamp < timestamp) return null
    const older = this.timeIndex.below(timestamp)
    if (older === null) return this.baseOffset
    if (this.#isTrue(older)) return this.baseOffset + older.relativeOffset
    this.rebuildIndexes()
    return this.searchStart(timestamp)
  }

  /** Before `maxTimestamp` is believed: it came from the last entry of a file that has no checksum. */
  ensureTimeIndex(): void {
    if (this.#isTimeChecked) return
    this.#isTimeChecked = true
    const { last } = this.timeIndex
    if (last === null ? this.sizeBytes > 0 : !this.#isTrue(last)) this.rebuildIndexes()
  }

  #isTrue({ timestamp, relativeOffset }: TimeIndexEntry): boolean {
    const offset = this.baseOffset + relativeOffset
    const [batch] = this.read({ offset, limitOffset: Infinity, maxBytes: 0 })
    return batch?.lastOffset === offset && batch.maxTimestamp === timestamp
  }

  /**
   * Makes the indexes anew from the batches, in memory; the files that were found to be wrong are removed, so that the next open
   * writes them again. Ends before a damaged batch: reads will find it.
   */
  rebuildIndexes(): void {
    const { handles, fileSystem, indexIntervalBytes } = this.#options
    const { sizeBytes } = this
    for (const { file } of [this.offsetIndex, this.timeIndex]) {
      handles.drop(file.path)
      fileSystem.remove(file.path)
    }
    this.#offsetIndex = new OffsetIndex(EntryFile.create(entryOptions(this.#options, 'index')))
    this.#timeIndex = new TimeIndex(EntryFile.create(entryOptions(this.#options, 'timeindex')))
    this.#forgetTimes()
    scanBatches(handles.use(this.path), 0, sizeBytes, (batch, position) => this.index(batch, position, indexIntervalBytes))
    this.#putTimeEntry()
    this.#isTimeChecked = true
    this.sizeBytes = sizeBytes
  }

  /** Removes the files. */
  remove(): void {
    this.close()
    for (const kind of segmentFiles) this.#options.fileSystem.remove(pathOf(this.#options, kind))
  }
}

/** Of a segment's index of aborted transactions: the entries that are as they were written. */
export function trueTransactions(options: Pick<SegmentOptions, 'fileSystem' | 'directory' | 'baseOffset'>): number {
  return trueTransactionEntries(options.fileSystem, pathOf(options, 'txnindex'), pathOf(options, 'txncheck'))
}

function removeTransactions(options: SegmentOptions): void {
  for (const kind of ['txnindex', 'txncheck'] as const) options.fileSystem.remove(pathOf(options, kind))
}

interface SegmentIndexes {
  readonly offset: EntryFile
  readonly time: EntryFile
  readonly transaction: EntryFile
}

function pathOf(options: Pick<SegmentOptions, 'directory' | 'baseOffset'>, kind: SegmentFile): string {
  return join(options.directory, segmentFileName(options.baseOffset, kind))
}

function entryOptions(options: SegmentOptions, kind: 'index' | 'timeindex' | 'txnindex'): EntryFileOptions {
  const entryBytes = { index: offsetIndexEntryBytes, timeindex: timeIndexEntryBytes, txnindex: transactionIndexEntryBytes }[kind]
  return { fileSystem: options.fileSystem, handles: options.handles, path: pathOf(options, kind), entryBytes }
}

function indexesOf(options: SegmentOptions, open: (entries: EntryFileOptions) => EntryFile): SegmentIndexes {
  return { offset: open(entryOptions(options, 'index')), time: open(entryOptions(options, 'timeindex')), transaction: open(entryOptions(options, 'txnindex')) }
}
