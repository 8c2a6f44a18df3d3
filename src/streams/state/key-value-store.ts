import type { RecordPosition, Serde } from '../../core/index.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { FlushedRow } from './flushed-row.ts'
import type { RowsAhead } from './byte-rows.ts'
import type { ByteEntry, ByteStore } from './byte-store.ts'
import { keyAfter, prefixEnd } from './bytes.ts'
import type { BaseLength } from './key-chains.ts'
import { KeyedRows } from './keyed-rows.ts'
import { copyKeyAt, writeKeyOf } from './record-key.ts'
import { CountAhead } from './count-ahead.ts'
import { rowCacheOf } from './row-cache.ts'
import { RowUpdate } from './row-update.ts'
import { WriteBackStore } from './write-back-store.ts'

export interface KeyValue<K, V> {
  readonly key: K
  readonly value: V
}

/** What queries get: reads only. Keys come in the order of their serialised bytes (`B` before `a`, negative integers last). */
export interface ReadOnlyKeyValueStore<K, V> {
  /** null when there is no such key. */
  get(key: K): V | null
  /** From `from` to `to`, both inclusive; null leaves an end open. */
  range(from: K | null, to: K | null): Iterable<KeyValue<K, V>>
  reverseRange(from: K | null, to: K | null): Iterable<KeyValue<K, V>>
  all(): Iterable<KeyValue<K, V>>
  reverseAll(): Iterable<KeyValue<K, V>>
  /** Keys whose bytes begin with those of `prefix`. */
  prefixScan(prefix: K): Iterable<KeyValue<K, V>>
  count(): number
}

/** A map from key to value over a byte store. Every value that is given out was just decoded: nobody shares it. */
export class KeyValueStore<K, V> implements ReadOnlyKeyValueStore<K, V> {
  readonly #bytes: ByteStore
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #rows: KeyedRows<V>
  // A get is often followed by a put of the same key.
  #lastKey: unknown = none
  #lastKeyLength = 0

  constructor(bytes: ByteStore, keySerde: Serde<K>, valueSerde: Serde<V>) {
    this.#bytes = bytes
    this.#keySerde = keySerde
    this.#valueSerde = valueSerde
    this.#rows = new KeyedRows(bytes, valueSerde)
  }

  get(key: K): V | null {
    return this.#rows.get(this.#writeKey(key))
  }

  /** As `get`, of the key of a record, which is not null: it is not looked at, if it need not be. */
  getOf(record: StreamRecord): V | null {
    this.#lastKey = none
    this.#rows.keyChanges()
    return this.#rows.get(writeKeyOf(record, this.#keySerde as Serde<unknown>, this.#rows.key))
  }

  /** As `get`, of the key of a row of another table, which this store's serde would write as it stands there. */
  getOfRow(row: FlushedRow): V | null {
    this.#lastKey = none
    return this.#rows.getOfRow(row)
  }

  /** A hint that `getOfRow` comes for these rows. */
  lookAheadOf(rows: RowsAhead): void {
    this.#rows.lookAheadOf(rows)
  }

  /** As `getOf`, of a record that was not made, where the serde would write its key as it stands. */
  getAt(position: RecordPosition): V | null {
    this.#lastKey = none
    this.#rows.keyChanges()
    return this.#rows.get(copyKeyAt(position, this.#rows.key))
  }

  /** null deletes. */
  put(key: K, value: V | null): void {
    this.#rows.put(this.#writeKey(key), value)
  }

  /** Puts unless the key is there; gives what was there. */
  putIfAbsent(key: K, value: V): V | null {
    const existing = this.get(key)
    if (existing === null) this.put(key, value)
    return existing
  }

  /** Gives what was deleted. */
  delete(key: K): V | null {
    const existing = this.get(key)
    this.put(key, null)
    return existing
  }

  range(from: K | null, to: K | null): Iterable<KeyValue<K, V>> {
    return this.#entries(from, to, false)
  }

  reverseRange(from: K | null, to: K | null): Iterable<KeyValue<K, V>> {
    return this.#entries(from, to, true)
  }

  all(): Iterable<KeyValue<K, V>> {
    return this.#entries(null, null, false)
  }

  reverseAll(): Iterable<KeyValue<K, V>> {
    return this.#entries(null, null, true)
  }

  *prefixScan(prefix: K): Iterable<KeyValue<K, V>> {
    const from = this.#keySerde.serialize(prefix)
    const to = prefixEnd(from)
    for (const entry of this.#bytes.scan(to === undefined ? { from } : { from, to })) yield this.#decode(entry)
  }

  /** As `prefixScan`, of keys that all begin with one of `baseLength` bytes: see `ByteStore.scanOf`. */
  *scanOf(base: K, baseLength: BaseLength): Iterable<KeyValue<K, V>> {
    const entries = this.#bytes.scanOf?.(this.#keySerde.serialize(base), baseLength) ?? null
    if (entries === null) yield* this.prefixScan(base)
    else for (const entry of entries) yield this.#decode(entry)
  }

  count(): number {
    return this.#bytes.count()
  }

  /** For an aggregation, of a timestamped store with values of this serde; null where rows do not wait in a cache. */
  rowUpdate(valueSerde: Serde<unknown>): RowUpdate | null {
    const cache = rowCacheOf(this.#bytes)
    return cache === null ? null : new RowUpdate(cache, valueSerde, null)
  }

  /** For counts, as `rowUpdate`; null where rows are not written where they lie. */
  countAhead(): CountAhead | null {
    const bytes = this.#bytes
    return bytes instanceof WriteBackStore ? new CountAhead(bytes, this.#keySerde) : null
  }

  *#entries(from: K | null, to: K | null, reverse: boolean): Iterable<KeyValue<K, V>> {
    const range = {
      ...(from === null ? {} : { from: this.#keySerde.serialize(from) }),
      ...(to === null ? {} : { to: keyAfter(this.#keySerde.serialize(to)) }),
      reverse,
    }
    for (const entry of this.#bytes.scan(range)) yield this.#decode(entry)
  }

  #decode({ key, value }: ByteEntry): KeyValue<K, V> {
    return { key: this.#keySerde.deserialize(key), value: this.#valueSerde.deserialize(value) }
  }

  /** Its length. */
  #writeKey(key: K): number {
    if (key !== this.#lastKey || typeof key === 'object') {
      this.#lastKey = none
      this.#rows.keyChanges()
      this.#lastKeyLength = this.#rows.key.write(this.#keySerde, key, 0)
      this.#lastKey = key
    }
    return this.#lastKeyLength
  }
}

const none = Symbol('no key')
