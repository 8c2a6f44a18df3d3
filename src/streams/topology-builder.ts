import { StreamError, bytesSerde, checkOptions } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { offsetResetOf } from './options.ts'
import type { SourceOptions } from './options.ts'
import type { ProcessorFactory } from './processor.ts'
import { ownStores, storeName } from './processing.ts'
import { sinkNode } from './repartition.ts'
import type { StoreDefinition } from './stores.ts'
import { checkedTopicName, serdeOf } from './topic.ts'
import type { Format, Topic } from './topic.ts'
import { checkedName } from './topology/names.ts'
import type { Partitioner, ProcessorNode, RecordFunction, SourceNode, TimestampExtractor } from './topology/node.ts'
import { TopologyWriter } from './topology/topology-writer.ts'
import { Topology } from './topology/topology.ts'
import type { StreamRecord } from './stream-record.ts'

export type SourceNodeOptions<K, V> = Pick<SourceOptions<K, V>, 'timestamp' | 'offsetReset'>

export interface ProcessorNodeOptions {
  /** Nodes whose records the processor gets. */
  readonly parents: readonly string[]
  /** Stores that it uses: names of stores that are added before `build`, or definitions, which are added. */
  readonly stores?: readonly (string | StoreDefinition<unknown>)[]
}

export interface SinkNodeOptions {
  readonly parents: readonly string[]
  /** Where the topic comes from the record. Default: bytes as they are. */
  readonly key?: Format<never>
  readonly value?: Format<never>
  /** Partition for a record. Default: by the key. */
  readonly partitioner?: Partitioner
}

const storeSourceOptions = { name: true, topic: true, processor: true, factory: true } as const

/**
 * A topology written node by node, for programs that the fluent surface does not fit. Every method checks what it is
 * given at once. Semantics: `Topology` of Kafka Streams.
 */
export class TopologyBuilder {
  readonly #writer = new TopologyWriter()

  /** Reads topics of one type. @throws TOPOLOGY_INVALID for a name or a topic that is taken */
  addSource<K, V>(name: string, topics: Topic<K, V> | readonly Topic<K, V>[], options: SourceNodeOptions<K, V> = {}): this {
    checkOptions(`source ${name}`, options, { timestamp: true, offsetReset: true })
    const source = sourceNode(name, [topics].flat() as readonly Topic<K, V>[], options)
    if (source.topics.length === 0) throw new StreamError('TOPOLOGY_INVALID', `the source ${name} has no topics`)
    const twice = source.topics.find((topic, index) => source.topics.indexOf(topic) !== index)
    if (twice !== undefined) throw new StreamError('TOPOLOGY_INVALID', `the source ${name} names the topic ${twice} twice`)
    this.#writer.addNode(source)
    return this
  }

  /** @throws TOPOLOGY_INVALID for a name that is taken or a parent that does not exist */
  addProcessor<K, V, K2, V2>(name: string, factory: ProcessorFactory<K, V, K2, V2>, options: ProcessorNodeOptions): this {
    checkOptions(`processor ${name}`, options, { parents: true, stores: true })
    const { parents, stores = [] } = options
    this.#writer.addNode(processorNode(name, factory as ProcessorFactory<never, never, never, never>, { parents: checkedParents(name, parents), stores: stores.map(storeName) }))
    for (const spec of ownStores(stores)) this.#writer.addStore(spec, name)
    return this
  }

  /** Writes a topic; with a function, each record says which. */
  addSink<K, V>(name: string, topic: Topic<K, V> | ((value: V, key: K, record: StreamRecord<K, V>) => string), options: SinkNodeOptions): this {
    checkOptions(`sink ${name}`, options, { parents: true, key: true, value: true, partitioner: true })
    const target = typeof topic === 'function'
      ? { topic: topic as RecordFunction<string>, keySerde: serdeOf(options.key, `${name}: key`), valueSerde: serdeOf(options.value, `${name}: value`) }
      : { topic: checkedTopicName(topic.name), keySerde: topic.keySerde as Serde<unknown>, valueSerde: topic.valueSerde as Serde<unknown> }
    this.#writer.addNode(sinkNode(checkedName(name), checkedParents(name, options.parents), { ...target, partitioner: options.partitioner }))
    return this
  }

  /** Adds a store and connects it with processors. */
  addStateStore(store: StoreDefinition<unknown>, ...processors: readonly string[]): this {
    this.#writer.addStore(store.spec, ...processors)
    return this
  }

  /** Lets a processor use stores that were added, or will be. */
  connect(processor: string, ...stores: readonly string[]): this {
    if (stores.length === 0) throw new StreamError('TOPOLOGY_INVALID', `connect: name the stores that ${processor} is to use`)
    this.#writer.connect(processor, stores)
    return this
  }

  /**
   * A store that is filled from a topic, by the processor `factory` makes, and needs no changelog: the topic is it. Other
   * processors may read it.
   */
  addReadOnlyStateStore<K, V>(
    store: StoreDefinition<unknown>,
    source: { readonly name: string; readonly topic: Topic<K, V>; readonly processor: string; readonly factory: ProcessorFactory<K, V, never, never> },
  ): this {
    checkOptions('addReadOnlyStateStore', source, storeSourceOptions)
    const changelog = Object.freeze({ sourceTopic: checkedTopicName(source.topic.name), topicConfig: Object.freeze({}) })
    this.addSource(source.name, source.topic)
    this.addProcessor(source.processor, source.factory, { parents: [source.name] })
    this.#writer.addStore(Object.freeze({ ...store.spec, changelog }), source.processor)
    return this
  }

  /** A store that every instance fills from all partitions of a topic, by the processor `factory` makes, which must not forward. All processors may read it. */
  addGlobalStore<K, V>(
    store: StoreDefinition<unknown>,
    source: { readonly name: string; readonly topic: Topic<K, V>; readonly processor: string; readonly factory: ProcessorFactory<K, V, never, never> },
  ): this {
    checkOptions('addGlobalStore', source, storeSourceOptions)
    this.#writer.addGlobalStore({
      source: sourceNode(source.name, [source.topic], {}),
      processor: processorNode(source.processor, source.factory as ProcessorFactory<never, never, never, never>, { parents: [source.name], stores: [store.spec.name] }),
      store: Object.freeze({ ...store.spec, changelog: null, caching: false }),
    })
    return this
  }

  /** @throws TOPOLOGY_INVALID when a processor uses a store that was not added */
  build(): Topology {
    return new Topology(this.#writer.finish())
  }
}

function sourceNode<K, V>(name: string, topics: readonly Topic<K, V>[], options: SourceNodeOptions<K, V>): SourceNode {
  return {
    kind: 'source',
    name: checkedName(name),
    parents: [],
    stores: [],
    topics: topics.map((topic) => checkedTopicName(topic.name)),
    pattern: null,
    keySerde: (topics[0]?.keySerde ?? bytesSerde) as Serde<unknown>,
    valueSerde: (topics[0]?.valueSerde ?? bytesSerde) as Serde<unknown>,
    rejectsNullKey: topics[0]?.keySerde.rejectsNull === true,
    rejectsNullValue: topics[0]?.valueSerde.rejectsNull === true,
    timestampExtractor: (options.timestamp as TimestampExtractor | undefined) ?? null,
    offsetReset: offsetResetOf(options.offsetReset, name),
  }
}

function checkedParents(name: string, parents: readonly string[]): readonly string[] {
  if (parents.length > 0) return parents
  throw new StreamError('TOPOLOGY_INVALID', `${name} has no parents, so it would never get a record`)
}

function processorNode(name: string, factory: ProcessorFactory<never, never, never, never>, connected: { readonly parents: readonly string[]; readonly stores: readonly string[] }): ProcessorNode {
  return { kind: 'processor', name: checkedName(name), ...connected, factory, keepsKeys: false }
}
