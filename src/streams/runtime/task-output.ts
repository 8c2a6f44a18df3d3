import { SpareMemory, StreamError, isStreamError, partitionKey } from '../../core/index.ts'
import type { BatchMetadata, Broker, CommittedOffset, GroupMember, Producer, TopicPartition, UnsealedBatch } from '../../core/index.ts'
import { BatchingCollector } from './record-collector.ts'
import type { Traffic } from './thread-metrics.ts'

export type Guarantee = 'exactly-once' | 'at-least-once'

export interface TaskOutputOptions {
  readonly broker: Broker
  readonly guarantee: Guarantee
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  readonly clientId: string
  readonly maxBatchBytes: number
  /** Encoded and not yet acknowledged; processing pauses beyond it. */
  readonly maxInFlightBytes: number
  /** The largest batch that a topic takes, bytes. Absent: that is not known of any. */
  readonly batchLimit?: (topic: string) => number
  /** @throws UNKNOWN_TOPIC_OR_PARTITION */
  readonly partitionCount: (topic: string) => number
}

/** After one of these the producer can do nothing more; another one takes over. */
const deadProducer = new Set(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'OUT_OF_ORDER_SEQUENCE', 'INVALID_PRODUCER_ID_MAPPING', 'CLOSED'])

/**
 * Everything that the tasks of one thread write, on its way into one transaction per commit:
 * ```
 *   idle ──first batch, or offsets to commit──▶ in transaction ──commit / abort──▶ idle ──resume──▶ (what was sent meanwhile)
 * ```
 * Under at-least-once there is no transaction: outputs are acknowledged first, then offsets are committed.
 */
export class TaskOutput {
  readonly collector: BatchingCollector
  readonly #options: TaskOutputOptions
  /** Of batches: what waits for a commit to end is on its way all at once, and its memory comes back so. */
  readonly #memory: SpareMemory
  #producer: Producer | null = null
  #inTransaction = false
  /** The producer can do nothing more, and the next one is not open yet. */
  #isDead = false
  /** A transaction was to be committed, and the answer did not come. */
  #isInDoubt = false
  #inFlightBytes = 0
  /** A commit is on its way; what is sent meanwhile is for the next one, and waits. */
  #isCommitting = false
  readonly #waiting: { readonly target: TopicPartition; readonly batch: UnsealedBatch }[] = []
  readonly #inFlight = new Set<Promise<void>>()
  #failure: unknown = null
  readonly #produced = new Map<string, Traffic>()
  /** Where each partition goes on behind what was acknowledged, by partitionKey. */
  readonly #ends = new Map<string, number>()

  constructor(options: TaskOutputOptions) {
    this.#options = options
    this.#memory = new SpareMemory(options.maxInFlightBytes)
    this.collector = new BatchingCollector({
      maxBatchBytes: options.maxBatchBytes,
      ...(options.batchLimit && { batchLimit: options.batchLimit }),
      partitionCount: options.partitionCount,
      memory: this.#memory,
      sendBatch: (target, batch) => this.#send(target, batch),
    })
  }

  /** Opens the producer; with a transactional id that fences an earlier instance of this thread, whose transaction is aborted. */
  async open(): Promise<void> {
    const { broker, guarantee, transactionalId, transactionTimeoutMs, clientId } = this.#options
    this.#producer = await broker.openProducer(guarantee === 'exactly-once' ? { transactionalId, transactionTimeoutMs, clientId } : { clientId })
  }

  /** What was handed over for each topic, also what was aborted later. */
  get produced(): ReadonlyMap<string, Readonly<Traffic>> {
    return this.#produced
  }

  /** The offset after what was last written to a partition; undefined before anything was. */
  endOf(topic: string, partition: number): number | undefined {
    return this.#ends.get(partitionKey(topic, partition))
  }

  get isFull(): boolean {
    return this.#inFlightBytes > this.#options.maxInFlightBytes
  }

  /** @throws what an earlier batch failed with */
  check(): void {
    if (this.#failure !== null) throw this.#failure
  }

  /** Resolves when the batches handed over so far are acknowledged. @throws the first failure */
  async drain(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight)
    this.check()
  }

  /**
   * 1. what is still in builders goes out; 2. all of it is acknowledged; 3. offsets and outputs become visible at once
   * (exactly-once), or offsets are committed after the outputs (at-least-once). `standing` goes with outputs where no offset
   * moved: the group refuses an offset of a member that it has given up, and with it what that has written.
   * What is sent from now on waits until `resume`.
   * @throws ILLEGAL_GENERATION and its like when the group has moved on: roll back, the records come again
   */
  async commit(offsets: readonly CommittedOffset[], member: Pick<GroupMember, 'commit' | 'metadata'>, standing: readonly CommittedOffset[] = []): Promise<void> {
    this.collector.flush()
    this.#isCommitting = true
    // Of now: by the end of what is on its way the group may be another one, whose members know nothing of it.
    const group = this.#options.guarantee === 'at-least-once' ? null : member.metadata()
    await this.drain()
    if (group === null) {
      if (offsets.length > 0) await member.commit(offsets)
      return
    }
    if (offsets.length === 0 && !this.#inTransaction) return
    this.#begin()
    this.#isInDoubt = true
    await this.#open.commit({ group, offsets: offsets.length > 0 ? offsets : standing })
    this.#isInDoubt = this.#inTransaction = false
  }

  /** The commit has taken effect: what was sent meanwhile is on its way into the next one. */
  resume(): void {
    this.#isCommitting = false
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#inFlightBytes -= next.batch.bytes.byteLength
      this.#send(next.target, next.batch)
    }
  }

  /** True once after a commit that failed: it may have taken effect all the same, and the group's offsets tell whether it has. */
  takeDoubt(): boolean {
    const wasInDoubt = this.#isInDoubt
    this.#isInDoubt = false
    return wasInDoubt
  }

  /** Drops everything since the last commit. A producer that is dead is replaced. After a failure it can be called again, and has to be before anything is sent. */
  async abort(): Promise<void> {
    this.collector.discard()
    for (const { batch } of this.#waiting.splice(0)) this.#inFlightBytes -= batch.bytes.byteLength
    this.#isCommitting = false
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight)
    this.#isDead ||= isProducerDead(this.#failure)
    this.#failure = null
    if (this.#inTransaction && !this.#isDead) await this.#abortOpen()
    if (this.#isDead) await this.#reopen()
    this.#isDead = this.#inTransaction = false
  }

  async #abortOpen(): Promise<void> {
    try {
      await this.#open.abort()
    } catch (error) {
      if (!isProducerDead(error)) throw error
      this.#isDead = true
    }
  }

  async close(): Promise<void> {
    this.collector.discard()
    const producer = this.#producer
    this.#producer = null
    await producer?.close()
  }

  get #open(): Producer {
    if (this.#producer === null) throw new StreamError('CLOSED', 'the output of this thread is closed')
    return this.#producer
  }

  async #reopen(): Promise<void> {
    await this.#producer?.close().catch(() => {})
    await this.open()
  }

  #begin(): void {
    if (this.#inTransaction || this.#options.guarantee === 'at-least-once') return
    this.#open.begin()
    this.#inTransaction = true
  }

  #send(target: TopicPartition, batch: UnsealedBatch): void {
    this.check()
    const { byteLength } = batch.bytes
    this.#inFlightBytes += byteLength
    if (this.#isCommitting) {
      this.#waiting.push({ target, batch })
      return
    }
    this.#begin()
    this.#count(target.topic, batch.recordCount, byteLength)
    const sent = this.#open.appendBatch(target, batch).then((written) => this.#acknowledged(written, batch), (error: unknown) => { this.#failure ??= error }).then(() => {
      this.#inFlightBytes -= byteLength
      this.#inFlight.delete(sent)
    })
    this.#inFlight.add(sent)
  }

  /** The bytes were the producer's until now. Of a batch that failed they stay where they are: nobody has to think about who may still look. */
  #acknowledged({ topic, partition, baseOffset, recordCount }: BatchMetadata, { bytes }: UnsealedBatch): void {
    this.#ends.set(partitionKey(topic, partition), baseOffset + recordCount)
    this.#memory.giveBack(bytes.buffer)
  }

  #count(topic: string, records: number, bytes: number): void {
    const traffic = this.#produced.get(topic)
    if (traffic === undefined) {
      this.#produced.set(topic, { records, bytes })
      return
    }
    traffic.records += records
    traffic.bytes += bytes
  }
}

/** The producer was fenced, or is closed: nothing of what it still does counts. */
export function isProducerDead(error: unknown): boolean {
  return isStreamError(error) && deadProducer.has(error.code)
}
