/**
 * Austin Appleby's MurmurHash3, the 128-bit variant for 64-bit machines, with the seed that Kafka Streams uses for the
 * rows of foreign-key joins. 16 bytes, the two halves big-endian.
 */
export function murmur3(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const blocks = bytes.length >>> 4
  let h1 = seed
  let h2 = seed
  for (let block = 0; block < blocks; block++) {
    h1 ^= mixFirst(view.getBigUint64(block * 16, true))
    h1 = wrap(wrap(rotate(h1, 27n) + h2) * 5n + 0x52dce729n)
    h2 ^= mixSecond(view.getBigUint64(block * 16 + 8, true))
    h2 = wrap(wrap(rotate(h2, 31n) + h1) * 5n + 0x38495ab5n)
  }
  const tail = blocks * 16
  if (bytes.length > tail + 8) h2 ^= mixSecond(littleEndian(bytes, tail + 8, bytes.length))
  if (bytes.length > tail) h1 ^= mixFirst(littleEndian(bytes, tail, Math.min(bytes.length, tail + 8)))
  return finish(h1 ^ BigInt(bytes.length), h2 ^ BigInt(bytes.length))
}

const seed = 104_729n
const c1 = 0x87c37b91114253d5n
const c2 = 0x4cf5ad432745937fn

function finish(first: bigint, second: bigint): Uint8Array {
  let h1 = wrap(first + second)
  let h2 = wrap(second + h1)
  h1 = mixFinally(h1)
  h2 = mixFinally(h2)
  h1 = wrap(h1 + h2)
  h2 = wrap(h2 + h1)
  const hash = new Uint8Array(16)
  const view = new DataView(hash.buffer)
  view.setBigUint64(0, h1)
  view.setBigUint64(8, h2)
  return hash
}

function mixFirst(k: bigint): bigint {
  return wrap(rotate(wrap(k * c1), 31n) * c2)
}

function mixSecond(k: bigint): bigint {
  return wrap(rotate(wrap(k * c2), 33n) * c1)
}

function mixFinally(h: bigint): bigint {
  let mixed = wrap((h ^ (h >> 33n)) * 0xff51afd7ed558ccdn)
  mixed = wrap((mixed ^ (mixed >> 33n)) * 0xc4ceb9fe1a85ec53n)
  return mixed ^ (mixed >> 33n)
}

function littleEndian(bytes: Uint8Array, from: number, to: number): bigint {
  let value = 0n
  for (let index = to - 1; index >= from; index--) value = (value << 8n) | BigInt(bytes[index]!)
  return value
}

function rotate(value: bigint, bits: bigint): bigint {
  return wrap((value << bits) | (value >> (64n - bits)))
}

function wrap(value: bigint): bigint {
  return BigInt.asUintN(64, value)
}
