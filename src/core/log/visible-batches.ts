import type { Isolation } from '../broker.ts'
import { readMarker } from './control-batch.ts'
import type { LogRead } from './log-read.ts'
import type { RecordBatchView } from './record-batch.ts'

/** What a consumer sees of a read: control batches never, and batches of aborted transactions only when it reads uncommitted. */
export function visibleBatches(read: Pick<LogRead, 'batches' | 'abortedTransactions'>, isolation: Isolation): readonly RecordBatchView[] {
  if (isolation === 'read-uncommitted') return read.batches.filter((batch) => !batch.isControl)
  const upcoming = read.abortedTransactions.toSorted((a, b) => a.firstOffset - b.firstOffset)
  const aborted = new Set<number>()
  let next = 0
  return read.batches.filter((batch) => {
    for (; next < upcoming.length && upcoming[next]!.firstOffset <= batch.lastOffset; next++) aborted.add(upcoming[next]!.producerId)
    if (!batch.isControl) return !batch.isTransactional || !aborted.has(batch.producerId)
    // The producer's next transaction may well be committed.
    if (aborted.has(batch.producerId) && readMarker(batch)?.type === 'abort') aborted.delete(batch.producerId)
    return false
  })
}
