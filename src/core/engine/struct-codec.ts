/**
 * Kafka's stored structures as data: fields with the versions they exist in, and one codec for all of them. A structure is
 * preceded by its int16 version; from its first flexible version on, lengths are compact and tagged fields follow.
 */
import { assert } from '../assert.ts'
import { FieldReader, FieldWriter } from '../byte-fields.ts'

export type FieldValue = number | bigint | string | null | Uint8Array | readonly FieldValue[] | StructValue
export type StructValue = { readonly [field: string]: FieldValue }

export type FieldType = 'int8' | 'int16' | 'int32' | 'int64' | 'string' | 'bytes' | 'uuid'

export interface FieldSchema {
  readonly name: string
  readonly type: FieldType
  /** A list of structures, or with `type` alone true, of plain values. */
  readonly list?: true | readonly FieldSchema[]
  /** One structure, which may be null; its default has the defaults of all its fields. */
  readonly struct?: readonly FieldSchema[]
  /** First and last version that has the field. Default: all. */
  readonly since?: number
  readonly until?: number
  readonly nullable?: boolean
  /** Flexible versions write the field only when it differs from its default, under this tag. */
  readonly tag?: number
  /** In versions without the field. Default: zero, empty, or null where that is allowed. */
  readonly default?: FieldValue
}

export interface StructSchema {
  /** For errors, such as `offset commit value`. */
  readonly name: string
  readonly newestVersion: number
  /** Absent: none is. */
  readonly flexibleSince?: number
  readonly fields: readonly FieldSchema[]
}

const noUuid = new Uint8Array(16)
/** What precedes a structure that may be null: an int8, or an unsigned varint inside of a tagged field. */
const [absent, present, absentInTag] = [-1, 1, 0]

/** The version, then the fields; missing ones take their defaults. */
export function encodeStruct(schema: StructSchema, version: number, value: StructValue): Uint8Array {
  assert(version >= 0 && version <= schema.newestVersion, `${schema.name} has no version ${version}`)
  const writer = new FieldWriter().int16(version)
  writeFields(writer, schema.fields, value, { version, flexible: isFlexible(schema, version) })
  return writer.finish()
}

/** @throws CORRUPT_RECORD for unknown versions too */
export function decodeStruct(schema: StructSchema, bytes: Uint8Array): StructValue {
  const reader = new FieldReader(bytes, schema.name)
  const version = reader.int16()
  if (version < 0 || version > schema.newestVersion) throw reader.corrupt(`version ${version} is not known`)
  return readFields(reader, schema.fields, { version, flexible: isFlexible(schema, version) })
}

interface Form {
  readonly version: number
  readonly flexible: boolean
}

function isFlexible(schema: StructSchema, version: number): boolean {
  return schema.flexibleSince !== undefined && version >= schema.flexibleSince
}

function isPresent(field: FieldSchema, version: number): boolean {
  return version >= (field.since ?? 0) && version <= (field.until ?? version)
}

function defaultOf(field: FieldSchema): FieldValue {
  if (field.default !== undefined) return field.default
  if (field.struct) return Object.fromEntries(field.struct.map((inner) => [inner.name, defaultOf(inner)]))
  if (field.nullable) return null
  if (field.list) return []
  switch (field.type) {
    case 'string': return ''
    case 'bytes': return new Uint8Array(0)
    case 'uuid': return noUuid
    default: return 0
  }
}

// ---------------------------------------------------------------------------------------------------- writing

function writeFields(writer: FieldWriter, fields: readonly FieldSchema[], value: StructValue, form: Form): void {
  const present = fields.filter((field) => isPresent(field, form.version))
  for (const field of present) {
    if (field.tag === undefined) writeField(writer, field, value[field.name] ?? defaultOf(field), form)
  }
  if (form.flexible) writeTaggedFields(writer, present, value, form)
}

function writeTaggedFields(writer: FieldWriter, present: readonly FieldSchema[], value: StructValue, form: Form): void {
  const tagged = present
    .filter((field) => field.tag !== undefined && value[field.name] !== undefined && !sameValue(value[field.name]!, defaultOf(field)))
    .sort((a, b) => a.tag! - b.tag!)
  writer.unsignedVarint(tagged.length)
  for (const field of tagged) {
    const content = new FieldWriter()
    writeTagged(content, field, value[field.name]!, form)
    const bytes = content.finish()
    writer.unsignedVarint(field.tag!).unsignedVarint(bytes.length).raw(bytes)
  }
}

function writeTagged(writer: FieldWriter, field: FieldSchema, value: FieldValue, form: Form): void {
  if (!field.struct) return writeField(writer, field, value, form)
  writer.unsignedVarint(value === null ? absentInTag : present)
  if (value !== null) writeFields(writer, field.struct, value as StructValue, form)
}

function sameValue(a: FieldValue, b: FieldValue): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  const [inA, inB] = [a as StructValue, b as StructValue]
  const fields = Object.keys(inA)
  return fields.length === Object.keys(inB).length && fields.every((field) => field in inB && sameValue(inA[field]!, inB[field]!))
}

function writeField(writer: FieldWriter, field: FieldSchema, value: FieldValue, form: Form): void {
  if (field.struct) return writeStruct(writer, field.struct, value as StructValue | null, form)
  if (!field.list) return writePlain(writer, field.type, value, form)
  const items = value as readonly FieldValue[] | null
  if (form.flexible) writer.unsignedVarint(items === null ? 0 : items.length + 1)
  else writer.int32(items === null ? -1 : items.length)
  for (const item of items ?? []) {
    if (field.list === true) writePlain(writer, field.type, item, form)
    else writeFields(writer, field.list, item as StructValue, form)
  }
}

function writeStruct(writer: FieldWriter, fields: readonly FieldSchema[], value: StructValue | null, form: Form): void {
  writer.int8(value === null ? absent : present)
  if (value !== null) writeFields(writer, fields, value, form)
}

function writePlain(writer: FieldWriter, type: FieldType, value: FieldValue, form: Form): void {
  switch (type) {
    case 'int8': return void writer.int8(value as number)
    case 'int16': return void writer.int16(value as number)
    case 'int32': return void writer.int32(value as number)
    case 'int64': return void writer.int64(value as number | bigint)
    case 'uuid': return void writer.raw(value as Uint8Array)
    case 'string': return void (form.flexible ? writer.compactNullableString(value as string | null) : writer.nullableString(value as string | null))
    case 'bytes': return void (form.flexible ? writer.compactNullableBytes(value as Uint8Array | null) : writer.nullableBytes(value as Uint8Array | null))
  }
}

// ---------------------------------------------------------------------------------------------------- reading

function readFields(reader: FieldReader, fields: readonly FieldSchema[], form: Form): StructValue {
  const value: Record<string, FieldValue> = {}
  for (const field of fields) {
    const inline = field.tag === undefined && isPresent(field, form.version)
    value[field.name] = inline ? readField(reader, field, form) : defaultOf(field)
  }
  if (form.flexible) readTaggedFields(reader, fields, value, form)
  return value
}

/** Tags that are not known are passed over. */
function readTaggedFields(reader: FieldReader, fields: readonly FieldSchema[], value: Record<string, FieldValue>, form: Form): void {
  for (let left = reader.unsignedVarint(); left > 0; left--) {
    const tag = reader.unsignedVarint()
    const content = reader.raw(reader.unsignedVarint())
    const field = fields.find((candidate) => candidate.tag === tag && isPresent(candidate, form.version))
    if (field) value[field.name] = readTagged(new FieldReader(content, field.name), field, form)
  }
}

function readTagged(reader: FieldReader, field: FieldSchema, form: Form): FieldValue {
  if (!field.struct) return readField(reader, field, form)
  return reader.unsignedVarint() === absentInTag ? null : readFields(reader, field.struct, form)
}

function readField(reader: FieldReader, field: FieldSchema, form: Form): FieldValue {
  if (field.struct) return reader.int8() === absent ? null : readFields(reader, field.struct, form)
  const value = field.list ? readList(reader, field, field.list, form) : readPlain(reader, field.type, form)
  if (value === null && !field.nullable) throw reader.corrupt(`${field.name} is null`)
  return value
}

function readList(reader: FieldReader, field: FieldSchema, item: true | readonly FieldSchema[], form: Form): FieldValue {
  const count = form.flexible ? reader.unsignedVarint() - 1 : reader.int32()
  return reader.items<FieldValue>(count, () => (item === true ? readPlain(reader, field.type, form) : readFields(reader, item, form)))
}

function readPlain(reader: FieldReader, type: FieldType, form: Form): FieldValue {
  switch (type) {
    case 'int8': return reader.int8()
    case 'int16': return reader.int16()
    case 'int32': return reader.int32()
    case 'int64': return reader.int64()
    case 'uuid': return reader.raw(16)
    case 'string': return form.flexible ? reader.compactNullableString() : reader.nullableString()
    case 'bytes': return form.flexible ? reader.compactNullableBytes() : reader.nullableBytes()
  }
}
