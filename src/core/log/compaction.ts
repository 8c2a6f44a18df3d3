import { createHash } from 'node:crypto'
import { CleanedTransactions } from './cleaned-transactions.ts'
import { compactBatch } from './compact-batch.ts'
import { cleanedDirectory } from './compaction-commit.ts'
import type { FileSystem } from './file-system.ts'
import type { LogConfig } from './log-config.ts'
import type { ProducerState } from './producer-state.ts'
import type { ReadHandles } from './read-handles.ts'
import { RecordBatchView } from './record-batch.ts'
import { Segment } from './segment.ts'
import type { AbortedTransaction } from './transaction-index.ts'

export interface CompactionJob {
  readonly fileSystem: FileSystem
  readonly handles: ReadHandles
  readonly directory: string
  readonly config: LogConfig
  readonly nowMs: number
  /** Sealed, from the first of the log on. */
  readonly segments: readonly Segment[]
  /** Keys are looked for from here on: everything before was compacted already. */
  readonly dirtyFrom: number
  /** Of the segments. */
  readonly aborted: readonly AbortedTransaction[]
  readonly producers: ProducerState
  /** That one pass remembers: beyond it the pass ends, and the next one goes on. Default a million, of about 100 bytes each. */
  readonly maxKeys?: number
  /** Awaited after every step of about a megabyte, so that appends and reads come between. Throwing ends the compaction. */
  readonly pause: () => Promise<void>
}

const stepBytes = 1024 * 1024
const defaultMaxKeys = 1_000_000
/** Longer ones are remembered by their digest. */
const longestNameBytes = 48

/**
 * One pass over a log: the last offset of every key is found first, then each group of segments is copied without the records
 * that a later one has replaced.
 */
export class Compaction {
  readonly #job: CompactionJob
  readonly #lastOffsets = new Map<string, number>()
  readonly #transactions: CleanedTransactions
  /** Keys are known up to here: a record behind is kept. */
  #knownTo: number

  constructor(job: CompactionJob) {
    this.#job = job
    this.#transactions = new CleanedTransactions(job.aborted)
    this.#knownTo = job.dirtyFrom
  }

  /** The segments, from the first on, that `copy` can do, and up to where: not all that was asked for when there are very many keys. @throws STORAGE_CORRUPT */
  async findKeys(): Promise<{ readonly segments: readonly Segment[]; readonly knownTo: number }> {
    const { segments, dirtyFrom, aborted, maxKeys = defaultMaxKeys } = this.#job
    const transactions = new CleanedTransactions(aborted)
    for (const [i, segment] of segments.entries()) {
      if (segment.endOffset <= dirtyFrom) continue
      this.#knownTo = segment.endOffset
      await this.#forEachBatch(segment, (batch) => {
        if (this.#lastOffsets.size >= maxKeys) {
          this.#knownTo = batch.baseOffset
          return false
        }
        const { isObsolete } = transactions.visit(batch)
        if (!isObsolete && !batch.isControl) this.#noteKeys(batch)
        return true
      })
      if (this.#knownTo < segment.endOffset) return { segments: segments.slice(0, i + 1), knownTo: this.#knownTo }
    }
    return { segments, knownTo: this.#knownTo }
  }

  #noteKeys(batch: RecordBatchView): void {
    if (batch.recordCount === 0) return
    batch.forEach(({ key, offset }) => {
      if (key !== null && offset >= this.#job.dirtyFrom) this.#lastOffsets.set(nameOf(key), offset)
    })
  }

  /** Groups come in order. The new segment is complete and on disk, beside the log. @throws STORAGE_FULL, STORAGE_ERROR, STORAGE_CORRUPT */
  async copy(group: readonly Segment[]): Promise<Segment> {
    const { fileSystem, handles, directory, config } = this.#job
    fileSystem.removeDirectory(cleanedDirectory(directory))
    fileSystem.makeDirectory(cleanedDirectory(directory))
    const cleaned = Segment.create({ fileSystem, handles, directory: cleanedDirectory(directory), baseOffset: group[0]!.baseOffset, indexIntervalBytes: config.indexIntervalBytes })
    try {
      for (const segment of group) await this.#forEachBatch(segment, (batch) => this.#copyBatch(batch, cleaned))
      await cleaned.sync()
      await cleaned.flushIndexes({ sync: true })
      await fileSystem.syncDirectory(cleanedDirectory(directory))
      return cleaned
    } catch (error) {
      cleaned.close()
      throw error
    }
  }

  #copyBatch(batch: RecordBatchView, cleaned: Segment): void {
    const { nowMs, config } = this.#job
    const { isObsolete, aborted } = this.#transactions.visit(batch)
    const isPastHorizon = batch.hasDeleteHorizon && batch.baseTimestamp <= nowMs
    // A marker whose transaction is gone stays until its horizon has passed, for readers that are still in the middle.
    const discards = isObsolete && (!batch.isControl || isPastHorizon)
    const bytes = compactBatch(batch, {
      keepRecord: (record) => !discards && (batch.isControl || this.#isLast(record.key, record.offset, record.valueLength < 0 && isPastHorizon)),
      whenEmpty: this.#holdsSequence(batch) ? 'keep-header' : 'drop',
      deleteHorizonMs: nowMs + config.deleteRetentionMs,
      alwaysSetHorizon: isObsolete && batch.isControl,
    })
    if (aborted !== null) cleaned.transactionIndex.append(aborted)
    if (bytes !== null) cleaned.append([new RecordBatchView(bytes)], config.indexIntervalBytes)
  }

  #isLast(key: Uint8Array | null, offset: number, isExpiredTombstone: boolean): boolean {
    if (offset >= this.#knownTo) return true
    if (key === null || isExpiredTombstone) return false
    const last = this.#lastOffsets.get(nameOf(key))
    return last === undefined || offset >= last
  }

  /** The last batch of a producer stays, without records if need be: after a restart its sequence and epoch come from there. */
  #holdsSequence(batch: RecordBatchView): boolean {
    const entry = batch.producerId < 0 ? undefined : this.#job.producers.get(batch.producerId)
    if (entry === undefined) return false
    const last = entry.batches.at(-1)
    return last === undefined ? batch.isControl && batch.producerEpoch === entry.epoch : batch.lastOffset === last.lastOffset
  }

  /** Until the visitor says false. */
  async #forEachBatch(segment: Segment, visit: (batch: RecordBatchView) => unknown): Promise<void> {
    for (let offset = segment.baseOffset; ;) {
      const batches = segment.read({ offset, limitOffset: Infinity, maxBytes: stepBytes })
      if (batches.length === 0) return
      // Whole batches, whatever offset the read began with.
      for (const batch of batches) if (visit(new RecordBatchView(batch.bytes, batch.position)) === false) return
      offset = batches.at(-1)!.nextOffset
      await this.#job.pause()
    }
  }
}

/** Another one for another key: a digest is longer than what is short enough to be its own name. */
function nameOf(key: Uint8Array): string {
  if (key.length > longestNameBytes) return createHash('sha256').update(key).digest('hex')
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
}
