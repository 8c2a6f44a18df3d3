export type CompressionName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

export interface CompressionCodec {
  readonly name: CompressionName
  /** @throws CORRUPT_RECORD when the bytes cannot be inflated, RECORD_TOO_LARGE when they would give more than `maxBytes` */
  inflate(bytes: Uint8Array, maxBytes: number): Uint8Array
  deflate(bytes: Uint8Array): Uint8Array
}
