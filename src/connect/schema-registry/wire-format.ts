/** Confluent's wire format: a zero byte, the schema's id in four bytes, big-endian, and the body; of Protobuf, which message of the file it is, first. */
import { dataError } from '../errors.ts'

const headerBytes = 5

export function framed(id: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(headerBytes + body.length)
  bytes[0] = 0
  bytes.writeUInt32BE(id, 1)
  bytes.set(body, headerBytes)
  return bytes
}

/** @throws INVALID_DATA when the bytes do not begin so */
export function unframed(bytes: Uint8Array): { readonly id: number; readonly body: Uint8Array } {
  if (bytes.length < headerBytes || bytes[0] !== 0) {
    throw dataError(`Unknown magic byte!: ${bytes.length === 0 ? 'the record is empty' : bytes.length < headerBytes ? `the record has ${bytes.length} bytes` : `it begins with ${bytes[0]}, not 0`}; it was not written with a schema registry`)
  }
  return { id: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt32BE(1), body: bytes.subarray(headerBytes) }
}

/** How many indexes, and each of them, as zigzag varints; for the first message, one zero byte. */
export function framedMessage(indexes: readonly number[], message: Uint8Array): Uint8Array {
  const numbers = indexes.length === 1 && indexes[0] === 0 ? [0] : [indexes.length, ...indexes]
  return Buffer.concat([Buffer.from(numbers.flatMap(zigzagVarint)), message])
}

/** @throws INVALID_DATA */
export function unframedMessage(body: Uint8Array): { readonly indexes: readonly number[]; readonly message: Uint8Array } {
  const reader = { body, at: 0 }
  const count = readZigzag(reader)
  if (count < 0 || count > maxDepth) throw dataError(`the Protobuf record names a message at a depth of ${count}`)
  const indexes = Array.from({ length: count }, () => readZigzag(reader))
  return { indexes: count === 0 ? [0] : indexes, message: body.subarray(reader.at) }
}

/** Messages inside messages; none that is sane is deeper. */
const maxDepth = 100

function zigzagVarint(value: number): readonly number[] {
  const bytes: number[] = []
  let rest = value * 2
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}

function readZigzag(reader: { readonly body: Uint8Array; at: number }): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = reader.body[reader.at++]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  throw dataError('the Protobuf record does not say which message it holds')
}
