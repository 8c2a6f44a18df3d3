import { StreamError } from './errors.ts'
import { JsonDecoder } from './json-decoder.ts'
import { isPlainText, plainTest } from './plain-schema.ts'
import { bytesOf, isPlainJsonText, textOf, writePlainJsonText, writeText } from './text-bytes.ts'
import type { TextWindow } from './text-window.ts'

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
  /** The schema that it was made from, for tools that make examples of its values. */
  readonly schema?: StandardSchema<T>
  /**
   * As `deserialize` of bytes[start, end), without an array being made for it. What it gives shares no memory with `bytes`.
   * Optional, for speed; it must agree with `deserialize`.
   */
  deserializeRange?(bytes: Uint8Array, start: number, end: number): T
  /**
   * As `deserializeRange` of `window.bytes`; `window.text` has these bytes. Text may be cut from it, which keeps it alive (it
   * has 4 KiB at most). Optional, for speed.
   */
  deserializeFrom?(window: TextWindow, start: number, end: number): T
  /**
   * True: `deserialize` of these bytes of `window` gives a value and does not throw, so it may wait until somebody looks. Values are never changed.
   * Optional, for speed; it must cost less than `deserialize`.
   */
  isReadable?(window: TextWindow, start: number, end: number): boolean
  /**
   * The member of that name of what `deserialize` gives for these bytes of `window`, if it is a whole number of at least 0, and no function of the program's
   * is called for it; -1: not so, or not known. `deserialize` does not throw then. Optional, for speed.
   */
  wholeNumberOf?(name: string, window: TextWindow, start: number, end: number): number
  /**
   * Writes what `serialize` gives to bytes[at…) and answers where it ends; -1: not enough room, or not this time, and
   * `serialize` is asked. Optional, for speed.
   */
  serializeInto?(value: T, bytes: Uint8Array, at: number): number
  /**
   * True: values are never changed, and `serialize` gives back the very bytes that a value was read from. A record that is written
   * as it was read is then copied. Optional, for speed.
   */
  readonly isExact?: boolean
}

/** What `serde` reads from bytes[start, end), which will be overwritten: nothing of it is kept alive. */
export function deserializeCopy<T>(serde: Serde<T>, bytes: Uint8Array, start: number, end: number): T {
  if (serde.deserializeRange !== undefined) return serde.deserializeRange(bytes, start, end)
  return serde.deserialize(new Uint8Array(bytes.subarray(start, end)))
}

/** UTF-8 text. Bytes that are not UTF-8 are refused. */
export const stringSerde: Serde<string> = {
  serialize: bytesOf,
  deserialize: (bytes) => textOf(bytes, 0, bytes.length),
  deserializeRange: textOf,
  deserializeFrom: textFrom,
  isReadable: (window, start, end) => window.isAscii(start, end),
  serializeInto: writeText,
  isExact: true,
}

function textFrom(window: TextWindow, start: number, end: number): string {
  return window.isAscii(start, end) ? window.text.substring(start - window.from, end - window.from) : textOf(window.bytes, start, end)
}

/** Bytes as they are, not copied. */
export const bytesSerde: Serde<Uint8Array> = {
  serialize: bytes => bytes,
  deserialize: bytes => bytes,
  deserializeRange: (bytes, start, end) => new Uint8Array(bytes.subarray(start, end)),
  serializeInto(value, bytes, at) {
    const end = at + value.length
    if (end > bytes.length) return -1
    bytes.set(value, at)
    return end
  },
}

/** Compact JSON in member order. Nothing checks the type: use `zodSerde` where data comes from outside. */
export function jsonSerde<T = unknown>(): Serde<T> {
  const decoder = new JsonDecoder()
  return {
    serialize: (value) => bytesOf(jsonOf(value)),
    deserialize: (bytes) => decoder.decode(bytes, 0, bytes.length) as T,
    deserializeRange: (bytes, start, end) => decoder.decode(bytes, start, end) as T,
    deserializeFrom: ({ bytes, text, from, view }, start, end) => decoder.decode(bytes, start, end, text, from, view) as T,
    isReadable: ({ bytes, view }, start, end) => isPlainJsonText(bytes, start, end) || decoder.accepts(bytes, start, end, view),
    wholeNumberOf: (name, { bytes, view }, start, end) => decoder.wholeNumber(name, bytes, start, end, view),
    serializeInto: (value, bytes, at) => writeJson(value, bytes, at),
  }
}

/** Short texts without JSON.stringify, which takes several times as long for one. */
function writeJson(value: unknown, bytes: Uint8Array, at: number): number {
  const end = typeof value === 'string' ? writePlainJsonText(value, bytes, at) : -1
  return end < 0 ? writeText(jsonOf(value), bytes, at) : end
}

function jsonOf(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new StreamError('SERIALIZATION_FAILED', `a value of type ${typeof value} has no JSON form`)
  if (text === '{}' && value instanceof Promise) throw new StreamError('SERIALIZATION_FAILED', 'a promise has no JSON form: wait for it first, in a topology with mapAsync')
  return text
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
  if (isPlainText(schema)) return { ...(stringSerde as Serde<unknown> as Serde<T>), rejectsNull: true, schema }
  const format = (isStringSchema(schema) ? stringSerde : jsonSerde()) as Required<Serde<unknown>>
  let isValid: ((value: unknown) => boolean) | null | undefined
  const checked = (value: unknown): T => {
    // Made for the first value, when all that the schema names is there.
    if (isValid === undefined) isValid = plainTest(schema)
    return isValid !== null && isValid(value) ? (value as T) : validateWith(schema, value)
  }
  return {
    serialize: (value) => format.serialize(value),
    deserialize: (bytes) => checked(format.deserialize(bytes)),
    deserializeRange: (bytes, start, end) => checked(format.deserializeRange(bytes, start, end)),
    deserializeFrom: (window, start, end) => checked(format.deserializeFrom(window, start, end)),
    serializeInto: (value, bytes, at) => format.serializeInto(value, bytes, at),
    rejectsNull: !acceptsNull(schema),
    schema,
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
