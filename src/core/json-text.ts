/** Short JSON texts of one string that stands in them as it is: no escapes, and ASCII only. */

const quote = 34
const backslash = 92

/** Up to so many characters a loop is faster than a call into the runtime. */
const shortText = 28

/** By character code: 1 for what stands in a JSON string as it is, and is ASCII. */
export const plainJsonCharacters = Uint8Array.from({ length: 256 }, (_, code) => Number(code >= 32 && code < 128 && code !== quote && code !== backslash))

/** Writes what JSON.stringify gives to bytes[at…); gives where it ends, or -1: not in this way, and some bytes may have been written. */
export function writePlainJsonText(text: string, bytes: Uint8Array, at: number): number {
  const { length } = text
  if (length > shortText || at + length + 2 > bytes.length) return -1
  bytes[at] = quote
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code > 127 || plainJsonCharacters[code] !== 1) return -1
    bytes[at + 1 + index] = code
  }
  bytes[at + 1 + length] = quote
  return at + length + 2
}

/** True: bytes[start, end) are such a text. */
export function isPlainJsonText(bytes: Uint8Array, start: number, end: number): boolean {
  const last = end - 1
  if (last - start < 1 || bytes[start] !== quote || bytes[last] !== quote) return false
  for (let index = start + 1; index < last; index++) if (plainJsonCharacters[bytes[index]!] !== 1) return false
  return true
}
