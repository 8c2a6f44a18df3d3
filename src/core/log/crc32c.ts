/** CRC-32C (Castagnoli), the checksum of record batches and producer snapshots. */
import { createRequire } from 'node:module'
import { crc32cInScript } from './crc32c-script.ts'

/** The one function used of the optional package `@node-rs/crc32`. */
type NativeCrc = (bytes: Uint8Array) => number

/** Below, the call into native code costs more than it saves. */
const minNativeBytes = 512

/** Looked for at the first batch that is worth it; null where the package has no build for this machine, or was left out. */
let native: NativeCrc | null | undefined

/** The checksum of `bytes[start, end)`, as an unsigned 32-bit number; the one of `123456789` is 0xe3069283. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  if (end - start < minNativeBytes) return crc32cInScript(bytes, start, end)
  if (native === undefined) native = findNative()
  return native === null ? crc32cInScript(bytes, start, end) : native(bytes.subarray(start, end))
}

/** Speed is all that the package adds, so whatever is wrong with it is not an error. */
function findNative(): NativeCrc | null {
  try {
    const found = createRequire(import.meta.url)('@node-rs/crc32') as { readonly crc32c: NativeCrc }
    return found.crc32c(Buffer.from('123456789')) === 0xe3069283 ? found.crc32c : null
  } catch {
    return null
  }
}
