import type { MonoTypeOperatorFunction, Observable, OperatorFunction } from 'rxjs'
import { StreamError, checkOptions } from '../core/index.ts'
import type { Duration, Serde } from '../core/index.ts'
import { streamGlobalJoin } from './global-table.ts'
import type { GlobalJoinOptions, GlobalTable, GlobalTablePlan } from './global-table.ts'
import { GroupedStream } from './grouped-stream.ts'
import { asyncFields } from './map-async.ts'
import type { AsyncCallback, AsyncOptions } from './map-async.ts'
import { asksForStore, groupedOptions, nameOption, processOptions, sinkOptions } from './options.ts'
import type { DynamicSinkOptions, GroupedOptions, NameOption, RepartitionOptions, SinkOptions, StoreOptions } from './options.ts'
import { addOperator, keys, planKey, planOf } from './plan.ts'
import type { NodeFields, StreamPlan, TablePlan } from './plan.ts'
import { printer } from './print.ts'
import type { PrintOptions } from './print.ts'
import { addProcessor } from './processing.ts'
import type { ProcessOptions } from './processing.ts'
import type { ProcessorFactory } from './processor.ts'
import { repartitionNode, sinkNode, windowedPartitioner } from './repartition.ts'
import { Subject } from './rx.ts'
import { SplitStream } from './split.ts'
import { storeRequest } from './store-request.ts'
import type { StreamRecord } from './stream-record.ts'
import { streamStreamJoin } from './stream-stream-join.ts'
import type { StreamJoinOptions } from './stream-stream-join.ts'
import { streamTableJoin } from './stream-table-join.ts'
import type { JoinOptions } from './stream-table-join.ts'
import type { Table } from './table.ts'
import { tableSource } from './table-source.ts'
import { checkedTopic, serdeOf } from './topic.ts'
import { GraphNode } from './topology/graph.ts'
import { checkedName } from './topology/names.ts'
import type { GraphTraits } from './topology/graph.ts'
import type { Joiner, Partitioner, PipeOperator, RecordFunction } from './topology/node.ts'

/** A function of the program: value first, then the key, then the whole record (never change it). */
export type RecordCallback<K, V, R> = (value: V, key: K, record: StreamRecord<K, V>) => R

/** A table never has a row without a key; a stream may have records without one, which meet none. */
type TableOf<K, V, Gone extends null> = Table<K, V, Gone> | Table<NonNullable<K>, V, Gone>

/** What a stream can be written to: a topic whose types take the stream's. A null key or value needs no serde. */
export interface SinkTopic<K, V> {
  readonly name: string
  readonly keySerde: { readonly serialize: (key: NonNullable<K>) => Uint8Array }
  readonly valueSerde: { readonly serialize: (value: NonNullable<V>) => Uint8Array }
}

/**
 * An endless sequence of records, each a fact of its own. Immutable: every method adds an operator to the builder's
 * program and gives a new stream; using one stream twice sends every record both ways. Semantics: Kafka Streams' KStream.
 */
export class Stream<K, V> {
  /** Only for the compiler, which names it where keys do not fit: nothing is here. */
  declare readonly [keys]: K
  readonly [planKey]: StreamPlan

  constructor(plan: StreamPlan) {
    this[planKey] = plan
  }

  /** Keeps the records for which the predicate holds. */
  filter<Kept extends V>(predicate: (value: V, key: K, record: StreamRecord<K, V>) => value is Kept, options?: NameOption): Stream<K, Kept>
  filter(predicate: RecordCallback<K, V, boolean>, options?: NameOption): Stream<K, V>
  filter(predicate: RecordCallback<K, V, boolean>, options: NameOption = {}): Stream<K, V> {
    return this.#same('KSTREAM-FILTER-', options, { kind: 'filter', predicate: erased(predicate), negate: false })
  }

  /** Drops the records for which the predicate holds. */
  filterNot(predicate: RecordCallback<K, V, boolean>, options: NameOption = {}): Stream<K, V> {
    return this.#same('KSTREAM-FILTER-', options, { kind: 'filter', predicate: erased(predicate), negate: true })
  }

  /** New key and value per record. What needs equal keys together after this goes through a repartition topic. */
  map<K2, V2>(mapper: RecordCallback<K, V, readonly [K2, V2]>, options: NameOption = {}): Stream<K2, V2> {
    return this.#next('KSTREAM-MAP-', options, { kind: 'map', mapper: erased(mapper) }, rekeyed)
  }

  /** New value, same key. */
  mapValues<V2>(mapper: RecordCallback<K, V, V2>, options: NameOption = {}): Stream<K, V2> {
    return this.#next('KSTREAM-MAPVALUES-', options, { kind: 'mapValues', mapper: erased(mapper) }, { valueSerde: null })
  }

  /** Any number of `[key, value]` pairs per record, in order; all with the record's timestamp and headers. */
  flatMap<K2, V2>(mapper: RecordCallback<K, V, Iterable<readonly [K2, V2]>>, options: NameOption = {}): Stream<K2, V2> {
    return this.#next('KSTREAM-FLATMAP-', options, { kind: 'flatMap', mapper: erased(mapper) }, rekeyed)
  }

  /** Any number of values per record, in order, same key. */
  flatMapValues<V2>(mapper: RecordCallback<K, V, Iterable<V2>>, options: NameOption = {}): Stream<K, V2> {
    return this.#next('KSTREAM-FLATMAPVALUES-', options, { kind: 'flatMapValues', mapper: erased(mapper) }, { valueSerde: null })
  }

  /** New key, same value. */
  selectKey<K2>(selector: RecordCallback<K, V, K2>, options: NameOption = {}): Stream<K2, V> {
    return this.#next('KSTREAM-KEY-SELECT-', options, { kind: 'selectKey', selector: erased(selector) }, { keySerde: null, repartitionRequired: true })
  }

  /** Looks at every record. Runs again for a record that is processed again after a failure. */
  peek(action: RecordCallback<K, V, void>, options: NameOption = {}): Stream<K, V> {
    return this.#same('KSTREAM-PEEK-', options, { kind: 'peek', action: erased(action) })
  }

  /** Ends the stream with an action. Runs again for a record that is processed again after a failure. */
  forEach(action: RecordCallback<K, V, void>, options: NameOption = {}): void {
    this.#same('KSTREAM-FOREACH-', options, { kind: 'forEach', action: erased(action) })
  }

  /** Writes each record as a line to standard output, or where the options say: `[label]: key, value`. For a look while developing. */
  print(options: PrintOptions<K, V> = {}): void {
    const { name } = this[planKey].node
    checkOptions('print', options, { name: true, label: true, format: true, write: true })
    this.#same('KSTREAM-PRINTER-', nameOf(options), { kind: 'forEach', action: erased(printer(name, options)) })
  }

  /**
   * The records as an RxJS Observable, hot: observers see what comes after they subscribed, in this process, and each record
   * once it is committed; what is rolled back is never seen. It does not complete.
   */
  asObservable(options: NameOption = {}): Observable<StreamRecord<K, V>> {
    checkOptions('asObservable', options, nameOption)
    const subject = new Subject<StreamRecord>()
    this.#same('KSTREAM-OBSERVE-', options, { kind: 'observe', subject })
    return subject.asObservable() as Observable<StreamRecord<K, V>>
  }

  /** Both streams in one; records keep the order of their own stream, and no order between the two. */
  merge<V2>(other: Stream<K, V2>, options: NameOption = {}): Stream<K, V | V2> {
    checkOptions('merge', options, nameOption)
    const { context, node, sources, repartitionRequired, keySerde } = this[planKey]
    const plan = planOf(other, 'merge', 'stream')
    const name = context.names.processor('KSTREAM-MERGE-', options.name)
    return context.stream({
      context,
      node: addOperator(context, name, [node, plan.node], () => ({ kind: 'passThrough' }), { isMerge: true }),
      sources: new Set([...sources, ...plan.sources]),
      keySerde,
      valueSerde: this[planKey].valueSerde === plan.valueSerde ? plan.valueSerde : null,
      repartitionRequired: repartitionRequired || plan.repartitionRequired,
    })
  }

  /**
   * Puts synchronous RxJS operators into the stream; they see and emit `StreamRecord`s (`record.withValue(…)` makes one of
   * another). An operator that holds records back and emits them later loses what it holds when the task is rebuilt: keep
   * state in stores. Emitting outside of an incoming record, from a timer say, is an error.
   */
  pipe(...operators: readonly MonoTypeOperatorFunction<StreamRecord<K, V>>[]): Stream<K, V>
  pipe<K2, V2>(operator: OperatorFunction<StreamRecord<K, V>, StreamRecord<K2, V2>>): Stream<K2, V2>
  pipe<R, K2, V2>(first: OperatorFunction<StreamRecord<K, V>, R>, second: OperatorFunction<R, StreamRecord<K2, V2>>): Stream<K2, V2>
  pipe<R, S, K2, V2>(
    first: OperatorFunction<StreamRecord<K, V>, R>, second: OperatorFunction<R, S>, third: OperatorFunction<S, StreamRecord<K2, V2>>,
  ): Stream<K2, V2>
  pipe(...operators: readonly PipeOperator[]): unknown {
    return this.#next('KSTREAM-PIPE-', {}, { kind: 'pipe', operators: Object.freeze([...operators]) }, rekeyed)
  }

  /**
   * A new value per record from a function that waits: a look-up over the network, say. Calls overlap, results keep their
   * order. A commit waits for the calls under way, so after a crash calls may be made again, and none is left out: the function
   * should be one that can be repeated. A call that fails, or takes longer than `timeout`, is what `onProcessingError` is about.
   */
  mapAsync<V2>(callback: AsyncCallback<K, V, V2>, options: AsyncOptions = {}): Stream<K, V2> {
    const { keySerde, context } = this[planKey]
    const call = callback as AsyncCallback<unknown, unknown, unknown>
    return this.#next('KSTREAM-MAPASYNC-', nameOf(options), { kind: 'mapAsync', call, keySerde: keySerde ?? context.defaultKeySerde, ...asyncFields(options) }, { valueSerde: null })
  }

  /** An operator of the program's own, which may change keys. Its stores are named in the options. */
  process<K2, V2>(factory: ProcessorFactory<K, V, K2, V2>, options: ProcessOptions = {}): Stream<K2, V2> {
    checkOptions('process', options, processOptions)
    return addProcessor(this[planKey], factory as ProcessorFactory<never, never, never, never>, options, false)
  }

  /** As `process`, for one that forwards records only under the key they came with, so that nothing is repartitioned. */
  processValues<V2>(factory: ProcessorFactory<K, V, K, V2>, options: ProcessOptions = {}): Stream<K, V2> {
    checkOptions('processValues', options, processOptions)
    return addProcessor(this[planKey], factory as ProcessorFactory<never, never, never, never>, options, true)
  }

  /** Sends each record to the first of several streams whose predicate holds. */
  split(options: NameOption = {}): SplitStream<K, V, Readonly<Record<never, never>>> {
    checkOptions('split', options, nameOption)
    return new SplitStream(this[planKey], options.name)
  }

  /** Groups by the key the records have. */
  groupByKey(options: GroupedOptions<K, V> = {}): GroupedStream<K, V> {
    checkOptions('groupByKey', options, groupedOptions)
    return new GroupedStream<K, V>(this.#withSerdes(options), options.name)
  }

  /** Groups by a key computed from the record; a record whose key is null is left out. */
  groupBy<K2>(selector: RecordCallback<K, V, K2>, options: GroupedOptions<K2, V> = {}): GroupedStream<NonNullable<K2>, V> {
    checkOptions('groupBy', options, groupedOptions)
    const { context, node } = this[planKey]
    const name = context.names.processor('KSTREAM-KEY-SELECT-', options.name)
    const keyed = addOperator(context, name, [node], () => ({ kind: 'selectKey', selector: erased(selector) }), { changesKey: true })
    const plan = { ...this.#withSerdes({ ...options, key: undefined }), node: keyed, repartitionRequired: true }
    return new GroupedStream(withKeyFormat(plan, options.key), options.name)
  }

  /** Sends the records through a topic of the application's own, partitioned by their keys. */
  repartition(options: RepartitionOptions<K, V> = {}): Stream<K, V> {
    checkOptions('repartition', options, { ...sinkOptions, partitions: true })
    const plan = this.#withSerdes(options)
    const { context } = plan
    const prefix = options.name === undefined ? context.names.processor('KSTREAM-REPARTITION-') : checkedName(options.name)
    const keySerde = plan.keySerde ?? context.defaultKeySerde
    const node = repartitionNode(plan, {
      prefix,
      keySerde,
      valueSerde: plan.valueSerde ?? context.defaultValueSerde,
      partitions: options.partitions,
      isGiven: true,
      partitioner: options.partitioner as Partitioner | undefined,
    })
    context.graph.add(node, plan.node)
    return context.stream({ ...plan, node, keySerde, sources: new Set([node.name]), repartitionRequired: false })
  }

  /** Reads the stream as the rows of a table: a record sets the row of its key, a null value deletes it, a null key is dropped. */
  toTable(options: StoreOptions<K, V> = {}): Table<NonNullable<K>, NonNullable<V>> {
    const plan = this.#withSerdes(options)
    const { context } = plan
    const name = context.names.processor('KSTREAM-TOTABLE-', options.name)
    const store = storeRequest(context, options, 'KSTREAM-TOTABLE-')
    let { node, sources } = plan
    if (plan.repartitionRequired) {
      node = repartitionNode(plan, {
        prefix: name, keySerde: plan.keySerde ?? context.defaultKeySerde, valueSerde: plan.valueSerde ?? context.defaultValueSerde,
      })
      sources = new Set([node.name])
      context.graph.add(node, plan.node)
    }
    return tableSource({ ...plan, sources }, { name, store, parent: node, keepsRows: asksForStore(options) && options.store !== undefined })
  }

  /**
   * With a stream: every pair of records of one key that lie within the windows. With a table: each record with the row of
   * its key at that moment; with a global table, the row that `on` names. What has no partner is left out.
   */
  join<GK, V2, R>(table: GlobalTable<GK, V2>, joiner: (value: V, row: V2, key: K) => R, options: GlobalJoinOptions<K, V, GK>): Stream<K, R>
  join<V2, R, Gone extends null = null>(table: TableOf<K, V2, Gone>, joiner: (value: V, row: V2, key: K) => R, options?: JoinOptions<K, V>): Stream<K, R>
  join<V2, R>(other: Stream<K, V2>, joiner: (value: V, other: V2, key: K) => R, options: StreamJoinOptions<K, V, V2>): Stream<K, R>
  join<V2, Gone extends null = null>(other: TableOf<K, V2, Gone> | Stream<K, V2> | GlobalTable<unknown, V2>, joiner: JoinWithoutOptions<K, V, V2>): never
  join(other: JoinPartner, joiner: (...sides: never[]) => unknown, options: AnyJoinOptions = {}): unknown {
    return this.#join('inner', other, joiner as Joiner, options)
  }

  /** As `join`; a record of this stream without a partner is joined with null (with a stream: once its window has closed). */
  leftJoin<GK, V2, R>(table: GlobalTable<GK, V2>, joiner: (value: V, row: V2 | null, key: K) => R, options: GlobalJoinOptions<K, V, GK>): Stream<K, R>
  leftJoin<V2, R, Gone extends null = null>(table: TableOf<K, V2, Gone>, joiner: (value: V, row: V2 | null, key: K) => R, options?: JoinOptions<K, V>): Stream<K, R>
  leftJoin<V2, R>(other: Stream<K, V2>, joiner: (value: V, other: V2 | null, key: K) => R, options: StreamJoinOptions<K, V, V2>): Stream<K, R>
  leftJoin<V2, Gone extends null = null>(other: TableOf<K, V2, Gone> | Stream<K, V2> | GlobalTable<unknown, V2>, joiner: JoinWithoutOptions<K, V, V2 | null>): never
  leftJoin(other: JoinPartner, joiner: (...sides: never[]) => unknown, options: AnyJoinOptions = {}): unknown {
    return this.#join('left', other, joiner as Joiner, options)
  }

  /** As `leftJoin` with a stream, for records of either stream. */
  outerJoin<V2, R>(other: Stream<K, V2>, joiner: (value: V | null, other: V2 | null, key: K) => R, options: StreamJoinOptions<K, V, V2>): Stream<K, R> {
    return streamStreamJoin(this[planKey], planOf(other, 'outerJoin', 'stream'), { join: 'outer', joiner: joiner as Joiner, options })
  }

  /** Writes the records to a topic; a null value becomes a tombstone. With a function, each record says its topic. */
  to(topic: RecordCallback<K, V, string>, options?: DynamicSinkOptions<K, V>): void
  to(topic: SinkTopic<K, V>, options?: SinkOptions<K, V>): void
  to(topic: SinkTopic<K, V> | RecordCallback<K, V, string>, options: DynamicSinkOptions<K, V> = {}): void {
    checkOptions('to', options, sinkOptions)
    const { context, node, keySerde, valueSerde } = this[planKey]
    const name = context.names.processor('KSTREAM-SINK-', options.name)
    const target = typeof topic === 'function'
      ? {
          topic: erased(topic),
          keySerde: options.key === undefined ? keySerde ?? context.defaultKeySerde : serdeOf(options.key, `${name}: key`),
          valueSerde: options.value === undefined ? valueSerde ?? context.defaultValueSerde : serdeOf(options.value, `${name}: value`),
        }
      : { topic: checkedTopic(topic, 'to').name, keySerde: topic.keySerde as Serde<unknown>, valueSerde: topic.valueSerde as Serde<unknown> }
    const partitioner = (options.partitioner as Partitioner | undefined) ?? windowedPartitioner(target.keySerde)
    const sink = new GraphNode(name, (writer, parents) => writer.addNode(sinkNode(name, parents, { ...target, partitioner })))
    context.graph.add(sink, node)
  }

  #join(join: 'inner' | 'left', other: JoinPartner, joiner: Joiner, options: AnyJoinOptions): Stream<K, unknown> {
    const plan = planOf(other, 'join', 'stream or table')
    if ('rows' in plan) {
      checkOptions('join with a table', options as JoinOptions<never, never>, { ...groupedOptions, grace: true })
      return streamTableJoin(this[planKey], plan, { ...options, join, joiner })
    }
    if ('store' in plan) {
      if (options.on === undefined) throw new StreamError('INVALID_ARGUMENT', 'join: say which row of the global table a record needs, as in { on: (value) => value.userId }')
      checkOptions('join with a global table', options as NameOption & { readonly on: unknown }, { name: true, on: true })
      return streamGlobalJoin(this[planKey], plan, { join, joiner, on: options.on as RecordFunction, name: options.name })
    }
    return streamStreamJoin(this[planKey], plan, { join, joiner, options: options as StreamJoinOptions<never, never, never> })
  }

  #same(prefix: string, options: NameOption, fields: NodeFields): Stream<K, V> {
    return this.#next(prefix, options, fields, {})
  }

  #next<K2, V2>(prefix: string, options: NameOption, fields: NodeFields, change: Partial<StreamPlan>): Stream<K2, V2> {
    checkOptions(fields.kind, options, nameOption)
    const plan = this[planKey]
    const name = plan.context.names.processor(prefix, options.name)
    const node = addOperator(plan.context, name, [plan.node], () => fields, traitsOf(change))
    return plan.context.stream({ ...plan, ...change, node })
  }

  #withSerdes(options: { readonly key?: unknown; readonly value?: unknown }): StreamPlan {
    const plan = this[planKey]
    const valueSerde = options.value === undefined ? plan.valueSerde : serdeOf(options.value, 'value')
    return withKeyFormat({ ...plan, valueSerde }, options.key, plan.keySerde)
  }
}

function nameOf({ name }: NameOption): NameOption {
  return name === undefined ? {} : { name }
}

/** No function is one: a join that names neither windows nor a row does not compile, and this is what the compiler says. */
export interface JoinWithoutOptions<K, V, V2> {
  (value: V, other: V2, key: K): unknown
  readonly "a third argument: { within: joinWithin('5m') } for a stream, { on: (value) => value.id } for a global table": never
}

function traitsOf(change: Partial<StreamPlan>): GraphTraits {
  if (change.repartitionRequired === true) return { changesKey: true }
  return change.valueSerde === null ? { changesValue: true } : {}
}

interface JoinPartner {
  readonly [planKey]: StreamPlan | TablePlan | GlobalTablePlan
}

type AnyJoinOptions = { readonly name?: string; readonly key?: unknown; readonly value?: unknown; readonly grace?: Duration; readonly on?: unknown }

const rekeyed: Partial<StreamPlan> = { keySerde: null, valueSerde: null, repartitionRequired: true }

function withKeyFormat(plan: StreamPlan, format: unknown, inherited: Serde<unknown> | null = null): StreamPlan {
  return { ...plan, keySerde: format === undefined ? inherited : serdeOf(format, 'key') }
}

/** The types of keys and values have been checked by the compiler; the topology knows none. */
function erased<K, V, R>(callback: RecordCallback<K, V, R>): RecordFunction<R> {
  return callback as RecordFunction<R>
}
