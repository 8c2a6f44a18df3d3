import { deserializeCopy } from '../../core/index.ts'
import type { Header, KeysAhead, RecordSpan, Serde } from '../../core/index.ts'
import type { CustomStore, RowStoreFactory } from '../custom-store.ts'
import { noHeaders } from '../stream-record.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { StoreSpec } from '../topology/node.ts'
import type { ByteStore } from './byte-store.ts'
import { CachingByteStore } from './caching-byte-store.ts'
import type { CacheBudget, CachingOptions } from './caching-byte-store.ts'
import { ChangelogByteStore } from './changelog-byte-store.ts'
import type { RowTarget } from './changelog-byte-store.ts'
import { changelogReporter, reporterOf, spanReport } from './changelog-reporter.ts'
import type { DiskState } from './disk-state.ts'
import { ExpiringByteStore } from './expiring-byte-store.ts'
import { JoinBuffer } from './join-buffer.ts'
import { KeyValueStore } from './key-value-store.ts'
import { LruByteStore } from './lru-byte-store.ts'
import { MemoryByteStore } from './memory-byte-store.ts'
import { OuterJoinStore } from './outer-join-store.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import { valueAndHeadersSerde, valueTimestampAndHeadersSerde, withHeaders } from './row-with-headers.ts'
import type { RowCache } from './row-cache.ts'
import type { RowOrigins } from './row-origins.ts'
import { SegmentedByteStore } from './segmented-byte-store.ts'
import type { SegmentsOnDisk } from './segmented-byte-store.ts'
import { SessionStore } from './session-store.ts'
import { sessionKeys, sessionKeysInMemory, windowKeys } from './store-keys.ts'
import type { TimedKeys } from './store-keys.ts'
import { inMemory, onDisk } from './store-place.ts'
import type { StorePlace } from './store-place.ts'
import { SuppressBuffer } from './suppress-buffer.ts'
import { joinTimestamp, valueAndTimestampSerde } from './value-and-timestamp.ts'
import { VersionedStore } from './versioned-store.ts'
import { WindowStore } from './window-store.ts'
import { WriteBackSegments } from './write-back-segments.ts'
import { WriteBackStore } from './write-back-store.ts'

/** What a store needs from the task it belongs to. */
export interface StoreHost {
  /** Adds a record to the changelog of the store, which copies the bytes. */
  log(store: StoreSpec, key: Uint8Array, value: Uint8Array | null, timestamp: number, headers: readonly Header[]): void
  /** As `log`, without headers. */
  logSpan(store: StoreSpec, span: RecordSpan, timestamp: number): void
  /** A row was refused because it is too old. */
  expired(store: StoreSpec): void
  /** The record being processed. */
  readonly currentRecord: () => StreamRecord
  /** Keeps of it, for a row that it has written, what goes downstream with the row. */
  readonly noteOrigin: (origins: RowOrigins, row: number) => void
  /** From now on `record` is the one being processed. */
  readonly enter: (record: StreamRecord) => void
  readonly enterRow: (origins: RowOrigins, row: number) => void
  /** null: no caches. */
  readonly cacheBudget: CacheBudget | null
  /** null or absent: all rows are kept in memory. */
  readonly disk?: DiskState | null
}

export type StoreView =
  | KeyValueStore<unknown, unknown>
  | WindowStore<unknown, unknown>
  | SessionStore<unknown, unknown>
  | VersionedStore<unknown, unknown>
  | OuterJoinStore
  | SuppressBuffer
  | JoinBuffer
  | CustomStore

/**
 * A store of a running task.
 * ```
 *   open ──restore …──▶ in use ──flush──▶ (caches empty) ──commit / rollback──▶ in use
 *                                                └──seal──▶ in use ──commit / rollback──▶ in use
 * ```
 */
export interface OpenStore {
  readonly spec: StoreSpec
  /** What operators and queries use. */
  readonly view: StoreView
  /** True: rows reach the operator through `onFlush`, not when they are put. */
  readonly cached: boolean
  onFlush(...listener: Parameters<RowCache['onFlush']>): void
  /** Sends what the cache holds to the store, its changelog and downstream. */
  flush(): void
  /** As `ByteStore.lookAhead`. */
  readonly lookAhead?: (keys: KeysAhead) => void
  /** Absent: a flush leaves nothing; else whether there is something since. */
  readonly hasUnflushed?: () => boolean
  /**
   * After a flush: what changes from now on is not for the next commit, but for the one after it. A rollback before that commit forgets
   * both. null: the store cannot tell, and nothing may change it between a flush and its commit.
   */
  readonly seal: (() => void) | null
  commit(): void
  rollback(): void
  /** For a store whose rows are on disk: forgets all of them, so that it can be restored anew. null: its rows are in memory. */
  readonly wipe: (() => void) | null
  /** Absent: there is nothing to be let go. */
  readonly close?: () => void
  /** A record of the changelog (or of the source topic that serves as one), in the order of offsets. */
  restore(key: Uint8Array, value: Uint8Array | null, timestamp: number, record: RestoredRecord): void
}

/** What only some stores want to know of a record. */
export interface RestoredRecord {
  readonly headers: readonly Header[]
}

export function openStore(spec: StoreSpec, host: StoreHost): OpenStore {
  switch (spec.type) {
    case 'key-value':
    case 'timestamped-key-value': return openKeyValue(spec, host)
    case 'lru':
    case 'timestamped-lru': return openLru(spec, host)
    case 'window':
    case 'timestamped-window': return openWindow(spec, host)
    case 'session': return openSession(spec, host)
    case 'versioned': return openVersioned(spec, host)
    case 'outer-join': return openOuterJoin(spec, host)
    case 'join-buffer': return openJoinBuffer(spec, host)
    case 'suppress-buffer': return openSuppressBuffer(spec, host)
    case 'custom': return openCustom(spec, host)
  }
}

function openKeyValue(spec: StoreSpec, host: StoreHost): OpenStore {
  if (spec.ttlMs !== undefined) return openExpiring(spec, spec.ttlMs, host)
  if (spec.rows !== undefined) return openOnRowsOf(spec.rows, spec, host)
  const place = placeOf(spec, host)
  const rows = place.table('rows')
  const layers = rows instanceof MemoryByteStore ? layerInMemory(spec, host, rows) : layer(spec, host, rows, null)
  return { ...assemble(spec, layers, new KeyValueStore(layers.top, spec.keySerde, rowSerde(spec))), wipe: place.wipe }
}

function openOnRowsOf(open: RowStoreFactory, spec: StoreSpec, host: StoreHost): OpenStore {
  const rows = open(spec.name)
  const layers = layer(spec, host, ofProgram(rows), null)
  return { ...assemble(spec, layers, new KeyValueStore(layers.top, spec.keySerde, rowSerde(spec))), close: () => rows.close?.() }
}

/** Nothing but what its interface has is asked of it: other members are its own. */
function ofProgram(rows: ByteStore): ByteStore {
  return {
    get: (key) => rows.get(key), borrow: (key) => rows.borrow(key), put: (key, value) => rows.put(key, value), scan: (range) => rows.scan(range), count: () => rows.count(),
    commit: () => rows.commit(), rollback: () => rows.rollback(),
  }
}

function openCustom(spec: StoreSpec, host: StoreHost): OpenStore {
  const view = spec.open!({
    name: spec.name,
    get timestamp() { return host.currentRecord().timestamp },
    log(key, value, timestamp = host.currentRecord().timestamp) {
      if (spec.changelog !== null) host.log(spec, key, value, timestamp, noHeaders)
    },
  })
  const restore = (key: Uint8Array, value: Uint8Array | null, timestamp: number) => view.restore(key, value, timestamp)
  return { ...uncached(spec, view), flush: () => view.flush?.(), restore, close: () => view.close?.() }
}

/** What has no changelog is lost with the process, as its option says, wherever it is. */
function diskFor(spec: StoreSpec, host: StoreHost): DiskState | null {
  return spec.persistent && spec.changelog !== null ? (host.disk ?? null) : null
}

function placeOf(spec: StoreSpec, host: StoreHost): StorePlace {
  const disk = diskFor(spec, host)
  return disk === null ? inMemory : onDisk(disk, spec.name)
}

function openExpiring(spec: StoreSpec, ttlMs: number, host: StoreHost): OpenStore {
  const place = placeOf(spec, host)
  const store = new ExpiringByteStore(place, { ttlMs, now: () => host.currentRecord().timestamp })
  const layers = layer(spec, host, store, null)
  store.onExpired((key) => { if (layers.report !== null) layers.report(key, null) })
  const rowOf = restoredRow(spec)
  return {
    ...assemble(spec, layers, new KeyValueStore(layers.top, spec.keySerde, rowSerde(spec))),
    wipe: wiping(place, store),
    restore: (key, value, timestamp, record) => store.putAt(key, value && rowOf(value, timestamp, record), timestamp),
  }
}

function openLru(spec: StoreSpec, host: StoreHost): OpenStore {
  const place = placeOf(spec, host)
  const store = new LruByteStore(place, spec.maxEntries ?? defaultMaxEntries)
  // A cache would show rows that the store has pushed out.
  const layers = layer({ ...spec, caching: false }, host, store, null)
  store.onEvicted((key) => { if (layers.report !== null) layers.report(key, null) })
  return { ...assemble(spec, layers, new KeyValueStore(layers.top, spec.keySerde, rowSerde(spec))), wipe: wiping(place, store) }
}

function openWindow(spec: StoreSpec, host: StoreHost): OpenStore {
  const segments = openSegments(spec, host, windowKeys)
  const place = placeOf(spec, host)
  const sequence = place.number('sequence', 0)
  const layers = layerSegments(spec, host, segments, windowKeys)
  const view = new WindowStore(layers.top, segments.store, {
    keySerde: spec.keySerde,
    valueSerde: rowSerde(spec),
    recordValueSerde: spec.keepsHeaders === true || isTimestamped(spec) ? null : spec.valueSerde,
    windowSizeMs: spec.windowSizeMs ?? 0,
    retainDuplicates: spec.retainDuplicates ?? false,
    sequence,
    cached: layers.cache !== null,
    byTime: spec.persistent ? (spec.timeOrdered === true ? 'all' : 'none') : 'every',
    onNothing: (rowKey, start) => {
      // As upstream, whose stores on disk do not look at it.
      if (!spec.persistent) segments.store.passBy(start)
      layers.report?.(rowKey, null)
    },
    onDuplicate: spanReport(spec, host, layers.report),
  })
  const store = assemble(spec, layers, view)
  return {
    ...store,
    seal: store.seal && (() => {
      store.seal!()
      sequence.seal()
    }),
    commit() {
      store.commit()
      sequence.commit()
    },
    wipe: segments.wipe && (() => {
      segments.wipe?.()
      place.wipe?.()
    }),
    restore(key, value, timestamp, record) {
      view.restored(key)
      if (value !== null || spec.retainDuplicates !== true) store.restore(key, value, timestamp, record)
    },
  }
}

function openSession(spec: StoreSpec, host: StoreHost): OpenStore {
  const keys = spec.persistent ? sessionKeys : sessionKeysInMemory
  const segments = openSegments(spec, host, keys)
  const layers = layerSegments(spec, host, segments, keys)
  const view = new SessionStore(layers.top, segments.store, { keySerde: spec.keySerde, valueSerde: rowSerde(spec), byTime: !spec.persistent, cached: layers.cache !== null })
  return { ...assemble(spec, layers, view), wipe: segments.wipe }
}

function openVersioned(spec: StoreSpec, host: StoreHost): OpenStore {
  const logged = spec.changelog !== null && spec.changelog.sourceTopic === null
  const place = placeOf(spec, host)
  const view = new VersionedStore(place, {
    keySerde: spec.keySerde,
    valueSerde: spec.valueSerde,
    historyMs: spec.historyMs ?? 0,
    onPut: (key, value, timestamp) => { if (logged) host.log(spec, key, value, timestamp, noHeaders) },
    onExpired: () => host.expired(spec),
  })
  return { ...uncached(spec, view), wipe: wiping(place, view), restore: (key, value, timestamp) => view.restore(key, value, timestamp) }
}

function openOuterJoin(spec: StoreSpec, host: StoreHost): OpenStore {
  const place = placeOf(spec, host)
  const layers = layer({ ...spec, caching: false }, host, place.table('rows'), null)
  const { keySerde, valueSerde: leftSerde, rightValueSerde: rightSerde = spec.valueSerde } = spec
  const view = new OuterJoinStore(layers.top, { keySerde, leftSerde, rightSerde })
  return { ...assemble(spec, layers, view), seal: null, rollback: () => view.rollback(), wipe: wiping(place, view) }
}

function openJoinBuffer(spec: StoreSpec, host: StoreHost): OpenStore {
  const report = spec.changelog === null ? () => {} : (key: Uint8Array, value: Uint8Array | null) => host.log(spec, key, value, noTimestamp, noHeaders)
  const place = placeOf(spec, host)
  const base = place.table('rows')
  const view = new JoinBuffer(new ChangelogByteStore(base, reporterOf(report)), place, { keySerde: spec.keySerde, valueSerde: spec.valueSerde, graceMs: spec.graceMs ?? 0 })
  return {
    ...uncached(spec, view),
    wipe: wiping(place, view),
    restore(key, value) {
      base.put(key, value)
      view.restored(key, value)
    },
  }
}

function openSuppressBuffer(spec: StoreSpec, host: StoreHost): OpenStore {
  const place = placeOf(spec, host)
  const view = new SuppressBuffer(place, {
    keySerde: spec.keySerde,
    valueSerde: spec.valueSerde,
    newRowBytes: host.cacheBudget === null ? (spec.newRowBytes ?? 0) : 0,
    log: (key, value) => { if (spec.changelog !== null) host.log(spec, key, value, noTimestamp, value === null ? noHeaders : suppressHeaders) },
  })
  return { ...uncached(spec, view), wipe: wiping(place, view), flush: () => view.flush(), restore: (key, value) => view.restore(key, value) }
}

/** What the view remembers of its rows goes, too. */
function wiping({ wipe }: StorePlace, view: { rollback(): void }): OpenStore['wipe'] {
  return wipe && (() => {
    wipe()
    view.rollback()
  })
}

/** Of a view that has no write-back cache below it, all but how it is restored. */
function uncached(spec: StoreSpec, view: OpenStore['view'] & { commit(): void; rollback(): void }): Omit<OpenStore, 'restore'> {
  return { spec, view, cached: false, onFlush: () => {}, flush: () => {}, seal: null, commit: () => view.commit(), rollback: () => view.rollback(), wipe: null }
}

interface Layers {
  readonly base: ByteStore
  readonly cache: RowCache | null
  /** What the typed view uses. */
  readonly top: ByteStore
  readonly report: ((key: Uint8Array, value: Uint8Array | null) => void) | null
}

interface Segments {
  readonly store: SegmentedByteStore
  readonly timeOf: (key: Uint8Array) => number
  readonly segmentOf: (time: number) => number
  readonly byTime: (key: Uint8Array) => Uint8Array
  readonly wipe: (() => void) | null
}

/** Base store, then the changelog, then the cache: a row is logged when it leaves the cache. */
function layer(spec: StoreSpec, host: StoreHost, base: RowTarget, timed: Segments | null): Layers {
  const reporter = changelogReporter(spec, host)
  const logged = reporter === null ? base : new ChangelogByteStore(base, reporter)
  const { cacheBudget } = host
  const cache = spec.caching && cacheBudget !== null ? new CachingByteStore(logged, { ...cachingOptions(host, cacheBudget), ...(timed === null ? {} : { timed }) }) : null
  return { base, cache, top: cache ?? logged, report: reporter && reporter.put }
}

/** As `layer`: where rows are in memory, the cache needs none of its own. */
function layerInMemory(spec: StoreSpec, host: StoreHost, base: MemoryByteStore): Layers {
  const { cacheBudget } = host
  if (!spec.caching || cacheBudget === null) return layer(spec, host, base, null)
  const reporter = changelogReporter(spec, host)
  const cache = new WriteBackStore(base, reporter, cachingOptions(host, cacheBudget))
  return { base, cache, top: cache, report: reporter && reporter.put }
}

/** As `layer`, and as `layerInMemory` where segments are in memory. */
function layerSegments(spec: StoreSpec, host: StoreHost, segments: Segments, keys: TimedKeys): Layers {
  const { store } = segments
  const { cacheBudget } = host
  if (!spec.caching || cacheBudget === null || !store.isInMemory || store.hasDuplicatesInMemory) return layer(spec, host, store, segments)
  const reporter = changelogReporter(spec, host)
  const cache = new WriteBackSegments(store, keys, reporter, cachingOptions(host, cacheBudget))
  return { base: store, cache, top: cache, report: reporter && reporter.put }
}

function cachingOptions({ currentRecord, noteOrigin, enter, enterRow }: StoreHost, budget: CacheBudget): CachingOptions {
  return { budget, currentRecord, noteOrigin, enter, enterRow }
}

function assemble(spec: StoreSpec, { base, cache, top }: Layers, view: StoreView): OpenStore {
  const rowOf = restoredRow(spec)
  return {
    spec,
    view,
    cached: cache !== null,
    onFlush: (...listener) => cache?.onFlush(...listener),
    flush: () => cache?.flush(),
    ...(top.lookAhead && { lookAhead: (keys: KeysAhead) => top.lookAhead!(keys) }),
    hasUnflushed: () => cache?.hasUnflushed === true,
    seal: sealing(cache instanceof WriteBackStore || cache instanceof WriteBackSegments ? cache : base),
    commit: () => top.commit(),
    rollback: () => top.rollback(),
    wipe: null,
    restore: (key, value, timestamp, record) => base.put(key, value && rowOf(value, timestamp, record)),
  }
}

/** Layers above the base hold nothing by then. */
function sealing(rows: ByteStore): OpenStore['seal'] {
  const canSeal = rows instanceof MemoryByteStore || rows instanceof WriteBackStore || rows instanceof WriteBackSegments || (rows instanceof SegmentedByteStore && rows.isInMemory)
  return canSeal ? () => rows.seal() : null
}

/** What `changelogReporter` made of a row, as a row again. */
function restoredRow(spec: StoreSpec): (value: Uint8Array, timestamp: number, record: RestoredRecord) => Uint8Array {
  if (spec.keepsHeaders !== true) return isTimestamped(spec) ? (value, timestamp) => joinTimestamp(timestamp, value) : (value) => value
  return isTimestamped(spec)
    ? (value, timestamp, { headers }) => withHeaders(headers, joinTimestamp(timestamp, value))
    : (value, _timestamp, { headers }) => withHeaders(headers, value)
}

function openSegments(spec: StoreSpec, host: StoreHost, keys: TimedKeys): Segments {
  const retentionMs = spec.retentionMs ?? 0
  const segmentMs = Math.max(Math.floor(retentionMs / 2), minSegmentMs)
  const disk = diskFor(spec, host)
  const store = new SegmentedByteStore({
    ...(disk === null ? {} : { disk: diskSegments(disk, spec.name) }),
    keys,
    retentionMs,
    segmentMs,
    refuses: spec.persistent ? 'segment' : 'row',
    byTime: spec.timeOrdered ?? false,
    duplicates: spec.retainDuplicates ?? false,
    keptBytes: spec.caching && disk === null ? (host.cacheBudget?.maxBytes ?? 0) : 0,
    onExpired: () => host.expired(spec),
  })
  return { store, timeOf: (key) => keys.timeOf(key), segmentOf: (time) => Math.floor(time / segmentMs), byTime: (key) => keys.byTime(key), wipe: disk && (() => store.wipe()) }
}

function diskSegments(disk: DiskState, name: string): SegmentsOnDisk {
  return {
    open: (segment) => disk.segment(name, segment),
    openOrder: (segment) => disk.segmentOrder(name, segment),
    existing: disk.segments(name),
    observedTime: disk.number(name, 'time') ?? -1,
    setObservedTime: (time) => disk.setNumber(name, 'time', time),
  }
}

function rowSerde(spec: StoreSpec): Serde<unknown> {
  if (spec.keepsHeaders === true) return (isTimestamped(spec) ? valueTimestampAndHeadersSerde(spec.valueSerde) : valueAndHeadersSerde(spec.valueSerde)) as Serde<unknown>
  return isTimestamped(spec) ? valueAndTimestampSerde(spec.valueSerde) : copyingSerde(spec.valueSerde)
}

/** Serdes may give views of what they were given; what a store lends must not leave it as one. The bytes that it gives are good until the next ones. */
function copyingSerde(serde: Serde<unknown>): Serde<unknown> {
  const scratch = new ScratchBytes()
  const deserializeRange = (bytes: Uint8Array, start: number, end: number) => deserializeCopy(serde, bytes, start, end)
  const serializeInto = serde.serializeInto && ((value: unknown, bytes: Uint8Array, at: number) => serde.serializeInto!(value, bytes, at))
  return { serialize: (value) => scratch.of(serde, value), deserialize: (bytes) => deserializeRange(bytes, 0, bytes.length), deserializeRange, ...(serializeInto && { serializeInto }) }
}

function isTimestamped(spec: StoreSpec): boolean {
  return spec.type.startsWith('timestamped-')
}

/** The broker's time of arrival would mean nothing here: the row has its times inside. */
const noTimestamp = -1
/** Says in which version of the layout a buffered row is written. */
const suppressHeaders: readonly Header[] = Object.freeze([{ key: 'v', value: Uint8Array.of(3) }])

const defaultMaxEntries = 1_000
const minSegmentMs = 60_000
