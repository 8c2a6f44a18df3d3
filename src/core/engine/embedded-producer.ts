import { assert } from '../assert.ts'
import type { BatchMetadata, Producer, ProducerOptions, TransactionOffsets, UnsealedBatch } from '../broker.ts'
import type { Clock } from '../clock.ts'
import { StreamError, isStreamError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import { sealBatch, sequenceAfter } from '../log/record-batch.ts'
import { StickyPartitioner, partitionForKey } from '../partitioner.ts'
import type { Random } from '../random.ts'
import { partitionKey } from '../record.ts'
import type { ProducerRecord, RecordMetadata, TopicPartition } from '../record.ts'
import { ByteGate } from './byte-gate.ts'
import { OpenBatch } from './open-batch.ts'
import type { EngineApi } from './engine-api.ts'
import type { ProducerIdentity } from './transaction-state.ts'
import { validateRecord, validateTarget } from '../validate.ts'

/** Batches made from single records: large enough to amortise a batch's header and checksum, small against the buffer. */
const maxBatchBytes = 256 * 1024
const maxSpareBuilders = 4
/** As Kafka's `metadata.max.age.ms`: partitions that were added are used after so long at the latest. */
const partitionCountAgeMs = 300_000
const defaultMaxBufferBytes = 32 * 1024 * 1024
const defaultTransactionTimeoutMs = 60_000

/** After one of these the log will not take anything from this producer any more. */
const fatalCodes: ReadonlySet<ErrorCode> = new Set(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'OUT_OF_ORDER_SEQUENCE', 'INVALID_PRODUCER_ID_MAPPING'])

interface PartitionCount {
  readonly count: number
  /** On the monotonic clock. */
  readonly lookedUpMs: number
}

/** Which sequence number comes next in one partition, and which one the log has acknowledged last. */
interface PartitionSequence {
  next: number
  acknowledged: number
  inFlight: number
  /** A batch was refused: why none that follows it is taken, until nothing is in flight any more. */
  refusal: StreamError | null
}

export interface ProducerContext {
  readonly clock: Clock
  readonly random: Random
  /** Aborted when the producer is closed. */
  readonly closed: AbortController
}

/** The producer of the embedded engine, in its process or in another thread. */
export class EmbeddedProducer implements Producer {
  readonly #engine: EngineApi
  readonly #clock: Clock
  readonly #identity: ProducerIdentity
  readonly #transactionalId: string | null
  readonly #acknowledge: 'durable' | 'written'
  readonly #closed: AbortController
  readonly #partitioner: StickyPartitioner
  readonly #gate: ByteGate
  readonly #partitionCounts = new Map<string, PartitionCount>()
  readonly #sequences = new Map<string, PartitionSequence>()
  /** By topic, then by partition. */
  readonly #openBatches = new Map<string, Map<number, OpenBatch>>()
  /** One per batch that is not acknowledged yet; never rejects. */
  readonly #inFlight = new Set<Promise<unknown>>()
  /** The last append that waits for room or for its topic's number of partitions; never rejects. */
  #admission: Promise<void> | null = null
  /** Their buffers have grown already; few, so that many partitions do not hold much memory. */
  readonly #spareBuilders: RecordBatchBuilder[] = []
  #sendScheduled = false
  #firstFailure: StreamError | null = null
  /** Why the open transaction can only be aborted. */
  #transactionFailure: StreamError | null = null
  /** A commit that failed later on (a full disk) and is repeated does not write them again. */
  #offsetsWritten = false
  #fatal: StreamError | null = null
  #closing: Promise<void> | null = null
  #transaction: 'none' | 'begun' | 'touched' = 'none'
  /** A commit or an abort that is going on: nothing may join the transaction, or end it another way. Never rejects. */
  #ending: Promise<void> | null = null

  private constructor(engine: EngineApi, context: ProducerContext, identity: ProducerIdentity, options: ProducerOptions) {
    this.#engine = engine
    this.#clock = context.clock
    this.#identity = identity
    this.#transactionalId = options.transactionalId ?? null
    this.#acknowledge = options.acknowledge ?? 'durable'
    this.#closed = context.closed
    this.#partitioner = new StickyPartitioner(context.random)
    this.#gate = new ByteGate(options.maxBufferBytes ?? defaultMaxBufferBytes)
  }

  static async open(engine: EngineApi, context: ProducerContext, options: ProducerOptions): Promise<EmbeddedProducer> {
    const transactionalId = options.transactionalId ?? null
    const identity = transactionalId === null && options.idempotent === false
      ? { producerId: -1, producerEpoch: -1 }
      : await engine.initProducer({ transactionalId, transactionTimeoutMs: options.transactionTimeoutMs ?? defaultTransactionTimeoutMs })
    return new EmbeddedProducer(engine, context, identity, options)
  }

  get producerId(): number {
    return this.#identity.producerId
  }

  get producerEpoch(): number {
    return this.#identity.producerEpoch
  }

  // ---------------------------------------------------------------------------------------------------- appending

  append(record: ProducerRecord): Promise<RecordMetadata> {
    try {
      validateRecord(record)
      this.#checkAppend()
      const payloadBytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
      const known = this.#admission === null ? this.#partitionCounts.get(record.topic) : undefined
      const room = known === undefined ? null : this.#gate.enter(payloadBytes)
      if (known !== undefined && room === undefined) return this.#addToBatch(record, payloadBytes, known)
      return this.#admit(record.topic, room ?? null, payloadBytes, () => this.#addToBatch(record, payloadBytes, this.#partitionCounts.get(record.topic)!))
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  async appendBatch(target: TopicPartition, batch: UnsealedBatch): Promise<BatchMetadata> {
    validateTarget(target)
    this.#checkAppend()
    const sizeBytes = batch.bytes.length
    const send = () => {
      this.#sendOpenBatch(this.#openBatches.get(target.topic)?.get(target.partition))
      return this.#send(target, batch).finally(() => this.#gate.leave(sizeBytes))
    }
    const room = this.#admission === null ? this.#gate.enter(sizeBytes) : null
    return room === undefined ? send() : this.#admit(null, room, sizeBytes, send)
  }

  /**
   * Runs `action` when the buffer has room and the topic is known, in the order of the calls. `room`: the entry into the buffer
   * that was asked for already. Who runs gives the bytes back.
   */
  #admit<T>(topic: string | null, room: Promise<void> | null, bytes: number, action: () => Promise<T>): Promise<T> {
    let result: Promise<T> | undefined
    const admitted = (this.#admission ?? Promise.resolve()).then(async () => {
      await (room ?? this.#gate.enter(bytes))
      // What is known of topics may be forgotten while this waits.
      if (topic !== null && !this.#partitionCounts.has(topic)) await this.#lookUpBeforeSending(topic, bytes)
      result = action()
      result.catch(() => undefined)
    })
    const last = admitted.then(() => undefined, (error: unknown) => void this.#noteFailure(error)).then(() => {
      if (this.#admission === last) this.#admission = null
    })
    this.#admission = last
    return admitted.then(() => result!)
  }

  async flush(): Promise<void> {
    this.#checkOpen()
    await this.#settle()
    const failure = this.#firstFailure
    this.#firstFailure = null
    if (failure !== null) throw failure
  }

  /** The bytes are given back when the batch is acknowledged; at once when the record cannot be encoded. */
  #addToBatch(record: ProducerRecord, payloadBytes: number, known: PartitionCount): Promise<RecordMetadata> {
    const partition = record.partition ?? this.#partitionOf(record, known.count)
    const timestamp = record.timestamp ?? this.#clock.now()
    try {
      const open = this.#openBatches.get(record.topic)?.get(partition)
      const added = open?.add(record, timestamp, payloadBytes)
      if (added) return added
      this.#sendOpenBatch(open)
      return this.#openBatch({ topic: record.topic, partition }, known).add(record, timestamp, payloadBytes)!
    } catch (error) {
      this.#gate.leave(payloadBytes)
      throw error
    }
  }

  #openBatch(target: TopicPartition, known: PartitionCount): OpenBatch {
    if (this.#clock.monotonic() - known.lookedUpMs > partitionCountAgeMs) this.#refreshPartitionCount(target.topic, known)
    const batch = new OpenBatch(target, this.#spareBuilders.pop() ?? new RecordBatchBuilder({ maxBytes: maxBatchBytes }))
    const ofTopic = this.#openBatches.get(target.topic)
    if (ofTopic === undefined) this.#openBatches.set(target.topic, new Map([[target.partition, batch]]))
    else ofTopic.set(target.partition, batch)
    this.#scheduleSend()
    return batch
  }

  /** Appends of one turn of the event loop share batches, so sending waits for the end of the turn. */
  #scheduleSend(): void {
    if (this.#sendScheduled) return
    this.#sendScheduled = true
    setImmediate(() => {
      this.#sendScheduled = false
      this.#sendOpenBatches()
    })
  }

  #sendOpenBatches(): void {
    for (const ofTopic of this.#openBatches.values()) for (const batch of ofTopic.values()) this.#sendOpenBatch(batch)
  }

  #sendOpenBatch(open: OpenBatch | undefined): void {
    if (open === undefined) return
    const ofTopic = this.#openBatches.get(open.target.topic)!
    ofTopic.delete(open.target.partition)
    if (ofTopic.size === 0) this.#openBatches.delete(open.target.topic)
    this.#partitioner.next(open.target.topic)
    if (open.builder.recordCount === 0) return
    const batch = open.builder.build()
    this.#send(open.target, batch).then((metadata) => open.settle(metadata), (error: unknown) => open.fail(error)).finally(() => {
      this.#gate.leave(open.payloadBytes)
      this.#reuse(open.builder, batch.bytes)
    })
  }

  #reuse(builder: RecordBatchBuilder, bytes: Uint8Array): void {
    if (this.#spareBuilders.length === maxSpareBuilders) return
    builder.reuse(bytes)
    this.#spareBuilders.push(builder)
  }

  /** Stamps, seals and hands over; a batch that is refused at once does not use up its sequence numbers. */
  async #send(target: TopicPartition, batch: UnsealedBatch): Promise<BatchMetadata> {
    const sequence = this.#sequenceOf(target)
    if (sequence.refusal !== null) throw this.#noteFailure(sequence.refusal)
    if (this.#transaction === 'begun') this.#transaction = 'touched'
    const { topic, partition } = target
    const { bytes, recordCount, isKeyed = false } = batch
    const { producerId, producerEpoch } = this.#identity
    const transactionalId = this.#transactionalId
    sealBatch(bytes, { producerId, producerEpoch, baseSequence: this.#isIdempotent ? sequence.next : -1, transactional: transactionalId !== null })
    const following = sequenceAfter(sequence.next, recordCount)
    sequence.inFlight++
    let settled: Promise<unknown> | undefined
    try {
      // Each field by its name: what is put together by spreading has a shape of its own every time, which V8 makes anew and no cache knows.
      const call = this.#engine.append({ topic, partition, bytes, recordCount, isKeyed, transactionalId, acknowledge: this.#acknowledge })
      sequence.next = following
      settled = call.then(() => undefined, () => undefined)
      this.#inFlight.add(settled)
      const { baseOffset, logAppendTime } = await call
      sequence.acknowledged = following
      return { topic, partition, recordCount, baseOffset, logAppendTime }
    } catch (error) {
      // What was sent behind a refused batch is out of order by no fault of its own.
      if (sequence.refusal !== null && isStreamError(error, 'OUT_OF_ORDER_SEQUENCE')) throw this.#noteFailure(sequence.refusal)
      if (settled !== undefined && this.#isIdempotent) sequence.refusal ??= refusedWith(asStreamError(error))
      throw this.#noteFailure(error)
    } finally {
      if (settled !== undefined) this.#inFlight.delete(settled)
      if (--sequence.inFlight === 0) {
        sequence.next = sequence.acknowledged
        sequence.refusal = null
      }
    }
  }

  get #isIdempotent(): boolean {
    return this.#identity.producerId >= 0
  }

  #sequenceOf(target: TopicPartition): PartitionSequence {
    const key = partitionKey(target.topic, target.partition)
    const known = this.#sequences.get(key)
    if (known !== undefined) return known
    const fresh = { next: 0, acknowledged: 0, inFlight: 0, refusal: null }
    this.#sequences.set(key, fresh)
    return fresh
  }

  #partitionOf(record: ProducerRecord, count: number): number {
    return record.key ? partitionForKey(record.key, count) : this.#partitioner.partition(record.topic, count)
  }

  async #lookUpBeforeSending(topic: string, bytes: number): Promise<void> {
    try {
      await this.#lookUpPartitionCount(topic)
    } catch (error) {
      this.#gate.leave(bytes)
      throw error
    }
  }

  async #lookUpPartitionCount(topic: string): Promise<void> {
    const [description] = await this.#engine.describeTopics([topic])
    assert(description !== undefined, 'describeTopics answers for every topic or throws')
    this.#partitionCounts.set(topic, { count: description.partitions.length, lookedUpMs: this.#clock.monotonic() })
  }

  /** Appends go on with what is known meanwhile. A topic that is gone is found out by the append. */
  #refreshPartitionCount(topic: string, { count }: PartitionCount): void {
    this.#partitionCounts.set(topic, { count, lookedUpMs: this.#clock.monotonic() })
    this.#lookUpPartitionCount(topic).catch(() => undefined)
  }

  #noteFailure(error: unknown): StreamError {
    const failure = asStreamError(error)
    this.#firstFailure ??= failure
    if (this.#transaction !== 'none') this.#transactionFailure ??= failure
    if (fatalCodes.has(failure.code)) this.#fatal ??= failure
    if (failure.code === 'UNKNOWN_TOPIC_OR_PARTITION') this.#partitionCounts.clear()
    return failure
  }

  // ---------------------------------------------------------------------------------------------------- transactions

  begin(): void {
    this.#checkOpen()
    if (this.#transactionalId === null) throw new StreamError('INVALID_TXN_STATE', 'begin() needs a producer with a transactionalId')
    if (this.#transaction !== 'none') throw new StreamError('INVALID_TXN_STATE', `transactional id '${this.#transactionalId}' has a transaction open already`)
    this.#firstFailure = this.#transactionFailure = null
    this.#offsetsWritten = false
    this.#transaction = 'begun'
  }

  async commit(offsets?: TransactionOffsets): Promise<void> {
    await this.#ends('commit', async (transactionalId) => {
      await this.#settle()
      if (this.#transactionFailure !== null) throw this.#transactionFailure
      if (offsets !== undefined && offsets.offsets.length > 0 && !this.#offsetsWritten) {
        this.#transaction = 'touched'
        await this.#watchFatal(this.#engine.commitTransactionOffsets({ transactionalId, producer: this.#identity, ...offsets }))
        this.#offsetsWritten = true
      }
      await this.#end(transactionalId, 'commit')
    })
  }

  async abort(): Promise<void> {
    this.#checkOpen()
    if (this.#transaction === 'none') return
    await this.#ends('abort', async (transactionalId) => {
      this.#dropOpenBatches()
      await this.#settle()
      await this.#end(transactionalId, 'abort')
      this.#firstFailure = this.#transactionFailure = null
    })
  }

  /** One at a time. */
  async #ends(what: 'commit' | 'abort', end: (transactionalId: string) => Promise<void>): Promise<void> {
    this.#checkOpen()
    const transactionalId = this.#checkInTransaction(what)
    let ended = () => undefined as void
    this.#ending = new Promise((resolve) => (ended = resolve))
    try {
      await end(transactionalId)
    } finally {
      this.#ending = null
      ended()
    }
  }

  async #end(transactionalId: string, outcome: 'commit' | 'abort'): Promise<void> {
    if (this.#transaction === 'touched') {
      await this.#watchFatal(this.#engine.endTransaction({ transactionalId, producer: this.#identity, outcome, acknowledge: this.#acknowledge }))
    }
    this.#transaction = 'none'
  }

  #dropOpenBatches(): void {
    const aborted = new StreamError('ABORTED', 'the transaction was aborted before this record was written')
    for (const batch of [...this.#openBatches.values()].flatMap((ofTopic) => [...ofTopic.values()])) {
      batch.fail(aborted)
      this.#gate.leave(batch.payloadBytes)
    }
    this.#openBatches.clear()
  }

  async #watchFatal(call: Promise<unknown>): Promise<void> {
    try {
      await call
    } catch (error) {
      if (isStreamError(error) && fatalCodes.has(error.code)) this.#fatal ??= error
      throw error
    }
  }

  #checkInTransaction(what: string): string {
    if (this.#transactionalId === null || this.#transaction === 'none') throw new StreamError('INVALID_TXN_STATE', `${what}() without an open transaction: call begin() first`)
    if (this.#ending !== null) throw new StreamError('INVALID_TXN_STATE', `${what}() while the transaction is being ended`)
    return this.#transactionalId
  }

  // ---------------------------------------------------------------------------------------------------- life cycle

  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => this.#closed.abort())
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#ending
    if (this.#transaction !== 'none' && this.#fatal === null) {
      this.#dropOpenBatches()
      await this.#settle()
      if (this.#transaction === 'touched') await this.#end(this.#transactionalId!, 'abort').catch(() => undefined)
    }
    await this.#settle()
    if (this.#transactionalId !== null) this.#engine.releaseProducer(this.#transactionalId, this.#identity)
  }

  /** Sends what is open and waits until everything is answered, whatever the answer. */
  async #settle(): Promise<void> {
    while (this.#admission !== null) await this.#admission
    this.#sendOpenBatches()
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight)
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new StreamError('CLOSED', 'the producer is closed')
    if (this.#fatal !== null) throw this.#fatal
  }

  #checkAppend(): void {
    this.#checkOpen()
    if (this.#transactionalId === null) return
    if (this.#transaction === 'none' || this.#ending !== null) {
      throw new StreamError('INVALID_TXN_STATE', `the producer with transactional id '${this.#transactionalId}' appends only between begin() and commit() or abort()`)
    }
  }
}

/** For what follows a refused batch: a disk without room has none for it either; anything else was wrong with that batch alone. */
function refusedWith(refusal: StreamError): StreamError {
  if (refusal.retriable) return refusal
  return new StreamError('ABORTED', `a batch that was sent before was refused, and this one with it; append it again (${refusal.message})`, { retriable: true, cause: refusal })
}

function asStreamError(error: unknown): StreamError {
  return isStreamError(error) ? error : new StreamError('STORAGE_ERROR', `the append failed: ${String(error)}`, { cause: error })
}
