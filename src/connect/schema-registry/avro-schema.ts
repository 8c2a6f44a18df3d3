/** Connect schemas as Avro schemas, in the words of Confluent's AvroData. */
import { dataError } from '../errors.ts'
import { Decimal, logicalOf } from '../schema.ts'
import type { Schema, SchemaType } from '../schema.ts'

export type AvroNode = string | readonly AvroNode[] | { readonly [name: string]: unknown }

export interface AvroNames {
  /** Whether names, versions, documentation and parameters of Connect schemas are kept. */
  readonly keepsMetaData: boolean
  /** Whether characters that Avro does not take are replaced by `_`. */
  readonly scrubs: boolean
}

export const avroNamespace = 'io.confluent.connect.avro'
export const defaultRecordName = 'ConnectDefault'
export const mapEntryName = 'MapEntry'
/** Precision of a decimal whose schema says none. */
const defaultPrecision = 64

const primitives: Readonly<Partial<Record<SchemaType, string>>> = {
  int8: 'int', int16: 'int', int32: 'int', int64: 'long', float32: 'float', float64: 'double', boolean: 'boolean', string: 'string', bytes: 'bytes',
}

/** @throws INVALID_DATA for a name that Avro does not take, and for a record that holds itself */
export function avroOf(schema: Schema, names: AvroNames): AvroNode {
  return new AvroWriter(names).nullable(schema)
}

class AvroWriter {
  readonly #names: AvroNames
  /** Records that were written out already: further ones are named only. */
  readonly #written = new Map<string, Schema>()

  constructor(names: AvroNames) {
    this.#names = names
  }

  nullable(schema: Schema): AvroNode {
    const node = this.#node(schema)
    if (!schema.optional) return node
    return (schema.default ?? null) === null ? ['null', node] : [node, 'null']
  }

  #node(schema: Schema): AvroNode {
    if (schema.type === 'struct') return this.#record(schema)
    const shape = this.#shape(schema)
    const extras = this.#extras(schema)
    return Object.keys(extras).length === 0 && Object.keys(shape).length === 1 ? (shape['type'] as string) : { ...shape, ...extras }
  }

  #shape(schema: Schema): Readonly<Record<string, unknown>> {
    const { type, parameters = {} } = schema
    switch (logicalOf(schema)) {
      case 'decimal': return { type: 'bytes', scale: Number(parameters['scale'] ?? 0), precision: Number(parameters['connect.decimal.precision'] ?? defaultPrecision), logicalType: 'decimal' }
      case 'date': return { type: 'int', logicalType: 'date' }
      case 'time': return { type: 'int', logicalType: 'time-millis' }
      case 'timestamp': return { type: 'long', logicalType: 'timestamp-millis' }
      case undefined: break
    }
    if (type === 'int8' || type === 'int16') return { 'type': 'int', 'connect.type': type }
    if (type === 'array') return { type: 'array', items: this.nullable(schema.valueSchema!) }
    if (type === 'map') return this.#map(schema)
    return { type: primitives[type]! }
  }

  /** Avro's maps have text as keys; others become lists of entries. */
  #map({ keySchema, valueSchema, name }: Schema): Readonly<Record<string, unknown>> {
    if (keySchema!.type === 'string' && !keySchema!.optional) return { type: 'map', values: this.nullable(valueSchema!) }
    const entry = {
      'type': 'record', 'name': name === undefined ? mapEntryName : this.#fullName(name), 'namespace': avroNamespace,
      'fields': [{ name: 'key', type: this.nullable(keySchema!) }, { name: 'value', type: this.nullable(valueSchema!) }], 'connect.internal.type': mapEntryName,
    }
    return { type: 'array', items: entry }
  }

  #record(schema: Schema): AvroNode {
    const fullName = schema.name === undefined ? `${avroNamespace}.${defaultRecordName}` : this.#fullName(schema.name)
    const known = this.#written.get(fullName)
    if (known !== undefined && sameFields(known, schema)) return fullName
    if (known !== undefined) throw dataError(`two structs with different fields are both called "${schema.name ?? defaultRecordName}"; Avro needs a name for each: give the schema a name, for instance with SetSchemaMetadata`)
    this.#written.set(fullName, schema)
    const dot = fullName.lastIndexOf('.')
    return {
      type: 'record', name: fullName.slice(dot + 1), ...(dot !== -1 && { namespace: fullName.slice(0, dot) }),
      ...(schema.doc !== undefined && this.#names.keepsMetaData && { doc: schema.doc }),
      fields: schema.fields!.map(({ name, schema: of }) => this.#field(name, of)),
      ...this.#extras(schema),
    }
  }

  #field(name: string, schema: Schema): Readonly<Record<string, unknown>> {
    const type = this.nullable(schema)
    const fallback = (schema.default ?? null) !== null ? { default: defaultJson(schema, schema.default) } : schema.optional ? { default: null } : {}
    return { name: this.#name(name), type, ...(schema.doc !== undefined && this.#names.keepsMetaData && { doc: schema.doc }), ...fallback }
  }

  #extras({ type, doc, version, parameters, name }: Schema): Readonly<Record<string, unknown>> {
    if (!this.#names.keepsMetaData) return {}
    return {
      ...(doc !== undefined && type !== 'struct' && { 'connect.doc': doc }), ...(version !== undefined && { 'connect.version': version }),
      ...(parameters !== undefined && { 'connect.parameters': parameters }), ...(name !== undefined && { 'connect.name': name }),
    }
  }

  #fullName(name: string): string {
    return name.split('.').map((part) => this.#name(part)).join('.')
  }

  #name(name: string): string {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name
    if (!this.#names.scrubs) throw dataError(`Avro does not take "${name}" as a name: letters, digits and _ only, no digit first; scrub.invalid.names=true replaces the others`)
    return scrubbedName(name)
  }
}

/** What Avro does not take in a name becomes `_`. */
export function scrubbedName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d|$)/, '_')
}

function sameFields(a: Schema, b: Schema): boolean {
  return a === b || JSON.stringify(a.fields) === JSON.stringify(b.fields)
}

/** Avro's bytes in JSON are text with a character a byte. */
function defaultJson(schema: Schema, value: unknown): unknown {
  if (value instanceof Decimal) return Buffer.from(value.toBytes()).toString('latin1')
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (value instanceof Date) return logicalOf(schema) === 'date' ? Math.floor(value.getTime() / 86_400_000) : value.getTime()
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'object') throw dataError(`a default of type ${schema.type} cannot be written in an Avro schema`)
  return value
}
