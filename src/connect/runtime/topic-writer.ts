import type { BatchMetadata, Broker, Header, Producer, TopicDescription, TopicPartition, UnsealedBatch } from '../../core/index.ts'
import { partitionForKey, RecordBatchBuilder, StreamError } from '../../core/index.ts'
import type { Ticket } from './submitted-offsets.ts'
import { describeOrCreate } from './topic-creation.ts'
import type { TopicCreation } from './topic-creation.ts'

const maxBatchBytes = 512 * 1024
/** Room that a batch needs around its only record. */
const batchOverheadBytes = 512

export interface TopicWriterOptions {
  readonly broker: Broker
  readonly producer: Producer
  /** null: topics must exist. */
  readonly creation: TopicCreation | null
  /** Beyond it `hasRoom` waits. */
  readonly maxInFlightBytes: number
}

/** A batch on its way: what its records wait for. */
export interface BatchTicket extends Ticket {
  /** Where its first record went; set with `acknowledged`. */
  metadata: BatchMetadata | null
  /** Records that have it. */
  recordCount: number
}

interface OpenTopic {
  readonly partitionCount: number
  readonly maxRecordBytes: number
  /** Where records without key and partition go, until the batch is full. */
  sticky: number
  readonly batches: Map<number, OpenBatch>
  /** Records of it that are in the log. */
  acknowledged: number
}

interface OpenBatch {
  readonly builder: RecordBatchBuilder
  ticket: BatchTicket
}

/** Gathers records into batches per partition and appends them: one promise a batch, and a ticket that its records share. */
export class TopicWriter {
  readonly #options: TopicWriterOptions
  readonly #topics = new Map<string, OpenTopic>()
  readonly #inFlight = new Set<Promise<void>>()
  #inFlightBytes = 0
  #acknowledged = 0
  #failure: unknown

  constructor(options: TopicWriterOptions) {
    this.#options = options
  }

  /** Records that are in the log; of an open transaction, too. */
  get acknowledgedRecords(): number {
    return this.#acknowledged
  }

  /** The same, by topic. */
  acknowledgedByTopic(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#topics].filter(([, { acknowledged }]) => acknowledged > 0).map(([topic, { acknowledged }]) => [topic, acknowledged]))
  }

  isOpen(topic: string): boolean {
    return this.#topics.has(topic)
  }

  /** Must be called once before records of a topic are added; makes the topic if that is allowed. @throws UNKNOWN_TOPIC_OR_PARTITION */
  async open(topic: string): Promise<void> {
    const { broker, creation } = this.#options
    const description = await describeOrCreate(broker, topic, creation?.specOf(topic) ?? null)
    this.#topics.set(topic, { partitionCount: description.partitions.length, maxRecordBytes: maxRecordBytes(description), sticky: 0, batches: new Map(), acknowledged: 0 })
  }

  /** @throws RECORD_TOO_LARGE, UNKNOWN_TOPIC_OR_PARTITION for a partition that does not exist: nothing was added */
  add(target: { readonly topic: string; readonly partition: number | null }, key: Uint8Array | null, value: Uint8Array | null, timestamp: number, headers: readonly Header[] | undefined): BatchTicket {
    const topic = this.#topics.get(target.topic)!
    const sizeBytes = (key?.length ?? 0) + (value?.length ?? 0) + (headers === undefined ? 0 : headersSizeBytes(headers))
    if (sizeBytes > topic.maxRecordBytes) throw tooLarge(target.topic, sizeBytes, topic.maxRecordBytes)
    const partition = this.#partitionFor(target, topic, key)
    let batch = topic.batches.get(partition)
    if (batch === undefined) {
      batch = { builder: new RecordBatchBuilder({ maxBytes: Math.min(maxBatchBytes, topic.maxRecordBytes + batchOverheadBytes) }), ticket: newTicket() }
      topic.batches.set(partition, batch)
    }
    if (!batch.builder.add(key, value, timestamp, headers)) {
      this.#send({ topic: target.topic, partition }, batch)
      if (target.partition === null && key === null) {
        topic.sticky = (topic.sticky + 1) % topic.partitionCount
        return this.add(target, key, value, timestamp, headers)
      }
      batch.builder.add(key, value, timestamp, headers)
    }
    batch.ticket.recordCount++
    return batch.ticket
  }

  /** Hands over what is gathered; resolves when there is room for more. @throws the first failure of an append */
  async hasRoom(): Promise<void> {
    this.#sendAll()
    while (this.#inFlightBytes > this.#options.maxInFlightBytes) await Promise.race(this.#inFlight)
    this.#throwFailure()
  }

  /** Resolves when everything added is acknowledged. @throws the first failure of an append */
  async flush(): Promise<void> {
    this.#sendAll()
    await Promise.all(this.#inFlight)
    this.#throwFailure()
  }

  #partitionFor({ topic, partition }: { readonly topic: string; readonly partition: number | null }, open: OpenTopic, key: Uint8Array | null): number {
    if (partition === null) return key === null ? open.sticky : partitionForKey(key, open.partitionCount)
    if (Number.isInteger(partition) && partition >= 0 && partition < open.partitionCount) return partition
    throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${topic} has no partition ${partition}; it has ${open.partitionCount}`, { details: { topic, partition } })
  }

  #sendAll(): void {
    for (const [topic, open] of this.#topics) {
      for (const [partition, batch] of open.batches) if (batch.builder.recordCount > 0) this.#send({ topic, partition }, batch)
      open.sticky = (open.sticky + 1) % open.partitionCount
    }
  }

  #send(target: TopicPartition, batch: OpenBatch): void {
    const { ticket } = batch
    const unsealed = batch.builder.build()
    batch.ticket = newTicket()
    const sizeBytes = unsealed.bytes.length
    this.#inFlightBytes += sizeBytes
    const done: Promise<void> = this.#append(target, unsealed, ticket).finally(() => {
      this.#inFlightBytes -= sizeBytes
      void this.#inFlight.delete(done)
    })
    this.#inFlight.add(done)
  }

  /** Never rejects: the first failure is kept for whoever waits next. */
  async #append(target: TopicPartition, batch: UnsealedBatch, ticket: BatchTicket): Promise<void> {
    try {
      ticket.metadata = await this.#options.producer.appendBatch(target, batch)
      ticket.acknowledged = true
      this.#acknowledged += batch.recordCount
      this.#topics.get(target.topic)!.acknowledged += batch.recordCount
    } catch (error) {
      this.#failure ??= error ?? new Error('append failed')
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure as Error
  }
}

/** At most: a character has up to three bytes, a length up to five. */
function headersSizeBytes(headers: readonly Header[]): number {
  return headers.reduce((sum, { key, value }) => sum + 3 * key.length + (value?.length ?? 0) + 10, 0)
}

function newTicket(): BatchTicket {
  return { acknowledged: false, metadata: null, recordCount: 0 }
}

function maxRecordBytes({ configs }: TopicDescription): number {
  const limit = Number(configs.find(({ name }) => name === 'max.message.bytes')?.value ?? 1_048_588)
  return Math.max(0, limit - batchOverheadBytes)
}

function tooLarge(topic: string, sizeBytes: number, limitBytes: number): StreamError {
  return new StreamError(
    'RECORD_TOO_LARGE',
    `a record of ${sizeBytes} bytes does not fit into topic ${topic}, which takes ${limitBytes}; raise the topic's max.message.bytes, or use errors.tolerance=all to skip such records`,
    { details: { topic, sizeBytes } },
  )
}
