import { StreamError } from './errors.ts'
import type { RecordReader } from './record.ts'
import type { Serde } from './serde.ts'
import type { TextWindow } from './text-window.ts'

/**
 * Where the parts of a record stand in the bytes of its batch, which has been found to be sound: for who copies them. One object for all records of a
 * batch, because there is none for each: it shows the record that `find` was called with last.
 */
export class RecordPosition {
  /** Over the records of the batch. */
  readonly window: TextWindow
  /** Where key, value and headers begin, with their lengths: what does not depend on the batch. */
  bodyAt = 0
  /** Below 0: the key is null. */
  keyLength = -1
  keyAt = 0
  /** One past the last byte of the record. */
  end = 0
  readonly #value = { at: 0, length: -1 }

  constructor(window: TextWindow) {
    this.window = window
  }

  /** Of the record: where its value begins, with how many bytes; none below 0. Good until the next `find`. */
  value(): { readonly at: number; readonly length: number } {
    const { bytes } = this.window
    let at = this.keyAt + Math.max(0, this.keyLength)
    let length = 0
    let shift = 0
    for (; bytes[at]! >= 128; shift += 7) length |= (bytes[at++]! & 127) << shift
    length |= bytes[at++]! << shift
    this.#value.at = at
    this.#value.length = (length >>> 1) ^ -(length & 1)
    return this.#value
  }

  /** Goes to the record that begins at `mark`. */
  find(mark: number): void {
    const { bytes } = this.window
    let at = mark
    let length = 0
    let shift = 0
    for (; bytes[at]! >= 128; shift += 7) length |= (bytes[at++]! & 127) << shift
    length |= bytes[at++]! << shift
    this.end = at + (length >>> 1)
    at++ // attributes
    while (bytes[at++]! >= 128);
    while (bytes[at++]! >= 128);
    this.bodyAt = at
    let key = 0
    shift = 0
    for (; bytes[at]! >= 128; shift += 7) key |= (bytes[at++]! & 127) << shift
    key |= bytes[at++]! << shift
    this.keyLength = (key >>> 1) ^ -(key & 1)
    this.keyAt = at
  }
}

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
  readonly keyAt: Int32Array = new Int32Array(groupSize)
  readonly keyLength: Int32Array = new Int32Array(groupSize)
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

/**
 * The next records of a batch, as far as they are as nearly all are (a value, no headers, a time, and a key where null is not taken): what stands where, read in
 * one go without an object or a call for each. The last record of a batch is never among them.
 */
export class RecordsAhead {
  /** Over the bytes in which they stand. */
  window: TextWindow | null = null
  count = 0
  /** The one that is processed. */
  index = 0
  /** Records of the batch that are not before the first of them. */
  left = 0
  /** How many of their bytes are above 127, without keys and values. */
  highBytes = 0
  readonly takesNullKeys: boolean
  /** Where the length of the key stands. */
  readonly bodyAt: Int32Array
  readonly keyAt: Int32Array
  /** Below 0: the key is null. */
  readonly keyLength: Int32Array
  readonly valueAt: Int32Array
  readonly valueLength: Int32Array
  readonly offset: Float64Array
  readonly timestamp: Float64Array
  /** Where each begins, and behind the last one where reading goes on. */
  readonly mark: Int32Array

  constructor(takesNullKeys = false, most = groupSize) {
    this.takesNullKeys = takesNullKeys
    this.bodyAt = new Int32Array(most)
    this.keyAt = new Int32Array(most)
    this.keyLength = new Int32Array(most)
    this.valueAt = new Int32Array(most)
    this.valueLength = new Int32Array(most)
    this.offset = new Float64Array(most)
    this.timestamp = new Float64Array(most)
    this.mark = new Int32Array(most + 1)
  }
}

/** Writes the key as it stands at a position. Nothing is read by it. */
export const readKeySerde: Serde<RecordPosition> = {
  serialize: ({ window, keyAt, keyLength }) => window.bytes.slice(keyAt, keyAt + keyLength),
  deserialize() {
    throw new StreamError('DESERIALIZATION_FAILED', 'bytes have no position in a batch')
  },
  serializeInto({ window, keyAt, keyLength }, bytes, at) {
    if (at + keyLength > bytes.length) return -1
    for (let index = 0; index < keyLength; index++) bytes[at + index] = window.bytes[keyAt + index]!
    return at + keyLength
  },
}
