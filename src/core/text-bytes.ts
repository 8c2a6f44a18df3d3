/** Text to UTF-8 bytes and back, for serdes, and as JSON: short text takes loops, because a call into the runtime costs more than it does. */

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

interface BufferMethods {
  readonly utf8Slice: (this: Uint8Array, start: number, end: number) => string
  readonly latin1Slice: (this: Uint8Array, start: number, end: number) => string
  readonly utf8Write: (this: Uint8Array, text: string, at: number, length: number) => number
}

/** Node has it; the compiler's library of 2023 does not. */
const { isWellFormed } = String.prototype as unknown as { readonly isWellFormed: (this: string) => boolean }

/** They work on any Uint8Array, without making a Buffer of it first. */
const { utf8Slice, latin1Slice, utf8Write } = Buffer.prototype as unknown as BufferMethods

/** Up to so many characters a loop is faster: to read them, and to write them. */
const shortText = 80
export const shortWrite = 28

/** The text of bytes[start, end). @throws TypeError when they are not UTF-8 */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= shortText && isAscii(bytes, start, end)) return latin1Slice.call(bytes, start, end)
  // Several times as fast as the strict decoder, which is asked only when a replacement character hints at bytes that are no UTF-8.
  const text = utf8Slice.call(bytes, start, end)
  return text.includes('\ufffd') ? strictDecoder.decode(bytes.subarray(start, end)) : text
}

/** A character for each byte. */
export function latin1Of(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end)
}

/** In bytes. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text)
}

/** UTF-8; half of a surrogate pair, which has none, becomes a question mark, as in Java: both give a key the same partition. */
export function bytesOf(text: string): Uint8Array {
  const { length } = text
  if (length > shortWrite) return encoded(text)
  const bytes = new Uint8Array(length)
  return writeAscii(text, bytes, 0) ? bytes : encoded(text)
}

function encoded(text: string): Uint8Array {
  const bytes = Buffer.from(text)
  return bytes.length > text.length && !isWellFormed.call(text) ? Buffer.from(wellFormed(text)) : bytes
}

function wellFormed(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '?')
}

/** As `bytesOf`, to bytes[at…); gives where it ends, or -1 where there might not be room. */
export function writeText(text: string, bytes: Uint8Array, at: number): number {
  const { length } = text
  if (length <= shortWrite && at + length <= bytes.length && writeAscii(text, bytes, at)) return at + length
  if (at + 3 * length > bytes.length) return -1
  const written = writeUtf8(text, bytes, at)
  return at + (written > length && !isWellFormed.call(text) ? writeUtf8(wellFormed(text), bytes, at) : written)
}

/** As UTF-8 to bytes[at…), which has three bytes for each character; gives how many were written: as many as characters where all are ASCII. */
export function writeUtf8(text: string, bytes: Uint8Array, at: number): number {
  return utf8Write.call(bytes, text, at, 3 * text.length)
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index++) if (bytes[index]! > 127) return false
  return true
}

/** False, with the bytes half written, at the first character that is not ASCII. */
export function writeAscii(text: string, bytes: Uint8Array, at: number): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 127) return false
    bytes[at + index] = code
  }
  return true
}

// ------------------------------------------------------------------------------------------------ as JSON

const quote = 34
const backslash = 92

/** By character code: 1 for what stands in a JSON string as it is, and is ASCII. */
export const plainJsonCharacters = Uint8Array.from({ length: 256 }, (_, code) => Number(code >= 32 && code < 128 && code !== quote && code !== backslash))

/**
 * Writes what JSON.stringify gives of a short text that stands in it as it is, without escapes and in ASCII, to bytes[at…); gives
 * where it ends, or -1: not in this way, and some bytes may have been written.
 */
export function writePlainJsonText(text: string, bytes: Uint8Array, at: number): number {
  const { length } = text
  if (length > shortWrite || at + length + 2 > bytes.length) return -1
  bytes[at] = quote
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code > 127 || plainJsonCharacters[code] !== 1) return -1
    bytes[at + 1 + index] = code
  }
  bytes[at + 1 + length] = quote
  return at + length + 2
}

/** True: bytes[start, end) are the JSON of such a text. */
export function isPlainJsonText(bytes: Uint8Array, start: number, end: number): boolean {
  const last = end - 1
  if (last - start < 1 || bytes[start] !== quote || bytes[last] !== quote) return false
  for (let index = start + 1; index < last; index++) if (plainJsonCharacters[bytes[index]!] !== 1) return false
  return true
}
