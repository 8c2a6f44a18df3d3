import { StreamError, durationMs } from '../core/index.ts'
import type { Duration, Serde } from '../core/index.ts'
import type { RowStoreFactory } from './custom-store.ts'
import { asksForStore, checkStoreOptions } from './options.ts'
import type { AnyStoreOptions, RetentionOption } from './options.ts'
import type { BuilderContext } from './plan.ts'
import { serdeOf } from './topic.ts'
import { checkedName } from './topology/names.ts'
import type { ChangelogSpec, StoreSpec, StoreType } from './topology/node.ts'

/** A store as the options ask for it, with its name settled; what kind it is, the operator says. */
export interface StoreRequest {
  readonly name: string
  /** null: as the operator's input or result has it. */
  readonly keySerde: Serde<unknown> | null
  readonly valueSerde: Serde<unknown> | null
  readonly persistent: boolean
  readonly caching: boolean
  readonly changelog: ChangelogSpec | null
  readonly retentionMs: number | null
  /** null: rows of all keys are kept. */
  readonly maxEntries: number | null
  /** null: rows stay until they are deleted. */
  readonly ttlMs: number | null
  /** null: in memory or on disk, as `persistent` says. */
  readonly rows: RowStoreFactory | null
  /** null: only the latest row of a key is kept. */
  readonly versions: { readonly historyMs: number; readonly segmentMs?: number } | null
}

/** Takes the name given, or uses up a number for a generated one. */
export function storeRequest(context: BuilderContext, options: AnyStoreOptions & RetentionOption, prefix: string): StoreRequest {
  checkStoreOptions(options)
  return {
    name: options.store === undefined ? context.names.store(prefix) : checkedName(options.store),
    keySerde: options.key === undefined ? null : serdeOf(options.key, 'key'),
    valueSerde: options.value === undefined ? null : serdeOf(options.value, 'value'),
    persistent: (options.type ?? context.storeType) !== 'inMemory',
    caching: options.caching ?? true,
    changelog: changelogOf(options.logging ?? true),
    retentionMs: options.retention === undefined ? null : durationMs(options.retention, 'retention'),
    maxEntries: maxEntriesOf(options),
    ttlMs: ttlOf(options),
    rows: rowsOf(options),
    versions: versionsOf(options),
  }
}

/** A count whose options speak of a store but give it no name uses up one number more, as upstream: names after it stay equal. */
export function skipNumberOfCount(context: BuilderContext, options: AnyStoreOptions & RetentionOption): void {
  if (options.store === undefined && (asksForStore(options) || options.retention !== undefined)) context.names.store('KSTREAM-AGGREGATE-')
}

function maxEntriesOf({ maxEntries, history }: AnyStoreOptions): number | null {
  if (maxEntries === undefined) return null
  if (history !== undefined) throw new StreamError('INVALID_ARGUMENT', 'a store has either `maxEntries` or `history`: it cannot forget rows by use and keep those of the past')
  if (Number.isSafeInteger(maxEntries) && maxEntries > 0) return maxEntries
  throw new StreamError('INVALID_ARGUMENT', `maxEntries must be a whole number of at least 1, not ${maxEntries}`)
}

function ttlOf({ ttl, maxEntries, history }: AnyStoreOptions): number | null {
  if (ttl === undefined) return null
  if (maxEntries === undefined && history === undefined) return checkedTtl(ttl, 'ttl')
  throw new StreamError('INVALID_ARGUMENT', 'a store has either `ttl`, `maxEntries` or `history`: each says by itself which rows are kept')
}

function rowsOf({ rows, maxEntries, history, ttl }: AnyStoreOptions): RowStoreFactory | null {
  if (rows === undefined) return null
  if (maxEntries === undefined && history === undefined && ttl === undefined) return rows
  throw new StreamError('INVALID_ARGUMENT', 'a store has either `rows` or one of `maxEntries`, `history` and `ttl`: those keep rows in a way of their own')
}

export function checkedTtl(ttl: Duration, what: string): number {
  const ttlMs = durationMs(ttl, what)
  if (ttlMs > 0) return ttlMs
  throw new StreamError('INVALID_ARGUMENT', `${what} must be longer than 0, or no row would ever be there`)
}

function versionsOf({ history, segmentInterval }: AnyStoreOptions): StoreRequest['versions'] {
  if (history === undefined) return null
  const historyMs = durationMs(history, 'history')
  if (segmentInterval === undefined) return { historyMs }
  const segmentMs = durationMs(segmentInterval, 'segmentInterval')
  if (segmentMs > 0) return { historyMs, segmentMs }
  throw new StreamError('INVALID_ARGUMENT', 'segmentInterval must be longer than 0')
}

/** The store of a table's rows: the latest of each key, or those of the past as well. */
export function tableStoreSpec(request: StoreRequest, fallback: { readonly keySerde: Serde<unknown>; readonly valueSerde: Serde<unknown> }): StoreSpec {
  if (request.maxEntries !== null) return storeSpec(request, fallback, { type: 'timestamped-lru', maxEntries: request.maxEntries })
  if (request.ttlMs !== null) return storeSpec({ ...request, caching: false }, fallback, { type: 'timestamped-key-value', ttlMs: request.ttlMs })
  if (request.versions === null) return storeSpec(request, fallback, { type: 'timestamped-key-value', ...(request.rows === null ? {} : { rows: request.rows }) })
  return storeSpec({ ...request, caching: false }, fallback, { type: 'versioned', ...request.versions })
}

/** Topic configs may stand in place of `true`. */
export function changelogOf(logging: boolean | Readonly<Record<string, string>>): ChangelogSpec | null {
  if (logging === false) return null
  return Object.freeze({ sourceTopic: null, topicConfig: Object.freeze(logging === true ? {} : { ...logging }) })
}

export function storeSpec(
  request: StoreRequest,
  fallback: { readonly keySerde: Serde<unknown>; readonly valueSerde: Serde<unknown> },
  kind: { readonly type: StoreType } & Partial<Pick<StoreSpec, 'retentionMs' | 'windowSizeMs' | 'timeOrdered' | 'retainDuplicates' | 'logsHeaders' | 'historyMs' | 'segmentMs' | 'graceMs' | 'maxEntries' | 'ttlMs' | 'newRowBytes' | 'rows'>>,
): StoreSpec {
  return Object.freeze({
    name: request.name,
    keySerde: request.keySerde ?? fallback.keySerde,
    valueSerde: request.valueSerde ?? fallback.valueSerde,
    persistent: request.persistent,
    caching: request.caching,
    changelog: request.changelog,
    ...kind,
  })
}

/** The retention asked for, which must hold every window that still takes records. */
export function windowRetentionMs(request: StoreRequest, leastMs: number): number {
  const { rows, maxEntries, ttlMs, versions } = request
  if ([rows, maxEntries, ttlMs, versions].some((option) => option !== null)) {
    throw new StreamError('INVALID_ARGUMENT', `the store ${request.name} keeps windows: \`rows\`, \`maxEntries\`, \`ttl\` and \`history\` are for stores of one row a key; \`retention\` says how long windows stay`)
  }
  if (request.retentionMs === null) return leastMs
  if (request.retentionMs >= leastMs) return request.retentionMs
  throw new StreamError('TOPOLOGY_INVALID', `the store ${request.name} keeps windows for ${request.retentionMs} ms, but windows take records for ${leastMs} ms (size and grace); raise the retention`)
}
