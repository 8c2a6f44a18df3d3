import type { Serde } from '../../core/index.ts'
import { copyInto } from './bytes.ts'

/**
 * Room for bytes that live until the next ones: keys and values on their way into a store or a batch, which copy them. The
 * arrays given out are kept by length and share their memory, so nothing is allocated per record.
 */
export class ScratchBytes {
  #bytes = new Uint8Array(initialBytes)
  #words = new Int32Array(this.#bytes.buffer)
  #views: (Uint8Array | undefined)[] = []

  /** What is written, four bytes to a word as they lie in memory. */
  get words(): Int32Array {
    return this.#words
  }

  /** Where to write: at least `length` bytes, with what was written to it kept. */
  room(length: number): Uint8Array {
    if (length > this.#bytes.length) {
      const larger = new Uint8Array((Math.max(length, this.#bytes.length * 2) + 3) & ~3)
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#words = new Int32Array(larger.buffer)
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
