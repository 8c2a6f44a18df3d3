import { longSerde } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { countInitializer } from './aggregate.ts'
import { changeSerde } from './change-serde.ts'
import type { AggregateFunction } from './grouped-stream.ts'
import type { AnyStoreOptions, StoreOptions } from './options.ts'
import type { TablePlan } from './plan.ts'
import { writeTableRepartition } from './repartition.ts'
import { storeRequest, tableStoreSpec } from './store-request.ts'
import type { Table } from './table.ts'
import { GraphNode } from './topology/graph.ts'
import { repartitionTopicName } from './topology/names.ts'
import type { Aggregator, Initializer } from './topology/node.ts'

interface Functions {
  readonly initializer: Initializer | null
  readonly adder: Aggregator
  readonly subtractor: Aggregator
}

/**
 * Rows of a table under a new key. When a row changes, what it was is taken out of its group and what it is put into its
 * group; a row that moves between groups is for a moment in neither. Semantics: Kafka Streams' KGroupedTable.
 */
export class GroupedTable<K, V> {
  readonly #plan: TablePlan
  readonly #name: string | null
  #repartition: GraphNode | null = null

  constructor(group: { readonly plan: TablePlan; readonly name: string | null }) {
    this.#plan = group.plan
    this.#name = group.name
  }

  /** Number of rows per group; a group that loses its last row stays, with 0. */
  count(options: StoreOptions<K, number> = {}): Table<K, number, never> {
    const adder: Aggregator = aggregate => (aggregate as number) + 1
    const subtractor: Aggregator = aggregate => (aggregate as number) - 1
    return this.#aggregate('AGGREGATE', options, { initializer: countInitializer, adder, subtractor }, longSerde)
  }

  /** Combines the values of a group; the first one is taken as it is. */
  reduce(adder: (reduced: V, value: V) => V | null, subtractor: (reduced: V, value: V) => V | null, options: StoreOptions<K, V> = {}): Table<K, V, null> {
    const functions = { initializer: null, adder: adder as Aggregator, subtractor: subtractor as Aggregator }
    return this.#aggregate('REDUCE', options, functions, this.#plan.valueSerde)
  }

  /** Folds the values of a group; null deletes it. */
  aggregate<A>(
    initializer: () => A,
    adder: AggregateFunction<K, V, A>,
    subtractor: AggregateFunction<K, V, A>,
    options: StoreOptions<K, A> = {},
  ): Table<K, A, null> {
    return this.#aggregate('AGGREGATE', options, { initializer, adder: adder as Aggregator, subtractor: subtractor as Aggregator }, null)
  }

  #aggregate<A, Gone extends null>(
    kind: 'AGGREGATE' | 'REDUCE',
    options: AnyStoreOptions,
    functions: Functions,
    valueSerde: Serde<unknown> | Serde<number> | null,
  ): Table<K, A, Gone> {
    const { context, node: parent, ...plan } = this.#plan
    // Stores of a reduce are named as those of an aggregate, as upstream.
    const request = storeRequest(context, options, 'KTABLE-AGGREGATE-')
    const inputKeySerde = plan.keySerde ?? context.defaultKeySerde
    const fallback = { keySerde: inputKeySerde, valueSerde: (valueSerde ?? context.defaultValueSerde) as Serde<unknown> }
    const spec = tableStoreSpec(request, fallback)
    const repartition = this.#repartitionNode(options.name, spec.name, inputKeySerde)
    const name = context.names.processor(`KTABLE-${kind}-`, options.name)
    context.graph.add(repartition, parent)
    let sendOldValues = false
    const node = new GraphNode(name, (writer, parents) => {
      writer.addNode({ kind: 'tableAggregate', name, parents, stores: [spec.name], store: spec.name, ...functions, sendOldValues })
      writer.addStore(spec, name)
    })
    context.graph.add(node, repartition)
    return context.table({
      context,
      node,
      sources: new Set([repartition.name]),
      keySerde: spec.keySerde,
      valueSerde: spec.valueSerde,
      historyMs: spec.historyMs ?? null,
      rows: () => ({ from: 'store', store: spec.name }),
      sendOldValues() {
        sendOldValues = true
        return true
      },
    })
  }

  #repartitionNode(name: string | undefined, store: string, keySerde: Serde<unknown>): GraphNode {
    const { names, defaultValueSerde } = this.#plan.context
    const sink = names.processorWithSuffix('KSTREAM-SINK-', name, '-sink')
    const source = names.processorWithSuffix('KSTREAM-SOURCE-', name, '-source')
    if (this.#repartition !== null && this.#name !== null) return this.#repartition
    const topic = repartitionTopicName(this.#name ?? store)
    const valueSerde = changeSerde(this.#plan.valueSerde ?? defaultValueSerde) as Serde<unknown>
    this.#repartition = new GraphNode(source, (writer, parents) => {
      writeTableRepartition(writer, parents, { sink, source, topic }, { keySerde, valueSerde })
    })
    return this.#repartition
  }
}
