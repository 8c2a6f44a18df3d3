import { StreamError } from '../errors.ts'
import type { CompressionName } from './compression-codec.ts'

export function inflatedTooLarge(maxBytes: number): StreamError {
  return new StreamError('RECORD_TOO_LARGE', `a compressed record batch inflates to more than ${maxBytes} bytes`, { details: { maxBytes } })
}

export function cannotInflate(name: CompressionName, cause?: unknown): StreamError {
  return new StreamError('CORRUPT_RECORD', `a record batch says it is compressed with ${name}, but it cannot be inflated`, { cause })
}
