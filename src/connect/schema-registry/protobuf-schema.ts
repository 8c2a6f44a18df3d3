/** Connect schemas as Protobuf files, in the words of Confluent's ProtobufData. */
import { dataError } from '../errors.ts'
import { logicalOf, schemaEquals } from '../schema.ts'
import type { Schema, SchemaType } from '../schema.ts'

export interface ProtobufNames {
  /** Whether optional fields are marked so; else null reads back as zero or empty, as in Confluent's converter by default. */
  readonly marksOptional: boolean
  /** Whether characters that Protobuf does not take are replaced by `_`. */
  readonly scrubs: boolean
}

export const defaultMessageName = 'ConnectDefault1'
export const typeOption = 'connect.type'
export const scaleOption = 'scale'

const scalars: Readonly<Partial<Record<SchemaType, string>>> = {
  int8: 'int32', int16: 'int32', int32: 'int32', int64: 'int64', float32: 'float', float64: 'double', boolean: 'bool', string: 'string', bytes: 'bytes',
}

const logicals = {
  decimal: { type: 'confluent.type.Decimal', file: 'confluent/type/decimal.proto' },
  date: { type: 'google.type.Date', file: 'google/type/date.proto' },
  time: { type: 'google.type.TimeOfDay', file: 'google/type/timeofday.proto' },
  timestamp: { type: 'google.protobuf.Timestamp', file: 'google/protobuf/timestamp.proto' },
} as const

/** A file with one message, and those that it needs inside it. @throws INVALID_DATA for what Protobuf cannot say */
export function protobufOf(schema: Schema, names: ProtobufNames): string {
  if (schema.type !== 'struct') throw dataError(`ProtobufConverter writes structs, and this is ${schema.type}: hoist it into one with HoistField`)
  const parts = (schema.name ?? defaultMessageName).split('.')
  const writer = new ProtobufWriter(names)
  const message = writer.message(schema, parts.at(-1)!, '')
  const imports = [...writer.imports].toSorted().map((file) => `import "${file}";\n`).join('')
  const packageName = parts.slice(0, -1).map((part) => validName(part, names)).join('.')
  return `syntax = "proto3";\n${packageName === '' ? '' : `package ${packageName};\n`}\n${imports === '' ? '' : `${imports}\n`}${message}`
}

/** What a field of Protobuf is called: as in Connect, or scrubbed. @throws INVALID_DATA */
export function validName(name: string, { scrubs }: Pick<ProtobufNames, 'scrubs'>): string {
  if (/^[A-Za-z_]\w*$/.test(name)) return name
  if (!scrubs) throw dataError(`Protobuf does not take "${name}" as a name: letters, digits and _ only; scrub.invalid.names=true replaces the others`)
  const scrubbed = name.replaceAll(/\W/g, '_')
  return /^\d/.test(scrubbed) || scrubbed === '' ? `_${scrubbed}` : scrubbed
}

class ProtobufWriter {
  readonly imports = new Set<string>()
  readonly #names: ProtobufNames

  constructor(names: ProtobufNames) {
    this.#names = names
  }

  message(struct: Schema, name: string, indent: string): string {
    const inner = new Map<string, Schema>()
    const fields = struct.fields!.map(({ name: field, index, schema }) => `${indent}  ${this.#field(validName(field, this.#names), index + 1, schema, inner)}\n`)
    const messages = [...inner].map(([each, schema]) => this.message(schema, each, `${indent}  `))
    return `${indent}message ${validName(name, this.#names)} {\n${fields.join('')}${messages.join('')}${indent}}\n`
  }

  #field(name: string, tag: number, schema: Schema, inner: Map<string, Schema>): string {
    if (schema.type === 'array') return `repeated ${this.#type(schema.valueSchema!, inner)} ${name} = ${tag}${this.#options(schema.valueSchema!)};`
    if (schema.type === 'map') return `map<${keyType(schema.keySchema!)}, ${this.#type(schema.valueSchema!, inner)}> ${name} = ${tag}${this.#options(schema.valueSchema!)};`
    const isMarked = schema.optional && this.#names.marksOptional && scalars[schema.type] !== undefined && logicalOf(schema) === undefined
    return `${isMarked ? 'optional ' : ''}${this.#type(schema, inner)} ${name} = ${tag}${this.#options(schema)};`
  }

  #type(schema: Schema, inner: Map<string, Schema>): string {
    const logical = logicalOf(schema)
    if (logical !== undefined) {
      this.imports.add(logicals[logical].file)
      return logicals[logical].type
    }
    if (schema.type === 'struct') return nested(schema, inner)
    const scalar = scalars[schema.type]
    if (scalar === undefined) throw dataError(`Protobuf has no list or map of ${schema.type}s: put a struct around it`)
    return scalar
  }

  /** What the type of Protobuf does not say. */
  #options(schema: Schema): string {
    const params = logicalOf(schema) === 'decimal' ? [scaleOption, schema.parameters?.['scale'] ?? '0'] : schema.type === 'int8' || schema.type === 'int16' ? [typeOption, schema.type] : undefined
    if (params === undefined) return ''
    this.imports.add('confluent/meta.proto')
    return ` [(confluent.field_meta) = { params: [ { key: "${params[0]}", value: "${params[1]}" } ] }]`
  }
}

function keyType({ type }: Schema): string {
  const scalar = scalars[type]
  if (scalar === undefined || type === 'float32' || type === 'float64' || type === 'bytes') throw dataError(`Protobuf has no map with ${type} as keys`)
  return scalar
}

/** The name under which a struct stands inside the message; the same struct twice is one. */
function nested(schema: Schema, inner: Map<string, Schema>): string {
  const wanted = schema.name?.split('.').at(-1)
  for (let number = 1; ; number++) {
    const name = wanted === undefined ? `ConnectDefault${number + 1}` : number === 1 ? wanted : `${wanted}${number}`
    const known = inner.get(name)
    if (known !== undefined && !schemaEquals({ ...known, optional: false }, { ...schema, optional: false })) continue
    inner.set(name, schema)
    return name
  }
}
