import * as zlib from 'node:zlib'
import { StreamError } from '../errors.ts'
import type { CompressionCodec } from './compression-codec.ts'
import { cannotInflate, inflatedTooLarge } from './compression-errors.ts'

/** What newer versions of Node have, and the declarations for Node 20 do not know. */
interface ZstdFunctions {
  readonly zstdDecompressSync?: (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array
  readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array
}

const { zstdDecompressSync, zstdCompressSync } = zlib as unknown as ZstdFunctions

/** Through node:zlib, which has zstd since Node 22.15. */
export const zstdCodec: CompressionCodec = {
  name: 'zstd',
  inflate(bytes, maxBytes) {
    if (zstdDecompressSync === undefined) throw notHere()
    try {
      return zstdDecompressSync(bytes, { maxOutputLength: maxBytes })
    } catch (error) {
      throw error instanceof RangeError ? inflatedTooLarge(maxBytes) : cannotInflate('zstd', error)
    }
  },
  deflate(bytes) {
    if (zstdCompressSync === undefined) throw notHere()
    return zstdCompressSync(bytes)
  },
}

function notHere(): StreamError {
  return new StreamError('UNSUPPORTED_COMPRESSION_TYPE', `a record batch is compressed with zstd, which Node ${process.versions.node} cannot read; Node 22.15 and later can`, { details: { compression: 'zstd' } })
}
