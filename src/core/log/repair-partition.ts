import { join } from 'node:path'
import { isStreamError } from '../errors.ts'
import { readInt64 } from './big-endian.ts'
import { offsetOfFileName, segmentFileName } from './file-names.ts'
import type { FileHandle, FileSystem } from './file-system.ts'
import { readCheckpoint, writeCheckpoint } from './log-checkpoint.ts'
import { removeSnapshots } from './producer-snapshot.ts'
import { batchHeaderBytes, batchSizeAt, RecordBatchView } from './record-batch.ts'

/** Bytes of a log that hold no good batch, and the offsets that are missing with them. */
export interface LostRange {
  readonly path: string
  readonly position: number
  readonly bytes: number
  readonly firstOffset: number
  /** Below `firstOffset` where nothing but noise between two batches goes. null: up to the end, which nothing tells. */
  readonly lastOffset: number | null
}

/** `none` only says what would be lost; `cut` does it. */
export type RepairMode = 'none' | 'cut'

const searchBytes = 1024 * 1024
/** No segment begins there, so that the next open reads every batch. */
const noSegment = Number.MAX_SAFE_INTEGER

/** See `repairDataDirectory`: one partition of it. @throws STORAGE_FULL, STORAGE_ERROR */
export async function repairPartition(fileSystem: FileSystem, directory: string, mode: RepairMode): Promise<readonly LostRange[]> {
  const bases = fileSystem.list(directory).map((name) => offsetOfFileName(name, 'log')).filter((offset) => offset !== null)
  const lost: LostRange[] = []
  const gapsBefore = readCheckpoint(fileSystem, directory)?.recoveryOffset ?? Infinity
  let end = 0
  for (const [i, base] of bases.entries()) {
    const path = join(directory, segmentFileName(base, 'log'))
    const file = fileSystem.open(path, 'read')
    try {
      const found = findLost(file, { firstOffset: Math.max(base, end), limitOffset: bases[i + 1] ?? Infinity, gapsBefore })
      end = found.endOffset
      lost.push(...found.lost)
    } finally {
      file.close()
    }
  }
  if (mode === 'cut' && lost.length > 0) await cut(fileSystem, directory, lost, end)
  return lost
}

interface SegmentBounds {
  readonly firstOffset: number
  /** No batch reaches so far. */
  readonly limitOffset: number
  /** Compaction leaves offsets out before; nothing else does. */
  readonly gapsBefore: number
}

function findLost(file: FileHandle, { firstOffset, limitOffset, gapsBefore }: SegmentBounds): { readonly lost: readonly LostRange[]; readonly endOffset: number } {
  const sizeBytes = file.sizeBytes()
  const lost: LostRange[] = []
  let expected = firstOffset
  for (let position = 0; position < sizeBytes;) {
    const batch = goodBatchAt(file, position, expected, limitOffset)
    if (batch !== null && (batch.baseOffset === expected || isTrueGap(file, position, batch, gapsBefore))) {
      expected = batch.nextOffset
      position += batch.sizeBytes
      continue
    }
    const next = nextGoodBatch(file, position + 1, expected, limitOffset)
    const end = next?.position ?? sizeBytes
    const lastOffset = next !== null ? next.baseOffset - 1 : limitOffset === Infinity ? null : limitOffset - 1
    lost.push({ path: file.path, position, bytes: end - position, firstOffset: expected, lastOffset })
    position = end
  }
  return { lost, endOffset: expected }
}

/** Whether offsets are missing before this batch, and it is not its own offset, outside the checksum, that is wrong. */
function isTrueGap(file: FileHandle, position: number, batch: RecordBatchView, gapsBefore: number): boolean {
  const following = new Uint8Array(8)
  const isLast = file.read(following, 0, 8, position + batch.sizeBytes) < 8
  return batch.baseOffset <= gapsBefore && (isLast || readInt64(following, 0) >= batch.nextOffset)
}

/** A batch with a right checksum, in the place that its offset says. */
function goodBatchAt(file: FileHandle, position: number, expected: number, limitOffset: number): RecordBatchView | null {
  const header = new Uint8Array(batchHeaderBytes)
  if (file.read(header, 0, batchHeaderBytes, position) < batchHeaderBytes) return null
  try {
    if (batchSizeAt(header, 0, Infinity) > file.sizeBytes() - position) return null
    const { sizeBytes, baseOffset, lastOffset } = new RecordBatchView(header)
    if (baseOffset < expected || lastOffset < baseOffset || lastOffset >= limitOffset) return null
    const bytes = new Uint8Array(sizeBytes)
    file.read(bytes, 0, sizeBytes, position)
    const batch = new RecordBatchView(bytes)
    batch.ensureValid()
    return batch
  } catch (error) {
    if (isStreamError(error, 'CORRUPT_RECORD')) return null
    throw error
  }
}

function nextGoodBatch(file: FileHandle, from: number, expected: number, limitOffset: number): { readonly position: number; readonly baseOffset: number } | null {
  const window = new Uint8Array(searchBytes)
  for (let start = from; start + batchHeaderBytes <= file.sizeBytes(); start += searchBytes - batchHeaderBytes) {
    const length = file.read(window, 0, searchBytes, start)
    for (let at = 0; at + batchHeaderBytes <= length; at++) {
      const batch = window[at + 16] === 2 ? goodBatchAt(file, start + at, expected, limitOffset) : null
      if (batch !== null) return { position: start + at, baseOffset: batch.baseOffset }
    }
  }
  return null
}

/** First the copies, then a checkpoint that vouches for nothing but lets offsets be missing, then one rename a segment. */
async function cut(fileSystem: FileSystem, directory: string, lost: readonly LostRange[], endOffset: number): Promise<void> {
  const paths = [...new Set(lost.map(({ path }) => path))]
  for (const path of paths) await copyWithout(fileSystem, path, lost.filter((range) => range.path === path))
  const known = readCheckpoint(fileSystem, directory)
  await writeCheckpoint(fileSystem, directory, {
    logStartOffset: known?.logStartOffset ?? 0, cleanedOffset: known?.cleanedOffset ?? 0, recoveryOffset: endOffset,
    segmentBaseOffset: noSegment, position: 0, offsetEntries: 0, timeEntries: 0, transactionEntries: 0,
  })
  for (const name of fileSystem.list(directory)) {
    const isIndex = (['index', 'timeindex', 'txnindex', 'txncheck'] as const).some((kind) => offsetOfFileName(name, kind) !== null)
    if (isIndex) fileSystem.remove(join(directory, name))
  }
  removeSnapshots(fileSystem, directory, (offset) => offset > lost[0]!.firstOffset)
  for (const path of paths) {
    fileSystem.link(path, damagedName(fileSystem, path))
    fileSystem.rename(`${path}.repaired`, path)
  }
  await fileSystem.syncDirectory(directory)
}

function damagedName(fileSystem: FileSystem, path: string): string {
  let name = `${path}.damaged`
  for (let i = 2; fileSystem.stat(name) !== null; i++) name = `${path}.damaged-${i}`
  return name
}

async function copyWithout(fileSystem: FileSystem, path: string, lost: readonly LostRange[]): Promise<void> {
  const from = fileSystem.open(path, 'read')
  const to = fileSystem.open(`${path}.repaired`, 'write')
  try {
    to.truncate(0)
    let end = 0
    let at = 0
    for (const { position, bytes } of [...lost, { position: from.sizeBytes(), bytes: 0 }]) {
      for (let length; at < position; at += length, end += length) {
        const chunk = new Uint8Array(Math.min(searchBytes, position - at))
        length = from.read(chunk, 0, chunk.length, at)
        to.write([chunk], end)
      }
      at = position + bytes
    }
    await to.sync()
  } finally {
    from.close()
    to.close()
  }
}
