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
  /** The same group given twice shares its repartition topic. */
  readonly group: Group
  readonly aggregator: Aggregator
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
export function addCogroup<K, A>(inputs: readonly CogroupedInput[], request: CogroupRequest): Table<K, A> {
  const { context } = inputs[0]!.group.plan
  const parents = repartitioned(inputs, request.store)
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
interface Parent {
  readonly node: GraphNode
  readonly sources: ReadonlySet<string>
}

function repartitioned(inputs: readonly CogroupedInput[], store: StoreSpec): readonly Parent[] {
  const parents = new Map<Group, Parent>()
  for (const { group } of inputs) {
    if (!parents.has(group)) parents.set(group, group.plan.repartitionRequired ? repartition(group, store) : group.plan)
  }
  return inputs.map(({ group }) => parents.get(group)!)
}

function repartition({ plan, name }: Group, store: StoreSpec): Parent {
  const node = repartitionNode(plan, {
    prefix: name ?? store.name, keySerde: plan.keySerde ?? store.keySerde, valueSerde: plan.valueSerde ?? plan.context.defaultValueSerde,
  })
  plan.context.graph.add(node, plan.node)
  return { node, sources: new Set([node.name]) }
}
