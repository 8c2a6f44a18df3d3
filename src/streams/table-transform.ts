import { asksForStore } from './options.ts'
import type { AnyStoreOptions, StoreOptions } from './options.ts'
import type { TablePlan } from './plan.ts'
import { ownStores, storeName } from './processing.ts'
import { storeRequest, tableStoreSpec } from './store-request.ts'
import type { StoreDefinition } from './stores.ts'
import type { Table } from './table.ts'
import { GraphNode } from './topology/graph.ts'
import type { ValueTransformerFactory } from './value-transformer.ts'

export interface TransformOptions<K, V> extends StoreOptions<K, V> {
  /** Stores that the transformer uses: names of stores that were added to the builder, or definitions, which are added. */
  readonly stores?: readonly (string | StoreDefinition<unknown>)[]
}

type AnyTransformOptions = AnyStoreOptions & Pick<TransformOptions<never, never>, 'stores'>

/** Adds a transformer to a table; the result is kept where the program names a store, or looks its rows up. */
export function transformTable<K, R>(parent: TablePlan, factory: ValueTransformerFactory<never, never, unknown>, options: AnyTransformOptions): Table<K, R, null> {
  const { context } = parent
  const asks = asksForStore(options)
  // Unlike other operators it uses up no number of the name counter for a store that has no name.
  const request = storeRequest(context, { ...options, store: options.store ?? 'none' }, 'KTABLE-TRANSFORMVALUES-')
  const name = context.names.processor('KTABLE-TRANSFORMVALUES-', options.name)
  const fallback = { keySerde: parent.keySerde ?? context.defaultKeySerde, valueSerde: context.defaultValueSerde }
  const spec = tableStoreSpec(options.store === undefined ? { ...request, name: `${name}-store` } : request, fallback)
  const { stores = [] } = options
  let isKept = options.store !== undefined
  let sendOldValues = false
  const node = new GraphNode(name, (writer, parents) => {
    for (const own of ownStores(stores)) writer.addStore(own)
    writer.addNode({
      kind: 'tableTransformValues', name, parents, stores: stores.map(storeName), factory, store: isKept ? spec.name : null, sendOldValues,
    })
    if (isKept) writer.addStore(spec, name)
  })
  context.graph.add(node, parent.node)
  return context.table({
    ...parent,
    node,
    keySerde: spec.keySerde,
    valueSerde: options.value === undefined ? null : spec.valueSerde,
    historyMs: asks ? spec.historyMs ?? null : parent.historyMs,
    rows() {
      isKept = true
      return { from: 'store', store: spec.name }
    },
    sendOldValues(force) {
      sendOldValues ||= isKept || parent.sendOldValues(force)
      return sendOldValues
    },
  })
}
