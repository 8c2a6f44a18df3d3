import { StreamError, isStreamError } from '../../core/index.ts'
import type { Broker, TopicDescription, TopicSpec } from '../../core/index.ts'
import { missingTopics } from '../missing-topics.ts'
import { internalTopicSpecs, topicInBroker } from '../topology/internal-topics.ts'
import type { TopologyData } from '../topology/node.ts'
import { partitionCounts } from '../topology/partition-counts.ts'
import { wholeName } from '../topology/names.ts'

/** Headers of a dead letter: its message and stack are cut to 8,000 letters each; bytes. */
const deadLetterOverhead = 65_536

export interface TopicSetup {
  readonly applicationId: string
  readonly topology: TopologyData
  /** null: no error policy writes dead letters. */
  readonly deadLetterTopic: string | null
  readonly additionalRetentionMs: number
}

/**
 * Before an application runs: its own topics exist (they are created), the program's topics exist (they are not), and all
 * have the partitions that the program needs. Answers the partitions of every topic that the application touches.
 * @throws UNKNOWN_TOPIC_OR_PARTITION with the command that creates it; TOPOLOGY_INVALID
 */
export async function setUpTopics(broker: Broker, { applicationId, topology, deadLetterTopic, additionalRetentionMs }: TopicSetup): Promise<Map<string, number>> {
  const names = await externalTopics(broker, topology)
  const sizes = await sizesOf(broker, names)
  const external = new Map([...sizes].map(([topic, { partitions }]) => [topic, partitions]))
  requireAll(names, external)
  const counts = partitionCounts(topology, external)
  const { repartition, changelog } = internalTopicSpecs(topology, applicationId, counts, additionalRetentionMs)
  // Behind a pattern that no topic matches yet, nothing is read, and they are made when one appears.
  const needed = [...repartition, ...changelog].filter(({ partitions }) => partitions !== 0)
  const own = [...needed, ...(deadLetterTopic === null ? [] : [deadLetterSpec(deadLetterTopic, sizes)])]
  const existing = await countsOf(broker, own.map((spec) => spec.topic))
  for (const spec of own) {
    const found = existing.get(spec.topic)
    if (found !== undefined && found !== spec.partitions && spec.topic !== deadLetterTopic) throw wrongPartitions(applicationId, spec, found)
  }
  await createAll(broker, own.filter(({ topic }) => !existing.has(topic)))
  return new Map([...external, ...own.map((spec) => [spec.topic, existing.get(spec.topic) ?? spec.partitions ?? 1] as const)])
}

/** With room for what any source topic takes, and for what is said about it. */
function deadLetterSpec(topic: string, sizes: ReadonlyMap<string, TopicSizes>): TopicSpec {
  const limits = [...sizes.values()].map(({ batchLimit }) => batchLimit).filter((limit) => limit < Infinity)
  return { topic, partitions: 1, ...(limits.length > 0 && { configs: { 'max.message.bytes': String(Math.max(...limits) + deadLetterOverhead) } }) }
}

/** The largest batch that each topic the program writes takes, `max.message.bytes`, of those that exist; topics that records name are not among them. */
export async function batchLimits(broker: Broker, topology: TopologyData, applicationId: string, existing: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
  const sinks = new Set(topology.subTopologies.flatMap((part) => part.sinkTopics).map((topic) => topicInBroker(applicationId, topology, topic)))
  const written = [...sinks].filter((topic) => existing.has(topic))
  const descriptions = written.length === 0 ? [] : await broker.topics.describe(written)
  return new Map(descriptions.map((description) => [description.topic, batchLimitOf(description)]))
}

/** Infinity where the broker does not say. */
function batchLimitOf({ configs }: TopicDescription): number {
  const limit = Number(configs.find(({ name }) => name === 'max.message.bytes')?.value)
  return limit > 0 ? limit : Infinity
}

/** Topics that the program names and that are not its own, and those that its patterns match at present. */
export async function externalTopics(broker: Broker, topology: TopologyData): Promise<readonly string[]> {
  const internal = new Set(topology.repartitionTopics.map((spec) => spec.name))
  const global = topology.globalStores.flatMap(({ source }) => source.topics)
  const named = [...topology.subTopologies.flatMap((part) => [...part.sourceTopics, ...part.sinkTopics]), ...global].filter((topic) => !internal.has(topic))
  const patterns = topology.nodes.flatMap((node) => (node.kind === 'source' && node.pattern !== null ? [wholeName(node.pattern)] : []))
  const matched = patterns.length === 0 ? [] : (await broker.topics.list()).filter((topic) => patterns.some((pattern) => pattern.test(topic)))
  return [...new Set([...named, ...matched])]
}

/** Partitions of those among the topics that exist. */
async function countsOf(broker: Broker, topics: readonly string[]): Promise<Map<string, number>> {
  return new Map([...await sizesOf(broker, topics)].map(([topic, { partitions }]) => [topic, partitions]))
}

export interface TopicSizes {
  readonly partitions: number
  /** The largest batch that it takes, bytes; Infinity where the broker does not say. */
  readonly batchLimit: number
}

/** Of those among the topics that exist. */
export async function sizesOf(broker: Broker, topics: readonly string[]): Promise<Map<string, TopicSizes>> {
  const sizes = new Map<string, TopicSizes>()
  for (const topic of topics) {
    try {
      const [description] = await broker.topics.describe([topic])
      sizes.set(topic, { partitions: description!.partitions.length, batchLimit: batchLimitOf(description!) })
    } catch (error) {
      if (!isStreamError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
    }
  }
  return sizes
}

function requireAll(topics: readonly string[], existing: ReadonlyMap<string, number>): void {
  const missing = topics.filter((topic) => !existing.has(topic))
  if (missing.length === 0) return
  throw missingTopics(missing)
}

/** At once, which takes little longer than one of them; where another instance of the application makes them at the same time, each that is not there yet. */
async function createAll(broker: Broker, specs: readonly TopicSpec[]): Promise<void> {
  if (specs.length === 0) return
  try {
    await broker.topics.create(specs)
  } catch (error) {
    if (!isStreamError(error, 'TOPIC_ALREADY_EXISTS')) throw error
    for (const spec of specs) await createUnlessThere(broker, spec)
  }
}

async function createUnlessThere(broker: Broker, spec: TopicSpec): Promise<void> {
  try {
    await broker.topics.create([spec])
  } catch (error) {
    if (!isStreamError(error, 'TOPIC_ALREADY_EXISTS')) throw error
  }
}

function wrongPartitions(applicationId: string, spec: TopicSpec, found: number): StreamError {
  return new StreamError('TOPOLOGY_INVALID', [
    `the internal topic ${spec.topic} has ${found} partitions, but the program needs ${spec.partitions}: the partitions of an input topic,`,
    `or the program, have changed since ${applicationId} ran last. Its state does not fit any more;`,
    'use a new application id, or delete the internal topics and process the input again',
  ].join(' '), { details: { topic: spec.topic, found, needed: spec.partitions } })
}
