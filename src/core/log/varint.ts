/**
 * Variable-length integers of the record format: seven bits a byte, least significant first; signed ones zigzag-encoded.
 * Numbers throughout: bit operations for 32 bits, plain arithmetic beyond, exact to 2^53.
 */
import { StreamError } from '../errors.ts'

const twoTo7 = 128
const twoTo28 = 268435456
/** Those of at least 0 and less than this take one byte or two. */
export const shortVarints = 8192
/** And three bytes at most. */
export const mediumVarints = 1_048_576

/** Where a reader stands; the varint readers advance `at`. */
export interface ByteCursor {
  readonly bytes: Uint8Array
  at: number
  /** One past the last byte that belongs to what is being read. */
  readonly end: number
}

// ---------------------------------------------------------------------------------------------------- sizes

/** Bytes that `writeVarint` or `writeVarlong` take for this value. */
export function varintSize(value: number): number {
  if (value >= -64 && value < 64) return 1
  if (value >= -8192 && value < 8192) return 2
  return unsignedVarintSize(value >= 0 ? value * 2 : -value * 2 - 1)
}

function unsignedVarintSize(value: number): number {
  let size = 1
  for (let rest = value; rest >= twoTo7; rest = Math.floor(rest / twoTo7)) size++
  return size
}

// ---------------------------------------------------------------------------------------------------- writing

/** Zigzag; serves varint and varlong alike, because their bytes are the same for the same value. Returns the position after it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value >= -64 && value < 64) {
    bytes[at] = (value << 1) ^ (value >> 31)
    return at + 1
  }
  if (value >= -8192 && value < 8192) {
    const zigzag = (value << 1) ^ (value >> 31)
    bytes[at] = (zigzag & 127) | 128
    bytes[at + 1] = zigzag >>> 7
    return at + 2
  }
  return writeUnsignedVarint(bytes, at, value >= 0 ? value * 2 : -value * 2 - 1)
}

export function writeUnsignedVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value
  let position = at
  while (rest >= twoTo7) {
    bytes[position++] = (rest % twoTo7) | 128
    rest = Math.floor(rest / twoTo7)
  }
  bytes[position++] = rest
  return position
}

/** As `writeVarint`, for the values that records are made of: small enough that the compiler puts it in place of each call. */
export function writeShortVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 64) {
    bytes[at] = value << 1
    return at + 1
  }
  bytes[at] = ((value << 1) & 127) | 128
  bytes[at + 1] = value >>> 6
  return at + 2
}

/** As `writeShortVarint`, also for those of three bytes. */
export function writeMediumVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < shortVarints) return writeShortVarint(bytes, at, value)
  bytes[at] = ((value << 1) & 127) | 128
  bytes[at + 1] = ((value >>> 6) & 127) | 128
  bytes[at + 2] = value >>> 13
  return at + 3
}

/** The length of bytes[start, end) at `lengthAt`; they are moved where it does not end at `start`. Gives where they end. */
export function writeLengthBefore(bytes: Uint8Array, lengthAt: number, start: number, end: number): number {
  const length = end - start
  const reserved = start - lengthAt
  if (reserved === 1 && length < 64) bytes[lengthAt] = length << 1
  else if (reserved === 2 && length >= 64 && length < shortVarints) {
    bytes[lengthAt] = ((length << 1) & 127) | 128
    bytes[lengthAt + 1] = length >>> 6
  } else return moveForLength(bytes, lengthAt, start, end)
  return end
}

function moveForLength(bytes: Uint8Array, lengthAt: number, start: number, end: number): number {
  const movedTo = lengthAt + varintSize(end - start)
  bytes.copyWithin(movedTo, start, end)
  writeVarint(bytes, lengthAt, end - start)
  return movedTo + end - start
}

// ---------------------------------------------------------------------------------------------------- reading

/** An int32. @throws CORRUPT_RECORD when it does not end before `cursor.end` or within five bytes */
export function readVarint(cursor: ByteCursor): number {
  const { bytes, at } = cursor
  const first = bytes[at]!
  if (at + 1 < cursor.end) {
    if (first < 128) {
      cursor.at = at + 1
      return (first >>> 1) ^ -(first & 1)
    }
    const second = bytes[at + 1]!
    if (second < 128) {
      cursor.at = at + 2
      return ((first & 127) >>> 1 | second << 6) ^ -(first & 1)
    }
  }
  const raw = readUnsignedVarint(cursor)
  return (raw >>> 1) ^ -(raw & 1)
}

/** An unsigned 32-bit number; bits beyond 32 in a fifth byte are dropped, as Kafka does. */
export function readUnsignedVarint(cursor: ByteCursor): number {
  const { bytes, end } = cursor
  let at = cursor.at
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    if (at >= end) throw truncated(cursor.at)
    const byte = bytes[at++]!
    value |= (byte & 127) << shift
    if (byte < 128) {
      cursor.at = at
      return value >>> 0
    }
  }
  throw tooLong(cursor.at, 5)
}

/** An int64 as a number: exact within ±(2^53 − 1). @throws CORRUPT_RECORD as `readVarint`, within ten bytes */
export function readVarlong(cursor: ByteCursor): number {
  const first = cursor.bytes[cursor.at]!
  const second = first < 128 ? 0 : cursor.bytes[cursor.at + 1]!
  return second < 128 ? readVarint(cursor) : readLongerVarlong(cursor)
}

function readLongerVarlong(cursor: ByteCursor): number {
  const { bytes, end } = cursor
  let at = cursor.at
  let low = 0
  for (let shift = 0; shift < 28; shift += 7) {
    if (at >= end) throw truncated(cursor.at)
    const byte = bytes[at++]!
    low |= (byte & 127) << shift
    if (byte < 128) {
      cursor.at = at
      return (low >>> 1) ^ -(low & 1)
    }
  }
  return readLongVarlong(cursor, at, low)
}

/** The rest of a varlong of more than four bytes: `low` holds its lowest 28 bits. */
function readLongVarlong(cursor: ByteCursor, from: number, low: number): number {
  const { bytes, end } = cursor
  let at = from
  let high = 0
  for (let weight = 1, index = 4; index < 10; index++, weight *= twoTo7) {
    if (at >= end) throw truncated(cursor.at)
    const byte = bytes[at++]!
    high += (byte & (index === 9 ? 1 : 127)) * weight
    if (byte < 128) {
      cursor.at = at
      const half = high * (twoTo28 / 2) + (low >>> 1)
      return low & 1 ? -half - 1 : half
    }
  }
  throw tooLong(cursor.at, 10)
}

function truncated(at: number): StreamError {
  return new StreamError('CORRUPT_RECORD', `the bytes end inside a variable-length integer at position ${at}`, { details: { position: at } })
}

function tooLong(at: number, bytes: number): StreamError {
  return new StreamError('CORRUPT_RECORD', `the variable-length integer at position ${at} is longer than ${bytes} bytes`, { details: { position: at } })
}
