import type { SourceRecord } from '../connect-record.ts'
import type { RecordTransactions } from './source-worker.ts'

type Outcome = 'commit' | 'abort'

/** Remembers what a source task asked for until the record, or the end of the batch, is reached. */
export function recordTransactions(): RecordTransactions {
  const byRecord = new Map<SourceRecord, Outcome>()
  let afterBatch: Outcome | undefined
  return {
    commitAfterBatch: () => { afterBatch = 'commit' },
    abortAfterBatch: () => { afterBatch = 'abort' },
    commitAfter: (record) => { byRecord.set(record, 'commit') },
    abortAfter: (record) => { byRecord.set(record, 'abort') },
    takeAfterRecord(record) {
      const outcome = byRecord.get(record)
      byRecord.delete(record)
      return outcome
    },
    takeAfterBatch() {
      const outcome = afterBatch
      afterBatch = undefined
      byRecord.clear()
      return outcome
    },
  }
}
