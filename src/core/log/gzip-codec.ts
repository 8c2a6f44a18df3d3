import { cannotInflate, inflatedTooLarge } from './compression-errors.ts'
import type { CompressionCodec } from './compression-codec.ts'
import { nodeZlib } from './node-zlib.ts'

export const gzipCodec: CompressionCodec = {
  name: 'gzip',
  deflate: (bytes) => nodeZlib().gzipSync(bytes),
  inflate(bytes, maxBytes) {
    try {
      return nodeZlib().gunzipSync(bytes, { maxOutputLength: Math.max(1, maxBytes) })
    } catch (error) {
      if (error instanceof RangeError) throw inflatedTooLarge(maxBytes)
      return inflateMembers(bytes, maxBytes)
    }
  },
}

const headerBytes = 10
const trailerBytes = 8
const flag = { headerCrc: 2, extra: 4, name: 8, comment: 16 } as const

/** As Java reads it, and with it Kafka: what follows the last whole member is ignored, while node:zlib refuses some of it. */
function inflateMembers(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = []
  let left = maxBytes
  for (let at = 0; ;) {
    const body = memberBody(bytes, at)
    if (body === null) break
    const { part, end } = inflateMember(bytes, body, left)
    parts.push(part)
    left -= part.length
    at = end
  }
  if (parts.length === 0) throw cannotInflate('gzip')
  return Buffer.concat(parts)
}

/** Where the deflated data of the member at `at` begins; null when no member begins there. */
function memberBody(bytes: Uint8Array, at: number): number | null {
  if (bytes.length - at < headerBytes + trailerBytes || bytes[at] !== 0x1f || bytes[at + 1] !== 0x8b || bytes[at + 2] !== 8) return null
  const flags = bytes[at + 3]!
  let body = at + headerBytes
  if (flags & flag.extra) body += 2 + bytes[body]! + 256 * bytes[body + 1]!
  for (const text of [flag.name, flag.comment]) if (flags & text) body = bytes.indexOf(0, body) + 1
  if (flags & flag.headerCrc) body += 2
  return body
}

function inflateMember(bytes: Uint8Array, body: number, maxBytes: number): { readonly part: Uint8Array; readonly end: number } {
  try {
    // With `info` the answer also says how much of the input was used; the type declarations do not know it.
    const { buffer: part, engine } = nodeZlib().inflateRawSync(bytes.subarray(body), { maxOutputLength: Math.max(1, maxBytes), info: true }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
    const trailer = body + engine.bytesWritten
    if (trailer + trailerBytes > bytes.length) throw new Error('a gzip member ends too early')
    const view = new DataView(bytes.buffer, bytes.byteOffset + trailer, trailerBytes)
    if (view.getUint32(0, true) !== nodeZlib().crc32(part) || view.getUint32(4, true) !== part.length % 4294967296) throw new Error('the checksum or the length of a gzip member is wrong')
    return { part, end: trailer + trailerBytes }
  } catch (error) {
    if (error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw inflatedTooLarge(maxBytes)
    throw cannotInflate('gzip', error)
  }
}
