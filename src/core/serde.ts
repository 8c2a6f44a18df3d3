import { StreamError } from './errors.ts'

/**
 * Turns values into bytes and back. Neither function ever sees null: a null key or value (a tombstone) stays null without
 * asking the serde. Both throw when they cannot; what happens to the record then is the caller's policy.
 */
export interface Serde<T> {
  serialize(value: T): Uint8Array
  /** The bytes may share memory with a batch; keep a copy if you keep them at all. */
  deserialize(bytes: Uint8Array): T
  /**
   * True: null is not one of the values, so a stream's record without a key or value counts as one that cannot be
   * deserialised. Absent or false: null is passed on, as Kafka Streams does. In tables a null value always deletes.
   */
  readonly rejectsNull?: boolean
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Works on any Uint8Array, without making a Buffer of it first. */
const { utf8Slice } = Buffer.prototype as unknown as { readonly utf8Slice: (this: Uint8Array, start: number, end: number) => string }

/** Several times as fast as the strict decoder, which is asked only when a replacement character hints at bytes that are no UTF-8. */
function textOf(bytes: Uint8Array): string {
  const text = utf8Slice.call(bytes, 0, bytes.length)
  return text.includes('\ufffd') ? strictDecoder.decode(bytes) : text
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text)
}

function checkLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length === length) return
  throw new StreamError('DESERIALIZATION_FAILED', `${what} has ${length} bytes, but the data has ${bytes.length}`)
}

function readInt32(bytes: Uint8Array, position: number): number {
  return (bytes[position]! << 24) | (bytes[position + 1]! << 16) | (bytes[position + 2]! << 8) | bytes[position + 3]!
}

/** UTF-8 text. Bytes that are not UTF-8 are refused. */
export const stringSerde: Serde<string> = { serialize: bytesOf, deserialize: textOf }

/** Kafka's LongSerializer: 8 bytes, big-endian. Only integers that a number holds exactly. */
export const longSerde: Serde<number> = {
  serialize(value) {
    if (!Number.isSafeInteger(value)) throw new StreamError('SERIALIZATION_FAILED', `${value} is not an integer that fits a long without loss`)
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeInt32BE(Math.floor(value / 0x1_0000_0000), 0)
    bytes.writeUInt32BE(value >>> 0, 4)
    return bytes
  },
  deserialize(bytes) {
    checkLength(bytes, 8, 'a long')
    const value = readInt32(bytes, 0) * 0x1_0000_0000 + (readInt32(bytes, 4) >>> 0)
    if (!Number.isSafeInteger(value)) throw new StreamError('DESERIALIZATION_FAILED', `the long ${Buffer.from(bytes).readBigInt64BE()} does not fit a number without loss`)
    return value
  },
}

/** Kafka's IntegerSerializer: 4 bytes, big-endian. */
export const integerSerde: Serde<number> = {
  serialize(value) {
    if ((value | 0) !== value) throw new StreamError('SERIALIZATION_FAILED', `${value} is not a 32-bit integer`)
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeInt32BE(value)
    return bytes
  },
  deserialize(bytes) {
    checkLength(bytes, 4, 'an integer')
    return readInt32(bytes, 0)
  },
}

/** Kafka's DoubleSerializer: 8 bytes, IEEE 754, big-endian. */
export const doubleSerde: Serde<number> = {
  serialize(value) {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeDoubleBE(value)
    return bytes
  },
  deserialize(bytes) {
    checkLength(bytes, 8, 'a double')
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0)
  },
}

/** Bytes as they are, not copied. */
export const bytesSerde: Serde<Uint8Array> = {
  serialize: bytes => bytes,
  deserialize: bytes => bytes,
}

/** Compact JSON in member order. Nothing checks the type: use `zodSerde` where data comes from outside. */
export function jsonSerde<T = unknown>(): Serde<T> {
  return {
    serialize(value) {
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined) throw new StreamError('SERIALIZATION_FAILED', `a value of type ${typeof value} has no JSON form`)
      return bytesOf(text)
    },
    deserialize: bytes => JSON.parse(textOf(bytes)) as T,
  }
}

// ------------------------------------------------------------------------------------------------ schemas

/** The part of the Standard Schema interface (version 1) that is used here; zod, valibot and arktype implement it. */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/**
 * A serde from a zod schema (or any Standard Schema): JSON, validated when read; a plain string schema of zod is bare text
 * without quotes. Values are written as they are: TypeScript has checked them. Null is refused unless the schema takes it.
 * @throws DESERIALIZATION_FAILED naming the path of each problem
 */
export function zodSerde<T>(schema: StandardSchema<T>): Serde<T> {
  const format: Serde<unknown> = isStringSchema(schema) ? stringSerde : jsonSerde()
  return {
    serialize: value => format.serialize(value),
    deserialize: bytes => validateWith(schema, format.deserialize(bytes)),
    rejectsNull: !acceptsNull(schema),
  }
}

export function isStandardSchema(candidate: unknown): candidate is StandardSchema {
  const isObject = (typeof candidate === 'object' || typeof candidate === 'function') && candidate !== null
  return isObject && typeof (candidate as Partial<StandardSchema>)['~standard']?.validate === 'function'
}

/** The value as the schema gives it. @throws DESERIALIZATION_FAILED naming the path of each problem */
export function validateWith<T>(schema: StandardSchema<T>, value: unknown): T {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) {
    result.catch(() => {})
    throw new StreamError('INVALID_ARGUMENT', 'a schema with asynchronous checks cannot be used for a topic: validate later, in an operator')
  }
  if (result.issues === undefined) return result.value
  const problems = result.issues.slice(0, 5).map(issue => `${issuePath(issue)}: ${issue.message}`)
  const more = result.issues.length > 5 ? `; and ${result.issues.length - 5} more` : ''
  throw new StreamError('DESERIALIZATION_FAILED', `does not match the schema: ${problems.join('; ')}${more}`, {
    details: { paths: result.issues.slice(0, 5).map(issuePath) },
  })
}

function issuePath(issue: SchemaIssue): string {
  const keys = (issue.path ?? []).map(part => String(typeof part === 'object' ? part.key : part))
  return keys.length === 0 ? 'the value' : keys.join('.')
}

function acceptsNull(schema: StandardSchema): boolean {
  const result = schema['~standard'].validate(null)
  if (!(result instanceof Promise)) return result.issues === undefined
  result.catch(() => {})
  return false
}

/** zod's own mark; other vendors have none, and their strings are JSON. */
function isStringSchema(schema: StandardSchema): boolean {
  return (schema as { _zod?: { def?: { type?: string } } })._zod?.def?.type === 'string'
}
