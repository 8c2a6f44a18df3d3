import { longSerde } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { SharedRepartition, addAggregate, countAggregator, countInitializer } from './aggregate.ts'
import { CogroupedStream } from './cogrouped-stream.ts'
import type { AnyStoreOptions, StoreOptions } from './options.ts'
import { groupKey } from './plan.ts'
import type { StreamPlan } from './plan.ts'
import { SessionWindowedStream } from './session-windowed-stream.ts'
import { skipNumberOfCount, storeRequest, tableStoreSpec } from './store-request.ts'
import type { Stream } from './stream.ts'
import type { Table } from './table.ts'
import type { Aggregator, EmitStrategy, Initializer } from './topology/node.ts'
import { WindowedStream } from './windowed-stream.ts'
import { checkLate, checkWindows } from './windows.ts'
import type { SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows } from './windows.ts'

/** The aggregate so far first, as in `Array.reduce`; return a new one, never change the one given. null deletes the row. */
export type AggregateFunction<K, V, A, R = A | null> = (aggregate: A, value: V, key: K) => R

/**
 * Records of equal keys, about to become a table. Records without a key or value are left out of what is aggregated here
 * (windows count null values). Semantics: Kafka Streams' KGroupedStream.
 */
export class GroupedStream<K, V> {
  readonly [groupKey]: Group

  constructor(plan: StreamPlan, name: string | undefined) {
    this[groupKey] = { plan, name: name ?? null, repartition: new SharedRepartition() }
  }

  /** Number of records per key. */
  count(options: StoreOptions<K, number> = {}): Table<K, number, never> {
    skipNumberOfCount(this[groupKey].plan.context, options)
    return this.#aggregate('AGGREGATE', options, { initializer: countInitializer, aggregator: countAggregator }, longSerde)
  }

  /** Combines each value with what the values before gave; the first one is taken as it is. */
  reduce<R extends V | null>(reducer: (reduced: NonNullable<V>, value: NonNullable<V>) => R, options: StoreOptions<K, V> = {}): Table<K, NonNullable<V>, Deleted<R>> {
    const functions = { initializer: null, aggregator: reducer as Aggregator }
    return this.#aggregate('REDUCE', options, functions, this[groupKey].plan.valueSerde)
  }

  /** Folds the values of a key into an aggregate, which is written as JSON unless `options.value` says otherwise. */
  aggregate<A, R extends A | null = A>(initializer: () => A, aggregator: AggregateFunction<K, V, A, R>, options: StoreOptions<K, A> = {}): Table<K, A, Deleted<R>> {
    return this.#aggregate('AGGREGATE', options, { initializer, aggregator: aggregator as Aggregator }, null)
  }

  /** One aggregate per key and window instead of one per key. With `late`, records that come too late are not lost: `{ late: (late) => late.to(topic) }`. */
  windowedBy(windows: SessionWindows, options?: LateOption<K, V>): SessionWindowedStream<K, V>
  windowedBy(windows: TimeWindows | SlidingWindows | UnlimitedWindows, options?: LateOption<K, V>): WindowedStream<K, V>
  windowedBy(windows: TimeWindows | SlidingWindows | UnlimitedWindows | SessionWindows, options: LateOption<K, V> = {}): WindowedStream<K, V> | SessionWindowedStream<K, V> {
    checkWindows(windows)
    checkLate(options)
    return windows.type === 'session' ? new SessionWindowedStream(this[groupKey], windows, options) : new WindowedStream(this[groupKey], windows, options)
  }

  /** Begins an aggregate to which several grouped streams contribute, each with its own aggregator: `.cogroup(…)` adds the next. */
  cogroup<A>(aggregator: AggregateFunction<K, V, A>): CogroupedStream<K, A, V> {
    return new CogroupedStream({ inputs: [{ group: this[groupKey], aggregator: aggregator as Aggregator }], parents: new Map() })
  }

  #aggregate<A, Gone extends null>(
    kind: 'AGGREGATE' | 'REDUCE',
    options: AnyStoreOptions,
    functions: { readonly initializer: Initializer | null; readonly aggregator: Aggregator },
    valueSerde: Serde<unknown> | Serde<number> | null,
  ): Table<K, A, Gone> {
    const { plan, name: repartitionName, repartition } = this[groupKey]
    const { context } = plan
    const request = storeRequest(context, options, `KSTREAM-${kind}-`)
    const name = context.names.processor(`KSTREAM-${kind}-`, options.name)
    const keySerde = request.keySerde ?? plan.keySerde ?? context.defaultKeySerde
    const fallback = { keySerde, valueSerde: (valueSerde ?? context.defaultValueSerde) as Serde<unknown> }
    const store = tableStoreSpec(request, fallback)
    return addAggregate(plan, repartition, {
      name, store, keySerde, repartitionName,
      inputKeySerde: plan.keySerde ?? keySerde,
      fields: sendOldValues => ({ kind: 'streamAggregate', store: store.name, ...functions, sendOldValues }),
    })
  }
}

/** null where an aggregate may disappear, nothing where it cannot. */
export type Deleted<R> = null extends R ? null : never

export interface LateOption<K, V> {
  /**
   * Takes a stream of the records that every window refused, with their own keys, timestamps and headers. One that some
   * windows still take is not among them. It is asked for by each aggregation made of the windows.
   */
  readonly late?: (late: Stream<K, V>) => void
}

export interface WindowingOptions<K, V> {
  readonly emit?: EmitStrategy
  readonly late?: LateOption<K, V>['late'] | null
}

/** What the windowed variants take over from a group. */
export interface Group {
  readonly plan: StreamPlan
  readonly name: string | null
  readonly repartition: SharedRepartition
}
