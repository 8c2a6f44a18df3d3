import { StreamError, durationMs } from '../core/index.ts'
import type { Duration } from '../core/index.ts'
import type { RowStoreFactory } from './custom-store.ts'
import type { StreamRecord } from './stream-record.ts'
import type { Format } from './topic.ts'
import type { SourceNode } from './topology/node.ts'

/** @throws INVALID_ARGUMENT */
export function checkChoice(what: string, chosen: string, choices: readonly string[]): void {
  if (choices.includes(chosen)) return
  throw new StreamError('INVALID_ARGUMENT', `${what} is ${JSON.stringify(chosen)}, but must be one of ${choices.join(', ')}`)
}

export const nameOption = { name: true } as const
export const processOptions = { name: true, stores: true } as const
export const sourceOptions = { name: true, timestamp: true, offsetReset: true } as const
export const sinkOptions = { name: true, partitioner: true, key: true, value: true } as const
export const groupedOptions = { name: true, key: true, value: true } as const

/** Every operator takes one: the name of its node in the topology. Absent: generated as Kafka Streams does. */
export interface NameOption {
  readonly name?: string
}

export interface SourceOptions<K, V> extends NameOption {
  /**
   * Event time of a record, milliseconds since the epoch. Default: the record's own timestamp. Negative: the record is
   * dropped. `partitionTime` is the largest timestamp of the partition so far, -1 at first.
   */
  readonly timestamp?: (value: V, key: K, record: StreamRecord<K, V>, partitionTime: number) => number
  /** Where to start when the application has committed nothing. Default: the application's `offsetReset`. */
  readonly offsetReset?: OffsetReset
}

/**
 * `earliest`: with the oldest record. `latest`: with those that come from now on. `maxAge`: with the first record that is younger
 * than that, by its timestamp, or with those that come from now on where there is none. Where one of these two begins is committed at once.
 * `none`: nowhere, the application fails.
 */
export type OffsetReset = 'earliest' | 'latest' | 'none' | { readonly maxAge: Duration }

export function offsetResetOf(option: OffsetReset | undefined, source: string): SourceNode['offsetReset'] {
  if (typeof option === 'string') checkChoice(`${source}: offsetReset`, option, ['earliest', 'latest', 'none'])
  if (option === undefined || typeof option === 'string') return option ?? null
  return { maxAgeMs: durationMs(option.maxAge, `${source}: offsetReset.maxAge`) }
}

export interface SinkOptions<K, V> extends NameOption {
  /** Partition for a record. Default: by the key, as every Kafka client does; a windowed key by the key inside. */
  readonly partitioner?: (topic: string, key: K, value: V, partitions: number) => number | readonly number[] | undefined
}

export interface DynamicSinkOptions<K, V> extends SinkOptions<K, V> {
  readonly key?: Format<NonNullable<K>>
  readonly value?: Format<NonNullable<V>>
}

export interface GroupedOptions<K, V> extends NameOption {
  /** How keys and values are written to the repartition topic. Default: what is known from the topic, else JSON. */
  readonly key?: Format<NonNullable<K>>
  readonly value?: Format<NonNullable<V>>
}

export interface RepartitionOptions<K, V> extends GroupedOptions<K, V> {
  /** Default: as many as the topics it must fit, or as the largest input. */
  readonly partitions?: number
  readonly partitioner?: SinkOptions<K, V>['partitioner']
}

/** How a table is kept. An operator that can do without a store gets one when `store` names it. */
export interface StoreOptions<K, V> extends AnyStoreOptions {
  readonly key?: Format<NonNullable<K>>
  readonly value?: Format<NonNullable<V>>
}

/** How the two topics of a foreign-key join are partitioned: as the topics of the tables, where those are not by the default partitioner. */
export interface ForeignKeyJoinOptions<K, K2, R> extends StoreOptions<K, R> {
  /** Partition for a key of this table. Default: that of the row that asked. */
  readonly partitioner?: KeyPartitioner<K>
  /** Partition for a key of the other table. Default: by the key, as every Kafka client does. */
  readonly otherPartitioner?: KeyPartitioner<K2>
}

export type KeyPartitioner<K> = (topic: string, key: K, partitions: number) => number | undefined

export interface WindowStoreOptions<K, V> extends StoreOptions<K, V>, RetentionOption {}

export interface RetentionOption {
  /** How long windows are kept and can be queried; at least size + grace, which is the default. */
  readonly retention?: Duration
}

/** Store options whose formats have been checked against the types already. */
export interface AnyStoreOptions extends NameOption {
  /** Name of the state store, by which it can be queried. */
  readonly store?: string
  /** How keys (values) are written to the store and its changelog. Default: what is known from the topic, else JSON. */
  readonly key?: unknown
  readonly value?: unknown
  /** `persistent` (default): on disk where the application has a disk store. */
  readonly type?: 'persistent' | 'inMemory'
  /**
   * Keeps the rows of the past: a row is what holds from its timestamp on, and late rows find their place. Lookups and joins
   * ask for the row as of a time, up to `history` before the newest timestamp; older rows are not taken any more.
   */
  readonly history?: Duration
  /** With `history`: rows of so long a time are dropped together. Default: from the history, as upstream. */
  readonly segmentInterval?: Duration
  /** Keeps only so many rows: those that were read or written last. Others are as if they were deleted, without a change. */
  readonly maxEntries?: number
  /**
   * Rows that were not written for so long, by the newest timestamp that the store has seen, are as if they were deleted,
   * without a change. No cache stands in front.
   */
  readonly ttl?: Duration
  /** Opens an empty place for the rows, of the program's own, instead of memory or disk. It is restored from the changelog. */
  readonly rows?: RowStoreFactory
  /** Whether the write-back cache may stand in front. Default true. */
  readonly caching?: boolean
  /** False: no changelog, the content is lost with the process. An object: configs of the changelog topic. Default true. */
  readonly logging?: boolean | Readonly<Record<string, string>>
}

const optionsWithStores: Readonly<Record<keyof AnyStoreOptions | keyof RetentionOption | OptionBesideStore, true>> = {
  name: true, store: true, key: true, value: true, type: true, history: true, segmentInterval: true, maxEntries: true, ttl: true, rows: true,
  caching: true, logging: true, retention: true, timestamp: true, offsetReset: true, stores: true, partitioner: true, otherPartitioner: true,
}

/** What some operators take together with the options of their store. */
type OptionBesideStore = 'timestamp' | 'offsetReset' | 'stores' | 'partitioner' | 'otherPartitioner'

/** For programs that no compiler has checked. @throws INVALID_ARGUMENT */
export function checkStoreOptions(options: AnyStoreOptions): void {
  const unknown = Object.keys(options).find(option => !Object.hasOwn(optionsWithStores, option))
  if (unknown === undefined) return
  throw new StreamError('INVALID_ARGUMENT', `no store has the option ${JSON.stringify(unknown)}; there are ${Object.keys(optionsWithStores).join(', ')}`)
}

/** True when the options say something about a store, as opposed to the operator's name. */
export function asksForStore(options: AnyStoreOptions): boolean {
  const { store, key, value, type, history, maxEntries, ttl, rows, caching, logging } = options
  return [store, key, value, type, history, maxEntries, ttl, rows, caching, logging].some(option => option !== undefined)
}
