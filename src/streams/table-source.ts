import type { StreamPlan } from './plan.ts'
import { tableStoreSpec } from './store-request.ts'
import type { StoreRequest } from './store-request.ts'
import type { Table } from './table.ts'
import { GraphNode } from './topology/graph.ts'
import type { TopologyWriter } from './topology/topology-writer.ts'

export interface TableSourceRequest {
  readonly name: string
  readonly store: StoreRequest
  readonly parent: GraphNode
  /** True: the program names the store. False: rows are kept once somebody looks them up. */
  readonly keepsRows: boolean
}

/** A table of the rows that a stream brings. */
export function tableSource<K, V>(plan: StreamPlan, request: TableSourceRequest): Table<K, V, null> {
  const source = new TableSource(plan, request)
  const node = new GraphNode(request.name, (writer, parents) => source.write(writer, parents))
  plan.context.graph.add(node, request.parent)
  return tableOfSource(plan, node, source)
}

export function tableOfSource<K, V>(plan: StreamPlan, node: GraphNode, source: TableSource): Table<K, V, null> {
  return plan.context.table({
    context: plan.context,
    node,
    sources: plan.sources,
    keySerde: source.spec.keySerde,
    valueSerde: source.spec.valueSerde,
    historyMs: source.spec.historyMs ?? null,
    rows() {
      source.keepRows()
      return { from: 'store', store: source.spec.name }
    },
    sendOldValues: force => source.sendOldValues(force),
  })
}

/** The node that turns rows into changes, and what later operators have asked of it. */
export class TableSource {
  readonly spec
  readonly #name: string
  #keepsRows: boolean
  #sendsOldValues = false
  #reusedTopic: string | null = null

  constructor(plan: StreamPlan, request: { readonly name: string; readonly store: StoreRequest; readonly keepsRows: boolean }) {
    const { defaultKeySerde, defaultValueSerde } = plan.context
    const serdes = { keySerde: plan.keySerde ?? defaultKeySerde, valueSerde: plan.valueSerde ?? defaultValueSerde }
    this.spec = tableStoreSpec(request.store, serdes)
    this.#name = request.name
    this.#keepsRows = request.keepsRows
  }

  /** The topic that the rows come from serves as the changelog. */
  reuseTopic(topic: string): void {
    this.#reusedTopic = topic
  }

  keepRows(): void {
    this.#keepsRows = true
  }

  sendOldValues(force: boolean): boolean {
    if (!force && !this.#keepsRows) return false
    this.#keepsRows = true
    this.#sendsOldValues = true
    return true
  }

  write(writer: TopologyWriter, parents: readonly string[]): void {
    const store = this.#keepsRows ? this.spec.name : null
    writer.addNode({
      kind: 'tableSource', name: this.#name, parents, stores: store === null ? [] : [store], store, sendOldValues: this.#sendsOldValues,
    })
    if (store === null) return
    const { changelog } = this.spec
    const reused = changelog !== null && this.#reusedTopic !== null
    writer.addStore(reused ? Object.freeze({ ...this.spec, changelog: { ...changelog, sourceTopic: this.#reusedTopic } }) : this.spec, this.#name)
  }
}
