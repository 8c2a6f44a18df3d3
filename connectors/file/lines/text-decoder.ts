/** From the bytes of a line to its text. */
import { isUtf8 } from 'node:buffer'
import { dataError } from 'millrace/connect'

export type FileEncoding = 'utf-8' | 'bytes' | 'latin1' | 'utf-16' | 'utf-16le' | 'utf-16be'

/** What becomes of bytes that are no UTF-8. */
export type InvalidBytes = 'replace' | 'bytes' | 'dead-letter'

const byteOrderMark = '\uFEFF'

/** @param atFileStart where a byte order mark is not part of the line @throws a data error for bytes that are no text, unless they are to be replaced */
export function decodeText(bytes: Buffer, encoding: FileEncoding, invalid: InvalidBytes, atFileStart: boolean): string {
  const text = rawText(bytes, encoding, invalid)
  return atFileStart && text.startsWith(byteOrderMark) ? text.slice(1) : text
}

function rawText(bytes: Buffer, encoding: FileEncoding, invalid: InvalidBytes): string {
  switch (encoding) {
    case 'latin1':
    case 'bytes':
      return bytes.toString('latin1')
    case 'utf-16':
    case 'utf-16le':
      return bytes.toString('utf16le') // an unpaired surrogate becomes U+FFFD where the text is written as UTF-8
    case 'utf-16be':
      return Buffer.from(bytes.subarray(0, bytes.length & ~1)).swap16().toString('utf16le')
    case 'utf-8':
      if (invalid !== 'replace' && !isUtf8(bytes)) throw dataError('the line holds bytes that are no UTF-8')
      return bytes.toString()
  }
}

