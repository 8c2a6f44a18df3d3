import { dataError } from './errors.ts'
import { Decimal, logicalOf, schemaEquals, Struct } from './schema.ts'
import type { Schema, SchemaType } from './schema.ts'

const integerRanges: Partial<Record<SchemaType, readonly [number, number]>> = {
  int8: [-(2 ** 7), 2 ** 7 - 1], int16: [-(2 ** 15), 2 ** 15 - 1], int32: [-(2 ** 31), 2 ** 31 - 1],
}
const int64Min = -(2n ** 63n)
const int64Max = 2n ** 63n - 1n

/** @throws INVALID_DATA naming the place, when the value cannot be one of the schema */
export function validateValue(schema: Schema, value: unknown, place = 'the value'): void {
  if (value === null || value === undefined) {
    if (schema.optional) return
    throw dataError(`Invalid value: null used for required field: ${place}, schema type: ${schema.type.toUpperCase()}`)
  }
  if (!fits(schema, value)) throw dataError(`Invalid value for ${place}: ${describeValue(value)} does not fit schema ${describeSchema(schema)}`)
  validateMembers(schema, value, place)
}

/** Whether the value itself, not looking into it, has the type of the schema. Null never has. */
export function fits(schema: Schema, value: unknown): boolean {
  switch (logicalOf(schema)) {
    case 'decimal': return value instanceof Decimal
    case 'date': case 'time': case 'timestamp': return value instanceof Date
    case undefined: return fitsType(schema, value)
  }
}

function fitsType(schema: Schema, value: unknown): boolean {
  switch (schema.type) {
    case 'int8': case 'int16': case 'int32': return isInteger(value, integerRanges[schema.type]!)
    case 'int64': return typeof value === 'bigint' ? value >= int64Min && value <= int64Max : Number.isSafeInteger(value)
    case 'float32': case 'float64': return typeof value === 'number'
    case 'boolean': return typeof value === 'boolean'
    case 'string': return typeof value === 'string'
    case 'bytes': return value instanceof Uint8Array
    case 'array': return Array.isArray(value)
    case 'map': return value instanceof Map
    case 'struct': return value instanceof Struct && (value.schema === schema || schemaEquals({ ...schema, optional: false }, { ...value.schema, optional: false }))
  }
}

function isInteger(value: unknown, range: readonly [number, number]): boolean {
  return Number.isInteger(value) && (value as number) >= range[0] && (value as number) <= range[1]
}

function validateMembers(schema: Schema, value: unknown, place: string): void {
  if (Array.isArray(value)) value.forEach((each, index) => validateValue(schema.valueSchema!, each, `${place}[${index}]`))
  else if (value instanceof Map) {
    for (const [key, each] of value) {
      validateValue(schema.keySchema!, key, `a key of ${place}`)
      validateValue(schema.valueSchema!, each, `${place}[${String(key)}]`)
    }
  } else if (value instanceof Struct) {
    for (const { name, schema: field } of value.schema.fields!) {
      const member = value.getWithoutDefault(name)
      if (member !== null || field.default === undefined) validateValue(field, member, `${place}.${name}`)
    }
  }
}

export function describeSchema(schema: Schema): string {
  return schema.name === undefined ? schema.type.toUpperCase() : `${schema.name} (${schema.type.toUpperCase()})`
}

/** The kind of a value, for errors: never its content, which may be secret or huge. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value !== 'object') return `a ${typeof value}`
  return value instanceof Uint8Array ? 'bytes' : Array.isArray(value) ? 'an array' : value.constructor === Object ? 'an object' : `a ${value.constructor?.name ?? 'object'}`
}
