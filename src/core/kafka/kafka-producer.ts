import type { BatchMetadata, Producer, ProducerOptions, TransactionOffsets, UnsealedBatch } from '../broker.ts'
import { isStreamError, StreamError } from '../errors.ts'
import { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import { partitionForKey, StickyPartitioner } from '../partitioner.ts'
import { partitionKey } from '../record.ts'
import type { ProducerRecord, RecordMetadata, TopicPartition } from '../record.ts'
import { validateProducerOptions, validateRecord, validateTarget } from '../validate.ts'
import { ByteBudget } from './byte-budget.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { throwIfError } from './kafka-errors.ts'
import type { KafkaLane } from './kafka-lane.ts'
import { KafkaSender } from './kafka-sender.ts'
import { KafkaTransaction } from './kafka-transaction.ts'
import { ProducerIdentity } from './producer-identity.ts'
import { initProducerId } from './wire/index.ts'
import type { TopicMetadata } from './wire/index.ts'

interface OpenBatch {
  readonly target: TopicPartition
  readonly builder: RecordBatchBuilder
  readonly metadata: Promise<BatchMetadata>
  readonly settle: (outcome: BatchMetadata | StreamError) => void
}

const defaultMaxBufferBytes = 32 * 1024 * 1024
const defaultTransactionTimeoutMs = 60_000
/** Of batches made of single records: large enough to be cheap, far below every topic's `max.message.bytes`. */
const openBatchBytes = 64 * 1024
/** What a record's fields besides key, value and headers take at most. */
const recordOverheadBytes = 32

export async function openKafkaProducer(cluster: KafkaCluster, options: ProducerOptions, closed: (producer: Producer) => void): Promise<Producer> {
  validateProducerOptions(options)
  const lane = cluster.openLane(options.clientId)
  const identity = new ProducerIdentity()
  const { transactionalId, transactionTimeoutMs = defaultTransactionTimeoutMs } = options
  const transaction = transactionalId === undefined ? null : new KafkaTransaction(cluster, lane, identity, { transactionalId, transactionTimeoutMs })
  const renewIdentity = () => adoptFreshProducerId(cluster, identity)
  try {
    if (transaction !== null) await transaction.initialise()
    else if (options.idempotent !== false) await renewIdentity()
  } catch (error) {
    cluster.closeLane(lane)
    throw error
  }
  const acks = options.acknowledge === 'written' && transaction === null ? 1 : -1
  const sender = new KafkaSender({ cluster, lane, identity, transaction, acks: identity.producerId >= 0 ? -1 : acks, deliveryTimeoutMs: cluster.deliveryTimeoutMs, renewIdentity })
  return new KafkaProducer({ cluster, lane, identity, transaction, sender, maxBufferBytes: options.maxBufferBytes ?? defaultMaxBufferBytes, closed })
}

async function adoptFreshProducerId(cluster: KafkaCluster, identity: ProducerIdentity): Promise<void> {
  await cluster.retrying(async () => {
    const answer = await cluster.sendToAny(initProducerId, { transactionalId: null, transactionTimeoutMs: 0, producerId: -1, producerEpoch: -1 })
    throwIfError(answer.errorCode, 'asking for a producer id')
    identity.adopt(answer.producerId, answer.producerEpoch)
  })
}

interface Collaborators {
  readonly cluster: KafkaCluster
  readonly lane: KafkaLane
  readonly identity: ProducerIdentity
  readonly transaction: KafkaTransaction | null
  readonly sender: KafkaSender
  readonly maxBufferBytes: number
  readonly closed: (producer: Producer) => void
}

class KafkaProducer implements Producer {
  readonly #parts: Collaborators
  readonly #budget: ByteBudget
  readonly #partitioner: StickyPartitioner
  readonly #open = new Map<string, OpenBatch>()
  readonly #outstanding = new Set<Promise<unknown>>()
  /** The append that waits, and those behind it. */
  #gate: Promise<void> | null = null
  #state: 'idle' | 'in transaction' | 'ending' | 'closed' = 'idle'
  /** A commit or an abort that is going on. Never rejects. */
  #ending: Promise<void> | null = null
  #closing: Promise<void> | undefined
  /** The first failed append since the last flush. */
  #failure: StreamError | null = null
  /** The first failed append of the transaction: it cannot be committed. */
  #transactionFailure: StreamError | null = null

  constructor(parts: Collaborators) {
    this.#parts = parts
    this.#budget = new ByteBudget(parts.maxBufferBytes)
    this.#partitioner = new StickyPartitioner(parts.cluster.random)
  }

  get producerId(): number {
    return this.#parts.identity.producerId
  }

  get producerEpoch(): number {
    return this.#parts.identity.producerEpoch
  }

  // -------------------------------------------------------------------------------------------------- appending

  append(record: ProducerRecord): Promise<RecordMetadata> {
    // Not observed: it is no part of the transaction, so it is no reason not to commit that.
    return this.#state === 'ending' ? Promise.reject(this.#isEnding('append')) : this.#observed(this.#append(record))
  }

  async #append(record: ProducerRecord): Promise<RecordMetadata> {
    this.#ensureWritable()
    validateRecord(record)
    const sizeBytes = sizeOf(record)
    const admitted = this.#admit(record.topic, sizeBytes)
    const topicMetadata = admitted instanceof Promise ? await admitted : admitted
    try {
      const timestamp = record.timestamp ?? this.#parts.cluster.clock.now()
      const batch = this.#addToOpenBatch({ topic: record.topic, partition: this.#partitionOf(record, topicMetadata.partitions.length) }, record, timestamp)
      const index = batch.builder.recordCount - 1
      const { topic, partition, baseOffset, logAppendTime } = await batch.metadata
      return { topic, partition, offset: baseOffset < 0 ? -1 : baseOffset + index, timestamp: logAppendTime < 0 ? timestamp : logAppendTime }
    } finally {
      this.#budget.release(sizeBytes)
    }
  }

  appendBatch(target: TopicPartition, batch: UnsealedBatch): Promise<BatchMetadata> {
    return this.#state === 'ending' ? Promise.reject(this.#isEnding('appendBatch')) : this.#observed(this.#appendBatch(target, batch))
  }

  async #appendBatch(target: TopicPartition, batch: UnsealedBatch): Promise<BatchMetadata> {
    this.#ensureWritable()
    validateTarget(target)
    const sizeBytes = batch.bytes.length
    const admitted = this.#admit(target.topic, sizeBytes)
    if (admitted instanceof Promise) await admitted
    try {
      this.#sendOpenBatch(partitionKey(target.topic, target.partition))
      return await new Promise<BatchMetadata>((resolve, reject) => this.#enqueue(target, batch, settler(resolve, reject)))
    } finally {
      this.#budget.release(sizeBytes)
    }
  }

  /**
   * The topic, at once when it is known and the buffer has room; otherwise the append waits, and whoever comes meanwhile queues
   * behind, so that order is kept. The cluster may forget the topic while it waits, so it goes on with what it was told here.
   */
  #admit(topic: string, sizeBytes: number): TopicMetadata | Promise<TopicMetadata> {
    const { cluster } = this.#parts
    const known = cluster.cachedTopic(topic)
    if (this.#gate === null && known !== undefined && this.#budget.tryAcquire(sizeBytes)) return known
    const turn = (this.#gate ?? Promise.resolve()).then(async () => {
      const found = cluster.cachedTopic(topic) ?? await cluster.topic(topic)
      await this.#budget.acquire(sizeBytes)
      return found
    })
    const gate = turn.then(() => undefined, () => undefined).then(() => {
      if (this.#gate === gate) this.#gate = null
    })
    this.#gate = gate
    return turn
  }

  /** A failure is kept for `flush`, so nobody needs to look at the promise of every append. */
  #observed<T>(appended: Promise<T>): Promise<T> {
    this.#outstanding.add(appended)
    appended.then(
      () => this.#outstanding.delete(appended),
      (error: unknown) => {
        this.#outstanding.delete(appended)
        if (!isStreamError(error)) return
        this.#failure ??= error
        if (this.#state !== 'idle') this.#transactionFailure ??= error
      },
    )
    return appended
  }

  #partitionOf(record: ProducerRecord, partitionCount: number): number {
    if (record.partition !== undefined) return record.partition
    if (record.key !== undefined && record.key !== null) return partitionForKey(record.key, partitionCount)
    return this.#partitioner.partition(record.topic, partitionCount)
  }

  #addToOpenBatch(target: TopicPartition, record: ProducerRecord, timestamp: number): OpenBatch {
    const key = partitionKey(target.topic, target.partition)
    for (;;) {
      const open = this.#open.get(key) ?? this.#openBatch(key, target)
      if (open.builder.add(record.key ?? null, record.value, timestamp, record.headers)) return open
      this.#sendOpenBatch(key)
    }
  }

  /** Sent at the end of the turn, or when the partition's previous batch is acknowledged: the busier, the larger. */
  #openBatch(key: string, target: TopicPartition): OpenBatch {
    let settle: OpenBatch['settle'] = () => undefined
    const metadata = new Promise<BatchMetadata>((resolve, reject) => (settle = settler(resolve, reject)))
    const open = { target, builder: new RecordBatchBuilder({ maxBytes: openBatchBytes }), metadata, settle }
    metadata.catch(() => undefined) // each append of the batch reports the failure
    this.#open.set(key, open)
    setImmediate(() => {
      if (this.#open.get(key) === open && this.#parts.sender.pending(target) === 0) this.#sendOpenBatch(key)
    })
    return open
  }

  #sendOpenBatch(key: string): void {
    const open = this.#open.get(key)
    if (open === undefined) return
    this.#open.delete(key)
    if (open.builder.recordCount === 0) return open.settle(new StreamError('INVALID_RECORD', `the record for ${key} could not be encoded`))
    this.#partitioner.next(open.target.topic)
    const { bytes, recordCount } = open.builder.build()
    this.#enqueue(open.target, { bytes, recordCount }, open.settle)
  }

  /** What was collected meanwhile follows when the partition is free again. */
  #enqueue(target: TopicPartition, { bytes, recordCount }: UnsealedBatch, settle: OpenBatch['settle']): void {
    const { sender } = this.#parts
    sender.enqueue({
      target,
      bytes,
      recordCount,
      settle: (outcome) => {
        settle(outcome)
        if (sender.pending(target) === 0) this.#sendOpenBatch(partitionKey(target.topic, target.partition))
      },
    })
  }

  // -------------------------------------------------------------------------------------------------- transactions

  async flush(): Promise<void> {
    this.#ensureNotClosed()
    await this.#drain()
    const failure = this.#failure
    this.#failure = null
    if (failure !== null) throw failure
  }

  begin(): void {
    this.#ensureNotClosed()
    this.#ensureTransactional()
    if (this.#parts.sender.fatal !== null) throw this.#parts.sender.fatal
    if (this.#state !== 'idle') throw new StreamError('INVALID_TXN_STATE', 'a transaction is open already; commit or abort it first')
    this.#failure = this.#transactionFailure = null
    this.#state = 'in transaction'
  }

  async commit(offsets?: TransactionOffsets): Promise<void> {
    const transaction = this.#openTransaction('commit')
    await this.#end(async () => {
      await this.#drain()
      this.#failure = null
      if (this.#transactionFailure !== null) throw this.#transactionFailure
      if (offsets !== undefined && offsets.offsets.length > 0) await transaction.addOffsets(offsets)
      await transaction.commit()
    })
  }

  async abort(): Promise<void> {
    this.#ensureNotClosed()
    if (this.#parts.transaction === null || this.#state === 'idle') return
    const transaction = this.#openTransaction('abort')
    await this.#end(() => this.#abort(transaction))
  }

  /** One at a time: nothing may join the transaction meanwhile, or end it another way. */
  async #end(end: () => Promise<void>): Promise<void> {
    this.#state = 'ending'
    let ended = () => undefined as void
    this.#ending = new Promise((resolve) => (ended = resolve))
    try {
      await end()
      this.#state = 'idle'
    } catch (error) {
      this.#state = 'in transaction'
      if (isStreamError(error)) this.#parts.sender.noteFailure(error)
      throw error
    } finally {
      this.#ending = null
      ended()
    }
  }

  async #abort(transaction: KafkaTransaction): Promise<void> {
    const dropped = new StreamError('ABORTED', 'the transaction was aborted before the record was sent')
    this.#budget.refuseWaiting(dropped)
    for (const [key, open] of this.#open) {
      this.#open.delete(key)
      open.settle(dropped)
    }
    this.#parts.sender.dropWaiting(dropped)
    await this.#drain()
    this.#parts.sender.resume()
    this.#failure = this.#transactionFailure = null
    if (this.#parts.sender.fatal !== null) throw this.#parts.sender.fatal
    await transaction.abort()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { transaction, sender, cluster, lane, closed } = this.#parts
    try {
      await this.#ending
      if (transaction !== null && this.#state === 'in transaction' && sender.fatal === null) await this.#abort(transaction)
      await this.#drain()
    } catch (error) {
      if (!isStreamError(error)) throw error // a broker that is gone will end the transaction by its time-out
    } finally {
      this.#state = 'closed'
      sender.close()
      cluster.closeLane(lane)
      closed(this)
    }
  }

  async #drain(): Promise<void> {
    for (const key of this.#open.keys()) this.#sendOpenBatch(key)
    while (this.#outstanding.size > 0) await Promise.allSettled(this.#outstanding)
  }

  // -------------------------------------------------------------------------------------------------- states

  #ensureNotClosed(): void {
    if (this.#closing !== undefined) throw new StreamError('CLOSED', 'the producer is closed')
  }

  #ensureWritable(): void {
    this.#ensureNotClosed()
    if (this.#parts.sender.fatal !== null) throw this.#parts.sender.fatal
    if (this.#parts.transaction === null || this.#state === 'in transaction') return
    throw new StreamError('INVALID_TXN_STATE', `producer ${this.#parts.transaction.transactionalId} is transactional: call begin() before it appends`)
  }

  #ensureTransactional(): KafkaTransaction {
    if (this.#parts.transaction !== null) return this.#parts.transaction
    throw new StreamError('INVALID_TXN_STATE', 'the producer was opened without a transactionalId, so it has no transactions')
  }

  #isEnding(call: string): StreamError {
    if (this.#closing !== undefined) return new StreamError('CLOSED', 'the producer is closed')
    return new StreamError('INVALID_TXN_STATE', `${call}() while the transaction is being ended`)
  }

  #openTransaction(call: string): KafkaTransaction {
    this.#ensureNotClosed()
    const transaction = this.#ensureTransactional()
    if (this.#state === 'in transaction') return transaction
    if (this.#state === 'ending') throw this.#isEnding(call)
    throw new StreamError('INVALID_TXN_STATE', `${call}() without an open transaction; call begin() first`)
  }
}

function settler(resolve: (metadata: BatchMetadata) => void, reject: (error: StreamError) => void): (outcome: BatchMetadata | StreamError) => void {
  return (outcome) => (outcome instanceof StreamError ? reject(outcome) : resolve(outcome))
}

function sizeOf(record: ProducerRecord): number {
  const headers = record.headers ?? []
  let size = recordOverheadBytes + (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const { key, value } of headers) size += key.length + (value?.length ?? 0) + 10
  return size
}

