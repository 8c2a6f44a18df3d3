/** When source records and their offsets become durable: two ways, one interface. */
import type { Broker, Clock, Producer, ProducerOptions } from '../../core/index.ts'
import type { SourceOffset, SourcePartition } from '../connect-record.ts'
import { encodeOffsetKey, encodeOffsetValue } from './offset-codec.ts'
import type { SubmittedOffsets } from './submitted-offsets.ts'
import { TopicWriter } from './topic-writer.ts'
import type { TopicWriterOptions } from './topic-writer.ts'

/** null: forgotten. */
export type CommittedOffsets = readonly (readonly [SourcePartition, SourceOffset | null])[]

export interface SourceCommitterOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly connector: string
  readonly offsetsTopic: string
  readonly submitted: SubmittedOffsets
  readonly writer: Omit<TopicWriterOptions, 'broker' | 'producer'>
  /** Between two commits; 0: after every batch; Infinity: only when asked for. */
  readonly intervalMs: number
}

export interface SourceCommitter {
  readonly writer: TopicWriter
  /** Records that readers can see. */
  readonly visibleRecords: number
  /** Whether readers can see a record as soon as it is acknowledged, or only after `commit`. */
  readonly isVisibleOnceAcknowledged: boolean
  /** Before a batch's first record is added. */
  begin(): void
  /** Whether a commit should happen before the next poll. */
  isDue(): boolean
  /** Milliseconds until one is due; undefined: nothing waits for one. */
  dueInMs(): number | undefined
  /** Makes what is acknowledged, and its offsets, durable; answers these offsets. */
  commit(): Promise<CommittedOffsets>
  /** As `commit`, for now: waits for everything that was added. A transaction that the connector ends stays open. */
  rest(): Promise<CommittedOffsets>
  /** As `rest`, for the last time: what the connector has not ended is dropped, with its offsets. */
  finish(): Promise<CommittedOffsets>
  /** Drops the records of the open transaction; their offsets are committed all the same, as upstream does, so that the source goes on behind them. */
  abort(): Promise<CommittedOffsets>
  close(): Promise<void>
}

function untilDueMs({ intervalMs, clock }: SourceCommitterOptions, lastCommitMs: number): number | undefined {
  return intervalMs === Infinity ? undefined : Math.max(0, lastCommitMs + intervalMs - clock.monotonic())
}

async function writeOffsets(producer: Producer, { connector, offsetsTopic }: SourceCommitterOptions, offsets: CommittedOffsets): Promise<void> {
  await Promise.all(offsets.map(([partition, offset]) =>
    producer.append({ topic: offsetsTopic, key: encodeOffsetKey(connector, partition), value: encodeOffsetValue(offset) })))
}

/** At least once: offsets follow records that are acknowledged, at an interval. */
class FollowingCommitter implements SourceCommitter {
  readonly isVisibleOnceAcknowledged = true
  readonly writer: TopicWriter
  readonly #producer: Producer
  readonly #options: SourceCommitterOptions
  #lastCommitMs: number

  constructor(producer: Producer, options: SourceCommitterOptions) {
    this.writer = new TopicWriter({ ...options.writer, broker: options.broker, producer })
    this.#producer = producer
    this.#options = options
    this.#lastCommitMs = options.clock.monotonic()
  }

  get visibleRecords(): number {
    return this.writer.acknowledgedRecords
  }

  begin(): void {
    // nothing to open: each append stands by itself
  }

  isDue(): boolean {
    return this.dueInMs() === 0
  }

  dueInMs(): number | undefined {
    return this.#options.submitted.isEmpty ? undefined : untilDueMs(this.#options, this.#lastCommitMs)
  }

  async commit(): Promise<CommittedOffsets> {
    this.#lastCommitMs = this.#options.clock.monotonic()
    const offsets = this.#options.submitted.takeCommittable()
    await writeOffsets(this.#producer, this.#options, offsets)
    return offsets
  }

  async rest(): Promise<CommittedOffsets> {
    await this.writer.flush()
    return this.commit()
  }

  finish(): Promise<CommittedOffsets> {
    return this.rest()
  }

  async abort(): Promise<CommittedOffsets> {
    return this.rest()
  }

  close(): Promise<void> {
    return this.#producer.close()
  }
}

/** Exactly once: records and offsets in one transaction, which begins with the first record (KIP-618). */
class TransactionalCommitter implements SourceCommitter {
  readonly isVisibleOnceAcknowledged = false
  readonly writer: TopicWriter
  readonly #producer: Producer
  readonly #options: SourceCommitterOptions
  #isOpen = false
  #visibleRecords = 0
  #droppedRecords = 0
  #lastCommitMs: number

  constructor(producer: Producer, options: SourceCommitterOptions) {
    this.writer = new TopicWriter({ ...options.writer, broker: options.broker, producer })
    this.#producer = producer
    this.#options = options
    this.#lastCommitMs = options.clock.monotonic()
  }

  get visibleRecords(): number {
    return this.#visibleRecords
  }

  begin(): void {
    if (this.#isOpen) return
    this.#producer.begin()
    this.#isOpen = true
  }

  isDue(): boolean {
    return this.dueInMs() === 0
  }

  dueInMs(): number | undefined {
    return !this.#isOpen && this.#options.submitted.isEmpty ? undefined : untilDueMs(this.#options, this.#lastCommitMs)
  }

  async commit(): Promise<CommittedOffsets> {
    this.#lastCommitMs = this.#options.clock.monotonic()
    if (!this.#isOpen && this.#options.submitted.isEmpty) return []
    this.begin()
    await this.writer.flush()
    return this.#commitOffsets()
  }

  async rest(): Promise<CommittedOffsets> {
    return this.#isEndedByConnector ? [] : this.commit()
  }

  async finish(): Promise<CommittedOffsets> {
    if (!this.#isEndedByConnector) return this.commit()
    if (this.#isOpen) {
      await this.writer.flush()
      await this.#producer.abort()
      this.#isOpen = false
    }
    return []
  }

  get #isEndedByConnector(): boolean {
    return this.#options.intervalMs === Infinity
  }

  async abort(): Promise<CommittedOffsets> {
    if (this.#isOpen) {
      await this.writer.flush()
      await this.#producer.abort()
      this.#droppedRecords = this.writer.acknowledgedRecords - this.#visibleRecords
      this.#isOpen = false
    }
    if (this.#options.submitted.isEmpty) return []
    this.begin()
    return this.#commitOffsets()
  }

  close(): Promise<void> {
    return this.#producer.close()
  }

  async #commitOffsets(): Promise<CommittedOffsets> {
    const offsets = this.#options.submitted.takeCommittable()
    await writeOffsets(this.#producer, this.#options, offsets)
    await this.#producer.commit()
    this.#isOpen = false
    this.#visibleRecords = this.writer.acknowledgedRecords - this.#droppedRecords
    return offsets
  }
}

/** `transactionalId`: exactly once under that id, which fences whoever used it before. */
export async function openSourceCommitter(options: SourceCommitterOptions, { transactionalId, producer: settings }: { readonly transactionalId: string | null; readonly producer: ProducerOptions }): Promise<SourceCommitter> {
  if (transactionalId === null) return new FollowingCommitter(await options.broker.openProducer(settings), options)
  const producer = await options.broker.openProducer({ transactionTimeoutMs: transactionTimeoutMs(options), ...settings, transactionalId, acknowledge: 'durable', idempotent: true })
  return new TransactionalCommitter(producer, options)
}

const minTransactionMs = 60_000
/** What brokers allow by default (transaction.max.timeout.ms). */
const maxTransactionMs = 900_000

/** Three times what a transaction should take; one that the connector ends may take as long as the log allows. */
function transactionTimeoutMs({ intervalMs }: SourceCommitterOptions): number {
  return Math.min(maxTransactionMs, Math.max(minTransactionMs, 3 * intervalMs))
}
