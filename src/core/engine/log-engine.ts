import type { Clock } from '../clock.ts'
import { StreamError, isStreamError } from '../errors.ts'
import { DataDirectory } from '../log/data-directory.ts'
import { allEnded } from '../log/file-system.ts'
import type { FileSystem } from '../log/file-system.ts'
import { javaPartitionHashCode } from '../java-hash.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { ReadHandles } from '../log/read-handles.ts'
import { SyncJournal, journalPaths } from '../log/sync-journal.ts'
import type { Random } from '../random.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import { flushPolicyOf, logConfigOf } from './log-config-of.ts'
import { SyncLatency } from './sync-latency.ts'
import { didYouMean } from '../nearest-name.ts'
import { Partition } from './partition.ts'
import { TopicCatalog } from './topic-catalog.ts'
import type { CatalogTopic } from './topic-catalog.ts'

export interface LogEngineOptions {
  readonly directory: string
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly random: Random
}

/** Partitions whose files are opened at once while the engine starts, and ends. */
const openingAtOnce = 16

/**
 * A data directory: its lock, its catalog of topics and the logs of all partitions.
 * ```
 *   <directory>/catalog.json          which topics there are (TopicCatalog)
 *   <directory>/<topic>-<partition>/  segments and indexes of one partition (log/partition-log.ts)
 * ```
 */
export class LogEngine {
  readonly catalog: TopicCatalog
  readonly clock: Clock
  readonly random: Random
  readonly #fileSystem: FileSystem
  readonly #directory: DataDirectory
  readonly #handles: ReadHandles
  readonly syncLatency = new SyncLatency()
  readonly #journal: SyncJournal
  readonly #partitions = new Map<string, Partition>()

  private constructor(options: LogEngineOptions, directory: DataDirectory, catalog: TopicCatalog) {
    this.#fileSystem = options.fileSystem
    this.#handles = new ReadHandles(options.fileSystem)
    this.clock = options.clock
    this.random = options.random
    this.#directory = directory
    this.catalog = catalog
    this.#journal = new SyncJournal({ ...options, onSync: this.syncLatency.record })
  }

  /** @throws DIRECTORY_LOCKED, UNSUPPORTED_FORMAT, STORAGE_CORRUPT, STORAGE_ERROR */
  static async open(options: LogEngineOptions): Promise<LogEngine> {
    const directory = await DataDirectory.open(options)
    try {
      const catalog = TopicCatalog.open(options.fileSystem, options.directory)
      if (journalPaths(options.fileSystem, options.directory).length > 0) {
        const { redoDirectory } = await import('./directory-journal.ts')
        await redoDirectory(options.fileSystem, options.directory, catalog)
      }
      const engine = new LogEngine(options, directory, catalog)
      engine.#clearLeaving()
      await engine.#openAll().catch(async (error: unknown) => {
        await engine.#closeAll()
        throw error
      })
      return engine
    } catch (error) {
      directory.close()
      throw error
    }
  }

  async #openAll(): Promise<void> {
    const targets = [...this.catalog.topics.values()].flatMap((topic) => Array.from({ length: topic.partitions }, (_, partition) => ({ topic, partition })))
    for (let at = 0; at < targets.length; at += openingAtOnce) {
      await allEnded(targets.slice(at, at + openingAtOnce).map(({ topic, partition }) => this.openPartition(topic, partition)))
    }
  }

  // ---------------------------------------------------------------------------------------------------- lookup

  /** @throws UNKNOWN_TOPIC_OR_PARTITION, which names the nearest topic there is */
  topic(name: string): CatalogTopic {
    const topic = this.catalog.topics.get(name)
    if (topic !== undefined) return topic
    throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `topic '${name}' does not exist${didYouMean(name, this.catalog.topics.keys())}`, { details: { topic: name } })
  }

  /** @throws UNKNOWN_TOPIC_OR_PARTITION */
  partition({ topic, partition }: TopicPartition): Partition {
    const found = this.#partitions.get(partitionKey(topic, partition))
    const { partitions } = this.topic(topic)
    // One that is being added is open before the catalog has it: what it took would be gone after a crash.
    if (found !== undefined && partition < partitions) return found
    throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `topic '${topic}' has no partition ${partition}; it has ${partitions}, numbered from 0`, { details: { topic, partition } })
  }

  partitionIfExists({ topic, partition }: TopicPartition): Partition | undefined {
    return this.#partitions.get(partitionKey(topic, partition))
  }

  partitionsOf(topic: CatalogTopic): readonly Partition[] {
    return Array.from({ length: topic.partitions }, (_, partition) => this.partition({ topic: topic.topic, partition }))
  }

  allPartitions(): Iterable<Partition> {
    return this.#partitions.values()
  }

  // ---------------------------------------------------------------------------------------------------- partitions

  async openPartition(topic: CatalogTopic, partition: number): Promise<void> {
    const log = await PartitionLog.open({
      directory: this.#directory.partitionPath({ topic: topic.topic, partition }),
      fileSystem: this.#fileSystem,
      clock: this.clock,
      config: logConfigOf(topic.configs, spreadOf(topic.topic, partition)),
      name: partitionKey(topic.topic, partition),
      topicId: topic.topicId,
      handles: this.#handles,
      onSync: this.syncLatency.record,
    })
    this.#partitions.set(partitionKey(topic.topic, partition), new Partition({ topic: topic.topic, partition }, log, { clock: this.clock, flushPolicy: flushPolicyOf(topic.configs) }))
  }

  /** Makes what these have taken durable and visible, with one sync where little was appended to many. Those who wait for news are told by `acknowledge`. */
  syncTogether(partitions: readonly Partition[]): Promise<void> {
    return this.#journal.sync(partitions.map(({ log }) => log))
  }

  /** A directory that a crash left behind must not come back to life with a topic of the same name. */
  clearLeftOver(topic: string, partition: number): void {
    this.#fileSystem.removeDirectory(this.#directory.partitionPath({ topic, partition }))
  }

  /** What a crash, or a disk that failed, has left of topics that were removed. What cannot go now is tried again with the next opening. */
  #clearLeaving(): void {
    for (const { topic, partition } of this.catalog.leftOver()) {
      try {
        this.clearLeftOver(topic, partition)
      } catch (error) {
        if (!isStreamError(error)) throw error
        return
      }
    }
    this.catalog.forget()
  }

  /** The topic is not in the catalog any more: its logs go. Those who wait for news of them are told. */
  async dropPartitions(topic: CatalogTopic): Promise<void> {
    await this.#drop([...this.#partitions.values()].filter((partition) => partition.topic === topic.topic))
    this.catalog.forget(topic.topic)
  }

  /** They were opened, but the catalog could not take them. */
  abandonPartitions(targets: readonly TopicPartition[]): Promise<void> {
    return this.#drop(targets.flatMap((target) => this.partitionIfExists(target) ?? []))
  }

  async #drop(dropped: readonly Partition[]): Promise<void> {
    for (const partition of dropped) this.#partitions.delete(partitionKey(partition.topic, partition.partition))
    for (const partition of dropped) partition.announceEnd()
    await Promise.all(dropped.map((partition) => partition.log.remove()))
  }

  /** Applies changed configs to the logs that are open. */
  reconfigure(topic: CatalogTopic): void {
    for (const partition of this.partitionsOf(topic)) {
      partition.log.updateConfig(logConfigOf(topic.configs, spreadOf(topic.topic, partition.partition)))
      partition.flushPolicy = flushPolicyOf(topic.configs)
    }
  }

  /** Some at a time: each opens the files of its indexes to write them. */
  async #closeAll(): Promise<readonly PromiseSettledResult<void>[]> {
    const logs = [...this.#partitions.values()].map(({ log }) => log)
    const results: PromiseSettledResult<void>[] = []
    for (let at = 0; at < logs.length; at += openingAtOnce) results.push(...await Promise.allSettled(logs.slice(at, at + openingAtOnce).map((log) => log.close())))
    return results
  }

  /** Makes everything durable and gives the directory back. The first failure is thrown, after all was tried. */
  async close(): Promise<void> {
    const results = await this.#closeAll()
    for (const partition of this.#partitions.values()) partition.announceEnd()
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    const isClean = failures.length === 0 && [...this.#partitions.values()].every(({ log }) => log.failure === null)
    await this.#journal.close(isClean).catch((error: unknown) => failures.push(error))
    this.#directory.close()
    if (failures.length > 0) throw failures[0]
  }
}

/** The same for a partition every time, and different for its neighbours: from 0 to 1. */
function spreadOf(topic: string, partition: number): number {
  return (javaPartitionHashCode({ topic, partition }) & 0xffff) / 0xffff
}
