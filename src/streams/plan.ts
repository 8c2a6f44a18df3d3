import { StreamError, jsonSerde } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import type { Stream } from './stream.ts'
import type { Table } from './table.ts'
import { GraphNode } from './topology/graph.ts'
import type { Graph, GraphTraits } from './topology/graph.ts'
import type { NameCounter } from './topology/names.ts'
import type { TableRows, TopologyNode } from './topology/node.ts'

/** Behind this symbol every stream and table keeps its plan, out of sight of the program. */
export const planKey: unique symbol = Symbol('millrace.plan')

/** Where streams and tables say the type of their keys, first of all that they have: the compiler compares it first. */
export const keys: unique symbol = Symbol('millrace.keys')

/** Behind this one every grouped stream keeps its group. */
export const groupKey: unique symbol = Symbol('millrace.group')

/** What one builder's streams and tables share. */
export interface BuilderContext {
  readonly graph: Graph
  readonly names: NameCounter
  /** Where nothing else is known. */
  readonly defaultKeySerde: Serde<unknown>
  readonly defaultValueSerde: Serde<unknown>
  /** Where an operator does not say it. */
  readonly storeType: 'persistent' | 'inMemory'
  /** Made here, because streams make tables and tables make streams. */
  stream<K, V>(plan: StreamPlan): Stream<K, V>
  table<K, V, Gone extends null>(plan: TablePlan): Table<K, V, Gone>
}

export interface StreamPlan {
  readonly context: BuilderContext
  readonly node: GraphNode
  /** Source nodes whose topics decide the partition of a record here. */
  readonly sources: ReadonlySet<string>
  /** null: not known; the default is taken where one is needed. */
  readonly keySerde: Serde<unknown> | null
  readonly valueSerde: Serde<unknown> | null
  /** The key may have changed since the source: operators that need equal keys together repartition first. */
  readonly repartitionRequired: boolean
}

export interface TablePlan {
  readonly context: BuilderContext
  readonly node: GraphNode
  readonly sources: ReadonlySet<string>
  readonly keySerde: Serde<unknown> | null
  readonly valueSerde: Serde<unknown> | null
  /** How long rows of the past are kept; null for tables that keep only the latest row. */
  readonly historyMs: number | null
  /** How rows are looked up; asking makes a source table keep them. */
  rows(): TableRows
  /** Makes changes carry old values; false if that needs a store, and `force` is not set. */
  sendOldValues(force: boolean): boolean
}

/** The plan of what another stream or table is given to. @throws INVALID_ARGUMENT for anything else, which only JavaScript can give */
export function planOf<P>(other: { readonly [planKey]: P }, operator: string, kind: 'stream' | 'table' | 'stream or table'): P {
  const plan = (other as Partial<typeof other> | null | undefined)?.[planKey]
  if (plan === undefined) throw new StreamError('INVALID_ARGUMENT', `${operator}: ${JSON.stringify(other)} is no ${kind}`)
  return plan
}

/** What the node of one operator adds to the name and the parents. */
export type NodeFields = TopologyNode extends infer Node ? (Node extends TopologyNode ? Omit<Node, 'name' | 'parents' | 'stores'> : never) : never

/** Adds an operator that is one node without stores; `fields` is asked when the topology is written. */
export function addOperator(context: BuilderContext, name: string, parents: readonly GraphNode[], fields: () => NodeFields, traits: GraphTraits = {}): GraphNode {
  const node = new GraphNode(name, (writer, parentNames) => {
    writer.addNode({ ...fields(), name, parents: parentNames, stores: [] } as TopologyNode)
  }, traits)
  context.graph.add(node, ...parents)
  return node
}

/** Names of the stores that a lookup reads. */
export function storesOfRows(rows: TableRows): readonly string[] {
  switch (rows.from) {
    case 'store': return [rows.store]
    case 'join': return [...storesOfRows(rows.left), ...storesOfRows(rows.right)]
    case 'suppress': return [rows.store, ...storesOfRows(rows.parent)]
    case 'nothing': return []
    default: return storesOfRows(rows.parent)
  }
}

export const fallbackSerde: Serde<unknown> = jsonSerde()
