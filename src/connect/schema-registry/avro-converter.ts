import { createRequire } from 'node:module'
import type * as Avsc from 'avsc'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import type { Converter, SchemaAndValue } from '../converters/converter.ts'
import { configError, dataError, describeError } from '../errors.ts'
import type { Schema } from '../schema.ts'
import { avroCodec } from './avro-codec.ts'
import type { AvroCodec } from './avro-codec.ts'
import { avroNamespace, avroOf, defaultRecordName } from './avro-schema.ts'
import type { AvroNames, AvroNode } from './avro-schema.ts'
import { RegistryClient } from './registry-client.ts'
import type { RegistrySchema } from './registry-client.ts'
import { registryOptions, registryRules, subjectName } from './registry-config.ts'
import { Kept, SchemaCache } from './schema-cache.ts'
import { framed, unframed } from './wire-format.ts'

export const avroConverterConfig = configSpec({
  ...registryOptions,
  'connect.meta.data': option.boolean({ doc: 'Keep names, versions, documentation and parameters of Connect schemas in Avro schemas.', default: true, importance: 'low' }),
  'scrub.invalid.names': option.boolean({ doc: 'Replace characters that Avro does not take in names by _.', default: false }),
}, { rules: registryRules })

interface Compiled {
  readonly codec: AvroCodec
  readonly type: Avsc.Type
}

/** Avro with a schema registry, as Confluent's AvroConverter. @throws INVALID_CONFIG when the package avsc is not installed */
export function avroConverter(config: ConfigOf<typeof avroConverterConfig>, { isKey }: { readonly isKey: boolean }): Converter {
  const avsc = loadAvsc()
  const names: AvroNames = { keepsMetaData: config['connect.meta.data'], scrubs: config['scrub.invalid.names'] }
  const cache = new SchemaCache(new RegistryClient(config), config, 'AVRO')
  const texts = new Kept<Schema, string>(config['schemas.cache.size'])
  const compiled = new Kept<RegistrySchema, Compiled>(config['schemas.cache.size'])
  const compile = (registered: RegistrySchema) => compiled.get(registered, () => compiledOf(avsc, registered))
  return {
    fromConnect(topic, schema, value) {
      if (schema === null && (value ?? null) === null) return null
      if (schema === null) throw dataError('Avro needs a schema, and the data has none: let the connector give one, or use JsonConverter')
      const text = texts.get(schema, () => JSON.stringify(avroOf(schema, names)))
      const chosen = cache.forWriting(subjectName(config, isKey, topic, () => schema.name ?? `${avroNamespace}.${defaultRecordName}`), text)
      const { codec, type } = compile(chosen)
      return framed(chosen.id, encode(type, codec.write(value)))
    },
    toConnect(_topic, bytes): SchemaAndValue {
      if (bytes === null) return { schema: null, value: null }
      const { id, body } = unframed(bytes)
      const { codec, type } = compile(cache.byId(id))
      return { schema: codec.schema, value: codec.read(decode(type, body)) }
    },
  }
}

function encode(type: Avsc.Type, value: unknown): Uint8Array {
  try {
    return type.toBuffer(value)
  } catch (cause) {
    throw dataError(`the value does not fit its Avro schema: ${describeError(cause)}`, { cause })
  }
}

function decode(type: Avsc.Type, body: Uint8Array): unknown {
  try {
    return type.fromBuffer(Buffer.from(body.buffer, body.byteOffset, body.length))
  } catch (cause) {
    throw dataError(`the bytes are not of their Avro schema: ${describeError(cause)}`, { cause })
  }
}

/** Longs are bigint: a double does not hold them all. */
function compiledOf(avsc: typeof Avsc, { schema: text, imports }: RegistrySchema): Compiled {
  const long = avsc.types.LongType.__with({
    fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
    toBuffer(value: bigint) {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64LE(value)
      return bytes
    },
    fromJSON: (value: number | bigint) => BigInt(value),
    toJSON: Number,
    isValid: (value: unknown) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  })
  try {
    const node = JSON.parse(text) as AvroNode
    const imported = imports.map((each) => JSON.parse(each.text) as AvroNode)
    const options = { registry: {}, wrapUnions: 'always', typeHook: (each: unknown) => (isLong(each) ? long : undefined) } as const
    for (const each of imported) avsc.Type.forSchema(each as never, options)
    return { codec: avroCodec(node, imported), type: avsc.Type.forSchema(node as never, options) }
  } catch (cause) {
    throw dataError(`the Avro schema cannot be used: ${describeError(cause)}`, { cause })
  }
}

/** `"long"` and `{"type": "long", …}` alike. */
function isLong(node: unknown): boolean {
  return node === 'long' || (typeof node === 'object' && node !== null && 'type' in node && node.type === 'long')
}

function loadAvsc(): typeof Avsc {
  try {
    return createRequire(import.meta.url)('avsc') as typeof Avsc
  } catch (cause) {
    throw configError('AvroConverter needs the package avsc: npm install avsc', { cause })
  }
}
