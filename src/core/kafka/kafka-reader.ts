import type { PartitionPosition, Reader, ReaderOptions, ReadOptions, ReadResult } from '../broker.ts'
import { StreamError } from '../errors.ts'
import { validatePositions, validateReadOptions } from '../validate.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { KafkaFetcher } from './kafka-fetcher.ts'
import type { KafkaLane } from './kafka-lane.ts'

export class KafkaReader implements Reader {
  readonly #cluster: KafkaCluster
  readonly #lane: KafkaLane
  readonly #fetcher: KafkaFetcher
  readonly #closed: (reader: Reader) => void
  #isClosed = false

  constructor(cluster: KafkaCluster, options: ReaderOptions, closed: (reader: Reader) => void) {
    this.#cluster = cluster
    this.#lane = cluster.openLane(options.clientId)
    this.#fetcher = new KafkaFetcher(cluster, this.#lane, (_position, _isolation, cause) => Promise.reject(cause))
    this.#closed = closed
  }

  assign(positions: readonly PartitionPosition[]): void {
    this.#ensureOpen()
    validatePositions(positions)
    this.#fetcher.assign(positions)
  }

  positions(): readonly PartitionPosition[] {
    return this.#fetcher.positions()
  }

  async read(options: ReadOptions = {}): Promise<ReadResult> {
    this.#ensureOpen()
    validateReadOptions(options)
    return this.#fetcher.read(options)
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#cluster.closeLane(this.#lane)
      this.#closed(this)
    }
    return Promise.resolve()
  }

  #ensureOpen(): void {
    if (this.#isClosed) throw new StreamError('CLOSED', 'the reader is closed')
  }
}
