/**
 * What is known about the cluster: its nodes, who leads which partition, who coordinates which group. Everything here may
 * be out of date at any moment; whoever is told so by a broker says `forget…`, and asks again.
 */
import type { Clock } from '../clock.ts'
import { isStreamError, StreamError } from '../errors.ts'
import type { Random } from '../random.ts'
import { randomInteger } from '../random.ts'
import type { TopicPartition } from '../record.ts'
import type { KafkaClient, KafkaNodeAddress } from './kafka-client.ts'
import { kafkaError, throwIfError } from './kafka-errors.ts'
import type { Remedy } from './kafka-errors.ts'
import { KafkaLane } from './kafka-lane.ts'
import { retrying } from './retry.ts'
import type { RetryPolicy } from './retry.ts'
import { unknownTopicPatienceMs } from './topic-patience.ts'
import { findCoordinator, metadata } from './wire/index.ts'
import type { Api, TopicMetadata } from './wire/index.ts'

export interface KafkaClusterOptions {
  readonly client: KafkaClient
  readonly bootstrap: readonly KafkaNodeAddress[]
  readonly clientId: string
  readonly clock: Clock
  readonly random: Random
  /** A node that has not answered for so long is given up; requests that wait on purpose add their own time. */
  readonly requestTimeoutMs: number
  /** A call that fails for passing reasons is repeated for so long. */
  readonly operationTimeoutMs: number
  /** An append that was not acknowledged for so long fails. */
  readonly deliveryTimeoutMs: number
  readonly memberships?: MembershipWatcher | undefined
}

/** Is told of members of groups that leave when they are done, so that somebody can make them leave when their thread dies. */
export interface MembershipWatcher {
  joined(groupId: string, memberId: string): void
  left(groupId: string, memberId: string): void
}

export type CoordinatorType = 'group' | 'transaction'

export interface ClusterOverview {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number; readonly rack: string | null }[]
  readonly clusterId: string | null
  readonly controllerId: number
}

interface CachedTopic {
  readonly topic: TopicMetadata
  readonly freshUntil: number
}

const metadataMaxAgeMs = 300_000
const promptAnswerMs = 5_000
const bootstrapNodeId = -1

export class KafkaCluster {
  readonly clock: Clock
  readonly random: Random
  readonly requestTimeoutMs: number
  readonly operationTimeoutMs: number
  readonly deliveryTimeoutMs: number
  readonly memberships: MembershipWatcher | undefined
  readonly #client: KafkaClient
  readonly #clientId: string
  readonly #bootstrap: readonly KafkaNodeAddress[]
  readonly #nodes = new Map<number, KafkaNodeAddress>()
  /** Of the nodes that have one. */
  readonly #racks = new Map<number, string>()
  readonly #topics = new Map<string, CachedTopic>()
  readonly #coordinators = new Map<string, number>()
  readonly #lanes = new Set<KafkaLane>()
  /** Nodes that did not answer the last time. */
  readonly #suspects = new Set<number>()
  readonly #lane: KafkaLane
  #pendingRefresh: { readonly topics: Set<string>; readonly done: Promise<void> } | undefined

  constructor(options: KafkaClusterOptions) {
    this.clock = options.clock
    this.random = options.random
    this.requestTimeoutMs = options.requestTimeoutMs
    this.operationTimeoutMs = options.operationTimeoutMs
    this.deliveryTimeoutMs = options.deliveryTimeoutMs
    this.memberships = options.memberships
    this.#client = options.client
    this.#clientId = options.clientId
    this.#bootstrap = options.bootstrap
    this.#lane = this.openLane()
  }

  /** Connections of one owner's own, who closes them with `closeLane`. */
  openLane(clientId = this.#clientId): KafkaLane {
    const lane = new KafkaLane({ client: this.#client, clientId, clock: this.clock, addressOf: (nodeId) => this.#addressOf(nodeId) })
    this.#lanes.add(lane)
    return lane
  }

  closeLane(lane: KafkaLane): void {
    lane.close()
    this.#lanes.delete(lane)
  }

  close(): void {
    for (const lane of this.#lanes) lane.close()
    this.#lanes.clear()
  }

  /** Ids of the nodes that are up, as far as is known. */
  get nodeIds(): readonly number[] {
    return [...this.#nodes.keys()]
  }

  // -------------------------------------------------------------------------------------------------- sending

  /** A request of the cluster's own lane; see `KafkaLane.send`. */
  send<Request, Response>(nodeId: number, api: Api<Request, Response>, request: Request): Promise<Response> {
    return this.#lane.send(nodeId, api, request, this.requestTimeoutMs)
  }

  /**
   * To whichever node answers: known ones first, in random order but those that failed lately last, then the bootstrap
   * servers. @throws BACKEND_UNAVAILABLE (retriable)
   */
  async sendToAny<Request, Response>(api: Api<Request, Response>, request: Request, timeoutMs = this.requestTimeoutMs): Promise<Response> {
    let failure: unknown
    for (const nodeId of this.#candidates()) {
      try {
        const answer = await this.#lane.send(nodeId, api, request, timeoutMs)
        this.#suspects.delete(nodeId)
        return answer
      } catch (error) {
        if (!isStreamError(error, 'BACKEND_UNAVAILABLE')) throw error
        this.#suspects.add(nodeId)
        failure = error
      }
    }
    const servers = this.#bootstrap.map(({ host, port }) => `${host}:${port}`).join(', ')
    const reason = failure instanceof Error ? failure.message : 'there are none'
    throw new StreamError('BACKEND_UNAVAILABLE', `no Kafka broker answers (${servers}): ${reason}`, { retriable: true, cause: failure })
  }

  /**
   * To one node, for requests that change something: when its answer does not come, the change may have happened. Another
   * attempt goes to another node. @throws BACKEND_UNAVAILABLE (retriable)
   */
  async sendToOne<Request, Response>(api: Api<Request, Response>, request: Request): Promise<Response> {
    if (this.nodeIds.length === 0) await this.refresh([])
    const [nodeId] = this.#candidates()
    try {
      const answer = await this.send(nodeId!, api, request)
      this.#suspects.delete(nodeId!)
      return answer
    } catch (error) {
      if (isStreamError(error, 'BACKEND_UNAVAILABLE')) this.#suspects.add(nodeId!)
      throw error
    }
  }

  /** As `sendToAny`, for what every broker answers from memory: one that does not within seconds stands still. */
  #askAny<Request, Response>(api: Api<Request, Response>, request: Request): Promise<Response> {
    return this.sendToAny(api, request, Math.min(this.requestTimeoutMs, promptAnswerMs))
  }

  #candidates(): readonly number[] {
    const known = shuffled(this.nodeIds, this.random)
    const bootstrap = shuffled(this.#bootstrap.map((_, index) => bootstrapNodeId - index), this.random)
    const isSuspect = (nodeId: number) => this.#suspects.has(nodeId)
    return [...known.filter((nodeId) => !isSuspect(nodeId)), ...known.filter(isSuspect), ...bootstrap]
  }

  /** Repeats an attempt for as long as `operationTimeoutMs`, or `timeoutMs`. */
  retrying<T>(attempt: () => Promise<T>, options: { readonly timeoutMs?: number; readonly signal?: AbortSignal; readonly apply?: (remedy: Remedy) => void } = {}): Promise<T> {
    return retrying(this.retryPolicy(options), attempt)
  }

  retryPolicy(options: { readonly timeoutMs?: number; readonly signal?: AbortSignal; readonly apply?: (remedy: Remedy) => void } = {}): RetryPolicy {
    return {
      clock: this.clock,
      random: this.random,
      timeoutMs: options.timeoutMs ?? this.operationTimeoutMs,
      apply: (remedy) => {
        if (remedy === 'refresh-metadata') this.forgetLeaders()
        options.apply?.(remedy)
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }
  }

  // -------------------------------------------------------------------------------------------------- topics

  /** From the cache while it is fresh. @throws UNKNOWN_TOPIC_OR_PARTITION after a second of asking, BACKEND_UNAVAILABLE (retriable) */
  async topic(name: string): Promise<TopicMetadata> {
    const cached = this.#topics.get(name)
    if (cached !== undefined && this.clock.monotonic() < cached.freshUntil) return cached.topic
    return retrying(this.retryPolicy({ timeoutMs: unknownTopicPatienceMs }), async () => {
      await this.refresh([name])
      const found = this.#topics.get(name)
      if (found === undefined) throw unknownTopic(name)
      return found.topic
    })
  }

  /** Without asking anybody. */
  cachedTopic(name: string): TopicMetadata | undefined {
    return this.#topics.get(name)?.topic
  }

  /** Where the replicas of each of its partitions are, as far as their nodes have racks, one that is down too. Without asking anybody. */
  cachedRacks(name: string): readonly (readonly string[])[] {
    const racks: string[][] = []
    for (const { partitionIndex, replicaNodes } of this.cachedTopic(name)?.partitions ?? []) {
      racks[partitionIndex] = replicaNodes.flatMap((nodeId) => this.#racks.get(nodeId) ?? [])
    }
    return racks
  }

  /** Undefined while nobody leads the partition or nothing is known about it. Without asking anybody. */
  cachedLeader({ topic, partition }: TopicPartition): number | undefined {
    const cached = this.#topics.get(topic)
    if (cached === undefined || this.clock.monotonic() >= cached.freshUntil) return undefined
    const found = cached.topic.partitions.find(({ partitionIndex }) => partitionIndex === partition)
    return found === undefined || found.leaderId < 0 ? undefined : found.leaderId
  }

  /** @throws UNKNOWN_TOPIC_OR_PARTITION, BACKEND_UNAVAILABLE (retriable) while nobody leads it */
  async leader(target: TopicPartition): Promise<number> {
    const topic = await this.topic(target.topic)
    if (!topic.partitions.some(({ partitionIndex }) => partitionIndex === target.partition)) {
      throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${target.topic} has ${topic.partitions.length} partitions as far as is known here, so no partition ${target.partition}; if partitions were added meanwhile, start again`, { details: { ...target } })
    }
    const leader = this.cachedLeader(target)
    if (leader !== undefined) return leader
    this.forgetTopic(target.topic)
    throw kafkaError(5, `partition ${target.partition} of ${target.topic}`)
  }

  /** Asks for the topics anew; those that do not exist leave the cache. Calls while one is under way for the same topics share it. */
  refresh(topics: readonly string[]): Promise<void> {
    const pending = this.#pendingRefresh
    if (pending !== undefined && topics.every((topic) => pending.topics.has(topic))) return pending.done
    const done = this.#refresh(topics)
    const started = { topics: new Set(topics), done }
    this.#pendingRefresh = started
    const clear = () => {
      if (this.#pendingRefresh === started) this.#pendingRefresh = undefined
    }
    done.then(clear, clear)
    return done
  }

  /** All topics of the cluster. */
  async allTopics(): Promise<readonly TopicMetadata[]> {
    const answer = await this.#askAny(metadata, { topics: null, allowAutoTopicCreation: false })
    this.#learnNodes(answer.brokers)
    return answer.topics
  }

  /** Nodes that are up, the id of the cluster, and who controls it, as some broker says. */
  async overview(): Promise<ClusterOverview> {
    const answer = await this.#askAny(metadata, { topics: [], allowAutoTopicCreation: false })
    this.#learnNodes(answer.brokers)
    return answer
  }

  /** What one particular node knows about topics. */
  async metadataOf(nodeId: number, topics: readonly string[]): Promise<readonly TopicMetadata[]> {
    const request = { topics, allowAutoTopicCreation: false }
    return (await this.#lane.send(nodeId, metadata, request, Math.min(this.requestTimeoutMs, promptAnswerMs))).topics
  }

  forgetTopic(name: string): void {
    this.#topics.delete(name)
  }

  /** The partition counts stay; leaders are asked for before the next use. */
  forgetLeaders(): void {
    for (const name of this.#topics.keys()) this.forgetLeadersOf(name)
  }

  forgetLeadersOf(name: string): void {
    const cached = this.#topics.get(name)
    if (cached !== undefined) this.#topics.set(name, { ...cached, freshUntil: -Infinity })
  }

  async #refresh(topics: readonly string[]): Promise<void> {
    const answer = await this.#askAny(metadata, { topics, allowAutoTopicCreation: false })
    this.#learnNodes(answer.brokers)
    const freshUntil = this.clock.monotonic() + metadataMaxAgeMs
    for (const topic of answer.topics) {
      if (topic.errorCode === 0) this.#topics.set(topic.name, { topic, freshUntil })
      else if (topic.errorCode === 3) this.#topics.delete(topic.name)
      else throwIfError(topic.errorCode, `topic ${topic.name}`)
    }
  }

  #learnNodes(brokers: ClusterOverview['brokers']): void {
    if (brokers.length === 0) return
    this.#nodes.clear()
    for (const { nodeId, host, port, rack } of brokers) {
      this.#nodes.set(nodeId, { host, port })
      if (rack === null) this.#racks.delete(nodeId)
      else this.#racks.set(nodeId, rack)
    }
  }

  #addressOf(nodeId: number): KafkaNodeAddress | undefined {
    return nodeId <= bootstrapNodeId ? this.#bootstrap[bootstrapNodeId - nodeId] : this.#nodes.get(nodeId)
  }

  // -------------------------------------------------------------------------------------------------- coordinators

  /** The node that coordinates a group or transactional id. @throws BACKEND_UNAVAILABLE (retriable), NOT_AUTHORIZED */
  async coordinator(type: CoordinatorType, key: string): Promise<number> {
    const cached = this.#coordinators.get(`${type} ${key}`)
    if (cached !== undefined) return cached
    const answer = await this.#askAny(findCoordinator, { key, keyType: type === 'group' ? 0 : 1 })
    throwIfError(answer.errorCode, `looking for the coordinator of ${type} ${key}`, answer.errorMessage)
    this.#nodes.set(answer.nodeId, { host: answer.host, port: answer.port })
    this.#coordinators.set(`${type} ${key}`, answer.nodeId)
    return answer.nodeId
  }

  forgetCoordinator(type: CoordinatorType, key: string): void {
    this.#coordinators.delete(`${type} ${key}`)
  }

  /** Sends to the coordinator, finding it anew for as long as its answer says that it is another one. `check` throws for error codes in the answer. */
  withCoordinator<T>(type: CoordinatorType, key: string, attempt: (nodeId: number) => Promise<T>, options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {}): Promise<T> {
    const apply = (remedy: Remedy) => {
      if (remedy !== 'back-off') this.forgetCoordinator(type, key)
    }
    return this.retrying(async () => attempt(await this.coordinator(type, key)), { ...options, apply })
  }
}

export function unknownTopic(topic: string): StreamError {
  return new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${topic} does not exist in the Kafka cluster`, { details: { topic, kafkaErrorCode: 3 } })
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const result = [...values]
  for (let left = result.length; left > 1; left--) {
    const at = randomInteger(random, left)
    const moved = result[at]!
    result[at] = result[left - 1]!
    result[left - 1] = moved
  }
  return result
}
