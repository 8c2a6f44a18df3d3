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

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(bytes: Uint8Array): string {
  return strictDecoder.decode(bytes)
}

function needBytes(bytes: Uint8Array, length: number, what: string): DataView {
  if (bytes.byteLength !== length) {
    throw new StreamError('DESERIALIZATION_FAILED', `${what} has ${length} bytes, but the data has ${bytes.byteLength}`)
  }
  return new DataView(bytes.buffer, bytes.byteOffset, length)
}

/** UTF-8 text. Bytes that are not UTF-8 are refused. */
export const stringSerde: Serde<string> = {
  serialize: text => encoder.encode(text),
  deserialize: utf8,
}

/** Kafka's LongSerializer: 8 bytes, big-endian. Only integers that a number holds exactly. */
export const longSerde: Serde<number> = {
  serialize(value) {
    if (!Number.isSafeInteger(value)) throw new StreamError('SERIALIZATION_FAILED', `${value} is not an integer that fits a long without loss`)
    const bytes = new Uint8Array(8)
    const view = new DataView(bytes.buffer)
    view.setInt32(0, Math.floor(value / 0x1_0000_0000))
    view.setUint32(4, value >>> 0)
    return bytes
  },
  deserialize(bytes) {
    const view = needBytes(bytes, 8, 'a long')
    const value = view.getInt32(0) * 0x1_0000_0000 + view.getUint32(4)
    if (!Number.isSafeInteger(value)) throw new StreamError('DESERIALIZATION_FAILED', `the long ${view.getBigInt64(0)} does not fit a number without loss`)
    return value
  },
}

/** Kafka's IntegerSerializer: 4 bytes, big-endian. */
export const integerSerde: Serde<number> = {
  serialize(value) {
    if ((value | 0) !== value) throw new StreamError('SERIALIZATION_FAILED', `${value} is not a 32-bit integer`)
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setInt32(0, value)
    return bytes
  },
  deserialize: bytes => needBytes(bytes, 4, 'an integer').getInt32(0),
}

/** Kafka's DoubleSerializer: 8 bytes, IEEE 754, big-endian. */
export const doubleSerde: Serde<number> = {
  serialize(value) {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setFloat64(0, value)
    return bytes
  },
  deserialize: bytes => needBytes(bytes, 8, 'a double').getFloat64(0),
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
      return encoder.encode(text)
    },
    deserialize: bytes => JSON.parse(utf8(bytes)) as T,
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
