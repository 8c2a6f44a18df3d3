import type { Broker, CommittedOffset, GroupMember, PartitionRecords, Producer, ReadResult } from './broker.ts'
import { readDeadLetter } from './dead-letter.ts'
import type { DeadLetter } from './dead-letter.ts'
import { StreamError } from './errors.ts'
import { partitionKey } from './record.ts'
import type { ProducerRecord, RecordView, TopicPartition } from './record.ts'

export interface RedriveOptions {
  readonly deadLetterTopic: string
  /** Where the records go instead of where they came from, by key; absent: to the topic and partition of their origin. */
  readonly to?: string
  /**
   * Repairs a record before it goes back: gives the record, another one, or null to leave it out for good. Synchronous. It gets the record as it
   * would go back, and why it failed. What it throws ends the redrive there, as a record without origin does.
   */
  readonly fix?: RedriveFix
  readonly signal?: AbortSignal
}

export type RedriveFix = (record: ProducerRecord, why: DeadLetter) => ProducerRecord | null

const pollMs = 500

/** The consumer group whose committed offsets say how far a dead-letter topic was redriven. */
export function redriveGroup(deadLetterTopic: string): string {
  return `redrive-${deadLetterTopic}`
}

/**
 * Puts the dead letters that are there now, and were not redriven before, back where they came from: with their own key,
 * value, headers and timestamp, in their order; letters without a record are passed over. Records and progress are one transaction, so that none goes back twice,
 * whatever is killed; two redrives at a time fence each other.
 *
 * @returns how many went back
 * @throws UNKNOWN_TOPIC_OR_PARTITION when a topic is gone; INVALID_RECORD for a record that does not say where it came from
 *   (name a topic with `to`): those before it went back, it and those behind it did not
 */
export async function redrive(broker: Broker, options: RedriveOptions): Promise<number> {
  const { deadLetterTopic } = options
  const ends = await endOffsets(broker, deadLetterTopic)
  const groupId = redriveGroup(deadLetterTopic)
  const producer = await broker.openProducer({ transactionalId: groupId })
  try {
    const member = await broker.joinGroup({ groupId, topics: [deadLetterTopic], offsetReset: 'earliest', clientId: groupId })
    try {
      return await new Redrive(broker, producer, member, options).run(ends)
    } finally {
      await member.leave()
    }
  } finally {
    await producer.close()
  }
}

async function endOffsets(broker: Broker, topic: string): Promise<ReadonlyMap<string, number>> {
  const [description] = await broker.topics.describe([topic])
  const answers = await broker.topics.listOffsets(description!.partitions.map(({ partition }) => ({ topic, partition, at: 'latest' })), { isolation: 'read-committed' })
  return new Map(answers.filter(({ offset }) => offset > 0).map(({ partition, offset }) => [partitionKey(topic, partition), offset]))
}

interface RedrivenPart {
  readonly records: readonly ProducerRecord[]
  readonly next: CommittedOffset
  /** Why it ends before what was read; null: it does not. */
  readonly refusal: StreamError | null
}

class Redrive {
  readonly #broker: Broker
  readonly #producer: Producer
  readonly #member: GroupMember
  readonly #options: RedriveOptions

  constructor(broker: Broker, producer: Producer, member: GroupMember, options: RedriveOptions) {
    this.#broker = broker
    this.#producer = producer
    this.#member = member
    this.#options = options
  }

  /** Up to these offsets: what is redriven and fails again comes back behind them, and is not taken round and round. */
  async run(ends: ReadonlyMap<string, number>): Promise<number> {
    const behind = new Map(ends)
    for (const { topic, partition, offset } of await this.#member.committed(this.#member.assignment)) {
      if (offset >= (behind.get(partitionKey(topic, partition)) ?? 0)) behind.delete(partitionKey(topic, partition))
    }
    let redriven = 0
    while (behind.size > 0 && this.#options.signal?.aborted !== true) {
      const result = await this.#member.read({ maxWaitMs: pollMs, isolation: 'read-committed', ...(this.#options.signal && { signal: this.#options.signal }) })
      if (result.partitions.length === 0) await this.#leaveOutDeleted(behind)
      redriven += await this.#commit(result, ends)
      for (const { topic, partition, nextOffset } of result.partitions) {
        if (nextOffset >= (ends.get(partitionKey(topic, partition)) ?? 0)) behind.delete(partitionKey(topic, partition))
      }
    }
    return redriven
  }

  /** Retention may take what is waiting to go back: nothing comes of it any more. */
  async #leaveOutDeleted(behind: Map<string, number>): Promise<void> {
    const { deadLetterTopic: topic } = this.#options
    const [description] = await this.#broker.topics.describe([topic])
    for (const { partition, logStartOffset } of description!.partitions) {
      const key = partitionKey(topic, partition)
      if (logStartOffset >= (behind.get(key) ?? Infinity)) behind.delete(key)
    }
  }

  /** One transaction of what one read gave. A record that cannot go back ends it there: what was before it is committed. */
  async #commit(result: ReadResult, ends: ReadonlyMap<string, number>): Promise<number> {
    const parts = result.partitions.map((partition) => this.#plan(partition, ends.get(partitionKey(partition.topic, partition.partition)) ?? 0))
    this.#producer.begin()
    try {
      await Promise.all(parts.flatMap(({ records }) => records.map((record) => this.#producer.append(record))))
      await this.#producer.commit({ group: this.#member.metadata(), offsets: parts.map(({ next }) => next) })
    } catch (error) {
      await this.#producer.abort()
      throw error
    }
    const refused = parts.find(({ refusal }) => refusal !== null)?.refusal
    if (refused != null) throw refused
    return parts.reduce((sum, { records }) => sum + records.length, 0)
  }

  /** What of a partition goes back, and how far that is. */
  #plan({ topic, partition, batches, nextOffset }: PartitionRecords, end: number): RedrivenPart {
    const records: ProducerRecord[] = []
    for (const batch of batches) {
      for (const record of batch) {
        if (record.offset >= end) break
        const target = this.#target({ topic, partition }, record)
        if (target instanceof StreamError) return { records, next: { topic, partition, offset: record.offset }, refusal: target }
        if (target !== null) records.push(target)
      }
    }
    return { records, next: { topic, partition, offset: Math.min(nextOffset, end) }, refusal: null }
  }

  /** null: it is left out. */
  #target(from: TopicPartition, record: RecordView): ProducerRecord | StreamError | null {
    const letter = readDeadLetter(record)
    if (!letter.hasRecord) return null
    const target = this.#plainTarget(from, record, letter)
    const { fix } = this.#options
    if (fix === undefined || target instanceof StreamError) return target
    try {
      return fix(target, letter)
    } catch (cause) {
      const place = `${partitionKey(from.topic, from.partition)} at offset ${record.offset}`
      return new StreamError('INVALID_RECORD', `the fix failed for the record of ${place}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, details: { ...from, offset: record.offset } })
    }
  }

  #plainTarget(from: TopicPartition, record: RecordView, { origin, headers }: DeadLetter): ProducerRecord | StreamError {
    const { to } = this.#options
    const content = { key: record.key, value: record.value, headers, timestamp: Math.max(0, record.timestamp) }
    if (to !== undefined) return { topic: to, ...content }
    if (origin !== null) return { topic: origin.topic, partition: origin.partition, ...content }
    const place = `${partitionKey(from.topic, from.partition)} at offset ${record.offset}`
    return new StreamError('INVALID_RECORD', `the record of ${place} does not say which topic it came from; name one to send such records to`, { details: { ...from, offset: record.offset } })
  }
}
