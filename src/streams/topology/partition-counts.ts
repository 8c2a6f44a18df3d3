import { StreamError } from '../../core/index.ts'
import { wholeName } from './names.ts'
import type { SubTopology, TopologyData } from './node.ts'

export interface PartitionCounts {
  /** Of every source topic, internal ones by bare name. */
  readonly ofTopic: ReadonlyMap<string, number>
  /** StreamTasks of a sub-topology: the largest number among its source topics. */
  readonly ofSubTopology: ReadonlyMap<number, number>
}

/**
 * Numbers of partitions of the repartition topics, from those of the topics that exist: what the program says; else what
 * the topics say that it must be co-partitioned with; else the largest source topic of the sub-topologies that write it,
 * and none yet where those are patterns that no topic matches. A sub-topology that reads nothing else has no StreamTasks yet.
 * @throws TOPOLOGY_INVALID when topics that must have equal numbers have not
 */
export function partitionCounts(topology: TopologyData, external: ReadonlyMap<string, number>): PartitionCounts {
  const ofTopic = new Map(external)
  for (const spec of topology.repartitionTopics) {
    if (spec.partitions !== null) ofTopic.set(spec.name, spec.partitions)
  }
  coerceToExternalTopics(topology, ofTopic)
  const sources = new Map(topology.subTopologies.map((part) => [part, sourcesOf(part, external)]))
  fillFromWriters(topology, sources, ofTopic)
  equalizeInternalTopics(topology, ofTopic)
  for (const group of topology.copartitionGroups) checkGroup(group, ofTopic)
  const ofSubTopology = new Map(topology.subTopologies.map(part => [part.id, largest(sources.get(part)!, ofTopic)]))
  return { ofTopic, ofSubTopology }
}

/** With those that its patterns match. */
function sourcesOf({ sourceTopics, nodes }: SubTopology, external: ReadonlyMap<string, number>): readonly string[] {
  const patterns = nodes.flatMap((node) => (node.kind === 'source' && node.pattern !== null ? [wholeName(node.pattern)] : []))
  return patterns.length === 0 ? sourceTopics : [...sourceTopics, ...[...external.keys()].filter((topic) => patterns.some((pattern) => pattern.test(topic)))]
}

function coerceToExternalTopics(topology: TopologyData, counts: Map<string, number>): void {
  const internal = new Set(topology.repartitionTopics.map(spec => spec.name))
  for (const group of topology.copartitionGroups) {
    const fixed = group.find(topic => !internal.has(topic) && counts.has(topic))
    if (fixed === undefined) continue
    for (const topic of group) {
      if (!counts.has(topic)) counts.set(topic, counts.get(fixed)!)
    }
  }
}

/**
 * Sub-topologies feed one another, so counts spread until nothing is left open. Where they feed one another in a circle, what is
 * known of one's sources decides, as upstream.
 */
function fillFromWriters(topology: TopologyData, sources: ReadonlyMap<SubTopology, readonly string[]>, counts: Map<string, number>): void {
  const open = new Set(topology.repartitionTopics.map(spec => spec.name).filter(topic => !counts.has(topic)))
  const feeding = (topic: string) => topology.subTopologies.filter(part => part.sinkTopics.includes(topic)).flatMap(part => sources.get(part)!)
  while (open.size > 0) {
    const known = [...open].filter(topic => feeding(topic).every(source => counts.has(source)))
    const inCircle = [...open].filter(topic => feeding(topic).some(source => counts.has(source))).slice(0, 1)
    const next = known.length > 0 ? known : inCircle
    if (next.length === 0) throw new StreamError('TOPOLOGY_INVALID', `the repartition topics ${[...open].join(', ')} feed one another in a circle, so their number of partitions is open; give one with repartition({ partitions })`)
    for (const topic of next) {
      counts.set(topic, largest(feeding(topic), counts))
      open.delete(topic)
    }
  }
}

/** A group of repartition topics alone takes the largest number among those that are not given. */
function equalizeInternalTopics(topology: TopologyData, counts: Map<string, number>): void {
  const specs = new Map(topology.repartitionTopics.map(spec => [spec.name, spec]))
  for (const group of topology.copartitionGroups) {
    if (!group.every(topic => specs.has(topic))) continue
    const given = group.map(topic => specs.get(topic)!.partitions).find(partitions => partitions !== null)
    const shared = given ?? largest(group, counts)
    for (const topic of group) {
      if (specs.get(topic)!.partitions === null) counts.set(topic, shared)
    }
  }
}

function checkGroup(group: readonly string[], counts: ReadonlyMap<string, number>): void {
  const different = new Set(group.map(topic => counts.get(topic)))
  if (different.size <= 1) return
  const shown = group.map(topic => `${topic} has ${counts.get(topic) ?? 'none'}`).join(', ')
  throw new StreamError('TOPOLOGY_INVALID', `topics that are joined or aggregated together need equal numbers of partitions: ${shown}; put repartition({ partitions }) in front of one of them`)
}

function largest(topics: readonly string[], counts: ReadonlyMap<string, number>): number {
  return topics.reduce((most, topic) => Math.max(most, counts.get(topic) ?? 0), 0)
}
