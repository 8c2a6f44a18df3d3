/** What appending to a partition's log and reading it answer. */
import type { Isolation } from '../broker.ts'
import type { ReadMemory } from '../record.ts'
import type { RecordBatchView } from './record-batch.ts'
import type { AbortedTransaction } from './transaction-index.ts'

export interface AppendResult {
  readonly baseOffset: number
  readonly lastOffset: number
  /** -1, or the append time where the topic stamps records with it; of a duplicate: the time of the original. */
  readonly logAppendTime: number
  /** The batch was in the log already; offsets are those of the original. */
  readonly duplicate: boolean
}

export interface LogReadRequest {
  readonly offset: number
  /** The first batch is returned whatever its size. */
  readonly maxBytes: number
  readonly isolation: Isolation
  /** As of ReadIntoOptions. */
  readonly memory?: ReadMemory | undefined
}

export interface LogRead {
  /** Whole batches as they are stored, markers and aborted ones included; iterating leaves out records below the offset asked for. */
  readonly batches: readonly RecordBatchView[]
  /** Where to go on. */
  readonly nextOffset: number
  /** Those that overlap the batches; none for read-uncommitted. */
  readonly abortedTransactions: readonly AbortedTransaction[]
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
}
