import type { Serde } from '../core/index.ts'
import { traitsOf } from './aggregate.ts'
import type { Group } from './grouped-stream.ts'
import { addOperator } from './plan.ts'
import type { NodeFields } from './plan.ts'
import { repartitionNode } from './repartition.ts'
import type { Stream } from './stream.ts'
import type { Table } from './table.ts'
import { GraphNode } from './topology/graph.ts'
import type { Aggregator, StoreSpec, TopologyNode } from './topology/node.ts'
import type { Windows } from './windows.ts'

/** One stream of a cogroup with its aggregator. */
export interface CogroupedInput {
  readonly group: Group
  readonly aggregator: Aggregator
}

/** The streams of a cogroup, each once, and what their aggregations take records from: all that is made of it shares the repartition topics. */
export interface Cogroup {
  readonly inputs: readonly CogroupedInput[]
  readonly parents: Map<Group, CogroupParent>
}

interface CogroupRequest {
  readonly store: StoreSpec
  /** Of the resulting table. */
  readonly keySerde: Serde<unknown>
  readonly name: string | undefined
  readonly windows?: Windows
  /** Takes the stream of records that come too late for every window. */
  readonly late?: ((late: Stream<never, never>) => void) | null
  fields(aggregator: Aggregator, sendOldValues: boolean): NodeFields
}

/** One aggregation per stream, all in one store, and a node where they meet. */
export function addCogroup<K, A>({ inputs, parents: known }: Cogroup, request: CogroupRequest): Table<K, A> {
  const { context } = inputs[0]!.group.plan
  const parents = repartitioned(inputs, known, request.store)
  const sources = new Set(parents.flatMap((parent) => [...parent.sources]))
  let sendsOldValues = false
  const late = request.late ?? null
  const lateChild = late === null ? null : context.names.processor('KSTREAM-LATE-')
  const aggregates = inputs.map(({ aggregator }, index) => {
    const name = context.names.processorWithSuffix('COGROUPKSTREAM-AGGREGATE-', request.name, `-cogroup-agg-${index}`)
    const node = new GraphNode(name, (writer, parentNames) => {
      writer.addNode({ ...request.fields(aggregator, sendsOldValues), ...(request.windows === undefined ? {} : { lateChild }), name, parents: parentNames, stores: [request.store.name] } as TopologyNode)
      writer.addStore(request.store, name)
      if (index === 0) writer.copartition(sources)
    }, traitsOf(request.windows, request.fields(aggregator, false), request.store))
    context.graph.add(node, parents[index]!.node)
    return node
  })
  if (late !== null && lateChild !== null) {
    const lateNode = addOperator(context, lateChild, aggregates, () => ({ kind: 'passThrough' }))
    late(context.stream({ context, node: lateNode, sources, keySerde: inputs[0]!.group.plan.keySerde, valueSerde: null, repartitionRequired: false }))
  }
  const mergeName = context.names.processorWithSuffix('COGROUPKSTREAM-MERGE-', request.name, '-cogroup-merge')
  return context.table({
    context,
    node: addOperator(context, mergeName, aggregates, () => ({ kind: 'passThrough' })),
    sources,
    keySerde: request.keySerde,
    valueSerde: request.store.valueSerde,
    historyMs: request.store.historyMs ?? null,
    rows: () => ({ from: 'store', store: request.store.name }),
    sendOldValues() {
      sendsOldValues = true
      return true
    },
  })
}

/** What an aggregation takes its records from: the stream, or its repartition topic. */
export interface CogroupParent {
  readonly node: GraphNode
  readonly sources: ReadonlySet<string>
}

/** Numbers for the nodes of a topic are used up for each aggregation; the topic is that of the first. */
function repartitioned(inputs: readonly CogroupedInput[], known: Map<Group, CogroupParent>, store: StoreSpec): readonly CogroupParent[] {
  return inputs.map(({ group }) => {
    if (!group.plan.repartitionRequired) return group.plan
    const node = repartition(group, knownKeySerde(inputs) ?? store.keySerde, store.name)
    const first = known.get(group)
    if (first !== undefined) return first
    group.plan.context.graph.add(node, group.plan.node)
    const parent = { node, sources: new Set([node.name]) }
    known.set(group, parent)
    return parent
  })
}

/** How the first input of which that is known writes its keys: those of all meet in one store. */
export function knownKeySerde(inputs: readonly CogroupedInput[]): Serde<unknown> | null {
  return inputs.find(({ group }) => group.plan.keySerde !== null)?.group.plan.keySerde ?? null
}

function repartition({ plan, name }: Group, keySerde: Serde<unknown>, store: string): GraphNode {
  return repartitionNode(plan, {
    prefix: name ?? store, keySerde: plan.keySerde ?? keySerde, valueSerde: plan.valueSerde ?? plan.context.defaultValueSerde,
  })
}
