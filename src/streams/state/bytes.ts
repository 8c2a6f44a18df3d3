/** Bytes as keys: text for hash maps and comparison, bounds for ranges, and the fixed-width numbers inside keys and values. */

/**
 * One character a byte, so that text compares as the bytes do and can be a key of a Map. Short keys are built from codes:
 * that is faster than a call into the runtime.
 */
export function bytesToText(bytes: Uint8Array): string {
  const { length } = bytes
  if (length > 24) return asBuffer(bytes).toString('latin1')
  let text = ''
  for (let index = 0; index < length; index++) text += characters[bytes[index]!]!
  return text
}

export function textToBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index)
  return bytes
}

const characters: readonly string[] = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The smallest key after `key`: makes an inclusive upper bound of an exclusive one. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1)
  after.set(key)
  return after
}

/** The smallest key after all that begin with `prefix`; undefined when there is none (all bytes 0xff). */
export function prefixEnd(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return undefined
  // A Buffer's slice() would share the prefix's memory.
  const end = new Uint8Array(prefix.subarray(0, length))
  end[length - 1]! += 1
  return end
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

/** True: `bytes` are those of `start` and `more` others. */
export function beginsWith(bytes: Uint8Array, start: Uint8Array, more: number): boolean {
  if (bytes.length !== start.length + more) return false
  for (let index = 0; index < start.length; index++) if (bytes[index] !== start[index]) return false
  return true
}

/** Below 0, 0 or above: `a` is before, equal to or after `b`, byte by byte. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length)
  for (let index = 0; index < common; index++) {
    const difference = a[index]! - b[index]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/**
 * The bytes in memory of their own: a view of a batch or of a pool would keep all of it alive. (Whether it is a view is not
 * asked: looking at the buffer of a small array costs more than the copy.)
 */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/** Copies source[start, end) to target[at…); short stretches without a call into the runtime. */
export function copyInto(target: Uint8Array, at: number, source: Uint8Array, start: number, end: number): void {
  if (end - start > shortBytes) target.set(source.subarray(start, end), at)
  else for (let index = start; index < end; index++) target[at + index - start] = source[index]!
}

/**
 * As `copyInto`, from view to view and for any length: four bytes at a time. The last ones are copied twice where they are no whole word, which is why
 * the source must not be written meanwhile.
 */
export function copyWords(target: DataView, at: number, source: DataView, start: number, end: number): void {
  if (end - start > longBytes) {
    new Uint8Array(target.buffer, target.byteOffset + at, end - start).set(new Uint8Array(source.buffer, source.byteOffset + start, end - start))
    return
  }
  const shift = at - start
  const last = end - 4
  if (last < start) for (let from = start; from < end; from++) target.setUint8(from + shift, source.getUint8(from))
  else {
    for (let from = start; from < last; from += 4) target.setInt32(from + shift, source.getInt32(from, true), true)
    target.setInt32(last + shift, source.getInt32(last, true), true)
  }
}

/** None, for who has not been given any yet. */
export const noBytes = new Uint8Array(0)
export const noView = new DataView(noBytes.buffer)
const shortBytes = 64
const longBytes = 256
const twoTo32 = 0x1_0000_0000
const twoTo63 = 2 ** 63

/** An integer as 8 bytes, big-endian, two's complement. From 2^63 on, which is how the largest int64 is read, it is that one. */
export function writeInt64(bytes: Uint8Array, offset: number, value: number): void {
  if (value >= twoTo63) {
    writeInt32(bytes, offset, 0x7fff_ffff)
    writeInt32(bytes, offset + 4, -1)
    return
  }
  const high = Math.floor(value / twoTo32)
  writeInt32(bytes, offset, high)
  writeInt32(bytes, offset + 4, value - high * twoTo32)
}

export function readInt64(bytes: Uint8Array, offset: number): number {
  return readInt32(bytes, offset) * twoTo32 + (readInt32(bytes, offset + 4) >>> 0)
}

export function writeInt32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

export function readInt32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!
}
