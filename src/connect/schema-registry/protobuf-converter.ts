import { createRequire } from 'node:module'
import type * as Protobuf from 'protobufjs'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import type { Converter, SchemaAndValue } from '../converters/converter.ts'
import { configError, dataError, describeError } from '../errors.ts'
import type { Schema } from '../schema.ts'
import { protobufCodec } from './protobuf-codec.ts'
import type { ProtobufCodec, ProtobufReading } from './protobuf-codec.ts'
import { defaultMessageName, protobufOf } from './protobuf-schema.ts'
import { RegistryClient } from './registry-client.ts'
import type { RegistrySchema } from './registry-client.ts'
import { registryOptions, registryRules, subjectName } from './registry-config.ts'
import { Kept, SchemaCache } from './schema-cache.ts'
import { framed, framedMessage, unframed, unframedMessage } from './wire-format.ts'

export const protobufConverterConfig = configSpec({
  ...registryOptions,
  'enhanced.protobuf.schema.support': option.boolean({ doc: 'Keep packages in the names of messages and enums.', default: false }),
  'optional.for.nullables': option.boolean({ doc: 'Mark optional fields so in Protobuf. false: null reads back as zero or empty.', default: false }),
  'scrub.invalid.names': option.boolean({ doc: 'Replace characters that Protobuf does not take in names by _.', default: false }),
}, { rules: registryRules })

interface Compiled {
  readonly codec: ProtobufCodec
  readonly type: Protobuf.Type
}

/** Protobuf with a schema registry, as Confluent's ProtobufConverter. @throws INVALID_CONFIG when the package protobufjs is not installed */
export function protobufConverter(config: ConfigOf<typeof protobufConverterConfig>, { isKey }: { readonly isKey: boolean }): Converter {
  const protobuf = loadProtobuf()
  const names = { marksOptional: config['optional.for.nullables'], scrubs: config['scrub.invalid.names'] }
  const reading: ProtobufReading = { fullNames: config['enhanced.protobuf.schema.support'] }
  const cache = new SchemaCache(new RegistryClient(config), config, 'PROTOBUF')
  const texts = new Kept<Schema, string>(config['schemas.cache.size'])
  const files = new Kept<RegistrySchema, ProtobufFile>(config['schemas.cache.size'])
  const fileOf = (registered: RegistrySchema) => files.get(registered, () => new ProtobufFile(protobuf, registered, reading))
  return {
    fromConnect(topic, schema, value) {
      if (schema === null && (value ?? null) === null) return null
      if (schema === null) throw dataError('Protobuf needs a schema, and the data has none: let the connector give one, or use JsonConverter')
      if ((value ?? null) === null) return null
      const text = texts.get(schema, () => protobufOf(schema, names))
      const chosen = cache.forWriting(subjectName(config, isKey, topic, () => schema.name ?? defaultMessageName), text)
      const { codec, type } = fileOf(chosen).message([0])
      return framed(chosen.id, framedMessage([0], encode(type, codec.write(value))))
    },
    toConnect(_topic, bytes): SchemaAndValue {
      if (bytes === null) return { schema: null, value: null }
      const { id, body } = unframed(bytes)
      const { indexes, message } = unframedMessage(body)
      const { codec, type } = fileOf(cache.byId(id)).message(indexes)
      return { schema: codec.schema, value: codec.read(decode(type, message)) }
    },
  }
}

/** A file of the registry with what it imports; its messages are compiled when the first record of one comes. */
class ProtobufFile {
  readonly #root: Protobuf.Root
  /** Of the file itself: for messages counted in order. */
  readonly #own: Protobuf.NamespaceBase
  readonly #protobuf: typeof Protobuf
  readonly #reading: ProtobufReading
  readonly #messages = new Map<string, Compiled>()

  constructor(protobuf: typeof Protobuf, { schema, imports }: RegistrySchema, reading: ProtobufReading) {
    this.#protobuf = protobuf
    this.#reading = reading
    this.#root = new protobuf.Root()
    for (const text of wellKnownFiles) protobuf.parse(text, this.#root, { keepCase: true })
    for (const name of googleFiles) this.#root.addJSON(protobuf.common.get(`google/protobuf/${name}.proto`)?.nested ?? {})
    try {
      for (const { text } of imports) protobuf.parse(text, this.#root, { keepCase: true })
      protobuf.parse(schema, this.#root, { keepCase: true })
      const alone = new protobuf.Root()
      const { package: name } = protobuf.parse(schema, alone, { keepCase: true })
      this.#own = name === undefined ? alone : (alone.lookup(name) as Protobuf.NamespaceBase)
      this.#root.resolveAll()
    } catch (cause) {
      throw dataError(`the Protobuf schema cannot be used: ${describeError(cause)}`, { cause })
    }
  }

  /** By its place among the messages of the file, then of the message, and so on. @throws INVALID_DATA */
  message(indexes: readonly number[]): Compiled {
    const path = indexes.join()
    const known = this.#messages.get(path)
    if (known !== undefined) return known
    const place = indexes.reduce<Protobuf.NamespaceBase | undefined>((around, index) => around?.nestedArray.filter((each): each is Protobuf.Type => each instanceof this.#protobuf.Type)[index], this.#own)
    if (place === undefined) throw dataError(`the Protobuf schema has no message at ${path}`)
    const type = this.#root.lookupType(place.fullName)
    const compiled = { type, codec: protobufCodec(type, this.#reading) }
    this.#messages.set(path, compiled)
    return compiled
  }
}

function encode(type: Protobuf.Type, value: unknown): Uint8Array {
  try {
    return type.encode(value as Readonly<Record<string, unknown>>).finish()
  } catch (cause) {
    throw dataError(`the value does not fit its Protobuf schema: ${describeError(cause)}`, { cause })
  }
}

function decode(type: Protobuf.Type, body: Uint8Array): unknown {
  try {
    return type.decode(body)
  } catch (cause) {
    throw dataError(`the bytes are not of their Protobuf schema: ${describeError(cause)}`, { cause })
  }
}

/** Those that protobufjs brings. */
const googleFiles = ['any', 'duration', 'empty', 'field_mask', 'struct', 'timestamp', 'wrappers'] as const

/** Those that Confluent's converter uses, and every registry knows. */
const wellKnownFiles = [
  'syntax = "proto3"; package confluent.type; message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }',
  'syntax = "proto3"; package google.type; message Date { int32 year = 1; int32 month = 2; int32 day = 3; }',
  'syntax = "proto3"; package google.type; message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }',
] as const

function loadProtobuf(): typeof Protobuf {
  try {
    return createRequire(import.meta.url)('protobufjs') as typeof Protobuf
  } catch (cause) {
    throw configError('ProtobufConverter needs the package protobufjs: npm install protobufjs', { cause })
  }
}
