import type { RunLength } from './append-decisions.ts'
import type { AppendResult } from './log-read.ts'
import { sequenceAfter } from './record-batch.ts'
import type { RecordBatchView } from './record-batch.ts'

/** The log that they are gathered for. */
export interface GatheringLog {
  /** As it would be stored. @throws as `PartitionLog.append`, for what is wrong with the batch itself */
  stored(bytes: Uint8Array): RecordBatchView
  /** What was answered when its producer sent the batch before; null when it must be appended. @throws as `PartitionLog.append`, for the producer */
  repeated(batch: RecordBatchView): AppendResult | null
  /** Whether the batch may stand in the active segment, behind others that are not there yet. */
  fits(batch: RecordBatchView, before: RunLength): boolean
  /** Writes them behind the log's end, where there is room for them. @throws STORAGE_FULL, STORAGE_ERROR: nothing has changed */
  appendRun(batches: readonly RecordBatchView[]): readonly AppendResult[]
  /** As `PartitionLog.append`. */
  append(bytes: Uint8Array): AppendResult
}

/** An append that waits to be written. */
export interface GatheredAppend {
  readonly bytes: Uint8Array
  /** Set when it was. */
  result: AppendResult | null
  /** Set when it was refused. */
  error: unknown
}

/** Larger writes are not cheaper; smaller ones are, by less than half of the kernel's work for them. */
const bytesPerWrite = 1024 * 1024

/**
 * What is appended while the disk is busy. Nobody can be told of it before the next sync, so it is gathered, and many batches are written
 * by one call, which costs the kernel less: when there is enough for a large write, and what is left when the next sync begins.
 * ```
 *   queued ──(1 MiB, or the next sync is due)──▶ written, part of the log ──(next sync)──▶ durable
 *      └──────── refused: by the log's rules, or because there is no space ─▶ nothing has changed
 * ```
 */
export class GatheredAppends {
  readonly #log: GatheringLog
  #queue: GatheredAppend[] = []
  #queuedBytes = 0

  constructor(log: GatheringLog) {
    this.#log = log
  }

  add(bytes: Uint8Array): GatheredAppend {
    const append: GatheredAppend = { bytes, result: null, error: null }
    this.#queue.push(append)
    this.#queuedBytes += bytes.length
    if (this.#queuedBytes >= bytesPerWrite) this.write()
    return append
  }

  /** Everything that was added is part of the log now, or refused. */
  write(): void {
    const queue = this.#queue
    this.clear()
    for (let at = 0; at < queue.length;) at = this.#writeRun(queue, at)
  }

  /** Forgets what waits: the log takes nothing more, and its sync tells those who asked. */
  clear(): void {
    this.#queue = []
    this.#queuedBytes = 0
  }

  /** Writes as many as can stand one behind the other as they are; returns where the next run begins. */
  #writeRun(queue: readonly GatheredAppend[], from: number): number {
    const batches: RecordBatchView[] = []
    const appends: GatheredAppend[] = []
    const newest = new Map<number, RecordBatchView>()
    const length = { batches: 0, bytes: 0, offsets: 0 }
    let at = from
    for (; at < queue.length; at++) {
      const append = queue[at]!
      const batch = this.#next(append, newest, length)
      if (batch === 'answered') continue
      if (batch === 'later') break
      batches.push(batch)
      appends.push(append)
      length.batches++
      length.bytes += batch.sizeBytes
      length.offsets += batch.lastOffsetDelta + 1
      if (batch.producerId >= 0) newest.set(batch.producerId, batch)
    }
    if (batches.length > 0) this.#append(batches, appends)
    // What does not fit in the active segment begins the next one.
    else if (at < queue.length) this.#appendAlone(queue[at++]!)
    return at
  }

  /** `later`: it does not fit, or whether it can be taken depends on what stands before it in the run. */
  #next(append: GatheredAppend, newest: ReadonlyMap<number, RecordBatchView>, length: RunLength): RecordBatchView | 'answered' | 'later' {
    try {
      const batch = this.#log.stored(append.bytes)
      const before = newest.get(batch.producerId)
      if (before === undefined) append.result = this.#log.repeated(batch)
      else if (!follows(batch, before)) return 'later'
      if (append.result !== null) return 'answered'
      return this.#log.fits(batch, length) ? batch : 'later'
    } catch (error) {
      append.error = error
      return 'answered'
    }
  }

  #append(batches: readonly RecordBatchView[], appends: readonly GatheredAppend[]): void {
    try {
      for (const [i, result] of this.#log.appendRun(batches).entries()) appends[i]!.result = result
    } catch (error) {
      for (const append of appends) append.error = error
    }
  }

  #appendAlone(append: GatheredAppend): void {
    try {
      append.result = this.#log.append(append.bytes)
    } catch (error) {
      append.error = error
    }
  }
}

function follows(batch: RecordBatchView, before: RecordBatchView): boolean {
  return batch.producerEpoch === before.producerEpoch && batch.baseSequence === sequenceAfter(before.lastSequence, 1)
}
