import type { RecordPosition, RecordSpan, Serde } from '../../core/index.ts'
import type { Windowed } from '../windows.ts'
import { InputOrigin } from '../stream-record.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { ByteEntry, ByteStore } from './byte-store.ts'
import { beginsWith, keyAfter, noBytes, noView } from './bytes.ts'
import type { MutableSpan } from './changelog-reporter.ts'
import { duplicateValueAt } from './duplicate-rows.ts'
import type { KeyValue } from './key-value-store.ts'
import { KeyedRows } from './keyed-rows.ts'
import { rowCacheOf } from './row-cache.ts'
import { RowUpdate } from './row-update.ts'
import type { SegmentedByteStore } from './segmented-byte-store.ts'
import { copyKeyAt, writeKeyOf } from './record-key.ts'
import type { ScratchBytes } from './scratch-bytes.ts'
import { scanOf, windowsOfKey, windowsOfKeys } from './store-key-ranges.ts'
import type { StoreNumber } from './store-place.ts'
import type { WindowCursor } from './window-cursor.ts'
import { windowKeys, windowSequenceOf, windowStartOf, windowSuffix, writeWindowSuffix } from './store-keys.ts'

export interface WindowValue<V> {
  /** Start of the window, milliseconds since the epoch. */
  readonly start: number
  readonly value: V
}

/**
 * Reads of windows. Times are window starts, both bounds inclusive; a null key bound is open. What is older than the
 * store's newest window start minus its retention is not seen. Scans over several keys go segment by segment, then by key; of
 * stores in memory by start, then by key.
 */
export interface ReadOnlyWindowStore<K, V> {
  /** The window of the key that starts at exactly `start`; null when there is none. */
  fetchOne(key: K, start: number): V | null
  fetch(key: K, from: number, to: number): Iterable<WindowValue<V>>
  backwardFetch(key: K, from: number, to: number): Iterable<WindowValue<V>>
  fetchRange(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetchRange(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  fetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  all(): Iterable<KeyValue<Windowed<K>, V>>
  reverseAll(): Iterable<KeyValue<Windowed<K>, V>>
}

export interface WindowStoreOptions<K, V> {
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  /** What rows have of a record's value; null: they have more than that. */
  readonly recordValueSerde: Serde<unknown> | null
  /** For the `end` of keys that are given out. */
  readonly windowSizeMs: number
  /** Several values of one key and start are kept side by side, and null is not a deletion but nothing. */
  readonly retainDuplicates: boolean
  /** A cache is in front, which shows what it holds even out of retention. */
  readonly cached: boolean
  /** Which scans over several keys go by start first: `every`, or only those over `all` keys. */
  readonly byTime: 'none' | 'all' | 'every'
  /** Of the last duplicate. */
  readonly sequence: StoreNumber
  /** Where duplicates are kept: null was put, which takes a number and stands in the changelog, but not in the store. */
  readonly onNothing: (rowKey: Uint8Array, start: number) => void
  /** Where duplicates are kept in memory without a cache: what the changelog does with a row that was put; the object is used again. null: there is none. */
  readonly onDuplicate: ((row: RecordSpan) => void) | null
}

/** Values by key and window start. */
export class WindowStore<K, V> implements ReadOnlyWindowStore<K, V> {
  readonly #bytes: ByteStore
  readonly #segments: SegmentedByteStore
  readonly #options: WindowStoreOptions<K, V>
  readonly #rows: KeyedRows<V>
  readonly #span: MutableSpan = { bytes: noBytes, view: noView, keyAt: 0, keyLength: 0, valueAt: 0, valueLength: 0 }
  /** Rows go straight to the segments, and are read where they lie. */
  readonly #addsDuplicates: boolean
  // A read-modify-write asks for the same row twice.
  #lastKey: unknown = none
  #lastStart = -1
  #lastSequence = -1
  #lastLength = 0

  /** `bytes` may have a cache and a changelog around `segments`. */
  constructor(bytes: ByteStore, segments: SegmentedByteStore, options: WindowStoreOptions<K, V>) {
    this.#bytes = bytes
    this.#segments = segments
    this.#options = options
    this.#rows = new KeyedRows(bytes, options.valueSerde)
    this.#addsDuplicates = !options.cached && segments.hasDuplicatesInMemory
  }

  /** null deletes (and does nothing where duplicates are kept). */
  put(key: K, value: V | null, start: number): void {
    if (this.#options.retainDuplicates) {
      this.#putDuplicate(key, value, start)
      return
    }
    // Not only when the cache brings it: how large caches are must not show in what is found.
    if (this.#options.cached) this.#segments.notice(start)
    this.#rows.put(this.#writeRowKey(key, start, 0), value)
  }

  #putDuplicate(key: K, value: V | null, start: number): void {
    const number = this.#nextNumber()
    this.#addDuplicate(this.#writeRowKey(key, start, number), number, value, start)
  }

  #nextNumber(): number {
    const { sequence } = this.#options
    sequence.value = (sequence.value + 1) & 0x7fff_ffff
    return sequence.value
  }

  /** Of a whole key that was written. */
  #addDuplicate(length: number, number: number, value: V | null, start: number): void {
    const { key } = this.#rows
    const { valueSerde } = this.#options
    if (value === null) this.#options.onNothing(key.first(length), start)
    else if (this.#addsDuplicates) this.#addWritten(key, length, number, key.write(valueSerde, value, duplicateValueAt(length)), start)
    else this.#bytes.put(key.first(length), valueSerde.serialize(value))
  }

  /** Of a whole key with its value behind it, which ends at `end`: from there to the rows and to the changelog. */
  #addWritten(written: ScratchBytes, length: number, number: number, end: number, start: number): void {
    const valueAt = duplicateValueAt(length)
    this.#segments.addDuplicate(written, length - windowSuffix, start, number, end - valueAt)
    const { onDuplicate } = this.#options
    if (onDuplicate === null) return
    const span = this.#span
    span.bytes = written.room(end)
    span.view = written.view
    span.keyLength = length
    span.valueAt = valueAt
    span.valueLength = end - valueAt
    onDuplicate(span)
  }

  /** As `put`, of key, value and time of a record, whose key is not null: if they were read just so, they are copied from where they stand. */
  putRecord(record: StreamRecord<K, V | null>): void {
    const { timestamp } = record
    if (!this.#addsDuplicates) {
      this.put(record.key, record.value, timestamp)
      return
    }
    this.#lastKey = none
    const { key } = this.#rows
    const position = this.#positionOf(record)
    const keyLength = position === null ? writeKeyOf(record, this.#options.keySerde as Serde<unknown>, key) : copyKeyAt(position, key)
    const number = this.#nextNumber()
    const length = keyLength + windowSuffix
    writeWindowSuffix(key.room(length), keyLength, timestamp, number)
    if (position === null) this.#addDuplicate(length, number, record.value, timestamp)
    else {
      const { at, length: valueLength } = position.value()
      this.#addWritten(key, length, number, key.copyFrom(position.window.view, at, at + valueLength, duplicateValueAt(length)), timestamp)
    }
  }

  /** Where key and value stand in the batch that they were read from; null: not as rows have them. */
  #positionOf(record: StreamRecord<K, V | null>): RecordPosition | null {
    const { keySerde, recordValueSerde } = this.#options
    const { origin } = record
    if (recordValueSerde === null || record.value === null || !(origin instanceof InputOrigin)) return null
    return origin.position(record, keySerde as Serde<unknown>, recordValueSerde)
  }

  /** A restored row had this key: later duplicates must not meet it. */
  restored(rowKey: Uint8Array): void {
    const { sequence } = this.#options
    sequence.value = Math.max(sequence.value, windowSequenceOf(rowKey))
  }

  fetchOne(key: K, start: number): V | null {
    return this.#options.cached || start >= this.#segments.firstVisibleTime ? this.#row(key, start) : null
  }

  /** As fetchOne, for the aggregation itself, which knows by its own clock whether the window takes records: also out of retention, as long as it is there. */
  fetchToUpdate(key: K, start: number): V | null {
    return this.#options.cached && this.#segments.isGone(start) ? null : this.#row(key, start)
  }

  #row(key: K, start: number): V | null {
    return this.#rows.get(this.#writeRowKey(key, start, 0))
  }

  /** For the aggregation itself, of a timestamped store with values of this serde; null where rows do not wait in a cache. */
  rowUpdate(valueSerde: Serde<unknown>): RowUpdate | null {
    const cache = rowCacheOf(this.#bytes)
    return cache !== null && !this.#options.retainDuplicates ? new RowUpdate(cache, valueSerde, this.#segments) : null
  }

  fetch(key: K, from: number, to: number): Iterable<WindowValue<V>> {
    return this.#ofKey(key, from, to, false)
  }

  backwardFetch(key: K, from: number, to: number): Iterable<WindowValue<V>> {
    return this.#ofKey(key, from, to, true)
  }

  /** Puts the cursor before the rows of `fetch`, of the key of a record, which is not null: it is not looked at, if it need not be. */
  seekOf(cursor: WindowCursor<V>, record: StreamRecord, from: number, to: number): void {
    if (this.#addsDuplicates) this.#walk(cursor, writeKeyOf(record, this.#options.keySerde as Serde<unknown>, cursor.key), from, to)
    else this.seek(cursor, record.key as K, from, to)
  }

  /** Puts the cursor before the rows of `fetch`. */
  seek(cursor: WindowCursor<V>, key: K, from: number, to: number): void {
    if (this.#addsDuplicates) this.#walk(cursor, cursor.key.write(this.#options.keySerde, key, 0), from, to)
    else cursor.follow(this.#ofKey(key, from, to, false))
  }

  #walk(cursor: WindowCursor<V>, keyLength: number, from: number, to: number): void {
    cursor.begin(this.#options.valueSerde)
    this.#segments.walk(cursor, keyLength, Math.max(0, from), to)
  }

  fetchRange(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKeys(keyFrom, keyTo, from, to, false)
  }

  backwardFetchRange(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKeys(keyFrom, keyTo, from, to, true)
  }

  fetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKeys(null, null, from, to, false)
  }

  backwardFetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKeys(null, null, from, to, true)
  }

  all(): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKeys(null, null, 0, Number.MAX_SAFE_INTEGER, false)
  }

  reverseAll(): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#ofKeys(null, null, 0, Number.MAX_SAFE_INTEGER, true)
  }

  /** Windows by start, then by key, also those out of retention that are still there: for final results. Only of stores in the order of time. */
  *startingIn(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>> {
    for (const entry of this.#segments.scanByTime(from, to)) yield this.#decode(entry)
  }

  *#ofKey(key: K, from: number, to: number, reverse: boolean): Iterable<WindowValue<V>> {
    const keyBytes = this.#options.keySerde.serialize(key)
    const isDirect = !this.#options.cached && this.#segments.isInMemory
    const fromTime = Math.max(0, from, this.#segments.firstNoticedTime)
    for (const entry of isDirect ? this.#segments.scanKey(keyBytes, fromTime, to, reverse) : this.#scanKey(keyBytes, fromTime, to, reverse)) {
      if (!isDirect && !beginsWith(entry.key, keyBytes, windowSuffix)) continue
      yield { start: windowStartOf(entry.key), value: this.#options.valueSerde.deserialize(entry.value) }
    }
  }

  #scanKey(keyBytes: Uint8Array, fromTime: number, toTime: number, reverse: boolean): Iterable<ByteEntry> {
    const { first, last } = windowsOfKey(keyBytes, fromTime, toTime)
    return this.#bytes.scan({ from: first, to: keyAfter(last), fromTime, toTime, reverse })
  }

  *#ofKeys(keyFrom: K | null, keyTo: K | null, from: number, to: number, reverse: boolean): Iterable<KeyValue<Windowed<K>, V>> {
    const { keySerde } = this.#options
    const scansAll = keyFrom === null && keyTo === null
    const byTime = this.#options.byTime === 'every' || (this.#options.byTime === 'all' && scansAll)
    const bounds = { fromTime: Math.max(0, from), toTime: to, reverse, byTime }
    const low = keyFrom === null ? undefined : keySerde.serialize(keyFrom)
    const high = keyTo === null ? undefined : keySerde.serialize(keyTo)
    const range = high === undefined ? (low === undefined ? {} : { from: low }) : scanOf(windowsOfKeys(low ?? noBytes, high, to))
    for (const entry of this.#bytes.scan({ ...bounds, ...range })) {
      const base = windowKeys.baseOf(entry.key)
      if (low !== undefined && Buffer.compare(base, low) < 0) continue
      if (high !== undefined && Buffer.compare(base, high) > 0) continue
      yield this.#decode(entry)
    }
  }

  #decode({ key, value }: ByteEntry): KeyValue<Windowed<K>, V> {
    const start = windowStartOf(key)
    return {
      key: { key: this.#options.keySerde.deserialize(windowKeys.baseOf(key)), start, end: start + this.#options.windowSizeMs },
      value: this.#options.valueSerde.deserialize(value),
    }
  }

  /** Its length. */
  #writeRowKey(key: K, start: number, sequence: number): number {
    if (key !== this.#lastKey || start !== this.#lastStart || sequence !== this.#lastSequence || typeof key === 'object') {
      const { key: room } = this.#rows
      this.#lastKey = none
      this.#rows.keyChanges()
      const keyLength = room.write(this.#options.keySerde, key, 0)
      writeWindowSuffix(room.room(keyLength + windowSuffix), keyLength, start, sequence)
      this.#lastLength = keyLength + windowSuffix
      this.#lastKey = key
      this.#lastStart = start
      this.#lastSequence = sequence
    }
    return this.#lastLength
  }
}

const none = Symbol('no key')
