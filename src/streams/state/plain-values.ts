import type { KeyValue, ReadOnlyKeyValueStore } from './key-value-store.ts'
import type { ValueAndTimestamp } from './value-and-timestamp.ts'
import type { ReadOnlyWindowStore, WindowValue } from './window-store.ts'
import type { Windowed } from '../windows.ts'

/** A timestamped store as one of the values alone, for queries that do not ask for timestamps. */
export function plainKeyValues<K, V>(store: ReadOnlyKeyValueStore<K, ValueAndTimestamp<V>>): ReadOnlyKeyValueStore<K, V> {
  return {
    get: (key) => store.get(key)?.value ?? null,
    range: (from, to) => plainRows(store.range(from, to)),
    reverseRange: (from, to) => plainRows(store.reverseRange(from, to)),
    all: () => plainRows(store.all()),
    reverseAll: () => plainRows(store.reverseAll()),
    prefixScan: (prefix) => plainRows(store.prefixScan(prefix)),
    count: () => store.count(),
  }
}

/** The same for windows. */
export function plainWindows<K, V>(store: ReadOnlyWindowStore<K, ValueAndTimestamp<V>>): ReadOnlyWindowStore<K, V> {
  return {
    fetchOne: (key, start) => store.fetchOne(key, start)?.value ?? null,
    fetch: (key, from, to) => plainStarts(store.fetch(key, from, to)),
    backwardFetch: (key, from, to) => plainStarts(store.backwardFetch(key, from, to)),
    fetchRange: (...bounds) => plainRows<Windowed<K>, V>(store.fetchRange(...bounds)),
    backwardFetchRange: (...bounds) => plainRows<Windowed<K>, V>(store.backwardFetchRange(...bounds)),
    fetchAll: (from, to) => plainRows<Windowed<K>, V>(store.fetchAll(from, to)),
    backwardFetchAll: (from, to) => plainRows<Windowed<K>, V>(store.backwardFetchAll(from, to)),
    all: () => plainRows<Windowed<K>, V>(store.all()),
    reverseAll: () => plainRows<Windowed<K>, V>(store.reverseAll()),
  }
}

function* plainRows<K, V>(rows: Iterable<KeyValue<K, ValueAndTimestamp<V>>>): Iterable<KeyValue<K, V>> {
  for (const { key, value } of rows) yield { key, value: value.value }
}

function* plainStarts<V>(rows: Iterable<WindowValue<ValueAndTimestamp<V>>>): Iterable<WindowValue<V>> {
  for (const { start, value } of rows) yield { start, value: value.value }
}
