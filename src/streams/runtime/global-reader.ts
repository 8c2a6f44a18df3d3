import { partitionKey } from '../../core/index.ts'
import type { Broker, OffsetQuery, Reader } from '../../core/index.ts'
import type { GlobalStores } from './global-stores.ts'

/** Reads the topics of global stores, all partitions, from their beginning or from where a store on disk is, and goes on following them. */
export class GlobalReader {
  readonly #broker: Broker
  readonly #stores: GlobalStores
  #reader: Reader | null = null

  constructor(broker: Broker, stores: GlobalStores) {
    this.#broker = broker
    this.#stores = stores
  }

  /** Resolves when the stores hold what the topics held at the time of the call. */
  async start(partitionCounts: ReadonlyMap<string, number>): Promise<void> {
    const partitions = this.#stores.topics.flatMap((topic) => Array.from({ length: partitionCounts.get(topic)! }, (_, partition) => ({ topic, partition })))
    if (partitions.length === 0) return
    const query = (at: 'earliest' | 'latest') => partitions.map((partition): OffsetQuery => ({ ...partition, at }))
    const starts = await this.#broker.topics.listOffsets(query('earliest'))
    const ends = await this.#broker.topics.listOffsets(query('latest'), { isolation: 'read-uncommitted' })
    const positions = new Map<string, number>()
    for (const topic of this.#stores.topics) {
      const ranges = starts.flatMap(({ topic: name, partition, offset }, index) => (name === topic ? [{ partition, start: offset, end: ends[index]!.offset }] : []))
      for (const [partition, offset] of this.#stores.positions(topic, ranges)) positions.set(partitionKey(topic, partition), offset)
    }
    this.#reader = await this.#broker.openReader()
    this.#reader.assign(partitions.map(({ topic, partition }) => ({ topic, partition, offset: positions.get(partitionKey(topic, partition))! })))
    const isBehind = () => ends.some(({ topic, partition, offset }) => positions.get(partitionKey(topic, partition))! < offset)
    while (isBehind()) {
      for (const { topic, partition, nextOffset } of await this.#read(500)) positions.set(partitionKey(topic, partition), nextOffset)
    }
  }

  /** Takes up what has come since, without waiting. */
  async update(): Promise<void> {
    if (this.#reader !== null) await this.#read(0)
  }

  async close(): Promise<void> {
    await this.#reader?.close()
    this.#reader = null
    this.#stores.close()
  }

  async #read(maxWaitMs: number) {
    const { partitions } = await this.#reader!.read({ maxWaitMs, isolation: 'read-committed' })
    for (const { topic, partition, batches, nextOffset } of partitions) this.#stores.add({ topic, partition }, batches, nextOffset)
    return partitions
  }
}
