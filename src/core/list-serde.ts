import { StreamError } from './errors.ts'
import { bigintSerde, doubleSerde, floatSerde, integerSerde, longSerde, shortSerde } from './fixed-length-serdes.ts'
import { stringSerde } from './serde.ts'
import type { Serde } from './serde.ts'

/** Kafka's UUIDSerializer: the text of the UUID. */
export const uuidSerde: Serde<string> = {
  serialize(uuid) {
    if (!uuidForm.test(uuid)) throw new StreamError('SERIALIZATION_FAILED', `${JSON.stringify(uuid)} is not a UUID`)
    return stringSerde.serialize(uuid)
  },
  deserialize(bytes) {
    const text = stringSerde.deserialize(bytes)
    if (uuidForm.test(text)) return text
    throw new StreamError('DESERIALIZATION_FAILED', `${JSON.stringify(text)} is not a UUID`)
  },
}

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Bytes of each value, for the serdes where it is always the same. */
const fixedLengths = new Map<unknown, number>([[shortSerde, 2], [integerSerde, 4], [longSerde, 8], [bigintSerde, 8], [floatSerde, 4], [doubleSerde, 8], [uuidSerde, 36]])

/**
 * A list of what another serde writes, in the format of Kafka's ListSerializer. Elements may be null.
 * ```
 *   fixed length     0 · number of nulls (4) · index of each (4) … · number of elements (4) · the others, one after the other
 *   other lengths    1 · number of elements (4) · for each: its length, -1 for null (4) · its bytes
 * ```
 * Fixed: `shortSerde`, `integerSerde`, `longSerde`, `bigintSerde`, `floatSerde`, `doubleSerde`, `uuidSerde`.
 */
export function listSerde<T>(inner: Serde<T>): Serde<readonly (T | null)[]> {
  const fixedLength = fixedLengths.get(inner)
  return {
    serialize: (list) => (fixedLength === undefined ? withLengths(list, inner) : withNulls(list, inner)),
    deserialize(bytes) {
      const reader = new ListReader(bytes)
      return fixedLength === undefined ? reader.withLengths(inner) : reader.withNulls(inner, fixedLength)
    },
  }
}

function withLengths<T>(list: readonly (T | null)[], inner: Serde<T>): Uint8Array {
  const parts = [Buffer.of(1), int32(list.length)]
  for (const element of list) {
    const bytes = element === null ? null : inner.serialize(element)
    parts.push(int32(bytes === null ? -1 : bytes.length))
    if (bytes !== null) parts.push(Buffer.from(bytes))
  }
  return Buffer.concat(parts)
}

function withNulls<T>(list: readonly (T | null)[], inner: Serde<T>): Uint8Array {
  const nulls = list.flatMap((element, index) => (element === null ? [index] : []))
  const rest = list.flatMap((element) => (element === null ? [] : [Buffer.from(inner.serialize(element))]))
  return Buffer.concat([Buffer.of(0), int32(nulls.length), ...nulls.map(int32), int32(list.length), ...rest])
}

class ListReader {
  readonly #bytes: Buffer
  #at = 1

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  withLengths<T>(inner: Serde<T>): readonly (T | null)[] {
    this.#expect(1)
    const list: (T | null)[] = []
    for (let left = this.#count(4); left > 0; left--) {
      const length = this.#int32()
      list.push(length === -1 ? null : inner.deserialize(this.#take(length)))
    }
    return list
  }

  withNulls<T>(inner: Serde<T>, length: number): readonly (T | null)[] {
    this.#expect(0)
    const nulls = new Set(Array.from({ length: this.#count(4) }, () => this.#int32()))
    const size = this.#int32()
    if (size < nulls.size || (size - nulls.size) * length !== this.#bytes.length - this.#at) throw damaged(`${size} elements do not fit its length`)
    return Array.from({ length: size }, (_, index) => (nulls.has(index) ? null : inner.deserialize(this.#take(length))))
  }

  #expect(form: number): void {
    if (this.#bytes[0] !== form) throw damaged(`it begins with ${String(this.#bytes[0])} instead of ${form}, which is a list of another type of elements`)
  }

  /** A number of things that take so many bytes each, at least. */
  #count(bytesEach: number): number {
    const count = this.#int32()
    if (count >= 0 && count * bytesEach <= this.#bytes.length - this.#at) return count
    throw damaged(`${count} elements do not fit its length`)
  }

  #int32(): number {
    if (this.#at + 4 > this.#bytes.length) throw damaged('it ends early')
    this.#at += 4
    return this.#bytes.readInt32BE(this.#at - 4)
  }

  #take(length: number): Uint8Array {
    if (length < 0 || this.#at + length > this.#bytes.length) throw damaged(`an element of ${length} bytes does not fit its length`)
    this.#at += length
    return new Uint8Array(this.#bytes.subarray(this.#at - length, this.#at))
  }
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}

function damaged(why: string): StreamError {
  return new StreamError('DESERIALIZATION_FAILED', `the list cannot be read: ${why}`)
}
