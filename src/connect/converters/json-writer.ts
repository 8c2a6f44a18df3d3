/** Connect data to JSON text, as upstream's JsonConverter. */
import { dataError } from '../errors.ts'
import { javaFloat } from '../java-text.ts'
import { Decimal, logicalOf, schemaEquals, Struct } from '../schema.ts'
import type { LogicalName, Schema } from '../schema.ts'
import { describeValue, fits } from '../validate.ts'

export interface JsonWriterOptions {
  readonly decimalFormat: 'BASE64' | 'NUMERIC'
  readonly replaceNullWithDefault: boolean
}

const dayMs = 86_400_000

/** @throws INVALID_DATA when the value does not fit the schema or has no JSON form */
export function writeJson(schema: Schema | null, value: unknown, options: JsonWriterOptions): string {
  if (schema === null) return writeSchemaless(value)
  if (value === null || value === undefined) return writeNull(schema, options)
  const logical = logicalOf(schema)
  if (logical !== undefined) return writeLogical(logical, schema, value, options)
  return writeTyped(schema, value, options)
}

function writeNull(schema: Schema, options: JsonWriterOptions): string {
  if (options.replaceNullWithDefault && (schema.default ?? null) !== null) return writeJson(schema, schema.default, options)
  if (schema.optional) return 'null'
  throw dataError('Conversion error: null value for field that is required and has no default value')
}

function writeTyped(schema: Schema, value: unknown, options: JsonWriterOptions): string {
  if (schema.type === 'struct') return writeStruct(schema, value, options)
  if (schema.type === 'map' && !(value instanceof Map) && isPlainObject(value)) return writeMap(schema, new Map(Object.entries(value)), options)
  if (!fits(schema, value)) throw dataError(`Invalid type for ${schema.type.toUpperCase()}: ${describeValue(value)}`)
  if (schema.type === 'array') return `[${(value as readonly unknown[]).map((each) => writeJson(schema.valueSchema!, each, options)).join(',')}]`
  if (schema.type === 'map') return writeMap(schema, value as ReadonlyMap<unknown, unknown>, options)
  return schema.type === 'float32' && Number.isFinite(value) ? javaFloat(value as number) : writeScalar(value)
}

function writeMap(schema: Schema, map: ReadonlyMap<unknown, unknown>, options: JsonWriterOptions): string {
  const named = schema.keySchema!.type === 'string'
  const writeKey = (key: unknown) => (named && key === null && schema.keySchema!.optional ? '"null"' : writeJson(schema.keySchema!, key, options))
  const pairs = [...map].map(([key, each]) => [writeKey(key), writeJson(schema.valueSchema!, each, options)] as const)
  return named ? `{${pairs.map((pair) => pair.join(':')).join(',')}}` : `[${pairs.map((pair) => `[${pair.join(',')}]`).join(',')}]`
}

function writeStruct(schema: Schema, value: unknown, options: JsonWriterOptions): string {
  if (!(value instanceof Struct)) throw dataError(`Invalid type for STRUCT: ${describeValue(value)}`)
  if (value.schema !== schema && !schemaEquals(value.schema, schema)) throw dataError('Mismatching schema.')
  const fields = value.schema.fields!
  const names = writtenNames(value.schema)
  let text = '{'
  for (let index = 0; index < fields.length; index++) text += names[index]! + writeJson(fields[index]!.schema, value.valueAt(index), options)
  return `${text}}`
}

const namesBySchema = new WeakMap<Schema, readonly string[]>()

/** The name of each field, with what stands before and after it. */
function writtenNames(struct: Schema): readonly string[] {
  const known = namesBySchema.get(struct)
  if (known !== undefined) return known
  const names = struct.fields!.map(({ name }, index) => `${index === 0 ? '' : ','}${JSON.stringify(name)}:`)
  namesBySchema.set(struct, names)
  return names
}

function writeLogical(logical: LogicalName, schema: Schema, value: unknown, { decimalFormat }: JsonWriterOptions): string {
  if (!fits(schema, value)) throw dataError(`Invalid type for ${schema.name}: ${describeValue(value)}`)
  if (value instanceof Decimal) return writeDecimal(schema, value, decimalFormat)
  const ms = (value as Date).getTime()
  if (logical === 'timestamp') return String(ms)
  if (logical === 'date') {
    if (ms % dayMs !== 0) throw dataError('Kafka Connect Date type should not have any time fields set to non-zero values.')
    return String(ms / dayMs)
  }
  if (ms < 0 || ms > dayMs) throw dataError('Kafka Connect Time type should not have any date fields set to non-zero values.')
  return String(ms)
}

function writeDecimal(schema: Schema, value: Decimal, format: 'BASE64' | 'NUMERIC'): string {
  if (format === 'NUMERIC') return value.toString()
  const scale = schema.parameters?.['scale']
  if (String(value.scale) !== scale) throw dataError(`Decimal value has mismatching scale for given Decimal schema. Schema has scale ${scale}, value has scale ${value.scale}.`)
  return `"${Buffer.from(value.toBytes()).toString('base64')}"`
}

/** Numbers that JSON cannot write are strings, as upstream's `"NaN"`. */
function writeScalar(value: unknown): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : `"${value}"`
  if (typeof value === 'bigint') return String(value)
  return value instanceof Uint8Array ? `"${Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')}"` : JSON.stringify(value)
}

function writeSchemaless(value: unknown): string {
  if (value === undefined) return 'null'
  return isJson(value) ? JSON.stringify(value) : writeSpecial(value)
}

/** Whether JSON.stringify writes it the way it must be; by far the most data is so. */
function isJson(value: unknown): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) return value.every(isJson)
  if (!isPlainObject(value)) return false
  for (const name in value) if (!isJson((value as Record<string, unknown>)[name])) return false
  return true
}

const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n }

function writeSpecial(value: unknown): string {
  if (value === undefined || value === null) return 'null'
  if (value instanceof Struct) throw dataError('Mismatching schema.')
  if (Array.isArray(value)) return `[${value.map(writeSchemaless).join(',')}]`
  if (value instanceof Map) return writeSchemalessMap(value)
  if (isPlainObject(value)) return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}:${writeSchemaless(each)}`).join(',')}}`
  const writable = typeof value === 'number' || value instanceof Uint8Array || (typeof value === 'bigint' && value >= int64.min && value <= int64.max)
  if (!writable) throw dataError(`${describeValue(value)} does not have a corresponding schema type.`)
  return writeScalar(value)
}

function writeSchemalessMap(map: ReadonlyMap<unknown, unknown>): string {
  const pairs = [...map].map(([key, each]) => [writeSchemaless(key), writeSchemaless(each)])
  return [...map.keys()].every((key) => typeof key === 'string') ? `{${pairs.map((pair) => pair.join(':')).join(',')}}` : `[${pairs.map((pair) => `[${pair.join(',')}]`).join(',')}]`
}

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
