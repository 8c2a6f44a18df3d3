import type { Isolation } from '../broker.ts'
import { readMarker } from '../log/control-batch.ts'
import { splitBatches } from '../log/record-batch.ts'
import type { RecordBatchView } from '../log/record-batch.ts'

export interface FetchedBatch {
  readonly batch: RecordBatchView
  /** False for control batches and records of aborted transactions: they only move the position. */
  readonly isVisible: boolean
}

/**
 * The whole batches of a fetch answer, checked, and which of them a reader may see. The broker lists the aborted
 * transactions that touch the answer; each hides its producer's batches from its first offset up to its abort marker.
 * The same as `Fetcher` of Apache Kafka's Java consumer does.
 * @throws CORRUPT_RECORD
 */
export function fetchedBatches(
  records: Uint8Array,
  fromOffset: number,
  isolation: Isolation,
  abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[],
): FetchedBatch[] {
  const upcoming = isolation === 'read-uncommitted' ? [] : [...abortedTransactions].sort((a, b) => a.firstOffset - b.firstOffset)
  const aborted = new Set<number>()
  let next = 0
  return splitBatches(records, fromOffset).map((batch) => {
    batch.ensureValid()
    for (; next < upcoming.length && upcoming[next]!.firstOffset <= batch.lastOffset; next++) aborted.add(upcoming[next]!.producerId)
    if (batch.isControl) {
      if (aborted.has(batch.producerId) && readMarker(batch)?.type === 'abort') aborted.delete(batch.producerId)
      return { batch, isVisible: false }
    }
    return { batch, isVisible: !(batch.isTransactional && aborted.has(batch.producerId)) }
  })
}
