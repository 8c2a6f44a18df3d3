import { deserializeCopy, longSerde } from '../../core/index.ts'
import type { RecordPosition, Serde } from '../../core/index.ts'
import { copyInto, noBytes, noView, readInt64, writeInt64 } from './bytes.ts'
import type { RowCache } from './row-cache.ts'
import type { SegmentedByteStore } from './segmented-byte-store.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import { windowSuffix, writeWindowSuffix } from './store-keys.ts'
import { timestampBytes } from './value-and-timestamp.ts'

/**
 * Reads and writes one row after the other of a timestamped store with a cache, by keys as they stand in an input batch: what `get` and `put`
 * of the store do, without an object for key, window, or row.
 * ```
 *   setKey ──read──▶ value, timestamp ──write──▶ setKey
 * ```
 */
export class RowUpdate {
  readonly #cache: RowCache
  /** Of windows. */
  readonly #segments: SegmentedByteStore | null
  readonly #valueSerde: Serde<unknown>
  /** Values are those of `longSerde`, as counts are: one below 2^31 is read and written where it lies, as the 32 bits that it has. */
  readonly #isLong: boolean
  readonly #key = new ScratchBytes()
  readonly #row = new ScratchBytes()
  #baseLength = 0
  #length = 0
  #start = 0
  #found = -1
  #removals = -1
  /** Where the row that was found has its value. */
  #page: Uint8Array = noBytes
  #view: DataView = noView
  #at = 0
  #valueLength = -1
  /** Of the row that was read; null: there is none, and `timestamp` says nothing. */
  value: unknown = null
  timestamp = -1

  constructor(cache: RowCache, valueSerde: Serde<unknown>, segments: SegmentedByteStore | null) {
    this.#cache = cache
    this.#valueSerde = valueSerde
    this.#isLong = isLongSerde(valueSerde)
    this.#segments = segments
  }

  setKey({ window, keyAt, keyLength }: RecordPosition): void {
    this.#baseLength = this.#length = keyLength
    this.#key.copyFrom(window.view, keyAt, keyAt + keyLength, 0)
  }

  /** Of the key that was set: its window from then on. */
  setWindow(start: number): void {
    this.#start = start
    this.#length = this.#baseLength + windowSuffix
    writeWindowSuffix(this.#key.room(this.#length), this.#baseLength, start, 0)
  }

  /** As `get`, and of a window as `fetchToUpdate`. */
  read(): void {
    const cache = this.#cache
    this.value = null
    if (this.#segments !== null && this.#segments.isGone(this.#start)) {
      this.#found = -1
      return
    }
    const row = this.#found = cache.findIn(this.#key, this.#length)
    this.#removals = cache.removals
    if (row < 0) {
      const bytes = cache.borrowInner(this.#key.first(this.#length))
      if (bytes !== null) this.#decode(bytes, 0, bytes.length)
      return
    }
    const { table } = cache
    const length = this.#valueLength = table.valueLength(row)
    if (length < 0) return
    const at = this.#at = table.offset(row) + table.keyLength(row)
    const page = this.#page = table.page(row)
    const view = this.#view = table.view(row)
    if (this.#isLong && length === longRowBytes && view.getInt32(at + timestampBytes) === 0 && view.getInt32(at + timestampBytes + 4) >= 0) {
      this.timestamp = view.getInt32(at) * twoTo32 + view.getUint32(at + 4)
      this.value = view.getInt32(at + timestampBytes + 4)
    } else this.#decode(page, at, at + length)
  }

  /** As `put`; null deletes. After `read`. */
  write(value: unknown, timestamp: number): void {
    const cache = this.#cache
    this.#segments?.notice(this.#start)
    const row = this.#found
    const isKnown = row >= 0 && this.#removals === cache.removals
    if (isKnown && this.#isLong && this.#valueLength === longRowBytes && isShortNumber(value) && cache.overwrites(row)) {
      this.#writeLongOver(value, timestamp)
      return
    }
    const end = value === null ? -1 : this.#row.write(this.#valueSerde, value, timestampBytes)
    if (isKnown && end >= 0 && end === this.#valueLength && cache.overwrites(row)) {
      // Of a value that keeps its length, all that there is to do.
      writeInt64(this.#page, this.#at, timestamp)
      copyInto(this.#page, this.#at + timestampBytes, this.#row.room(end), timestampBytes, end)
      return
    }
    if (end >= 0) writeInt64(this.#row.room(end), 0, timestamp)
    if (isKnown) cache.replace(row, this.#row, end)
    else cache.putIn(this.#key, this.#length, this.#row, end)
  }

  #writeLongOver(value: number, timestamp: number): void {
    const view = this.#view
    const at = this.#at
    const high = Math.floor(timestamp / twoTo32)
    view.setInt32(at, high)
    view.setInt32(at + 4, timestamp - high * twoTo32)
    view.setInt32(at + timestampBytes, 0)
    view.setInt32(at + timestampBytes + 4, value)
  }

  /** As `write`, of the value of the record that the key was set from, which has one, as it stands there. Without `read`. */
  writeRead(position: RecordPosition, timestamp: number): void {
    const { at, length } = position.value()
    const end = this.#row.copyFrom(position.window.view, at, at + length, timestampBytes)
    writeInt64(this.#row.room(end), 0, timestamp)
    this.#cache.putIn(this.#key, this.#length, this.#row, end)
  }

  #decode(bytes: Uint8Array, start: number, end: number): void {
    this.timestamp = readInt64(bytes, start)
    this.value = deserializeCopy(this.#valueSerde, bytes, start + timestampBytes, end)
  }
}

/** It reads and writes as `longSerde` does. */
export function isLongSerde(serde: Serde<unknown>): boolean {
  return serde.serializeInto === longSerde.serializeInto && serde.deserializeRange === longSerde.deserializeRange
}

function isShortNumber(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value && value >= 0
}

const twoTo32 = 0x1_0000_0000
/** Of a row with such a value. */
const longRowBytes = timestampBytes + 8
