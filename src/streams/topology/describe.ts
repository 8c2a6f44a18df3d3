import { hashOrder } from './hash-order.ts'
import type { GlobalStore, SubTopology, TopologyData, TopologyNode } from './node.ts'

/** The text of upstream's `Topology.describe()`, to the byte. */
export function describeTopology(topology: TopologyData): string {
  const parts = [
    ...topology.subTopologies.map(part => ({ id: part.id, text: describeSubTopology(part) })),
    ...topology.globalStores.map(global => ({ id: global.id, text: describeGlobalStore(global) })),
  ]
  return `Topologies:\n ${parts.sort((a, b) => a.id - b.id).map(({ text }) => `  ${text}`).join('')}`
}

function describeGlobalStore({ id, source, processor, store }: GlobalStore): string {
  const lines = [
    `Sub-topology: ${id} for global store (will not generate tasks)`,
    `    Source: ${source.name} (topics: ${list(source.topics)})`,
    `      --> ${processor.name}`,
    `    Processor: ${processor.name} (stores: [${store.name}])`,
    '      --> none',
    `      <-- ${source.name}`,
  ]
  return `${lines.join('\n')}\n`
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

/**
 * Nodes with more paths below them come first; ties go by name. Upstream sorts parents and children while it is still
 * counting paths, so their order is that of the counts at the time; hence the same steps in the same order here.
 */
function nodeOrder(nodes: readonly TopologyNode[]): NodeOrder {
  const byName = new Map(nodes.map(node => [node.name, node]))
  const sizes = new Map(nodes.map(node => [node.name, 1]))
  const compare = (a: TopologyNode, b: TopologyNode) => {
    const difference = sizes.get(b.name)! - sizes.get(a.name)!
    return difference === 0 ? compareNames(a.name, b.name) : difference
  }
  const parents = new Map(nodes.map(node => [node.name, new SortedNodes(compare)]))
  const children = new Map(nodes.map(node => [node.name, new SortedNodes(compare)]))
  const grow = (node: TopologyNode, size: number): void => {
    sizes.set(node.name, sizes.get(node.name)! + size)
    for (const parent of parents.get(node.name)!.list()) grow(parent, size)
  }
  for (const name of hashOrder(byName.keys())) {
    const node = byName.get(name)!
    for (const parentName of node.parents) {
      const parent = byName.get(parentName)!
      parents.get(name)!.add(parent)
      children.get(parentName)!.add(node)
      grow(parent, sizes.get(name)!)
    }
  }
  return {
    compare,
    parents: node => parents.get(node.name)!.list(),
    children: node => children.get(node.name)!.list(),
  }
}

function compareNames(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

interface Branch {
  readonly node: TopologyNode
  parent: Branch | null
  left: Branch | null
  right: Branch | null
  red: boolean
}

/**
 * A search tree that compares when it adds, and never again. Counts change in between, so what is compared with what shows:
 * the tree is balanced as Java's TreeMap is, a red-black tree.
 */
class SortedNodes {
  readonly #compare: (a: TopologyNode, b: TopologyNode) => number
  #root: Branch | null = null

  constructor(compare: (a: TopologyNode, b: TopologyNode) => number) {
    this.#compare = compare
  }

  add(node: TopologyNode): void {
    let parent: Branch | null = null
    let side: 'left' | 'right' = 'left'
    for (let branch = this.#root; branch !== null; branch = branch[side]) {
      const order = this.#compare(node, branch.node)
      if (order === 0) return
      parent = branch
      side = order < 0 ? 'left' : 'right'
    }
    const added: Branch = { node, parent, left: null, right: null, red: true }
    if (parent === null) this.#root = added
    else parent[side] = added
    this.#balance(added)
  }

  list(): readonly TopologyNode[] {
    const listed: TopologyNode[] = []
    const visit = (branch: Branch | null): void => {
      if (branch === null) return
      visit(branch.left)
      listed.push(branch.node)
      visit(branch.right)
    }
    visit(this.#root)
    return listed
  }

  /** No red branch has a red parent. */
  #balance(added: Branch): void {
    let branch = added
    while (branch.parent?.red === true) {
      const grandparent: Branch = branch.parent.parent!
      const side = branch.parent === grandparent.left ? 'left' : 'right'
      const other = side === 'left' ? 'right' : 'left'
      const uncle = grandparent[other]
      if (uncle?.red === true) {
        branch.parent.red = false
        uncle.red = false
        grandparent.red = true
        branch = grandparent
        continue
      }
      if (branch === branch.parent[other]) {
        branch = branch.parent
        this.#rotate(branch, side)
      }
      branch.parent!.red = false
      grandparent.red = true
      this.#rotate(grandparent, other)
    }
    this.#root!.red = false
  }

  /** The child on the other side takes the place of the branch, which goes down to `side`. */
  #rotate(branch: Branch, side: 'left' | 'right'): void {
    const other = side === 'left' ? 'right' : 'left'
    const child = branch[other]!
    branch[other] = child[side]
    if (child[side] !== null) child[side].parent = branch
    child.parent = branch.parent
    if (branch.parent === null) this.#root = child
    else branch.parent[branch === branch.parent.left ? 'left' : 'right'] = child
    child[side] = branch
    branch.parent = child
  }
}
