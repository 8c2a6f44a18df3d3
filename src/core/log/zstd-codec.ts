import { StreamError } from '../errors.ts'
import type { CompressionCodec } from './compression-codec.ts'
import { cannotInflate, inflatedTooLarge } from './compression-errors.ts'
import { nodeZlib } from './node-zlib.ts'
import { zstdFrameAt } from './zstd-frame.ts'
import { zstdWasm } from './zstd-wasm.ts'

/** What newer versions of Node have, and the declarations for Node 20 do not know. */
interface ZstdFunctions {
  readonly zstdDecompressSync?: (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array
  readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array
}

function native(): ZstdFunctions {
  return nodeZlib() as unknown as ZstdFunctions
}

/** Through node:zlib, which has zstd since Node 22.15; before that through the optional package `@bokuweb/zstd-wasm`. */
export const zstdCodec: CompressionCodec = {
  name: 'zstd',
  inflate(bytes, maxBytes) {
    const inflate = native().zstdDecompressSync ? inflateNatively : inflateInWasm
    const parts: Uint8Array[] = []
    let left = maxBytes
    for (let at = 0; at < bytes.length || at === 0;) {
      // Several frames may follow each other; anything else behind a frame is an error, as in Kafka.
      const frame = zstdFrameAt(bytes, at)
      if (frame === null) throw cannotInflate('zstd')
      const part = frame.maxInflatedBytes === 0 ? noBytes : inflate(bytes.subarray(at, at + frame.sizeBytes), frame.maxInflatedBytes, left)
      if (part.length > left) throw inflatedTooLarge(maxBytes)
      parts.push(part)
      left -= part.length
      at += frame.sizeBytes
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  },
  deflate: (bytes) => native().zstdCompressSync?.(bytes) ?? wasm().deflate(bytes),
}

function inflateNatively(frame: Uint8Array, frameLimit: number, maxBytes: number): Uint8Array {
  try {
    return native().zstdDecompressSync!(frame, { maxOutputLength: Math.max(1, Math.min(frameLimit, maxBytes)) })
  } catch (error) {
    throw error instanceof RangeError ? inflatedTooLarge(maxBytes) : cannotInflate('zstd', error)
  }
}

function inflateInWasm(frame: Uint8Array, frameLimit: number, maxBytes: number): Uint8Array {
  const inflated = wasm().inflate(frame, Math.min(frameLimit, maxBytes))
  if (inflated !== null) return inflated
  // zstd says with one number what is wrong: with room for all that the frame can give, it is not the room.
  throw frameLimit > maxBytes ? inflatedTooLarge(maxBytes) : cannotInflate('zstd')
}

const noBytes = new Uint8Array(0)

function wasm() {
  const found = zstdWasm()
  if (found !== null) return found
  throw new StreamError('UNSUPPORTED_COMPRESSION_TYPE', `a record batch is compressed with zstd, which Node ${process.versions.node} cannot read by itself: install @bokuweb/zstd-wasm, or use Node 22.15 or later`, { details: { compression: 'zstd' } })
}
