import { StreamError } from '../core/index.ts'
import type { Header, RecordSpan, Serde } from '../core/index.ts'
import type { RowsAhead } from './state/byte-rows.ts'
import { copyInto, noBytes, noView } from './state/bytes.ts'
import { spanOf } from './state/changelog-reporter.ts'
import type { FlushedRow } from './state/flushed-row.ts'
import { RowValues } from './state/row-values.ts'
import { unread, writesWhatWasRead } from './stream-record.ts'
import type { StreamRecord } from './stream-record.ts'

/** How key and value of the rows of a store are read. */
export interface RowPlace {
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  /** In front of the value. */
  readonly timestampBytes: number
  /** The key of a row is that of its record, without a window behind it. */
  readonly hasPlainKey: boolean
}

/**
 * A change that a table sends on, before an object is made of it: the row that was flushed, which an operator may have given another value. There is no old
 * value. One for all rows of a table, good until the next.
 */
export class RowChange {
  readonly place: RowPlace
  readonly #keyOf: (row: FlushedRow) => unknown
  readonly #span = { bytes: noBytes, view: noView, keyAt: 0, keyLength: 0, valueAt: 0, valueLength: 0 }
  readonly #values = new RowValues()
  #row: FlushedRow | null = null

  constructor(place: RowPlace, keyOf: (row: FlushedRow) => unknown) {
    this.place = place
    this.#keyOf = keyOf
  }

  set row(row: FlushedRow) {
    this.#row = row
  }

  /** Where key and value stand. */
  get row(): FlushedRow {
    return this.#row!
  }

  /** This serde would write the very bytes that stand in the row for its key. */
  hasKeyOf(keySerde: Serde<unknown>): boolean {
    return this.place.hasPlainKey && writesWhatWasRead(this.place.keySerde, keySerde)
  }

  /** Where they stand, of a row that is not deleted: as a record is written. */
  get span(): RecordSpan {
    const { table, row } = this.row
    spanOf(table, row, this.place.timestampBytes, this.#span)
    return this.#span
  }

  /** Decoded now. */
  readKey(): unknown {
    return this.#keyOf(this.row)
  }

  /** As it stands in the row, decoded now; null: the row is deleted. */
  readValue(): unknown {
    const { table, row } = this.row
    const { valueSerde, timestampBytes } = this.place
    return table.valueLength(row) < 0 ? null : this.#values.read(valueSerde, table, row, timestampBytes)
  }

  /** A record of it. */
  record<V>(key: unknown, value: V, timestamp: number): StreamRecord<unknown, V> {
    return this.row.record.at(key === unread ? this.readKey() : key, value, timestamp)
  }
}

/** Writes the key as it stands in a row. Nothing is read by it. */
export const rowKeySerde: Serde<FlushedRow> = {
  serialize: ({ table, row }) => table.key(row),
  deserialize() {
    throw new StreamError('DESERIALIZATION_FAILED', 'bytes are no row of a table')
  },
  serializeInto({ table, row }, bytes, at) {
    const start = table.offset(row)
    const end = start + table.keyLength(row)
    if (at + end - start > bytes.length) return -1
    copyInto(bytes, at, table.page(row), start, end)
    return at + end - start
  },
}


/**
 * Takes what a row was flushed with, in place of a record. `key`: or `unread`. `value`: or `unread`, where it is as it stands in the row; null: the row is deleted.
 */
export interface RowRun {
  (value: unknown, key: unknown, timestamp: number, headers: readonly Header[], change: RowChange): void
  /** False: it may be given `unread` for a value. */
  readonly seesValue: boolean
  /** A hint that it will be called for these rows. Absent: nothing is looked up by their keys. */
  readonly lookAhead?: ((rows: RowsAhead) => void) | undefined
}
