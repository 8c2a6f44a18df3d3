import { bytesSerde } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { subscriptionAnswerSerde, subscriptionSerde } from './foreign-key-serde.ts'
import type { SubscriptionAnswer } from './foreign-key-serde.ts'
import type { AnyStoreOptions, KeyPartitioner } from './options.ts'
import { storesOfRows } from './plan.ts'
import type { TablePlan } from './plan.ts'
import { internalSource, sinkNode } from './repartition.ts'
import { storeRequest } from './store-request.ts'
import type { Table } from './table.ts'
import { TableSource, tableOfSource } from './table-source.ts'
import { GraphNode } from './topology/graph.ts'
import { checkedName } from './topology/names.ts'
import type { NameCounter } from './topology/names.ts'
import type { Joiner, Partitioner, RecordFunction, StoreSpec, TableRows } from './topology/node.ts'
import type { TopologyWriter } from './topology/topology-writer.ts'

interface ForeignKeyJoin {
  readonly join: 'inner' | 'left'
  readonly extractor: RecordFunction
  readonly joiner: Joiner
  readonly options: AnyStoreOptions & { readonly partitioner?: unknown; readonly otherPartitioner?: unknown }
}

/** Everything that the nodes of one join need to know, settled. */
interface Plan extends ForeignKeyJoin {
  readonly names: Names
  readonly left: TablePlan
  readonly right: TablePlan
  readonly leftRows: TableRows
  readonly rightRows: TableRows
  readonly partitioners: { readonly left: Partitioner | null; readonly right: Partitioner | null }
  readonly serdes: { readonly primaryKey: Serde<unknown>; readonly foreignKey: Serde<unknown>; readonly left: Serde<unknown>; readonly right: Serde<unknown> }
}

/**
 * Joins each left row with the right row whose key it names. The left side subscribes through a topic partitioned by the
 * foreign key and is answered through one partitioned by the primary key, so nothing needs to be co-partitioned.
 * Semantics: KTable's foreign-key join (KIP-213), with one answer per change.
 */
export function foreignKeyJoin<K, R>(left: TablePlan, right: TablePlan, request: ForeignKeyJoin): Table<K, R, null> {
  const { context } = left
  const { options } = request
  left.sendOldValues(true)
  right.sendOldValues(true)
  const names = namesOf(context.names, options.name === undefined ? undefined : checkedName(options.name))
  const store = storeRequest(context, options, 'KTABLE-FK-JOIN-OUTPUT-')
  const plan: Plan = {
    ...request, names, left, right, leftRows: left.rows(), rightRows: right.rows(),
    partitioners: { left: byKey(options.partitioner), right: byKey(options.otherPartitioner) },
    serdes: {
      primaryKey: left.keySerde ?? context.defaultKeySerde,
      foreignKey: right.keySerde ?? context.defaultKeySerde,
      left: left.valueSerde ?? context.defaultValueSerde,
      right: right.valueSerde ?? context.defaultValueSerde,
    },
  }
  const result = {
    context, sources: new Set([...left.sources, names.answerSource]), keySerde: left.keySerde, valueSerde: null, repartitionRequired: false,
  }
  let output: TableSource | null = null
  const node: GraphNode = new GraphNode(names.result, (writer) => {
    writeSubscriptions(writer, plan)
    writeAnswers(writer, plan)
    output!.write(writer, [names.resolver])
    writer.copartition(new Set([...left.sources, names.answerSource]))
  })
  output = new TableSource({ ...result, node }, { name: names.result, store, keepsRows: options.store !== undefined })
  context.graph.add(node, left.node, right.node)
  return tableOfSource({ ...result, node }, node, output)
}

/** Left rows on their way to the right table, and what it makes of them. */
function writeSubscriptions(writer: TopologyWriter, { names, left, right, rightRows, serdes, partitioners, join, extractor }: Plan): void {
  const store = subscriptionStore(names.store, serdes.primaryKey)
  const wire = { topic: names.subscriptionTopic, keySerde: serdes.foreignKey, valueSerde: store.valueSerde }
  writer.addRepartitionTopic({ name: names.subscriptionTopic, partitions: null })
  writer.addNode({
    kind: 'foreignKeySubscribe', name: names.subscribe, parents: [left.node.name], stores: [], join, extractor, foreignKeySerde: serdes.foreignKey, leftValueSerde: serdes.left,
  })
  writer.addNode(sinkNode(names.subscriptionSink, [names.subscribe], { ...wire, partitioner: partitioners.right ?? undefined }))
  writer.addNode(internalSource(names.subscriptionSource, names.subscriptionTopic, wire))
  writer.addNode({
    kind: 'foreignKeyReceive', name: names.receive, parents: [names.subscriptionSource], stores: [], store: store.name,
    foreignKeySerde: serdes.foreignKey, primaryKeySerde: serdes.primaryKey,
  })
  writer.addNode({ kind: 'foreignKeyLookUp', name: names.lookUp, parents: [names.receive], stores: storesOfRows(rightRows), rows: rightRows })
  writer.addNode({ kind: 'foreignKeyAnswer', name: names.answer, parents: [right.node.name], stores: [], store: store.name, foreignKeySerde: serdes.foreignKey })
  writer.addStore(store, names.receive, names.answer)
  writer.copartition(new Set([...right.sources, names.subscriptionSource]))
}

/** Right rows on their way back to those who asked. */
function writeAnswers(writer: TopologyWriter, { names, leftRows, serdes, partitioners, join, joiner }: Plan): void {
  const wire = { topic: names.answerTopic, keySerde: serdes.primaryKey, valueSerde: subscriptionAnswerSerde(serdes.right) as Serde<unknown> }
  writer.addRepartitionTopic({ name: names.answerTopic, partitions: null })
  writer.addNode(sinkNode(names.answerSink, [names.lookUp, names.answer], {
    ...wire,
    partitioner: partitioners.left ?? ((_topic, _key, answer) => (answer as SubscriptionAnswer).primaryPartition ?? undefined),
  }))
  writer.addNode(internalSource(names.answerSource, names.answerTopic, wire))
  writer.addNode({
    kind: 'foreignKeyResolve', name: names.resolver, parents: [names.answerSource], stores: storesOfRows(leftRows), join, joiner, rows: leftRows, leftValueSerde: serdes.left,
  })
}

/** A row that names no foreign key has no place of its own: it goes where the default sends it. */
function byKey(option: unknown): Partitioner | null {
  if (option === undefined) return null
  const partitionOf = option as KeyPartitioner<unknown>
  return (topic, key, _value, partitions) => (key === null ? undefined : partitionOf(topic, key, partitions))
}

function subscriptionStore(name: string, primaryKeySerde: Serde<unknown>): StoreSpec {
  return Object.freeze({
    name,
    type: 'timestamped-key-value',
    keySerde: bytesSerde as Serde<unknown>,
    valueSerde: subscriptionSerde(primaryKeySerde) as Serde<unknown>,
    persistent: true,
    caching: false,
    changelog: Object.freeze({ sourceTopic: null, topicConfig: Object.freeze({}) }),
    logsHeaders: true,
  })
}

type Names = ReturnType<typeof namesOf>

/** Numbers are used up in upstream's order, whether the program gives a name or not. */
function namesOf(counter: NameCounter, given: string | undefined) {
  const name = (prefix: string, suffix: string) => counter.processorWithSuffix(`KTABLE-${prefix}`, given, suffix)
  return {
    subscriptionTopic: `${name('FK-JOIN-SUBSCRIPTION-REGISTRATION-', '-subscription-registration')}-topic`,
    subscribe: name('FK-JOIN-SUBSCRIPTION-REGISTRATION-', '-subscription-registration-processor'),
    subscriptionSink: name('SINK-', '-subscription-registration-sink'),
    subscriptionSource: name('SOURCE-', '-subscription-registration-source'),
    store: name('FK-JOIN-SUBSCRIPTION-STATE-STORE-', '-subscription-store'),
    receive: name('FK-JOIN-SUBSCRIPTION-PROCESSOR-', '-subscription-receive'),
    lookUp: name('FK-JOIN-SUBSCRIPTION-PROCESSOR-', '-subscription-join-foreign'),
    answer: name('FK-JOIN-SUBSCRIPTION-PROCESSOR-', '-foreign-join-subscription'),
    answerTopic: `${name('FK-JOIN-SUBSCRIPTION-RESPONSE-', '-subscription-response')}-topic`,
    answerSink: name('SINK-', '-subscription-response-sink'),
    answerSource: name('SOURCE-', '-subscription-response-source'),
    resolver: name('FK-JOIN-SUBSCRIPTION-RESPONSE-RESOLVER-PROCESSOR-', '-subscription-response-resolver'),
    result: name('FK-JOIN-OUTPUT-', '-result'),
  }
}
