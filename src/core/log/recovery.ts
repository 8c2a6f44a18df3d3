import { join } from 'node:path'
import { StreamError, isStreamError } from '../errors.ts'
import { scanBatches } from './batch-scan.ts'
import type { ScanEnd } from './batch-scan.ts'
import { offsetOfFileName, segmentFileName } from './file-names.ts'
import type { FileSystem } from './file-system.ts'
import { readCheckpoint } from './log-checkpoint.ts'
import type { LogCheckpoint } from './log-checkpoint.ts'
import { applyBatch } from './apply-batch.ts'
import { decodeSnapshot, maxSnapshotBytes } from './producer-snapshot.ts'
import { ProducerState } from './producer-state.ts'
import type { ReadHandles } from './read-handles.ts'
import { Segment } from './segment.ts'
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
  /** True when batches were looked at: the caller writes a checkpoint, so that it is not done again. */
  readonly scanned: boolean
  /** Bytes of a torn write that were cut. */
  readonly cutBytes: number
  /** Set when data that may have been acknowledged is damaged: the log ends before it and must not be appended to. */
  readonly damage: StreamError | null
}

/** Where the scan begins: everything before is trusted. */
interface ScanStart {
  /** Index into the base offsets. */
  readonly segment: number
  readonly position: number
  readonly offset: number
  readonly producers: ProducerState
}

/**
 * Opens what is in a partition's directory:
 * 1. Remove what an interrupted replacement left behind.
 * 2. Find where the scan begins: after the checkpoint, but not after a segment without indexes or the newest good producer snapshot.
 * 3. Open the segments before that as they are.
 * 4. Scan the others: verify each batch, fill indexes and producer state, and stop at the first batch that is not good.
 * 5. A torn write is cut, with what comes after it; damage is left alone and reported.
 * 6. Bring what was scanned to disk.
 */
export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  removeLeftovers(options)
  const baseOffsets = listBaseOffsets(options)
  const checkpoint = readCheckpoint(options.fileSystem, options.directory)
  if (baseOffsets.length === 0) return newLog(options, checkpoint)
  const start = findScanStart(options, baseOffsets, checkpoint)
  const segments = baseOffsets.slice(0, start.segment).map((baseOffset) => Segment.openSealed({ ...options, baseOffset })!)
  const scan = scanSegments(options, baseOffsets, start, segments)
  await finishScan(options, segments, start, scan)
  const logStartOffset = Math.max(checkpoint?.logStartOffset ?? 0, segments[0]!.baseOffset)
  return { segments, producers: start.producers, logStartOffset, logEndOffset: Math.max(scan.endOffset, logStartOffset), scanned: scan.batches > 0 || scan.cutBytes > 0, cutBytes: scan.cutBytes, damage: scan.damage }
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
  return { segments: [segment], producers: new ProducerState(), logStartOffset: baseOffset, logEndOffset: baseOffset, scanned: false, cutBytes: 0, damage: null }
}

// ---------------------------------------------------------------------------------------------------- where to begin

function findScanStart(options: RecoveryOptions, baseOffsets: readonly number[], checkpoint: LogCheckpoint | null): ScanStart {
  const trusted = trustedStart(options, baseOffsets, checkpoint)
  const indexed = firstWithoutIndexes(options, baseOffsets, trusted.segment)
  const wanted = indexed < trusted.segment ? { segment: indexed, position: 0, offset: baseOffsets[indexed]! } : trusted
  const snapshot = newestSnapshot(options, wanted.offset)
  const producers = new ProducerState()
  producers.restore(snapshot.entries)
  if (snapshot.offset >= wanted.offset) return { ...wanted, producers }
  const segment = Math.max(0, baseOffsets.findLastIndex((base) => base <= snapshot.offset))
  return { segment, position: 0, offset: snapshot.offset, producers }
}

function trustedStart({ fileSystem, directory }: RecoveryOptions, baseOffsets: readonly number[], checkpoint: LogCheckpoint | null): { segment: number; position: number; offset: number } {
  const segment = checkpoint === null ? -1 : baseOffsets.indexOf(checkpoint.segmentBaseOffset)
  if (segment < 0) return { segment: 0, position: 0, offset: baseOffsets[0]! }
  const sizeBytes = fileSystem.stat(join(directory, segmentFileName(baseOffsets[segment]!, 'log')))?.sizeBytes ?? 0
  if (sizeBytes < checkpoint!.position) return { segment, position: 0, offset: baseOffsets[segment]! }
  return { segment, position: checkpoint!.position, offset: checkpoint!.recoveryOffset }
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

function scanSegments(options: RecoveryOptions, baseOffsets: readonly number[], start: ScanStart, segments: Segment[]): ScanResult {
  let endOffset = start.position > 0 ? start.offset : baseOffsets[start.segment]!
  let batches = 0
  for (let i = start.segment; i < baseOffsets.length; i++) {
    const baseOffset = baseOffsets[i]!
    const resume = i === start.segment && start.position > 0
    const segment = resume ? Segment.openActive({ ...options, baseOffset }) : Segment.create({ ...options, baseOffset })
    const sizeBytes = segment.sizeBytes
    if (resume) segment.truncateIndexes(start.position, start.offset)
    else segment.sizeBytes = 0
    segments.push(segment)
    const file = options.handles.use(segment.path)
    const end: ScanEnd = scanBatches(file, resume ? start.position : 0, sizeBytes, (batch, position) => {
      if (batch.baseOffset < Math.max(endOffset, baseOffset)) throw new StreamError('CORRUPT_RECORD', `offset ${batch.baseOffset} stands where ${Math.max(endOffset, baseOffset)} or a later one must be`)
      segment.index(batch, position, options.indexIntervalBytes)
      if (batch.lastOffset >= start.offset) applyBatch(batch, start.producers, segment.transactionIndex)
      endOffset = batch.nextOffset
      batches++
    })
    endOffset = Math.max(endOffset, baseOffset)
    if (end.problem === null) continue
    const isTorn = isTornWrite(file, end.position, sizeBytes, endOffset)
    if (isTorn) return { endOffset, batches, damage: null, cutBytes: sizeBytes - end.position + removeSegments(options, baseOffsets.slice(i + 1)) }
    const message = `${segment.path} is damaged at position ${end.position} (offset ${endOffset}): ${end.problem.message}; nothing after it can be read or appended`
    return { endOffset, batches, cutBytes: 0, damage: new StreamError('STORAGE_CORRUPT', message, { details: { path: segment.path, position: end.position, offset: endOffset } }) }
  }
  return { endOffset, batches, cutBytes: 0, damage: null }
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
    removeSnapshotsAfter(options, scan.endOffset)
  }
  if (scan.batches === 0 && scan.cutBytes === 0) return
  const scanned = segments.slice(start.segment)
  await Promise.all(scanned.map((segment) => segment.sync()))
  for (const segment of scanned.slice(0, -1)) {
    await segment.flushIndexes({ sync: true })
    segment.seal()
  }
  await options.fileSystem.syncDirectory(options.directory)
}

/** Snapshots of offsets that the log no longer reaches describe what was cut. */
export function removeSnapshotsAfter({ fileSystem, directory }: Pick<RecoveryOptions, 'fileSystem' | 'directory'>, offset: number): void {
  for (const name of fileSystem.list(directory)) {
    const known = offsetOfFileName(name, 'snapshot')
    if (known !== null && known > offset) fileSystem.remove(join(directory, name))
  }
}
