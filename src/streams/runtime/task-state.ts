import { StreamError } from '../../core/index.ts'
import type { RecordBatch } from '../../core/index.ts'
import { CacheBudget } from '../state/caching-byte-store.ts'
import type { DiskState } from '../state/disk-state.ts'
import { openStore } from '../state/open-store.ts'
import type { OpenStore, StoreHost } from '../state/open-store.ts'
import type { StoreSpec, TopologyNode } from '../topology/node.ts'

export interface TaskStateOptions {
  readonly stores: readonly StoreSpec[]
  readonly cacheMaxBytes: number
  /** null: the store has no changelog. */
  readonly changelogTopic: (store: StoreSpec) => string | null
  readonly host: Omit<StoreHost, 'cacheBudget' | 'disk'>
  /** null: rows are kept in memory. */
  readonly disk: DiskState | null
}

/** A changelog forgets that a row was deleted after a day: what was not heard of it for longer may have rows that are gone. */
const oldestCheckpointMs = 12 * 3_600_000


/** The stores of one task, which commit and roll back as one. */
export class TaskState {
  readonly stores: ReadonlyMap<string, OpenStore>
  readonly #byChangelog = new Map<string, OpenStore[]>()
  readonly #disk: DiskState | null
  #restoring = false

  constructor({ stores, cacheMaxBytes, changelogTopic, host, disk }: TaskStateOptions) {
    this.#disk = disk
    const cacheBudget = cacheMaxBytes > 0 ? new CacheBudget(cacheMaxBytes) : null
    const full: StoreHost = {
      cacheBudget,
      disk,
      log: (store, key, value, timestamp, headers) => host.log(store, key, value, timestamp, headers),
      // What was refused once is in the changelog all the same, and was counted.
      expired: (store) => { if (!this.#restoring) host.expired(store) },
      currentRecord: () => host.currentRecord(),
      enter: (record) => host.enter(record),
    }
    this.stores = new Map(stores.map((spec) => [spec.name, openStore(spec, full)]))
    for (const store of this.stores.values()) {
      const topic = changelogTopic(store.spec)
      if (topic !== null) this.#byChangelog.set(topic, [...(this.#byChangelog.get(topic) ?? []), store])
    }
  }

  /** A store that the node is connected to. */
  storeOf(node: TopologyNode, name: string): OpenStore {
    const store = this.stores.get(name)
    if (store !== undefined && node.stores.includes(name)) return store
    const hint = store === undefined ? `there is no store ${name} in this part of the topology` : `the store ${name} is not connected to it`
    throw new StreamError('TOPOLOGY_INVALID', `${node.name} has no access to the store ${name}: ${hint}; name it among the operator's stores`)
  }

  /** Topics whose records `restore` takes, each from its log start offset. */
  get changelogTopics(): readonly string[] {
    return [...this.#byChangelog.keys()]
  }

  /**
   * The offset from which `restore` takes the records of a changelog that has those from `start` to `end`: where the stores on
   * disk are, if all of its stores are there and it can be gone on from; else `start`, and what is on disk is forgotten.
   */
  restoreFrom(changelogTopic: string, start: number, end: number, nowMs: number): number {
    const stores = this.#byChangelog.get(changelogTopic) ?? []
    const isOnDisk = stores.length > 0 && stores.every(({ wipe }) => wipe !== null)
    const checkpoint = isOnDisk ? (this.#disk?.checkpoint(changelogTopic) ?? null) : null
    if (checkpoint !== null && checkpoint.offset >= start && checkpoint.offset <= end && nowMs - checkpoint.writtenAtMs <= oldestCheckpointMs) return checkpoint.offset
    this.#disk?.forgetCheckpoint(changelogTopic)
    for (const { wipe } of stores) wipe?.()
    return start
  }

  /** The stores have what their changelogs have before these offsets. */
  checkpoint(positions: ReadonlyMap<string, number>): void {
    if (this.#disk === null) return
    for (const topic of this.#byChangelog.keys()) {
      const offset = positions.get(topic)
      if (offset !== undefined) this.#disk.setCheckpoint(topic, offset)
    }
  }

  /** Raw puts, in the order of offsets; what was restored counts as committed. */
  restore(changelogTopic: string, batches: Iterable<RecordBatch>): void {
    const stores = this.#byChangelog.get(changelogTopic) ?? []
    this.#restoring = true
    for (const batch of batches) {
      for (const { key, value, timestamp } of batch) {
        if (key !== null) for (const store of stores) store.restore(key, value, timestamp)
      }
    }
    this.#restoring = false
    for (const store of stores) store.commit()
  }

  flush(): void {
    for (const store of this.stores.values()) store.flush()
  }

  commit(): void {
    for (const store of this.stores.values()) store.commit()
  }

  rollback(): void {
    for (const store of this.stores.values()) store.rollback()
  }
}
