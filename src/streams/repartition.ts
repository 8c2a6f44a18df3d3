import { partitionForKey } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import type { StreamPlan } from './plan.ts'
import { GraphNode } from './topology/graph.ts'
import type { GraphTraits } from './topology/graph.ts'
import { isGeneratedName, repartitionTopicName } from './topology/names.ts'
import type { Partitioner, SourceNode, TopologyNode } from './topology/node.ts'
import type { TopologyWriter } from './topology/topology-writer.ts'
import { isWindowedSerde } from './windowed-serde.ts'
import type { Windowed } from './windows.ts'

export interface RepartitionRequest {
  /** Of the topic; `-repartition` is added. */
  readonly prefix: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly partitions?: number | undefined
  readonly partitioner?: Partitioner | undefined
  /** The program asked for this topic itself, so no optimisation takes it away. */
  readonly isGiven?: boolean
}

/**
 * A topic in the middle of a program, so that records of equal keys meet in one partition: filter (records without a key
 * would go anywhere, and pass only if a join further down takes them), sink, and the source of the next sub-topology. Adds
 * nothing to the graph yet; its name is the source's.
 */
export function repartitionNode(plan: StreamPlan, request: RepartitionRequest): GraphNode {
  const { names } = plan.context
  const generated = {
    sink: names.processor('KSTREAM-SINK-'),
    filter: names.processor('KSTREAM-FILTER-'),
    source: names.processor('KSTREAM-SOURCE-'),
  }
  const topic = repartitionTopicName(request.prefix)
  const { sink, filter, source } = isGeneratedName(request.prefix)
    ? generated
    : { sink: `${topic}-sink`, filter: `${topic}-filter`, source: `${topic}-source` }
  const traits: GraphTraits = request.isGiven === true
    ? {}
    : { repartition: { topic, ...request, replacement: () => repartitionNode(plan, { ...request, prefix: topic }) } }
  const node = new GraphNode(source, (writer, parents) => {
    writer.addRepartitionTopic({ name: topic, partitions: request.partitions ?? null })
    writer.addNode({ kind: node.needsNullKeys ? 'passThrough' : 'nullKeyFilter', name: filter, parents, stores: [] })
    writer.addNode(sinkNode(sink, [filter], { topic, ...request }))
    writer.addNode(internalSource(source, topic, request))
  }, traits)
  return node
}

/** As `repartitionNode`, for the changes of a grouped table: no filter, since the selector has left out null keys. */
export function writeTableRepartition(
  writer: TopologyWriter,
  parents: readonly string[],
  names: { readonly sink: string; readonly source: string; readonly topic: string },
  serdes: { readonly keySerde: Serde<unknown>; readonly valueSerde: Serde<unknown> },
): void {
  writer.addRepartitionTopic({ name: names.topic, partitions: null })
  writer.addNode(sinkNode(names.sink, parents, { topic: names.topic, ...serdes }))
  writer.addNode(internalSource(names.source, names.topic, serdes))
}

export function sinkNode(
  name: string,
  parents: readonly string[],
  sink: {
    readonly topic: string | ((value: unknown, key: unknown, record: never) => string)
    readonly keySerde: Serde<unknown>
    readonly valueSerde: Serde<unknown>
    readonly partitioner?: Partitioner | undefined
  },
): TopologyNode {
  const { topic, keySerde, valueSerde, partitioner } = sink
  return { kind: 'sink', name, parents, stores: [], topic, keySerde, valueSerde, partitioner: partitioner ?? null } as TopologyNode
}

export function internalSource(name: string, topic: string, serdes: { readonly keySerde: Serde<unknown>; readonly valueSerde: Serde<unknown> }): SourceNode {
  return {
    kind: 'source', name, parents: [], stores: [], topics: [topic], pattern: null, keySerde: serdes.keySerde, valueSerde: serdes.valueSerde,
    rejectsNullKey: false, rejectsNullValue: false, timestampExtractor: null, offsetReset: 'earliest',
  }
}

/** Windowed keys are partitioned by the key inside, so that all windows of a key are together: what `to` does by default. */
export function windowedPartitioner(keySerde: Serde<unknown>): Partitioner | undefined {
  if (!isWindowedSerde(keySerde)) return undefined
  const { inner } = keySerde
  return (_topic, key, _value, partitions) => {
    if (key === null) return undefined
    return partitions === 1 ? 0 : partitionForKey(inner.serialize((key as Windowed<unknown>).key), partitions)
  }
}
