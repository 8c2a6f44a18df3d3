/** Connect schemas as JSON: the `schema` member of JsonConverter's envelope. */
import { dataError } from '../errors.ts'
import { schema as make } from '../schema.ts'
import type { Schema, SchemaOptions, SchemaType } from '../schema.ts'
import { validateValue } from '../validate.ts'
import { JsonNumber } from './json-text.ts'
import type { JsonNode } from './json-text.ts'

type JsonObject = Readonly<Record<string, JsonNode>>

/** Reads a value against a schema: the default of a schema node is a value of that schema. */
export type ReadValue = (of: Schema, node: JsonNode) => unknown

/** Writes a value of a schema as JSON text. */
export type WriteValue = (of: Schema, value: unknown) => string

const typeNames: Readonly<Record<SchemaType, string>> = {
  int8: 'int8', int16: 'int16', int32: 'int32', int64: 'int64', float32: 'float', float64: 'double',
  boolean: 'boolean', string: 'string', bytes: 'bytes', array: 'array', map: 'map', struct: 'struct',
}
const typesByName = new Map(Object.entries(typeNames).map(([type, name]) => [name, type as SchemaType]))

/** @throws INVALID_DATA; null for JSON's null */
export function readSchemaNode(node: JsonNode, readValue: ReadValue): Schema | null {
  if (node === null) return null
  const members: JsonObject = isObject(node) ? node : {}
  const name = own(members, 'type')
  if (typeof name !== 'string') throw dataError("Schema must contain 'type' field")
  const type = typesByName.get(name)
  if (type === undefined) throw dataError(`Unknown schema type: ${name}`)
  return withDefault(shape(type, members, readOptions(members), readValue), members, readValue)
}

function shape(type: SchemaType, members: JsonObject, options: SchemaOptions, readValue: ReadValue): Schema {
  const inner = (name: string, what: string): Schema => {
    const found = readSchemaNode(own(members, name) ?? null, readValue)
    if (found === null) throw dataError(`${what} schema did not specify the ${name === 'items' ? 'element' : name === 'keys' ? 'key' : 'value'} type`)
    return found
  }
  switch (type) {
    case 'array': return make.array(inner('items', 'Array'), options)
    case 'map': return make.map(inner('keys', 'Map'), inner('values', 'Map'), options)
    case 'struct': return make.struct(readFields(own(members, 'fields'), readValue), options)
    default: return make[type](options)
  }
}

function readFields(node: JsonNode | undefined, readValue: ReadValue): [string, Schema][] {
  if (!Array.isArray(node)) throw dataError('Struct schema\'s "fields" argument is not an array.')
  return (node as readonly JsonNode[]).map((field) => {
    const name = isObject(field) ? own(field, 'field') : undefined
    if (typeof name !== 'string') throw dataError("Struct schema's field name not specified properly")
    return [name, readSchemaNode(field, readValue)!]
  })
}

/** A member of a wrong type is ignored, as upstream does; only parameters must be text. */
function readOptions(members: JsonObject): SchemaOptions {
  const [name, version, doc, parameters] = ['name', 'version', 'doc', 'parameters'].map((member) => own(members, member))
  return {
    optional: own(members, 'optional') === true,
    ...(typeof name === 'string' && { name }),
    ...(typeof version === 'number' && { version: version | 0 }),
    ...(typeof doc === 'string' && { doc }),
    ...(isObject(parameters) && { parameters: readParameters(parameters) }),
  }
}

function readParameters(members: JsonObject): Readonly<Record<string, string>> {
  if (Object.values(members).some((value) => typeof value !== 'string')) throw dataError('Schema parameters must have string values.')
  return members as Readonly<Record<string, string>>
}

function withDefault(of: Schema, members: JsonObject, readValue: ReadValue): Schema {
  const node = own(members, 'default')
  if (node === undefined) return of
  if (of.type === 'struct') throw dataError('A default of a struct cannot be given in a JSON schema')
  const value = readValue(of, node)
  if (value === null) return of
  validateValue(of, value, 'the default')
  return Object.freeze({ ...of, default: value })
}

/** Members in upstream's order; `fieldName` for a field of a struct. */
export function writeSchemaNode(of: Schema, writeValue: WriteValue, fieldName?: string): string {
  const parts = [`"type":${JSON.stringify(typeNames[of.type])}`]
  const inner = (each: Schema) => writeSchemaNode(each, writeValue)
  if (of.type === 'array') parts.push(`"items":${inner(of.valueSchema!)}`)
  if (of.type === 'map') parts.push(`"keys":${inner(of.keySchema!)}`, `"values":${inner(of.valueSchema!)}`)
  if (of.type === 'struct') parts.push(`"fields":[${of.fields!.map(({ name, schema }) => writeSchemaNode(schema, writeValue, name)).join(',')}]`)
  parts.push(`"optional":${of.optional}`)
  for (const member of ['name', 'version', 'doc', 'parameters'] as const) {
    if (of[member] !== undefined) parts.push(`"${member}":${JSON.stringify(of[member])}`)
  }
  if (of.default !== undefined && of.default !== null) parts.push(`"default":${writeValue(of, of.default)}`)
  if (fieldName !== undefined) parts.push(`"field":${JSON.stringify(fieldName)}`)
  return `{${parts.join(',')}}`
}

export function isObject(node: JsonNode | undefined): node is JsonObject {
  return typeof node === 'object' && node !== null && !Array.isArray(node) && !(node instanceof JsonNumber)
}

/** A member of the object itself, never one that every object has. */
export function own(members: JsonObject, name: string): JsonNode | undefined {
  return Object.hasOwn(members, name) ? members[name] : undefined
}
