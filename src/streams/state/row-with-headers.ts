import { StreamError, deserializeCopy, stringSerde } from '../../core/index.ts'
import type { Header, Serde } from '../../core/index.ts'
import { joinBytes } from './store-keys.ts'
import { joinTimestamp, timestampBytes, timestampOf } from './value-and-timestamp.ts'
import type { ValueAndTimestamp } from './value-and-timestamp.ts'

/** A value, and the headers that belong to it. */
export interface ValueAndHeaders<V> {
  readonly value: V
  readonly headers: readonly Header[]
}

/** A row of a store that keeps headers: they are those that its processor put with the value. */
export interface ValueTimestampAndHeaders<V> extends ValueAndTimestamp<V>, ValueAndHeaders<V> {}

/**
 * Rows with headers, as Kafka Streams has them (KIP-1271), in front of a value that may have its timestamp before it:
 * ```
 *   headers    length (varint) · headers      nothing behind the length where there are none
 *              count (varint), then of each: length (varint) · key · length (varint; -1: null) · value
 * ```
 */
export function withHeaders(headers: readonly Header[], rest: Uint8Array): Uint8Array {
  const bytes = headersToBytes(headers)
  return joinBytes(varint(bytes.length), bytes, rest)
}

export function splitHeaders(row: Uint8Array): { readonly headers: readonly Header[]; readonly rest: Uint8Array } {
  const length = readVarint(row, 0)
  const end = length.end + length.value
  if (length.value < 0 || end > row.length) throw damaged(row)
  return { headers: headersFromBytes(row.subarray(length.end, end)), rest: row.subarray(end) }
}

export function valueAndHeadersSerde<V>(valueSerde: Serde<V>): Serde<ValueAndHeaders<V>> {
  return {
    serialize: ({ value, headers }) => withHeaders(headers, valueSerde.serialize(value)),
    deserialize(row) {
      const { headers, rest } = splitHeaders(row)
      return { value: deserializeCopy(valueSerde, rest, 0, rest.length), headers }
    },
  }
}

export function valueTimestampAndHeadersSerde<V>(valueSerde: Serde<V>): Serde<ValueTimestampAndHeaders<V>> {
  return {
    serialize: ({ value, timestamp, headers }) => withHeaders(headers, joinTimestamp(timestamp, valueSerde.serialize(value))),
    deserialize(row) {
      const { headers, rest } = splitHeaders(row)
      if (rest.length < timestampBytes) throw damaged(row)
      return { value: deserializeCopy(valueSerde, rest, timestampBytes, rest.length), timestamp: timestampOf(rest), headers }
    },
  }
}

export function headersToBytes(headers: readonly Header[]): Uint8Array {
  if (headers.length === 0) return new Uint8Array(0)
  return joinBytes(varint(headers.length), ...headers.flatMap(({ key, value }) => {
    const keyBytes = stringSerde.serialize(key)
    return [varint(keyBytes.length), keyBytes, ...(value === null ? [varint(-1)] : [varint(value.length), value])]
  }))
}

export function headersFromBytes(bytes: Uint8Array): readonly Header[] {
  if (bytes.length === 0) return []
  const count = readVarint(bytes, 0)
  const headers: Header[] = []
  let at = count.end
  while (headers.length < count.value) {
    const key = readSized(bytes, at)
    if (key.value === null) throw damaged(bytes)
    const value = readSized(bytes, key.end)
    headers.push({ key: stringSerde.deserialize(key.value), value: value.value })
    at = value.end
  }
  if (count.value < 0 || at !== bytes.length) throw damaged(bytes)
  return headers
}

/** null: its length is -1. */
function readSized(bytes: Uint8Array, at: number): { readonly value: Uint8Array | null; readonly end: number } {
  const length = readVarint(bytes, at)
  if (length.value === -1) return { value: null, end: length.end }
  const end = length.end + length.value
  if (length.value < 0 || end > bytes.length) throw damaged(bytes)
  return { value: new Uint8Array(bytes.subarray(length.end, end)), end }
}

/** Zigzag, seven bits a byte, the lowest first. */
function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return Uint8Array.of(...bytes, rest)
}

function readVarint(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let zigzag = 0
  for (let index = 0; index < longestVarint; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) break
    zigzag |= (byte & 127) << (7 * index)
    if (byte < 128) return { value: (zigzag >>> 1) ^ -(zigzag & 1), end: at + index + 1 }
  }
  throw damaged(bytes)
}

const longestVarint = 5

function damaged(bytes: Uint8Array): StreamError {
  return new StreamError('DESERIALIZATION_FAILED', `a row with headers is damaged: its ${bytes.length} bytes are not a length, headers of that length, and a value`)
}
