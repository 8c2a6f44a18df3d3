import { join } from 'node:path'
import { StreamError, isStreamError } from '../errors.ts'
import { scanBatches } from './batch-scan.ts'
import { recoverCompaction } from './compaction-commit.ts'
import { offsetOfFileName, segmentFileName } from './file-names.ts'
import type { SegmentFile } from './file-names.ts'
import type { FileSystem } from './file-system.ts'
import { readCheckpoint } from './log-checkpoint.ts'
import type { LogCheckpoint } from './log-checkpoint.ts'
import { applyBatch } from './apply-batch.ts'
import { decodeSnapshot, maxSnapshotBytes, removeSnapshots } from './producer-snapshot.ts'
import { ProducerState } from './producer-state.ts'
import type { ReadHandles } from './read-handles.ts'
import type { RecordBatchView } from './record-batch.ts'
import { Segment, trueTransactions } from './segment.ts'
import type { IndexEntries } from './segment.ts'
import { offsetIndexEntryBytes } from './offset-index.ts'
import { timeIndexEntryBytes } from './time-index.ts'
import { isTornWrite } from './torn-tail.ts'

export interface RecoveryOptions {
  readonly fileSystem: FileSystem
  readonly handles: ReadHandles
  readonly directory: string
  readonly indexIntervalBytes: number
}

export interface RecoveredLog {
  /** In order of offset, at least one; the last is active. */
  readonly segments: Segment[]
  readonly producers: ProducerState
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Everything before was compacted. */
  readonly cleanedOffset: number
  /** As it was found. */
  readonly checkpoint: LogCheckpoint | null
  /** True when batches were looked at, or the log is new: the caller writes a checkpoint, so that it is not done again. */
  readonly scanned: boolean
  /** Bytes of a torn write that were cut. */
  readonly cutBytes: number
  /** Set when data that may have been acknowledged is damaged: the log ends before it and must not be appended to. */
  readonly damage: StreamError | null
}

/** Where the scan begins: everything before is trusted. */
interface ScanStart {
  /** Index into the base offsets, and that base offset. */
  readonly segment: number
  readonly baseOffset: number
  readonly position: number
  readonly offset: number
  /** Of the first segment's indexes that are trusted. */
  readonly entries: IndexEntries
  readonly producers: ProducerState
}

const noEntries: IndexEntries = { offsetEntries: 0, timeEntries: 0, transactionEntries: 0 }

/**
 * Opens what is in a partition's directory:
 * 1. End or undo an interrupted compaction, and remove what an interrupted replacement left behind.
 * 2. Find where the scan begins: after the checkpoint, but not after a segment without indexes or the newest good producer snapshot.
 * 3. Open the segments before that as they are.
 * 4. Scan the others: verify each batch, fill indexes and producer state, and stop at the first batch that is not good.
 * 5. A torn write is cut, with what comes after it; damage is left alone and reported.
 * 6. Bring what was scanned to disk, by writing it again: the process before may have ended because a sync failed.
 */
export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  await recoverCompaction(options.fileSystem, options.directory)
  removeLeftovers(options)
  const baseOffsets = listBaseOffsets(options)
  const checkpoint = readCheckpoint(options.fileSystem, options.directory)
  if (baseOffsets.length === 0) return newLog(options, checkpoint)
  const start = findScanStart(options, baseOffsets, checkpoint)
  const segments = baseOffsets.slice(0, start.segment).map((baseOffset) => Segment.openSealed({ ...options, baseOffset })!)
  const endOffset = start.position > 0 ? start.offset : start.baseOffset
  const scan = await closingOnFailure(segments, async () => {
    const result = scanSegments({ options, start, gapsBefore: checkpoint?.recoveryOffset ?? Infinity, endOffset, batches: 0 }, baseOffsets, segments)
    await finishScan(options, segments, start, result)
    return result
  })
  const logStartOffset = Math.max(checkpoint?.logStartOffset ?? 0, segments[0]!.baseOffset)
  return { segments, producers: start.producers, logStartOffset, logEndOffset: Math.max(scan.endOffset, logStartOffset), cleanedOffset: checkpoint?.cleanedOffset ?? 0, checkpoint, scanned: scan.batches > 0 || scan.cutBytes > 0, cutBytes: scan.cutBytes, damage: scan.damage }
}

/** Where the step fails, no file of the segments stays open. */
export async function closingOnFailure<T>(segments: readonly Segment[], step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    for (const segment of segments) segment.close()
    throw error
  }
}

function removeLeftovers({ fileSystem, directory }: RecoveryOptions): void {
  for (const name of fileSystem.list(directory)) if (name.endsWith('.tmp')) fileSystem.remove(join(directory, name))
}

function listBaseOffsets({ fileSystem, directory }: RecoveryOptions): readonly number[] {
  return fileSystem.list(directory).map((name) => offsetOfFileName(name, 'log')).filter((offset) => offset !== null)
}

function newLog(options: RecoveryOptions, checkpoint: LogCheckpoint | null): RecoveredLog {
  const baseOffset = checkpoint?.logStartOffset ?? 0
  if (checkpoint !== null && checkpoint.recoveryOffset > baseOffset) {
    throw new StreamError('STORAGE_CORRUPT', `${options.directory} has no .log file, but its checkpoint says that offsets ${baseOffset} to ${checkpoint.recoveryOffset} were there`, { details: { path: options.directory } })
  }
  const segment = Segment.create({ ...options, baseOffset })
  return { segments: [segment], producers: new ProducerState(), logStartOffset: baseOffset, logEndOffset: baseOffset, cleanedOffset: 0, checkpoint, scanned: true, cutBytes: 0, damage: null }
}

// ---------------------------------------------------------------------------------------------------- where to begin

function findScanStart(options: RecoveryOptions, baseOffsets: readonly number[], checkpoint: LogCheckpoint | null): ScanStart {
  const trusted = trustedStart(options, baseOffsets, checkpoint)
  const indexed = firstWithoutIndexes(options, baseOffsets, trusted.segment)
  const wanted = indexed < trusted.segment ? { segment: indexed, position: 0, offset: baseOffsets[indexed]!, entries: noEntries } : trusted
  const snapshot = newestSnapshot(options, wanted.offset)
  const producers = new ProducerState()
  producers.restore(snapshot.entries)
  if (snapshot.offset >= wanted.offset) return { ...wanted, baseOffset: baseOffsets[wanted.segment]!, producers }
  const segment = Math.max(0, baseOffsets.findLastIndex((base) => base <= snapshot.offset))
  return { segment, baseOffset: baseOffsets[segment]!, position: 0, offset: snapshot.offset, entries: noEntries, producers }
}

function trustedStart(options: RecoveryOptions, baseOffsets: readonly number[], checkpoint: LogCheckpoint | null): Omit<ScanStart, 'baseOffset' | 'producers'> {
  const segment = checkpoint === null ? -1 : baseOffsets.indexOf(checkpoint.segmentBaseOffset)
  if (segment < 0) return { segment: 0, position: 0, offset: baseOffsets[0]!, entries: noEntries }
  if (!isAsVouched(options, checkpoint!)) return { segment, position: 0, offset: baseOffsets[segment]!, entries: noEntries }
  return { segment, position: checkpoint!.position, offset: checkpoint!.recoveryOffset, entries: checkpoint! }
}

/** Whether the files are at least as long as the checkpoint says, and the one whose entries cannot be compared with the log is true. */
function isAsVouched({ fileSystem, directory }: RecoveryOptions, checkpoint: LogCheckpoint): boolean {
  const isLong = (kind: SegmentFile, sizeBytes: number) =>
    sizeBytes === 0 || (fileSystem.stat(join(directory, segmentFileName(checkpoint.segmentBaseOffset, kind)))?.sizeBytes ?? 0) >= sizeBytes
  return isLong('log', checkpoint.position) &&
    isLong('index', checkpoint.offsetEntries * offsetIndexEntryBytes) &&
    isLong('timeindex', checkpoint.timeEntries * timeIndexEntryBytes) &&
    (checkpoint.transactionEntries === 0 || trueTransactions({ fileSystem, directory, baseOffset: checkpoint.segmentBaseOffset }) >= checkpoint.transactionEntries)
}

function firstWithoutIndexes(options: RecoveryOptions, baseOffsets: readonly number[], before: number): number {
  const missing = baseOffsets.slice(0, before).findIndex((baseOffset) => Segment.openSealed({ ...options, baseOffset }) === null)
  return missing < 0 ? before : missing
}

/** The newest good snapshot at or before the offset; damaged ones are removed. Offset 0 needs none: there were no producers. */
function newestSnapshot({ fileSystem, directory }: RecoveryOptions, offset: number) {
  const offsets = fileSystem.list(directory).map((name) => offsetOfFileName(name, 'snapshot')).filter((known) => known !== null && known <= offset)
  for (const known of offsets.toReversed()) {
    const path = join(directory, segmentFileName(known!, 'snapshot'))
    try {
      return { offset: known!, entries: decodeSnapshot(fileSystem.readFile(path, maxSnapshotBytes)!, path) }
    } catch (error) {
      if (!isStreamError(error, 'STORAGE_CORRUPT')) throw error
      fileSystem.remove(path)
    }
  }
  return { offset: 0, entries: [] }
}

// ---------------------------------------------------------------------------------------------------- the scan

interface ScanResult {
  readonly endOffset: number
  readonly batches: number
  readonly cutBytes: number
  readonly damage: StreamError | null
}

interface Scan {
  readonly options: RecoveryOptions
  readonly start: ScanStart
  /** Up to here compaction may have left gaps; beyond, a gap between segments is the lost end of the one before it, and one between batches is damage. */
  readonly gapsBefore: number
  endOffset: number
  batches: number
}

function scanSegments(scan: Scan, baseOffsets: readonly number[], segments: Segment[]): ScanResult {
  const { options, start } = scan
  for (let i = start.segment; i < baseOffsets.length; i++) {
    const baseOffset = baseOffsets[i]!
    if (i > start.segment && baseOffset > scan.endOffset && baseOffset > scan.gapsBefore) {
      return { endOffset: scan.endOffset, batches: scan.batches, damage: null, cutBytes: removeSegments(options, baseOffsets.slice(i)) }
    }
    const segment = openForScan(scan, baseOffset, i === start.segment)
    segments.push(segment)
    const stopped = scanSegment(scan, segment)
    if (stopped === null) continue
    if (stopped.damage !== null) return { endOffset: scan.endOffset, batches: scan.batches, cutBytes: 0, damage: stopped.damage }
    return { endOffset: scan.endOffset, batches: scan.batches, damage: null, cutBytes: stopped.tornBytes + removeSegments(options, baseOffsets.slice(i + 1)) }
  }
  return { endOffset: scan.endOffset, batches: scan.batches, cutBytes: 0, damage: null }
}

/** The first segment goes on from what its indexes hold; the others are indexed anew. */
function openForScan({ options, start }: Scan, baseOffset: number, isFirst: boolean): Segment {
  if (!isFirst || start.position === 0) return Segment.create({ ...options, baseOffset })
  return Segment.openActive({ ...options, baseOffset })
}

/** null: the whole segment is good. */
function scanSegment(scan: Scan, segment: Segment): { readonly tornBytes: number; readonly damage: StreamError | null } | null {
  const { options, start } = scan
  const { sizeBytes, baseOffset } = segment
  const from = baseOffset === scan.start.baseOffset ? start.position : 0
  segment.rewind(from, from > 0 ? start.entries : noEntries)
  scan.endOffset = Math.max(scan.endOffset, baseOffset)
  const file = options.handles.use(segment.path)
  const end = scanBatches(file, from, sizeBytes, (batch, position) => scanBatch(scan, segment, batch, position))
  if (end.problem === null) return null
  if (isTornWrite(file, end.position, sizeBytes, scan.endOffset)) return { tornBytes: sizeBytes - end.position, damage: null }
  const message = `${segment.path} is damaged at position ${end.position} (offset ${scan.endOffset}): ${end.problem.message}; nothing after it can be read or appended`
  return { tornBytes: 0, damage: new StreamError('STORAGE_CORRUPT', message, { details: { path: segment.path, position: end.position, offset: scan.endOffset } }) }
}

function scanBatch(scan: Scan, segment: Segment, batch: RecordBatchView, position: number): void {
  const { baseOffset } = batch
  if (baseOffset < scan.endOffset || (baseOffset > scan.endOffset && scan.endOffset >= scan.gapsBefore)) {
    throw new StreamError('CORRUPT_RECORD', `offset ${baseOffset} stands where ${scan.endOffset} must be`)
  }
  segment.index(batch, position, scan.options.indexIntervalBytes)
  if (batch.lastOffset >= scan.start.offset) applyBatch(batch, scan.start.producers, segment.transactionIndex)
  scan.endOffset = batch.nextOffset
  scan.batches++
}

function removeSegments(options: RecoveryOptions, baseOffsets: readonly number[]): number {
  let bytes = 0
  for (const baseOffset of baseOffsets) {
    const segment = Segment.create({ ...options, baseOffset })
    bytes += segment.sizeBytes
    segment.remove()
  }
  return bytes
}

async function finishScan(options: RecoveryOptions, segments: readonly Segment[], start: ScanStart, scan: ScanResult): Promise<void> {
  if (scan.damage !== null) return
  const last = segments.at(-1)!
  if (scan.cutBytes > 0) {
    last.cutFile()
    // Those of offsets that the log no longer reaches describe what was cut.
    removeSnapshots(options.fileSystem, options.directory, (offset) => offset > scan.endOffset)
  }
  if (scan.batches === 0 && scan.cutBytes === 0) return
  const scanned = segments.slice(start.segment)
  for (const [i, segment] of scanned.entries()) segment.rewrite(i === 0 ? start.position : 0)
  await Promise.all(scanned.map((segment) => segment.sync()))
  for (const segment of scanned.slice(0, -1)) {
    await segment.flushIndexes({ sync: true })
    segment.seal()
  }
  await options.fileSystem.syncDirectory(options.directory)
}
