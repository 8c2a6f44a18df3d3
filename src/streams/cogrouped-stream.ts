import { addCogroup, knownKeySerde } from './cogroup.ts'
import type { Cogroup, CogroupedInput } from './cogroup.ts'
import type { AggregateFunction, GroupedStream, LateOption } from './grouped-stream.ts'
import type { StoreOptions, WindowStoreOptions } from './options.ts'
import { groupKey } from './plan.ts'
import { storeRequest, storeSpec, tableStoreSpec, windowRetentionMs } from './store-request.ts'
import type { StoreRequest } from './store-request.ts'
import type { Stream } from './stream.ts'
import type { Table } from './table.ts'
import type { Aggregator, Initializer, SessionMerger } from './topology/node.ts'
import { sessionWindowedSerde, timeWindowedSerde } from './windowed-serde.ts'
import { checkLate, checkWindows, windowsRetentionMs } from './windows.ts'
import type { SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows, Windowed } from './windows.ts'

/**
 * Several grouped streams that fold into one aggregate, each with its own aggregator, in one store. Their topics must have
 * equal numbers of partitions. `V`: the values of any of them. Semantics: CogroupedKStream of Kafka Streams.
 */
export class CogroupedStream<K, A, V = unknown> {
  readonly #cogroup: Cogroup

  constructor(cogroup: Cogroup) {
    this.#cogroup = cogroup
  }

  /** Adds a stream with its own aggregator; a stream that is there already gets this one. */
  cogroup<V2>(grouped: GroupedStream<K, V2>, aggregator: AggregateFunction<K, V2, A>): CogroupedStream<K, A, V | V2> {
    const { inputs, parents } = this.#cogroup
    const added = { group: grouped[groupKey], aggregator: aggregator as Aggregator }
    const isThere = inputs.some(({ group }) => group === added.group)
    return new CogroupedStream({ parents, inputs: isThere ? inputs.map((input) => (input.group === added.group ? added : input)) : [...inputs, added] })
  }

  /** One aggregate per key. A record without a key or value is left out; null deletes the row. */
  aggregate(initializer: () => A, options: StoreOptions<K, A> = {}): Table<K, A> {
    const { context } = this.#cogroup.inputs[0]!.group.plan
    const request = storeRequest(context, options, storePrefix)
    const serdes = inheritedSerdes(this.#cogroup.inputs, request)
    const store = tableStoreSpec(request, serdes)
    return addCogroup(this.#cogroup, {
      store,
      keySerde: serdes.keySerde,
      name: options.name,
      fields: (aggregator, sendOldValues) => ({ kind: 'streamAggregate', store: store.name, initializer, aggregator, sendOldValues }),
    })
  }

  /** One aggregate per key and window. `late` takes the records of any input that come too late, by the clock of that input. */
  windowedBy(windows: SessionWindows, options?: LateOption<K, V>): SessionCogroupedStream<K, A>
  windowedBy(windows: TimeWindows | SlidingWindows | UnlimitedWindows, options?: LateOption<K, V>): WindowedCogroupedStream<K, A>
  windowedBy(
    windows: TimeWindows | SlidingWindows | UnlimitedWindows | SessionWindows, options: LateOption<K, V> = {},
  ): WindowedCogroupedStream<K, A> | SessionCogroupedStream<K, A> {
    const toSide = (options.late ?? null) as LateRecords
    checkWindows(windows)
    checkLate(options)
    return windows.type === 'session' ? new SessionCogroupedStream(this.#cogroup, windows, toSide) : new WindowedCogroupedStream(this.#cogroup, windows, toSide)
  }
}

/** Cogrouped streams cut into windows of time. */
export class WindowedCogroupedStream<K, A> {
  readonly #cogroup: Cogroup
  readonly #windows: TimeWindows | SlidingWindows | UnlimitedWindows
  readonly #late: LateRecords

  constructor(cogroup: Cogroup, windows: TimeWindows | SlidingWindows | UnlimitedWindows, late: LateRecords = null) {
    this.#cogroup = cogroup
    this.#windows = windows
    this.#late = late
  }

  /** One aggregate per key and window. */
  aggregate(initializer: () => A, options: WindowStoreOptions<K, A> = {}): Table<Windowed<K>, A> {
    const { context } = this.#cogroup.inputs[0]!.group.plan
    const request = storeRequest(context, options, storePrefix)
    const serdes = inheritedSerdes(this.#cogroup.inputs, request)
    const windows = this.#windows
    const windowSizeMs = windows.type === 'time' ? windows.sizeMs : windows.type === 'sliding' ? windows.differenceMs : Infinity
    const store = storeSpec(request, serdes, {
      type: 'timestamped-window', windowSizeMs, retentionMs: windowRetentionMs(request, windowsRetentionMs(windows)), timeOrdered: false,
    })
    return addCogroup(this.#cogroup, {
      store,
      windows,
      late: this.#late,
      keySerde: timeWindowedSerde(serdes.keySerde, Number.isFinite(windowSizeMs) ? windowSizeMs : undefined) as never,
      name: options.name,
      fields: (aggregator, sendOldValues) => {
        const common = { store: store.name, emit: 'on-update' as const, lateChild: null, initializer: initializer as Initializer, aggregator, sendOldValues }
        return windows.type === 'sliding' ? { kind: 'slidingAggregate', windows, ...common } : { kind: 'windowAggregate', windows, ...common }
      },
    })
  }
}

/** Cogrouped streams cut into sessions of activity. */
export class SessionCogroupedStream<K, A> {
  readonly #cogroup: Cogroup
  readonly #windows: SessionWindows
  readonly #late: LateRecords

  constructor(cogroup: Cogroup, windows: SessionWindows, late: LateRecords = null) {
    this.#cogroup = cogroup
    this.#windows = windows
    this.#late = late
  }

  /** One aggregate per key and session; `merger` joins the aggregates of two sessions. */
  aggregate(initializer: () => A, merger: (key: K, left: A, right: A) => A, options: WindowStoreOptions<K, A> = {}): Table<Windowed<K>, A> {
    const { context } = this.#cogroup.inputs[0]!.group.plan
    const request = storeRequest(context, options, storePrefix)
    const serdes = inheritedSerdes(this.#cogroup.inputs, request)
    const windows = this.#windows
    const store = storeSpec(request, serdes, { type: 'session', retentionMs: windowRetentionMs(request, windowsRetentionMs(windows)), timeOrdered: false })
    return addCogroup(this.#cogroup, {
      store,
      windows,
      late: this.#late,
      keySerde: sessionWindowedSerde(serdes.keySerde) as never,
      name: options.name,
      fields: (aggregator, sendOldValues) => ({
        kind: 'sessionAggregate', store: store.name, windows, emit: 'on-update', lateChild: null, initializer, aggregator, merger: merger as SessionMerger, sendOldValues,
      }),
    })
  }
}

/** What the program does with records that come too late. */
type LateRecords = ((late: Stream<never, never>) => void) | null

const storePrefix = 'COGROUPKSTREAM-AGGREGATE-'

function inheritedSerdes(inputs: readonly CogroupedInput[], request: StoreRequest) {
  const { context } = inputs[0]!.group.plan
  return { keySerde: request.keySerde ?? knownKeySerde(inputs) ?? context.defaultKeySerde, valueSerde: context.defaultValueSerde }
}
