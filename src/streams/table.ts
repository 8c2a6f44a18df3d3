import type { Observable } from 'rxjs'
import { checkOptions } from '../core/index.ts'
import { foreignKeyJoin } from './foreign-key-join.ts'
import { GroupedTable } from './grouped-table.ts'
import { asksForStore, groupedOptions, nameOption } from './options.ts'
import type { AnyStoreOptions, ForeignKeyJoinOptions, GroupedOptions, NameOption, StoreOptions } from './options.ts'
import { addOperator, keys, planKey, planOf } from './plan.ts'
import type { NodeFields, TablePlan } from './plan.ts'
import { storeRequest, tableStoreSpec } from './store-request.ts'
import type { StreamRecord } from './stream-record.ts'
import type { RecordCallback, Stream } from './stream.ts'
import { suppress } from './suppress.ts'
import type { SuppressOptions } from './suppress.ts'
import { tableJoin } from './table-join.ts'
import { transformTable } from './table-transform.ts'
import type { TransformOptions } from './table-transform.ts'
import { serdeOf } from './topic.ts'
import { GraphNode } from './topology/graph.ts'
import type { Joiner, RecordFunction, StoreSpec, TableRows, TopologyNode } from './topology/node.ts'
import type { ValueTransformerFactory } from './value-transformer.ts'

/**
 * A table: the latest row of every key, and the changes that lead to it. `Gone` is null where rows can be deleted, and
 * never where they cannot. Immutable: every method adds an operator and gives a new table. Semantics: Kafka Streams' KTable.
 */
export class Table<K, V, Gone extends null = null> {
  /** Only for the compiler, which names it where keys do not fit: nothing is here. */
  declare readonly [keys]: K
  readonly [planKey]: TablePlan

  constructor(plan: TablePlan) {
    this[planKey] = plan
  }

  /** The rows for which the predicate holds; one that no longer does is deleted from the result. */
  filter(predicate: RecordCallback<K, V, boolean>, options: StoreOptions<K, V> = {}): Table<K, V, null> {
    return this.#filter(predicate, false, options)
  }

  /** The rows for which the predicate does not hold. */
  filterNot(predicate: RecordCallback<K, V, boolean>, options: StoreOptions<K, V> = {}): Table<K, V, null> {
    return this.#filter(predicate, true, options)
  }

  /** A row for every row; null deletes it. Not called for deletions. */
  mapValues<V2>(mapper: RecordCallback<K, V, V2>, options: StoreOptions<K, V2> = {}): Table<K, NonNullable<V2>, Gone | (null extends V2 ? null : never)> {
    const mapRow = mapper as RecordFunction
    return this.#derived('KTABLE-MAPVALUES-', options, {
      fields: (store, sendOldValues) => ({ kind: 'tableMapValues', mapper: mapRow, store, sendOldValues }),
      rows: parent => ({ from: 'mapValues', parent, mapper: mapRow }),
      keepsValueSerde: false,
    })
  }

  /** The changes as a stream; a deleted row is a record with the value null. */
  toStream(options: NameOption = {}): Stream<K, V | Gone> {
    checkOptions('toStream', options, nameOption)
    const plan = this[planKey]
    const { context, node, sources, keySerde, valueSerde } = plan
    const name = context.names.processor('KTABLE-TOSTREAM-', options.name)
    return context.stream({
      context,
      node: addOperator(context, name, [node], () => ({ kind: 'tableToStream' })),
      sources, keySerde, valueSerde,
      repartitionRequired: false,
    })
  }

  /** The changes as an RxJS Observable, as `asObservable` of a stream; a deleted row has the value null. */
  asObservable(options: NameOption = {}): Observable<StreamRecord<K, V | Gone>> {
    return this.toStream().asObservable(options)
  }

  /** Groups the rows by a key computed from them, for aggregation with an adder and a subtractor. Always through a repartition topic. */
  groupBy<K2, V2>(selector: RecordCallback<K, V, readonly [K2, V2]>, options: GroupedOptions<K2, V2> = {}): GroupedTable<NonNullable<K2>, NonNullable<V2>> {
    checkOptions('groupBy', options, groupedOptions)
    const plan = this[planKey]
    const { context } = plan
    const name = context.names.processor('KTABLE-SELECT-', options.name)
    plan.sendOldValues(true)
    const node = addOperator(context, name, [plan.node], () => ({ kind: 'tableGroupSelect', mapper: selector as RecordFunction<readonly [unknown, unknown]> }))
    return new GroupedTable({
      plan: {
        ...plan,
        node,
        keySerde: options.key === undefined ? null : serdeOf(options.key, `${name}: key`),
        valueSerde: options.value === undefined ? null : serdeOf(options.value, `${name}: value`),
      },
      name: options.name ?? null,
    })
  }

  /** Rows of keys that are in both tables. Either side's change updates the result. */
  join<V2, R, Gone2 extends null = null>(other: Table<K, V2, Gone2>, joiner: (row: V, otherRow: V2, key: K) => R, options: StoreOptions<K, R> = {}): Table<K, NonNullable<R>, null> {
    return tableJoin(this[planKey], planOf(other, 'join', 'table'), { join: 'inner', joiner: joiner as Joiner, options })
  }

  /** Rows of this table, with the other's row of the same key or null. */
  leftJoin<V2, R, Gone2 extends null = null>(other: Table<K, V2, Gone2>, joiner: (row: V, otherRow: V2 | null, key: K) => R, options: StoreOptions<K, R> = {}): Table<K, NonNullable<R>, null> {
    return tableJoin(this[planKey], planOf(other, 'leftJoin', 'table'), { join: 'left', joiner: joiner as Joiner, options })
  }

  /** Rows of keys that are in either table, with null for the side that has none. */
  outerJoin<V2, R, Gone2 extends null = null>(other: Table<K, V2, Gone2>, joiner: (row: V | null, otherRow: V2 | null, key: K) => R, options: StoreOptions<K, R> = {}): Table<K, NonNullable<R>, null> {
    return tableJoin(this[planKey], planOf(other, 'outerJoin', 'table'), { join: 'outer', joiner: joiner as Joiner, options })
  }

  /**
   * Each row of this table with the other's row whose key it names; a row that names none, or one that is not there, is
   * left out. The result has this table's keys. Nothing needs to be co-partitioned; where a table's topic is not partitioned by
   * the default, `partitioner` and `otherPartitioner` say how. Semantics: KTable's foreign-key join.
   */
  joinOn<K2, V2, R, Gone2 extends null = null>(
    other: Table<K2, V2, Gone2>, foreignKey: (row: V, key: K) => K2 | null, joiner: (row: V, otherRow: V2, key: K) => R, options: ForeignKeyJoinOptions<K, K2, R> = {},
  ): Table<K, NonNullable<R>, null> {
    return foreignKeyJoin(this[planKey], planOf(other, 'joinOn', 'table'), { join: 'inner', extractor: foreignKey as RecordFunction, joiner: joiner as Joiner, options })
  }

  /** As `joinOn`, with null where there is no such row. */
  leftJoinOn<K2, V2, R, Gone2 extends null = null>(
    other: Table<K2, V2, Gone2>, foreignKey: (row: V, key: K) => K2 | null, joiner: (row: V, otherRow: V2 | null, key: K) => R, options: ForeignKeyJoinOptions<K, K2, R> = {},
  ): Table<K, NonNullable<R>, null> {
    return foreignKeyJoin(this[planKey], planOf(other, 'leftJoinOn', 'table'), { join: 'left', extractor: foreignKey as RecordFunction, joiner: joiner as Joiner, options })
  }

  /**
   * A row for every row, by a transformer that may keep state in `stores`; it is asked for deletions as well. Where the
   * result is looked up, it is kept.
   */
  transformValues<R>(factory: ValueTransformerFactory<K, V, R>, options: TransformOptions<K, R> = {}): Table<K, NonNullable<R>, null> {
    return transformTable(this[planKey], factory as ValueTransformerFactory<never, never, unknown>, options)
  }

  /** Holds changes back: until windows close, for one final result each, or for a time, to have fewer. */
  suppress(options: SuppressOptions): Table<K, V, Gone> {
    return suppress(this[planKey], options)
  }

  #filter(predicate: RecordCallback<K, V, boolean>, negate: boolean, options: StoreOptions<K, V>): Table<K, V, null> {
    const holds = predicate as RecordFunction<boolean>
    const hasHistory = this[planKey].historyMs !== null
    const filtered = this.#derived<V, null>('KTABLE-FILTER-', options, {
      fields: (store, sendOldValues) => ({ kind: 'tableFilter', predicate: holds, negate, hasHistory, store, sendOldValues }),
      rows: parent => ({ from: 'filter', parent, predicate: holds, negate }),
      keepsValueSerde: true,
    })
    // With old values at hand the filter need not delete rows that never passed it.
    if (!hasHistory && this[planKey].sendOldValues(false)) filtered[planKey].sendOldValues(false)
    return filtered
  }

  /** A table of this one's rows, kept only where the program names a store; otherwise rows are computed when looked up. */
  #derived<V2, G extends null>(prefix: string, options: AnyStoreOptions, how: {
    readonly fields: (store: string | null, sendOldValues: boolean) => NodeFields
    readonly rows: (parent: TableRows) => TableRows
    readonly keepsValueSerde: boolean
  }): Table<K, V2, G> {
    const parent = this[planKey]
    const { context } = parent
    const spec = this.#ownStore(prefix, options, how.keepsValueSerde)
    const store = options.store === undefined ? null : spec.name
    const name = context.names.processor(prefix, options.name)
    let sendsOldValues = false
    const node = new GraphNode(name, (writer, parents) => {
      writer.addNode({ ...how.fields(store, sendsOldValues), name, parents, stores: store === null ? [] : [store] } as TopologyNode)
      if (store !== null) writer.addStore(spec, name)
    })
    context.graph.add(node, parent.node)
    return context.table({
      ...parent,
      node,
      keySerde: options.key === undefined ? parent.keySerde : spec.keySerde,
      valueSerde: how.keepsValueSerde || options.value !== undefined ? spec.valueSerde : null,
      historyMs: asksForStore(options) ? spec.historyMs ?? null : parent.historyMs,
      rows: () => (store === null ? how.rows(parent.rows()) : { from: 'store', store }),
      sendOldValues(force) {
        sendsOldValues ||= store !== null || parent.sendOldValues(force)
        return sendsOldValues
      },
    })
  }

  /** Without any option about a store no number of the name counter is used up; with one but no name, it is. */
  #ownStore(prefix: string, options: AnyStoreOptions, keepsValueSerde: boolean): StoreSpec {
    const { context, keySerde, valueSerde } = this[planKey]
    const request = asksForStore(options) ? storeRequest(context, options, prefix) : storeRequest(context, { ...options, store: 'none' }, prefix)
    const inherited = keepsValueSerde ? valueSerde : null
    return tableStoreSpec(request, { keySerde: keySerde ?? context.defaultKeySerde, valueSerde: inherited ?? context.defaultValueSerde })
  }
}

