import type { PartitionPosition, Reader, ReadOptions, ReadResult } from '../broker.ts'
import { StreamError } from '../errors.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { KafkaFetcher } from './kafka-fetcher.ts'
import type { KafkaLane } from './kafka-lane.ts'

export class KafkaReader implements Reader {
  readonly #cluster: KafkaCluster
  readonly #lane: KafkaLane
  readonly #fetcher: KafkaFetcher
  readonly #closed: (reader: Reader) => void
  #isClosed = false

  constructor(cluster: KafkaCluster, closed: (reader: Reader) => void) {
    this.#cluster = cluster
    this.#lane = cluster.openLane()
    this.#fetcher = new KafkaFetcher(cluster, this.#lane, (_position, _isolation, cause) => Promise.reject(cause))
    this.#closed = closed
  }

  assign(positions: readonly PartitionPosition[]): void {
    this.#ensureOpen()
    for (const { topic, partition, offset } of positions) {
      if (Number.isSafeInteger(offset) && offset >= 0) continue
      throw new StreamError('INVALID_ARGUMENT', `${offset} is not an offset to read ${topic}-${partition} from: give an integer of at least 0`)
    }
    this.#fetcher.assign(positions)
  }

  positions(): readonly PartitionPosition[] {
    return this.#fetcher.positions()
  }

  async read(options: ReadOptions = {}): Promise<ReadResult> {
    this.#ensureOpen()
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
