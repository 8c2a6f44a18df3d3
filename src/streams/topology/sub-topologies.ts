import type { GlobalStore, StoreSpec, SubTopology, TopologyData, TopologyNode } from './node.ts'

/**
 * Cuts a topology into its connected parts: nodes hang together by edges and by stores they share, and a repartition topic
 * separates what is before it from what is after it. Ids count in the order of writing, as upstream's do; a global store
 * counts too.
 */
export function subTopologiesOf(
  nodes: readonly TopologyNode[],
  stores: readonly StoreSpec[],
  globalStores: readonly (Omit<GlobalStore, 'id'> & { readonly nodesBefore: number })[],
): Pick<TopologyData, 'subTopologies' | 'globalStores'> {
  const groups = groupNodes(nodes)
  const idOfGroup = new Map<string, number>()
  const idOfStore = new Map<string, number>()
  const numberGlobalStores = (nodesBefore: number) => {
    for (const { store, ...global } of globalStores) {
      if (global.nodesBefore === nodesBefore) idOfStore.set(store.name, idOfGroup.size + idOfStore.size)
    }
  }
  nodes.forEach((node, index) => {
    numberGlobalStores(index)
    const group = groups.find(node.name)
    if (!idOfGroup.has(group)) idOfGroup.set(group, idOfGroup.size + idOfStore.size)
  })
  numberGlobalStores(nodes.length)
  const parts = [...idOfGroup].map(([group, id]) => subTopology(id, nodes.filter(node => groups.find(node.name) === group), stores))
  const globals = globalStores.map(({ source, processor, store }) => Object.freeze({ id: idOfStore.get(store.name)!, source, processor, store }))
  return { subTopologies: Object.freeze(parts), globalStores: Object.freeze(globals) }
}

function subTopology(id: number, nodes: readonly TopologyNode[], stores: readonly StoreSpec[]): SubTopology {
  const used = new Set(nodes.flatMap(node => node.stores))
  return Object.freeze({
    id,
    nodes: Object.freeze(nodes),
    stores: Object.freeze(stores.filter(store => used.has(store.name))),
    sourceTopics: Object.freeze([...new Set(nodes.flatMap(node => (node.kind === 'source' ? node.topics : [])))]),
    sinkTopics: Object.freeze([...new Set(nodes.flatMap(sinkTopic))]),
  })
}

function sinkTopic(node: TopologyNode): readonly string[] {
  return node.kind === 'sink' && typeof node.topic === 'string' ? [node.topic] : []
}

function groupNodes(nodes: readonly TopologyNode[]): UnionFind {
  const groups = new UnionFind()
  const userOfStore = new Map<string, string>()
  for (const node of nodes) {
    for (const parent of node.parents) groups.unite(parent, node.name)
    for (const store of node.stores) {
      const user = userOfStore.get(store)
      if (user === undefined) userOfStore.set(store, node.name)
      else groups.unite(user, node.name)
    }
  }
  return groups
}

class UnionFind {
  readonly #parents = new Map<string, string>()

  find(name: string): string {
    let root = name
    for (let parent = this.#parents.get(root); parent !== undefined; parent = this.#parents.get(root)) root = parent
    if (root !== name) this.#parents.set(name, root)
    return root
  }

  unite(a: string, b: string): void {
    const rootA = this.find(a)
    const rootB = this.find(b)
    if (rootA !== rootB) this.#parents.set(rootB, rootA)
  }
}

