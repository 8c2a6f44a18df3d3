import { longSerde } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { addAggregate, countAggregator, countInitializer } from './aggregate.ts'
import type { AggregateFunction, Group, LateOption, WindowingOptions } from './grouped-stream.ts'
import { checkChoice } from './options.ts'
import type { AnyStoreOptions, RetentionOption, WindowStoreOptions } from './options.ts'
import { skipNumberOfCount, storeRequest, storeSpec, windowRetentionMs } from './store-request.ts'
import type { Stream } from './stream.ts'
import type { Table } from './table.ts'
import type { Aggregator, EmitStrategy, Initializer, SessionMerger } from './topology/node.ts'
import { sessionWindowedSerde } from './windowed-serde.ts'
import { windowsRetentionMs } from './windows.ts'
import type { SessionWindows, Windowed } from './windows.ts'

/**
 * A group cut into sessions of activity: one row per key and session. A record that lies between two sessions joins them;
 * every session that is extended or joined is deleted first (a row with null), then the new one appears. Semantics: Kafka
 * Streams' SessionWindowedKStream.
 */
export class SessionWindowedStream<K, V> {
  readonly #group: Group
  readonly #windows: SessionWindows
  readonly #emit: EmitStrategy
  readonly #late: LateOption<K, V>['late'] | null

  constructor(group: Group, windows: SessionWindows, { emit = 'on-update', late = null }: WindowingOptions<K, V> = {}) {
    this.#group = group
    this.#windows = windows
    this.#emit = emit
    this.#late = late
  }

  /** `on-update` (default): a result with every record. `on-window-close`: one result per session, when it takes no more records. */
  emit(strategy: EmitStrategy): SessionWindowedStream<K, V> {
    checkChoice('emit', strategy, ['on-update', 'on-window-close'])
    return new SessionWindowedStream(this.#group, this.#windows, { emit: strategy, late: this.#late })
  }

  /** Number of records per key and session. */
  count(options: WindowStoreOptions<K, number> = {}): Table<Windowed<K>, number> {
    skipNumberOfCount(this.#group.plan.context, options)
    const merger: SessionMerger = (_key, left, right) => (left as number) + (right as number)
    return this.#aggregate('AGGREGATE', options, { initializer: countInitializer, aggregator: countAggregator, merger }, longSerde)
  }

  /** Combines the values of a session, and the results of two sessions when they become one. */
  reduce(reducer: (reduced: V, value: V) => V | null, options: WindowStoreOptions<K, V> = {}): Table<Windowed<K>, NonNullable<V>> {
    const merger: SessionMerger = (_key, left, right) => {
      if (left === null) return right
      return right === null ? left : reducer(left as V, right as V)
    }
    return this.#aggregate('REDUCE', options, { initializer: null, aggregator: reducer as Aggregator, merger }, this.#group.plan.valueSerde)
  }

  /** Folds the values of a session; `merger` joins the aggregates of two sessions, the initial value being one of them at first. */
  aggregate<A>(
    initializer: () => A,
    aggregator: AggregateFunction<K, V, A>,
    merger: (key: K, left: A, right: A) => A,
    options: WindowStoreOptions<K, A> = {},
  ): Table<Windowed<K>, A> {
    return this.#aggregate('AGGREGATE', options, { initializer, aggregator: aggregator as Aggregator, merger: merger as SessionMerger }, null)
  }

  #aggregate<A>(
    kind: 'AGGREGATE' | 'REDUCE',
    options: AnyStoreOptions & RetentionOption,
    functions: { readonly initializer: Initializer | null; readonly aggregator: Aggregator; readonly merger: SessionMerger },
    valueSerde: Serde<unknown> | Serde<number> | null,
  ): Table<Windowed<K>, A> {
    const { plan, name: repartitionName, repartition } = this.#group
    const { context } = plan
    const request = storeRequest(context, options, `KSTREAM-${kind}-`)
    const name = context.names.processor(`KSTREAM-${kind}-`, options.name)
    const keySerde = request.keySerde ?? plan.keySerde ?? context.defaultKeySerde
    const isFinal = this.#emit === 'on-window-close'
    // What a cache holds is not found when its session closes.
    const store = storeSpec({ ...request, caching: request.caching && !isFinal }, { keySerde, valueSerde: (valueSerde ?? context.defaultValueSerde) as Serde<unknown> }, {
      type: 'session',
      retentionMs: windowRetentionMs(request, windowsRetentionMs(this.#windows)),
      timeOrdered: isFinal,
    })
    return addAggregate(plan, repartition, {
      name, store, repartitionName, windows: this.#windows, late: this.#late as ((late: Stream<never, never>) => void) | null,
      keySerde: sessionWindowedSerde(keySerde) as Serde<unknown>,
      inputKeySerde: plan.keySerde ?? keySerde,
      fields: sendOldValues => ({ kind: 'sessionAggregate', store: store.name, windows: this.#windows, emit: this.#emit, lateChild: null, ...functions, sendOldValues }),
    })
  }
}
