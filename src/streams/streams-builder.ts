import { StreamError, checkOptions } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { GlobalTable } from './global-table.ts'
import { offsetResetOf, sourceOptions } from './options.ts'
import type { NameOption, SourceOptions, StoreOptions } from './options.ts'
import { fallbackSerde } from './plan.ts'
import type { BuilderContext, StreamPlan } from './plan.ts'
import type { ProcessorFactory } from './processor.ts'
import { storeRequest, tableStoreSpec } from './store-request.ts'
import type { StoreDefinition } from './stores.ts'
import { Stream } from './stream.ts'
import { Table } from './table.ts'
import { TableSource, tableOfSource } from './table-source.ts'
import { checkedTopic, serdeOf } from './topic.ts'
import type { Format, Topic } from './topic.ts'
import { Graph, GraphNode, SourceGraphNode } from './topology/graph.ts'
import { NameCounter } from './topology/names.ts'
import type { GlobalStore, SourceNode, StoreSpec, TimestampExtractor } from './topology/node.ts'
import { optimize } from './topology/optimize.ts'
import type { Optimization } from './topology/optimize.ts'
import { Topology } from './topology/topology.ts'
import { TopologyWriter } from './topology/topology-writer.ts'

export interface BuildOptions {
  /**
   * `reuse.ktable.source.topics`: a table's topic serves as its changelog. `merge.repartition.topics`: one topic behind a
   * change of keys, instead of one per use; as upstream, this must not be used where one of several merged streams is also
   * grouped by itself, since the others then bypass the topic. `single.store.self.join`: a stream joined with itself keeps
   * its records once.
   * Default: none of them.
   */
  readonly optimization?: 'all' | 'none' | readonly Optimization[]
}

const allOptimizations: readonly Optimization[] = ['reuse.ktable.source.topics', 'merge.repartition.topics', 'single.store.self.join']

export interface StreamsBuilderOptions {
  /** Where neither topic nor operator says how keys (values) are written. Default: JSON. */
  readonly defaultKey?: Format<never>
  readonly defaultValue?: Format<never>
  /** Of the stores of operators that do not say it. Default `persistent`. Semantics: `dsl.store.suppliers.class`. */
  readonly storeType?: 'persistent' | 'inMemory'
}

/**
 * Where a program begins: `stream` and `table` read topics, the methods of what they give add operators, and `build`
 * turns all of it into a topology. Building twice gives equal topologies. Semantics: Kafka Streams' StreamsBuilder.
 */
export class StreamsBuilder {
  readonly #context: BuilderContext
  readonly #stores: StoreSpec[] = []

  constructor(options: StreamsBuilderOptions = {}) {
    checkOptions('new StreamsBuilder', options, { defaultKey: true, defaultValue: true, storeType: true })
    this.#context = {
      graph: new Graph(),
      names: new NameCounter(),
      defaultKeySerde: options.defaultKey === undefined ? fallbackSerde : serdeOf(options.defaultKey, 'defaultKey'),
      defaultValueSerde: options.defaultValue === undefined ? fallbackSerde : serdeOf(options.defaultValue, 'defaultValue'),
      storeType: options.storeType ?? 'persistent',
      stream: plan => new Stream(plan),
      table: plan => new Table(plan),
    }
  }

  /** Reads one topic or several of one type as a stream of records. */
  stream<K, V>(topics: Topic<K, V> | readonly Topic<K, V>[], options: SourceOptions<K, V> = {}): Stream<K, V> {
    const list = [topics].flat() as readonly Topic<K, V>[]
    const first = list[0]
    if (first === undefined) throw new StreamError('INVALID_ARGUMENT', 'stream: the list of topics is empty')
    return this.#stream(list.map(topic => checkedTopic(topic, 'stream').name), first, options)
  }

  /** Reads every topic whose whole name matches, also those that appear later. */
  streamMatching<K, V>(pattern: RegExp, formats: { readonly key: Format<K>; readonly value: Format<V> }, options: SourceOptions<K, V> = {}): Stream<K, V> {
    const serdes = { keySerde: serdeOf(formats.key, 'key') as Serde<K>, valueSerde: serdeOf(formats.value, 'value') as Serde<V> }
    return this.#stream(pattern, serdes, options)
  }

  /** Reads a topic as a table: each record sets the row of its key, a null value deletes it, a record without a key is dropped. */
  table<K, V>(topic: Topic<K, V>, options: StoreOptions<K, V> & Pick<SourceOptions<K, V>, 'timestamp' | 'offsetReset'> = {}): Table<NonNullable<K>, NonNullable<V>, null> {
    checkedTopic(topic, 'table')
    const context = this.#context
    const store = storeRequest(context, options, `${topic.name}-`)
    const sourceName = context.names.processorWithSuffix('KSTREAM-SOURCE-', options.name, '-source')
    const name = context.names.processor('KTABLE-SOURCE-', options.name)
    const plan: StreamPlan = {
      context,
      node: this.#source(sourceName, [topic.name], { ...topic, options, isTable: true }),
      sources: new Set([sourceName]),
      keySerde: topic.keySerde as Serde<unknown>,
      valueSerde: topic.valueSerde as Serde<unknown>,
      repartitionRequired: false,
    }
    const source = new TableSource(plan, { name, store, keepsRows: options.store !== undefined })
    const node = new GraphNode(name, (writer, parents) => source.write(writer, parents), { reuseSourceTopic: () => source.reuseTopic(topic.name) })
    context.graph.add(node, plan.node)
    return tableOfSource(plan, node, source)
  }

  /** Adds a store for processors, which name it in their options. */
  addStateStore(store: StoreDefinition<unknown>): void {
    this.#stores.push(store.spec)
  }

  /** Reads all partitions of a topic into a table that every instance holds in full. */
  globalTable<K, V>(topic: Topic<K, V>, options: GlobalTableOptions<K, V> = {}): GlobalTable<NonNullable<K>, NonNullable<V>> {
    checkedTopic(topic, 'globalTable')
    const context = this.#context
    const request = { ...storeRequest(context, options, `${topic.name}-`), changelog: null, caching: false }
    if (request.versions !== null) throw new StreamError('TOPOLOGY_INVALID', `globalTable ${topic.name}: a global table keeps no rows of the past; leave out \`history\``)
    const sourceName = context.names.processorWithSuffix('KSTREAM-SOURCE-', options.name, '-source')
    const name = context.names.processor('KTABLE-SOURCE-', options.name)
    const store = tableStoreSpec(request, { keySerde: topic.keySerde as Serde<unknown>, valueSerde: topic.valueSerde as Serde<unknown> })
    const processor = { kind: 'tableSource' as const, name, parents: [sourceName], stores: [store.name], store: store.name, sendOldValues: false }
    this.#addGlobal(name, { source: sourceData(sourceName, [topic.name], { ...topic, options, isTable: true }), processor, store })
    return new GlobalTable({ store })
  }

  /** A store that every instance fills from all partitions of a topic with a processor of the program, which must not forward. */
  addGlobalStore<K, V>(definition: StoreDefinition<unknown>, topic: Topic<K, V>, factory: ProcessorFactory<K, V, never, never>): void {
    checkedTopic(topic, 'addGlobalStore')
    const { names } = this.#context
    const sourceName = names.processor('KSTREAM-SOURCE-')
    const name = names.processor('KTABLE-SOURCE-')
    const store = Object.freeze({ ...definition.spec, changelog: null, caching: false })
    const processor = {
      kind: 'processor' as const, name, parents: [sourceName], stores: [store.name], factory: factory as ProcessorFactory<never, never, never, never>, keepsKeys: false,
    }
    this.#addGlobal(name, { source: sourceData(sourceName, [topic.name], { ...topic, options: {}, isTable: true }), processor, store })
  }

  /**
   * The topology of the program so far. `optimization` makes it smaller at the price of other names: keep it as it is once
   * the application has state. @throws TOPOLOGY_INVALID for names given twice, topics read twice, and what else contradicts itself
   */
  build(options: BuildOptions = {}): Topology {
    const { graph } = this.#context
    if (graph.sources.length === 0) throw new StreamError('TOPOLOGY_INVALID', 'the program reads no topic: begin with builder.stream(topic) or builder.table(topic)')
    mergeEqualSources(graph)
    optimize(graph, new Set(optimizationsOf(options)))
    const writer = new TopologyWriter()
    for (const store of this.#stores) writer.addStore(store)
    graph.write(writer)
    return new Topology(writer.finish())
  }

  #stream<K, V>(topics: readonly string[] | RegExp, serdes: Pick<Topic<K, V>, 'keySerde' | 'valueSerde'>, options: SourceOptions<K, V>): Stream<K, V> {
    checkOptions('stream', options, sourceOptions)
    const context = this.#context
    const name = context.names.processor('KSTREAM-SOURCE-', options.name)
    const node = this.#source(name, topics, { ...serdes, options, isTable: false })
    return new Stream({
      context,
      node,
      sources: new Set([name]),
      keySerde: serdes.keySerde as Serde<unknown>,
      valueSerde: serdes.valueSerde as Serde<unknown>,
      repartitionRequired: false,
    })
  }

  #source<K, V>(name: string, topics: readonly string[] | RegExp, source: SourceData<K, V>): GraphNode {
    const data = sourceData(name, topics, source)
    const node = new SourceGraphNode(name, { topics, mergeable: !source.isTable, offsetReset: data.offsetReset }, writer => writer.addNode(data))
    this.#context.graph.add(node)
    return node
  }

  #addGlobal(name: string, global: Omit<GlobalStore, 'id'>): void {
    this.#context.graph.add(new GraphNode(name, writer => writer.addGlobalStore(global)))
  }
}

function optimizationsOf(options: BuildOptions): readonly Optimization[] {
  checkOptions('build', options, { optimization: true })
  const { optimization = 'none' } = options
  if (optimization === 'all') return allOptimizations
  if (optimization === 'none') return []
  const unknown = optimization.find(name => !allOptimizations.includes(name))
  if (unknown === undefined) return optimization
  throw new StreamError('INVALID_ARGUMENT', `there is no optimization ${JSON.stringify(unknown)}; known are ${allOptimizations.join(', ')}`)
}

interface SourceData<K, V> {
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  readonly options: NameOption & Pick<SourceOptions<K, V>, 'timestamp' | 'offsetReset'>
  readonly isTable: boolean
}

function sourceData<K, V>(name: string, topics: readonly string[] | RegExp, { keySerde, valueSerde, options, isTable }: SourceData<K, V>): SourceNode {
  return {
    kind: 'source',
    name,
    parents: [],
    stores: [],
    topics: topics instanceof RegExp ? [] : topics,
    pattern: topics instanceof RegExp ? topics : null,
    keySerde: keySerde as Serde<unknown>,
    valueSerde: valueSerde as Serde<unknown>,
    rejectsNullKey: !isTable && keySerde.rejectsNull === true,
    rejectsNullValue: !isTable && valueSerde.rejectsNull === true,
    timestampExtractor: (options.timestamp as TimestampExtractor | undefined) ?? null,
    offsetReset: offsetResetOf(options.offsetReset, name),
  }
}

export type GlobalTableOptions<K, V> = Pick<StoreOptions<K, V>, 'name' | 'store' | 'type'> & Pick<SourceOptions<K, V>, 'timestamp'>

/** Two streams of the same topics are one source that serves both. */
function mergeEqualSources(graph: Graph): void {
  const kept = new Map<string, SourceGraphNode>()
  const sources = graph.sources.filter(source => source instanceof SourceGraphNode && source.mergeable) as SourceGraphNode[]
  for (const source of sources) {
    for (const topic of topicsOf(source)) {
      const other = kept.get(topic)
      if (other === undefined) {
        kept.set(topic, source)
        continue
      }
      if (other === source) continue
      if (!sameTopics(other, source)) {
        throw new StreamError('TOPOLOGY_INVALID', `the topic ${topic} is read by two streams together with different other topics; read it once, and merge streams instead`)
      }
      if (JSON.stringify(source.offsetReset) !== JSON.stringify(other.offsetReset)) {
        throw new StreamError('TOPOLOGY_INVALID', `the topic ${topic} is read by two streams that begin at different places; give both the same offsetReset, or read it once and use that stream twice`)
      }
      graph.mergeSource(source, other)
      break
    }
  }
}

function topicsOf(source: SourceGraphNode): readonly string[] {
  return source.topics instanceof RegExp ? [`/${source.topics.source}/${source.topics.flags}`] : source.topics
}

function sameTopics(a: SourceGraphNode, b: SourceGraphNode): boolean {
  const inB = new Set(topicsOf(b))
  return topicsOf(a).length === inB.size && topicsOf(a).every(topic => inB.has(topic))
}

