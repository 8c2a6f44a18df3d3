/**
 * One transactional id as the coordinator knows it, and how it may change: pure functions over frozen data.
 *
 * ```
 *                 ┌──────────────── add partition ────────────────┐
 *                 ▼                                               │
 *   empty ──▶ ongoing ──commit──▶ prepare-commit ──markers written──▶ complete-commit
 *                 │                                               │
 *                 └─abort / fence / time-out──▶ prepare-abort ──markers written──▶ complete-abort
 * ```
 * Who ends transactions by version 2 (KIP-890) gets a new epoch with each end, and may abort where nothing is open:
 * `empty` and both `complete-…` lead to `prepare-abort`, too (`prepareNextEpoch`).
 *
 * The record of a `prepare-…` state is the decision: from then on the outcome is fixed, and after a crash the markers that
 * are missing are written. Semantics and error codes are those of Kafka's `TransactionMetadata` and `TransactionCoordinator`.
 */
import { assert } from '../assert.ts'
import { StreamError } from '../errors.ts'
import type { TopicPartition } from '../record.ts'

export type TransactionStatus =
  | 'empty' | 'ongoing' | 'prepare-commit' | 'prepare-abort' | 'complete-commit' | 'complete-abort' | 'dead' | 'prepare-epoch-fence'

export type TransactionOutcome = 'commit' | 'abort'

export interface TransactionState {
  readonly transactionalId: string
  readonly producerId: number
  /** The id before the last change of id; equal to `producerId` when it never changed. */
  readonly previousProducerId: number
  /** The id from the end of this transaction on, when its epochs are used up; -1 otherwise. */
  readonly nextProducerId: number
  readonly producerEpoch: number
  readonly timeoutMs: number
  readonly status: TransactionStatus
  /** Touched by the open transaction, and to be marked. */
  readonly partitions: readonly TopicPartition[]
  readonly lastUpdateTimestamp: number
  /** Of the open transaction; -1 when there was none yet. */
  readonly startTimestamp: number
}

export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

/** The last epoch a client may be given is one less, so that the coordinator can still fence it (int16). */
const maxProducerEpoch = 32767

export function newTransactionState(transactionalId: string, producerId: number, timeoutMs: number, now: number): TransactionState {
  return {
    transactionalId, producerId, previousProducerId: producerId, nextProducerId: -1, producerEpoch: 0, timeoutMs,
    status: 'empty', partitions: [], lastUpdateTimestamp: now, startTimestamp: -1,
  }
}

/** True while an outcome is decided and markers are being written: the client has to wait. */
export function isCompleting(state: TransactionState): boolean {
  return state.status === 'prepare-commit' || state.status === 'prepare-abort' || state.status === 'prepare-epoch-fence'
}

/** True when the next epoch would be beyond what int16 holds: a new producer id is needed. */
export function needsNewProducerId(state: TransactionState): boolean {
  return state.producerEpoch >= maxProducerEpoch - 1
}

/** A new producer takes over an id with nothing open. `newProducerId` is used when the epochs of the old one are used up. */
export function takeOver(state: TransactionState, change: { newProducerId: number; timeoutMs: number; now: number }): TransactionState {
  assert(state.status !== 'ongoing' && !isCompleting(state), `${state.transactionalId} is taken over while ${state.status}`)
  const rotate = needsNewProducerId(state)
  return {
    ...state,
    producerId: rotate ? change.newProducerId : state.producerId,
    previousProducerId: state.producerId,
    nextProducerId: -1,
    producerEpoch: rotate ? 0 : state.producerEpoch + 1,
    timeoutMs: change.timeoutMs,
    status: 'empty',
    partitions: [],
    lastUpdateTimestamp: change.now,
    startTimestamp: -1,
  }
}

/** @throws INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED */
export function checkProducer(state: TransactionState, producer: ProducerIdentity): void {
  if (producer.producerId !== state.producerId) {
    throw new StreamError('INVALID_PRODUCER_ID_MAPPING', `transactional id '${state.transactionalId}' belongs to producer id ${state.producerId}, not ${producer.producerId}`)
  }
  if (producer.producerEpoch !== state.producerEpoch) throw fenced(state, producer)
}

/** Starts the transaction with its first partition. The same state comes back when all partitions are in it already. @throws CONCURRENT_TRANSACTIONS (retriable) */
export function addPartitions(state: TransactionState, producer: ProducerIdentity, partitions: readonly TopicPartition[], now: number): TransactionState {
  checkProducer(state, producer)
  if (isCompleting(state)) throw stillCompleting(state)
  const ongoing = state.status === 'ongoing'
  const known = ongoing ? state.partitions : []
  const added = partitions.filter((target) => !contains(known, target))
  if (ongoing && added.length === 0) return state
  return { ...state, status: 'ongoing', partitions: [...known, ...added], lastUpdateTimestamp: now, startTimestamp: ongoing ? state.startTimestamp : now }
}

export type PrepareAnswer =
  /** Write this state, then the markers. */
  | { readonly kind: 'prepared'; readonly state: TransactionState }
  /** A repeated call: it was done before. */
  | { readonly kind: 'complete' }

/** The client ends its transaction. @throws INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, INVALID_TXN_STATE */
export function prepare(state: TransactionState, producer: ProducerIdentity, outcome: TransactionOutcome, now: number): PrepareAnswer {
  checkProducer(state, producer)
  if (state.status === 'ongoing') return { kind: 'prepared', state: { ...state, status: preparing(outcome), lastUpdateTimestamp: now } }
  if (state.status === completed(outcome)) return { kind: 'complete' }
  if (state.status === preparing(outcome)) throw stillCompleting(state)
  throw cannotEnd(state, outcome)
}

/**
 * The same for transactions of version 2: whatever is written late, with the epoch before, is refused by each partition that
 * has the marker. A call that comes again, with the epoch before, is told from the end of the next transaction by that epoch.
 * An abort is taken where nothing is open, too, because the client cannot know what of its writes arrived.
 * `newProducerId`: used when the epochs of the old one are used up (`needsNewProducerId`).
 * @throws as `prepare`
 */
export function prepareNextEpoch(
  state: TransactionState, producer: ProducerIdentity, outcome: TransactionOutcome, change: { readonly newProducerId: number; readonly now: number },
): PrepareAnswer {
  if (isEpochBefore(state, producer)) {
    if (state.status === completed(outcome)) return { kind: 'complete' }
    if (state.status === preparing(outcome)) throw stillCompleting(state)
    if (state.status === 'empty' || state.status === 'ongoing') throw fenced(state, producer)
    throw cannotEnd(state, outcome)
  }
  checkProducer(state, producer)
  if (isCompleting(state)) throw fenced(state, producer)
  const isOpen = state.status === 'ongoing'
  if (!isOpen && outcome === 'commit') throw cannotEnd(state, outcome)
  const nextProducerId = needsNewProducerId(state) ? change.newProducerId : -1
  const started = isOpen ? {} : { partitions: [], startTimestamp: change.now }
  return {
    kind: 'prepared',
    state: { ...state, ...started, status: preparing(outcome), nextProducerId, producerEpoch: state.producerEpoch + 1, lastUpdateTimestamp: change.now },
  }
}

/** True for who ended the transaction by version 2 and has not learned the epoch that came of it. */
export function isEpochBefore(state: TransactionState, producer: ProducerIdentity): boolean {
  const isRotated = state.producerEpoch === 0 && state.previousProducerId !== state.producerId
  if (isRotated) return producer.producerId === state.previousProducerId && producer.producerEpoch === maxProducerEpoch - 1
  return producer.producerId === state.producerId && producer.producerEpoch === state.producerEpoch - 1
}

/** Aborts an open transaction on behalf of nobody: its producer is fenced by the next epoch. */
export function fence(state: TransactionState, now: number): TransactionState {
  assert(state.status === 'ongoing', `${state.transactionalId} is fenced while ${state.status}`)
  return { ...state, producerEpoch: state.producerEpoch + 1, status: 'prepare-abort', lastUpdateTimestamp: now }
}

/** All markers are written. */
export function complete(state: TransactionState, now: number): TransactionState {
  assert(isCompleting(state), `${state.transactionalId} is completed while ${state.status}`)
  const identity = state.nextProducerId < 0 ? {} : { producerId: state.nextProducerId, previousProducerId: state.producerId, nextProducerId: -1, producerEpoch: 0 }
  return { ...state, ...identity, status: completed(outcomeOf(state)), partitions: [], lastUpdateTimestamp: now }
}

/** What a decided transaction came to. */
export function outcomeOf(state: TransactionState): TransactionOutcome {
  return state.status === 'prepare-commit' ? 'commit' : 'abort'
}

export function fenced(state: TransactionState, producer: ProducerIdentity): StreamError {
  const message = `producer ${producer.producerId} with epoch ${producer.producerEpoch} was fenced: transactional id '${state.transactionalId}' is at epoch ${state.producerEpoch}; close this producer`
  return new StreamError('PRODUCER_FENCED', message, { details: { transactionalId: state.transactionalId, ...producer } })
}

export function stillCompleting(state: TransactionState): StreamError {
  const message = `the last transaction of '${state.transactionalId}' is still being completed (${state.status})`
  return new StreamError('CONCURRENT_TRANSACTIONS', message, { retriable: true })
}

function cannotEnd(state: TransactionState, outcome: TransactionOutcome): StreamError {
  return new StreamError('INVALID_TXN_STATE', `transactional id '${state.transactionalId}' cannot ${outcome}: its transaction is ${state.status}`)
}

function preparing(outcome: TransactionOutcome): TransactionStatus {
  return outcome === 'commit' ? 'prepare-commit' : 'prepare-abort'
}

function completed(outcome: TransactionOutcome): TransactionStatus {
  return outcome === 'commit' ? 'complete-commit' : 'complete-abort'
}

function contains(partitions: readonly TopicPartition[], target: TopicPartition): boolean {
  return partitions.some((known) => known.partition === target.partition && known.topic === target.topic)
}
