/**
 * Takes batches to the leaders of their partitions, one in flight per partition, so that order and sequence numbers hold
 * without bookkeeping; batches of several partitions with one leader travel in one request.
 * ```
 *   waiting ──leader known──▶ in flight ──acknowledged──▶ settled
 *      ▲                          │ passing failure            ▲
 *      └──────── back-off ────────┘ lasting failure, or older than the delivery time-out
 * ```
 */
import type { BatchMetadata } from '../broker.ts'
import { sleep } from '../clock.ts'
import type { Timer } from '../clock.ts'
import { isStreamError, StreamError } from '../errors.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import { byTopic } from './by-topic.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { kafkaError, remedyForFailure } from './kafka-errors.ts'
import type { KafkaLane } from './kafka-lane.ts'
import { asFencing } from './kafka-transaction.ts'
import type { KafkaTransaction } from './kafka-transaction.ts'
import type { ProducerIdentity } from './producer-identity.ts'
import { retryDelayMs } from './retry.ts'
import { produce } from './wire/index.ts'

export interface SenderOptions {
  readonly cluster: KafkaCluster
  readonly lane: KafkaLane
  readonly identity: ProducerIdentity
  readonly transaction: KafkaTransaction | null
  /** -1: all in-sync replicas, 1: the leader. */
  readonly acks: -1 | 1
  readonly deliveryTimeoutMs: number
  /** The producer id cannot be used any more: something of unknown fate was sent under it. */
  readonly renewIdentity: () => Promise<void>
}

export interface OutgoingBatch {
  readonly target: TopicPartition
  readonly bytes: Uint8Array
  readonly recordCount: number
  readonly settle: (outcome: BatchMetadata | StreamError) => void
}

interface QueuedBatch extends OutgoingBatch {
  readonly expiresAt: number
  /** A request with it was sent whose answer never came, or said so. */
  mayBeStored: boolean
  /** The producer id that it was sealed with. */
  sealedBy: number
}

interface PartitionQueue {
  readonly target: TopicPartition
  readonly batches: QueuedBatch[]
  /** In flight, backing off or looking for its leader. */
  isBusy: boolean
  isInFlight: boolean
  failures: number
}

interface PartitionAnswer {
  readonly errorCode: number
  readonly baseOffset: number
  readonly logAppendTimeMs: number
  readonly recordErrors: readonly { readonly batchIndex: number; readonly message: string | null }[]
  readonly errorMessage: string | null
}

const maxRequestBytes = 4 * 1024 * 1024
/** Beyond this a broker drops the connection instead of answering (`socket.request.max.bytes`). */
const maxBatchBytes = 100_000_000
const maxRequestsPerNode = 3
const unknownTopicPatience = 6
/** NOT_ENOUGH_REPLICAS_AFTER_APPEND and REQUEST_TIMED_OUT: the leader has it, the others may not. */
const storedAllTheSame: ReadonlySet<number> = new Set([7, 20])

export class KafkaSender {
  readonly #options: SenderOptions
  readonly #queues = new Map<string, PartitionQueue>()
  readonly #requestsPerNode = new Map<number, number>()
  readonly #backOffs = new Set<Timer>()
  #isPumpScheduled = false
  #isRenewing = false
  #isStopped = false
  #fatal: StreamError | null = null

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** Set once the producer can never write again. */
  get fatal(): StreamError | null {
    return this.#fatal
  }

  enqueue(batch: OutgoingBatch): void {
    if (this.#fatal !== null) return batch.settle(this.#fatal)
    if (batch.bytes.length > maxBatchBytes) return batch.settle(tooLarge(batch))
    const key = partitionKey(batch.target.topic, batch.target.partition)
    let queue = this.#queues.get(key)
    if (queue === undefined) this.#queues.set(key, (queue = { target: batch.target, batches: [], isBusy: false, isInFlight: false, failures: 0 }))
    queue.batches.push({ ...batch, expiresAt: this.#options.cluster.clock.monotonic() + this.#options.deliveryTimeoutMs, mayBeStored: false, sealedBy: -1 })
    this.#schedulePump()
  }

  /** Batches of the partition that are not settled. */
  pending(target: TopicPartition): number {
    return this.#queues.get(partitionKey(target.topic, target.partition))?.batches.length ?? 0
  }

  /**
   * Batches of the transaction that are not in flight get the error now, those in flight when their request ends without success.
   * One that was sent before, and would have been again, may be in the log under the sequence number that the next one would get.
   */
  dropWaiting(error: StreamError): void {
    this.#isStopped = true
    for (const queue of this.#queues.values()) {
      const from = queue.isInFlight ? 1 : 0
      if (queue.batches.some(({ mayBeStored }, index) => mayBeStored && index >= from)) this.#options.transaction?.outcomeIsUnknown()
      this.#failFrom(queue, from, error)
    }
  }

  /** Takes batches again after `dropWaiting`. */
  resume(): void {
    this.#isStopped = false
  }

  close(): void {
    for (const timer of this.#backOffs) timer.cancel()
  }

  /** At the end of the turn, so that batches handed over together travel together. */
  #schedulePump(): void {
    if (this.#isPumpScheduled) return
    this.#isPumpScheduled = true
    queueMicrotask(() => {
      this.#isPumpScheduled = false
      this.#pump()
    })
  }

  // -------------------------------------------------------------------------------------------------- choosing

  /** Starts a request for every leader that has batches waiting and is not busy enough. */
  #pump(): void {
    if (this.#isRenewing) return
    const requests = new Map<number, PartitionQueue[]>()
    for (const [key, queue] of this.#queues) {
      if (queue.isBusy) continue
      if (queue.batches.length === 0) {
        this.#queues.delete(key)
        continue
      }
      const leader = this.#options.cluster.cachedLeader(queue.target)
      if (leader === undefined) void this.#findLeader(queue)
      else if ((this.#requestsPerNode.get(leader) ?? 0) < maxRequestsPerNode) addTo(requests, leader, queue)
    }
    for (const [leader, queues] of requests) this.#start(leader, queues)
  }

  #start(leader: number, queues: readonly PartitionQueue[]): void {
    let bytes = 0
    const fitting = queues.filter((queue) => {
      bytes += queue.batches[0]!.bytes.length
      return bytes <= maxRequestBytes || queue === queues[0]
    })
    for (const queue of fitting) {
      queue.isBusy = queue.isInFlight = true
      this.#moveBehindTheOthers(queue)
    }
    // What did not fit has a request of its own, as long as the node is not busy enough.
    if (fitting.length < queues.length) this.#schedulePump()
    this.#requestsPerNode.set(leader, (this.#requestsPerNode.get(leader) ?? 0) + 1)
    void this.#send(leader, fitting).finally(() => {
      this.#requestsPerNode.set(leader, this.#requestsPerNode.get(leader)! - 1)
      this.#schedulePump()
    })
  }

  /** So that each has its turn, however much the others have to send. */
  #moveBehindTheOthers(queue: PartitionQueue): void {
    const key = partitionKey(queue.target.topic, queue.target.partition)
    this.#queues.delete(key)
    this.#queues.set(key, queue)
  }

  async #findLeader(queue: PartitionQueue): Promise<void> {
    queue.isBusy = true
    try {
      await this.#options.cluster.leader(queue.target)
      queue.isBusy = false
      this.#pump()
    } catch (error) {
      const failure = asStreamError(error)
      if (failure.code === 'UNKNOWN_TOPIC_OR_PARTITION') queue.failures = unknownTopicPatience
      this.#retryOrFail(queue, failure)
    }
  }

  // -------------------------------------------------------------------------------------------------- sending

  async #send(leader: number, queues: readonly PartitionQueue[]): Promise<void> {
    const { cluster, lane, transaction, acks } = this.#options
    const batches = queues.map((queue) => queue.batches[0]!)
    let isSent = false
    try {
      await transaction?.ensureAdded(batches.map(({ target }) => target))
      for (const batch of batches) this.#seal(batch)
      const topics = byTopic(batches.map(({ target, bytes }) => ({ topic: target.topic, index: target.partition, records: bytes })))
        .map(([name, partitions]) => ({ name, partitions }))
      isSent = true
      const request = { transactionalId: transaction?.transactionalId ?? null, acks, timeoutMs: cluster.requestTimeoutMs, topics }
      const answer = await lane.send(leader, produce, request, cluster.requestTimeoutMs + 1_000)
      const answers = new Map(answer.responses.flatMap(({ name, partitions }) => partitions.map((partition) => [partitionKey(name, partition.index), partition] as const)))
      for (const queue of queues) this.#answered(queue, answers.get(partitionKey(queue.target.topic, queue.target.partition)))
    } catch (error) {
      for (const queue of queues) {
        queue.batches[0]!.mayBeStored ||= isSent
        this.#retryOrFail(queue, asStreamError(error))
      }
    }
  }

  /** What may be in the log already keeps the id and the number that it is known by there, also when the producer has a new id. */
  #seal(batch: QueuedBatch): void {
    if (batch.mayBeStored) return
    const { identity, transaction } = this.#options
    identity.seal(batch.target, batch.bytes, transaction !== null)
    batch.sealedBy = identity.producerId
  }

  #answered(queue: PartitionQueue, answer: PartitionAnswer | undefined): void {
    const batch = queue.batches[0]!
    const where = `appending to ${batch.target.topic}-${batch.target.partition}`
    if (answer === undefined) return this.#retryOrFail(queue, new StreamError('BACKEND_UNAVAILABLE', `${where}: the broker's answer leaves it out`, { retriable: true }))
    if (answer.errorCode !== 0) {
      if (storedAllTheSame.has(answer.errorCode)) batch.mayBeStored = true
      const explanation = answer.recordErrors.map(({ batchIndex, message }) => `record ${batchIndex} of the batch: ${message ?? 'no reason given'}`).join('; ')
      return this.#retryOrFail(queue, kafkaError(answer.errorCode, where, explanation || answer.errorMessage))
    }
    const { identity } = this.#options
    if (batch.sealedBy === identity.producerId) identity.acknowledged(batch.target, batch.recordCount)
    queue.batches.shift()
    queue.failures = 0
    queue.isBusy = queue.isInFlight = false
    batch.settle({ ...batch.target, baseOffset: answer.baseOffset, recordCount: batch.recordCount, logAppendTime: answer.logAppendTimeMs })
  }

  // -------------------------------------------------------------------------------------------------- failing

  #retryOrFail(queue: PartitionQueue, failure: StreamError): void {
    const { cluster } = this.#options
    const batch = queue.batches[0]
    const remedy = remedyForFailure(failure)
    if (remedy === 'refresh-metadata') cluster.forgetLeadersOf(queue.target.topic)
    const isOver = batch === undefined || remedy === 'fail' || this.#isStopped || this.#fatal !== null || cluster.clock.monotonic() >= batch.expiresAt
      || (failure.code === 'UNKNOWN_TOPIC_OR_PARTITION' && queue.failures >= unknownTopicPatience)
    if (isOver) return this.#fail(queue, failure)
    queue.isInFlight = false
    const timer = cluster.clock.setTimer(retryDelayMs(queue.failures++, cluster.random), () => {
      this.#backOffs.delete(timer)
      queue.isBusy = false
      this.#pump()
    })
    this.#backOffs.add(timer)
  }

  #fail(queue: PartitionQueue, failure: StreamError): void {
    const { transaction } = this.#options
    const error = transaction === null ? failure : asFencing(failure, transaction.transactionalId)
    const batch = queue.batches.shift()
    queue.failures = 0
    queue.isBusy = queue.isInFlight = false
    if (isFatal(error)) this.#die(error)
    else if (batch?.mayBeStored === true) void this.#distrustIdentity(error)
    batch?.settle(error)
    this.#schedulePump()
  }

  /** Of a request that somebody else sent under this producer's id. */
  noteFailure(error: StreamError): void {
    if (isFatal(error)) this.#die(error)
  }

  #die(error: StreamError): void {
    this.#fatal ??= error
    for (const queue of this.#queues.values()) this.#failFrom(queue, queue.isInFlight ? 1 : 0, error)
  }

  /** The failed batch may turn up yet; its sequence numbers must not be used for others. Requests in flight are waited for, because they count under the old id. */
  async #distrustIdentity(error: StreamError): Promise<void> {
    const { transaction, identity, renewIdentity, cluster } = this.#options
    if (transaction !== null) return transaction.outcomeIsUnknown()
    if (identity.producerId < 0 || this.#isRenewing) return
    this.#isRenewing = true
    while ([...this.#requestsPerNode.values()].some((count) => count > 0)) await sleep(cluster.clock, 10)
    try {
      await renewIdentity()
    } catch (failure) {
      this.#die(new StreamError('BACKEND_UNAVAILABLE', `the producer cannot go on after a lost request, because it gets no new id: ${asStreamError(failure).message}`, { cause: error }))
    }
    this.#isRenewing = false
    this.#pump()
  }

  #failFrom(queue: PartitionQueue, index: number, error: StreamError): void {
    for (const batch of queue.batches.splice(index)) batch.settle(error)
  }
}

/** After these the broker takes nothing more from this producer id and epoch. */
function isFatal(error: StreamError): boolean {
  return error.code === 'PRODUCER_FENCED' || error.code === 'INVALID_PRODUCER_EPOCH' || error.code === 'OUT_OF_ORDER_SEQUENCE' || error.code === 'INVALID_PRODUCER_ID_MAPPING'
}

function tooLarge({ target, bytes }: OutgoingBatch): StreamError {
  return new StreamError('RECORD_TOO_LARGE', `a batch of ${bytes.length} bytes for ${target.topic}-${target.partition} is larger than the ${maxBatchBytes} bytes that a Kafka broker reads`)
}

function addTo(requests: Map<number, PartitionQueue[]>, leader: number, queue: PartitionQueue): void {
  const queues = requests.get(leader)
  if (queues === undefined) requests.set(leader, [queue])
  else queues.push(queue)
}

export function asStreamError(error: unknown): StreamError {
  if (isStreamError(error)) return error
  throw error
}
