/**
 * How long a zstd frame is and how much it can give, from its headers alone (RFC 8878, section 3.1): nothing is inflated.
 * ```
 *   magic u32 | descriptor u8 | window u8? | dictionary 0-4 | content size 0-8 | blocks… | checksum u32?
 *   block: 3 bytes (last:1, type:2, size:21), then `size` bytes; one byte for a run, which gives `size` bytes
 *   skippable frame: magic 0x184d2a50 to 0x184d2a5f | size u32 | anything
 * ```
 * Integers are little-endian here, unlike everywhere else in the log.
 */

export interface ZstdFrame {
  /** With its header and checksum. */
  readonly sizeBytes: number
  /** No more than this comes out; 0 for a skippable frame. */
  readonly maxInflatedBytes: number
}

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
const maxBlockBytes = 128 * 1024
const dictionaryBytes = [0, 1, 2, 4] as const
const contentSizeBytes = [0, 2, 4, 8] as const
const blockType = { raw: 0, run: 1, compressed: 2 } as const
const twoTo32 = 4294967296

/** The frame that begins at `from`; null when there is none, or not a whole one. */
export function zstdFrameAt(bytes: Uint8Array, from: number): ZstdFrame | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length - from < 8) return null
  const magic = view.getUint32(from, true)
  if ((magic & 0xfffffff0) >>> 0 === skippableMagic) return fitting(bytes, from, from + 8 + view.getUint32(from + 4, true), 0)
  if (magic !== frameMagic) return null
  const descriptor = bytes[from + 4]!
  const isSingleSegment = (descriptor & 0x20) !== 0
  const hasChecksum = (descriptor & 4) !== 0
  const sizeKind = descriptor >>> 6
  const sizeAt = from + 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes[descriptor & 3]!
  const sizeLength = sizeKind === 0 && isSingleSegment ? 1 : contentSizeBytes[sizeKind]!
  if (sizeAt + sizeLength > bytes.length) return null
  const blocks = blocksAt(bytes, sizeAt + sizeLength)
  if (blocks === null) return null
  const contentBytes = sizeLength === 0 ? Infinity : contentSize(view, sizeAt, sizeLength)
  return fitting(bytes, from, blocks.end + (hasChecksum ? 4 : 0), Math.min(contentBytes, blocks.maxInflatedBytes))
}

function fitting(bytes: Uint8Array, from: number, end: number, maxInflatedBytes: number): ZstdFrame | null {
  return end > bytes.length ? null : { sizeBytes: end - from, maxInflatedBytes }
}

function contentSize(view: DataView, at: number, length: number): number {
  if (length === 1) return view.getUint8(at)
  if (length === 2) return view.getUint16(at, true) + 256
  const low = view.getUint32(at, true)
  return length === 4 ? low : low + view.getUint32(at + 4, true) * twoTo32
}

function blocksAt(bytes: Uint8Array, from: number): { readonly end: number; readonly maxInflatedBytes: number } | null {
  let maxInflatedBytes = 0
  for (let at = from; at + 3 <= bytes.length;) {
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    const type = (header >>> 1) & 3
    const size = header >>> 3
    if (type > blockType.compressed || size > maxBlockBytes) return null
    maxInflatedBytes += type === blockType.compressed ? maxBlockBytes : size
    at += 3 + (type === blockType.run ? 1 : size)
    if (at > bytes.length) return null
    if (header & 1) return { end: at, maxInflatedBytes }
  }
  return null
}
