/** Confluent's wire format: a zero byte, the schema's id in four bytes, big-endian, and the body. */
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
