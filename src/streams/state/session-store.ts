import type { Serde } from '../../core/index.ts'
import type { Windowed } from '../windows.ts'
import type { ByteEntry, ByteStore } from './byte-store.ts'
import { equalBytes, keyAfter, noBytes } from './bytes.ts'
import type { KeyValue } from './key-value-store.ts'
import type { SegmentedByteStore } from './segmented-byte-store.ts'
import { scanOf, sessionsOfKey, sessionsOfKeys } from './store-key-ranges.ts'
import { sessionEndOf, sessionKey, sessionKeys, sessionStartOf } from './store-keys.ts'

/** Reads of sessions. Bounds are inclusive; a null key bound is open. What ended before the newest end minus the retention is not seen. */
export interface ReadOnlySessionStore<K, V> {
  /** The session with exactly these bounds; null when there is none. */
  fetchSession(key: K, start: number, end: number): V | null
  /** All sessions of a key, by end. */
  fetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
  fetchRange(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetchRange(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>>
  /** Sessions of a key that end at or after `earliestEnd` and start at or before `latestStart`. */
  findSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
  backwardFindSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
}

export interface SessionStoreOptions<K, V> {
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  /** Scans over several keys go by end first. */
  readonly byTime: boolean
  /** Rows wait in a cache, which does not ask how old they are. */
  readonly cached: boolean
}

/** Values by key and session bounds. */
export class SessionStore<K, V> implements ReadOnlySessionStore<K, V> {
  readonly #bytes: ByteStore
  readonly #segments: SegmentedByteStore
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #byTime: boolean
  readonly #cached: boolean

  /** `bytes` may have a cache and a changelog around `segments`. */
  constructor(bytes: ByteStore, segments: SegmentedByteStore, { keySerde, valueSerde, byTime, cached }: SessionStoreOptions<K, V>) {
    this.#bytes = bytes
    this.#segments = segments
    this.#keySerde = keySerde
    this.#valueSerde = valueSerde
    this.#byTime = byTime
    this.#cached = cached
  }

  /** null removes. */
  put({ key, start, end }: Windowed<K>, value: V | null): void {
    // Not only when the cache brings it: how large caches are must not show in what is found.
    this.#segments.notice(end)
    this.#bytes.put(sessionKey(this.#keySerde.serialize(key), start, end), value === null ? null : this.#valueSerde.serialize(value))
  }

  remove(session: Windowed<K>): void {
    this.put(session, null)
  }

  fetchSession(key: K, start: number, end: number): V | null {
    if (!this.#cached && end < this.#segments.firstVisibleTime) return null
    const value = this.#bytes.get(sessionKey(this.#keySerde.serialize(key), start, end))
    return value === null ? null : this.#valueSerde.deserialize(value)
  }

  fetch(key: K): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKey(key, 0, Number.MAX_SAFE_INTEGER, false)
  }

  backwardFetch(key: K): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKey(key, 0, Number.MAX_SAFE_INTEGER, true)
  }

  fetchRange(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKeys(keyFrom, keyTo, false)
  }

  backwardFetchRange(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKeys(keyFrom, keyTo, true)
  }

  findSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKey(key, earliestEnd, latestStart, false)
  }

  backwardFindSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKey(key, earliestEnd, latestStart, true)
  }

  /** As findSessions, for the aggregation itself, which knows by its own clock which sessions take records: also out of retention, as long as they are there. */
  *sessionsToMerge(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>> {
    for (const entry of this.#ofKey(key, earliestEnd, latestStart, false, true)) if (!this.#segments.isGone(entry.key.end)) yield entry
  }

  /** Sessions by end, start and key, also those out of retention that are still there: for final results. Only of stores in the order of time. */
  *endingIn(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>> {
    for (const entry of this.#segments.scanByTime(from, to)) yield this.#decode(entry)
  }

  *#ofKey(key: K, earliestEnd: number, latestStart: number, reverse: boolean, includesExpired = false): Iterable<KeyValue<Windowed<K>, V>> {
    const keyBytes = this.#keySerde.serialize(key)
    const fromTime = Math.max(0, earliestEnd)
    const { first, last } = sessionsOfKey(keyBytes, fromTime, latestStart)
    for (const entry of this.#bytes.scan({ from: first, to: keyAfter(last), fromTime, reverse, includesExpired })) {
      if (sessionStartOf(entry.key) <= latestStart && equalBytes(sessionKeys.baseOf(entry.key), keyBytes)) yield this.#decode(entry)
    }
  }

  *#ofKeys(keyFrom: K | null, keyTo: K | null, reverse: boolean): Iterable<KeyValue<Windowed<K>, V>> {
    const low = keyFrom === null ? undefined : this.#keySerde.serialize(keyFrom)
    const high = keyTo === null ? undefined : this.#keySerde.serialize(keyTo)
    const range = high === undefined ? (low === undefined ? {} : { from: low }) : scanOf(sessionsOfKeys(low ?? noBytes, high, Number.MAX_SAFE_INTEGER))
    for (const entry of this.#bytes.scan({ reverse, byTime: this.#byTime, ...range })) {
      const base = sessionKeys.baseOf(entry.key)
      if (low !== undefined && Buffer.compare(base, low) < 0) continue
      if (high !== undefined && Buffer.compare(base, high) > 0) continue
      yield this.#decode(entry)
    }
  }

  #decode({ key, value }: ByteEntry): KeyValue<Windowed<K>, V> {
    return {
      key: { key: this.#keySerde.deserialize(sessionKeys.baseOf(key)), start: sessionStartOf(key), end: sessionEndOf(key) },
      value: this.#valueSerde.deserialize(value),
    }
  }
}

