/** The converters that come with the worker, under upstream's class names and Confluent's. */
import {
  booleanConverter, byteArrayConverter, doubleConverter, floatConverter, headersThrough, integerConverter, jsonConverter, jsonConverterConfig, longConverter,
  noConfig, shortConverter, simpleHeaderConverter, stringConverter, stringConverterConfig, typeOnlyConfig,
} from '../converters/index.ts'
import type { Converter, ConverterPlugin, HeaderConverterPlugin } from '../converters/index.ts'
import type { ConfigOf, ConfigSpec } from '../config-spec.ts'
import { avroConverter, avroConverterConfig, jsonSchemaConverter, jsonSchemaConverterConfig, protobufConverter, protobufConverterConfig } from '../schema-registry/index.ts'
import { packageVersion } from './package-version.ts'

const version = packageVersion

interface Entry {
  readonly class: string
  readonly config: ConfigSpec<unknown>
  readonly create: (config: never) => Converter
}

const entries: readonly Entry[] = [
  { class: 'org.apache.kafka.connect.json.JsonConverter', config: jsonConverterConfig, create: jsonConverter },
  { class: 'org.apache.kafka.connect.storage.StringConverter', config: stringConverterConfig, create: stringConverter },
  { class: 'org.apache.kafka.connect.converters.ByteArrayConverter', config: typeOnlyConfig, create: byteArrayConverter },
  { class: 'org.apache.kafka.connect.converters.BooleanConverter', config: typeOnlyConfig, create: booleanConverter },
  { class: 'org.apache.kafka.connect.converters.ShortConverter', config: typeOnlyConfig, create: shortConverter },
  { class: 'org.apache.kafka.connect.converters.IntegerConverter', config: typeOnlyConfig, create: integerConverter },
  { class: 'org.apache.kafka.connect.converters.LongConverter', config: typeOnlyConfig, create: longConverter },
  { class: 'org.apache.kafka.connect.converters.FloatConverter', config: typeOnlyConfig, create: floatConverter },
  { class: 'org.apache.kafka.connect.converters.DoubleConverter', config: typeOnlyConfig, create: doubleConverter },
]

/** They need a schema registry, for keys and values. */
const registryConverters: readonly ConverterPlugin[] = [
  { type: 'converter', class: 'io.confluent.connect.avro.AvroConverter', version, config: avroConverterConfig, create: (config, use) => avroConverter(config as ConfigOf<typeof avroConverterConfig>, use) },
  { type: 'converter', class: 'io.confluent.connect.protobuf.ProtobufConverter', version, config: protobufConverterConfig, create: (config, use) => protobufConverter(config as ConfigOf<typeof protobufConverterConfig>, use) },
  { type: 'converter', class: 'io.confluent.connect.json.JsonSchemaConverter', version, config: jsonSchemaConverterConfig, create: (config, use) => jsonSchemaConverter(config as ConfigOf<typeof jsonSchemaConverterConfig>, use) },
]

export const builtInConverters: readonly ConverterPlugin[] = [...entries.map(({ create, ...entry }): ConverterPlugin => ({
  ...entry, type: 'converter', version, create: (config) => create(config as never),
})), ...registryConverters]

export const builtInHeaderConverters: readonly HeaderConverterPlugin[] = [
  { type: 'header_converter', class: 'org.apache.kafka.connect.storage.SimpleHeaderConverter', version, config: noConfig, create: simpleHeaderConverter },
  ...entries.map(({ create, ...entry }): HeaderConverterPlugin => ({
    ...entry, type: 'header_converter', version, create: (config) => headersThrough(create(config as never)),
  })),
]

/** Modules of connectors that are part of the package; loaded when first asked for. */
export const builtInModules: readonly string[] = ['millrace/connectors/file', 'millrace/connectors/postgres', 'millrace/connect']
