/**
 * What a partition knows of each producer, so that a repeated batch is stored once, a fenced producer is refused and the
 * last stable offset is known. Kafka's rules (KIP-98, KIP-360); every rule is checked before a byte is written.
 */
import { StreamError } from '../errors.ts'
import type { MarkerType } from './control-batch.ts'
import { sequenceAfter } from './record-batch.ts'
import type { RecordBatchView } from './record-batch.ts'

/** Of one of the last batches. */
export interface ProducerBatch {
  readonly lastSequence: number
  readonly lastOffset: number
  /** Last offset less first offset. */
  readonly offsetDelta: number
  /** Largest of the batch. */
  readonly timestamp: number
}

export interface ProducerEntry {
  readonly producerId: number
  epoch: number
  /** The newest last, at most five; empty when only a marker was seen. */
  batches: ProducerBatch[]
  /** Of the last thing appended, for expiry. */
  lastTimestamp: number
  coordinatorEpoch: number
  /** -1 when there is no open transaction. */
  transactionFirstOffset: number
}

export interface CompletedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Of the marker. */
  readonly lastOffset: number
  readonly aborted: boolean
}

/** A producer sends at most five batches ahead, so a repeated one is among the last five. */
const rememberedBatches = 5

export class ProducerState {
  readonly #entries = new Map<number, ProducerEntry>()
  /** First offsets of the open transactions by producer, in ascending order: a new one begins at the end of the log. */
  readonly #open = new Map<number, number>()

  get size(): number {
    return this.#entries.size
  }

  entries(): Iterable<ProducerEntry> {
    return this.#entries.values()
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#entries.get(producerId)
  }

  openTransactions(): readonly { readonly producerId: number; readonly producerEpoch: number; readonly firstOffset: number }[] {
    return [...this.#open].map(([producerId, firstOffset]) => ({ producerId, producerEpoch: this.#entries.get(producerId)!.epoch, firstOffset }))
  }

  /** -1 when none is open. */
  get firstOpenOffset(): number {
    for (const offset of this.#open.values()) return offset
    return -1
  }

  /** The batch that this one repeats, or null. */
  findDuplicate(batch: RecordBatchView): ProducerBatch | null {
    const entry = this.#entries.get(batch.producerId)
    if (entry === undefined || entry.epoch !== batch.producerEpoch) return null
    const { lastSequence, lastOffsetDelta } = batch
    return entry.batches.find((known) => known.lastSequence === lastSequence && known.offsetDelta === lastOffsetDelta) ?? null
  }

  /** @throws INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE; with `sequenced`, OUT_OF_ORDER_SEQUENCE */
  check(batch: RecordBatchView, sequenced: boolean): void {
    const { producerId, producerEpoch } = batch
    const entry = this.#entries.get(producerId)
    if (entry === undefined) return
    ensureEpoch(entry, producerEpoch)
    if (sequenced) ensureSequence(entry, batch)
    if (entry.transactionFirstOffset >= 0 && !batch.isTransactional) {
      throw new StreamError('INVALID_TXN_STATE', `producer ${producerId} sent a batch outside its open transaction, which began at offset ${entry.transactionFirstOffset}`, { details: { producerId } })
    }
  }

  /** After the batch was appended, or is replayed. */
  add(batch: RecordBatchView): void {
    const entry = this.#entryFor(batch.producerId, batch.producerEpoch)
    const { lastOffset, lastOffsetDelta, lastSequence, maxTimestamp } = batch
    if (entry.batches.length === rememberedBatches) entry.batches.shift()
    entry.batches.push({ lastSequence, lastOffset, offsetDelta: lastOffsetDelta, timestamp: maxTimestamp })
    entry.lastTimestamp = maxTimestamp
    if (!batch.isTransactional || entry.transactionFirstOffset >= 0) return
    entry.transactionFirstOffset = batch.baseOffset
    this.#open.set(entry.producerId, batch.baseOffset)
  }

  /** @throws INVALID_PRODUCER_EPOCH for a marker older than the producer, INVALID_TXN_STATE for one of a former coordinator */
  checkMarker(producerId: number, producerEpoch: number, coordinatorEpoch: number): void {
    const entry = this.#entries.get(producerId)
    if (entry === undefined) return
    ensureEpoch(entry, producerEpoch)
    if (coordinatorEpoch < entry.coordinatorEpoch) {
      throw new StreamError('INVALID_TXN_STATE', `a marker of transaction coordinator ${coordinatorEpoch} came after one of coordinator ${entry.coordinatorEpoch} for producer ${producerId}`, { details: { producerId } })
    }
  }

  /** After the marker was appended, or is replayed: the transaction it ended, or null when none was open. */
  endTransaction(batch: RecordBatchView, type: MarkerType, coordinatorEpoch: number): CompletedTransaction | null {
    const entry = this.#entryFor(batch.producerId, batch.producerEpoch)
    const { transactionFirstOffset, producerId } = entry
    entry.coordinatorEpoch = coordinatorEpoch
    entry.lastTimestamp = batch.maxTimestamp
    entry.transactionFirstOffset = -1
    this.#open.delete(producerId)
    return transactionFirstOffset < 0 ? null : { producerId, firstOffset: transactionFirstOffset, lastOffset: batch.baseOffset, aborted: type === 'abort' }
  }

  /** What the last stable offset becomes with this transaction, which is still among the open ones or already gone. */
  stableOffsetAfter(completed: CompletedTransaction): number {
    for (const [producerId, offset] of this.#open) if (producerId !== completed.producerId) return offset
    return completed.lastOffset + 1
  }

  /** Forgets producers that appended nothing since `timestamp`; one with an open transaction never. */
  expireBefore(timestamp: number): number {
    let expired = 0
    for (const entry of this.#entries.values()) {
      if (entry.transactionFirstOffset >= 0 || entry.lastTimestamp >= timestamp) continue
      this.#entries.delete(entry.producerId)
      expired++
    }
    return expired
  }

  /** From a snapshot, into an empty state, in any order. */
  restore(entries: readonly ProducerEntry[]): void {
    for (const entry of entries) this.#entries.set(entry.producerId, entry)
    const open = entries.filter((entry) => entry.transactionFirstOffset >= 0).toSorted((a, b) => a.transactionFirstOffset - b.transactionFirstOffset)
    for (const entry of open) this.#open.set(entry.producerId, entry.transactionFirstOffset)
  }

  #entryFor(producerId: number, epoch: number): ProducerEntry {
    let entry = this.#entries.get(producerId)
    if (entry === undefined) {
      entry = { producerId, epoch, batches: [], lastTimestamp: -1, coordinatorEpoch: -1, transactionFirstOffset: -1 }
      this.#entries.set(producerId, entry)
    } else if (entry.epoch !== epoch) {
      entry.epoch = epoch
      entry.batches = []
    }
    return entry
  }
}

function ensureEpoch(entry: ProducerEntry, epoch: number): void {
  if (epoch >= entry.epoch) return
  throw new StreamError('INVALID_PRODUCER_EPOCH', `producer ${entry.producerId} has epoch ${epoch}, but epoch ${entry.epoch} was seen: a newer instance took over`, {
    details: { producerId: entry.producerId, epoch, newestEpoch: entry.epoch },
  })
}

/** A new epoch begins at 0, the same one goes on where it was; an epoch of -1 knows nothing (all its batches were deleted). */
function ensureSequence(entry: ProducerEntry, batch: RecordBatchView): void {
  const { baseSequence, producerEpoch } = batch
  if (entry.epoch < 0) return
  const last = entry.epoch === producerEpoch ? entry.batches.at(-1)?.lastSequence ?? -1 : -1
  const expected = last < 0 ? 0 : sequenceAfter(last, 1)
  if (baseSequence === expected) return
  throw new StreamError('OUT_OF_ORDER_SEQUENCE', `producer ${entry.producerId} sent sequence ${baseSequence} where ${expected} must follow`, {
    details: { producerId: entry.producerId, sequence: baseSequence, expected },
  })
}
