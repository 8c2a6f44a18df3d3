import { isStreamError } from '../../core/index.ts'
import type { StreamError, TopicPartition } from '../../core/index.ts'
import type { ResolvedConfig } from '../config.ts'
import { unseenTopic } from '../missing-topics.ts'
import type { TopologyData } from '../topology/node.ts'
import { sourceTopicsInBroker, taskPlans } from './assignor.ts'
import type { TaskPlan } from './assignor.ts'
import { repeatWhilePassing } from './failure.ts'
import { externalTopics, setUpTopics, sizesOf } from './topic-setup.ts'

export interface KnownTopicsOptions {
  readonly topology: TopologyData
  readonly config: ResolvedConfig
  /** Of every topic the application touches; what is learned is added. */
  readonly partitionCounts: Map<string, number>
  /** The largest batch that each topic takes, bytes; what is learned is added. */
  readonly batchLimits: Map<string, number>
  /** `partitionCounts` has more, or other ones than before. */
  readonly onPartitions: (counts: ReadonlyMap<string, number>) => void
}

/** How often a program with patterns looks for new topics. */
const topicCheckMs = 5_000
/** How often topics are looked for that records named and that did not exist: until then such records are the policy's. */
const absentCheckMs = 1_000
/** Names that records gave and that no topic has: more of them are not remembered. */
const maxAbsent = 1_000

/** The topics that an application touches, with their partitions; more become known while it runs. */
export class KnownTopics {
  readonly #options: KnownTopicsOptions
  readonly #hasPatterns: boolean
  #nextCheck: number
  /** Asked for by records, and not there when it was looked. */
  readonly #absent = new Set<string>()
  #subscribed: ReadonlySet<string> = new Set()

  constructor(options: KnownTopicsOptions) {
    const { topology, config: { clock } } = options
    this.#options = options
    this.#hasPatterns = topology.nodes.some((node) => node.kind === 'source' && node.pattern !== null)
    this.#nextCheck = clock.monotonic() + topicCheckMs
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
    throw unseenTopic(topic)
  }

  /** False for one that did not exist a moment ago. @throws UNKNOWN_TOPIC_OR_PARTITION when nobody has looked */
  has(topic: string): boolean {
    if (this.#options.partitionCounts.has(topic)) return true
    if (this.#absent.has(topic)) return false
    throw unseenTopic(topic)
  }

  get isCheckDue(): boolean {
    return (this.#hasPatterns || this.#absent.size > 0) && this.#options.config.clock.monotonic() >= this.#nextCheck
  }

  /** True when a pattern matches topics that are not subscribed to. @throws TOPOLOGY_INVALID where state and repartition topics do not fit any more */
  async find(): Promise<boolean> {
    const { topology, config: { broker, clock } } = this.#options
    if (this.#absent.size > 0) await this.#lookForAbsent()
    this.#nextCheck = clock.monotonic() + (this.#absent.size > 0 ? absentCheckMs : topicCheckMs)
    if (!this.#hasPatterns) return false
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

  /**
   * Looks for the topics that the failure is about. True when the work can be done again: they exist, or it is known by now
   * that they do not and a policy decides about the records that name them. While the backend is away, it is looked until it is back, or `signal` fires.
   */
  async resolves(failure: StreamError, signal: AbortSignal): Promise<boolean> {
    const cause = isStreamError(failure.cause) ? failure.cause : failure
    if (cause.code !== 'UNKNOWN_TOPIC_OR_PARTITION') return false
    const topics = [cause.details['topics']].flat().filter((topic) => typeof topic === 'string')
    const { config: { clock }, partitionCounts } = this.#options
    await repeatWhilePassing(() => this.#lookFor(topics), clock, signal)
    const missing = topics.filter((topic) => !partitionCounts.has(topic))
    const isNew = missing.some((topic) => !this.#absent.has(topic))
    for (const topic of missing) this.#remember(topic)
    return topics.length > 0 && (missing.length === 0 || isNew)
  }

  async #lookFor(topics: readonly string[]): Promise<void> {
    const { config: { broker }, partitionCounts, batchLimits } = this.#options
    for (const [topic, { partitions, batchLimit }] of await sizesOf(broker, topics)) {
      partitionCounts.set(topic, partitions)
      batchLimits.set(topic, batchLimit)
      this.#absent.delete(topic)
    }
  }

  async #lookForAbsent(): Promise<void> {
    const existing = new Set(await this.#options.config.broker.topics.list())
    await this.#lookFor([...this.#absent].filter((topic) => existing.has(topic)))
  }

  #remember(absent: string): void {
    this.#nextCheck = Math.min(this.#nextCheck, this.#options.config.clock.monotonic() + absentCheckMs)
    this.#absent.delete(absent)
    this.#absent.add(absent)
    for (const oldest of this.#absent) {
      if (this.#absent.size <= maxAbsent) return
      this.#absent.delete(oldest)
    }
  }

  /** Topics or partitions were added: internal topics that fit are made. */
  async #learn(isWanted: (topic: string) => boolean): Promise<void> {
    const { topology, config: { broker, applicationId, deadLetterTopic, additionalRetentionMs }, partitionCounts, batchLimits, onPartitions } = this.#options
    const found = await setUpTopics(broker, { applicationId, topology, deadLetterTopic, additionalRetentionMs })
    await this.#lookFor([...found.keys()].filter((topic) => isWanted(topic) && !batchLimits.has(topic)))
    for (const [topic, count] of found) if (isWanted(topic)) partitionCounts.set(topic, count)
    onPartitions(partitionCounts)
  }

  #sourceTopics(existing: Iterable<string>): ReadonlySet<string> {
    const { topology, config: { applicationId } } = this.#options
    const names = new Set(existing)
    const wanted = topology.subTopologies.flatMap((part) => sourceTopicsInBroker(topology, applicationId, part, names))
    // Repartition topics behind a pattern that no topic matches are not there yet.
    return new Set(wanted.filter((topic) => names.has(topic)))
  }
}
