import { StreamError } from '../../core/index.ts'
import type { RecordBatch } from '../../core/index.ts'
import { CacheBudget } from '../state/caching-byte-store.ts'
import type { DiskState } from '../state/disk-state.ts'
import { openStore } from '../state/open-store.ts'
import type { OpenStore, StoreHost } from '../state/open-store.ts'
import type { StoreSpec, TopologyNode } from '../topology/node.ts'
import { messageOf } from './record-queue.ts'
import type { TaskMetrics } from './task-metrics.ts'

export interface TaskStateOptions {
  readonly stores: readonly StoreSpec[]
  readonly cacheMaxBytes: number
  /** null: the store has no changelog. */
  readonly changelogTopic: (store: StoreSpec) => string | null
  readonly host: Omit<StoreHost, 'cacheBudget' | 'disk'>
  /** null: rows are kept in memory. */
  readonly disk: DiskState | null
  /** null: nothing is measured. */
  readonly metrics: TaskMetrics | null
}

/** A changelog forgets that a row was deleted after a day: what was not heard of it for longer may have rows that are gone. */
export const oldestCheckpointMs = 12 * 3_600_000

/** The stores of one task, which commit and roll back as one. */
export class TaskState {
  readonly #stores: Map<string, OpenStore>
  readonly #byChangelog = new Map<string, string[]>()
  readonly #host: StoreHost
  readonly #disk: DiskState | null
  readonly #metrics: TaskMetrics | null
  /** How far the stores are in each changelog, as far as that is known. */
  readonly #positions = new Map<string, number>()
  /** Where each changelog began. */
  readonly #starts = new Map<string, number>()
  #restoring = false
  /** Stores on disk are behind what was committed. */
  #failure: StreamError | null = null

  constructor({ stores, cacheMaxBytes, changelogTopic, host, disk, metrics }: TaskStateOptions) {
    this.#disk = disk
    this.#metrics = metrics
    const cacheBudget = cacheMaxBytes > 0 ? new CacheBudget(cacheMaxBytes) : null
    this.#host = {
      ...host,
      cacheBudget,
      disk,
      // What was refused once is in the changelog all the same, and was counted.
      expired: (store) => { if (!this.#restoring) host.expired(store) },
    }
    this.#stores = new Map(stores.map((spec) => [spec.name, this.#open(spec)]))
    for (const spec of stores) {
      const topic = changelogTopic(spec)
      if (topic !== null) this.#byChangelog.set(topic, [...(this.#byChangelog.get(topic) ?? []), spec.name])
    }
  }

  #open(spec: StoreSpec): OpenStore {
    const store = openStore(spec, this.#host)
    return this.#metrics === null ? store : this.#metrics.measured(store)
  }

  get stores(): ReadonlyMap<string, OpenStore> {
    return this.#stores
  }

  /** A store that the node is connected to. */
  storeOf(node: TopologyNode, name: string): OpenStore {
    const store = this.#stores.get(name)
    if (store !== undefined && node.stores.includes(name)) return store
    const hint = store === undefined ? `there is no store ${name} in this part of the topology` : `the store ${name} is not connected to it`
    throw new StreamError('TOPOLOGY_INVALID', `${node.name} has no access to the store ${name}: ${hint}; name it among the operator's stores`)
  }

  /** Topics whose records `restore` takes, each from its log start offset. */
  get changelogTopics(): readonly string[] {
    return [...this.#byChangelog.keys()]
  }

  /**
   * The offset from which `restore` takes the records of a changelog that has those from `start` to `end`: where its stores
   * are, in memory or on disk, if it can be gone on from there; else `start`, and what they have is forgotten.
   */
  restoreFrom(changelogTopic: string, start: number, end: number, nowMs: number): number {
    this.#starts.set(changelogTopic, start)
    const position = this.#positions.get(changelogTopic) ?? this.#positionOnDisk(changelogTopic, nowMs)
    if (position !== null && position >= start && position <= end) {
      this.#positions.set(changelogTopic, position)
      return position
    }
    this.#positions.delete(changelogTopic)
    this.#disk?.forgetCheckpoint(changelogTopic)
    for (const name of this.#byChangelog.get(changelogTopic) ?? []) {
      const store = this.#stores.get(name)!
      if (store.wipe !== null) store.wipe()
      else if (position !== null) {
        store.close?.()
        this.#stores.set(name, this.#open(store.spec))
      }
    }
    return start
  }

  /** Null where the stores are not on disk, or not all of them, or were not used for too long. */
  #positionOnDisk(changelogTopic: string, nowMs: number): number | null {
    const stores = this.#storesOf(changelogTopic)
    if (stores.length === 0 || stores.some(({ wipe }) => wipe === null)) return null
    const checkpoint = this.#disk?.checkpoint(changelogTopic) ?? null
    return checkpoint === null || nowMs - checkpoint.writtenAtMs > oldestCheckpointMs ? null : checkpoint.offset
  }

  /** The stores have what their changelogs have before these offsets. */
  checkpoint(positions: ReadonlyMap<string, number>): void {
    for (const topic of this.#byChangelog.keys()) {
      const offset = positions.get(topic)
      if (offset === undefined) continue
      this.#positions.set(topic, offset)
      this.#disk?.setCheckpoint(topic, offset)
    }
  }

  /** Of the changelogs, up to where the stores are. */
  get changelogRecords(): number {
    return [...this.#positions].reduce((sum, [topic, position]) => sum + Math.max(0, position - (this.#starts.get(topic) ?? position)), 0)
  }

  /** Raw puts, in the order of offsets; what was restored counts as committed. Answers how many records there were. */
  restore(changelogTopic: string, batches: Iterable<RecordBatch>): number {
    const stores = this.#storesOf(changelogTopic)
    let count = 0
    this.#restoring = true
    for (const batch of batches) {
      for (const record of batch) {
        const { key, value, timestamp } = record
        count++
        if (key !== null) for (const store of stores) store.restore(key, value, timestamp, record)
      }
    }
    this.#restoring = false
    this.#commit(stores)
    return count
  }

  #storesOf(changelogTopic: string): readonly OpenStore[] {
    return (this.#byChangelog.get(changelogTopic) ?? []).map((name) => this.#stores.get(name)!)
  }

  /** What a store sends on may be written to one that was flushed before it; what comes back to the same one again and again is left for the next time. */
  flush(): void {
    const stores = [...this.#stores.values()]
    for (let round = 0; round < stores.length && (round === 0 || stores.some((store) => store.hasUnflushed?.() === true)); round++) {
      for (const store of stores) store.flush()
    }
  }

  /** True: records may be processed between a flush and its commit, after `seal`. */
  get canSeal(): boolean {
    for (const { seal } of this.#stores.values()) if (seal === null) return false
    return true
  }

  /** What is changed from now on belongs to the commit after the next. */
  seal(): void {
    for (const store of this.#stores.values()) store.seal!()
  }

  commit(): void {
    this.#commit([...this.#stores.values()])
  }

  /** On disk all of them change at once, so that a store of several tables is never found with some of them older. */
  #commit(stores: readonly OpenStore[]): void {
    const work = () => { for (const store of stores) store.commit() }
    if (this.#disk === null) {
      work()
      return
    }
    try {
      this.#disk.transaction(work)
    } catch (cause) {
      throw (this.#failure = new StreamError('STORAGE_ERROR', `the stores on disk did not take what was committed: ${messageOf(cause)}; see to the disk, then start again: the rest comes from the changelogs`, { cause }))
    }
  }

  /** @throws STORAGE_ERROR when the last commit is not on disk: there is nothing to go back to. */
  rollback(): void {
    if (this.#failure !== null) throw this.#failure
    for (const store of this.#stores.values()) store.rollback()
  }

  /** Nothing may be asked of the stores any more. */
  close(): void {
    for (const store of this.#stores.values()) store.close?.()
  }
}
