import type { Serde } from '../../core/index.ts'
import { copyInto, copyWords } from './bytes.ts'

/**
 * Room for bytes that live until the next ones: keys and values on their way into a store or a batch, which copy them. The
 * arrays given out are kept by length and share their memory, so nothing is allocated per record.
 */
export class ScratchBytes {
  #bytes = new Uint8Array(initialBytes)
  #words = new Int32Array(this.#bytes.buffer)
  #view = new DataView(this.#bytes.buffer)
  #views: (Uint8Array | undefined)[] = []

  /** What is written, four bytes to a word as they lie in memory. */
  get words(): Int32Array {
    return this.#words
  }

  /** As `room`, of what is there. */
  get view(): DataView {
    return this.#view
  }

  /** Where to write: at least `length` bytes, with what was written to it kept. */
  room(length: number): Uint8Array {
    if (length > this.#bytes.length) {
      const larger = new Uint8Array((Math.max(length, this.#bytes.length * 2) + 3) & ~3)
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#words = new Int32Array(larger.buffer)
      this.#view = new DataView(larger.buffer)
      this.#views = []
    }
    return this.#bytes
  }

  /** The first `length` bytes of the room. */
  first(length: number): Uint8Array {
    if (length > keptLengths) return this.room(length).subarray(0, length)
    const known = this.#views[length]
    if (known !== undefined) return known
    const view = this.room(length).subarray(0, length)
    this.#views[length] = view
    return view
  }

  /** Writes the serialised value from `at` on; gives where it ends. */
  write<T>(serde: Serde<T>, value: T, at: number): number {
    const end = serde.serializeInto?.(value, this.#bytes, at) ?? -1
    if (end >= 0) return end
    const bytes = serde.serialize(value)
    // Text asks for three bytes a character: with that much there is room for the next one.
    copyInto(this.room(at + 3 * bytes.length), at, bytes, 0, bytes.length)
    return at + bytes.length
  }

  /** The serialised value. */
  of<T>(serde: Serde<T>, value: T): Uint8Array {
    return this.first(this.write(serde, value, 0))
  }

  /** Copies what `view` shows from `start` to `end` to `at` and on; gives where it ends. */
  copyFrom(view: DataView, start: number, end: number, at: number): number {
    const length = end - start
    this.room(at + length)
    copyWords(this.#view, at, view, start, end)
    return at + length
  }

  /** Copies the bytes to the beginning; gives their number, and -1 for null. */
  take(bytes: Uint8Array | null): number {
    if (bytes === null) return -1
    copyInto(this.room(bytes.length), 0, bytes, 0, bytes.length)
    return bytes.length
  }

  /** A copy of bytes[start, end). */
  copy(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start
    copyInto(this.room(length), 0, bytes, start, end)
    return this.first(length)
  }
}

const initialBytes = 256
/** Views of at most so many bytes are kept. */
const keptLengths = 512
