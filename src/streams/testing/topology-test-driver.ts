import { StreamError, durationMs } from '../../core/index.ts'
import type { Duration } from '../../core/index.ts'
import type { CustomStore } from '../custom-store.ts'
import type { TaskConfig } from '../runtime/task-config.ts'
import type { KeyValueStore, ReadOnlyKeyValueStore } from '../state/key-value-store.ts'
import type { OpenStore } from '../state/open-store.ts'
import { plainKeyValues, plainWindows } from '../state/plain-values.ts'
import type { ReadOnlySessionStore, SessionStore } from '../state/session-store.ts'
import type { ValueAndTimestamp } from '../state/value-and-timestamp.ts'
import type { ReadOnlyVersionedStore, VersionedStore } from '../state/versioned-store.ts'
import type { ReadOnlyWindowStore, WindowStore } from '../state/window-store.ts'
import type { StoreDefinition } from '../stores.ts'
import { checkedTopic } from '../topic.ts'
import type { Topic } from '../topic.ts'
import type { StoreType, TopologyData } from '../topology/node.ts'
import { checkTopology } from '../topology/topology.ts'
import { Simulation } from './simulation.ts'
import type { RawRecord } from './simulation.ts'
import { TestInputTopic, TestOutputTopic } from './test-topics.ts'

export interface TestDriverOptions extends TaskConfig {
  /** Part of the names of internal topics. Default `test`. */
  readonly applicationId?: string
  /** Where the wall clock starts, milliseconds since the epoch. Default 0. */
  readonly startAtMs?: number
  /**
   * Partitions of every topic. Default 1, where the whole topology is one task, as in Kafka Streams' test driver. With
   * more, each sub-topology runs as one task per partition, so that a key in the wrong partition shows.
   */
  readonly partitions?: number
  /** Bytes for write-back caches. Default 0: every update is seen. A commit follows each record in any case. */
  readonly cacheMaxBytes?: number
}

/**
 * Runs a topology without a broker, one record at a time, with a wall clock that moves only when told:
 * ```
 * const driver = new TopologyTestDriver(builder.build())
 * driver.inputTopic(hits).pipe({ value: { path: '/', status: 200, at: 5 } })
 * driver.outputTopic(perMinute).readAll()
 * ```
 * Semantics: TopologyTestDriver of Kafka Streams.
 */
export class TopologyTestDriver {
  readonly #simulation: Simulation
  readonly #outputs = new Map<string, RawRecord[]>()

  /** @throws TOPOLOGY_INVALID when an operator cannot start */
  constructor(topology: TopologyData, options: TestDriverOptions = {}) {
    checkTopology(topology, 'TopologyTestDriver')
    const { applicationId = 'test', startAtMs = 0, partitions = 1, cacheMaxBytes = 0, ...config } = options
    if (!Number.isSafeInteger(partitions) || partitions < 1) {
      throw new StreamError('INVALID_ARGUMENT', `TopologyTestDriver: partitions must be a whole number of at least 1, not ${partitions}`)
    }
    this.#simulation = new Simulation(topology, { applicationId, startAtMs, partitions, config: { ...config, cacheMaxBytes } })
  }

  /** The topic must be one that the topology reads. */
  inputTopic<K, V>(topic: Topic<K, V>): TestInputTopic<K, V> {
    const write = (record: Omit<RawRecord, 'partition'>) => this.#collectAfter(() => this.#simulation.pipe(record))
    return new TestInputTopic(checkedTopic(topic, 'inputTopic'), write, () => this.#simulation.clock.now())
  }

  /** Any topic that the topology writes, internal ones too. Records wait until they are read. */
  outputTopic<K, V>(topic: Topic<K, V>): TestOutputTopic<K, V> {
    return new TestOutputTopic(topic, this.#recordsOf(checkedTopic(topic, 'outputTopic').name))
  }

  /** Names of the topics that were written so far, internal ones too, sorted. */
  get writtenTopics(): readonly string[] {
    return [...this.#outputs].filter(([, records]) => records.length > 0).map(([name]) => name).sort()
  }

  /** Moves the wall clock and runs the punctuators that are due by it, once. */
  advanceWallClock(duration: Duration): void {
    const ms = durationMs(duration, 'advanceWallClock')
    this.#collectAfter(() => this.#simulation.advanceWallClock(ms))
  }

  /**
   * For topologies with `mapAsync`: resolves when no call is under way and everything that follows from their results has
   * happened. A call that does not end by itself ends when `advanceWallClock` reaches its timeout.
   * @throws PROCESSING_FAILED and its like when the topology fails on a result
   */
  async settled(): Promise<void> {
    await this.#simulation.settled()
    this.#collectAfter(() => {})
  }

  /** As if the application was stopped and started on another machine: stores come back from their changelogs, times and processors' fields begin anew. */
  restart(): void {
    this.#simulation.restart()
  }

  /** Records (and windows of records) that operators left out, such as those that came too late. */
  get droppedRecords(): number {
    return this.#simulation.droppedRecords
  }

  get storeNames(): readonly string[] {
    return this.#simulation.storeNames
  }

  /** The values of a key-value store, with or without timestamps in it. `partition` as in the other methods: of the task, default 0. */
  keyValueStore<K, V>(name: string, partition = 0): ReadOnlyKeyValueStore<K, V> {
    const { spec, view } = this.#store(name, partition, ['key-value', 'timestamped-key-value', 'lru', 'timestamped-lru'])
    if (!spec.type.startsWith('timestamped-')) return view as KeyValueStore<K, V>
    return plainKeyValues(view as KeyValueStore<K, ValueAndTimestamp<V>>)
  }

  timestampedKeyValueStore<K, V>(name: string, partition = 0): ReadOnlyKeyValueStore<K, ValueAndTimestamp<V>> {
    return this.#store(name, partition, ['timestamped-key-value', 'timestamped-lru']).view as KeyValueStore<K, ValueAndTimestamp<V>>
  }

  /** The values of a window store, with or without timestamps in it. */
  windowStore<K, V>(name: string, partition = 0): ReadOnlyWindowStore<K, V> {
    const { spec, view } = this.#store(name, partition, ['window', 'timestamped-window'])
    return spec.type === 'window' ? (view as WindowStore<K, V>) : plainWindows(view as WindowStore<K, ValueAndTimestamp<V>>)
  }

  timestampedWindowStore<K, V>(name: string, partition = 0): ReadOnlyWindowStore<K, ValueAndTimestamp<V>> {
    return this.#store(name, partition, ['timestamped-window']).view as WindowStore<K, ValueAndTimestamp<V>>
  }

  sessionStore<K, V>(name: string, partition = 0): ReadOnlySessionStore<K, V> {
    return this.#store(name, partition, ['session']).view as SessionStore<K, V>
  }

  versionedStore<K, V>(name: string, partition = 0): ReadOnlyVersionedStore<K, V> {
    return this.#store(name, partition, ['versioned']).view as VersionedStore<K, V>
  }

  /** A store of the program's own: the object that its definition made. */
  customStore<Store extends CustomStore>(definition: StoreDefinition<Store>, partition = 0): Store {
    return this.#store(definition.spec.name, partition, ['custom']).view as Store
  }

  /** Nothing may be asked of the driver after this. */
  close(): void {
    this.#simulation.close()
  }

  #collectAfter(act: () => void): void {
    act()
    for (const record of this.#simulation.takeWritten()) this.#recordsOf(record.topic).push(record)
  }

  #recordsOf(topic: string): RawRecord[] {
    const known = this.#outputs.get(topic)
    if (known !== undefined) return known
    const records: RawRecord[] = []
    this.#outputs.set(topic, records)
    return records
  }

  #store(name: string, partition: number, types: readonly StoreType[]): OpenStore {
    const store = this.#simulation.stores(name)[partition]
    if (store === undefined) {
      const known = this.storeNames.length === 0 ? 'it has none' : `it has ${this.storeNames.join(', ')}`
      throw new StreamError('INVALID_ARGUMENT', `the topology has no store ${name} in partition ${partition}: ${known}`)
    }
    if (types.includes(store.spec.type)) return store
    throw new StreamError('INVALID_ARGUMENT', `the store ${name} is of type ${store.spec.type}, not ${types.join(' or ')}`)
  }
}
