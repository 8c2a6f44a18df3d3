import type { ProcessorFactory } from './processor.ts'
import type { StreamPlan } from './plan.ts'
import type { StoreDefinition } from './stores.ts'
import type { Stream } from './stream.ts'
import { GraphNode } from './topology/graph.ts'
import { checkedName } from './topology/names.ts'
import type { StoreSpec } from './topology/node.ts'

export interface ProcessOptions {
  /** Name of the node in the topology. Absent: generated as Kafka Streams does. */
  readonly name?: string
  /** Stores that the processor uses: names of stores that were added to the builder, or definitions, which are added. */
  readonly stores?: readonly (string | StoreDefinition<unknown>)[]
}

/** Adds a processor of the program; one that may change keys makes what needs equal keys repartition first. */
export function addProcessor<K, V>(plan: StreamPlan, factory: ProcessorFactory<never, never, never, never>, options: ProcessOptions, keepsKeys: boolean): Stream<K, V> {
  const { context } = plan
  // Upstream uses up no number here when the program gives a name.
  const name = options.name === undefined ? context.names.processor(keepsKeys ? 'KSTREAM-PROCESSVALUES-' : 'KSTREAM-PROCESSOR-') : checkedName(options.name)
  const { stores = [] } = options
  // Repartition topics stay below: upstream does not merge them behind a processor, and moves them up past it, which is wrong.
  const node = new GraphNode(name, (writer, parents) => {
    for (const spec of ownStores(stores)) writer.addStore(spec)
    writer.addNode({ kind: 'processor', name, parents, stores: stores.map(storeName), factory, keepsKeys })
  }, { changesValue: true })
  context.graph.add(node, plan.node)
  const changed = keepsKeys ? { valueSerde: null } : { keySerde: null, valueSerde: null, repartitionRequired: true }
  return context.stream({ ...plan, ...changed, node })
}

export function ownStores(stores: readonly (string | StoreDefinition<unknown>)[]): readonly StoreSpec[] {
  return stores.flatMap((store) => (typeof store === 'string' ? [] : [store.spec]))
}

export function storeName(store: string | StoreDefinition<unknown>): string {
  return typeof store === 'string' ? store : store.spec.name
}
