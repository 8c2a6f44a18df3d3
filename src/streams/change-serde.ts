import { StreamError } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import type { Change } from './change.ts'

const oldOnly = 0
const newOnly = 1
const both = 2

/**
 * Changes on their way through the repartition topic of a grouped table, as Kafka Streams writes them: `[new][1]`,
 * `[old][0]`, or `[zig-zag varint: length of new][new][old][2]`, with the kind as the last byte.
 */
export function changeSerde<V>(inner: Serde<V>): Serde<Change<V>> {
  return {
    serialize({ newValue, oldValue }) {
      const newBytes = newValue === null ? null : inner.serialize(newValue)
      const oldBytes = oldValue === null ? null : inner.serialize(oldValue)
      if (newBytes !== null && oldBytes !== null) return joined([varint(newBytes.byteLength), newBytes, oldBytes], both)
      if (newBytes !== null) return joined([newBytes], newOnly)
      if (oldBytes !== null) return joined([oldBytes], oldOnly)
      throw new StreamError('SERIALIZATION_FAILED', 'a change of a table has neither a new nor an old value')
    },
    deserialize(bytes) {
      const kind = bytes[bytes.byteLength - 1]
      const body = bytes.subarray(0, -1)
      if (kind === newOnly) return { newValue: inner.deserialize(body), oldValue: null, isLatest: true }
      if (kind === oldOnly) return { newValue: null, oldValue: inner.deserialize(body), isLatest: true }
      if (kind !== both) throw new StreamError('DESERIALIZATION_FAILED', `a change of a table ends with its kind, 0, 1 or 2, but the data ends with ${kind ?? 'nothing'}`)
      const { length, position } = readVarint(body)
      const middle = position + length
      if (length < 0 || middle > body.byteLength) throw new StreamError('DESERIALIZATION_FAILED', `the new value of a change has ${length} bytes, beyond its end`)
      return { newValue: inner.deserialize(body.subarray(position, middle)), oldValue: inner.deserialize(body.subarray(middle)), isLatest: true }
    },
  }
}

function joined(parts: readonly Uint8Array[], kind: number): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 1))
  let position = 0
  for (const part of parts) {
    bytes.set(part, position)
    position += part.byteLength
  }
  bytes[position] = kind
  return bytes
}

function varint(length: number): Uint8Array {
  const bytes: number[] = []
  let rest = length * 2
  while (rest >= 128) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  return Uint8Array.from([...bytes, rest])
}

function readVarint(bytes: Uint8Array): { readonly length: number; readonly position: number } {
  let zigzag = 0
  for (let position = 0; position < 5 && position < bytes.byteLength; position++) {
    zigzag += (bytes[position]! & 127) * 128 ** position
    if (bytes[position]! < 128) return { length: zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2, position: position + 1 }
  }
  throw new StreamError('DESERIALIZATION_FAILED', 'the length of the new value of a change cannot be read')
}
