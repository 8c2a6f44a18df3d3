const prime1 = 0x9e3779b1
const prime2 = 0x85ebca77
const prime3 = 0xc2b2ae3d
const prime4 = 0x27d4eb2f
const prime5 = 0x165667b1
const stripeBytes = 16

/** The xxHash of 32 bits with seed 0, which LZ4 frames use for their checksums; unsigned. */
export function xxhash32(bytes: Uint8Array): number {
  const { length } = bytes
  let at = length - (length % stripeBytes)
  let hash = length >= stripeBytes ? hashOfStripes(bytes, at) : prime5
  hash = (hash + length) | 0
  for (; at + 4 <= length; at += 4) hash = Math.imul(rotate(hash + Math.imul(littleEndian(bytes, at), prime3), 17), prime4)
  for (; at < length; at++) hash = Math.imul(rotate(hash + Math.imul(bytes[at]!, prime5), 11), prime1)
  hash = Math.imul(hash ^ (hash >>> 15), prime2)
  hash = Math.imul(hash ^ (hash >>> 13), prime3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function hashOfStripes(bytes: Uint8Array, end: number): number {
  let a = (prime1 + prime2) | 0
  let b = prime2 | 0
  let c = 0
  let d = -prime1 | 0
  for (let at = 0; at < end; at += stripeBytes) {
    a = round(a, littleEndian(bytes, at))
    b = round(b, littleEndian(bytes, at + 4))
    c = round(c, littleEndian(bytes, at + 8))
    d = round(d, littleEndian(bytes, at + 12))
  }
  return (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0
}

function round(lane: number, word: number): number {
  return Math.imul(rotate(lane + Math.imul(word, prime2), 13), prime1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function littleEndian(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}
