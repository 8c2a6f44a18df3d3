/** Values to text that `parseValue` reads, as upstream's `Values.convertToString`. */
import { dataError } from '../errors.ts'
import { javaText } from '../java-text.ts'
import { Decimal, Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'
import { describeValue } from '../validate.ts'

const dayMs = 86_400_000

/** @throws INVALID_DATA for a value that has no such text */
export function valueText(schema: Schema | null | undefined, value: unknown, embedded = false): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return embedded ? quoted(value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')) : value
  if (typeof value !== 'object' || value instanceof Decimal) return javaText(schema, value)
  if (value instanceof Uint8Array) return embedded ? quoted(base64(value)) : base64(value)
  if (value instanceof Date) return dateText(value)
  if (Array.isArray(value)) return `[${value.map((each) => valueText(schema?.valueSchema, each, true)).join(',')}]`
  return `{${pairsOf(schema, value).map((pair) => pair.join(':')).join(',')}}`
}

function pairsOf(schema: Schema | null | undefined, value: object): readonly (readonly [string, string])[] {
  if (value instanceof Struct) return value.schema.fields!.map((field) => [quoted(field.name), valueText(field.schema, value.get(field.name), true)])
  const isPlain = Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null
  if (!(value instanceof Map) && !isPlain) throw dataError(`${describeValue(value)} cannot be written as text`)
  const pairs = value instanceof Map ? [...value] : Object.entries(value)
  return pairs.map(([key, each]) => [valueText(schema?.keySchema, key, true), valueText(schema?.valueSchema, each, true)])
}

function quoted(text: string): string {
  return `"${text}"`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

/** A time below a day, a date at midnight, a timestamp otherwise. */
function dateText(date: Date): string {
  const ms = date.getTime()
  const iso = date.toISOString()
  if (ms < dayMs) return iso.slice(iso.indexOf('T') + 1)
  return ms % dayMs === 0 ? iso.slice(0, iso.indexOf('T')) : iso
}
