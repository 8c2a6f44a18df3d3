import type { SourceNode } from './node.ts'
import type { SharableRepartition } from './optimize.ts'
import type { TopologyWriter } from './topology-writer.ts'

/**
 * The program as it was written down, before it becomes a topology. Kept apart from the topology's nodes because what is
 * written depends on what comes later: a table keeps its rows only if someone downstream looks them up, equal sources are
 * merged, repartition topics are shared.
 */
export class GraphNode {
  readonly name: string
  readonly parents: GraphNode[] = []
  readonly children: GraphNode[] = []
  readonly #write: (writer: TopologyWriter, parents: readonly string[]) => void
  /** Order of creation, which is the order of writing among nodes that are ready. */
  order = -1
  #written = false

  readonly traits: GraphTraits

  /** `write` gets the names of the parents' last nodes. */
  constructor(name: string, write: (writer: TopologyWriter, parents: readonly string[]) => void, traits: GraphTraits = {}) {
    this.name = name
    this.#write = write
    this.traits = traits
  }

  /** True when records without a key have a use further down, behind further repartition topics, too. */
  get needsNullKeys(): boolean {
    const below = new Set<GraphNode>([this])
    for (const node of below) {
      for (const child of node.children) {
        if (child.traits.lookedUp === node) continue
        if (child.traits.takesNullKeys === true) return true
        below.add(child)
      }
    }
    return false
  }

  get isWritten(): boolean {
    return this.#written
  }

  addChild(child: GraphNode): void {
    if (this.children.includes(child)) return
    this.children.push(child)
    child.parents.push(this)
  }

  removeChild(child: GraphNode): void {
    remove(this.children, child)
    remove(child.parents, this)
  }

  write(writer: TopologyWriter): void {
    this.#written = true
    this.#write(writer, this.parents.map(parent => parent.name).filter(name => name !== rootName))
  }

  forgetWritten(): void {
    this.#written = false
  }
}

/** What the rules of the whole graph need to know about a node. */
export interface GraphTraits {
  /** Of a repartition topic that may be shared. */
  readonly repartition?: SharableRepartition
  readonly changesKey?: boolean
  readonly changesValue?: boolean
  readonly isMerge?: boolean
  /** Of a table's source: lets the topic serve as the changelog. */
  readonly reuseSourceTopic?: () => void
  /** Of a join that has one input on both sides: lets it do with one store. */
  readonly joinItself?: () => void
  /** A join that gives a result for a record without a key. */
  readonly takesNullKeys?: boolean
  /** Of a join of a stream with a table: the table, which sends it nothing. */
  readonly lookedUp?: GraphNode
  /** Of an aggregation: size of what upstream sends as the old value of a new row, the initial value. */
  readonly initialValueBytes?: () => number
  /** Of an aggregation: how long after its end a window changes, and whether a record at the very end belongs to it. */
  readonly windows?: { readonly graceMs: number; readonly endInclusive: boolean }
}

const rootName = ''

/** Reads topics; equal ones are merged before writing. */
export class SourceGraphNode extends GraphNode {
  /** Topic names, or the text of a pattern. */
  readonly topics: readonly string[] | RegExp
  /** A table's source is never merged with another. */
  readonly mergeable: boolean
  readonly offsetReset: SourceNode['offsetReset']

  constructor(
    name: string,
    source: Pick<SourceGraphNode, 'topics' | 'mergeable' | 'offsetReset'>,
    write: (writer: TopologyWriter) => void,
  ) {
    super(name, write)
    this.topics = source.topics
    this.mergeable = source.mergeable
    this.offsetReset = source.offsetReset
  }
}

export class Graph {
  readonly #root = new GraphNode(rootName, () => {})
  readonly #nodes: GraphNode[] = []
  readonly #renamed = new Map<string, string>()

  get nodes(): readonly GraphNode[] {
    return this.#nodes
  }

  get sources(): readonly GraphNode[] {
    return this.#root.children
  }

  /** Adds a node below its parents; one without parents is a source. */
  add(node: GraphNode, ...parents: GraphNode[]): void {
    for (const parent of parents.length === 0 ? [this.#root] : parents) parent.addChild(node)
    if (node.order !== -1) return
    node.order = this.#nodes.length
    this.#nodes.push(node)
  }

  /** Adds a node that is connected by hand, to be written as early as the one whose `order` it has. */
  insert(node: GraphNode, order: number): void {
    node.order = order
    this.#nodes.push(node)
  }

  /** A source that was replaced by another, for those who know it by name. */
  rename(from: string, to: string): void {
    this.#renamed.set(from, to)
  }

  /** Takes a source out and gives its children to another. */
  mergeSource(from: GraphNode, into: GraphNode): void {
    for (const child of from.children) {
      if (!into.children.includes(child)) into.children.push(child)
      // In its place: joins know their sides by the order of their parents.
      child.parents.splice(child.parents.indexOf(from), 1, ...(child.parents.includes(into) ? [] : [into]))
    }
    from.children.length = 0
    this.#root.removeChild(from)
  }

  /** Writes every node once, after all of its parents, in the order of creation among those that are ready. */
  write(writer: TopologyWriter): void {
    for (const node of this.#nodes) node.forgetWritten()
    writer.renameSources(this.#renamed)
    const ready = new Set<GraphNode>(this.#root.children)
    while (ready.size > 0) {
      const node = first(ready)
      ready.delete(node)
      node.write(writer)
      for (const child of node.children) {
        if (child.parents.every(parent => parent.isWritten)) ready.add(child)
      }
    }
  }
}

function first(nodes: ReadonlySet<GraphNode>): GraphNode {
  let found: GraphNode | undefined
  for (const node of nodes) {
    if (found === undefined || node.order < found.order) found = node
  }
  return found!
}

function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item)
  if (index !== -1) list.splice(index, 1)
}
