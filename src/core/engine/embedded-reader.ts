import type { PartitionPosition, PartitionRecords, ReadIntoOptions, ReadResult, Reader } from '../broker.ts'
import { StreamError } from '../errors.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import type { EngineApi, FetchedPartition, FetchRequest } from './engine-api.ts'
import { validatePositions, validateReadOptions } from '../validate.ts'
import { eitherSignal } from '../wait.ts'

const defaultMaxBytes = 1024 * 1024
const defaultMaxWaitMs = 500

/** The reader of the embedded engine, in its process or in another thread. */
export class EmbeddedReader implements Reader {
  readonly #engine: EngineApi
  /** In the order of the next read; replaced by `assign`. */
  #positions = new Map<string, PartitionPosition>()
  #rotation = 0
  #reading = false
  readonly #closed: AbortController
  readonly #ahead: ReadAhead | null

  /** `closed` is aborted when the reader closes. */
  constructor(engine: EngineApi, closed = new AbortController()) {
    this.#engine = engine
    this.#closed = closed
    this.#ahead = engine.isInOtherThread === true ? new ReadAhead(engine, closed.signal) : null
  }

  assign(positions: readonly PartitionPosition[]): void {
    this.#checkOpen()
    validatePositions(positions)
    this.#positions = new Map(positions.map(({ topic, partition, offset }) => [partitionKey(topic, partition), { topic, partition, offset }]))
  }

  positions(): readonly PartitionPosition[] {
    return [...this.#positions.values()]
  }

  async read(options: ReadIntoOptions = {}): Promise<ReadResult> {
    this.#checkOpen()
    validateReadOptions(options)
    if (this.#reading) throw new StreamError('INVALID_ARGUMENT', 'read() was called while another read() of this reader is going on')
    this.#reading = true
    const assigned = this.#positions
    const { maxBytes = defaultMaxBytes, minBytes = 1, maxWaitMs = defaultMaxWaitMs, isolation = 'read-committed', memory } = options
    const request: FetchRequest = { positions: this.#rotated(), maxBytes, minBytes, maxWaitMs, isolation, ...(this.#engine.isInOtherThread !== true && { memory }) }
    const abort = eitherSignal(this.#closed.signal, options.signal)
    try {
      const partitions = await this.#fetch(request, abort.signal)
      this.#checkOpen()
      this.#ahead?.start(request, partitions)
      if (assigned === this.#positions) this.#advance(partitions)
      return { partitions }
    } finally {
      abort.release()
      this.#reading = false
    }
  }

  async #fetch(request: FetchRequest, signal: AbortSignal): Promise<readonly FetchedPartition[]> {
    // Everything is paused: nothing to ask the engine, and another thread need not wake up for it.
    if (request.positions.length === 0 && request.maxWaitMs === 0) return []
    const ahead = (await this.#ahead?.take(request)) ?? []
    return ahead.length > 0 ? ahead : this.#engine.fetch(request, signal)
  }

  close(): Promise<void> {
    this.#closed.abort()
    return Promise.resolve()
  }

  /** Each read begins with another partition, so that a busy one cannot starve the rest. */
  #rotated(): readonly PartitionPosition[] {
    const positions = this.positions()
    if (positions.length === 0) return positions
    this.#rotation = (this.#rotation + 1) % positions.length
    return [...positions.slice(this.#rotation), ...positions.slice(0, this.#rotation)]
  }

  #advance(partitions: readonly PartitionRecords[]): void {
    for (const { topic, partition, nextOffset } of partitions) this.#positions.set(partitionKey(topic, partition), { topic, partition, offset: nextOffset })
  }

  #checkOpen(): void {
    if (this.#closed.signal.aborted) throw new StreamError('CLOSED', 'the reader is closed')
  }
}

/** So often nothing of it may be wanted, as of a partition that is paused; then it was for nothing. */
const maxMisses = 16

interface Fetched {
  readonly request: FetchRequest
  readonly answer: Promise<readonly FetchedPartition[]>
}

/**
 * For a reader whose engine is in another thread: what it will want next is asked for while it works on what it has, so that it does
 * not wait for the other thread each time. One fetch at most, no larger than the last read.
 */
export class ReadAhead {
  readonly #engine: EngineApi
  readonly #signal: AbortSignal
  #fetched: Fetched | null = null
  #misses = 0

  /** `signal` fires when the reader closes. */
  constructor(engine: EngineApi, signal: AbortSignal) {
    this.#engine = engine
    this.#signal = signal
  }

  /** After a read with this outcome: where it came to as much as was asked for, there is probably more. */
  start(request: FetchRequest, partitions: readonly FetchedPartition[]): void {
    if (this.#fetched !== null || bytesOf(partitions) * 2 < request.maxBytes) return
    const next = new Map(partitions.map((partition) => [keyOf(partition), partition.nextOffset]))
    const positions = request.positions.map(({ topic, partition, offset }) => ({ topic, partition, offset: next.get(partitionKey(topic, partition)) ?? offset }))
    // Whose turn it was comes last.
    const ahead: FetchRequest = { ...request, positions: [...positions.slice(1), ...positions.slice(0, 1)], minBytes: 1, maxWaitMs: 0 }
    this.#misses = 0
    // Whatever is wrong is found by the read that asks for it.
    this.#fetched = { request: ahead, answer: this.#engine.fetch(ahead, this.#signal).catch(() => []) }
  }

  /** What is there already of what is asked for; nothing: it must be fetched. */
  async take(request: FetchRequest): Promise<readonly FetchedPartition[]> {
    const fetched = this.#fetched
    if (fetched === null) return []
    const partitions = await fetched.answer
    const offsets = new Map(request.positions.map((position) => [keyOf(position), position.offset]))
    const isWanted = (partition: FetchedPartition) => offsets.get(keyOf(partition)) === offsetIn(fetched.request, partition)
    const isUntouched = partitions.length > 0 && partitions.every((partition) => !offsets.has(keyOf(partition)))
    if (isUntouched && ++this.#misses <= maxMisses) return []
    this.#fetched = null
    const fits = request.isolation === fetched.request.isolation && request.maxBytes >= fetched.request.maxBytes
    const wanted = fits ? partitions.filter(isWanted) : []
    return bytesOf(wanted) >= request.minBytes ? wanted : []
  }
}

function offsetIn({ positions }: FetchRequest, { topic, partition }: TopicPartition): number | undefined {
  return positions.find((position) => position.topic === topic && position.partition === partition)?.offset
}

function bytesOf(partitions: readonly FetchedPartition[]): number {
  let bytes = 0
  for (const { batches } of partitions) for (const batch of batches) bytes += batch.sizeBytes
  return bytes
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
