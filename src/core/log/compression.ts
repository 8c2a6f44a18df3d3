/**
 * Compression of the records section of a batch. Batches are stored as they were sent; the log inflates them only to
 * validate or to look inside. `none` needs no codec.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { StreamError } from '../errors.ts'

export type CompressionName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** By the number in the lowest three bits of a batch's attributes. */
export const compressionNames: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

export interface CompressionCodec {
  readonly name: CompressionName
  /** @throws CORRUPT_RECORD when the bytes cannot be inflated, RECORD_TOO_LARGE when they would give more than `maxBytes` */
  inflate(bytes: Uint8Array, maxBytes: number): Uint8Array
  deflate(bytes: Uint8Array): Uint8Array
}

/** Inflated batches beyond this are refused before anything is allocated for them. Kafka has no such limit. */
export const defaultMaxInflatedBytes = 64 * 1024 * 1024

const gzip: CompressionCodec = {
  name: 'gzip',
  inflate(bytes, maxBytes) {
    try {
      return gunzipSync(bytes, { maxOutputLength: maxBytes })
    } catch (error) {
      if (error instanceof RangeError) throw inflatedTooLarge(maxBytes)
      throw cannotInflate('gzip', error)
    }
  },
  deflate: (bytes) => gzipSync(bytes),
}

const codecs = new Map<CompressionName, CompressionCodec>([['gzip', gzip]])

/** The codec for the number in a batch's attributes. @throws UNSUPPORTED_COMPRESSION_TYPE */
export function compressionCodec(id: number): CompressionCodec {
  const name = compressionNames[id]
  const codec = name === undefined ? undefined : codecs.get(name)
  if (codec !== undefined) return codec
  const which = name ?? `of the unknown type ${id}`
  throw new StreamError('UNSUPPORTED_COMPRESSION_TYPE', `a record batch is compressed with ${which}, for which there is no codec here`, { details: { compression: id } })
}

export function inflatedTooLarge(maxBytes: number): StreamError {
  return new StreamError('RECORD_TOO_LARGE', `a compressed record batch inflates to more than ${maxBytes} bytes`, { details: { maxBytes } })
}

export function cannotInflate(name: CompressionName, cause?: unknown): StreamError {
  return new StreamError('CORRUPT_RECORD', `a record batch says it is compressed with ${name}, but it cannot be inflated`, { cause })
}
