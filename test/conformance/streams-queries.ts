/** Answers the recorded queries (FORMAT.md, section 5) from an open store. */
import { KeyValueStore } from '../../src/streams/state/key-value-store.ts'
import type { OpenStore } from '../../src/streams/state/open-store.ts'
import { OuterJoinStore } from '../../src/streams/state/outer-join-store.ts'
import { SessionStore } from '../../src/streams/state/session-store.ts'
import { VersionedStore } from '../../src/streams/state/versioned-store.ts'
import { WindowStore } from '../../src/streams/state/window-store.ts'
import { jsonForm } from './streams-json.ts'

export interface Query {
  readonly store: string
  readonly type: string
  readonly [argument: string]: unknown
}

export function runQuery(store: OpenStore, query: Query): unknown {
  const { view } = store
  if (view instanceof KeyValueStore) return queryKeyValue(store, view, query)
  if (view instanceof WindowStore) return queryWindow(store, view, query)
  if (view instanceof SessionStore) return querySession(view, query)
  if (view instanceof VersionedStore) return queryVersioned(view, query)
  throw new Error(`the store ${query.store} cannot be queried`)
}

/** All rows, as the recordings list them; of a versioned store the latest row of each of the keys. */
export function contentOf(store: OpenStore, keys: readonly unknown[]): readonly unknown[] {
  const { view } = store
  if (view instanceof VersionedStore) {
    return keys.flatMap((key) => {
      const row = view.get(key)
      return row === null ? [] : [{ key, value: jsonForm(row.value), timestamp: row.timestamp }]
    })
  }
  if (view instanceof SessionStore) return [...view.fetchRange(null, null)].map((row) => keyed(store, row))
  if (view instanceof KeyValueStore || view instanceof WindowStore) return [...view.all()].map((row) => keyed(store, row))
  if (view instanceof OuterJoinStore) return [...view.all()]
  throw new Error(`the store ${store.spec.name} cannot be scanned`)
}

function queryKeyValue(store: OpenStore, view: KeyValueStore<unknown, unknown>, query: Query): unknown {
  const [from, to] = [query['from'] ?? null, query['to'] ?? null]
  const rows = (found: Iterable<{ readonly key: unknown; readonly value: unknown }>) => [...found].map((row) => keyed(store, row))
  switch (query.type) {
    case 'get': return single(store, view.get(query['key']))
    case 'range': return rows(view.range(from, to))
    case 'reverseRange': return rows(view.reverseRange(from, to))
    case 'all': return rows(view.all())
    case 'reverseAll': return rows(view.reverseAll())
    case 'prefixScan': return rows(view.prefixScan(query['prefix']))
    case 'count': return view.count()
    default: throw unknownQuery(query)
  }
}

function queryWindow(store: OpenStore, view: WindowStore<unknown, unknown>, query: Query): unknown {
  const { key, type } = query
  const [from, to] = [query['from'] as number, query['to'] as number]
  const [keyFrom, keyTo] = [query['keyFrom'] ?? null, query['keyTo'] ?? null]
  const rows = (found: Iterable<{ readonly key: unknown; readonly value: unknown }>) => [...found].map((row) => keyed(store, row))
  const starts = (found: Iterable<{ readonly start: number; readonly value: unknown }>) => [...found].map(({ start, value }) => ({ start, ...valueForm(store, value) }))
  switch (type) {
    case 'fetchOne': return single(store, view.fetchOne(key, query['time'] as number))
    case 'fetch': return starts(view.fetch(key, from, to))
    case 'backwardFetch': return starts(view.backwardFetch(key, from, to))
    case 'fetchRange': return rows(view.fetchRange(keyFrom, keyTo, from, to))
    case 'backwardFetchRange': return rows(view.backwardFetchRange(keyFrom, keyTo, from, to))
    case 'fetchAll': return rows(view.fetchAll(from, to))
    case 'backwardFetchAll': return rows(view.backwardFetchAll(from, to))
    case 'all': return rows(view.all())
    case 'reverseAll': return rows(view.reverseAll())
    default: throw unknownQuery(query)
  }
}

function querySession(view: SessionStore<unknown, unknown>, query: Query): unknown {
  const { key, type } = query
  const number = (name: string) => query[name] as number
  const rows = (found: Iterable<{ readonly key: unknown; readonly value: unknown }>) => [...found].map((row) => jsonForm(row))
  switch (type) {
    case 'sessionFetch': return rows(view.fetch(key))
    case 'sessionBackwardFetch': return rows(view.backwardFetch(key))
    case 'sessionFetchRange': return rows(view.fetchRange(query['keyFrom'] ?? null, query['keyTo'] ?? null))
    case 'findSessions': return rows(view.findSessions(key, number('earliestEnd'), number('latestStart')))
    case 'backwardFindSessions': return rows(view.backwardFindSessions(key, number('earliestEnd'), number('latestStart')))
    case 'fetchSession': {
      const value = view.fetchSession(key, number('start'), number('end'))
      return value === null ? null : { value: jsonForm(value) }
    }
    default: throw unknownQuery(query)
  }
}

function queryVersioned(view: VersionedStore<unknown, unknown>, query: Query): unknown {
  const row = query.type === 'getAsOf' ? view.getAsOf(query['key'], query['asOf'] as number) : view.get(query['key'])
  if (row === null) return null
  // The recordings leave out until when the row held.
  return { value: jsonForm(row.value), timestamp: row.timestamp }
}

function single(store: OpenStore, value: unknown): unknown {
  return value === null ? null : valueForm(store, value)
}

function keyed(store: OpenStore, { key, value }: { readonly key: unknown; readonly value: unknown }): unknown {
  return { key: jsonForm(key), ...valueForm(store, value) }
}

function valueForm({ spec }: OpenStore, value: unknown): { readonly value: unknown; readonly timestamp?: number } {
  if (!spec.type.startsWith('timestamped-')) return { value: jsonForm(value) }
  const row = value as { readonly value: unknown; readonly timestamp: number }
  return { value: jsonForm(row.value), timestamp: row.timestamp }
}

function unknownQuery({ type }: Query): Error {
  return new Error(`the recordings use the query ${type}, which is not known`)
}
