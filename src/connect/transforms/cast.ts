import { option } from '../config-spec.ts'
import { configError, dataError } from '../errors.ts'
import { int64Value } from '../int64.ts'
import { javaText } from '../java-text.ts'
import { Decimal, logicalOf, schemaTypes, Struct } from '../schema.ts'
import type { Schema, SchemaType } from '../schema.ts'
import { valueText } from '../values/value-text.ts'
import { describeValue } from '../validate.ts'
import { MemberRewriter, overwriting } from './member-rewriter.ts'
import { integerBits, saturated, truncated } from './numbers.ts'
import { complaintOf, replaceNull } from './options.ts'
import { basicsOf, fieldReader, oncePerSchema, ownMember, requireMembers, requireStruct, structLike, twoSided, withDefault, withOptional } from './sides.ts'
import type { NewField } from './sides.ts'

type Target = Exclude<SchemaType, 'bytes' | 'array' | 'map' | 'struct'>

const targets = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'boolean', 'string'] as const
const dayMs = 86_400_000

interface CastSpec {
  readonly whole: Target | undefined
  readonly fields: ReadonlyMap<string, Target>
}

function parseSpec(entries: readonly string[]): CastSpec {
  if (entries.length === 0) throw configError('Must specify at least one field to cast.')
  const fields = new Map<string, Target>()
  let whole: Target | undefined
  for (const entry of entries) {
    const parts = entry.replace(/:+$/, '').split(':')
    if (parts.length > 2) throw configError(`Invalid value [${entries.join(', ')}] for configuration renames: Invalid rename mapping: ${entry}`)
    if (parts.length === 1) whole = parseTarget(parts[0]!.trim())
    else fields.set(parts[0]!.trim(), parseTarget(parts[1]!.trim()))
  }
  if (whole !== undefined && entries.length > 1) {
    throw configError('Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec')
  }
  return { whole, fields }
}

function parseTarget(name: string): Target {
  const type = name.toLowerCase()
  const target = targets.find((each) => each === type)
  if (target !== undefined) return target
  if (!schemaTypes.includes(type as SchemaType)) throw configError(`Invalid type found in casting spec: ${name}`)
  throw configError(`Cast transformation does not support casting to ${type.toUpperCase()}; supported types are [${targets.join(', ').toUpperCase()}]`)
}

export const cast = twoSided('Cast', {
  'spec': option.list({ doc: 'Fields and types, such as a:int32,b:string; or one type for the whole value.', importance: 'high', rule: (spec) => complaintOf(() => parseSpec(spec ?? [])) }),
  'replace.null.with.default': replaceNull,
}, (config, side) => {
  const { whole, fields } = parseSpec(config.spec)
  const read = fieldReader(config['replace.null.with.default'])
  const casts = [...fields]
  const rewriter = new MemberRewriter(overwriting(casts.map(([name]) => name)))
  const castField = ({ name, schema }: NewField): NewField => {
    const target = fields.get(name)
    if (target === undefined) return { name, schema }
    const to = withOptional(Object.freeze({ type: target, optional: false }), schema.optional)
    return { name, schema: (schema.default ?? null) === null ? to : withDefault(to, castValue(schema, schema.default, target)) }
  }
  const castSchema = oncePerSchema((schema) => {
    const to = whole === undefined ? structLike(schema, requireFields(schema).map(castField)) : basicsAs(schema, whole)
    const kept = withOptional(to, schema.optional)
    if ((schema.default ?? null) === null) return kept
    if (whole === undefined) return withDefault(kept, castStruct(schema.default as Struct, kept))
    // the name is kept, and a default under it would have to be of the logical type
    if (logicalOf(schema) !== undefined) throw dataError(`Invalid default value: ${describeValue(schema.default)} cannot be cast to ${whole} in a schema called ${schema.name}`)
    return withDefault(kept, castValue(schema, schema.default, whole))
  })
  const castStruct = (struct: Struct, to: Schema) => new Struct(to, Object.fromEntries(struct.schema.fields!.map(({ name, schema }) => {
    const target = fields.get(name)
    return [name, target === undefined ? read(struct, name) : castValue(schema, read(struct, name), target)]
  })))
  return {
    apply(record) {
      const [schema, value] = [side.schemaOf(record), side.valueOf(record)]
      if (value === null) return record
      if (schema === null && whole !== undefined) return side.with(record, null, castValue(null, value, whole))
      if (schema === null) {
        const members = requireMembers(value, 'cast types')
        return side.with(record, null, rewriter.apply(members, casts.map(([name, target]) => castValue(null, ownMember(members, name), target))))
      }
      if (whole !== undefined) return side.with(record, castSchema(schema), castValue(schema, value, whole))
      return side.with(record, castSchema(schema), castStruct(requireStruct(value, 'cast types'), castSchema(schema)))
    },
  }
})

function requireFields({ fields, type }: Schema): readonly NewField[] {
  if (fields === undefined) throw dataError(`Only Struct objects supported for [cast types], found: ${type}`)
  return fields
}

/** The name, version and parameters stay, whatever they meant for the old type. */
function basicsAs(schema: Schema, type: Target): Schema {
  return Object.freeze({ ...basicsOf(schema), type })
}

function castValue(schema: Schema | null, value: unknown, target: Target): unknown {
  if (value === null || value === undefined) return null
  const plain = target === 'string' ? value : withoutLogicalType(schema, value)
  if (!isCastable(schema, value)) throw dataError(`Cast transformation does not support casting from ${schema?.type.toUpperCase() ?? describeValue(value)}`)
  switch (target) {
    case 'string': return castToString(schema, plain)
    case 'boolean': return castToBoolean(plain)
    case 'float32': return Math.fround(castToFloat(plain))
    case 'float64': return castToFloat(plain)
    default: return castToInteger(schema, plain, target)
  }
}

function isCastable(schema: Schema | null, value: unknown): boolean {
  if (schema === null) return ['number', 'bigint', 'boolean', 'string'].includes(typeof value) || value instanceof Uint8Array
  return !['array', 'map', 'struct'].includes(schema.type)
}

function withoutLogicalType(schema: Schema | null, value: unknown): unknown {
  if (!(value instanceof Date) || schema === null) return value
  return logicalOf(schema) === 'date' ? Math.trunc(value.getTime() / dayMs) : value.getTime()
}

function castToInteger(schema: Schema | null, value: unknown, target: Target): unknown {
  const bits = integerBits(target)
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'string') return parseInteger(value, bits)
  if (typeof value === 'bigint') return int64Value(BigInt.asIntN(bits, value))
  if (value instanceof Decimal) return int64Value(BigInt.asIntN(bits, truncated(value)))
  if (typeof value !== 'number') throw dataError(`Unexpected type in Cast transformation: ${describeValue(value)}`)
  const isFloat = schema?.type === 'float32' || schema?.type === 'float64' || !Number.isSafeInteger(value)
  return int64Value(BigInt.asIntN(bits, isFloat ? saturated(value, bits === 64 ? 64 : 32) : BigInt(value)))
}

function parseInteger(text: string, bits: number): unknown {
  const value = /^[+-]?\d{1,20}$/.test(text) ? BigInt(text.replace('+', '')) : undefined
  if (value === undefined || BigInt.asIntN(bits, value) !== value) throw dataError(`Value (${text}) was out of range for requested data type`)
  return int64Value(value)
}

function castToFloat(value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value)
  if (value instanceof Decimal) return value.toNumber()
  if (typeof value !== 'string') throw dataError(`Unexpected type in Cast transformation: ${describeValue(value)}`)
  const text = value.trim()
  if (/^[+-]?(?:NaN|Infinity)$/.test(text)) return Number(text.replace(/^[+-]?NaN$/, 'NaN'))
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?$/.test(text)) throw dataError(`Value (${value}) was out of range for requested data type`)
  return Number(text.replace(/[fFdD]$/, ''))
}

function castToBoolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string') return value.toLowerCase() === 'true'
  if (value instanceof Decimal) return BigInt.asIntN(64, truncated(value)) !== 0n
  if (typeof value === 'number') return saturated(value, 64) !== 0n
  if (typeof value === 'bigint') return value !== 0n
  throw dataError(`Unexpected type in Cast transformation: ${describeValue(value)}`)
}

function castToString(schema: Schema | null, value: unknown): string {
  return value instanceof Date || value instanceof Uint8Array ? valueText(schema, value) : javaText(schema, value)
}
