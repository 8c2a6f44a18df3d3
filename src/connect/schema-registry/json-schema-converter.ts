import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import type { Converter } from '../converters/converter.ts'
import { readJsonValue } from '../converters/json-reader.ts'
import { decodeJsonText, parseNode } from '../converters/json-text.ts'
import { writeJson } from '../converters/json-writer.ts'
import { dataError, describeError } from '../errors.ts'
import type { Schema } from '../schema.ts'
import { jsonSchemaOf, schemaOfJsonSchema } from './json-schema.ts'
import { RegistryClient } from './registry-client.ts'
import type { RegistrySchema } from './registry-client.ts'
import { registryOptions, registryRules, subjectName } from './registry-config.ts'
import { Kept, SchemaCache } from './schema-cache.ts'
import { framed, unframed } from './wire-format.ts'

export const jsonSchemaConverterConfig = configSpec({
  ...registryOptions,
  'decimal.format': option.oneOf(['BASE64', 'NUMERIC'], { doc: 'How decimals are written: as base64 of their bytes, or as numbers.', default: 'BASE64', importance: 'low' }),
  'replace.null.with.default': option.boolean({ doc: 'Whether null becomes the default where the schema has one.', default: true, importance: 'low' }),
}, { rules: registryRules })

/** JSON whose JSON Schema stands in a schema registry, as Confluent's JsonSchemaConverter. */
export function jsonSchemaConverter(config: ConfigOf<typeof jsonSchemaConverterConfig>, { isKey }: { readonly isKey: boolean }): Converter {
  const options = { decimalFormat: config['decimal.format'], replaceNullWithDefault: config['replace.null.with.default'] }
  const cache = new SchemaCache(new RegistryClient(config), config, 'JSON')
  const texts = new Kept<Schema, string>(config['schemas.cache.size'])
  const schemas = new Kept<RegistrySchema, Schema>(config['schemas.cache.size'])
  return {
    fromConnect(topic, schema, value) {
      if (schema === null && (value ?? null) === null) return null
      if (schema === null) throw dataError('JsonSchemaConverter needs a schema, and the data has none: let the connector give one, or use JsonConverter')
      const text = texts.get(schema, () => JSON.stringify(jsonSchemaOf(schema, options.decimalFormat)))
      const { id } = cache.forWriting(subjectName(config, isKey, topic, () => recordName(schema)), text)
      return framed(id, Buffer.from(writeJson(schema, value, options)))
    },
    toConnect(_topic, bytes) {
      if (bytes === null) return { schema: null, value: null }
      const { id, body } = unframed(bytes)
      const registered = cache.byId(id)
      const schema = schemas.get(registered, () => readSchema(registered))
      return { schema, value: readJsonValue(schema, parseNode(decodeJsonText(body)) ?? null, options.replaceNullWithDefault) }
    },
  }
}

function recordName({ name }: Schema): string {
  if (name !== undefined) return name
  throw dataError('the subject is named after the record, but its schema has no name; give it one, for instance with SetSchemaMetadata')
}

function readSchema({ schema, imports }: RegistrySchema): Schema {
  try {
    return schemaOfJsonSchema(schema, imports)
  } catch (cause) {
    throw dataError(`the JSON Schema cannot be used: ${describeError(cause)}`, { cause })
  }
}
