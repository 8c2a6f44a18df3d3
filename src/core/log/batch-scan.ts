import { isStreamError } from '../errors.ts'
import type { StreamError } from '../errors.ts'
import type { FileHandle } from './file-system.ts'
import { batchFrameBytes, batchSizeAt, RecordBatchView } from './record-batch.ts'
import { readInt32 } from './big-endian.ts'

export interface ScanEnd {
  /** Where the batch that stopped the scan begins, or the end. */
  readonly position: number
  /** null: the scan came to its end. */
  readonly problem: ScanProblem | null
}

export interface ScanProblem {
  /** `incomplete`: the batch would end beyond the end of the file. */
  readonly kind: 'incomplete' | 'damaged'
  readonly message: string
}

const chunkBytes = 1024 * 1024

/**
 * Visits the batches of a log file in [from, to), each one whole and with a right checksum, until the end or the first
 * that is not. The view is valid during the visit only. What the visitor throws as CORRUPT_RECORD stops the scan too.
 */
export function scanBatches(file: FileHandle, from: number, to: number, visit: (batch: RecordBatchView, position: number) => void): ScanEnd {
  let buffer = new Uint8Array(Math.min(chunkBytes, to - from))
  let position = from
  while (position < to) {
    const length = file.read(buffer, 0, Math.min(buffer.length, to - position), position)
    const { done, problem } = visitChunk(buffer, length, position, visit)
    if (problem !== null) return { position: position + done, problem }
    if (done === 0) {
      const needed = length < batchFrameBytes ? batchFrameBytes : batchFrameBytes + readInt32(buffer, 8)
      if (needed > to - position) return { position, problem: { kind: 'incomplete', message: `a record batch of ${needed} bytes begins, but only ${to - position} follow` } }
      buffer = new Uint8Array(needed)
    }
    position += done
  }
  return { position, problem: null }
}

function visitChunk(
  buffer: Uint8Array, length: number, position: number, visit: (batch: RecordBatchView, position: number) => void,
): { readonly done: number; readonly problem: ScanProblem | null } {
  let done = 0
  try {
    for (let size; (size = batchSizeAt(buffer, done, length)) > 0; done += size) {
      const batch = new RecordBatchView(buffer, done)
      batch.ensureValid()
      visit(batch, position + done)
    }
    return { done, problem: null }
  } catch (error) {
    if (!isStreamError(error, 'CORRUPT_RECORD')) throw error
    return { done, problem: { kind: 'damaged', message: (error as StreamError).message } }
  }
}
