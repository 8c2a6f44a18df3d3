import { StreamError, longSerde } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { addAggregate, countAggregator, countInitializer } from './aggregate.ts'
import type { AggregateFunction, Deleted, Group, LateOption, WindowingOptions } from './grouped-stream.ts'
import { checkChoice } from './options.ts'
import type { AnyStoreOptions, RetentionOption, WindowStoreOptions } from './options.ts'
import type { NodeFields } from './plan.ts'
import { skipNumberOfCount, storeRequest, storeSpec, windowRetentionMs } from './store-request.ts'
import type { Stream } from './stream.ts'
import type { Table } from './table.ts'
import type { Aggregator, EmitStrategy, Initializer } from './topology/node.ts'
import { timeWindowedSerde } from './windowed-serde.ts'
import { windowsRetentionMs } from './windows.ts'
import type { SlidingWindows, TimeWindows, UnlimitedWindows, Windowed } from './windows.ts'

interface Functions {
  readonly initializer: Initializer | null
  readonly aggregator: Aggregator
}

/**
 * A group cut into windows of time: one row per key and window. A record goes into every window that holds its timestamp
 * and is still open, that is, whose end plus grace is after the largest timestamp that this operator has seen; for the
 * others it is late and dropped. Semantics: Kafka Streams' TimeWindowedKStream.
 */
export class WindowedStream<K, V> {
  readonly #group: Group
  readonly #windows: TimeWindows | SlidingWindows | UnlimitedWindows
  readonly #emit: EmitStrategy
  readonly #late: LateOption<K, V>['late'] | null

  constructor(group: Group, windows: TimeWindows | SlidingWindows | UnlimitedWindows, { emit = 'on-update', late = null }: WindowingOptions<K, V> = {}) {
    this.#group = group
    this.#windows = windows
    this.#emit = emit
    this.#late = late
  }

  /** `on-update` (default): a result with every record. `on-window-close`: one result per window, when it takes no more records. */
  emit(strategy: EmitStrategy): WindowedStream<K, V> {
    checkChoice('emit', strategy, ['on-update', 'on-window-close'])
    if (strategy === 'on-window-close' && this.#windows.type === 'unlimited') {
      throw new StreamError('TOPOLOGY_INVALID', "emit: an unlimited window never closes, so 'on-window-close' would send nothing; leave emit out")
    }
    return new WindowedStream(this.#group, this.#windows, { emit: strategy, late: this.#late })
  }

  /** Number of records per key and window. */
  count(options: WindowStoreOptions<K, number> = {}): Table<Windowed<K>, number, never> {
    if (this.#windows.type !== 'sliding') skipNumberOfCount(this.#group.plan.context, options)
    return this.#aggregate('AGGREGATE', options, { initializer: countInitializer, aggregator: countAggregator }, longSerde)
  }

  /** Combines each value with what the values before it in the window gave; the first one is taken as it is. */
  reduce<R extends V | null>(reducer: (reduced: V, value: V) => R, options: WindowStoreOptions<K, V> = {}): Table<Windowed<K>, NonNullable<V>, Deleted<R>> {
    return this.#aggregate('REDUCE', options, { initializer: null, aggregator: reducer as Aggregator }, this.#group.plan.valueSerde)
  }

  /** Folds the values of a key and window into an aggregate, which is written as JSON unless `options.value` says otherwise. */
  aggregate<A, R extends A | null = A>(initializer: () => A, aggregator: AggregateFunction<K, V, A, R>, options: WindowStoreOptions<K, A> = {}): Table<Windowed<K>, A, Deleted<R>> {
    return this.#aggregate('AGGREGATE', options, { initializer, aggregator: aggregator as Aggregator }, null)
  }

  #aggregate<A, Gone extends null>(
    kind: 'AGGREGATE' | 'REDUCE',
    options: AnyStoreOptions & RetentionOption,
    functions: Functions,
    valueSerde: Serde<unknown> | Serde<number> | null,
  ): Table<Windowed<K>, A, Gone> {
    const { plan, name: repartitionName, repartition } = this.#group
    const { context } = plan
    const request = storeRequest(context, options, `KSTREAM-${kind}-`)
    const name = context.names.processor(`KSTREAM-${kind}-`, options.name)
    const keySerde = request.keySerde ?? plan.keySerde ?? context.defaultKeySerde
    const windowSizeMs = sizeOf(this.#windows)
    const isFinal = this.#emit === 'on-window-close'
    // What a cache sends on is not final, and what it holds is not found when its window closes.
    const store = storeSpec({ ...request, caching: request.caching && !isFinal }, { keySerde, valueSerde: (valueSerde ?? context.defaultValueSerde) as Serde<unknown> }, {
      type: 'timestamped-window',
      windowSizeMs,
      retentionMs: windowRetentionMs(request, windowsRetentionMs(this.#windows)),
      timeOrdered: isFinal,
    })
    return addAggregate(plan, repartition, {
      name, store, repartitionName, windows: this.#windows, late: this.#late as ((late: Stream<never, never>) => void) | null,
      keySerde: timeWindowedSerde(keySerde, Number.isFinite(windowSizeMs) ? windowSizeMs : undefined) as Serde<unknown>,
      inputKeySerde: plan.keySerde ?? keySerde,
      fields: sendOldValues => this.#fields(store.name, functions, sendOldValues),
    })
  }

  #fields(store: string, functions: Functions, sendOldValues: boolean): NodeFields {
    const common = { store, ...functions, emit: this.#emit, lateChild: null, sendOldValues }
    return this.#windows.type === 'sliding'
      ? { kind: 'slidingAggregate', windows: this.#windows, ...common }
      : { kind: 'windowAggregate', windows: this.#windows, ...common }
  }
}

function sizeOf(windows: TimeWindows | SlidingWindows | UnlimitedWindows): number {
  switch (windows.type) {
    case 'time': return windows.sizeMs
    case 'sliding': return windows.differenceMs
    case 'unlimited': return Infinity
  }
}
