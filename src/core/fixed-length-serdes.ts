/** Numbers and booleans in the layouts of Kafka's own serialisers: always so many bytes, big-endian. */
import { StreamError } from './errors.ts'
import type { Serde } from './serde.ts'

function checkLength(found: number, length: number, what: string): void {
  if (found !== length) throw new StreamError('DESERIALIZATION_FAILED', `${what} has ${length} bytes, but the data has ${found}`)
}

function readInt32(bytes: Uint8Array, position: number): number {
  return (bytes[position]! << 24) | (bytes[position + 1]! << 16) | (bytes[position + 2]! << 8) | bytes[position + 3]!
}

function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24
  bytes[position + 1] = value >>> 16
  bytes[position + 2] = value >>> 8
  bytes[position + 3] = value
}

/** Of a key or a value that is never there, as Kafka's VoidSerde: null is passed by, and everything else refused. */
export const voidSerde: Serde<null> = {
  serialize() {
    throw new StreamError('SERIALIZATION_FAILED', 'voidSerde is for what is always null, and takes no value')
  },
  deserialize(bytes) {
    throw new StreamError('DESERIALIZATION_FAILED', `voidSerde is for what is always null, but the data has ${bytes.length} bytes`)
  },
}

/** Kafka's LongSerializer: 8 bytes. Only integers that a number holds exactly; `bigintSerde` takes them all. */
export const longSerde: Serde<number> = {
  serialize(value) {
    const bytes = new Uint8Array(8)
    writeLong(value, bytes, 0)
    return bytes
  },
  deserialize: (bytes) => readLong(bytes, 0, bytes.length),
  deserializeRange: readLong,
  serializeInto: (value, bytes, at) => (at + 8 > bytes.length ? -1 : writeLong(value, bytes, at)),
  isExact: true,
}

function writeLong(value: number, bytes: Uint8Array, at: number): number {
  // As most are, which need no arithmetic of more than 32 bits.
  if ((value | 0) === value && value >= 0) {
    writeInt32(bytes, at, 0)
    writeInt32(bytes, at + 4, value)
    return at + 8
  }
  if (!Number.isSafeInteger(value)) throw new StreamError('SERIALIZATION_FAILED', `${value} is not an integer that fits a long without loss`)
  writeInt32(bytes, at, Math.floor(value / 0x1_0000_0000))
  writeInt32(bytes, at + 4, value)
  return at + 8
}

function readLong(bytes: Uint8Array, start: number, end: number): number {
  checkLength(end - start, 8, 'a long')
  const high = readInt32(bytes, start)
  const low = readInt32(bytes, start + 4)
  if (high === 0 && low >= 0) return low
  const value = high * 0x1_0000_0000 + (low >>> 0)
  if (Number.isSafeInteger(value)) return value
  throw new StreamError('DESERIALIZATION_FAILED', `the long ${Buffer.from(bytes.subarray(start, end)).readBigInt64BE()} does not fit a number without loss`)
}

/** Kafka's LongSerializer for every long there is: 8 bytes, as a bigint. */
export const bigintSerde: Serde<bigint> = {
  serialize(value) {
    if (BigInt.asIntN(64, value) !== value) throw new StreamError('SERIALIZATION_FAILED', `${value} is not a 64-bit integer`)
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeBigInt64BE(value)
    return bytes
  },
  deserialize(bytes) {
    checkLength(bytes.length, 8, 'a long')
    return viewOf(bytes).getBigInt64(0)
  },
}

/** Kafka's IntegerSerializer: 4 bytes. */
export const integerSerde: Serde<number> = {
  serialize(value) {
    if ((value | 0) !== value) throw new StreamError('SERIALIZATION_FAILED', `${value} is not a 32-bit integer`)
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeInt32BE(value)
    return bytes
  },
  deserialize(bytes) {
    checkLength(bytes.length, 4, 'an integer')
    return readInt32(bytes, 0)
  },
}

/** Kafka's ShortSerializer: 2 bytes. */
export const shortSerde: Serde<number> = {
  serialize(value) {
    if ((value << 16) >> 16 !== value) throw new StreamError('SERIALIZATION_FAILED', `${value} is not a 16-bit integer`)
    return Uint8Array.of(value >> 8, value)
  },
  deserialize(bytes) {
    checkLength(bytes.length, 2, 'a short')
    return viewOf(bytes).getInt16(0)
  },
}

/** Kafka's DoubleSerializer: 8 bytes, IEEE 754. */
export const doubleSerde: Serde<number> = {
  serialize(value) {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeDoubleBE(value)
    return bytes
  },
  deserialize(bytes) {
    checkLength(bytes.length, 8, 'a double')
    return viewOf(bytes).getFloat64(0)
  },
}

/** Kafka's FloatSerializer: 4 bytes, IEEE 754. A number is rounded to what they hold. */
export const floatSerde: Serde<number> = {
  serialize(value) {
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeFloatBE(value)
    return bytes
  },
  deserialize(bytes) {
    checkLength(bytes.length, 4, 'a float')
    return viewOf(bytes).getFloat32(0)
  },
}

/** Kafka's BooleanSerializer: one byte, 0 or 1. */
export const booleanSerde: Serde<boolean> = {
  serialize: (value) => Uint8Array.of(value ? 1 : 0),
  deserialize(bytes) {
    checkLength(bytes.length, 1, 'a boolean')
    if (bytes[0]! > 1) throw new StreamError('DESERIALIZATION_FAILED', `a boolean is 0 or 1, but the byte is ${bytes[0]}`)
    return bytes[0] === 1
  },
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
