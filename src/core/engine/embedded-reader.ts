import type { PartitionPosition, PartitionRecords, ReadOptions, ReadResult, Reader } from '../broker.ts'
import { StreamError } from '../errors.ts'
import { partitionKey } from '../record.ts'
import type { EngineApi, FetchedPartition, FetchRequest } from './engine-api.ts'
import { ReadAhead } from './read-ahead.ts'
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

  async read(options: ReadOptions = {}): Promise<ReadResult> {
    this.#checkOpen()
    validateReadOptions(options)
    if (this.#reading) throw new StreamError('INVALID_ARGUMENT', 'read() was called while another read() of this reader is going on')
    this.#reading = true
    const assigned = this.#positions
    const { maxBytes = defaultMaxBytes, minBytes = 1, maxWaitMs = defaultMaxWaitMs, isolation = 'read-committed' } = options
    const request: FetchRequest = { positions: this.#rotated(), maxBytes, minBytes, maxWaitMs, isolation }
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
