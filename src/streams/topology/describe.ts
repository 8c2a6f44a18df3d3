import { hashOrder } from './hash-order.ts'
import type { SubTopology, TopologyData, TopologyNode } from './node.ts'

/** The text of upstream's `Topology.describe()`, to the byte. */
export function describeTopology(topology: TopologyData): string {
  const parts = topology.subTopologies.map(describeSubTopology)
  return `Topologies:\n ${parts.map(part => `  ${part}`).join('')}`
}

function describeSubTopology(part: SubTopology): string {
  const order = nodeOrder(part.nodes)
  const lines = [...part.nodes].sort(order.compare).map(node => `    ${describeNode(node, order)}\n`)
  return `Sub-topology: ${part.id}\n${lines.join('')}\n`
}

function describeNode(node: TopologyNode, order: NodeOrder): string {
  const to = `\n      --> ${names(order.children(node))}`
  const from = `\n      <-- ${names(order.parents(node))}`
  switch (node.kind) {
    case 'source': return `Source: ${node.name} (topics: ${node.pattern === null ? list(node.topics) : node.pattern.source})${to}`
    case 'sink': return `Sink: ${node.name} (${sinkTarget(node.topic)})${from}`
    default: return `Processor: ${node.name} (stores: ${list(node.stores)})${to}${from}`
  }
}

function sinkTarget(topic: string | { readonly name: string }): string {
  return typeof topic === 'string' ? `topic: ${topic}` : `extractor class: ${topic.name}`
}

function list(texts: readonly string[]): string {
  return `[${hashOrder(texts).join(', ')}]`
}

function names(nodes: readonly TopologyNode[]): string {
  return nodes.length === 0 ? 'none' : nodes.map(node => node.name).join(', ')
}

interface NodeOrder {
  readonly compare: (a: TopologyNode, b: TopologyNode) => number
  readonly parents: (node: TopologyNode) => readonly TopologyNode[]
  readonly children: (node: TopologyNode) => readonly TopologyNode[]
}

/** Nodes with more paths below them come first; ties go by name. */
function nodeOrder(nodes: readonly TopologyNode[]): NodeOrder {
  const byName = new Map(nodes.map(node => [node.name, node]))
  const children = new Map<string, TopologyNode[]>(nodes.map(node => [node.name, []]))
  for (const node of nodes) {
    for (const parent of node.parents) children.get(parent)!.push(node)
  }
  const sizes = new Map<string, number>()
  const size = (node: TopologyNode): number => {
    const known = sizes.get(node.name)
    if (known !== undefined) return known
    const counted = children.get(node.name)!.reduce((sum, child) => sum + size(child), 1)
    sizes.set(node.name, counted)
    return counted
  }
  const compare = (a: TopologyNode, b: TopologyNode) => size(b) - size(a) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  return {
    compare,
    parents: node => node.parents.map(parent => byName.get(parent)!).sort(compare),
    children: node => [...children.get(node.name)!].sort(compare),
  }
}
