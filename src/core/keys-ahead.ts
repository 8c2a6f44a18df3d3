import type { RecordReader } from './record.ts'

/** How many records are looked at in one go: their misses of the processor's cache are waited for together, and what was fetched is still there when they come. */
const groupSize = 32

/**
 * Where the keys of the next records of a batch stand, for who fetches what will be looked up by them. They are found when somebody asks how many there
 * are, which is the first thing to ask.
 */
export class KeysAhead {
  static readonly groupSize = groupSize

  /** Over the bytes in which the keys stand. */
  view: DataView = new DataView(new ArrayBuffer(0))
  readonly keyAt = new Int32Array(groupSize)
  readonly keyLength = new Int32Array(groupSize)
  #reader: RecordReader | null = null
  #count = 0

  /** From now on those of the record that the reader is at, and of the ones after it. */
  begin(reader: RecordReader): void {
    this.#reader = reader
  }

  /** Without those that are null. */
  get count(): number {
    if (this.#reader !== null) this.#count = this.#reader.findKeysAhead?.(this) ?? 0
    this.#reader = null
    return this.#count
  }
}
