import { StreamError, nearestName, partitionForKey } from '../core/index.ts'
import type { PartitionPosition } from '../core/index.ts'
import type { KeyValueStore, ReadOnlyKeyValueStore } from './state/key-value-store.ts'
import { plainKeyValues, plainWindows } from './state/plain-values.ts'
import type { ReadOnlySessionStore, SessionStore } from './state/session-store.ts'
import type { ValueAndTimestamp } from './state/value-and-timestamp.ts'
import type { ReadOnlyVersionedStore, VersionedStore } from './state/versioned-store.ts'
import type { ReadOnlyWindowStore, WindowStore } from './state/window-store.ts'
import type { StoreSpec, StoreType, TopologyData } from './topology/node.ts'

/** The stores of one application that this instance has, by partition. */
export interface StoreScope {
  readonly topology: TopologyData
  /** Why nothing can be asked at present; null: it can. */
  readonly problem: () => string | null
  /** As \`StoreView\`: one for each StreamTask of this instance that has the store, or the one of a global store; a worker thread has one over all its tasks. */
  readonly views: (name: string) => readonly unknown[]
}

/** What an answer may be. */
export interface StoreQueryOptions {
  /**
   * Also rows of partitions that run elsewhere and are followed here (`standbyReplicas`), and of those that are being restored or
   * move: they may be older than what others have seen. Default false.
   */
  readonly stale?: boolean
  /**
   * Offsets that must have been processed and committed, of inputs of the store that are read here (a `position` of
   * `storeMetadata`, or where a record was written): a question before that throws STORE_NOT_AVAILABLE.
   */
  readonly atLeast?: readonly PartitionPosition[]
}

/** How a store is asked: its values alone, or with their timestamps; windows, sessions, or rows as of a time. */
export type StoreQueryType = 'key-value' | 'timestamped-key-value' | 'window' | 'timestamped-window' | 'session' | 'versioned'

const takes: Readonly<Record<StoreQueryType, readonly StoreType[]>> = {
  'key-value': ['key-value', 'timestamped-key-value', 'lru', 'timestamped-lru'],
  'timestamped-key-value': ['timestamped-key-value', 'timestamped-lru'],
  'window': ['window', 'timestamped-window'],
  'timestamped-window': ['timestamped-window'],
  'session': ['session'],
  'versioned': ['versioned'],
}

/** Views over all partitions of a store that this instance has. They stay good when partitions come and go. */
export class LocalStores {
  readonly #scope: StoreScope

  constructor(scope: StoreScope) {
    this.#scope = scope
  }

  /** @throws INVALID_ARGUMENT for an unknown name or another type of store */
  specOf(name: string, type?: StoreQueryType): StoreSpec {
    const { topology } = this.#scope
    const spec = [...topology.stores, ...topology.globalStores.map(({ store }) => store)].find((store) => store.name === name)
    if (spec === undefined) throw new StreamError('INVALID_ARGUMENT', `the topology has no store ${name}${hint(name, topology)}`)
    if (type === undefined || takes[type].includes(spec.type)) return spec
    throw new StreamError('INVALID_ARGUMENT', `the store ${name} is of type ${spec.type}, which cannot be asked as ${type}`)
  }

  /** @throws STORE_NOT_AVAILABLE while stores are restored or move, and on an instance that has no partition of it */
  #views<View>(name: string): readonly View[] {
    const problem = this.#scope.problem()
    if (problem !== null) throw notAvailable(name, problem)
    const views = this.#scope.views(name)
    if (views.length === 0) throw notAvailable(name, 'this instance has no partition of it; see keyMetadata() for the one that has')
    return views as readonly View[]
  }

  open(name: string, type: StoreQueryType): unknown {
    switch (type) {
      case 'key-value': return this.keyValue(name)
      case 'timestamped-key-value': return this.timestampedKeyValue(name)
      case 'window': return this.window(name)
      case 'timestamped-window': return this.timestampedWindow(name)
      case 'session': return this.session(name)
      case 'versioned': return this.versioned(name)
    }
  }

  keyValue<K, V>(name: string): ReadOnlyKeyValueStore<K, V> {
    const isStamped = this.specOf(name, 'key-value').type.startsWith('timestamped-')
    return isStamped ? plainKeyValues(this.timestampedKeyValue<K, V>(name)) : eachKeyValue(() => this.#views<KeyValueStore<K, V>>(name))
  }

  timestampedKeyValue<K, V>(name: string): ReadOnlyKeyValueStore<K, ValueAndTimestamp<V>> {
    this.specOf(name, 'timestamped-key-value')
    return eachKeyValue(() => this.#views<KeyValueStore<K, ValueAndTimestamp<V>>>(name))
  }

  window<K, V>(name: string): ReadOnlyWindowStore<K, V> {
    const isStamped = this.specOf(name, 'window').type.startsWith('timestamped-')
    return isStamped ? plainWindows(this.timestampedWindow<K, V>(name)) : eachWindow(() => this.#views<WindowStore<K, V>>(name))
  }

  timestampedWindow<K, V>(name: string): ReadOnlyWindowStore<K, ValueAndTimestamp<V>> {
    this.specOf(name, 'timestamped-window')
    return eachWindow(() => this.#views<WindowStore<K, ValueAndTimestamp<V>>>(name))
  }

  session<K, V>(name: string): ReadOnlySessionStore<K, V> {
    this.specOf(name, 'session')
    return eachSession(() => this.#views<SessionStore<K, V>>(name))
  }

  versioned<K, V>(name: string): ReadOnlyVersionedStore<K, V> {
    this.specOf(name, 'versioned')
    const views = () => this.#views<VersionedStore<K, V>>(name)
    return { get: (key) => first(views(), (view) => view.get(key)), getAsOf: (key, asOf) => first(views(), (view) => view.getAsOf(key, asOf)) }
  }
}

/** Why stores of these tasks cannot be asked; null without any. */
export function unavailable(taskIds: readonly string[]): string | null {
  return taskIds.length === 0 ? null : `stores of ${taskIds.join(', ')} are being restored, or move between instances; ask again`
}

/** How a store is asked for everything that it has, timestamps included. @throws INVALID_ARGUMENT for a kind that only operators understand */
export function queryTypeOf({ name, type }: StoreSpec): StoreQueryType {
  const found = (Object.keys(takes) as StoreQueryType[]).findLast((query) => takes[query].includes(type))
  if (found !== undefined) return found
  throw new StreamError('INVALID_ARGUMENT', `the store ${name} is of type ${type}, which cannot be asked`)
}

/** The partition of a store in which a key is, as every client's default partitioner says. */
export function partitionOfKey(spec: StoreSpec, key: unknown, partitions: number): number {
  return partitionForKey(spec.keySerde.serialize(key), partitions)
}

function notAvailable(name: string, why: string): StreamError {
  return new StreamError('STORE_NOT_AVAILABLE', `the store ${name} cannot be asked: ${why}`, { retriable: true, details: { store: name } })
}

function hint(name: string, { stores, globalStores }: TopologyData): string {
  const names = [...stores.map((store) => store.name), ...globalStores.map(({ store }) => store.name)]
  const nearest = nearestName(name, names)
  if (nearest !== undefined) return `; did you mean ${nearest}?`
  return names.length === 0 ? ': it has none' : `; it has ${names.sort().join(', ')}`
}

// ------------------------------------------------------------------------------------------------ over partitions

function eachKeyValue<K, V>(views: () => readonly ReadOnlyKeyValueStore<K, V>[]): ReadOnlyKeyValueStore<K, V> {
  return {
    get: (key) => first(views(), (view) => view.get(key)),
    range: (from, to) => joined(views(), (view) => view.range(from, to)),
    reverseRange: (from, to) => joined(views(), (view) => view.reverseRange(from, to)),
    all: () => joined(views(), (view) => view.all()),
    reverseAll: () => joined(views(), (view) => view.reverseAll()),
    prefixScan: (prefix) => joined(views(), (view) => view.prefixScan(prefix)),
    count: () => views().reduce((sum, view) => sum + view.count(), 0),
  }
}

function eachWindow<K, V>(views: () => readonly ReadOnlyWindowStore<K, V>[]): ReadOnlyWindowStore<K, V> {
  return {
    fetchOne: (key, start) => first(views(), (view) => view.fetchOne(key, start)),
    fetch: (key, from, to) => joined(views(), (view) => view.fetch(key, from, to)),
    backwardFetch: (key, from, to) => joined(views(), (view) => view.backwardFetch(key, from, to)),
    fetchRange: (...bounds) => joined(views(), (view) => view.fetchRange(...bounds)),
    backwardFetchRange: (...bounds) => joined(views(), (view) => view.backwardFetchRange(...bounds)),
    fetchAll: (from, to) => joined(views(), (view) => view.fetchAll(from, to)),
    backwardFetchAll: (from, to) => joined(views(), (view) => view.backwardFetchAll(from, to)),
    all: () => joined(views(), (view) => view.all()),
    reverseAll: () => joined(views(), (view) => view.reverseAll()),
  }
}

function eachSession<K, V>(views: () => readonly ReadOnlySessionStore<K, V>[]): ReadOnlySessionStore<K, V> {
  return {
    fetchSession: (key, start, end) => first(views(), (view) => view.fetchSession(key, start, end)),
    fetch: (key) => joined(views(), (view) => view.fetch(key)),
    backwardFetch: (key) => joined(views(), (view) => view.backwardFetch(key)),
    fetchRange: (from, to) => joined(views(), (view) => view.fetchRange(from, to)),
    backwardFetchRange: (from, to) => joined(views(), (view) => view.backwardFetchRange(from, to)),
    findSessions: (...bounds) => joined(views(), (view) => view.findSessions(...bounds)),
    backwardFindSessions: (...bounds) => joined(views(), (view) => view.backwardFindSessions(...bounds)),
  }
}

/** A key is in one partition only. */
function first<View, T>(views: readonly View[], ask: (view: View) => T | null): T | null {
  for (const view of views) {
    const found = ask(view)
    if (found !== null) return found
  }
  return null
}

function* joined<View, T>(views: readonly View[], ask: (view: View) => Iterable<T>): Iterable<T> {
  for (const view of views) yield* ask(view)
}
