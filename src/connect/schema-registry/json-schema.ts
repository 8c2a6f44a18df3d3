/** Connect schemas as JSON Schema and back, in the words of Confluent's JsonSchemaData. */
import { dataError } from '../errors.ts'
import { logicalOf, schema as make } from '../schema.ts'
import type { Schema, SchemaOptions, SchemaType } from '../schema.ts'
import type { SchemaImport } from './registry-client.ts'

type Node = Readonly<Record<string, unknown>>

const typeNames: Readonly<Partial<Record<SchemaType, string>>> = {
  int8: 'integer', int16: 'integer', int32: 'integer', int64: 'integer', float32: 'number', float64: 'number', boolean: 'boolean', string: 'string', bytes: 'string',
}

export function jsonSchemaOf(schema: Schema, decimalFormat: 'BASE64' | 'NUMERIC'): Node {
  const node = { ...shapeOf(schema, decimalFormat), ...extrasOf(schema) }
  return schema.optional ? { oneOf: [{ type: 'null' }, node] } : node
}

function shapeOf(schema: Schema, decimalFormat: 'BASE64' | 'NUMERIC'): Node {
  const { type, fields, keySchema, valueSchema } = schema
  const inner = (of: Schema, index?: number) => ({ ...jsonSchemaOf(of, decimalFormat), ...(index !== undefined && { 'connect.index': index }) })
  if (type === 'struct') return { type: 'object', properties: Object.fromEntries(fields!.map(({ name, index, schema: of }) => [name, inner(of, index)])) }
  if (type === 'array') return { type: 'array', items: inner(valueSchema!) }
  if (type === 'map') {
    if (keySchema!.type === 'string' && !keySchema!.optional) return { 'type': 'object', 'connect.type': 'map', 'additionalProperties': inner(valueSchema!) }
    return { 'type': 'array', 'connect.type': 'map', 'items': { type: 'object', properties: { key: inner(keySchema!, 0), value: inner(valueSchema!, 1) } } }
  }
  const name = logicalOf(schema) === 'decimal' && decimalFormat === 'NUMERIC' ? 'number' : typeNames[type]!
  return type === 'boolean' || type === 'string' ? { type: name } : { 'type': name, 'connect.type': type }
}

function extrasOf({ name, version, doc, parameters, default: fallback }: Schema): Node {
  return {
    ...(name !== undefined && { title: name }), ...(version !== undefined && { 'connect.version': version }), ...(doc !== undefined && { description: doc }),
    ...(parameters !== undefined && { 'connect.parameters': parameters }), ...(['string', 'number', 'boolean'].includes(typeof fallback) && { default: fallback }),
  }
}

/** @throws INVALID_DATA naming the place, for what Connect has no type for */
export function schemaOfJsonSchema(text: string, imports: readonly SchemaImport[] = []): Schema {
  const root: unknown = JSON.parse(text)
  const documents = new Map(imports.map((each): [string, Node] => [each.name, JSON.parse(each.text) as Node]))
  return read(root, { root: root as Node, documents, place: '#', depth: 0 })
}

interface At {
  /** The document that it stands in. */
  readonly root: Node
  /** Those that it may refer to, by name. */
  readonly documents: ReadonlyMap<string, Node>
  readonly place: string
  readonly depth: number
}

const maxDepth = 100

function read(given: unknown, at: At): Schema {
  if (at.depth > maxDepth) throw dataError(`the JSON Schema holds itself at ${at.place}; Connect's schemas cannot`)
  if (typeof given !== 'object' || given === null) throw dataError(`the JSON Schema has no type at ${at.place}`)
  const node = given as Node
  const deeper = { ...at, depth: at.depth + 1 }
  if (typeof node['$ref'] === 'string') return readReference(node['$ref'], deeper)
  const choices = node['oneOf'] ?? node['anyOf']
  if (Array.isArray(choices)) return readChoice(choices as readonly unknown[], node, deeper)
  const { type } = node
  if (Array.isArray(type)) {
    const real = (type as readonly unknown[]).filter((each) => each !== 'null')
    return withOptional(readChoice(real.map((each) => ({ ...node, type: each })), {}, deeper), real.length < type.length)
  }
  return readTyped(node, deeper)
}

/** A choice with null is an optional value; others have no type in Connect. */
function readChoice(choices: readonly unknown[], around: Node, at: At): Schema {
  const real = choices.filter((each) => (each as Node)['type'] !== 'null')
  if (real.length !== 1) throw dataError(`the JSON Schema has a choice of ${real.length} types at ${at.place}; Connect has no type for that`)
  const inner = read(real[0], at)
  return withOptional(around['title'] === undefined ? inner : { ...inner, ...metaOf(around) }, inner.optional || real.length < choices.length)
}

function withOptional(schema: Schema, optional: boolean): Schema {
  return { ...schema, optional }
}

/** `#/definitions/x` of this document, `name` of another, or `name#/definitions/x`. */
function readReference(reference: string, at: At): Schema {
  const [document, pointer = ''] = reference.split('#', 2) as [string, string?]
  const root = document === '' ? at.root : at.documents.get(document)
  const found = pointer.split('/').slice(1).reduce<unknown>((node, name) => (node as Node | undefined)?.[decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~')], root)
  if (root === undefined || found === undefined) throw dataError(`the JSON Schema refers to ${reference} at ${at.place}, which is not there`)
  return read(found, { ...at, root, place: reference })
}

function readTyped(node: Node, at: At): Schema {
  const meta = metaOf(node)
  const connectType = node['connect.type']
  switch (node['type']) {
    case 'object': return connectType === 'map' || node['properties'] === undefined ? readMap(node, meta, at) : readStruct(node, meta, at)
    case 'array': return connectType === 'map' ? readEntries(node, meta, at) : make.array(read(node['items'], { ...at, place: `${at.place}/items` }), meta)
    case 'boolean': return make.boolean(meta)
    case 'string': return connectType === 'bytes' ? make.bytes(meta) : make.string(meta)
    case 'integer': return make[numberType(connectType, ['int8', 'int16', 'int32', 'int64'], 'int64')](meta)
    case 'number': return connectType === 'bytes' ? make.bytes(meta) : make[numberType(connectType, ['int8', 'int16', 'int32', 'int64', 'float32', 'float64'], 'float64')](meta)
    default: throw dataError(`the JSON Schema has ${node['type'] === undefined ? 'no type' : `the type ${JSON.stringify(node['type'])}`} at ${at.place}`)
  }
}

type NumberType = 'int8' | 'int16' | 'int32' | 'int64' | 'float32' | 'float64'

function numberType(given: unknown, among: readonly NumberType[], otherwise: NumberType): NumberType {
  return among.find((each) => each === given) ?? otherwise
}

function readStruct(node: Node, meta: SchemaOptions, at: At): Schema {
  const fields = Object.entries(node['properties'] as Readonly<Record<string, Node>>)
  const order = (each: Node, index: number) => (typeof each['connect.index'] === 'number' ? each['connect.index'] : index)
  const sorted = fields.map(([name, each], index) => ({ name, each, order: order(each, index) })).toSorted((a, b) => a.order - b.order)
  return make.struct(sorted.map(({ name, each }) => [name, read(each, { ...at, place: `${at.place}/properties/${name}` })] as const), meta)
}

function readMap(node: Node, meta: SchemaOptions, at: At): Schema {
  const values = node['additionalProperties']
  if (typeof values !== 'object') throw dataError(`the JSON Schema has an object without properties at ${at.place}; Connect has no type for that`)
  return make.map(make.string(), read(values, { ...at, place: `${at.place}/additionalProperties` }), meta)
}

function readEntries(node: Node, meta: SchemaOptions, at: At): Schema {
  const { properties } = node['items'] as { readonly properties: Readonly<Record<string, unknown>> }
  return make.map(read(properties['key'], at), read(properties['value'], at), meta)
}

function metaOf(node: Node): SchemaOptions {
  const [name, version, doc, parameters, fallback] = [node['title'], node['connect.version'], node['description'], node['connect.parameters'], node['default']]
  return {
    ...(typeof name === 'string' && { name }), ...(typeof version === 'number' && { version }), ...(typeof doc === 'string' && { doc }),
    ...(typeof parameters === 'object' && parameters !== null && { parameters: parameters as Readonly<Record<string, string>> }),
    ...(['string', 'number', 'boolean'].includes(typeof fallback) && { default: fallback }),
  }
}
