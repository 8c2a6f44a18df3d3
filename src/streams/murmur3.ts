/**
 * Austin Appleby's MurmurHash3, the 128-bit variant for 64-bit machines, with the seed that Kafka Streams uses for the
 * rows of foreign-key joins. 16 bytes, the two halves big-endian.
 *
 * Numbers of 64 bits are two of 32 here, since a BigInt is an object for each step: the high half of what a function gives is in `high`.
 */
export function murmur3(bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  const bodyEnd = length & ~15
  let h1Low = seed
  let h1High = 0
  let h2Low = seed
  let h2High = 0
  for (let at = 0; at < bodyEnd; at += 16) {
    h1Low ^= mixFirst(readInt32(bytes, at), readInt32(bytes, at + 4))
    h1High ^= high
    h1Low = add(rotate27(h1Low, h1High), high, h2Low, h2High)
    h1Low = timesFive(h1Low, high, 0x52dce729)
    h1High = high
    h2Low ^= mixSecond(readInt32(bytes, at + 8), readInt32(bytes, at + 12))
    h2High ^= high
    h2Low = add(rotate31(h2Low, h2High), high, h1Low, h1High)
    h2Low = timesFive(h2Low, high, 0x38495ab5)
    h2High = high
  }
  if (length > bodyEnd + 8) {
    h2Low ^= mixSecond(readUpTo(bytes, bodyEnd + 8, length), readUpTo(bytes, bodyEnd + 12, length))
    h2High ^= high
  }
  if (length > bodyEnd) {
    h1Low ^= mixFirst(readUpTo(bytes, bodyEnd, length), readUpTo(bytes, bodyEnd + 4, length))
    h1High ^= high
  }
  return finish(h1Low ^ length, h1High, h2Low ^ length, h2High)
}

const seed = 104_729

/** Of the number that a function gave last. */
let high = 0

function finish(firstLow: number, firstHigh: number, secondLow: number, secondHigh: number): Uint8Array {
  let h1Low = add(firstLow, firstHigh, secondLow, secondHigh)
  let h1High = high
  let h2Low = add(secondLow, secondHigh, h1Low, h1High)
  h2Low = mixFinally(h2Low, high)
  let h2High = high
  h1Low = mixFinally(h1Low, h1High)
  h1Low = add(h1Low, high, h2Low, h2High)
  h1High = high
  h2Low = add(h2Low, h2High, h1Low, h1High)
  h2High = high
  const hash = new Uint8Array(16)
  writeInt32(hash, 0, h1High)
  writeInt32(hash, 4, h1Low)
  writeInt32(hash, 8, h2High)
  writeInt32(hash, 12, h2Low)
  return hash
}

/** Times 0x87c37b91114253d5, rotated by 31, times 0x4cf5ad432745937f. */
function mixFirst(kLow: number, kHigh: number): number {
  const low = multiply(kLow, kHigh, 0x114253d5, 0x87c37b91)
  return multiply((low << 31) | (high >>> 1), (high << 31) | (low >>> 1), 0x2745937f, 0x4cf5ad43)
}

/** Times 0x4cf5ad432745937f, rotated by 33, times 0x87c37b91114253d5. */
function mixSecond(kLow: number, kHigh: number): number {
  const low = multiply(kLow, kHigh, 0x2745937f, 0x4cf5ad43)
  return multiply((high << 1) | (low >>> 31), (low << 1) | (high >>> 31), 0x114253d5, 0x87c37b91)
}

/** `h ^= h >>> 33` and a multiplication by 0xff51afd7ed558ccd, the same by 0xc4ceb9fe1a85ec53, and once more without. */
function mixFinally(hLow: number, hHigh: number): number {
  let low = multiply(hLow ^ (hHigh >>> 1), hHigh, 0xed558ccd, 0xff51afd7)
  low = multiply(low ^ (high >>> 1), high, 0x1a85ec53, 0xc4ceb9fe)
  return low ^ (high >>> 1)
}

function rotate27(low: number, ofHigh: number): number {
  high = (ofHigh << 27) | (low >>> 5)
  return (low << 27) | (ofHigh >>> 5)
}

function rotate31(low: number, ofHigh: number): number {
  high = (ofHigh << 31) | (low >>> 1)
  return (low << 31) | (ofHigh >>> 1)
}

function add(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  const low = (aLow + bLow) | 0
  high = (aHigh + bHigh + (low >>> 0 < aLow >>> 0 ? 1 : 0)) | 0
  return low
}

function timesFive(low: number, ofHigh: number, plus: number): number {
  return add(multiply(low, ofHigh, 5, 0), high, plus, 0)
}

/** The lower 64 bits of the product; of the lower halves by parts of 16 bits. */
function multiply(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  const a1 = aLow >>> 16
  const a0 = aLow & 0xffff
  const b1 = bLow >>> 16
  const b0 = bLow & 0xffff
  const lowest = Math.imul(a0, b0)
  const left = (Math.imul(a1, b0) + (lowest >>> 16)) | 0
  const right = (Math.imul(a0, b1) + (left & 0xffff)) | 0
  high = (Math.imul(a1, b1) + (left >>> 16) + (right >>> 16) + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0
  return (right << 16) | (lowest & 0xffff)
}

function readInt32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** As `readInt32`, with zeros from `end` on. */
function readUpTo(bytes: Uint8Array, at: number, end: number): number {
  let value = 0
  for (let index = Math.min(end, at + 4) - 1; index >= at; index--) value = (value << 8) | bytes[index]!
  return value
}

function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
