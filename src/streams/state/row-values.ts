import { TextWindow, deserializeCopy } from '../../core/index.ts'
import type { Serde } from '../../core/index.ts'
import type { ByteRows } from './byte-rows.ts'

/**
 * Values of rows of a table that are read one after the other. Where these lie behind each other, as rows do that were added in turn, text is cut from
 * one string for a stretch of them, as from a batch: to make a string for each takes three times as long.
 */
export class RowValues {
  #page: Uint8Array | null = null
  /** Of the table, when the page was turned to: text that was made of bytes which have changed is not used. */
  #changes = -1
  /** Where the value ended that was read last. */
  #end = 0
  /** How many were read that lay behind the one before. */
  #streak = 0
  #window: TextWindow | null = null

  /** Of a row that has a value; `before`: bytes in front of it. */
  read<V>(serde: Serde<V>, table: ByteRows, row: number, before: number): V {
    const at = table.offset(row) + table.keyLength(row)
    const start = at + before
    const end = at + table.valueLength(row)
    const page = table.page(row)
    const window = serde.deserializeFrom === undefined ? null : this.#windowOf(page, table.changes, start, end)
    return window === null ? deserializeCopy(serde, page, start, end) : serde.deserializeFrom!(window, start, end)
  }

  /** null: no stretch is worth a string. */
  #windowOf(page: Uint8Array, changes: number, start: number, end: number): TextWindow | null {
    const distance = start - this.#end
    this.#end = end
    if (page !== this.#page || changes !== this.#changes || distance < 0 || distance > nearBytes) {
      this.#page = page
      this.#changes = changes
      this.#streak = 0
      this.#window = null
      return null
    }
    if (this.#streak < longStreak) {
      this.#streak++
      return null
    }
    this.#window ??= new TextWindow(page, page.length)
    return this.#window.covers(start, end) ? this.#window : null
  }
}

/** Between two values: a key, a timestamp, what is left of a block. */
const nearBytes = 128
const longStreak = 8
