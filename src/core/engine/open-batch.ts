import type { BatchMetadata } from '../broker.ts'
import type { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import type { ProducerRecord, RecordMetadata, TopicPartition } from '../record.ts'

/** Who appended one record. */
interface Waiter {
  readonly timestamp: number
  readonly resolve: (metadata: RecordMetadata) => void
  readonly reject: (error: unknown) => void
}

/**
 * Records of single appends on their way into one batch of one partition. Each append costs one promise; nothing else is made
 * for a record.
 */
export class OpenBatch {
  readonly target: TopicPartition
  readonly builder: RecordBatchBuilder
  /** Keys and values taken. */
  payloadBytes = 0
  readonly #waiters: Waiter[] = []

  constructor(target: TopicPartition, builder: RecordBatchBuilder) {
    this.target = target
    this.builder = builder
  }

  /** The record's place, when the batch was acknowledged; null when it does not fit. @throws as `RecordBatchBuilder.add` */
  add(record: ProducerRecord, timestamp: number, payloadBytes: number): Promise<RecordMetadata> | null {
    if (!this.builder.add(record.key ?? null, record.value, timestamp, record.headers)) return null
    this.payloadBytes += payloadBytes
    return new Promise((resolve, reject) => this.#waiters.push({ timestamp, resolve, reject }))
  }

  settle({ baseOffset, logAppendTime }: BatchMetadata): void {
    const { topic, partition } = this.target
    let offset = baseOffset
    for (const { timestamp, resolve } of this.#waiters) resolve({ topic, partition, offset: offset++, timestamp: logAppendTime >= 0 ? logAppendTime : timestamp })
  }

  fail(error: unknown): void {
    for (const { reject } of this.#waiters) reject(error)
  }
}
