import { readMarker } from './control-batch.ts'
import type { RecordBatchView } from './record-batch.ts'
import type { AbortedTransaction } from './transaction-index.ts'

export interface VisitedBatch {
  /** It says nothing that a reader could need: data of an aborted transaction, or the marker of one that has nothing left. */
  readonly isObsolete: boolean
  /** The transaction that this marker aborts, while batches of it are in the log: it stays in the index. */
  readonly aborted: AbortedTransaction | null
}

const needed: VisitedBatch = { isObsolete: false, aborted: null }
const obsolete: VisitedBatch = { isObsolete: true, aborted: null }

interface OngoingAbort {
  readonly aborted: AbortedTransaction
  /** Whether a batch of it is still in the log. */
  hasBatches: boolean
}

/**
 * Follows the transactions through a log that is compacted, batch by batch from its start: which batches are of aborted
 * transactions, and which markers end a transaction that has nothing left. Kafka's rules (its CleanedTransactionMetadata).
 */
export class CleanedTransactions {
  /** By first offset. */
  readonly #upcoming: readonly AbortedTransaction[]
  #next = 0
  readonly #aborting = new Map<number, OngoingAbort>()
  /** Producers with a batch of a transaction that was not aborted. */
  readonly #committing = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#upcoming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
  }

  /** The next batch of the log. */
  visit(batch: RecordBatchView): VisitedBatch {
    for (let aborted; (aborted = this.#upcoming[this.#next]) && aborted.firstOffset <= batch.lastOffset; this.#next++) {
      this.#aborting.set(aborted.producerId, { aborted, hasBatches: false })
    }
    if (batch.isControl) return this.#visitMarker(batch)
    if (!batch.isTransactional) return needed
    const aborting = this.#aborting.get(batch.producerId)
    if (aborting === undefined) this.#committing.add(batch.producerId)
    else aborting.hasBatches = true
    return aborting === undefined ? needed : obsolete
  }

  #visitMarker(batch: RecordBatchView): VisitedBatch {
    const marker = batch.recordCount > 0 ? readMarker(batch) : null
    if (marker === null) return needed
    if (marker.type === 'commit') return this.#committing.delete(batch.producerId) ? needed : obsolete
    const aborting = this.#aborting.get(batch.producerId)
    this.#aborting.delete(batch.producerId)
    return aborting?.hasBatches ? { isObsolete: false, aborted: aborting.aborted } : obsolete
  }
}
