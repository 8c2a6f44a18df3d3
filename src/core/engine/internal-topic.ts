import type { TopicSpec } from '../broker.ts'
import { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import { sealBatch } from '../log/record-batch.ts'
import type { RecordBatchView } from '../log/record-batch.ts'
import { coordinatorPartition } from '../partitioner.ts'
import type { Header, TopicPartition } from '../record.ts'
import type { Acknowledge } from './engine-api.ts'
import type { LogEngine } from './log-engine.ts'
import type { Partition } from './partition.ts'
import type { TopicManager } from './topic-manager.ts'
import type { ProducerIdentity } from './transaction-state.ts'

export interface InternalRecord {
  readonly key: Uint8Array
  /** null is a tombstone. */
  readonly value: Uint8Array | null
  readonly headers?: readonly Header[]
}

const replayBytes = 1024 * 1024
/** More than any group or transaction needs; the format ends at 2 GiB. */
const maxRecordsBytes = 1024 * 1024 * 1024
const noProducer: ProducerIdentity = { producerId: -1, producerEpoch: -1 }

/** A coordinator's own topic: compacted, created when it is first needed, written one small batch at a time, read back whole at start. */
export class InternalTopic {
  readonly #engine: LogEngine
  readonly #topics: TopicManager
  readonly #spec: TopicSpec

  constructor(engine: LogEngine, topics: TopicManager, spec: TopicSpec) {
    this.#engine = engine
    this.#topics = topics
    this.#spec = spec
  }

  /** Before the first write. */
  async ensure(): Promise<void> {
    if (!this.exists) await this.#topics.ensure(this.#spec)
  }

  get exists(): boolean {
    return this.#engine.catalog.topics.has(this.#spec.topic)
  }

  /** The partition that keeps everything about a group or transactional id. */
  partitionFor(id: string): TopicPartition {
    const { topic, partitions } = this.#engine.topic(this.#spec.topic)
    return { topic, partition: coordinatorPartition(id, partitions) }
  }

  /** Writes the records as one batch before it returns; resolves when they are acknowledged. */
  write(id: string, records: readonly InternalRecord[], options: { readonly acknowledge?: Acknowledge } = {}): Promise<void> {
    return this.append(id, records).acknowledge(options.acknowledge ?? 'durable')
  }

  /** Writes the records as one batch before it returns. The offset of the first one tells which of two writes for one id was the later. */
  append(id: string, records: readonly InternalRecord[]): { readonly baseOffset: number; readonly acknowledge: (mode: Acknowledge) => Promise<void> } {
    const partition = this.#engine.partition(this.partitionFor(id))
    const batch = this.#encode(records, noProducer)
    const { baseOffset } = partition.log.append(batch, 'coordinator')
    return { baseOffset, acknowledge: (mode) => partition.acknowledge(mode, batch.length) }
  }

  /** Writes without waiting for the disk: what a later write makes durable, or recovery finds out by itself. With a producer it is part of its transaction. Answers the first offset. */
  writeUnacknowledged(id: string, records: readonly InternalRecord[], producer: ProducerIdentity = noProducer): number {
    return this.#engine.partition(this.partitionFor(id)).log.append(this.#encode(records, producer), 'coordinator').baseOffset
  }

  /** Resolves when everything that was written is durable. */
  async sync(): Promise<void> {
    if (this.exists) await this.#engine.syncTogether(this.#engine.partitionsOf(this.#engine.topic(this.#spec.topic)))
  }

  /** Every batch of every partition, markers included, in order. */
  replay(visit: (batch: RecordBatchView) => void): void {
    const topic = this.#engine.catalog.topics.get(this.#spec.topic)
    if (topic === undefined) return
    for (const partition of this.#engine.partitionsOf(topic)) replayPartition(partition, visit)
  }

  #encode(records: readonly InternalRecord[], producer: ProducerIdentity): Uint8Array {
    const { producerId, producerEpoch } = producer
    const builder = new RecordBatchBuilder({ maxBytes: maxRecordsBytes })
    const now = this.#engine.clock.now()
    for (const { key, value, headers } of records) builder.add(key, value, now, headers)
    const { bytes } = builder.build()
    sealBatch(bytes, { producerId, producerEpoch, baseSequence: -1, transactional: producerId >= 0 })
    return bytes
  }
}

function replayPartition({ log }: Partition, visit: (batch: RecordBatchView) => void): void {
  for (let offset = log.logStartOffset; offset < log.highWatermark; ) {
    const read = log.read({ offset, maxBytes: replayBytes, isolation: 'read-uncommitted' })
    for (const batch of read.batches) visit(batch)
    offset = read.nextOffset
  }
}
