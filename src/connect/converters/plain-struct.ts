/** Structs of plain fields made of JSON that was read already, as json-reader.ts makes them, without its look at each schema for each value. */
import { logicalOf, Struct } from '../schema.ts'
import type { Schema, SchemaType } from '../schema.ts'

interface PlainField {
  readonly name: string
  readonly type: SchemaType
  readonly isNullable: boolean
  readonly min: number
  readonly max: number
  /** Of a struct in the struct. */
  readonly inner: PlainStruct | null
}

const plainTypes: ReadonlySet<SchemaType> = new Set<SchemaType>(['int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'boolean', 'string', 'struct'])
const integerBits: Partial<Record<SchemaType, number>> = { int8: 8, int16: 16, int32: 32, int64: 54 }

export class PlainStruct {
  readonly #schema: Schema
  readonly #fields: readonly PlainField[]

  private constructor(schema: Schema, fields: readonly PlainField[]) {
    this.#schema = schema
    this.#fields = fields
  }

  /** Undefined for a schema with anything else in it. */
  static of(schema: Schema, replaceNullWithDefault: boolean): PlainStruct | undefined {
    if (schema.type !== 'struct' || logicalOf(schema) !== undefined) return undefined
    const fields: PlainField[] = []
    for (const { name, schema: { type, optional, default: standIn = null }, schema: field } of schema.fields!) {
      const inner = type === 'struct' ? PlainStruct.of(field, replaceNullWithDefault) : null
      if (inner === undefined || !plainTypes.has(type) || logicalOf(field) !== undefined || name === '__proto__') return undefined
      const limit = 2 ** ((integerBits[type] ?? 1) - 1)
      fields.push({ name, type, inner, min: type === 'int64' ? 1 - limit : -limit, max: limit - 1, isNullable: optional && (standIn === null || !replaceNullWithDefault) })
    }
    return new PlainStruct(schema, fields)
  }

  /** Undefined where a member is missing, or is not simply what its field holds. */
  read(members: unknown): Struct | undefined {
    if (typeof members !== 'object' || members === null || Array.isArray(members)) return undefined
    const fields = this.#fields
    const values: unknown[] = []
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index]!
      const value = valueOf(field, (members as Readonly<Record<string, unknown>>)[field.name])
      if (value === undefined) return undefined
      values.push(value)
    }
    return new Struct(this.#schema, values)
  }
}

function valueOf(field: PlainField, value: unknown): unknown {
  if (value === null) return field.isNullable ? null : undefined
  switch (field.type) {
    case 'string': return typeof value === 'string' ? value : undefined
    case 'boolean': return typeof value === 'boolean' ? value : undefined
    case 'struct': return field.inner!.read(value)
    case 'float64': return isPlainNumber(value) ? value : undefined
    case 'float32': return isPlainNumber(value) ? Math.fround(value) : undefined
    default: return isPlainNumber(value) && Number.isInteger(value) && value >= field.min && value <= field.max ? value : undefined
  }
}

/** Neither -0, which depends on how it was written, nor infinite. */
function isPlainNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && (value !== 0 || 1 / value > 0)
}
