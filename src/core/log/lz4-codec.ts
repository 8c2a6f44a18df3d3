/**
 * LZ4 in its frame format, as Kafka's clients send it:
 * ```
 *   magic 04 22 4d 18 | flags | block size | [content size 8] | header checksum
 *   | (length u32 LE, highest bit: stored as it is | block | [checksum 4])… | 0 | [content checksum 4]
 * ```
 * Blocks must be independent, as in Kafka. What follows the frame is ignored. Our own frames have blocks of 64 KiB and no checksums:
 * the batch has one.
 */
import type { CompressionCodec } from './compression-codec.ts'
import { cannotInflate, inflatedTooLarge } from './compression-errors.ts'
import { xxhash32 } from './xxhash32.ts'

const magic = 0x184d2204
const flag = { version: 0xc0, version1: 0x40, independent: 0x20, blockChecksum: 0x10, contentSize: 8, contentChecksum: 4, dictionary: 1 } as const
const storedBit = 0x80000000
const blockBytes = 64 * 1024
const minMatch = 4
/** The format ends with literals: no match begins in the last 12 bytes, none reaches into the last 5. */
const lastMatchStart = 12
const lastLiterals = 5

interface Frame {
  readonly bytes: Uint8Array
  readonly view: DataView
  at: number
}

export const lz4Codec: CompressionCodec = {
  name: 'lz4',
  inflate(bytes, maxBytes) {
    try {
      return inflateFrame({ bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), at: 0 }, maxBytes)
    } catch (error) {
      // A read beyond the end: the frame is cut.
      if (error instanceof RangeError) throw cannotInflate('lz4', error)
      throw error
    }
  },
  deflate: deflateFrame,
}

// ---------------------------------------------------------------------------------------------------- inflating

function inflateFrame(frame: Frame, maxBytes: number): Uint8Array {
  const { flags, maxBlockBytes } = readDescriptor(frame)
  const parts: Uint8Array[] = []
  let left = maxBytes
  for (let block; (block = inflateNext(frame, flags, maxBlockBytes, left)) !== null; left -= block.length) parts.push(block)
  const content = Buffer.concat(parts)
  if (flags & flag.contentChecksum && frame.view.getUint32(frame.at, true) !== xxhash32(content)) throw cannotInflate('lz4')
  return content
}

function readDescriptor(frame: Frame): { readonly flags: number; readonly maxBlockBytes: number } {
  const { view, bytes } = frame
  if (view.getUint32(0, true) !== magic) throw cannotInflate('lz4')
  const flags = view.getUint8(4)
  const sizeId = (view.getUint8(5) >>> 4) & 7
  if ((flags & flag.version) !== flag.version1 || !(flags & flag.independent) || flags & flag.dictionary || sizeId < 4) throw cannotInflate('lz4')
  const end = flags & flag.contentSize ? 14 : 6
  if (view.getUint8(end) !== ((xxhash32(bytes.subarray(4, end)) >>> 8) & 255)) throw cannotInflate('lz4')
  frame.at = end + 1
  return { flags, maxBlockBytes: 1 << (8 + 2 * sizeId) }
}

/** null at the end mark. */
function inflateNext(frame: Frame, flags: number, maxBlockBytes: number, maxBytes: number): Uint8Array | null {
  const { view, bytes } = frame
  const header = view.getUint32(frame.at, true)
  frame.at += 4
  if (header === 0) return null
  const length = header & ~storedBit
  const block = bytes.subarray(frame.at, frame.at + length)
  if (block.length < length || length > maxBlockBytes) throw cannotInflate('lz4')
  frame.at += length
  if (flags & flag.blockChecksum) {
    if (view.getUint32(frame.at, true) !== xxhash32(block)) throw cannotInflate('lz4')
    frame.at += 4
  }
  const isStored = (header & storedBit) !== 0
  if (isStored && length > maxBytes) throw inflatedTooLarge(maxBytes)
  return isStored ? block : inflateBlock(block, maxBlockBytes, maxBytes)
}

function inflateBlock(block: Uint8Array, maxBlockBytes: number, maxBytes: number): Uint8Array {
  // One byte of a long match gives 255 at most: a small block cannot become a large one.
  const out = Buffer.allocUnsafe(Math.min(maxBlockBytes, block.length * 255))
  let end = 0
  for (let at = 0; at < block.length;) {
    const token = block[at++]!
    const literals = readLength(block, at, token >>> 4)
    at = literals.at + literals.length
    if (at > block.length || end + literals.length > out.length) throw cannotInflate('lz4')
    out.set(block.subarray(literals.at, at), end)
    end += literals.length
    if (at === block.length) break
    if (at + 2 > block.length) throw cannotInflate('lz4')
    const distance = block[at]! | (block[at + 1]! << 8)
    const match = readLength(block, at + 2, token & 15)
    at = match.at
    end = copyMatch(out, end, distance, match.length + minMatch)
  }
  if (end > maxBytes) throw inflatedTooLarge(maxBytes)
  return out.subarray(0, end)
}

function readLength(block: Uint8Array, from: number, nibble: number): { readonly length: number; readonly at: number } {
  let length = nibble
  let at = from
  if (nibble === 15) {
    for (let byte = 255; byte === 255; length += byte) {
      if (at >= block.length) throw cannotInflate('lz4')
      byte = block[at++]!
    }
  }
  return { length, at }
}

function copyMatch(out: Uint8Array, end: number, distance: number, length: number): number {
  if (distance === 0 || distance > end || end + length > out.length) throw cannotInflate('lz4')
  if (distance >= length) out.copyWithin(end, end - distance, end - distance + length)
  // A match may overlap what it writes: then byte by byte.
  else for (let i = 0; i < length; i++) out[end + i] = out[end - distance + i]!
  return end + length
}

// ---------------------------------------------------------------------------------------------------- deflating

function deflateFrame(bytes: Uint8Array): Uint8Array {
  const descriptor = Uint8Array.of(flag.version1 | flag.independent, 0x40)
  const header = Uint8Array.of(4, 0x22, 0x4d, 0x18, ...descriptor, (xxhash32(descriptor) >>> 8) & 255)
  const parts: Uint8Array[] = [header]
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const source = bytes.subarray(at, at + blockBytes)
    const block = deflateBlock(source)
    parts.push(block.length < source.length ? lengthOf(block.length) : lengthOf(source.length | storedBit), block.length < source.length ? block : source)
  }
  return Buffer.concat([...parts, lengthOf(0)])
}

function lengthOf(length: number): Uint8Array {
  return Uint8Array.of(length, length >>> 8, length >>> 16, length >>> 24)
}

const hashBits = 13

/** Greedy: the last place where the same four bytes stood, if any. */
function deflateBlock(bytes: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(bytes.length + Math.ceil(bytes.length / 255) + 16)
  const places = new Int32Array(1 << hashBits).fill(-1)
  const matchEnd = bytes.length - lastLiterals
  let end = 0
  let literalFrom = 0
  for (let at = 0; at + lastMatchStart <= bytes.length;) {
    const word = wordAt(bytes, at)
    const hash = Math.imul(word, 0x9e3779b1) >>> (32 - hashBits)
    const candidate = places[hash]!
    places[hash] = at
    if (candidate < 0 || wordAt(bytes, candidate) !== word) {
      at++
      continue
    }
    let length = minMatch
    while (at + length < matchEnd && bytes[candidate + length] === bytes[at + length]) length++
    end = writeSequence(out, end, bytes.subarray(literalFrom, at), at - candidate, length - minMatch)
    at += length
    literalFrom = at
  }
  return out.subarray(0, writeSequence(out, end, bytes.subarray(literalFrom), 0, 0))
}

/** Literals, then a match; distance 0: no match, the end. */
function writeSequence(out: Uint8Array, from: number, literals: Uint8Array, distance: number, extraLength: number): number {
  out[from] = (Math.min(15, literals.length) << 4) | (distance === 0 ? 0 : Math.min(15, extraLength))
  let at = writeLength(out, from + 1, literals.length)
  out.set(literals, at)
  at += literals.length
  if (distance === 0) return at
  out[at++] = distance
  out[at++] = distance >>> 8
  return writeLength(out, at, extraLength)
}

function writeLength(out: Uint8Array, from: number, length: number): number {
  if (length < 15) return from
  let at = from
  let rest = length - 15
  for (; rest >= 255; rest -= 255) out[at++] = 255
  out[at++] = rest
  return at
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}
