/**
 * What one sync of several logs writes to the journal: the bytes that each of them has in the page cache only, and where they belong.
 * ```
 *   frame: magic u32 | length u32 | crc u32 (CRC-32C of all that follows) | generation i64 | sequence i64 | count u32 | entry …
 *   entry: name (u16 length, Latin-1) | topic id (u16 length, Latin-1) | base offset of the segment i64 | position i64 | bytes (u32 length)
 * ```
 * A frame begins at a sector's beginning, so that tearing one leaves the ones before it whole.
 */
import { readInt32, readInt64, readUint32, writeInt16, writeInt32, writeInt64 } from './big-endian.ts'
import { crc32c } from './crc32c.ts'

export interface JournalEntry {
  /** Of the partition's directory, such as `orders-0`. */
  readonly name: string
  /** Tells a topic from one of the same name that was removed. */
  readonly topicId: string
  readonly segmentBaseOffset: number
  readonly position: number
  readonly bytes: Uint8Array
}

export interface JournalFrame {
  /** Of the file's use: it is written over and over again. */
  readonly generation: number
  /** Within the generation, from 0 on. */
  readonly sequence: number
  readonly entries: readonly JournalEntry[]
}

export const sectorBytes = 512
/** Of all entries' bytes together. */
export const maxFrameDataBytes = 512 * 1024
/** Room for 10,000 entries with names as long as they may be. */
export const maxFrameBytes = maxFrameDataBytes + 4 * 1024 * 1024
const magic = 0x4d4a4e31
const headerBytes = 32
const entryOverheadBytes = 24

export function encodeFrame({ generation, sequence, entries }: JournalFrame): Uint8Array {
  const length = entries.reduce((sum, { name, topicId, bytes }) => sum + entryOverheadBytes + name.length + topicId.length + bytes.length, headerBytes)
  const frame = new Uint8Array(Math.ceil(length / sectorBytes) * sectorBytes)
  writeInt32(frame, 0, magic)
  writeInt32(frame, 4, length)
  writeInt64(frame, 12, generation)
  writeInt64(frame, 20, sequence)
  writeInt32(frame, 28, entries.length)
  let at = headerBytes
  for (const { name, topicId, segmentBaseOffset, position, bytes } of entries) {
    at = writeText(frame, at, name)
    at = writeText(frame, at, topicId)
    writeInt64(frame, at, segmentBaseOffset)
    writeInt64(frame, at + 8, position)
    writeInt32(frame, at + 16, bytes.length)
    frame.set(bytes, at + 20)
    at += 20 + bytes.length
  }
  writeInt32(frame, 8, crc32c(frame, 12, length))
  return frame
}

/** The frame that begins at `at`, and where the next one would; null when there is none, or none that is whole. */
export function decodeFrame(bytes: Uint8Array, at: number): { readonly frame: JournalFrame; readonly nextAt: number } | null {
  if (at + headerBytes > bytes.length || readUint32(bytes, at) !== magic) return null
  const length = readUint32(bytes, at + 4)
  if (length < headerBytes || length > maxFrameBytes || at + length > bytes.length) return null
  if (readUint32(bytes, at + 8) !== crc32c(bytes, at + 12, at + length)) return null
  const entries = readEntries(bytes.subarray(at, at + length))
  if (entries === null) return null
  return {
    frame: { generation: readInt64(bytes, at + 12), sequence: readInt64(bytes, at + 20), entries },
    nextAt: at + Math.ceil(length / sectorBytes) * sectorBytes,
  }
}

function readEntries(frame: Uint8Array): readonly JournalEntry[] | null {
  const count = readUint32(frame, 28)
  if (count * entryOverheadBytes > frame.length) return null
  const entries: JournalEntry[] = []
  let at = headerBytes
  for (let i = 0; i < count; i++) {
    const name = readText(frame, at)
    const topicId = name === null ? null : readText(frame, name.end)
    if (name === null || topicId === null || topicId.end + 20 > frame.length) return null
    const length = readInt32(frame, topicId.end + 16)
    at = topicId.end + 20 + length
    if (length < 0 || at > frame.length) return null
    entries.push({
      name: name.text, topicId: topicId.text, bytes: frame.subarray(topicId.end + 20, at),
      segmentBaseOffset: readInt64(frame, topicId.end), position: readInt64(frame, topicId.end + 8),
    })
  }
  return at === frame.length ? entries : null
}

function writeText(bytes: Uint8Array, at: number, text: string): number {
  writeInt16(bytes, at, text.length)
  for (let i = 0; i < text.length; i++) bytes[at + 2 + i] = text.charCodeAt(i)
  return at + 2 + text.length
}

function readText(bytes: Uint8Array, at: number): { readonly text: string; readonly end: number } | null {
  if (at + 2 > bytes.length) return null
  const end = at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!)
  return end > bytes.length ? null : { text: Buffer.from(bytes.subarray(at + 2, end)).toString('latin1'), end }
}
