/**
 * The field types of Kafka's stored structures (coordinator records, the consumer protocol): big-endian integers, strings
 * and byte strings with a fixed-width length, or, in flexible versions, with a compact one.
 */
import { StreamError } from './errors.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Builds one structure; grows as needed. */
export class FieldWriter {
  #bytes = new Uint8Array(128)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  int8(value: number): this {
    const at = this.#claim(1)
    this.#bytes[at] = value
    return this
  }

  int16(value: number): this {
    const at = this.#claim(2)
    this.#view.setInt16(at, value)
    return this
  }

  int32(value: number): this {
    const at = this.#claim(4)
    this.#view.setInt32(at, value)
    return this
  }

  int64(value: number | bigint): this {
    const at = this.#claim(8)
    this.#view.setBigInt64(at, BigInt(value))
    return this
  }

  unsignedVarint(value: number): this {
    let rest = value
    while (rest >= 128) {
      this.int8((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    return this.int8(rest)
  }

  raw(bytes: Uint8Array): this {
    const at = this.#claim(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }

  string(text: string): this {
    const bytes = encoder.encode(text)
    return this.int16(bytes.length).raw(bytes)
  }

  nullableString(text: string | null): this {
    return text === null ? this.int16(-1) : this.string(text)
  }

  compactNullableString(text: string | null): this {
    return this.compactNullableBytes(text === null ? null : encoder.encode(text))
  }

  compactNullableBytes(value: Uint8Array | null): this {
    return value === null ? this.unsignedVarint(0) : this.unsignedVarint(value.length + 1).raw(value)
  }

  bytes(value: Uint8Array): this {
    return this.int32(value.length).raw(value)
  }

  nullableBytes(value: Uint8Array | null): this {
    return value === null ? this.int32(-1) : this.bytes(value)
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** Room for so many bytes; before `#bytes` and `#view` are looked at, which it may replace. */
  #claim(size: number): number {
    const at = this.#length
    this.#length += size
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }
}

/** Reads one structure. Every length is checked against what is left before anything is allocated. @throws CORRUPT_RECORD */
export class FieldReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #what: string
  #at = 0

  /** `what` names the structure in errors, such as `offset commit value`. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1))
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2))
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4))
  }

  /** A bigint only where a number would not be exact, which no offset, id or time of ours ever is. */
  int64(): number | bigint {
    const exact = this.#view.getBigInt64(this.#take(8))
    return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact
  }

  unsignedVarint(): number {
    let value = 0
    for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
      const byte = this.#bytes[this.#take(1)]!
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
    throw this.corrupt('a varint is longer than five bytes')
  }

  raw(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.slice(at, at + length)
  }

  string(): string {
    const text = this.nullableString()
    if (text === null) throw this.corrupt('a string that must be there is null')
    return text
  }

  nullableString(): string | null {
    const length = this.int16()
    return length < 0 ? null : this.#text(length)
  }

  compactNullableString(): string | null {
    const length = this.unsignedVarint() - 1
    return length < 0 ? null : this.#text(length)
  }

  nullableBytes(): Uint8Array | null {
    const length = this.int32()
    return length < 0 ? null : this.raw(length)
  }

  compactNullableBytes(): Uint8Array | null {
    const length = this.unsignedVarint() - 1
    return length < 0 ? null : this.raw(length)
  }

  /** A counted list; null counts as empty. */
  list<T>(item: () => T): T[] {
    return this.items(this.int32(), item) ?? []
  }

  /** `count` items; null when it is negative. */
  items<T>(count: number, item: () => T): T[] | null {
    if (count > this.remaining) throw this.corrupt(`a list claims ${count} items and ${this.remaining} bytes are left`)
    return count < 0 ? null : Array.from({ length: count }, item)
  }

  #text(length: number): string {
    const at = this.#take(length)
    return decoder.decode(this.#bytes.subarray(at, at + length))
  }

  #take(size: number): number {
    if (size > this.remaining) throw this.corrupt(`${size} bytes are needed at position ${this.#at} and ${this.remaining} are left`)
    const at = this.#at
    this.#at += size
    return at
  }

  corrupt(problem: string): StreamError {
    return new StreamError('CORRUPT_RECORD', `${this.#what}: ${problem}`)
  }
}
