import type { SinkNode, SourceNode, SubTopology, TopologyData, TopologyNode } from './node.ts'

/** A topology as boxes and arrows, whatever draws them: operators in their sub-topologies, and topics between those. */
export interface Diagram {
  readonly boxes: readonly DiagramBox[]
  readonly groups: readonly DiagramGroup[]
  readonly arrows: readonly DiagramArrow[]
}

export interface DiagramBox {
  /** Unique, letters and digits. */
  readonly id: string
  /** `repartition`: a topic of the application's own. */
  readonly shape: 'topic' | 'repartition' | 'operator'
  readonly title: string
  /** The node's name where the title is not it; else ''. */
  readonly name: string
  readonly stores: readonly string[]
}

export interface DiagramGroup {
  readonly id: string
  readonly title: string
  /** Ids of its boxes. */
  readonly boxes: readonly string[]
}

export interface DiagramArrow {
  readonly from: string
  readonly to: string
}

/** Sources, sinks and null-key filters are not boxes of their own: what they connect is. */
export function diagramOf(topology: TopologyData): Diagram {
  return new Drawing(topology).finish()
}

class Drawing {
  readonly #topology: TopologyData
  readonly #internal: ReadonlySet<string>
  readonly #nodes: ReadonlyMap<string, TopologyNode>
  /** Nodes whose records go to a repartition topic at once. */
  readonly #repartitioned: ReadonlySet<string>
  readonly #boxes = new Map<string, DiagramBox>()
  readonly #arrows = new Map<string, DiagramArrow>()
  readonly #ids = new Map<string, string>()

  constructor(topology: TopologyData) {
    this.#topology = topology
    this.#internal = new Set(topology.repartitionTopics.map(({ name }) => name))
    this.#nodes = new Map(topology.nodes.map((node) => [node.name, node]))
    this.#repartitioned = new Set(topology.nodes.flatMap((node) => (node.kind === 'sink' && this.#internal.has(targetOf(node)) ? node.parents : [])))
  }

  finish(): Diagram {
    const groups = [...this.#topology.subTopologies.map((part) => this.#group(part)), ...this.#topology.globalStores.map(({ id, source, processor }) => {
      const box = this.#operator(processor)
      for (const topic of topicsOf(source)) this.#arrow(this.#topic(topic), box)
      return { id: `part${id}`, title: `global store ${id}`, boxes: [box] }
    })]
    return { boxes: [...this.#boxes.values()], groups, arrows: [...this.#arrows.values()] }
  }

  #group({ id, nodes }: SubTopology): DiagramGroup {
    const boxes = nodes.filter((node) => this.#isDrawn(node)).map((node) => this.#operator(node))
    for (const node of nodes) {
      if (this.#isDrawn(node)) for (const from of this.#origins(node)) this.#arrow(from, this.#operator(node))
      else if (node.kind === 'sink') for (const from of this.#origins(node)) this.#arrow(from, this.#topic(targetOf(node)))
    }
    return { id: `part${id}`, title: `sub-topology ${id}`, boxes }
  }

  /** Boxes that a node's records come from. */
  #origins(node: TopologyNode): readonly string[] {
    return node.parents.flatMap((name) => {
      const parent = this.#nodes.get(name)!
      if (parent.kind === 'source') return topicsOf(parent).map((topic) => this.#topic(topic))
      return this.#isDrawn(parent) ? [this.#operator(parent)] : this.#origins(parent)
    })
  }

  /** A filter before a repartition topic that lets everything pass is no more of interest than one that does not. */
  #isDrawn({ kind, name, parents }: TopologyNode): boolean {
    if (kind === 'source' || kind === 'sink' || kind === 'nullKeyFilter') return false
    return kind !== 'passThrough' || parents.length !== 1 || !this.#repartitioned.has(name)
  }

  #operator(node: TopologyNode): string {
    const { name, stores } = node
    const words = wordsFor(node)
    const isGenerated = /^(COGROUP)?K(STREAM|TABLE)-.*-[0-9]{10}$/.test(name)
    return this.#box(`node ${name}`, { shape: 'operator', title: isGenerated ? words : name, name: isGenerated ? name : words, stores })
  }

  #topic(name: string): string {
    return this.#box(`topic ${name}`, { shape: this.#internal.has(name) ? 'repartition' : 'topic', title: name, name: '', stores: [] })
  }

  #box(key: string, box: Omit<DiagramBox, 'id'>): string {
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = `n${this.#ids.size}`
    this.#ids.set(key, id)
    this.#boxes.set(id, { id, ...box })
    return id
  }

  #arrow(from: string, to: string): void {
    this.#arrows.set(`${from} ${to}`, { from, to })
  }
}

function topicsOf({ topics, pattern }: SourceNode): readonly string[] {
  return pattern === null ? topics : [`/${pattern.source}/`]
}

function targetOf({ topic }: SinkNode): string {
  return typeof topic === 'string' ? topic : 'a topic per record'
}

function wordsFor(node: TopologyNode): string {
  if (node.kind === 'passThrough') return node.parents.length > 1 ? 'merge' : 'branch'
  if (node.kind === 'streamTableJoin' && node.selector !== null && node.rows.from === 'store') return `join with ${node.rows.store}`
  return wordsOf(node.kind)
}

/** `windowAggregate` as people write it. */
function wordsOf(kind: string): string {
  return kind.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
