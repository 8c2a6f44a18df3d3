import { StreamError, bytesSerde, checkOptions, durationMs } from '../core/index.ts'
import type { Duration, Serde } from '../core/index.ts'
import type { CustomStore, CustomStoreContext, RowStoreFactory } from './custom-store.ts'
import type { KeyValueStore } from './state/key-value-store.ts'
import type { ValueAndHeaders, ValueTimestampAndHeaders } from './state/row-with-headers.ts'
import type { SessionStore } from './state/session-store.ts'
import type { ValueAndTimestamp } from './state/value-and-timestamp.ts'
import type { VersionedStore } from './state/versioned-store.ts'
import type { WindowStore } from './state/window-store.ts'
import { checkedTtl } from './store-request.ts'
import { serdeOf } from './topic.ts'
import type { Format } from './topic.ts'
import { checkedName } from './topology/names.ts'
import type { StoreSpec } from './topology/node.ts'

/** A store that processors share, by its name. `View` is what `context.store(definition)` gives. */
export interface StoreDefinition<View> {
  readonly spec: StoreSpec
  /** Only for the compiler: nothing is here. */
  readonly view?: View
}

export interface StoreFormats<K, V> {
  readonly key: Format<K>
  readonly value: Format<V>
  /** `persistent` (default): on disk where the application has a disk store. */
  readonly type?: 'persistent' | 'inMemory'
  /** Whether the write-back cache may stand in front. Default false. */
  readonly caching?: boolean
  /** False: no changelog, the content is lost with the process. An object: configs of the changelog topic. Default true. */
  readonly logging?: boolean | Readonly<Record<string, string>>
}

export interface TtlOption {
  /** Rows that were not put for so long, by the newest timestamp of a record that put one, are gone. */
  readonly ttl?: Duration
}

export interface RowsOption {
  /** Opens an empty place for the rows, of the program's own, instead of memory or disk. It is restored from the changelog. */
  readonly rows?: RowStoreFactory
}

/** A map from key to value. */
export function keyValueStore<K, V>(name: string, formats: StoreFormats<K, V> & TtlOption & RowsOption): StoreDefinition<KeyValueStore<K, V>> {
  return define(name, formats, { type: 'key-value', ...ttlFields(name, formats), ...rowsField(name, formats) })
}

function ttlFields(name: string, { ttl }: TtlOption): Partial<StoreSpec> {
  return ttl === undefined ? {} : { ttlMs: checkedTtl(ttl, `keyValueStore ${name}: ttl`), caching: false }
}

function rowsField(name: string, { rows, ttl }: RowsOption & TtlOption): Partial<StoreSpec> {
  if (rows === undefined) return {}
  if (ttl === undefined) return { rows }
  throw new StreamError('INVALID_ARGUMENT', `store ${name}: rows of a place of your own are yours to forget: leave out either \`rows\` or \`ttl\``)
}

/** A map from key to value and timestamp. */
export function timestampedKeyValueStore<K, V>(name: string, formats: StoreFormats<K, V> & TtlOption & RowsOption): StoreDefinition<KeyValueStore<K, ValueAndTimestamp<V>>> {
  return define(name, formats, { type: 'timestamped-key-value', ...ttlFields(name, formats), ...rowsField(name, formats) })
}

/** A map from key to value, timestamp and headers. The changelog has headers and timestamp as those of its records (KIP-1271). */
export function headersKeyValueStore<K, V>(name: string, formats: StoreFormats<K, V> & TtlOption & RowsOption): StoreDefinition<KeyValueStore<K, ValueTimestampAndHeaders<V>>> {
  return define(name, formats, { type: 'timestamped-key-value', keepsHeaders: true, ...ttlFields(name, formats), ...rowsField(name, formats) })
}

/** A map of the `maxEntries` keys that were used last. */
export function lruStore<K, V>(name: string, options: StoreFormats<K, V> & { readonly maxEntries: number }): StoreDefinition<KeyValueStore<K, V>> {
  if (!Number.isSafeInteger(options.maxEntries) || options.maxEntries < 1) {
    throw new StreamError('INVALID_ARGUMENT', `lruStore ${name}: maxEntries must be a whole number of at least 1, not ${options.maxEntries}`)
  }
  return define(name, options, { type: 'lru', maxEntries: options.maxEntries })
}

export interface WindowStoreDefinitionOptions<K, V> extends StoreFormats<K, V> {
  /** How long values are kept, after the newest start in the store. */
  readonly retention: Duration
  /** For the end of windows that queries give. */
  readonly windowSize: Duration
  /** Keeps several values of one key and start. Default false. */
  readonly retainDuplicates?: boolean
}

/** Values by key and start of a window. */
export function windowStore<K, V>(name: string, options: WindowStoreDefinitionOptions<K, V>): StoreDefinition<WindowStore<K, V>> {
  return define(name, options, { ...windowFields('windowStore', name, options), type: 'window' })
}

function windowFields(kind: string, name: string, { retention, windowSize, retainDuplicates = false }: WindowStoreDefinitionOptions<unknown, unknown>): Partial<StoreSpec> {
  const retentionMs = durationMs(retention, `${kind} ${name}: retention`)
  const windowSizeMs = durationMs(windowSize, `${kind} ${name}: windowSize`)
  if (retentionMs >= windowSizeMs) return { retentionMs, windowSizeMs, retainDuplicates }
  throw new StreamError('INVALID_ARGUMENT', `${kind} ${name}: a retention of ${retentionMs} ms is shorter than windowSize, ${windowSizeMs} ms: windows would be gone before they end`)
}

/** Values with timestamps, by key and start of a window. */
export function timestampedWindowStore<K, V>(name: string, options: WindowStoreDefinitionOptions<K, V>): StoreDefinition<WindowStore<K, ValueAndTimestamp<V>>> {
  return define(name, options, { ...windowFields('timestampedWindowStore', name, options), type: 'timestamped-window' })
}

/** Values with timestamps and headers, by key and start of a window. */
export function headersWindowStore<K, V>(name: string, options: WindowStoreDefinitionOptions<K, V>): StoreDefinition<WindowStore<K, ValueTimestampAndHeaders<V>>> {
  return define(name, options, { ...windowFields('headersWindowStore', name, options), type: 'timestamped-window', keepsHeaders: true })
}

/** Values by key and bounds of a session. `retention`: how long after the newest end in the store. */
export function sessionStore<K, V>(name: string, options: StoreFormats<K, V> & { readonly retention: Duration }): StoreDefinition<SessionStore<K, V>> {
  return define(name, options, { type: 'session', retentionMs: durationMs(options.retention, `sessionStore ${name}: retention`) })
}

/** Values with headers, by key and bounds of a session. */
export function headersSessionStore<K, V>(name: string, options: StoreFormats<K, V> & { readonly retention: Duration }): StoreDefinition<SessionStore<K, ValueAndHeaders<V>>> {
  return define(name, options, { type: 'session', keepsHeaders: true, retentionMs: durationMs(options.retention, `headersSessionStore ${name}: retention`) })
}

/** Every value of a key with the time from which it held, for `history` before the newest timestamp. */
export function versionedStore<K, V>(name: string, options: StoreFormats<K, V> & { readonly history: Duration }): StoreDefinition<VersionedStore<K, V>> {
  return define(name, { ...options, caching: false }, { type: 'versioned', historyMs: durationMs(options.history, `versionedStore ${name}: history`) })
}

/** A store of the program's own structure; `context.store(definition)` gives the object that `open` made for the StreamTask. */
export function customStore<Store extends CustomStore>(
  name: string, open: (context: CustomStoreContext) => Store, { logging = true }: Pick<StoreFormats<unknown, unknown>, 'logging'> = {},
): StoreDefinition<Store> {
  return define(name, { key: bytesSerde, value: bytesSerde, type: 'inMemory', logging }, { type: 'custom', open })
}

/** Of all kinds of stores. */
const storeOptions = {
  key: true, value: true, type: true, caching: true, logging: true, ttl: true, rows: true, maxEntries: true, retention: true, windowSize: true, retainDuplicates: true, history: true,
} as const

function define<K, V, View>(name: string, formats: StoreFormats<K, V>, kind: Pick<StoreSpec, 'type'> & Partial<StoreSpec>): StoreDefinition<View> {
  checkOptions(`store ${name}`, formats, storeOptions)
  const { type = 'persistent', caching = false, logging = true } = formats
  const spec: StoreSpec = Object.freeze({
    name: checkedName(name),
    keySerde: serdeOf(formats.key, `store ${name}: key`) as Serde<unknown>,
    valueSerde: serdeOf(formats.value, `store ${name}: value`) as Serde<unknown>,
    persistent: type === 'persistent',
    caching,
    changelog: logging === false ? null : Object.freeze({ sourceTopic: null, topicConfig: Object.freeze(logging === true ? {} : { ...logging }) }),
    ...kind,
  })
  return Object.freeze({ spec })
}
