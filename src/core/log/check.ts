import { join } from 'node:path'
import { isStreamError } from '../errors.ts'
import { applyBatch } from './apply-batch.ts'
import { scanBatches } from './batch-scan.ts'
import { EntryFile } from './entry-file.ts'
import { offsetOfFileName, segmentFileName } from './file-names.ts'
import type { SegmentFile } from './file-names.ts'
import type { FileSystem } from './file-system.ts'
import { OffsetIndex, offsetIndexEntryBytes } from './offset-index.ts'
import { decodeSnapshot, maxSnapshotBytes } from './producer-snapshot.ts'
import { ProducerState } from './producer-state.ts'
import { ReadHandles } from './read-handles.ts'
import type { RecordBatchView } from './record-batch.ts'
import { TimeIndex, timeIndexEntryBytes } from './time-index.ts'
import { TransactionIndex, transactionIndexEntryBytes } from './transaction-index.ts'

/** Something that is not as it must be. */
export interface CheckFinding {
  readonly path: string
  /** In bytes. */
  readonly position: number
  readonly problem: string
}

export interface PartitionCheck {
  readonly segments: number
  readonly batches: number
  readonly records: number
  readonly bytes: number
  /** At most a hundred. */
  readonly findings: readonly CheckFinding[]
}

const maxFindings = 100

/**
 * Walks the files of one partition and proves that they are consistent, or says where they are not: every batch whole, with a
 * right checksum and in order, every record readable, every index entry true, every producer snapshot readable. Nothing is changed;
 * the log must not be open. What is missing and would be made again at the next open (an index) is no finding. @throws STORAGE_ERROR
 */
export function checkPartition(fileSystem: FileSystem, directory: string): PartitionCheck {
  const check = new PartitionChecker(fileSystem, directory)
  try {
    check.run()
    return check.result()
  } finally {
    check.handles.close()
  }
}

class PartitionChecker {
  readonly handles: ReadHandles
  readonly #fileSystem: FileSystem
  readonly #directory: string
  readonly #findings: CheckFinding[] = []
  readonly #producers = new ProducerState()
  #nextOffset = 0
  #segments = 0
  #batches = 0
  #records = 0
  #bytes = 0

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem
    this.#directory = directory
    this.handles = new ReadHandles(fileSystem)
  }

  result(): PartitionCheck {
    return { segments: this.#segments, batches: this.#batches, records: this.#records, bytes: this.#bytes, findings: this.#findings.slice(0, maxFindings) }
  }

  run(): void {
    const offsets = (kind: SegmentFile) => this.#fileSystem.list(this.#directory).map((name) => offsetOfFileName(name, kind)).filter((offset) => offset !== null)
    const bases = offsets('log')
    for (const offset of offsets('snapshot')) this.#checkSnapshot(offset, offset === bases[0])
    for (const base of bases) this.#checkSegment(base)
  }

  #path(base: number, kind: SegmentFile): string {
    return join(this.#directory, segmentFileName(base, kind))
  }

  #find(path: string, position: number, problem: string): void {
    this.#findings.push({ path, position, problem })
  }

  /** The first one tells who the producers were before the log begins. */
  #checkSnapshot(offset: number, isFirst: boolean): void {
    const path = this.#path(offset, 'snapshot')
    try {
      const entries = decodeSnapshot(this.#fileSystem.readFile(path, maxSnapshotBytes)!, path)
      if (isFirst) this.#producers.restore(entries)
    } catch (error) {
      if (!isStreamError(error, 'STORAGE_CORRUPT')) throw error
      this.#find(path, 0, error.message)
    }
  }

  #checkSegment(base: number): void {
    const path = this.#path(base, 'log')
    const sizeBytes = this.#fileSystem.stat(path)!.sizeBytes
    if (base < this.#nextOffset) this.#find(path, 0, `it begins with offset ${base}, but the segment before ends with ${this.#nextOffset - 1}`)
    this.#nextOffset = base
    const indexes = new IndexChecker(base, this.#indexFile(base, 'index', offsetIndexEntryBytes), this.#indexFile(base, 'timeindex', timeIndexEntryBytes))
    const aborted = new TransactionIndex(EntryFile.create(this.#entryOptions(base, 'txnindex', transactionIndexEntryBytes)))
    const { position, problem } = scanBatches(this.handles.use(path), 0, sizeBytes, (batch, at) => {
      this.#checkBatch(batch, path, at)
      for (const finding of indexes.visit(batch, at)) this.#findings.push(finding)
      applyBatch(batch, this.#producers, aborted)
    })
    if (problem !== null) this.#find(path, position, problem.message)
    else for (const finding of indexes.end()) this.#findings.push(finding)
    if (problem === null) this.#checkTransactionIndex(base, aborted)
    this.#segments++
    this.#bytes += position
  }

  #entryOptions(base: number, kind: SegmentFile, entryBytes: number) {
    return { fileSystem: this.#fileSystem, handles: this.handles, path: this.#path(base, kind), entryBytes }
  }

  #indexFile(base: number, kind: 'index' | 'timeindex' | 'txnindex', entryBytes: number): EntryFile | null {
    const options = this.#entryOptions(base, kind, entryBytes)
    const file = EntryFile.openSealed(options)
    if (file === null && this.#fileSystem.stat(options.path) !== null) this.#find(options.path, 0, `its size is no multiple of ${entryBytes}`)
    return file
  }

  #checkBatch(batch: RecordBatchView, path: string, position: number): void {
    if (batch.baseOffset < this.#nextOffset) this.#find(path, position, `offset ${batch.baseOffset} stands where ${this.#nextOffset} or a later one must be`)
    this.#nextOffset = batch.nextOffset
    this.#batches++
    try {
      for (const record of batch) {
        this.#records++
        if (record.offset < batch.baseOffset || record.offset > batch.lastOffset) this.#find(path, position, `a record has offset ${record.offset}, outside its batch of ${batch.baseOffset} to ${batch.lastOffset}`)
      }
    } catch (error) {
      // What cannot be inflated here is not damaged.
      if (!isStreamError(error) || error.code === 'UNSUPPORTED_COMPRESSION_TYPE') return
      this.#find(path, position, error.message)
    }
  }

  #checkTransactionIndex(base: number, expected: TransactionIndex): void {
    const file = this.#indexFile(base, 'txnindex', transactionIndexEntryBytes)
    const count = file?.count ?? 0
    for (let i = 0; i < Math.max(count, expected.file.count); i++) {
      const found = i < count ? this.#abortedAt(new TransactionIndex(file!), i) : null
      const wanted = i < expected.file.count ? this.#abortedAt(expected, i) : null
      if (found !== wanted) this.#find(this.#path(base, 'txnindex'), i * transactionIndexEntryBytes, `the aborted transaction here is ${found ?? 'missing'}; the log says ${wanted ?? 'that there is none'}`)
    }
  }

  #abortedAt(index: TransactionIndex, i: number): string {
    try {
      return JSON.stringify(index.entry(i))
    } catch (error) {
      if (isStreamError(error, 'STORAGE_CORRUPT')) return 'damaged'
      throw error
    }
  }
}

/** Holds the entries of a segment's indexes against its batches, in one walk along both. */
class IndexChecker {
  readonly #base: number
  readonly #offsets: OffsetIndex | null
  readonly #times: TimeIndex | null
  #nextOffsetEntry = 0
  #nextTimeEntry = 0
  #maxTimestamp = -1

  constructor(base: number, offsets: EntryFile | null, times: EntryFile | null) {
    this.#base = base
    this.#offsets = offsets === null ? null : new OffsetIndex(offsets)
    this.#times = times === null ? null : new TimeIndex(times)
  }

  *visit(batch: RecordBatchView, position: number): Iterable<CheckFinding> {
    this.#maxTimestamp = Math.max(this.#maxTimestamp, batch.maxTimestamp)
    yield* this.#visitOffsets(batch, position)
    yield* this.#visitTimes(batch)
  }

  *#visitOffsets(batch: RecordBatchView, position: number): Iterable<CheckFinding> {
    const index = this.#offsets
    while (index !== null && this.#nextOffsetEntry < index.file.count) {
      const entry = index.entry(this.#nextOffsetEntry)
      if (entry.position > position) return
      if (entry.position < position || entry.relativeOffset !== batch.lastOffset - this.#base) {
        yield this.#lie(index.file, this.#nextOffsetEntry, offsetIndexEntryBytes, `no batch that ends with offset ${this.#base + entry.relativeOffset} begins at ${entry.position}`)
      }
      this.#nextOffsetEntry++
    }
  }

  *#visitTimes(batch: RecordBatchView): Iterable<CheckFinding> {
    const index = this.#times
    const relativeOffset = batch.lastOffset - this.#base
    while (index !== null && this.#nextTimeEntry < index.file.count) {
      const entry = index.entry(this.#nextTimeEntry)
      if (entry.relativeOffset > relativeOffset) return
      if (entry.relativeOffset < relativeOffset || entry.timestamp !== this.#maxTimestamp) {
        yield this.#lie(index.file, this.#nextTimeEntry, timeIndexEntryBytes, `${entry.timestamp} is not the largest timestamp up to offset ${this.#base + entry.relativeOffset}`)
      }
      this.#nextTimeEntry++
    }
  }

  /** Entries behind the last batch. */
  *end(): Iterable<CheckFinding> {
    if (this.#offsets !== null && this.#nextOffsetEntry < this.#offsets.file.count) yield this.#lie(this.#offsets.file, this.#nextOffsetEntry, offsetIndexEntryBytes, 'it points behind the end of the log')
    if (this.#times !== null && this.#nextTimeEntry < this.#times.file.count) yield this.#lie(this.#times.file, this.#nextTimeEntry, timeIndexEntryBytes, 'it points behind the end of the log')
  }

  #lie(file: EntryFile, entry: number, entryBytes: number, problem: string): CheckFinding {
    return { path: file.path, position: entry * entryBytes, problem: `entry ${entry} is wrong: ${problem}` }
  }
}
