import type { Serde } from '../core/index.ts'
import { addOperator } from './plan.ts'
import type { NodeFields, StreamPlan } from './plan.ts'
import { repartitionNode } from './repartition.ts'
import type { Stream } from './stream.ts'
import type { Table } from './table.ts'
import { GraphNode } from './topology/graph.ts'
import type { GraphTraits } from './topology/graph.ts'
import type { Aggregator, StoreSpec, TopologyNode } from './topology/node.ts'
import { windowsClose } from './windows.ts'
import type { Windows } from './windows.ts'

/** Counts; the same function everywhere, so that the runtime can know it. */
export const countAggregator: Aggregator = aggregate => (aggregate as number) + 1
export const countInitializer = (): number => 0

export interface AggregateRequest {
  readonly name: string
  readonly store: StoreSpec
  /** Of the repartition topic, if one is needed; null: the store's. */
  readonly repartitionName: string | null
  /** Of the table that results. */
  readonly keySerde: Serde<unknown>
  /** Of the repartition topic. */
  readonly inputKeySerde: Serde<unknown>
  readonly windows?: Windows
  /** Takes the stream of records that come too late for every window. */
  readonly late?: ((late: Stream<never, never>) => void) | null
  fields(sendOldValues: boolean): NodeFields
}

/** What a suppress further down asks for. */
export function traitsOf(windows: Windows | undefined, fields: NodeFields, { valueSerde }: StoreSpec): GraphTraits {
  const initializer = 'initializer' in fields && fields.kind !== 'sessionAggregate' ? fields.initializer : null
  return {
    ...(windows === undefined ? {} : { windows: windowsClose(windows) }),
    ...(initializer === null ? {} : { initialValueBytes: () => valueSerde.serialize(initializer()).length }),
  }
}

/** Shared by the aggregations of one group whose repartition topic has a name: they share the topic. */
export class SharedRepartition {
  node: GraphNode | null = null
}

/** Adds an aggregation, behind a repartition topic where the key may have changed. */
export function addAggregate<K, V, Gone extends null>(plan: StreamPlan, shared: SharedRepartition, request: AggregateRequest): Table<K, V, Gone> {
  const { context } = plan
  let parent = plan.node
  let { sources } = plan
  if (plan.repartitionRequired) {
    const repartition = repartitionNode(plan, {
      prefix: request.repartitionName ?? request.store.name,
      keySerde: request.inputKeySerde,
      valueSerde: plan.valueSerde ?? context.defaultValueSerde,
    })
    if (shared.node === null || request.repartitionName === null) shared.node = repartition
    parent = shared.node
    sources = new Set([parent.name])
    context.graph.add(parent, plan.node)
  }
  let sendsOldValues = false
  const { name, store } = request
  const late = request.late ?? null
  const lateChild = late === null ? null : context.names.processor('KSTREAM-LATE-')
  const node = new GraphNode(name, (writer, parents) => {
    writer.addNode({ ...request.fields(sendsOldValues), ...(request.windows === undefined ? {} : { lateChild }), name, parents, stores: [store.name] } as TopologyNode)
    writer.addStore(store, name)
  }, traitsOf(request.windows, request.fields(false), store))
  context.graph.add(node, parent)
  if (late !== null && lateChild !== null) {
    const lateNode = addOperator(context, lateChild, [node], () => ({ kind: 'passThrough' }))
    late(context.stream({ context, node: lateNode, sources, keySerde: plan.keySerde, valueSerde: plan.valueSerde, repartitionRequired: false }))
  }
  return context.table({
    context,
    node,
    sources,
    keySerde: request.keySerde,
    valueSerde: store.valueSerde,
    historyMs: store.historyMs ?? null,
    rows: () => ({ from: 'store', store: store.name }),
    sendOldValues() {
      sendsOldValues = true
      return true
    },
  })
}
