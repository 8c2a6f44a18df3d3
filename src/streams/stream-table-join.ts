import { storesOfRows } from './plan.ts'
import type { StreamPlan, TablePlan } from './plan.ts'
import { repartitionNode } from './repartition.ts'
import { serdeOf } from './topic.ts'
import type { Format } from './topic.ts'
import { GraphNode } from './topology/graph.ts'
import type { Joiner } from './topology/node.ts'
import type { Stream } from './stream.ts'

export interface JoinOptions<K, V> {
  /** Of the join, and of the stream's repartition topic if it needs one. */
  readonly name?: string
  /** How the stream's keys and values are written to that topic. Default: what is known, else JSON. */
  readonly key?: Format<NonNullable<K>>
  readonly value?: Format<NonNullable<V>>
}

/** Join options whose formats have been checked against the types already. */
interface AnyJoinOptions {
  readonly name?: string
  readonly key?: unknown
  readonly value?: unknown
}

interface StreamTableJoin extends AnyJoinOptions {
  readonly join: 'inner' | 'left'
  readonly joiner: Joiner
}

export function streamTableJoin<K, R>(stream: StreamPlan, table: TablePlan, request: StreamTableJoin): Stream<K, R> {
  const { context } = stream
  const left = stream.repartitionRequired ? repartitionedForJoin(stream, request) : stream
  const sources = new Set([...left.sources, ...table.sources])
  const name = context.names.processor(request.join === 'left' ? 'KSTREAM-LEFTJOIN-' : 'KSTREAM-JOIN-', request.name)
  const rows = table.rows()
  const node = new GraphNode(name, (writer) => {
    writer.addNode({
      kind: 'streamTableJoin', name, parents: [left.node.name], stores: storesOfRows(rows), join: request.join, joiner: request.joiner, rows, selector: null,
    })
    writer.copartition(sources)
  })
  context.graph.add(node, left.node, table.node)
  return context.stream({ ...left, node, sources, valueSerde: null, repartitionRequired: false })
}

/** The stream behind a topic partitioned by its present key; joins of one stream share the topic unless they are named. */
export function repartitionedForJoin(stream: StreamPlan, options: AnyJoinOptions): StreamPlan {
  const { context } = stream
  const node = repartitionNode(stream, {
    prefix: options.name ?? stream.node.name,
    keySerde: options.key === undefined ? stream.keySerde ?? context.defaultKeySerde : serdeOf(options.key, 'key'),
    valueSerde: options.value === undefined ? stream.valueSerde ?? context.defaultValueSerde : serdeOf(options.value, 'value'),
  })
  const shared = sharedRepartitions.get(stream.node)
  if (options.name === undefined && shared !== undefined) return { ...stream, node: shared, sources: new Set([shared.name]), repartitionRequired: false }
  if (options.name === undefined) sharedRepartitions.set(stream.node, node)
  context.graph.add(node, stream.node)
  return { ...stream, node, sources: new Set([node.name]), repartitionRequired: false }
}

const sharedRepartitions = new WeakMap<GraphNode, GraphNode>()

