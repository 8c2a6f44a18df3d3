export interface Charset {
  readonly name: string
  /** What cannot be written becomes `?`. */
  encode(text: string): Uint8Array
  /** What cannot be read becomes U+FFFD. */
  decode(bytes: Uint8Array): string
}

/** Code points of the bytes 0x80 to 0x9f, where it differs from ISO 8859-1; U+FFFD: not assigned. */
const windows1252 = [
  0x20ac, 0xfffd, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0xfffd, 0x17d, 0xfffd,
  0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0xfffd, 0x17e, 0x178,
]

const byName = new Map<string, Charset>()

/** The character set of that name, in any case, or undefined when it is not known. */
export function charsetNamed(name: string): Charset | undefined {
  return byName.get(name.toLowerCase().replaceAll('_', '-'))
}

function add(charset: Charset, ...names: string[]): void {
  for (const name of names) byName.set(name, charset)
}

const view = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

add({ name: 'utf8', encode: (text) => Buffer.from(text, 'utf8'), decode: (bytes) => view(bytes).toString('utf8') }, 'utf-8', 'utf8')
add(singleByte('ascii', (byte) => (byte < 0x80 ? byte : 0xfffd)), 'us-ascii', 'ascii')
add(singleByte('latin1', (byte) => byte), 'iso-8859-1', 'iso8859-1', 'latin1')
add(singleByte('windows-1252', (byte) => (byte >= 0x80 && byte < 0xa0 ? windows1252[byte - 0x80]! : byte)), 'windows-1252', 'cp1252')
add({ name: 'utf-16be', encode: (text) => Buffer.from(text, 'utf16le').swap16(), decode: (bytes) => decodeUtf16(bytes, 'utf-16be') }, 'utf-16be', 'utf16be')
add({ name: 'utf-16le', encode: (text) => Buffer.from(text, 'utf16le'), decode: (bytes) => decodeUtf16(bytes, 'utf-16le') }, 'utf-16le', 'utf16le')
add({
  name: 'utf-16',
  encode: (text) => Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(text, 'utf16le').swap16()]),
  decode: (bytes) => (bytes[0] === 0xff && bytes[1] === 0xfe ? decodeUtf16(bytes.subarray(2), 'utf-16le') : decodeUtf16(bytes[0] === 0xfe && bytes[1] === 0xff ? bytes.subarray(2) : bytes, 'utf-16be')),
}, 'utf-16', 'utf16')

function decodeUtf16(bytes: Uint8Array, label: 'utf-16be' | 'utf-16le'): string {
  return new TextDecoder(label, { ignoreBOM: true }).decode(bytes)
}

function singleByte(name: string, pointOf: (byte: number) => number): Charset {
  const points = Array.from({ length: 256 }, (_, byte) => pointOf(byte))
  const bytes = new Map(points.map((point, byte) => [point, byte]).filter(([point]) => point !== 0xfffd) as [number, number][])
  return {
    name,
    encode: (text) => Uint8Array.from(Array.from(text, (each) => bytes.get(each.codePointAt(0)!) ?? 0x3f)),
    decode: (input) => Array.from(input, (byte) => String.fromCodePoint(points[byte]!)).join(''),
  }
}
