/** What transforms share: the side of a record they work on, and structs that are copied field by field. */
import { configSpec } from '../config-spec.ts'
import type { ConfigOf, ConfigOptions, ConfigSpec } from '../config-spec.ts'
import type { ConnectHeader, ConnectRecord, SinkRecord } from '../connect-record.ts'
import type { Transform, TransformPlugin } from '../connector.ts'
import { isPlainObject } from '../converters/json-writer.ts'
import { dataError } from '../errors.ts'
import { Struct } from '../schema.ts'
import type { Field, Schema } from '../schema.ts'
import { describeValue } from '../validate.ts'

/** The key or the value of a record. */
export interface Side {
  schemaOf(record: ConnectRecord): Schema | null
  valueOf(record: ConnectRecord): unknown
  with<R extends ConnectRecord>(record: R, schema: Schema | null, value: unknown): R
}

export const keySide: Side = {
  schemaOf: ({ keySchema }) => keySchema ?? null,
  valueOf: ({ key }) => key ?? null,
  with(record, keySchema, key) {
    const copy = copyOf(record)
    copy.keySchema = keySchema
    copy.key = key
    return copy
  },
}

export const valueSide: Side = {
  schemaOf: ({ valueSchema }) => valueSchema ?? null,
  valueOf: ({ value }) => value ?? null,
  with(record, valueSchema, value) {
    const copy = copyOf(record)
    copy.valueSchema = valueSchema
    copy.value = value
    return copy
  },
}

/** A record under construction. */
type Changeable<R> = { -readonly [K in keyof R]: R[K] }

/** The same record, to be changed by who asked. Its members are named: a spread of records of many makes costs a call of the runtime for each. */
export function copyOf<R extends ConnectRecord>(record: R): Changeable<R> {
  const { topic, partition, keySchema, key, valueSchema, value, timestamp, headers } = record
  if (!isSinkRecord(record)) return { topic, partition, keySchema, key, valueSchema, value, timestamp, headers } as unknown as Changeable<R>
  const { offset, timestampType, originalTopic, originalPartition, originalOffset } = record
  return { topic, partition, keySchema, key, valueSchema, value, timestamp, headers, offset, timestampType, originalTopic, originalPartition, originalOffset } as unknown as Changeable<R>
}

/** Only records that were read have an offset. */
export function isSinkRecord(record: ConnectRecord): record is SinkRecord {
  return 'offset' in record
}

export function withTopic<R extends ConnectRecord>(record: R, topic: string): R {
  const copy = copyOf(record)
  copy.topic = topic
  return copy
}

export function withHeaders<R extends ConnectRecord>(record: R, headers: readonly ConnectHeader[]): R {
  const copy = copyOf(record)
  copy.headers = headers
  return copy
}

export const transformVersion = '0.1.0'
const packageName = 'org.apache.kafka.connect.transforms'

/** A transform that comes as `Name$Key` and `Name$Value`, under upstream's class names. */
export function twoSided<O extends ConfigOptions>(name: string, options: O, create: (config: ConfigOf<ReturnType<typeof configSpec<O>>>, side: Side) => Transform): readonly TransformPlugin[] {
  const config = configSpec(options) as ConfigSpec<ConfigOf<ReturnType<typeof configSpec<O>>>>
  return [['Key', keySide] as const, ['Value', valueSide] as const].map(([suffix, side]): TransformPlugin => ({
    type: 'transformation', class: `${packageName}.${name}$${suffix}`, version: transformVersion, config,
    create: (parsed) => create(parsed as ConfigOf<ReturnType<typeof configSpec<O>>>, side),
  }))
}

/** A transform of the record as a whole. */
export function wholeRecord<O extends ConfigOptions>(name: string, options: O, create: (config: ConfigOf<ReturnType<typeof configSpec<O>>>) => Transform): TransformPlugin {
  return {
    type: 'transformation', class: `${packageName}.${name}`, version: transformVersion, config: configSpec(options),
    create: (parsed) => create(parsed as ConfigOf<ReturnType<typeof configSpec<O>>>),
  }
}

export type Members = Readonly<Record<string, unknown>>

/** @throws INVALID_DATA when data without schema is no map with names */
export function requireMembers(value: unknown, purpose: string): Members {
  if (isPlainObject(value)) return value
  if (value instanceof Map && [...value.keys()].every((key) => typeof key === 'string')) return Object.fromEntries(value as Map<string, unknown>)
  throw dataError(`Only Map objects supported in absence of schema for [${purpose}], found: ${describeValue(value)}`)
}

/** null: there is none. */
export function ownMember(members: Members, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] : null
}

/** A member of data without schema; a map whose keys are no names has none. null: there is none. @throws INVALID_DATA when it is neither */
export function memberOf(value: unknown, name: string, purpose: string): unknown {
  return value instanceof Map ? (value.get(name) ?? null) : (ownMember(requireMembers(value, purpose), name) ?? null)
}

/** @throws INVALID_DATA when the value is no struct */
export function requireStruct(value: unknown, purpose: string): Struct {
  if (value instanceof Struct) return value
  throw dataError(`Only Struct objects supported for [${purpose}], found: ${describeValue(value)}`)
}

/** How a field of a struct is read: with its default in place of null, or as it is. */
export type ReadField = (struct: Struct, name: string) => unknown

export function fieldReader(replacesNull: boolean): ReadField {
  return replacesNull ? (struct, name) => struct.get(name) : (struct, name) => struct.getWithoutDefault(name)
}

/** As `fieldReader`, for a field that is at hand: no name is looked up when the struct has that very schema. */
export function memberReader(replacesNull: boolean): (struct: Struct, field: Field) => unknown {
  const read = fieldReader(replacesNull)
  return (struct, field) => {
    if (struct.schema.fields![field.index] !== field) return read(struct, field.name)
    const value = struct.valueAt(field.index)
    return value === null && replacesNull ? (field.schema.default ?? null) : value
  }
}

/** Remembers what was made of each schema, so that it is made once; the caller's schemas are few and long-lived. */
export function oncePerSchema<T>(make: (schema: Schema) => T): (schema: Schema) => T {
  const made = new WeakMap<Schema, { readonly result: T }>()
  return (schema) => {
    const known = made.get(schema)
    if (known !== undefined) return known.result
    const result = make(schema)
    made.set(schema, { result })
    return result
  }
}

export interface NewField {
  readonly name: string
  readonly schema: Schema
}

/** A struct schema with other fields but the same name, version, documentation and parameters; required, and without default. @throws INVALID_DATA for a name that stands twice */
export function structLike({ name, version, doc, parameters }: Schema, fields: readonly NewField[]): Schema {
  const seen = new Set<string>()
  const indexed = fields.map((field, index): Field => {
    if (field.name === '') throw dataError('a field of a struct needs a name')
    if (seen.has(field.name)) throw dataError(`Cannot create field because of field name duplication ${field.name}`)
    seen.add(field.name)
    return Object.freeze({ ...field, index })
  })
  return Object.freeze({
    type: 'struct', optional: false, fields: Object.freeze(indexed),
    ...(name !== undefined && { name }), ...(version !== undefined && { version }), ...(doc !== undefined && { doc }), ...(parameters !== undefined && { parameters }),
  })
}

/** The same, required and without default. */
export function basicsOf(schema: Schema): Schema {
  const basics: { -readonly [K in keyof Schema]: Schema[K] } = { ...schema, optional: false }
  delete basics.default
  return Object.freeze(basics)
}

export function withOptional(schema: Schema, optional: boolean): Schema {
  return schema.optional === optional ? schema : Object.freeze({ ...schema, optional })
}

export function withDefault(schema: Schema, standIn: unknown): Schema {
  return Object.freeze({ ...schema, default: standIn })
}
