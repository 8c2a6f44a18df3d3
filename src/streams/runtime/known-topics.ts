import { isStreamError } from '../../core/index.ts'
import type { StreamError, TopicPartition } from '../../core/index.ts'
import type { ResolvedConfig } from '../config.ts'
import type { TopologyData } from '../topology/node.ts'
import { sourceTopicsInBroker, taskPlans } from './assignor.ts'
import type { TaskPlan } from './assignor.ts'
import { countsOf, externalTopics, missingTopics, setUpTopics } from './topic-setup.ts'

export interface KnownTopicsOptions {
  readonly topology: TopologyData
  readonly config: ResolvedConfig
  /** Of every topic the application touches; what is learned is added. */
  readonly partitionCounts: Map<string, number>
  /** `partitionCounts` has more, or other ones than before. */
  readonly onPartitions: (counts: ReadonlyMap<string, number>) => void
}

/** How often a program with patterns looks for new topics. */
const topicCheckMs = 5_000

/** The topics that an application touches, with their partitions; more become known while it runs. */
export class KnownTopics {
  readonly #options: KnownTopicsOptions
  /** Infinity: no source has a pattern. */
  #nextCheck: number
  #subscribed: ReadonlySet<string> = new Set()

  constructor(options: KnownTopicsOptions) {
    const { topology, config: { clock } } = options
    this.#options = options
    this.#nextCheck = topology.nodes.some((node) => node.kind === 'source' && node.pattern !== null) ? clock.monotonic() + topicCheckMs : Infinity
  }

  /** What the program reads, of the topics that exist; `find` looks for others. */
  subscribe(): ReadonlySet<string> {
    this.#subscribed = this.#sourceTopics(this.#options.partitionCounts.keys())
    return this.#subscribed
  }

  /** Every task of the application. */
  plans(): readonly TaskPlan[] {
    const { topology, config: { applicationId }, partitionCounts } = this.#options
    return taskPlans(topology, applicationId, partitionCounts)
  }

  /** Records may name topics that were not known at the start. @throws UNKNOWN_TOPIC_OR_PARTITION */
  partitionCount(topic: string): number {
    const count = this.#options.partitionCounts.get(topic)
    if (count !== undefined) return count
    throw missingTopics([topic])
  }

  get isCheckDue(): boolean {
    return this.#options.config.clock.monotonic() >= this.#nextCheck
  }

  /** True when a pattern matches topics that are not subscribed to. @throws TOPOLOGY_INVALID where state and repartition topics do not fit any more */
  async find(): Promise<boolean> {
    const { topology, config: { broker, clock } } = this.#options
    this.#nextCheck = clock.monotonic() + topicCheckMs
    const wanted = this.#sourceTopics(await externalTopics(broker, topology))
    if ([...wanted].every((topic) => this.#subscribed.has(topic))) return false
    await this.#learn(() => true)
    return true
  }

  /** Topics and partitions of an assignment that were not known. A topic that nobody has asked the group for is not ours to read yet. */
  async learnThoseOf(assigned: readonly TopicPartition[]): Promise<void> {
    const { partitionCounts } = this.#options
    if (assigned.every(({ topic, partition }) => partition < (partitionCounts.get(topic) ?? 0))) return
    const topics = new Set([...partitionCounts.keys(), ...assigned.map(({ topic }) => topic)])
    await this.#learn((topic) => topics.has(topic))
  }

  /** True when the topics whose absence was the failure exist by now. */
  async findsThoseOf(failure: StreamError): Promise<boolean> {
    const cause = isStreamError(failure.cause) ? failure.cause : failure
    if (cause.code !== 'UNKNOWN_TOPIC_OR_PARTITION') return false
    const topics = [cause.details['topics']].flat().filter((topic) => typeof topic === 'string')
    const found = await countsOf(this.#options.config.broker, topics)
    for (const [topic, count] of found) this.#options.partitionCounts.set(topic, count)
    return topics.length > 0 && topics.every((topic) => found.has(topic))
  }

  /** Topics or partitions were added: internal topics that fit are made. */
  async #learn(isWanted: (topic: string) => boolean): Promise<void> {
    const { topology, config: { broker, applicationId, deadLetterTopic, additionalRetentionMs }, partitionCounts, onPartitions } = this.#options
    const found = await setUpTopics(broker, { applicationId, topology, deadLetterTopic, additionalRetentionMs })
    for (const [topic, count] of found) if (isWanted(topic)) partitionCounts.set(topic, count)
    onPartitions(partitionCounts)
  }

  #sourceTopics(existing: Iterable<string>): ReadonlySet<string> {
    const { topology, config: { applicationId } } = this.#options
    const names = new Set(existing)
    return new Set(topology.subTopologies.flatMap((part) => sourceTopicsInBroker(topology, applicationId, part, names)))
  }
}
