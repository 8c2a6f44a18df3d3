import { StreamError } from '../core/index.ts'
import type { Header, ProducerRecord } from '../core/index.ts'
import { checkProperties } from './properties.ts'
import type { Properties } from './properties.ts'

/** How a line becomes a record: the properties of Kafka's console producer. */
export interface LineFormat {
  readonly parseKey: boolean
  /** Between key and value. */
  readonly keySeparator: Uint8Array
  readonly parseHeaders: boolean
  /** Between the headers and the rest of the line. */
  readonly headersDelimiter: Uint8Array
  /** Between two headers. */
  readonly headersSeparator: string
  /** Between the key and the value of a header. */
  readonly headersKeySeparator: string
  /** A key or a value of these bytes is null. */
  readonly nullMarker: Uint8Array | null
  /** A line without a separator: a record without a key, instead of an error. */
  readonly ignoreError: boolean
}

const properties = ['parse.key', 'key.separator', 'parse.headers', 'headers.delimiter', 'headers.separator', 'headers.key.separator', 'null.marker', 'ignore.error'] as const

/** @throws INVALID_CONFIG for a property that does not exist */
export function lineFormat(given: Properties): LineFormat {
  checkProperties(given, properties)
  return {
    parseKey: given['parse.key'] === 'true',
    keySeparator: Buffer.from(given['key.separator'] ?? '\t'),
    parseHeaders: given['parse.headers'] === 'true',
    headersDelimiter: Buffer.from(given['headers.delimiter'] ?? '\t'),
    headersSeparator: given['headers.separator'] ?? ',',
    headersKeySeparator: given['headers.key.separator'] ?? ':',
    nullMarker: given['null.marker'] === undefined ? null : Buffer.from(given['null.marker']),
    ignoreError: given['ignore.error'] === 'true',
  }
}

/** @throws INVALID_RECORD with the line's number when a separator is missing */
export function lineToRecord(topic: string, line: Uint8Array, lineNumber: number, format: LineFormat): ProducerRecord {
  const [headerPart, afterHeaders] = format.parseHeaders ? split(line, format.headersDelimiter, 'headers.delimiter', lineNumber, format) : [null, line]
  const [key, value] = format.parseKey ? split(afterHeaders, format.keySeparator, 'key.separator', lineNumber, format) : [null, afterHeaders]
  const headers = headerPart === null || isMarker(headerPart, format) ? [] : parseHeaders(headerPart, lineNumber, format)
  return { topic, key: orNull(key, format), value: orNull(value, format), headers }
}

function split(line: Uint8Array, separator: Uint8Array, property: string, lineNumber: number, format: LineFormat): readonly [Uint8Array | null, Uint8Array] {
  const position = Buffer.from(line.buffer, line.byteOffset, line.length).indexOf(separator)
  if (position !== -1) return [line.subarray(0, position), line.subarray(position + separator.length)]
  if (format.ignoreError) return [null, line]
  throw new StreamError('INVALID_RECORD', `line ${lineNumber} has no ${property} (${JSON.stringify(Buffer.from(separator).toString())}); records of the lines before it are stored`, { details: { line: lineNumber } })
}

function parseHeaders(part: Uint8Array, lineNumber: number, format: LineFormat): readonly Header[] {
  return Buffer.from(part).toString().split(format.headersSeparator).map((pair) => {
    const position = pair.indexOf(format.headersKeySeparator)
    if (position === -1) throw new StreamError('INVALID_RECORD', `line ${lineNumber}: the header ${JSON.stringify(pair)} has no headers.key.separator (${JSON.stringify(format.headersKeySeparator)})`, { details: { line: lineNumber } })
    return { key: pair.slice(0, position), value: orNull(Buffer.from(pair.slice(position + format.headersKeySeparator.length)), format) }
  })
}

function orNull(bytes: Uint8Array | null, format: LineFormat): Uint8Array | null {
  return bytes === null || isMarker(bytes, format) ? null : bytes
}

function isMarker(bytes: Uint8Array, { nullMarker }: LineFormat): boolean {
  return nullMarker !== null && Buffer.compare(bytes, nullMarker) === 0
}
