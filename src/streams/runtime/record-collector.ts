import type { Header, RecordPosition, RecordSpan, Serde, SpareMemory, TopicPartition, UnsealedBatch } from '../../core/index.ts'
import { RecordBatchBuilder, bytesSerde, partitionForKey, readKeySerde } from '../../core/index.ts'
import { ScratchBytes } from '../state/scratch-bytes.ts'

/** Takes what a task writes: results, changelogs and dead letters, in the order of writing. */
export interface RecordCollector {
  /** `partition` null: by the hash of the key, or any for a null key. The bytes are copied before it returns. */
  send(topic: string, partition: number | null, key: Uint8Array | null, value: Uint8Array | null, timestamp: number, headers: readonly Header[]): void
  /** As `send` to the partition of the key, of key, value and headers of a record that was read, as they stand there. False: nothing was sent. Optional, for speed. */
  sendRead?(topic: string, position: RecordPosition, timestamp: number): boolean
  /**
   * As `send` to the partition of the key, of what the serdes write, without headers. False: it cannot be done this way, or there is no
   * room in the batch; nothing was sent. @throws what the serdes throw. Optional, for speed.
   */
  sendSerialized?<K, V>(topic: string, keySerde: Serde<K>, key: K | null, valueSerde: Serde<V>, value: V | null, timestamp: number): boolean
  /** As `send`, of what stands in other bytes, without headers. Optional, for speed. */
  sendSpan?(topic: string, partition: number | null, span: RecordSpan, timestamp: number): void
  /** @throws UNKNOWN_TOPIC_OR_PARTITION */
  partitionCount(topic: string): number
}

export interface BatchingCollectorOptions {
  /** A batch goes out when the next record would make it larger. */
  readonly maxBatchBytes: number
  /** The largest batch that a topic takes, bytes. Absent: that is not known of any. */
  readonly batchLimit?: (topic: string) => number
  /** @throws UNKNOWN_TOPIC_OR_PARTITION */
  readonly partitionCount: (topic: string) => number
  /** Where the memory of batches comes from; the owner gives it back. Absent: new memory for each. */
  readonly memory?: SpareMemory
  /** Takes a full batch, without waiting; failures are the owner's to notice before it commits. */
  readonly sendBatch: (target: TopicPartition, batch: UnsealedBatch) => void
}

interface TopicBatches {
  readonly topic: string
  readonly builders: (RecordBatchBuilder | undefined)[]
  readonly partitions: number
  readonly maxBatchBytes: number
  /** Where records without a key go until the batch is full. */
  sticky: number
}

/** Encodes records into one batch per partition. Full batches go out at once, the rest with `flush`. */
export class BatchingCollector implements RecordCollector {
  readonly #options: BatchingCollectorOptions
  readonly #topics = new Map<string, TopicBatches>()
  #last: TopicBatches | null = null
  readonly #keyScratch = new ScratchBytes()

  constructor(options: BatchingCollectorOptions) {
    this.#options = options
  }

  send(topic: string, partition: number | null, key: Uint8Array | null, value: Uint8Array | null, timestamp: number, headers: readonly Header[]): void {
    const batches = this.#last?.topic === topic ? this.#last : this.#batchesOf(topic)
    const target = partition ?? partitionOf(key, batches)
    const builder = (batches.builders[target] ??= this.#newBuilder(batches))
    if (builder.add(key, value, timestamp, headers)) return
    this.#sendOut(batches, target, builder)
    builder.add(key, value, timestamp, headers)
  }

  sendRead(topic: string, position: RecordPosition, timestamp: number): boolean {
    const batches = this.#last?.topic === topic ? this.#last : this.#batchesOf(topic)
    const target = position.keyLength < 0 ? batches.sticky : batches.partitions === 1 ? 0 : partitionForKey(this.#keyScratch.of(readKeySerde, position), batches.partitions)
    const builder = (batches.builders[target] ??= this.#newBuilder(batches))
    if (builder.addRead(position, timestamp)) return true
    this.#sendOut(batches, target, builder)
    return builder.addRead(position, timestamp)
  }

  sendSerialized<K, V>(topic: string, keySerde: Serde<K>, key: K | null, valueSerde: Serde<V>, value: V | null, timestamp: number): boolean {
    const batches = this.#last?.topic === topic ? this.#last : this.#batchesOf(topic)
    if (key === null || batches.partitions === 1) {
      const builder = batches.builders[key === null ? batches.sticky : 0]
      return builder !== undefined && builder.addSerialized(keySerde, key, valueSerde, value, timestamp)
    }
    const keyBytes = this.#keyScratch.of(keySerde, key)
    const builder = batches.builders[partitionForKey(keyBytes, batches.partitions)]
    if (builder === undefined) return false
    // What is read, or a text that is the value, too, goes on as it is: the builder copies the one as it stands, and writes the other in one go.
    const isKept = (keySerde as unknown) === readKeySerde || (typeof value === 'string' && (value as unknown) === key)
    return isKept ? builder.addSerialized(keySerde, key, valueSerde, value, timestamp) : builder.addSerialized(bytesSerde, keyBytes, valueSerde, value, timestamp)
  }

  sendSpan(topic: string, partition: number | null, span: RecordSpan, timestamp: number): void {
    const batches = this.#last?.topic === topic ? this.#last : this.#batchesOf(topic)
    const target = partition ?? (batches.partitions === 1 ? 0 : partitionForKey(this.#keyScratch.copy(span.bytes, span.keyAt, span.keyAt + span.keyLength), batches.partitions))
    const builder = (batches.builders[target] ??= this.#newBuilder(batches))
    if (builder.addSpan(span, timestamp)) return
    this.#sendOut(batches, target, builder)
    builder.addSpan(span, timestamp)
  }

  partitionCount(topic: string): number {
    return this.#batchesOf(topic).partitions
  }

  /** Hands over every batch that is not empty; the caller then waits for the acknowledgements. */
  flush(): void {
    this.#eachBuilder((batches, partition, builder) => this.#sendOut(batches, partition, builder))
  }

  /** Forgets what was not handed over yet: the records of a transaction that is aborted. */
  discard(): void {
    this.#topics.clear()
    this.#last = null
  }

  #batchesOf(topic: string): TopicBatches {
    const known = this.#topics.get(topic)
    const batches = known ?? this.#newBatches(topic)
    if (known === undefined) this.#topics.set(topic, batches)
    this.#last = batches
    return batches
  }

  #newBatches(topic: string): TopicBatches {
    const { maxBatchBytes, batchLimit, partitionCount } = this.#options
    return { topic, builders: [], partitions: partitionCount(topic), maxBatchBytes: Math.min(maxBatchBytes, batchLimit?.(topic) ?? Infinity), sticky: 0 }
  }

  #newBuilder({ maxBatchBytes }: TopicBatches): RecordBatchBuilder {
    const { memory } = this.#options
    return new RecordBatchBuilder({ maxBytes: maxBatchBytes, ...(memory && { memory }) })
  }

  #sendOut(batches: TopicBatches, partition: number, builder: RecordBatchBuilder): void {
    if (partition === batches.sticky) batches.sticky = (partition + 1) % batches.partitions
    this.#options.sendBatch({ topic: batches.topic, partition }, builder.build())
  }

  #eachBuilder(visit: (batches: TopicBatches, partition: number, builder: RecordBatchBuilder) => void): void {
    for (const batches of this.#topics.values()) {
      batches.builders.forEach((builder, partition) => {
        if (builder !== undefined && builder.recordCount > 0) visit(batches, partition, builder)
      })
    }
  }
}

function partitionOf(key: Uint8Array | null, { sticky, partitions }: TopicBatches): number {
  if (key === null) return sticky
  return partitions === 1 ? 0 : partitionForKey(key, partitions)
}
