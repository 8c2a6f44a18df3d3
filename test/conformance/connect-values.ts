/** The notation of schemas and values in test/vectors/connect, turned into Connect data (see FORMAT.md there). */
import { dataEquals, Decimal, schema as make, schemaEquals, Struct } from '../../src/connect/index.ts'
import type { Schema, SchemaOptions } from '../../src/connect/index.ts'

export interface NotedSchema {
  readonly type: 'int8' | 'int16' | 'int32' | 'int64' | 'float32' | 'float64' | 'boolean' | 'string' | 'bytes' | 'array' | 'map' | 'struct'
  readonly optional?: boolean
  readonly default?: unknown
  readonly name?: string
  readonly version?: number
  readonly doc?: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly fields?: readonly (NotedSchema & { readonly field: string })[]
  readonly keySchema?: NotedSchema
  readonly valueSchema?: NotedSchema
}

type Noted = Readonly<Record<string, unknown>>

export function readSchema(noted: NotedSchema | null | undefined): Schema | null {
  return noted === null || noted === undefined ? null : readKnownSchema(noted)
}

function readKnownSchema({ type, fields, keySchema, valueSchema, default: standIn, ...noted }: NotedSchema): Schema {
  const options = Object.fromEntries(Object.entries(noted).filter(([name]) => name !== 'field')) as SchemaOptions
  const bare = ((): Schema => {
    if (type === 'struct') return make.struct((fields ?? []).map((each) => [each.field, readKnownSchema(each)] as const), options)
    const inner = { ...(keySchema && { keySchema: readKnownSchema(keySchema) }), ...(valueSchema && { valueSchema: readKnownSchema(valueSchema) }) }
    if (type === 'array' || type === 'map') return Object.freeze({ type, optional: false, ...options, ...inner })
    return make[type](options)
  })()
  return standIn === undefined ? bare : Object.freeze({ ...bare, default: readValue(bare, standIn) })
}

/** A value with a schema; with null, one without. */
export function readValue(schema: Schema | null, noted: unknown): unknown {
  if (noted === null || noted === undefined) return null
  if (schema === null) return readSchemaless(noted)
  const tag = tagOf(noted)
  if (tag === 'raw') return readSchemaless((noted as Noted)['raw'])
  if (tag === 'decimal') return Decimal.parse((noted as Noted)['decimal'] as string)
  if (tag === 'date') return new Date((noted as Noted)['date'] as number)
  if (schema.type === 'float32' || schema.type === 'float64') return readFloat(schema, tag === 'float' ? Number((noted as Noted)['float']) : (noted as number))
  if (schema.type === 'array') return (noted as unknown[]).map((each) => readValue(schema.valueSchema ?? null, each))
  if (schema.type === 'map') return readMap(schema, noted as Noted)
  if (schema.type === 'struct') return readStruct(schema, noted as Noted)
  if (tag === 'bytes') return new Uint8Array(Buffer.from((noted as Noted)['bytes'] as string, 'base64'))
  return tag === 'int64' ? BigInt((noted as Noted)['int64'] as string) : noted
}

function readFloat(schema: Schema, value: number): number {
  return schema.type === 'float32' ? Math.fround(value) : value
}

function readMap(schema: Schema, noted: Noted): Map<unknown, unknown> {
  const pairs = tagOf(noted) === 'map' ? (noted['map'] as [unknown, unknown][]) : Object.entries(noted)
  return new Map(pairs.map(([key, each]) => [readValue(schema.keySchema ?? null, key), readValue(schema.valueSchema ?? null, each)]))
}

function readStruct(schema: Schema, noted: Noted): Struct {
  const struct = new Struct(schema)
  for (const field of schema.fields!) struct.set(field.name, readValue(field.schema, noted[field.name]))
  return struct
}

function readSchemaless(noted: unknown): unknown {
  if (typeof noted !== 'object' || noted === null) return noted
  if (Array.isArray(noted)) return noted.map(readSchemaless)
  const members = noted as Noted
  if ('as' in members && 'value' in members) return readValue(readSchema(members['as'] as NotedSchema), members['value'])
  switch (tagOf(noted)) {
    case 'int8': case 'int16': case 'int32': return members[tagOf(noted)!]
    case 'int64': case 'bigint': return BigInt(members[tagOf(noted)!] as string)
    case 'float32': return Math.fround(Number(members['float32']))
    case 'float64': return Number(members['float64'])
    case 'bytes': return new Uint8Array(Buffer.from(members['bytes'] as string, 'base64'))
    case 'decimal': return Decimal.parse(members['decimal'] as string)
    case 'date': return new Date(members['date'] as number)
    case 'map': return new Map((members['map'] as [unknown, unknown][]).map(([key, each]) => [readSchemaless(key), readSchemaless(each)]))
    default: return Object.fromEntries(Object.entries(members).map(([name, each]) => [name, readSchemaless(each)]))
  }
}

const tags = ['raw', 'bytes', 'decimal', 'date', 'float', 'int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'bigint', 'map']

function tagOf(noted: unknown): string | undefined {
  if (typeof noted !== 'object' || noted === null || Array.isArray(noted)) return undefined
  const names = Object.keys(noted)
  return names.length === 1 && tags.includes(names[0]!) ? names[0] : undefined
}

/** Whether the notation uses a width that a JavaScript number without schema does not keep. */
export function hasWidths(noted: unknown): boolean {
  if (typeof noted !== 'object' || noted === null) return false
  const tag = tagOf(noted)
  if (tag !== undefined && /^(int8|int16|int32|float32|float64|bigint)$/.test(tag)) return true
  return Object.values(noted).some(hasWidths)
}

/** Why a case is not held whose result depends on the Java class of a number without schema. */
export const numberWidth = 'the width of a number without schema'

/** Why a case with such a date is not held. */
export const beyondDates = 'dates beyond the year 275760'

export function isBeyondDates(noted: unknown): boolean {
  return /"date":-?\d{16,}/.test(JSON.stringify(noted))
}

/** Equal as data, whatever the sign of zero. */
export function sameData(a: unknown, b: unknown): boolean {
  return dataEquals(withoutNegativeZero(a), withoutNegativeZero(b))
}

function withoutNegativeZero(value: unknown): unknown {
  if (value === 0) return 0
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (Array.isArray(value)) return value.map(withoutNegativeZero)
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (value instanceof Map && [...value.keys()].every((key) => typeof key === 'string')) return withoutNegativeZero(Object.fromEntries(value))
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [withoutNegativeZero(key), withoutNegativeZero(each)]))
  const plain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  return plain ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutNegativeZero(each)])) : value
}

export function sameSchema(a: Schema | null, b: Schema | null): boolean {
  return schemaEquals(a, b)
}

/** For a difference that people read. */
export function show(value: unknown): string {
  return JSON.stringify(value, (_name, each: unknown) => {
    if (each instanceof Struct) return Object.fromEntries(each.schema.fields!.map(({ name }) => [name, each.getWithoutDefault(name)]))
    if (typeof each === 'bigint') return `${each}n`
    if (typeof each === 'number' && !Number.isFinite(each)) return String(each)
    return each instanceof Map ? { map: [...each] } : each instanceof Decimal ? { decimal: each.toString() } : each
  }) ?? 'undefined'
}
