/**
 * Snappy, in the two forms that Kafka's clients send: the framing of the xerial library (Java) and a raw block (librdkafka).
 * ```
 *   xerial: 82 'SNAPPY' 00 | version i32 | compatible version i32 | (chunk length i32, raw block)…
 *   raw block: length as unsigned varint | elements: literal, or copy of earlier output
 * ```
 * Our own batches are written in the xerial form, which every Kafka client reads.
 */
import { readInt32, writeInt32 } from './big-endian.ts'
import type { CompressionCodec } from './compression-codec.ts'
import { cannotInflate, inflatedTooLarge } from './compression-errors.ts'
import { readUnsignedVarint, writeUnsignedVarint } from './varint.ts'

const xerialMagic = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0)
const xerialHeaderBytes = 16
const chunkBytes = 32 * 1024

export const snappyCodec: CompressionCodec = {
  name: 'snappy',
  inflate(bytes, maxBytes) {
    try {
      return xerialMagic.every((byte, i) => bytes[i] === byte) ? inflateXerial(bytes, maxBytes) : inflateBlock(bytes, maxBytes)
    } catch (error) {
      if (error instanceof RangeError) throw cannotInflate('snappy', error)
      throw error
    }
  },
  deflate: deflateXerial,
}

function inflateXerial(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = []
  let left = maxBytes
  for (let at = xerialHeaderBytes; at < bytes.length;) {
    const length = at + 4 <= bytes.length ? readInt32(bytes, at) : -1
    if (length < 0 || at + 4 + length > bytes.length) throw cannotInflate('snappy')
    const part = inflateBlock(bytes.subarray(at + 4, at + 4 + length), left)
    parts.push(part)
    left -= part.length
    at += 4 + length
  }
  return Buffer.concat(parts)
}

function inflateBlock(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const cursor = { bytes, at: 0, end: bytes.length }
  const length = readUnsignedVarint(cursor)
  if (length > maxBytes) throw inflatedTooLarge(maxBytes)
  // No element gives more than 64 bytes for two: a length beyond that is not true, and nothing is allocated for it.
  if (length > bytes.length * 32) throw cannotInflate('snappy')
  const out = Buffer.allocUnsafeSlow(length)
  let end = 0
  while (cursor.at < bytes.length) end = (bytes[cursor.at]! & 3) === 0 ? inflateLiteral(cursor, out, end) : inflateCopy(cursor, out, end)
  if (end !== length) throw cannotInflate('snappy')
  return out
}

/** Tag: length less one in the upper six bits, or (60 to 63) in the one to four bytes that follow. */
function inflateLiteral(cursor: { readonly bytes: Uint8Array; at: number }, out: Uint8Array, end: number): number {
  const { bytes } = cursor
  let length = (bytes[cursor.at++]! >>> 2) + 1
  if (length > 60) {
    const lengthBytes = length - 60
    length = 1 + littleEndian(bytes, cursor.at, lengthBytes)
    cursor.at += lengthBytes
  }
  if (cursor.at + length > bytes.length || end + length > out.length) throw cannotInflate('snappy')
  out.set(bytes.subarray(cursor.at, cursor.at + length), end)
  cursor.at += length
  return end + length
}

/** Tag 1: length 4 to 11, distance of 11 bits; tags 2 and 3: length 1 to 64, distance of 16 or 32 bits. */
function inflateCopy(cursor: { readonly bytes: Uint8Array; at: number }, out: Uint8Array, end: number): number {
  const tag = cursor.bytes[cursor.at]!
  const kind = tag & 3
  const length = kind === 1 ? 4 + ((tag >>> 2) & 7) : 1 + (tag >>> 2)
  const distance = kind === 1 ? ((tag >>> 5) << 8) | littleEndian(cursor.bytes, cursor.at + 1, 1) : littleEndian(cursor.bytes, cursor.at + 1, kind === 2 ? 2 : 4)
  cursor.at += kind === 1 ? 2 : kind === 2 ? 3 : 5
  if (distance === 0 || distance > end || end + length > out.length) throw cannotInflate('snappy')
  // Byte by byte: a copy may overlap what it writes.
  for (let i = 0; i < length; i++) out[end + i] = out[end - distance + i]!
  return end + length
}

function littleEndian(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = count - 1; i >= 0; i--) {
    const byte = bytes[at + i]
    if (byte === undefined) throw cannotInflate('snappy')
    value = value * 256 + byte
  }
  return value
}

// ---------------------------------------------------------------------------------------------------- deflating

function deflateXerial(bytes: Uint8Array): Uint8Array {
  const header = new Uint8Array(xerialHeaderBytes)
  header.set(xerialMagic)
  writeInt32(header, 8, 1)
  writeInt32(header, 12, 1)
  const parts: Uint8Array[] = [header]
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const block = deflateBlock(bytes.subarray(at, at + chunkBytes))
    const length = new Uint8Array(4)
    writeInt32(length, 0, block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

const hashBits = 13
const minMatch = 4

/** Greedy: the last place where the same four bytes stood, if any. Chunks are small enough for distances of 16 bits. */
function deflateBlock(bytes: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(16 + bytes.length + Math.ceil(bytes.length / 6))
  const places = new Int32Array(1 << hashBits).fill(-1)
  let end = writeUnsignedVarint(out, 0, bytes.length)
  let literalFrom = 0
  for (let at = 0; at + minMatch <= bytes.length;) {
    const word = readInt32(bytes, at)
    const hash = Math.imul(word, 0x1e35a7bd) >>> (32 - hashBits)
    const candidate = places[hash]!
    places[hash] = at
    if (candidate < 0 || readInt32(bytes, candidate) !== word) {
      at++
      continue
    }
    let length = minMatch
    while (at + length < bytes.length && bytes[candidate + length] === bytes[at + length]) length++
    end = writeLiteral(out, end, bytes, literalFrom, at)
    end = writeCopies(out, end, at - candidate, length)
    at += length
    literalFrom = at
  }
  return out.subarray(0, writeLiteral(out, end, bytes, literalFrom, bytes.length))
}

function writeLiteral(out: Uint8Array, end: number, bytes: Uint8Array, from: number, to: number): number {
  const length = to - from
  if (length === 0) return end
  let at = end
  if (length <= 60) out[at++] = (length - 1) << 2
  else {
    out[at++] = 61 << 2
    out[at++] = length - 1
    out[at++] = (length - 1) >>> 8
  }
  out.set(bytes.subarray(from, to), at)
  return at + length
}

function writeCopies(out: Uint8Array, end: number, distance: number, length: number): number {
  let at = end
  for (let left = length; left > 0;) {
    const part = Math.min(left, 64)
    out[at++] = ((part - 1) << 2) | 2
    out[at++] = distance
    out[at++] = distance >>> 8
    left -= part
  }
  return at
}
