/** Source offsets as upstream writes them to its offsets topic: key `["connector",{partition}]`, value `{offset}`; null is a reset. */
import type { SourceOffset, SourcePartition } from '../connect-record.ts'

export interface OffsetKey {
  readonly connector: string
  readonly partition: SourcePartition
}

export function encodeOffsetKey(connector: string, partition: SourcePartition): Uint8Array {
  return Buffer.from(JSON.stringify([connector, partition]))
}

export function encodeOffsetValue(offset: SourceOffset | null): Uint8Array | null {
  return offset === null ? null : Buffer.from(JSON.stringify(offset))
}

/** undefined: not an offset's key. */
export function decodeOffsetKey(bytes: Uint8Array | null): OffsetKey | undefined {
  const [connector, partition] = asArray(parse(bytes))
  return typeof connector === 'string' && isObject(partition) ? { connector, partition: partition as SourcePartition } : undefined
}

/** null: reset; undefined: not an offset. */
export function decodeOffsetValue(bytes: Uint8Array | null): SourceOffset | null | undefined {
  if (bytes === null) return null
  const value = parse(bytes)
  return value === null ? null : isObject(value) ? (value as SourceOffset) : undefined
}

function parse(bytes: Uint8Array | null): unknown {
  try {
    return bytes === null ? undefined : JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
  } catch {
    return undefined
  }
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
