/**
 * Fixed-width integers as Kafka's formats store them: big-endian, two's complement. Plain functions over bytes, because
 * batches arrive in buffers of all kinds and a DataView for each would cost more than the reads.
 */

const twoTo32 = 4294967296

export function readInt16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) >> 16) | bytes[at + 1]!
}

export function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) >>> 0
}

/** Exact within ±(2^53 − 1), rounded to the nearest double beyond. */
export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * twoTo32 + readUint32(bytes, at + 4)
}

export function writeInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8
  bytes[at + 1] = value
}

export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24
  bytes[at + 1] = value >> 16
  bytes[at + 2] = value >> 8
  bytes[at + 3] = value
}

export function writeInt64(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, Math.floor(value / twoTo32))
  writeInt32(bytes, at + 4, value)
}
