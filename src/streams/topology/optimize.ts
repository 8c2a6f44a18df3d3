import type { Serde } from '../../core/index.ts'
import type { Graph, GraphNode } from './graph.ts'

/** What can be asked of `StreamsBuilder.build`; names and meaning are those of `topology.optimization`. */
export type Optimization = 'reuse.ktable.source.topics' | 'merge.repartition.topics' | 'single.store.self.join'

/** A repartition topic that may be replaced by one that several operators share. */
export interface SharableRepartition {
  readonly topic: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  /** One for all, under this one's topic name. */
  replacement(): GraphNode
}

/** Rewrites a graph that is complete, before it is written. */
export function optimize(graph: Graph, wanted: ReadonlySet<Optimization>): void {
  if (wanted.has('reuse.ktable.source.topics')) for (const node of graph.nodes) node.traits.reuseSourceTopic?.()
  if (wanted.has('merge.repartition.topics')) mergeRepartitions(graph)
  if (wanted.has('single.store.self.join')) for (const node of graph.nodes) if (node.parents.length === 1) node.traits.joinItself?.()
}

/**
 * Repartition topics behind one key-changing operator, with nothing between that changes values, become one directly after
 * it. Behind a merge whose inputs have no other use for their new keys, the topic stands directly after the merge.
 */
function mergeRepartitions(graph: Graph): void {
  for (const [keyChanger, repartitions] of repartitionsByKeyChanger(graph)) {
    const first = repartitions[0]?.traits.repartition
    if (first === undefined) continue
    const shared = first.replacement()
    graph.insert(shared, keyChanger.order)
    for (const repartition of repartitions) {
      const child = ancestorMatching(repartition, (node) => node.parents.includes(keyChanger))
      if (child === null) continue
      shared.addChild(child)
      keyChanger.removeChild(child)
      bypass(repartition)
      graph.rename(repartition.name, shared.name)
    }
    keyChanger.addChild(shared)
  }
}

function repartitionsByKeyChanger(graph: Graph): ReadonlyMap<GraphNode, GraphNode[]> {
  const found = new Map<GraphNode, GraphNode[]>()
  for (const node of graph.nodes) {
    if (node.traits.changesKey === true) found.set(node, [])
    const keyChanger = node.traits.repartition === undefined ? null : keyChangerOf(node)
    if (keyChanger !== null) found.get(keyChanger)?.push(node)
  }
  for (const merge of graph.nodes.filter((node) => node.traits.isMerge === true)) {
    const inputs = [...found].filter(([keyChanger, repartitions]) => {
      return repartitions.every((node) => isBehind(node, merge)) && isBehind(merge, keyChanger)
    })
    if (inputs.length === 0) continue
    for (const [keyChanger] of inputs) found.delete(keyChanger)
    found.set(merge, inputs.flatMap(([, repartitions]) => repartitions))
  }
  return found
}

/** The key-changing operator above, unless a value changes in between: then the topic's values would be others. */
function keyChangerOf(repartition: GraphNode): GraphNode | null {
  const nearest = ancestorMatching(repartition, ({ traits }) => traits.changesKey === true || traits.changesValue === true)
  return nearest?.traits.changesKey === true ? nearest : null
}

function ancestorMatching(start: GraphNode, matches: (node: GraphNode) => boolean): GraphNode | null {
  if (matches(start)) return start
  let found: GraphNode | null = null
  for (const parent of start.parents) {
    if (matches(parent)) return parent
    found = ancestorMatching(parent, matches)
  }
  return found
}

function isBehind(node: GraphNode, above: GraphNode): boolean {
  return ancestorMatching(node, ({ parents }) => parents.includes(above)) !== null
}

/** What came from the repartition topic comes from what fed it. */
function bypass(repartition: GraphNode): void {
  const [parents, children] = [[...repartition.parents], [...repartition.children]]
  for (const child of children) {
    repartition.removeChild(child)
    for (const parent of parents) parent.addChild(child)
  }
  for (const parent of parents) parent.removeChild(repartition)
}
