import { StreamError } from '../../core/index.ts'
import { hashOrder } from './hash-order.ts'
import { wholeName } from './names.ts'
import type { GlobalStore, RepartitionTopicSpec, SourceNode, StoreSpec, TopologyData, TopologyNode } from './node.ts'
import { subTopologiesOf } from './sub-topologies.ts'

/** Collects nodes, stores and internal topics, refuses what contradicts itself, and freezes the result. */
export class TopologyWriter {
  readonly #nodes = new Map<string, TopologyNode>()
  readonly #storesOfNode = new Map<string, Set<string>>()
  readonly #stores = new Map<string, StoreSpec>()
  readonly #repartitionTopics = new Map<string, RepartitionTopicSpec>()
  readonly #sourceOfTopic = new Map<string, string>()
  /** By the names of their sources. */
  readonly #patterns = new Map<string, RegExp>()
  readonly #copartitioned: ReadonlySet<string>[] = []
  readonly #globalStores: (Omit<GlobalStore, 'id'> & { readonly nodesBefore: number })[] = []
  readonly #globalNames = new Set<string>()
  #renamed: ReadonlyMap<string, string> = new Map()

  /** @throws TOPOLOGY_INVALID for a name that exists, a parent that does not, or a topic that another source reads */
  addNode(node: TopologyNode): void {
    if (this.#nodes.has(node.name) || this.#globalNames.has(node.name)) throw invalid(`an operator named ${node.name} exists already; names must be unique`)
    for (const parent of node.parents) {
      if (!this.#nodes.has(parent)) throw invalid(`${node.name} takes its input from ${parent}, which does not exist`)
      if (this.#nodes.get(parent)!.kind === 'sink') throw invalid(`${node.name} takes its input from ${parent}, which is a sink and forwards nothing`)
    }
    checkFunctions(node)
    if (node.kind === 'source') this.#registerSource(node)
    this.#nodes.set(node.name, node)
    this.#storesOfNode.set(node.name, new Set(node.stores))
  }

  /** Kept apart from the other nodes: no task runs it. @throws TOPOLOGY_INVALID for a name or topic that is taken */
  addGlobalStore(global: Omit<GlobalStore, 'id'>): void {
    const { source, processor, store } = global
    for (const { name } of [source, processor]) {
      if (this.#nodes.has(name) || this.#globalNames.has(name)) throw invalid(`an operator named ${name} exists already; names must be unique`)
      this.#globalNames.add(name)
    }
    if (this.#stores.has(store.name) || this.#globalStores.some((other) => other.store.name === store.name)) throw invalid(`a state store named ${store.name} exists already; store names must be unique`)
    this.#registerSource(source)
    this.#globalStores.push({ ...global, nodesBefore: this.#nodes.size })
  }

  /** A store may be added again with the same specification, to connect it with more nodes. */
  addStore(store: StoreSpec, ...users: readonly string[]): void {
    const existing = this.#stores.get(store.name)
    if (existing !== undefined && existing !== store) throw invalid(`a state store named ${store.name} exists already; store names must be unique`)
    this.#stores.set(store.name, store)
    for (const user of users) this.connect(user, [store.name])
  }

  connect(node: string, stores: readonly string[]): void {
    const connected = this.#storesOfNode.get(node)
    if (connected === undefined) throw invalid(`a state store is to be connected with ${node}, which does not exist`)
    const { kind } = this.#nodes.get(node)!
    if (kind === 'source' || kind === 'sink') throw invalid(`a state store is to be connected with ${node}, a ${kind}, which uses none`)
    for (const store of stores) connected.add(store)
  }

  addRepartitionTopic(topic: RepartitionTopicSpec): void {
    this.#repartitionTopics.set(topic.name, Object.freeze(topic))
  }

  /** Sources that copartition sets know by a name they had before. */
  renameSources(renamed: ReadonlyMap<string, string>): void {
    this.#renamed = renamed
  }

  /** The topics of these sources must have equal numbers of partitions. */
  copartition(sources: ReadonlySet<string>): void {
    this.#copartitioned.push(sources)
  }

  finish(): TopologyData {
    // Not by spreading: what is frozen behind that has a shape of its own in V8, and the code of tasks would be compiled anew for each application.
    const nodes = [...this.#nodes.values()].map((node): TopologyNode => Object.freeze(Object.assign({}, node, { stores: Object.freeze([...this.#storesOfNode.get(node.name)!]) })))
    const stores = this.#storesByUse(nodes)
    for (const node of nodes) {
      const missing = node.stores.find(store => !this.#stores.has(store))
      if (missing !== undefined) throw invalid(`${node.name} uses the state store ${missing}, which does not exist`)
    }
    const copartitionGroups = this.#copartitioned.map(sources => this.#topicsOf(sources))
    for (const group of copartitionGroups) this.#checkGivenPartitions(group)
    return {
      nodes: Object.freeze(nodes),
      stores: Object.freeze(stores),
      repartitionTopics: Object.freeze([...this.#repartitionTopics.values()]),
      copartitionGroups: Object.freeze(copartitionGroups),
      ...subTopologiesOf(nodes, stores, this.#globalStores),
    }
  }

  /** In the order of the nodes that use them, in which a task opens and flushes them; then those that nobody uses. */
  #storesByUse(nodes: readonly TopologyNode[]): readonly StoreSpec[] {
    const names = new Set([...nodes.flatMap(({ stores }) => hashOrder(stores)), ...this.#stores.keys()])
    return [...names].flatMap((name) => this.#stores.get(name) ?? [])
  }

  #registerSource({ name, topics, pattern }: SourceNode): void {
    if (pattern !== null) this.#registerPattern(name, wholeName(pattern))
    for (const topic of topics) {
      const other = this.#sourceOfTopic.get(topic) ?? [...this.#patterns].find(([, each]) => each.test(topic))?.[0]
      if (other !== undefined && other !== name) {
        throw invalid(`the topic ${topic} is read by two sources, ${other} and ${name}; read it once, and use that stream or table twice`)
      }
      this.#sourceOfTopic.set(topic, name)
    }
  }

  #registerPattern(name: string, pattern: RegExp): void {
    for (const [topic, other] of this.#sourceOfTopic) {
      if (pattern.test(topic)) throw invalid(`the topic ${topic}, which ${other} reads, matches the pattern of ${name}, too; make the pattern narrower`)
    }
    this.#patterns.set(name, pattern)
  }

  /** What the program itself says about partitions must fit; what the broker says is checked when the program runs. */
  #checkGivenPartitions(group: readonly string[]): void {
    const given = group.flatMap((topic) => {
      const partitions = this.#repartitionTopics.get(topic)?.partitions ?? null
      return partitions === null ? [] : [{ topic, partitions }]
    })
    if (new Set(given.map(({ partitions }) => partitions)).size <= 1) return
    const shown = given.map(({ topic, partitions }) => `${topic} has ${partitions}`).join(', ')
    throw invalid(`topics that are joined or aggregated together need equal numbers of partitions: ${shown}; give repartition() the same number`)
  }

  #topicsOf(sources: ReadonlySet<string>): readonly string[] {
    const topics = [...sources].flatMap((source) => {
      const node = this.#nodes.get(this.#renamed.get(source) ?? source)
      return node?.kind === 'source' ? node.topics : []
    })
    return Object.freeze([...new Set(topics)])
  }
}

function invalid(problem: string): StreamError {
  return new StreamError('TOPOLOGY_INVALID', problem)
}

/** Fields with what the program gave to be called; null where the operator does without. */
const functionFields = ['predicate', 'mapper', 'selector', 'extractor', 'action', 'call', 'factory', 'initializer', 'aggregator', 'adder', 'subtractor', 'merger', 'joiner']

/** `call` is waited for, and nobody looks at what an `action` returns. */
const mayBeAsync: ReadonlySet<string> = new Set(['call', 'action'])

function isAsync(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object AsyncFunction]'
}

/** The compiler sees to it in TypeScript; programs in JavaScript would fail at their first record. */
function checkFunctions(node: TopologyNode): void {
  const check = (field: string, value: unknown, owner = '') => {
    if (isAsync(value) && !mayBeAsync.has(field)) throw invalid(`${node.name}: the ${field}${owner} is async, and its promise would be taken for its result; put a mapAsync before it, which waits`)
    if (typeof value === 'function' || value === null) return
    throw invalid(`${node.name}: the ${field}${owner} must be a function, and is ${JSON.stringify(value)}`)
  }
  for (const field of functionFields) if (field in node) check(field, node[field as keyof TopologyNode])
  if (node.kind === 'branch') for (const { child, predicate } of node.branches) check('predicate', predicate, ` of branch ${child}`)
}
