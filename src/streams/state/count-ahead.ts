import { KeysAhead, RecordsAhead } from '../../core/index.ts'
import type { RecordReader, Serde } from '../../core/index.ts'
import { writesWhatWasRead } from '../stream-record.ts'
import type { InputBatch, InputPlace } from '../stream-record.ts'
import { timestampBytes } from './value-and-timestamp.ts'
import type { WriteBackRows } from './write-back-rows.ts'
import type { WriteBackStore } from './write-back-store.ts'

/**
 * Counts records of a batch by groups, in three loops: where they stand, which rows are theirs, and one more for each of them where it lies. That is what the
 * aggregate does with one record after the other; it spares what a record takes on its way there, which is four times as much. It stops at the first record
 * for which there is more to do than that: its key is new, the cache has no room for its row, somebody may refuse it, or there is no time left.
 */
export class CountAhead {
  readonly #store: WriteBackStore
  readonly #waiting: WriteBackRows
  readonly #keySerde: Serde<unknown>
  readonly #records = new RecordsAhead()
  /** By number of the record; -1: none. */
  readonly #rows = new Int32Array(KeysAhead.groupSize)
  /** The first record that was not counted. */
  #index = 0
  #removals = -1
  /** Of this group: how many records were read, and how many were counted. */
  #read = 0
  #counted = 0
  #place: InputPlace | null = null
  #keysStand = false
  pause = 0
  /** Of all records that were counted by the last call, the largest; and the offset of the last one. */
  timestamp = -1
  offset = -1

  constructor(store: WriteBackStore, keySerde: Serde<unknown>) {
    this.#store = store
    this.#waiting = store.rows
    this.#keySerde = keySerde
  }

  /** Up to `limit` of the records that follow what was read last, never the last one of the batch; answers how many. */
  take({ place, reader }: InputBatch, limit: number): number {
    if (place !== this.#place) {
      this.#place = place
      this.#keysStand = writesWhatWasRead(place.keySerde, this.#keySerde)
    }
    if (!this.#keysStand || reader.readAhead === undefined) {
      this.pause = pauseRecords
      return 0
    }
    const records = this.#records
    this.timestamp = -1
    let taken = 0
    while (taken < limit) {
      const isHeld = reader.isBefore!(records, this.#index) && this.#store.removals === this.#removals
      if (!isHeld && !this.#readGroup(reader, place)) break
      const from = this.#index
      this.#index = this.#addOnes(place, from, Math.min(records.count, from + limit - taken))
      taken += this.#index - from
      this.#counted += this.#index - from
      reader.goTo!(records, this.#index)
      if (this.#index < records.count) break
    }
    // It goes the ordinary way.
    this.#index++
    return taken
  }

  /** False: what comes next is not of this kind. */
  #readGroup(reader: RecordReader, { valueSerde }: InputPlace): boolean {
    const records = this.#records
    if (this.#counted < this.#read / payingPart) {
      this.pause = pauseRecords
      this.#read = 0
      return false
    }
    reader.readAhead!(records)
    const { valueAt, valueLength, count } = records
    const window = records.window!
    this.#read = count
    // A key that a row has was read, or written, before: it is not looked at.
    for (let index = 0; index < count; index++) {
      if (valueSerde.isReadable?.(window, valueAt[index]!, valueAt[index]! + valueLength[index]!) === true) continue
      records.count = index
      break
    }
    this.#store.table.findAhead(records, this.#rows)
    this.#removals = this.#store.removals
    this.#index = 0
    this.#counted = 0
    if (records.count === 0) reader.goTo!(records, 0)
    return records.count > 0
  }

  /** The first from `from` on that is not so. */
  #addOnes(place: InputPlace, from: number, to: number): number {
    const store = this.#waiting
    const { table, origins } = store
    if (store.mustFlush) return from
    const { offset, timestamp } = this.#records
    origins.begin(place)
    let lastTime = -1
    let high = 0
    let low = 0
    let index = from
    for (; index < to; index++) {
      const row = this.#rows[index]!
      if (row < 0 || table.valueLength(row) !== longRowBytes) break
      const view = table.view(row)
      const at = table.offset(row) + table.keyLength(row)
      const count = view.getInt32(at + timestampBytes + 4)
      if (view.getInt32(at + timestampBytes) !== 0 || count < 0 || count === largestInt32 || !(store.waits(row) || store.waitsFromNow(row))) break
      view.setInt32(at + timestampBytes + 4, count + 1)
      const time = timestamp[index]!
      if (time !== lastTime) {
        lastTime = time
        high = Math.floor(time / twoTo32)
        low = (time - high * twoTo32) | 0
        if (time > this.timestamp) this.timestamp = time
      }
      if (view.getInt32(at) !== high ? view.getInt32(at) < high : (view.getInt32(at + 4) >>> 0) < (low >>> 0)) {
        view.setInt32(at, high)
        view.setInt32(at + 4, low)
      }
      origins.setAhead(row, time, offset[index]!)
    }
    if (index > from) {
      table.overwritten()
      this.offset = offset[index - 1]!
    }
    return index
  }
}

const twoTo32 = 0x1_0000_0000
const largestInt32 = 0x7fff_ffff
/** Of a row with a time and a count. */
const longRowBytes = timestampBytes + 8
/** Where less than one in so many could be counted so, it does not pay; and for so many records nobody tries again. */
const payingPart = 4
const pauseRecords = 1_000
