import { unhurriedNow } from '../clock.ts'
import type { Timer } from '../clock.ts'
import { StreamError, isStreamError } from '../errors.ts'
import { allEnded } from '../log/file-system.ts'
import type { TransactionMarker } from '../log/control-batch.ts'
import type { Header, TopicPartition } from '../record.ts'
import { decodeTransactionKey, decodeTransactionValue, encodeTransactionKey, encodeTransactionValue, firstOffsetsHeader, firstOffsetsOf, isDecided, readFirstOffsets } from './coordinator-records.ts'
import type { FirstOffsets } from './coordinator-records.ts'
import type { Acknowledge, EndTransactionRequest, InitProducerRequest } from './engine-api.ts'
import type { InternalRecord, InternalTopic } from './internal-topic.ts'
import type { LogEngine } from './log-engine.ts'
import type { OffsetStore } from './offset-store.ts'
import type { Partition } from './partition.ts'
import type { ProducerIds } from './producer-ids.ts'
import {
  addPartitions, checkProducer, complete, fence, fenced, isCompleting, isEpochBefore, needsNewProducerId, newTransactionState, outcomeOf, prepare, prepareNextEpoch,
  stillCompleting, takeOver,
} from './transaction-state.ts'
import type { ProducerIdentity, TransactionState } from './transaction-state.ts'

export interface TransactionCoordinatorOptions {
  readonly engine: LogEngine
  readonly topic: InternalTopic
  readonly offsets: OffsetStore
  readonly producerIds: ProducerIds
}

interface Entry {
  state: TransactionState
  /** Aborts the open transaction when its time is up. */
  timeout: Timer | null
  /** Partitions joined in this turn of the event loop, and the record of it is still to be written. */
  isRegistering: boolean
  /** While markers are being written; shared by all who wait for the outcome. */
  ending: Promise<void> | null
  /** False while the decision may be lost with the power: until it is on disk no marker may be. */
  isDecisionWritten: boolean
  /** Of a commit that is decided: which transaction that is. null: nothing is, or by a record that does not say. */
  decided: FirstOffsets | null
  /** Changes of who owns the id happen one after the other. */
  lastInit: Promise<unknown>
  /** How many of them are under way. */
  inits: number
  /** Who owned the id before the last change of owner, for a client that did not get the answer and asks again. */
  previousOwner: ProducerIdentity | null
}

/** There is one coordinator, for good: nothing could be fenced by its epoch. */
const coordinatorEpoch = 0
/** After a disk that was full refused a marker. */
const finishDelayMs = 1_000
/** Kafka's `transaction.max.timeout.ms`. */
const maxTransactionTimeoutMs = 900_000

/**
 * Makes the writes of a transaction to several partitions, and the offsets in it, visible together or not at all.
 * The state of each transactional id is a record of `__transaction_state`; `transaction-state.ts` says how it may change.
 */
export class TransactionCoordinator {
  readonly #engine: LogEngine
  readonly #topic: InternalTopic
  readonly #offsets: OffsetStore
  readonly #producerIds: ProducerIds
  readonly #entries = new Map<string, Entry>()
  readonly #unhurriedNow: () => number

  constructor(options: TransactionCoordinatorOptions) {
    this.#engine = options.engine
    this.#unhurriedNow = unhurriedNow(options.engine.clock)
    this.#topic = options.topic
    this.#offsets = options.offsets
    this.#producerIds = options.producerIds
  }

  /**
   * Brings everything to rest after a start, clean or not:
   * 1. read the last state of each transactional id
   * 2. abort what a producer began after a commit of which only the decision is known: that it is complete was lost with the power
   * 3. finish what was decided: write the markers that are missing
   * 4. abort what was open: its producer lived in a process that is gone
   * 5. abort what is open in a partition and known to nobody, because the record of it was lost with the power
   */
  async recover(): Promise<void> {
    this.#topic.replay((batch) => {
      for (const { key, value, headers } of batch) if (key !== null) this.#restore(decodeTransactionKey(key), value, headers)
    })
    await this.#abortOpenTransactions((partition, { producerId, firstOffset }) => this.#isAfterDecided(partition, producerId, firstOffset))
    for (const entry of this.#entries.values()) {
      if (entry.state.status === 'ongoing') await this.#abortOpen(entry)
      else if (isCompleting(entry.state)) await this.#finish(entry, 'durable')
    }
    await this.#abortOpenTransactions(() => true)
    await this.#topic.sync()
  }

  /** @throws INVALID_TRANSACTION_TIMEOUT and what the disk may refuse */
  async init(request: InitProducerRequest & { readonly transactionalId: string }): Promise<ProducerIdentity> {
    const { transactionTimeoutMs } = request
    if (transactionTimeoutMs <= 0 || transactionTimeoutMs > maxTransactionTimeoutMs) {
      throw new StreamError('INVALID_TRANSACTION_TIMEOUT', `a transaction timeout of ${transactionTimeoutMs} ms is not between 1 and ${maxTransactionTimeoutMs}`)
    }
    await this.#topic.ensure()
    const entry = this.#entries.get(request.transactionalId) ?? (await this.#create(request))
    if (request.whenBusy === 'refuse') this.#refuseWhileBusy(entry)
    entry.inits++
    const result = entry.lastInit.then(() => this.#takeOver(entry, request)).finally(() => entry.inits--)
    entry.lastInit = result.catch(() => undefined)
    return result
  }

  /**
   * Before every append of a transaction: registers the partition when it is the first. The record of it is not waited for:
   * a partition that recovery finds open and unregistered is aborted, which is what an open transaction comes to anyway.
   */
  addPartition(transactionalId: string, producer: ProducerIdentity, target: TopicPartition): void {
    const entry = this.#entry(transactionalId)
    if (entry.ending !== null) checkStillOwner(entry.state, producer)
    const next = addPartitions(entry.state, producer, [target], this.#now)
    if (next === entry.state) return
    if (entry.state.status !== 'ongoing') this.#startTimeout(entry, next.timeoutMs)
    entry.state = next
    if (!entry.isRegistering) this.#register(entry)
  }

  /** One record for all the partitions that join in a row. Without it, on a full disk, recovery finds the open partitions by itself. */
  #register(entry: Entry): void {
    entry.isRegistering = true
    queueMicrotask(() => {
      entry.isRegistering = false
      if (entry.state.status !== 'ongoing') return
      try {
        this.#topic.writeUnacknowledged(entry.state.transactionalId, [record(entry.state)])
      } catch {
        // What the disk refuses here it refuses to the append, too.
      }
    })
  }

  /** What a write with an old epoch is answered with, where a coordinator's request is told that it was fenced. @throws INVALID_PRODUCER_EPOCH */
  checkEpoch(transactionalId: string, producer: ProducerIdentity): void {
    const { state } = this.#entry(transactionalId)
    if (state.producerId === producer.producerId && state.producerEpoch !== producer.producerEpoch) {
      throw new StreamError('INVALID_PRODUCER_EPOCH', `producer ${producer.producerId} of transactional id '${transactionalId}' is at epoch ${state.producerEpoch}, not ${producer.producerEpoch}`)
    }
  }

  /** For clients that add partitions themselves: a write to one that they did not add would never be ended. @throws INVALID_TXN_STATE, PRODUCER_FENCED, INVALID_PRODUCER_ID_MAPPING */
  checkPartition(transactionalId: string, producer: ProducerIdentity, target: TopicPartition): void {
    const { state } = this.#entry(transactionalId)
    checkProducer(state, producer)
    const isAdded = state.status === 'ongoing' && state.partitions.some(({ topic, partition }) => partition === target.partition && topic === target.topic)
    if (!isAdded) throw new StreamError('INVALID_TXN_STATE', `${target.topic}-${target.partition} is not part of the transaction of '${transactionalId}'; add it first`)
  }

  /** Answers who the producer is from now on. @throws INVALID_TXN_STATE, PRODUCER_FENCED, INVALID_PRODUCER_ID_MAPPING, CONCURRENT_TRANSACTIONS */
  async end(request: EndTransactionRequest): Promise<ProducerIdentity> {
    const { transactionalId, producer, outcome, acknowledge } = request
    const entry = this.#entry(transactionalId)
    const newProducerId = request.newEpoch === true && needsNewProducerId(entry.state) ? await this.#producerIds.next() : -1
    while (entry.ending !== null) await entry.ending.catch(() => undefined)
    const isDecided = isCompleting(entry.state) && outcomeOf(entry.state) === outcome
    if (isDecided && (request.newEpoch === true ? isEpochBefore(entry.state, producer) : sameProducer(entry.state, producer))) await this.#finish(entry, acknowledge)
    else {
      const { state } = entry
      const answer = request.newEpoch === true ? prepareNextEpoch(state, producer, outcome, { newProducerId, now: this.#now }) : prepare(state, producer, outcome, this.#now)
      if (answer.kind === 'prepared') await this.#conclude(entry, answer.state, acknowledge)
    }
    return { producerId: entry.state.producerId, producerEpoch: entry.state.producerEpoch }
  }

  /** Aborts what is open under the id, if the producer still owns it: nobody will. */
  async release(transactionalId: string, producer: ProducerIdentity): Promise<void> {
    const entry = this.#entries.get(transactionalId)
    if (entry === undefined) return
    while (entry.ending !== null) await entry.ending.catch(() => undefined)
    if (sameProducer(entry.state, producer) && entry.state.status === 'ongoing') await this.#abortOpen(entry)
  }

  /** Forgets transactional ids that were not used for so long: whoever comes back with one begins anew. */
  async expireIds(retentionMs: number): Promise<void> {
    const oldest = this.#unhurriedNow() - retentionMs
    for (const [transactionalId, { state, ending, inits }] of this.#entries) {
      const isIdle = ending === null && inits === 0 && state.status !== 'ongoing' && !isCompleting(state)
      if (!isIdle || state.lastUpdateTimestamp > oldest) continue
      const written = this.#topic.write(transactionalId, [{ key: encodeTransactionKey(transactionalId), value: null }])
      // At once: what is written of the id from now on comes behind.
      this.#entries.delete(transactionalId)
      await written
    }
  }

  /** Aborts everything that is open, and finishes what is decided: the engine closes, or with it goes every producer. */
  async close(): Promise<void> {
    await allEnded([...this.#entries.values()].map(async (entry) => {
      while (entry.ending !== null) await entry.ending.catch(() => undefined)
      const ended = entry.state.status === 'ongoing' ? this.#abortOpen(entry) : isCompleting(entry.state) ? this.#finish(entry, 'durable') : Promise.resolve()
      await ended.finally(() => entry.timeout?.cancel())
    }))
  }

  // ---------------------------------------------------------------------------------------------------- ownership

  async #create(request: InitProducerRequest & { readonly transactionalId: string }): Promise<Entry> {
    const producerId = await this.#producerIds.next()
    const known = this.#entries.get(request.transactionalId)
    if (known !== undefined) return known
    const state = newTransactionState(request.transactionalId, producerId, request.transactionTimeoutMs, this.#now)
    // The first owner gets epoch 0, by taking over from an owner that never was.
    const entry = newEntry({ ...state, producerEpoch: -1 })
    this.#entries.set(request.transactionalId, entry)
    return entry
  }

  #refuseWhileBusy(entry: Entry): void {
    if (entry.state.status === 'ongoing' && entry.ending === null) this.#abortOpen(entry).catch(() => undefined)
    if (entry.ending !== null || isCompleting(entry.state)) throw stillCompleting(entry.state)
  }

  /** The new epoch is durable before anybody learns it: a restart must not give it out again. */
  async #takeOver(entry: Entry, request: InitProducerRequest): Promise<ProducerIdentity> {
    const { expected } = request
    if (expected !== undefined && expected.producerId >= 0 && entry.state.producerEpoch >= 0) {
      const isRepeated = entry.previousOwner !== null && sameIdentity(entry.previousOwner, expected) && entry.state.status === 'empty'
      if (isRepeated) return { producerId: entry.state.producerId, producerEpoch: entry.state.producerEpoch }
      if (!sameProducer(entry.state, expected)) throw fenced(entry.state, expected)
    }
    // While one transaction is waited for, its owner may begin another: what was found at rest must change hands in the same turn of the event loop.
    for (let newProducerId = -1; ;) {
      if (entry.ending !== null) await entry.ending.catch(() => undefined)
      else if (entry.state.status === 'ongoing') await this.#abortOpen(entry)
      else if (isCompleting(entry.state)) await this.#finish(entry, 'durable')
      else if (needsNewProducerId(entry.state) && newProducerId < 0) newProducerId = await this.#producerIds.next()
      else return this.#changeHands(entry, takeOver(entry.state, { newProducerId, timeoutMs: request.transactionTimeoutMs, now: this.#now }))
    }
  }

  /** Whoever owned the id is fenced at once, and before the epoch is on disk: it may be about to begin its next transaction. */
  async #changeHands(entry: Entry, next: TransactionState): Promise<ProducerIdentity> {
    const before = entry.state
    entry.state = next
    try {
      await this.#topic.write(next.transactionalId, [record(next)])
    } catch (error) {
      entry.state = before
      throw error
    }
    entry.previousOwner = { producerId: before.producerId, producerEpoch: before.producerEpoch }
    return { producerId: next.producerId, producerEpoch: next.producerEpoch }
  }

  // ---------------------------------------------------------------------------------------------------- ending

  /**
   * Ends an open transaction:
   * 1. its records are on disk, in all partitions at once
   * 2. the decision is on disk: from here on the outcome is fixed
   * 3. markers in all partitions (`#finish`)
   */
  async #conclude(entry: Entry, prepared: TransactionState, acknowledge: Acknowledge): Promise<void> {
    entry.timeout?.cancel()
    entry.timeout = null
    await this.#end(entry, this.#decide(entry, prepared, acknowledge))
  }

  async #decide(entry: Entry, prepared: TransactionState, acknowledge: Acknowledge): Promise<void> {
    if (outcomeOf(prepared) === 'commit' && acknowledge === 'durable') await this.#sync(this.#touched(prepared))
    entry.decided = outcomeOf(prepared) === 'commit' ? firstOffsetsOf(this.#touched(prepared), prepared.producerId) : null
    const decided = this.#topic.write(prepared.transactionalId, [decisionRecord(prepared, entry.decided)], { acknowledge })
    entry.state = prepared
    entry.isDecisionWritten = false
    await decided
    entry.isDecisionWritten = true
    await this.#writeMarkers(entry, acknowledge)
  }

  /**
   * Writes the markers that are missing, and that the transaction is complete. May be repeated after a failure.
   * The record of completion is not waited for. A power cut may take it and leave records of the next transaction beside a decision that
   * seems to be waiting for its markers: recovery tells them apart by where each began. The next decision of the id stands behind it in the same log.
   */
  async #finish(entry: Entry, acknowledge: Acknowledge): Promise<void> {
    await (entry.ending ?? this.#end(entry, this.#finishDecided(entry, acknowledge)))
  }

  async #finishDecided(entry: Entry, acknowledge: Acknowledge): Promise<void> {
    // A disk that failed to take the decision refuses here, and no marker says what a restart may not find decided.
    if (!entry.isDecisionWritten) await this.#topic.write(entry.state.transactionalId, [decisionRecord(entry.state, entry.decided)], { acknowledge })
    entry.isDecisionWritten = true
    await this.#writeMarkers(entry, acknowledge)
  }

  /** What cannot be ended now is tried again: an open transaction when its time is up, a decided one soon, because it holds readers back. */
  #end(entry: Entry, ending: Promise<void>): Promise<void> {
    entry.ending = ending.catch((error: unknown) => {
      if (isCompleting(entry.state) && isStreamError(error) && error.retriable) this.#finishLater(entry)
      throw error
    }).finally(() => {
      entry.ending = null
      if (entry.state.status === 'ongoing') this.#startTimeout(entry, entry.state.timeoutMs)
    })
    return entry.ending
  }

  #finishLater(entry: Entry): void {
    entry.timeout?.cancel()
    entry.timeout = this.#engine.clock.setTimer(finishDelayMs, () => {
      entry.timeout = null
      if (isCompleting(entry.state)) this.#finish(entry, 'durable').catch(() => undefined)
    })
  }

  async #writeMarkers(entry: Entry, acknowledge: Acknowledge): Promise<void> {
    const { producerId, producerEpoch } = entry.state
    const outcome = outcomeOf(entry.state)
    const marker: TransactionMarker = { producerId, producerEpoch, coordinatorEpoch, type: outcome, timestamp: this.#now }
    const partitions = this.#touched(entry.state)
    for (const partition of partitions) partition.appendMarker(marker)
    if (acknowledge === 'durable') await this.#sync(partitions)
    await Promise.all(partitions.map((partition) => partition.acknowledge(acknowledge, 1).catch((error: unknown) => this.#throwIfThere(error, [partition]))))
    this.#offsets.completeTransaction(producerId, outcome)
    const completed = complete(entry.state, this.#now)
    this.#topic.writeUnacknowledged(completed.transactionalId, [record(completed)])
    entry.state = completed
    entry.decided = null
  }

  /** All of them; those of topics that are removed meanwhile need not be. */
  async #sync(partitions: readonly Partition[]): Promise<void> {
    await this.#engine.syncTogether(partitions).catch(async (error: unknown) => {
      const left = this.#throwIfThere(error, partitions)
      await this.#sync(left)
    })
  }

  /** The partitions that are still there, if some have gone. @throws the error when none has: it has another reason */
  #throwIfThere(error: unknown, partitions: readonly Partition[]): readonly Partition[] {
    const left = partitions.filter((partition) => this.#engine.partitionIfExists(partition) === partition)
    if (left.length === partitions.length) throw error
    return left
  }

  async #abortOpen(entry: Entry): Promise<void> {
    await this.#conclude(entry, fence(entry.state, this.#now), 'durable')
  }

  /** A transaction that is open in the partition from there on began after one of which the last that is known is that it is to be committed. */
  #isAfterDecided(partition: Partition, producerId: number, firstOffset: number): boolean {
    for (const { state, decided } of this.#entries.values()) {
      if (decided !== null && state.producerId === producerId) return !isDecided(decided, partition, firstOffset)
    }
    return false
  }

  async #abortOpenTransactions(isWanted: (partition: Partition, open: { readonly producerId: number; readonly firstOffset: number }) => boolean): Promise<void> {
    const touched = new Set<Partition>()
    for (const partition of this.#engine.allPartitions()) {
      for (const open of partition.log.openTransactions()) {
        if (!isWanted(partition, open)) continue
        const { producerId, producerEpoch } = open
        partition.appendMarker({ producerId, producerEpoch, coordinatorEpoch, type: 'abort', timestamp: this.#now })
        this.#offsets.completeTransaction(producerId, 'abort')
        touched.add(partition)
      }
    }
    await this.#engine.syncTogether([...touched])
    await Promise.all([...touched].map((partition) => partition.acknowledge('durable', 1)))
  }

  #startTimeout(entry: Entry, timeoutMs: number): void {
    entry.timeout?.cancel()
    entry.timeout = this.#engine.clock.setTimer(timeoutMs, () => {
      entry.timeout = null
      if (entry.state.status === 'ongoing' && entry.ending === null) this.#abortOpen(entry).catch(() => undefined)
    })
  }

  // ---------------------------------------------------------------------------------------------------- lookup

  stateOf(transactionalId: string): TransactionState | undefined {
    return this.#entries.get(transactionalId)?.state
  }

  list(): readonly TransactionState[] {
    return [...this.#entries.values()].map(({ state }) => state)
  }

  #touched(state: TransactionState): readonly Partition[] {
    return state.partitions.flatMap((target) => this.#engine.partitionIfExists(target) ?? [])
  }

  #entry(transactionalId: string): Entry {
    const entry = this.#entries.get(transactionalId)
    if (entry !== undefined) return entry
    throw new StreamError('INVALID_PRODUCER_ID_MAPPING', `transactional id '${transactionalId}' is not known; open a producer with it first`)
  }

  #restore(transactionalId: string, value: Uint8Array | null, headers: readonly Header[]): void {
    if (value === null) this.#entries.delete(transactionalId)
    else this.#entries.set(transactionalId, { ...newEntry(decodeTransactionValue(transactionalId, value)), decided: readFirstOffsets(headers) })
  }

  get #now(): number {
    return this.#engine.clock.now()
  }
}

function newEntry(state: TransactionState): Entry {
  return { state, timeout: null, isRegistering: false, ending: null, isDecisionWritten: true, decided: null, lastInit: Promise.resolve(), inits: 0, previousOwner: null }
}

function record(state: TransactionState): InternalRecord {
  return { key: encodeTransactionKey(state.transactionalId), value: encodeTransactionValue(state) }
}

function decisionRecord(state: TransactionState, decided: FirstOffsets | null): InternalRecord {
  return decided === null ? record(state) : { ...record(state), headers: [firstOffsetsHeader(decided)] }
}

/** While a transaction is being ended nothing may join it any more. @throws PRODUCER_FENCED, CONCURRENT_TRANSACTIONS */
function checkStillOwner(state: TransactionState, producer: ProducerIdentity): void {
  checkProducer(state, producer)
  throw stillCompleting(state)
}

function sameProducer(state: TransactionState, producer: ProducerIdentity): boolean {
  return sameIdentity(state, producer)
}

function sameIdentity(a: ProducerIdentity, b: ProducerIdentity): boolean {
  return a.producerId === b.producerId && a.producerEpoch === b.producerEpoch
}
