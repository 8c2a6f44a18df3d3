import type { ConfigEntry, Isolation, OffsetAnswer, OffsetQuery, PartitionDescription, TopicAdmin, TopicChange, TopicDescription, TopicSpec } from '../broker.ts'
import { sleep } from '../clock.ts'
import { isStreamError, StreamError } from '../errors.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import { validateOffsetQueries, validateTarget, validateTopicChange, validateTopicNames, validateTopicSpecs } from '../validate.ts'
import { byTopic } from './by-topic.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { unknownTopic } from './kafka-cluster.ts'
import { kafkaError, throwIfError } from './kafka-errors.ts'
import { createPartitions, createTopics, deleteRecords, deleteTopics, describeConfigs, describeLogDirs, incrementalAlterConfigs, listOffsets } from './wire/index.ts'
import type { TopicMetadata } from './wire/index.ts'

const topicResource = 2
/** Where a config's value comes from: DYNAMIC_TOPIC_CONFIG of Kafka's `ConfigEntry.ConfigSource`. */
const fromTopic = 1
const setOperation = 0
const deleteOperation = 1
const unknownTopicOrPartition = 3
const topicAlreadyExists = 36
const propagationPatienceMs = 10_000

export class KafkaTopicAdmin implements TopicAdmin {
  readonly #cluster: KafkaCluster

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster
  }

  /** Resolves when every node that is up knows the topics and somebody leads each partition. */
  async create(topics: readonly TopicSpec[]): Promise<void> {
    validateTopicSpecs(topics)
    for (const spec of topics) await this.#create(spec)
    await this.#untilEveryNode(topics.map(({ topic }) => topic), isLed)
  }

  async #create({ topic, partitions = 1, replicationFactor = -1, configs = {} }: TopicSpec): Promise<void> {
    const creation = {
      name: topic, numPartitions: partitions, replicationFactor, assignments: [],
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    }
    await this.#change(async (mayBeDone) => {
      const answer = await this.#cluster.sendToOne(createTopics, { topics: [creation], timeoutMs: this.#cluster.requestTimeoutMs, validateOnly: false })
      for (const { errorCode, errorMessage } of answer.topics) {
        if (errorCode !== topicAlreadyExists || !mayBeDone) throwIfError(errorCode, `creating topic ${topic}`, errorMessage)
      }
    })
  }

  /** Repeats a change; `mayBeDone` when the answer to an earlier attempt was lost. */
  #change(attempt: (mayBeDone: boolean) => Promise<void>): Promise<void> {
    let mayBeDone = false
    return this.#cluster.retrying(async () => {
      try {
        await attempt(mayBeDone)
      } catch (error) {
        if (isStreamError(error, 'BACKEND_UNAVAILABLE')) mayBeDone = true
        throw error
      }
    })
  }

  async list({ includeInternal = false }: { readonly includeInternal?: boolean } = {}): Promise<readonly string[]> {
    const topics = await this.#cluster.retrying(() => this.#cluster.allTopics())
    return topics.filter(({ isInternal }) => includeInternal || !isInternal).map(({ name }) => name).sort()
  }

  async describe(topics: readonly string[]): Promise<readonly TopicDescription[]> {
    validateTopicNames(topics)
    if (topics.length === 0) return []
    await this.#cluster.retrying(() => this.#cluster.refresh(topics))
    const found = topics.map((topic) => {
      const known = this.#cluster.cachedTopic(topic)
      if (known === undefined) throw unknownTopic(topic)
      return known
    })
    const configs = await this.#configs(topics)
    const offsets = await this.#ends(found)
    const sizes = await this.#sizes(found)
    return found.map(({ name, isInternal, partitions }) => ({
      topic: name,
      internal: isInternal,
      partitions: [...partitions].sort((a, b) => a.partitionIndex - b.partitionIndex).map((partition) => describePartition(name, partition, offsets, sizes)),
      configs: configs.get(name) ?? [],
    }))
  }

  /** Of partitions that have a leader at present. */
  async #ends(topics: readonly TopicMetadata[]): Promise<ReadonlyMap<string, { readonly earliest: number; readonly latest: number }>> {
    const led = topics.flatMap(({ name, partitions }) => partitions.filter(({ leaderId }) => leaderId >= 0).map(({ partitionIndex }) => ({ topic: name, partition: partitionIndex })))
    const earliest = await this.listOffsets(led.map((target) => ({ ...target, at: 'earliest' })))
    const latest = await this.listOffsets(led.map((target) => ({ ...target, at: 'latest' })), { isolation: 'read-uncommitted' })
    return new Map(led.map(({ topic, partition }, index) => [partitionKey(topic, partition), { earliest: earliest[index]!.offset, latest: latest[index]!.offset }]))
  }

  /** Of the leaders' replicas; who may not ask, or gets no answer, goes without. */
  async #sizes(topics: readonly TopicMetadata[]): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>()
    const perLeader = new Map<number, TopicPartition[]>()
    for (const { name, partitions } of topics) {
      for (const { leaderId, partitionIndex } of partitions) {
        if (leaderId >= 0) perLeader.set(leaderId, [...(perLeader.get(leaderId) ?? []), { topic: name, partition: partitionIndex }])
      }
    }
    await Promise.all([...perLeader].map(async ([leader, led]) => {
      const asked = byTopic(led).map(([topic, partitions]) => ({ topic, partitions: partitions.map(({ partition }) => partition) }))
      try {
        const { results } = await this.#cluster.send(leader, describeLogDirs, { topics: asked })
        for (const { name, partitions } of results.flatMap((directory) => directory.topics)) {
          for (const { partitionIndex, partitionSize, isFutureKey } of partitions) if (!isFutureKey) sizes.set(partitionKey(name, partitionIndex), partitionSize)
        }
      } catch (error) {
        if (!isStreamError(error) || error.code === 'CLOSED') throw error
      }
    }))
    return sizes
  }

  async #configs(topics: readonly string[]): Promise<ReadonlyMap<string, readonly ConfigEntry[]>> {
    const resources = topics.map((resourceName) => ({ resourceType: topicResource, resourceName, configurationKeys: null }))
    const answer = await this.#cluster.retrying(() => this.#cluster.sendToAny(describeConfigs, { resources, includeSynonyms: false }))
    return new Map(answer.results.map(({ errorCode, errorMessage, resourceName, configs }) => {
      throwIfError(errorCode, `describing topic ${resourceName}`, errorMessage)
      const entries = configs.map(({ name, value, configSource }): ConfigEntry => ({ name, value: value ?? '', source: configSource === fromTopic ? 'topic' : 'default' }))
      return [resourceName, entries.sort((a, b) => (a.name < b.name ? -1 : 1))]
    }))
  }

  /** Resolves when every node that is up has forgotten them. */
  async remove(topics: readonly string[]): Promise<void> {
    validateTopicNames(topics)
    let missing: string | undefined
    await this.#change(async (mayBeDone) => {
      const answer = await this.#cluster.sendToOne(deleteTopics, { topicNames: topics, timeoutMs: this.#cluster.requestTimeoutMs })
      for (const { name, errorCode } of answer.responses) {
        if (errorCode !== unknownTopicOrPartition) throwIfError(errorCode, `deleting topic ${name}`)
        else if (!mayBeDone) missing ??= name
      }
    })
    if (missing !== undefined) throw unknownTopic(missing)
    for (const topic of topics) this.#cluster.forgetTopic(topic)
    await this.#untilEveryNode(topics, ({ errorCode }) => errorCode === unknownTopicOrPartition)
  }

  async alter(topic: string, change: TopicChange): Promise<void> {
    validateTopicChange(topic, change)
    const { partitions, configs } = change
    if (configs !== undefined && Object.keys(configs).length > 0) await this.#alterConfigs(topic, configs)
    if (partitions !== undefined) await this.#addPartitions(topic, partitions)
  }

  async #alterConfigs(topic: string, configs: Readonly<Record<string, string | null>>): Promise<void> {
    await this.#partitionCount(topic)
    const changes = Object.entries(configs).map(([name, value]) => ({ name, configOperation: value === null ? deleteOperation : setOperation, value }))
    const resources = [{ resourceType: topicResource, resourceName: topic, configs: changes }]
    await this.#change(async () => {
      const answer = await this.#cluster.sendToOne(incrementalAlterConfigs, { resources, validateOnly: false })
      for (const { errorCode, errorMessage } of answer.responses) throwIfError(errorCode, `setting configs of topic ${topic}`, errorMessage)
    })
  }

  async #addPartitions(topic: string, count: number): Promise<void> {
    await this.#partitionCount(topic)
    await this.#change(async (mayBeDone) => {
      if (mayBeDone && await this.#partitionCount(topic) === count) return
      const topics = [{ name: topic, count, assignments: null }]
      const answer = await this.#cluster.sendToOne(createPartitions, { topics, timeoutMs: this.#cluster.requestTimeoutMs, validateOnly: false })
      for (const { errorCode, errorMessage } of answer.results) throwIfError(errorCode, `setting topic ${topic} to ${count} partitions`, errorMessage)
    })
    this.#cluster.forgetTopic(topic)
    await this.#untilEveryNode([topic], (found) => isLed(found) && found.partitions.length === count)
  }

  /** @throws UNKNOWN_TOPIC_OR_PARTITION */
  async #partitionCount(topic: string): Promise<number> {
    await this.#cluster.retrying(() => this.#cluster.refresh([topic]))
    const known = this.#cluster.cachedTopic(topic)
    if (known === undefined) throw unknownTopic(topic)
    return known.partitions.length
  }

  // -------------------------------------------------------------------------------------------------- offsets

  async listOffsets(queries: readonly OffsetQuery[], { isolation = 'read-uncommitted' }: { readonly isolation?: Isolation } = {}): Promise<readonly OffsetAnswer[]> {
    validateOffsetQueries(queries)
    const answers = await this.#perLeader(queries, async (leader, asked) => {
      const topics = byTopic(asked).map(([name, partitions]) => ({
        name,
        partitions: partitions.map(({ partition, at }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: onWire(at) })),
      }))
      const answer = await this.#cluster.send(leader, listOffsets, { replicaId: -1, isolationLevel: isolation === 'read-committed' ? 1 : 0, topics })
      return answer.topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex, errorCode, offset, timestamp }) => ({ topic: name, partition: partitionIndex, errorCode, offset, timestamp })))
    }, 'looking up offsets')
    return answers.map(({ topic, partition, offset, timestamp }, index) => ({ topic, partition, offset, timestamp: typeof queries[index]!.at === 'number' ? timestamp : -1 }))
  }

  async deleteRecords(targets: readonly (TopicPartition & { readonly beforeOffset: number })[]): Promise<readonly (TopicPartition & { readonly logStartOffset: number })[]> {
    for (const target of targets) validateTarget(target)
    const answers = await this.#perLeader(targets, async (leader, asked) => {
      const topics = byTopic(asked).map(([name, partitions]) => ({ name, partitions: partitions.map(({ partition, beforeOffset }) => ({ partitionIndex: partition, offset: beforeOffset })) }))
      const answer = await this.#cluster.send(leader, deleteRecords, { topics, timeoutMs: this.#cluster.requestTimeoutMs })
      return answer.topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex, errorCode, lowWatermark }) => ({ topic: name, partition: partitionIndex, errorCode, logStartOffset: lowWatermark })))
    }, 'deleting records')
    return answers.map(({ topic, partition, logStartOffset }) => ({ topic, partition, logStartOffset }))
  }

  /** One request per leader; partitions whose leader has moved are asked again. Answers in the order of the questions. */
  async #perLeader<Q extends TopicPartition, A extends TopicPartition & { readonly errorCode: number }>(
    questions: readonly Q[],
    ask: (leader: number, questions: readonly Q[]) => Promise<readonly A[]>,
    what: string,
  ): Promise<readonly A[]> {
    const answers = Array.from(questions, (): A | undefined => undefined)
    await this.#cluster.retrying(async () => {
      const perLeader = new Map<number, number[]>()
      for (const [index, question] of questions.entries()) {
        if (answers[index] !== undefined) continue
        const leader = await this.#cluster.leader(question)
        perLeader.set(leader, [...(perLeader.get(leader) ?? []), index])
      }
      let failure: StreamError | null = null
      await Promise.all([...perLeader].map(async ([leader, indexes]) => {
        // two questions about one partition go in separate requests, because a request names a partition once
        for (const round of distinctRounds(indexes, (index) => partitionKey(questions[index]!.topic, questions[index]!.partition))) {
          const found = new Map((await ask(leader, round.map((index) => questions[index]!))).map((answer) => [partitionKey(answer.topic, answer.partition), answer]))
          for (const index of round) {
            const { topic, partition } = questions[index]!
            const answer = found.get(partitionKey(topic, partition))
            if (answer?.errorCode === 0) answers[index] = answer
            else failure ??= kafkaError(answer?.errorCode ?? -1, `${what} of ${topic}-${partition}`, null, { topic, partition })
          }
        }
      }))
      if (failure !== null) throw failure as StreamError
    }, { apply: () => this.#cluster.forgetLeaders() })
    return answers as readonly A[]
  }

  // -------------------------------------------------------------------------------------------------- propagation

  /** Brokers learn of a change one after the other; who asks any of them afterwards should find it. */
  async #untilEveryNode(topics: readonly string[], isReady: (topic: TopicMetadata) => boolean): Promise<void> {
    const { clock } = this.#cluster
    const deadline = clock.monotonic() + propagationPatienceMs
    if (this.#cluster.nodeIds.length === 0) await this.#cluster.allTopics()
    for (const nodeId of this.#cluster.nodeIds) {
      while (!(await this.#isReadyOn(nodeId, topics, isReady))) {
        if (clock.monotonic() > deadline) return
        await sleep(clock, 20)
      }
    }
  }

  /** A node that does not answer holds nobody up: it asks the others for news when it is back. */
  async #isReadyOn(nodeId: number, topics: readonly string[], isReady: (topic: TopicMetadata) => boolean): Promise<boolean> {
    try {
      return (await this.#cluster.metadataOf(nodeId, topics)).every(isReady)
    } catch (error) {
      if (error instanceof StreamError && error.code === 'BACKEND_UNAVAILABLE') return true
      throw error
    }
  }
}

function isLed({ errorCode, partitions }: TopicMetadata): boolean {
  return errorCode === 0 && partitions.every(({ leaderId }) => leaderId >= 0)
}

function describePartition(
  topic: string,
  { partitionIndex, leaderId, replicaNodes, isrNodes }: TopicMetadata['partitions'][number],
  offsets: ReadonlyMap<string, { readonly earliest: number; readonly latest: number }>,
  sizes: ReadonlyMap<string, number>,
): PartitionDescription {
  const key = partitionKey(topic, partitionIndex)
  const found = offsets.get(key)
  return { partition: partitionIndex, leader: leaderId, replicas: replicaNodes, inSyncReplicas: isrNodes, logStartOffset: found?.earliest ?? -1, highWatermark: found?.latest ?? -1, sizeBytes: sizes.get(key) ?? -1 }
}

function onWire(at: OffsetQuery['at']): number {
  if (at === 'earliest') return -2
  return at === 'latest' ? -1 : at
}

function distinctRounds<T>(values: readonly T[], keyOf: (value: T) => string): readonly (readonly T[])[] {
  const rounds: { readonly keys: Set<string>; readonly values: T[] }[] = []
  for (const value of values) {
    const key = keyOf(value)
    let round = rounds.find(({ keys }) => !keys.has(key))
    if (round === undefined) rounds.push((round = { keys: new Set(), values: [] }))
    round.keys.add(key)
    round.values.push(value)
  }
  return rounds.map((round) => round.values)
}
