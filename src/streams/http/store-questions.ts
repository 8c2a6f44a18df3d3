import { StreamError } from '../../core/index.ts'
import type { StoreQueryOptions } from '../local-stores.ts'
import type { StreamsApp } from '../streams-app.ts'
import type { StoreSpec } from '../topology/node.ts'

/** Rows of one answer, at most. */
const maxLimit = 10_000
const defaultLimit = 100

const ofKey = { 'window': ['from', 'to', 'limit', 'stale'], 'session': ['limit', 'stale'], 'versioned': ['asOf', 'stale'], 'key-value': ['stale'] }
const ofStore = { 'window': ['from', 'to', 'reverse', 'limit', 'stale'], 'session': ['reverse', 'limit', 'stale'], 'versioned': [], 'key-value': ['from', 'to', 'prefix', 'reverse', 'limit', 'stale'] }

/** The row or rows of one key; null when there are none. */
export function rowsOfKey(app: StreamsApp, spec: StoreSpec, key: unknown, query: URLSearchParams): unknown {
  checkNames(spec, query, ofKey)
  switch (spec.type) {
    case 'window':
    case 'timestamped-window': return taken(app.store(spec.name, 'window', optionsIn(query)).fetch(key, ...timesIn(query)), query)
    case 'session': return taken(app.store(spec.name, 'session', optionsIn(query)).fetch(key), query).map(sessionRow)
    case 'versioned': {
      const asOf = query.get('asOf')
      const store = app.store(spec.name, 'versioned', optionsIn(query))
      return asOf === null ? store.get(key) : store.getAsOf(key, wholeIn('asOf', asOf))
    }
    case 'timestamped-key-value':
    case 'timestamped-lru': return app.store(spec.name, 'timestamped-key-value', optionsIn(query)).get(key)
    default: {
      const value = app.store(spec.name, 'key-value', optionsIn(query)).get(key)
      return value === null ? null : { value }
    }
  }
}

/** Rows of many keys, in the order of their bytes within a partition. */
export function rowsOfStore(app: StreamsApp, spec: StoreSpec, query: URLSearchParams): readonly unknown[] {
  if (spec.type !== 'versioned') checkNames(spec, query, ofStore)
  const isReverse = isSet('reverse', query)
  switch (spec.type) {
    case 'window':
    case 'timestamped-window': {
      const store = app.store(spec.name, 'window', optionsIn(query))
      return taken(isReverse ? store.backwardFetchAll(...timesIn(query)) : store.fetchAll(...timesIn(query)), query).map(sessionRow)
    }
    case 'session': {
      const store = app.store(spec.name, 'session', optionsIn(query))
      return taken(isReverse ? store.backwardFetchRange(null, null) : store.fetchRange(null, null), query).map(sessionRow)
    }
    case 'versioned': throw new StreamError('INVALID_ARGUMENT', `the store ${spec.name} keeps the rows of the past and is asked by key: /stores/${spec.name}/keys/KEY?asOf=MS`)
    default: {
      const store = app.store<unknown, unknown>(spec.name, 'key-value', optionsIn(query))
      const prefix = query.get('prefix')
      if (prefix !== null) return taken(store.prefixScan(keyFromText(spec, prefix)), query)
      const [from, to] = ['from', 'to'].map((name) => (query.has(name) ? keyFromText(spec, query.get(name)!) : null))
      return taken(isReverse ? store.reverseRange(from, to) : store.range(from, to), query)
    }
  }
}

/** `stale=true`: rows that are followed here will do. */
export function optionsIn(query: URLSearchParams): StoreQueryOptions {
  return { stale: isSet('stale', query) }
}

/** A parameter that is misspelt would be ignored, and other rows given. @throws INVALID_ARGUMENT */
function checkNames({ name, type }: StoreSpec, query: URLSearchParams, known: Readonly<Record<keyof typeof ofStore, readonly string[]>>): void {
  const kind = type.replace('timestamped-', '')
  const names = kind === 'window' || kind === 'session' || kind === 'versioned' ? known[kind] : known['key-value']
  const wrong = [...query.keys()].find((given) => !names.includes(given))
  if (wrong !== undefined) throw new StreamError('INVALID_ARGUMENT', `rows of the store ${name} are not asked with ${JSON.stringify(wrong)} here; there is ${names.join(', ')}`)
}

function isSet(name: string, query: URLSearchParams): boolean {
  const value = query.get(name)
  if (value === null || value === 'true' || value === 'false') return value === 'true'
  throw new StreamError('INVALID_ARGUMENT', `${name} must be true or false, not ${JSON.stringify(value)}`)
}

/** A key as an address has it: the text itself where keys are text, else JSON. @throws INVALID_ARGUMENT when it is no key of the store */
export function keyFromText({ name, keySerde }: StoreSpec, text: string): unknown {
  for (const candidate of [() => text, () => JSON.parse(text) as unknown]) {
    try {
      return keySerde.deserialize(keySerde.serialize(candidate()))
    } catch {
      // The next form may fit.
    }
  }
  throw new StreamError('INVALID_ARGUMENT', `${JSON.stringify(text)} is no key of the store ${name}, neither as text nor as JSON`)
}

function sessionRow({ key, value }: { readonly key: { readonly key: unknown; readonly start: number; readonly end: number }; readonly value: unknown }): unknown {
  return { key: key.key, start: key.start, end: key.end, value }
}

function taken<T>(rows: Iterable<T>, query: URLSearchParams): T[] {
  const limit = Math.min(maxLimit, query.has('limit') ? wholeIn('limit', query.get('limit')!) : defaultLimit)
  const list: T[] = []
  for (const row of rows) {
    if (list.length >= limit) break
    list.push(row)
  }
  return list
}

function timesIn(query: URLSearchParams): readonly [number, number] {
  const [from, to] = ['from', 'to'].map((name) => (query.has(name) ? wholeIn(name, query.get(name)!) : null))
  return [from ?? 0, to ?? Number.MAX_SAFE_INTEGER]
}

function wholeIn(name: string, text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value
  throw new StreamError('INVALID_ARGUMENT', `${name} must be a whole number, not ${JSON.stringify(text)}`)
}
