import { isStreamError } from '../errors.ts'
import { readInt32, readInt64, writeInt64 } from './big-endian.ts'
import type { FileHandle } from './file-system.ts'
import { batchFrameBytes, batchHeaderBytes, batchSizeAt, RecordBatchView } from './record-batch.ts'

const sectorBytes = 512
/** How far the search for good batches behind a bad one goes. */
const searchBytes = 8 * 1024 * 1024

/**
 * Whether the batch at `position`, which is not good, is what a crash leaves of a write that was never acknowledged, and not
 * damage to data that may have been. A crash leaves the file short, or sectors that never reached the disk and read as
 * zeros; damage leaves neither, and good batches may follow it.
 */
export function isTornWrite(file: FileHandle, position: number, sizeBytes: number, offset: number): boolean {
  const rest = new Uint8Array(Math.min(searchBytes, sizeBytes - position))
  file.read(rest, 0, rest.length, position)
  return hasLostSector(rest, position, offset) || !hasGoodBatch(rest, offset)
}

/** A whole sector of zeros where the bad batch is, clipped to the bytes that the write covered. */
function hasLostSector(rest: Uint8Array, position: number, offset: number): boolean {
  const declared = rest.length >= batchFrameBytes ? batchFrameBytes + readInt32(rest, 8) : 0
  const end = declared >= batchHeaderBytes && declared <= rest.length ? declared : rest.length
  for (let from = 0; from < end;) {
    const to = Math.min(rest.length, from + sectorBytes - ((position + from) % sectorBytes))
    const isTelling = to - from >= batchFrameBytes || (from === 0 && !startsWithZeros(offset, to))
    if (isTelling && isZero(rest, from, to)) return true
    from = to
  }
  return false
}

/** Whether the first bytes of a batch with this offset are zeros by right: then finding zeros there says nothing. */
function startsWithZeros(offset: number, length: number): boolean {
  const base = new Uint8Array(8)
  writeInt64(base, 0, offset)
  return isZero(base, 0, Math.min(length, base.length))
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false
  return true
}

/** A batch with a right checksum and a later offset, anywhere behind; or the bad one itself, whole but for its length. */
function hasGoodBatch(rest: Uint8Array, offset: number): boolean {
  for (let at = 1; at + batchHeaderBytes <= rest.length; at++) {
    if (rest[at + 16] === 2 && isGoodBatch(rest, at, offset)) return true
  }
  return isWholeButForLength(rest)
}

function isGoodBatch(bytes: Uint8Array, at: number, offset: number): boolean {
  try {
    const size = batchSizeAt(bytes, at)
    if (size === 0 || readInt64(bytes, at) < offset) return false
    new RecordBatchView(bytes, at).ensureValid()
    return true
  } catch (error) {
    if (isStreamError(error)) return false
    throw error
  }
}

function isWholeButForLength(rest: Uint8Array): boolean {
  if (rest.length < batchHeaderBytes || rest[16] !== 2) return false
  const corrected = Uint8Array.from(rest)
  new DataView(corrected.buffer).setInt32(8, rest.length - batchFrameBytes)
  return isGoodBatch(corrected, 0, -1)
}
