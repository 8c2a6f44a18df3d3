import * as zlib from 'node:zlib'
import { StreamError } from '../errors.ts'
import type { CompressionCodec } from './compression-codec.ts'
import { cannotInflate, inflatedTooLarge } from './compression-errors.ts'

/** What newer versions of Node have, and the declarations for Node 20 do not know. */
interface ZstdFunctions {
  /** With `info` the answer also says how much of the input was used: one frame. */
  readonly zstdDecompressSync?: (bytes: Uint8Array, options: { readonly maxOutputLength: number; readonly info: true }) => { readonly buffer: Uint8Array; readonly engine: { readonly bytesWritten: number } }
  readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array
}

const { zstdDecompressSync, zstdCompressSync } = zlib as unknown as ZstdFunctions

/** Through node:zlib, which has zstd since Node 22.15. */
export const zstdCodec: CompressionCodec = {
  name: 'zstd',
  inflate(bytes, maxBytes) {
    const parts: Uint8Array[] = []
    let left = maxBytes
    for (let at = 0; at < bytes.length || parts.length === 0;) {
      const { buffer, engine } = inflateFrame(bytes.subarray(at), left, maxBytes)
      parts.push(buffer)
      left -= buffer.length
      at += engine.bytesWritten
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  },
  deflate(bytes) {
    if (zstdCompressSync === undefined) throw notHere()
    return zstdCompressSync(bytes)
  },
}

/** Several frames may follow each other; anything else behind a frame is an error, as in Kafka. */
function inflateFrame(bytes: Uint8Array, left: number, maxBytes: number) {
  if (zstdDecompressSync === undefined) throw notHere()
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, left), info: true })
  } catch (error) {
    throw error instanceof RangeError ? inflatedTooLarge(maxBytes) : cannotInflate('zstd', error)
  }
}

function notHere(): StreamError {
  return new StreamError('UNSUPPORTED_COMPRESSION_TYPE', `a record batch is compressed with zstd, which Node ${process.versions.node} cannot read; Node 22.15 and later can`, { details: { compression: 'zstd' } })
}
