/**
 * Compression of the records section of a batch. Batches are stored as they were sent; the log inflates them only to
 * validate or to look inside. `none` needs no codec.
 */
import { StreamError } from '../errors.ts'
import type { CompressionCodec, CompressionName } from './compression-codec.ts'
import { gzipCodec } from './gzip-codec.ts'
import { lz4Codec } from './lz4-codec.ts'
import { snappyCodec } from './snappy-codec.ts'
import { zstdCodec } from './zstd-codec.ts'

/** By the number in the lowest three bits of a batch's attributes. */
export const compressionNames: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Inflated batches beyond this are refused before anything is allocated for them. Kafka has no such limit. */
export const defaultMaxInflatedBytes = 64 * 1024 * 1024

const codecs: readonly (CompressionCodec | null)[] = [null, gzipCodec, snappyCodec, lz4Codec, zstdCodec]

/** The codec for the number in a batch's attributes. @throws UNSUPPORTED_COMPRESSION_TYPE */
export function compressionCodec(id: number): CompressionCodec {
  const codec = codecs[id]
  if (codec) return codec
  const which = compressionNames[id] ?? `the unknown type ${id}`
  throw new StreamError('UNSUPPORTED_COMPRESSION_TYPE', `a record batch is compressed with ${which}, for which there is no codec here`, { details: { compression: id } })
}
