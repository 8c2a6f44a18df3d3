/** An Avro schema compiled: the Connect schema that it means, and the way of values to and fro. Confluent's AvroData tells what is what. */
import { dataError } from '../errors.ts'
import { int64Value } from '../int64.ts'
import { Decimal, logicalNames, schema as make, Struct } from '../schema.ts'
import type { Schema, SchemaOptions } from '../schema.ts'
import { avroNamespace, mapEntryName, scrubbedName } from './avro-schema.ts'
import type { AvroNode } from './avro-schema.ts'

export interface AvroCodec {
  readonly schema: Schema
  /** How a union names this branch. */
  readonly branch: string
  /** Connect → what avsc takes. @throws INVALID_DATA */
  write(value: unknown): unknown
  /** What avsc gives → Connect. */
  read(value: unknown): unknown
  /** Of a record: the same, giving structs of the schema that is said. */
  readonly withSchema?: (schema: Schema) => AvroCodec
}

type Node = Readonly<Record<string, unknown>>
type Kind = (node: Node, scope: Scope) => AvroCodec

/** Records and enums by full name, as far as they were seen, and the namespace around. */
interface Scope {
  readonly named: Map<string, AvroCodec | null>
  readonly namespace: string
}

const dayMs = 86_400_000

/** `imported`: what the schema names and others define, those first that others need. */
export function avroCodec(node: AvroNode, imported: readonly AvroNode[] = []): AvroCodec {
  const scope: Scope = { named: new Map(), namespace: '' }
  for (const each of imported) codecOf(each, scope)
  return codecOf(node, scope)
}

function codecOf(node: AvroNode, scope: Scope): AvroCodec {
  if (Array.isArray(node)) return unionCodec(node as readonly AvroNode[], scope)
  if (typeof node === 'string') return kinds[node]?.({ type: node }, scope) ?? namedCodec(node, scope)
  const { type } = node as Node
  if (typeof type !== 'string') return codecOf(type as AvroNode, scope)
  return kinds[type]?.(node as Node, scope) ?? namedCodec(type, scope)
}

function namedCodec(name: string, { named, namespace }: Scope): AvroCodec {
  const found = named.get(name) ?? named.get(`${namespace}.${name}`)
  if (found === null || (found === undefined && (named.has(name) || named.has(`${namespace}.${name}`)))) throw dataError(`the Avro record ${name} holds itself; Connect's schemas cannot`)
  if (found === undefined) throw dataError(`the Avro schema names ${name}, which it does not define`)
  return found
}

const kinds: Readonly<Record<string, Kind>> = {
  boolean: (node) => plain('boolean', make.boolean(metaOf(node)), same),
  int: intCodec,
  long: longCodec,
  float: (node) => plain('float', make.float32(metaOf(node)), same),
  double: (node) => plain('double', make.float64(metaOf(node)), same),
  string: (node) => plain('string', make.string(metaOf(node)), same),
  bytes: (node) => bytesCodec(node, 'bytes'),
  fixed: (node, scope) => register(node, scope, (fullName) => bytesCodec(node, fullName)),
  enum: (node, scope) => register(node, scope, (fullName) => plain(fullName, make.string({ ...metaOf(node), parameters: enumParameters(node, fullName) }), same)),
  array: arrayCodec,
  map: mapCodec,
  record: (node, scope) => register(node, scope, (fullName) => recordCodec(node, fullName, { ...scope, namespace: fullName.split('.').slice(0, -1).join('.') })),
}

const same = { write: (value: unknown) => value, read: (value: unknown) => value }

function plain(branch: string, schema: Schema, way: Pick<AvroCodec, 'write' | 'read'>): AvroCodec {
  return { branch, schema, write: (value) => way.write(required(value, schema)), read: way.read }
}

function required(value: unknown, schema: Schema): unknown {
  if (value === null || value === undefined) throw dataError(`null is no ${schema.name ?? schema.type} of an Avro schema that does not allow it`)
  return value
}

function metaOf(node: Node, fallbackName?: string): SchemaOptions {
  const [name, version, doc, parameters] = [node['connect.name'] ?? fallbackName, node['connect.version'], node['connect.doc'] ?? node['doc'], node['connect.parameters']]
  return {
    ...(typeof name === 'string' && { name }), ...(typeof version === 'number' && { version }), ...(typeof doc === 'string' && { doc }),
    ...(typeof parameters === 'object' && parameters !== null && { parameters: parameters as Readonly<Record<string, string>> }),
  }
}

// ------------------------------------------------------------------------------------------------ numbers and bytes

const days = { write: (value: unknown) => Math.floor((value as Date).getTime() / dayMs), read: (value: unknown) => new Date((value as number) * dayMs) }
const millis = { write: (value: unknown) => (value as Date).getTime(), read: (value: unknown) => new Date(Number(value)) }

function intCodec(node: Node): AvroCodec {
  const meta = metaOf(node)
  if (node['logicalType'] === 'date' || meta.name === logicalNames.date) return plain('int', make.date(meta), days)
  if (node['logicalType'] === 'time-millis' || meta.name === logicalNames.time) return plain('int', make.time(meta), millis)
  const width = node['connect.type']
  return plain('int', width === 'int8' ? make.int8(meta) : width === 'int16' ? make.int16(meta) : make.int32(meta), same)
}

function longCodec(node: Node): AvroCodec {
  const meta = metaOf(node)
  if (node['logicalType'] === 'timestamp-millis' || meta.name === logicalNames.timestamp) {
    return plain('long', make.timestamp(meta), { write: (value) => BigInt((value as Date).getTime()), read: millis.read })
  }
  return plain('long', make.int64(meta), { write: (value) => BigInt(value as number | bigint), read: (value) => int64Value(value as bigint) })
}

function bytesCodec(node: Node, branch: string): AvroCodec {
  const meta = metaOf(node)
  const asBuffer = (value: unknown) => Buffer.from(value as Uint8Array)
  if (node['logicalType'] !== 'decimal' && meta.name !== logicalNames.decimal) return plain(branch, make.bytes(meta), { write: asBuffer, read: asBuffer })
  const scale = Number(node['scale'] ?? meta.parameters?.['scale'] ?? 0)
  return plain(branch, make.decimal(scale, meta), {
    write: (value) => decimalBytes(value as Decimal, node, scale),
    read: (value) => Decimal.fromBytes(value as Uint8Array, scale),
  })
}

/** A `fixed` is filled up with the sign. */
function decimalBytes(value: Decimal, { type, size }: Node, scale: number): Uint8Array {
  if (value.scale !== scale) throw dataError(`the decimal ${value.toString()} has scale ${value.scale}, its Avro schema ${scale}`)
  const bytes = Buffer.from(value.toBytes())
  if (type !== 'fixed') return bytes
  const length = Number(size)
  if (bytes.length > length) throw dataError(`the decimal ${value.toString()} needs more than the ${length} bytes of its Avro schema`)
  return Buffer.concat([Buffer.alloc(length - bytes.length, value.unscaled < 0n ? 0xff : 0), bytes])
}

// ------------------------------------------------------------------------------------------------ collections

function arrayCodec(node: Node, scope: Scope): AvroCodec {
  const inner = node['items'] as AvroNode
  const items = codecOf(inner, scope)
  if (typeof inner === 'object' && (inner as Node)['connect.internal.type'] === mapEntryName) return entriesCodec(node, items)
  return plain('array', make.array(items.schema, metaOf(node)), {
    write: (value) => (value as readonly unknown[]).map((each) => items.write(each)),
    read: (value) => (value as readonly unknown[]).map((each) => items.read(each)),
  })
}

/** A map whose keys are no text stands as a list of entries. */
function entriesCodec(node: Node, entry: AvroCodec): AvroCodec {
  const [key, value] = entry.schema.fields!
  return plain('array', make.map(key!.schema, value!.schema, metaOf(node)), {
    write: (map) => [...(map as ReadonlyMap<unknown, unknown>)].map((pair) => entry.write(new Struct(entry.schema, { key: pair[0], value: pair[1] }))),
    read: (list) => new Map((list as readonly unknown[]).map((each) => {
      const struct = entry.read(each) as Struct
      return [struct.get('key'), struct.get('value')]
    })),
  })
}

function mapCodec(node: Node, scope: Scope): AvroCodec {
  const values = codecOf(node['values'] as AvroNode, scope)
  return plain('map', make.map(make.string(), values.schema, metaOf(node)), {
    write: (value) => Object.fromEntries([...(value as ReadonlyMap<string, unknown>)].map(([key, each]) => [key, values.write(each)])),
    read: (value) => new Map(Object.entries(value as Node).map(([key, each]) => [key, values.read(each)])),
  })
}

// ------------------------------------------------------------------------------------------------ records, enums, unions

function register(node: Node, scope: Scope, compile: (fullName: string) => AvroCodec): AvroCodec {
  const name = String(node['name'])
  const namespace = typeof node['namespace'] === 'string' ? node['namespace'] : scope.namespace
  const fullName = name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
  scope.named.set(fullName, null)
  const codec = compile(fullName)
  scope.named.set(fullName, codec)
  return codec
}

function enumParameters(node: Node, fullName: string): Readonly<Record<string, string>> {
  const kind = `${avroNamespace}.Enum`
  return Object.fromEntries([[kind, fullName], ...(node['symbols'] as readonly string[]).map((symbol): [string, string] => [`${kind}.${symbol}`, symbol])])
}

function recordCodec(node: Node, fullName: string, scope: Scope): AvroCodec {
  const fields = (node['fields'] as readonly Node[]).map((field) => ({ name: String(field['name']), codec: withDefault(codecOf(field['type'] as AvroNode, scope), field) }))
  const withSchema = (schema: Schema): AvroCodec => ({ ...plain(fullName, schema, recordWay(fullName, fields, schema)), withSchema })
  return withSchema(make.struct(fields.map(({ name, codec }) => [name, codec.schema] as const), metaOf(node, fullName)))
}

function recordWay(fullName: string, fields: readonly { readonly name: string; readonly codec: AvroCodec }[], schema: Schema): Pick<AvroCodec, 'write' | 'read'> {
  return {
    write(value) {
      if (!(value instanceof Struct)) throw dataError(`a struct is needed for the Avro record ${fullName}`)
      const names = namesInAvro(value.schema)
      return Object.fromEntries(fields.map(({ name, codec }) => {
        const own = names.get(name)
        return [name, codec.write(own === undefined ? (codec.schema.default ?? null) : value.get(own))]
      }))
    },
    read: (value) => new Struct(schema, Object.fromEntries(fields.map(({ name, codec }) => [name, codec.read((value as Node)[name])]))),
  }
}

const knownNames = new WeakMap<Schema, ReadonlyMap<string, string>>()

/** Name in Avro → name in Connect: they differ where a name was scrubbed. */
function namesInAvro(struct: Schema): ReadonlyMap<string, string> {
  let names = knownNames.get(struct)
  if (names === undefined) {
    names = new Map(struct.fields!.flatMap(({ name }) => [[scrubbedName(name), name] as const, [name, name] as const]))
    knownNames.set(struct, names)
  }
  return names
}

/** Defaults of simple types; those of others are Avro's own matter. */
function withDefault(codec: AvroCodec, field: Node): AvroCodec {
  const fallback = field['default']
  if (typeof fallback !== 'string' && typeof fallback !== 'number' && typeof fallback !== 'boolean') return codec
  if (codec.schema.type === 'bytes' || codec.schema.name?.startsWith('org.apache.kafka.connect.data.') === true) return codec
  return { ...codec, schema: { ...codec.schema, default: fallback } }
}

function unionCodec(nodes: readonly AvroNode[], scope: Scope): AvroCodec {
  const branches = nodes.filter((each) => each !== 'null').map((each) => codecOf(each, scope))
  const isOptional = branches.length < nodes.length
  if (branches.length === 1) return nullable(branches[0]!, isOptional)
  const schema = make.struct(branches.map((each) => [memberName(each), { ...each.schema, optional: true }] as const), { name: `${avroNamespace}.Union`, optional: isOptional })
  return {
    branch: '', schema,
    write(value) {
      if (value === null || value === undefined) return null
      const chosen = branches.find((each) => (value as Struct).get(memberName(each)) !== null)
      if (chosen === undefined) throw dataError('a struct for an Avro union has no member that is set')
      return { [chosen.branch]: chosen.write((value as Struct).get(memberName(chosen))) }
    },
    read(value) {
      if (value === null) return null
      const [name, inner] = Object.entries(value as Node)[0]!
      const chosen = branches.find((each) => each.branch === name)!
      return new Struct(schema, { [memberName(chosen)]: chosen.read(inner) })
    },
  }
}

/** A record's or an enum's simple name, or the name of its type. */
function memberName({ branch }: AvroCodec): string {
  return branch.split('.').at(-1)!
}

function nullable(plainInner: AvroCodec, isOptional: boolean): AvroCodec {
  const schema = { ...plainInner.schema, optional: isOptional }
  const inner = plainInner.withSchema?.(schema) ?? plainInner
  const wrap = (value: unknown) => ({ [inner.branch]: inner.write(value) })
  const unwrap = (value: unknown) => inner.read((value as Node)[inner.branch])
  return {
    branch: inner.branch, schema,
    write: (value) => ((value ?? null) === null && isOptional ? null : wrap(value)),
    read: (value) => (value === null ? null : unwrap(value)),
  }
}
