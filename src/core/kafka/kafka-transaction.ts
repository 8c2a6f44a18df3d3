/**
 * The producer's side of transactions (KIP-98), with offsets that name the member's generation (KIP-447):
 * ```
 *   InitProducerId ──▶ AddPartitionsToTxn … Produce … ──▶ AddOffsetsToTxn, TxnOffsetCommit ──▶ EndTxn ──▶ (next)
 *        ▲                                                                                       │ outcome unknown
 *        └───────────────────────────────────────────────────────────────────────────────────────┘
 * ```
 * When the fate of a request is unknown the producer is initialised again: that ends whatever is open and raises the epoch,
 * so that a request still on its way can do no harm (KIP-890).
 */
import type { CommittedOffset, TransactionOffsets } from '../broker.ts'
import { sleep } from '../clock.ts'
import { isStreamError, StreamError } from '../errors.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import { byTopic } from './by-topic.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { kafkaError } from './kafka-errors.ts'
import type { KafkaLane } from './kafka-lane.ts'
import type { ProducerIdentity } from './producer-identity.ts'
import { retryDelayMs } from './retry.ts'
import { topicPatience } from './topic-patience.ts'
import { addOffsetsToTxn, addPartitionsToTxn, endTxn, initProducerId, txnOffsetCommit } from './wire/index.ts'

export interface KafkaTransactionOptions {
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
}

const unknownServerError = -1
const operationNotAttempted = 55
const maxServerErrors = 5

export class KafkaTransaction {
  readonly transactionalId: string
  readonly #timeoutMs: number
  readonly #cluster: KafkaCluster
  readonly #lane: KafkaLane
  readonly #identity: ProducerIdentity
  readonly #partitions = new Set<string>()
  #hasOffsets = false
  #isOutcomeUnknown = false

  constructor(cluster: KafkaCluster, lane: KafkaLane, identity: ProducerIdentity, options: KafkaTransactionOptions) {
    this.#cluster = cluster
    this.#lane = lane
    this.#identity = identity
    this.transactionalId = options.transactionalId
    this.#timeoutMs = options.transactionTimeoutMs
  }

  /**
   * Fences earlier producers of the id and ends what they left open. Once it has an identity, it goes on as that producer, or
   * is fenced itself: a newer one must not be driven out by an older that comes to itself (KIP-360).
   * @throws PRODUCER_FENCED, INVALID_TRANSACTION_TIMEOUT, BACKEND_UNAVAILABLE (retriable)
   */
  async initialise(): Promise<void> {
    const answer = await this.#ask('initialising', (nodeId) =>
      this.#lane.send(nodeId, initProducerId, { ...this.#producer(), transactionTimeoutMs: this.#timeoutMs }, this.#cluster.requestTimeoutMs))
    this.#identity.adopt(answer.producerId, answer.producerEpoch)
    this.#isOutcomeUnknown = false
    this.#forgetContents()
  }

  /** A request of the transaction was sent and nobody knows what became of it: only `abort` may follow. */
  outcomeIsUnknown(): void {
    this.#isOutcomeUnknown = true
  }

  /** Before the first batch of the transaction goes to a partition. */
  async ensureAdded(targets: readonly TopicPartition[]): Promise<void> {
    const fresh = targets.filter(({ topic, partition }) => !this.#partitions.has(partitionKey(topic, partition)))
    if (fresh.length === 0) return
    const topics = byTopic(fresh).map(([name, partitions]) => ({ name, partitions: partitions.map(({ partition }) => partition) }))
    await this.#ask('adding partitions', async (nodeId) => {
      const answer = await this.#lane.send(nodeId, addPartitionsToTxn, { ...this.#producer(), topics }, this.#cluster.requestTimeoutMs)
      const codes = answer.results.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode)).filter((errorCode) => errorCode !== 0)
      // beside the one that failed, the others were not attempted
      return { errorCode: codes.find((errorCode) => errorCode !== operationNotAttempted) ?? codes[0] ?? 0 }
    })
    for (const { topic, partition } of fresh) this.#partitions.add(partitionKey(topic, partition))
  }

  /** @throws ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID: the group moved on */
  async addOffsets({ group, offsets }: TransactionOffsets): Promise<void> {
    await this.#ask('adding offsets', (nodeId) =>
      this.#lane.send(nodeId, addOffsetsToTxn, { ...this.#producer(), groupId: group.groupId }, this.#cluster.requestTimeoutMs))
    this.#hasOffsets = true
    const topics = byTopic(offsets).map(([name, partitions]) => ({ name, partitions: partitions.map(offsetOnWire) }))
    const request = { ...this.#producer(), groupId: group.groupId, generationId: group.generation, memberId: group.memberId, groupInstanceId: group.groupInstanceId, topics }
    const patient = topicPatience(this.#cluster.clock)
    await this.#noticingLoss(() => this.#cluster.withCoordinator('group', group.groupId, async (nodeId) => {
      const answer = await this.#lane.send(nodeId, txnOffsetCommit, request, this.#cluster.requestTimeoutMs)
      const failed = answer.topics.flatMap(({ partitions }) => partitions).find(({ errorCode }) => errorCode !== 0)
      if (failed !== undefined) throw this.#explained(patient(kafkaError(failed.errorCode, `committing offsets of group ${group.groupId} in a transaction of ${this.transactionalId}`)))
    }))
  }

  /** Makes everything visible. When the answer does not come, `abort` must follow, and what was committed is known from the committed offsets. */
  async commit(): Promise<void> {
    if (this.#isOutcomeUnknown) {
      throw new StreamError('INVALID_TXN_STATE', `a request of the transaction of ${this.transactionalId} was lost, so it cannot be committed; abort it and repeat its work`)
    }
    await this.#end(true)
  }

  async abort(): Promise<void> {
    if (!this.#isOutcomeUnknown) return this.#end(false)
    await this.#endWhatIsOpen()
    await this.initialise()
  }

  /** Before an initialisation: met with an open transaction, the coordinator fences the very epoch that the initialisation names. */
  async #endWhatIsOpen(): Promise<void> {
    try {
      await this.#askToEnd(false)
    } catch (error) {
      if (!isStreamError(error, 'INVALID_TXN_STATE')) throw error // it had ended, or never begun there
    }
  }

  /** Nothing is sent for a transaction without contents: the coordinator has never heard of it. */
  async #end(committed: boolean): Promise<void> {
    if (this.#partitions.size === 0 && !this.#hasOffsets) return
    await this.#askToEnd(committed)
    this.#forgetContents()
  }

  async #askToEnd(committed: boolean): Promise<void> {
    await this.#ask(committed ? 'committing' : 'aborting', (nodeId) => this.#lane.send(nodeId, endTxn, { ...this.#producer(), committed }, this.#cluster.requestTimeoutMs))
  }

  #forgetContents(): void {
    this.#partitions.clear()
    this.#hasOffsets = false
  }

  #producer(): { readonly transactionalId: string; readonly producerId: number; readonly producerEpoch: number } {
    return { transactionalId: this.transactionalId, producerId: this.#identity.producerId, producerEpoch: this.#identity.producerEpoch }
  }

  #ask<Answer extends { readonly errorCode: number }>(what: string, attempt: (nodeId: number) => Promise<Answer>): Promise<Answer> {
    const patient = topicPatience(this.#cluster.clock)
    return this.#noticingLoss(() => this.#cluster.withCoordinator('transaction', this.transactionalId, async (nodeId) => {
      const answer = await this.#pastServerErrors(() => attempt(nodeId))
      if (answer.errorCode !== 0) throw this.#explained(patient(kafkaError(answer.errorCode, `${what} for transactional id ${this.transactionalId}`)))
      return answer
    }))
  }

  /**
   * A coordinator in the middle of fencing this epoch answers EndTxn with UNKNOWN_SERVER_ERROR (an IllegalStateException in its
   * log, Apache Kafka 4.3.1), and with PRODUCER_FENCED a moment later. All requests of a transaction may be repeated.
   */
  async #pastServerErrors<Answer extends { readonly errorCode: number }>(attempt: () => Promise<Answer>): Promise<Answer> {
    for (let failures = 0; ; failures++) {
      const answer = await attempt()
      if (answer.errorCode !== unknownServerError || failures === maxServerErrors) return answer
      await sleep(this.#cluster.clock, retryDelayMs(failures, this.#cluster.random))
    }
  }

  /** A request that was given up may still arrive, in the middle of a later transaction. */
  async #noticingLoss<T>(exchange: () => Promise<T>): Promise<T> {
    try {
      return await exchange()
    } catch (error) {
      if (isStreamError(error) && (error.retriable || error.code === 'BACKEND_UNAVAILABLE')) this.outcomeIsUnknown()
      throw error
    }
  }

  #explained(error: StreamError): StreamError {
    return asFencing(error, this.transactionalId)
  }
}

/** An old epoch means that the transactional id has a newer owner, or that the coordinator took too long a transaction away. */
export function asFencing(error: StreamError, transactionalId: string): StreamError {
  const isExplained = isStreamError(error.cause)
  if (isExplained || (error.code !== 'INVALID_PRODUCER_EPOCH' && error.code !== 'PRODUCER_FENCED')) return error
  return new StreamError('PRODUCER_FENCED', `a newer producer with transactional id ${transactionalId} took over, or its transaction ran into its time-out; close this one (${error.message})`, { cause: error, details: error.details })
}

export function offsetOnWire(offset: CommittedOffset): { partitionIndex: number; committedOffset: number; committedLeaderEpoch: number; committedMetadata: string | null } {
  return { partitionIndex: offset.partition, committedOffset: offset.offset, committedLeaderEpoch: -1, committedMetadata: offset.metadata ?? null }
}
