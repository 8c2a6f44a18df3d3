/**
 * CRC-32C (Castagnoli) in plain JavaScript: slicing by 16 over 32-bit words. Always there, and the faster one for few bytes;
 * `crc32c` chooses. Little-endian hosts only, which is every host Node runs on.
 */
const tableBytes = 256

/** `tables[k * 256 + b]`: the effect of byte b followed by k zero bytes. */
const tables = new Int32Array(16 * tableBytes)
for (let byte = 0; byte < tableBytes; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  tables[byte] = crc
}
for (let i = tableBytes; i < tables.length; i++) {
  const previous = tables[i - tableBytes]!
  tables[i] = (previous >>> 8) ^ tables[previous & 255]!
}

/** A word view of each memory block that was seen: making one costs more than the checksum of a small batch. */
const wordViews = new WeakMap<ArrayBufferLike, Int32Array>()

function wordsOf(buffer: ArrayBufferLike): Int32Array {
  let words = wordViews.get(buffer)
  if (words === undefined || words.buffer !== buffer) {
    words = new Int32Array(buffer, 0, buffer.byteLength >>> 2)
    wordViews.set(buffer, words)
  }
  return words
}

/** The checksum of `bytes[start, end)`, as an unsigned 32-bit number. */
export function crc32cInScript(bytes: Uint8Array, start: number, end: number): number {
  const base = bytes.byteOffset
  let crc = -1
  let at = start
  const aligned = Math.min(end, at + ((4 - ((base + at) & 3)) & 3))
  while (at < aligned) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at++]!) & 255]!
  if (at + 16 <= end) {
    const words = wordsOf(bytes.buffer)
    const wordEnd = ((base + at) >> 2) + ((end - at) >> 4) * 4
    crc = crcOfWords(crc, words, (base + at) >> 2, wordEnd)
    at += ((end - at) >> 4) * 16
  }
  while (at < end) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at++]!) & 255]!
  return (crc ^ -1) >>> 0
}

function crcOfWords(seed: number, words: Int32Array, from: number, to: number): number {
  const t = tables
  let crc = seed
  for (let w = from; w < to; w += 4) {
    const a = crc ^ words[w]!
    const b = words[w + 1]!
    const c = words[w + 2]!
    const d = words[w + 3]!
    crc =
      t[3840 + (a & 255)]! ^ t[3584 + ((a >>> 8) & 255)]! ^ t[3328 + ((a >>> 16) & 255)]! ^ t[3072 + (a >>> 24)]! ^
      t[2816 + (b & 255)]! ^ t[2560 + ((b >>> 8) & 255)]! ^ t[2304 + ((b >>> 16) & 255)]! ^ t[2048 + (b >>> 24)]! ^
      t[1792 + (c & 255)]! ^ t[1536 + ((c >>> 8) & 255)]! ^ t[1280 + ((c >>> 16) & 255)]! ^ t[1024 + (c >>> 24)]! ^
      t[768 + (d & 255)]! ^ t[512 + ((d >>> 8) & 255)]! ^ t[256 + ((d >>> 16) & 255)]! ^ t[d >>> 24]!
  }
  return crc
}
