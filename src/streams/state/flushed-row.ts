import type { Header } from '../../core/index.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { ByteRows } from './byte-rows.ts'
import type { RowOrigins } from './row-origins.ts'

/** A row on its way from a cache to the store and downstream: one object for all of them, good until the listener sends something on. */
export class FlushedRow {
  /** Where key and new value lie (no value: it was deleted). */
  table: ByteRows
  row = -1
  /** What the store had; null too when nobody asked for old values. */
  oldValue: Uint8Array | null = null
  origins: RowOrigins

  constructor(table: ByteRows, origins: RowOrigins) {
    this.table = table
    this.origins = origins
  }

  /** The one whose processing wrote the row last, without key and value. */
  get record(): StreamRecord {
    return this.origins.get(this.row)
  }

  /** Of that record. */
  get headers(): readonly Header[] {
    return this.origins.headers(this.row)
  }

  /** Of that record. */
  get timestamp(): number {
    return this.origins.timestamp(this.row)
  }
}
