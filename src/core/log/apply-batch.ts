import { readMarker } from './control-batch.ts'
import type { CompletedTransaction, ProducerState } from './producer-state.ts'
import type { RecordBatchView } from './record-batch.ts'
import type { TransactionIndex } from './transaction-index.ts'

/** What an appended (or replayed) batch does to the producers and to the index of aborted transactions; the transaction it ended, if any. */
export function applyBatch(batch: RecordBatchView, producers: ProducerState, index: TransactionIndex): CompletedTransaction | null {
  if (batch.producerId < 0) return null
  if (!batch.isControl) {
    // One that compaction emptied counts as well: it was left for its sequence.
    producers.add(batch)
    return null
  }
  const marker = readMarker(batch)
  if (marker === null) return null
  const completed = producers.endTransaction(batch, marker.type, marker.coordinatorEpoch)
  if (completed?.aborted) {
    const { producerId, firstOffset, lastOffset } = completed
    index.append({ producerId, firstOffset, lastOffset, lastStableOffset: producers.stableOffsetAfter(completed) })
  }
  return completed
}
