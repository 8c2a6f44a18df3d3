import { StreamError } from './errors.ts'
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

  constructor(window: TextWindow) {
    this.window = window
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
