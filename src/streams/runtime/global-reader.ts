import { partitionKey } from '../../core/index.ts'
import type { Broker, OffsetQuery, PartitionPosition, Reader } from '../../core/index.ts'
import type { ResolvedConfig } from '../config.ts'
import type { DiskState } from '../state/disk-state.ts'
import type { OpenStore } from '../state/open-store.ts'
import type { TopologyData } from '../topology/node.ts'
import { GlobalStores } from './global-stores.ts'
import { taskConfig } from './task-factory.ts'
import type { OpenDisk } from './task-factory.ts'

export interface GlobalsOptions {
  readonly topology: TopologyData
  readonly config: ResolvedConfig
  /** Of the thread: it ends with a dash and a number. */
  readonly name: string
  /** null: stores are kept in memory. */
  readonly openDisk: OpenDisk | null
}

/** The global stores of one thread: each thread of an instance has a copy, on disk in a directory with its number. */
export function openGlobals({ topology, config, name, openDisk }: GlobalsOptions): GlobalReader {
  const isKept = topology.globalStores.some(({ store }) => store.persistent)
  const disk = isKept ? (openDisk?.(`global-${name.slice(name.lastIndexOf('-') + 1)}`) ?? null) : null
  const { applicationId, broker, clock } = config
  return new GlobalReader(broker, new GlobalStores(topology, { applicationId, clock, config: taskConfig(config), disk }), disk)
}

/** Reads the topics of global stores, all partitions, from their beginning or from where a store on disk is, and goes on following them. */
export class GlobalReader {
  readonly #broker: Broker
  readonly #stores: GlobalStores
  readonly #disk: DiskState | null
  #reader: Reader | null = null
  /** By partitionKey: where each partition goes on behind what the stores have. */
  readonly #positions = new Map<string, PartitionPosition>()

  /** `disk`: where the stores are; it is closed with them. */
  constructor(broker: Broker, stores: GlobalStores, disk: DiskState | null = null) {
    this.#broker = broker
    this.#stores = stores
    this.#disk = disk
  }

  /** By name. */
  get stores(): ReadonlyMap<string, OpenStore> {
    return this.#stores.stores
  }

  /** Resolves when the stores hold what the topics held at the time of the call, or when `signal` fires before that. */
  async start(partitionCounts: ReadonlyMap<string, number>, signal?: AbortSignal): Promise<void> {
    const partitions = this.#stores.topics.flatMap((topic) => Array.from({ length: partitionCounts.get(topic)! }, (_, partition) => ({ topic, partition })))
    if (partitions.length === 0) return
    const query = (at: 'earliest' | 'latest') => partitions.map((partition): OffsetQuery => ({ ...partition, at }))
    const starts = await this.#broker.topics.listOffsets(query('earliest'))
    const ends = await this.#broker.topics.listOffsets(query('latest'), { isolation: 'read-uncommitted' })
    for (const topic of this.#stores.topics) {
      const ranges = starts.flatMap(({ topic: name, partition, offset }, index) => (name === topic ? [{ partition, start: offset, end: ends[index]!.offset }] : []))
      for (const [partition, offset] of this.#stores.positions(topic, ranges)) this.#positions.set(partitionKey(topic, partition), { topic, partition, offset })
    }
    this.#reader = await this.#broker.openReader()
    this.#reader.assign([...this.#positions.values()])
    const isBehind = () => ends.some(({ topic, partition, offset }) => this.#positions.get(partitionKey(topic, partition))!.offset < offset)
    while (isBehind() && signal?.aborted !== true) await this.#read(500, signal)
  }

  /** Takes up what has come since, without waiting. */
  async update(): Promise<void> {
    if (this.#reader !== null) await this.#read(0)
  }

  async close(): Promise<void> {
    await this.#reader?.close()
    this.#reader = null
    this.#stores.close()
    await this.#disk?.close()
  }

  async #read(maxWaitMs: number, signal?: AbortSignal): Promise<void> {
    const { partitions } = await this.#reader!.read({ maxWaitMs, isolation: 'read-committed', ...(signal && { signal }) })
    try {
      for (const { topic, partition, batches, nextOffset } of partitions) {
        this.#stores.add({ topic, partition }, batches, nextOffset)
        this.#positions.set(partitionKey(topic, partition), { topic, partition, offset: nextOffset })
      }
    } catch (error) {
      // Who goes on after the failure shall be given again what the stores did not take.
      this.#reader!.assign([...this.#positions.values()])
      throw error
    }
  }
}
