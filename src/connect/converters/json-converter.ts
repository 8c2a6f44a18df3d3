import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import { dataError } from '../errors.ts'
import type { Schema } from '../schema.ts'
import type { Converter, SchemaAndValue } from './converter.ts'
import { EnvelopeReader } from './envelope-reader.ts'
import { JsonBytes } from './json-bytes.ts'
import { readJsonValue } from './json-reader.ts'
import { isObject, own, readSchemaNode, writeSchemaNode } from './json-schema-node.ts'
import { decodeJsonText, parseNode, plain } from './json-text.ts'
import type { JsonNode } from './json-text.ts'
import { writeJson } from './json-writer.ts'
import type { JsonWriterOptions } from './json-writer.ts'
import { SchemalessReader } from './schemaless-reader.ts'

const inGroup = (group: 'Schemas' | 'Serialization', order: number, displayName: string) => ({ group, order, displayName, width: 'medium' } as const)

export const jsonConverterConfig = configSpec({
  'converter.type': option.string({ doc: 'Whether it converts keys, values or headers; set by the worker.', importance: 'low' }),
  'decimal.format': option.oneOf(['NUMERIC', 'BASE64'], {
    doc: 'How decimals are written: as numbers, or as base64 of their bytes.', default: 'BASE64', importance: 'low', recommended: () => [], ...inGroup('Serialization', 0, 'Decimal Format'),
  }),
  'replace.null.with.default': option.boolean({ doc: 'Whether null becomes the default where the schema has one.', default: true, importance: 'low', ...inGroup('Serialization', 1, 'Replace null with default') }),
  'schemas.enable': option.boolean({ doc: 'Include schemas in each record: {"schema": …, "payload": …}.', default: true, importance: 'high', ...inGroup('Schemas', 0, 'Enable Schemas') }),
  'schemas.cache.size': option.int({ doc: 'Schemas that are kept ready for writing and reading.', default: 1000, importance: 'high', ...inGroup('Schemas', 1, 'Schema Cache Size') }),
  'schema.content': option.string({
    doc: 'A schema, as JSON, for bodies that are read and are bare payloads; empty: each record brings its own. What is written has its schema in any case.', default: null, importance: 'high', ...inGroup('Schemas', 2, 'Schema Content'),
  }),
})

const needsEnvelope =
  'JsonConverter with schemas.enable requires "schema" and "payload" fields and may not contain additional fields. ' +
  'If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.'

/** JSON, with a schema in each record or without, as upstream's JsonConverter. @throws INVALID_DATA when `schema.content` is no schema */
export function jsonConverter(config: ConfigOf<typeof jsonConverterConfig>): Converter {
  const options: JsonWriterOptions = { decimalFormat: config['decimal.format'], replaceNullWithDefault: config['replace.null.with.default'] }
  const fixed = fixedSchema(config['schema.content'], options)
  if (!config['schemas.enable']) return schemalessConverter(options)
  const [schemas, envelopes] = [new SchemaTexts(config['schemas.cache.size'], options), new EnvelopeReader(options.replaceNullWithDefault)]
  return {
    fromConnect(_topic, schema, value) {
      if (schema === null && (value ?? null) === null) return null
      return Buffer.from(`{"schema":${schemas.textOf(schema)},"payload":${writeJson(schema, value, options)}}`)
    },
    toConnect(_topic, bytes) {
      if (bytes === null) return { schema: null, value: null }
      if (fixed !== null) return readPayload(fixed, parseNode(decodeJsonText(bytes)) ?? null, options)
      const known = envelopes.read(bytes)
      if (known !== undefined) return known
      const text = decodeJsonText(bytes)
      const read = readEnvelope(parseNode(text), schemas, options)
      envelopes.learn(bytes, text, (schema) => schemas.read(parseNode(schema)!))
      return read
    },
  }
}

function schemalessConverter(options: JsonWriterOptions): Converter {
  const [plainData, reader] = [new JsonBytes(), new SchemalessReader()]
  return {
    fromConnect(_topic, schema, value) {
      if (schema !== null) return Buffer.from(writeJson(schema, value, options))
      return value === null || value === undefined ? null : (plainData.write(value) ?? Buffer.from(writeJson(null, value, options)))
    },
    toConnect: (_topic, bytes) => ({ schema: null, value: bytes === null ? null : (reader.read(bytes) ?? null) }),
    passesThrough: (type) => type === 'json',
  }
}

function fixedSchema(text: string | null, options: JsonWriterOptions): Schema | null {
  const node = text === null || text === '' ? null : parseNode(text)
  return node === null || node === undefined ? null : readSchemaNode(node, (of, each) => readJsonValue(of, each, options.replaceNullWithDefault))
}

function readEnvelope(node: JsonNode | undefined, schemas: SchemaTexts, options: JsonWriterOptions): SchemaAndValue {
  if (!isObject(node) || Object.keys(node).length !== 2) throw dataError(needsEnvelope)
  const [schema, payload] = [own(node, 'schema'), own(node, 'payload')]
  if (schema === undefined || payload === undefined) throw dataError(needsEnvelope)
  return readPayload(schemas.read(schema), payload, options)
}

function readPayload(schema: Schema | null, payload: JsonNode, options: JsonWriterOptions): SchemaAndValue {
  return { schema, value: schema === null ? plain(payload) : readJsonValue(schema, payload, options.replaceNullWithDefault) }
}

/** Schemas and their texts, each made once; the oldest go when there are more than `size`. */
class SchemaTexts {
  readonly #size: number
  readonly #options: JsonWriterOptions
  readonly #texts = new Map<Schema, string>()
  readonly #schemas = new Map<string, Schema | null>()

  constructor(size: number, options: JsonWriterOptions) {
    this.#size = size
    this.#options = options
  }

  textOf(schema: Schema | null): string {
    if (schema === null) return 'null'
    return this.#cached(this.#texts, schema, () => writeSchemaNode(schema, (of, value) => writeJson(of, value, this.#options)))
  }

  read(node: JsonNode): Schema | null {
    return this.#cached(this.#schemas, JSON.stringify(node), () => readSchemaNode(node, (of, each) => readJsonValue(of, each, this.#options.replaceNullWithDefault)))
  }

  #cached<K, V>(cache: Map<K, V>, key: K, make: () => V): V {
    const known = cache.get(key)
    if (known !== undefined) return known
    const made = make()
    if (cache.size >= this.#size) for (const oldest of cache.keys()) { cache.delete(oldest); break }
    if (this.#size > 0) cache.set(key, made)
    return made
  }
}
