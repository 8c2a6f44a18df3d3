/** A Protobuf message compiled: the Connect schema that it means, and the way of values to and fro. Confluent's ProtobufData tells what is what. */
import type * as Protobuf from 'protobufjs'
import { dataError } from '../errors.ts'
import { int64Value } from '../int64.ts'
import { Decimal, schema as make, Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'
import { scaleOption, typeOption, validName } from './protobuf-schema.ts'

export interface ProtobufCodec {
  readonly schema: Schema
  /** Connect → what protobufjs takes. @throws INVALID_DATA */
  write(value: unknown): unknown
  /** What protobufjs gives → Connect. */
  read(value: unknown): unknown
}

export interface ProtobufReading {
  /** Whether messages and enums keep their packages in names. */
  readonly fullNames: boolean
}

type Members = Readonly<Record<string, unknown>>

const prefix = 'io.confluent.connect.protobuf'

export function protobufCodec(type: Protobuf.Type, reading: ProtobufReading): ProtobufCodec {
  return new Compiler(reading).message(type, false)
}

interface Member {
  readonly name: string
  readonly codec: ProtobufCodec
  /** What protobufjs calls it; null: a member of each of the fields of a oneof. */
  readonly field: string | null
}

class Compiler {
  readonly #reading: ProtobufReading
  readonly #open = new Set<Protobuf.Type>()

  constructor(reading: ProtobufReading) {
    this.#reading = reading
  }

  message(type: Protobuf.Type, optional: boolean): ProtobufCodec {
    const known = wellKnown[type.fullName]
    if (known !== undefined) return known(optional)
    if (this.#open.has(type)) throw dataError(`the Protobuf message ${type.name} holds itself; Connect's schemas cannot`)
    this.#open.add(type)
    const members = this.#members(type)
    this.#open.delete(type)
    const schema = make.struct(members.map(({ name, codec }) => [name, codec.schema] as const), { name: this.#nameOf(type), optional })
    return { schema, ...messageWay(type.name, members, schema) }
  }

  #nameOf({ fullName, name }: { readonly fullName: string; readonly name: string }): string {
    return this.#reading.fullNames ? fullName.slice(1) : name
  }

  #members(type: Protobuf.Type): readonly Member[] {
    const seen = new Set<Protobuf.OneOf>()
    return type.fieldsArray.flatMap((field): readonly Member[] => {
      const { partOf } = field
      if (partOf === null || field.options?.['proto3_optional'] === true) return [{ name: field.name, field: field.name, codec: this.#field(field) }]
      if (seen.has(partOf)) return []
      seen.add(partOf)
      return [{ name: `${partOf.name}_${seen.size - 1}`, field: null, codec: this.#oneOf(partOf) }]
    })
  }

  /** A struct of which one member is set. */
  #oneOf({ name, fieldsArray }: Protobuf.OneOf): ProtobufCodec {
    const members = fieldsArray.map((field) => ({ name: field.name, field: field.name, codec: this.#single(field, true) }))
    const schema = make.struct(members.map((each) => [each.name, each.codec.schema] as const), { name: `${prefix}.Union.${name}`, optional: true })
    return {
      schema,
      write(value) {
        const chosen = members.find((each) => (value as Struct).get(each.name) !== null)
        return chosen === undefined ? {} : { [chosen.name]: chosen.codec.write((value as Struct).get(chosen.name)) }
      },
      read(message) {
        const chosen = members.find((each) => isSet(message as Members, each.name))
        return chosen === undefined ? null : new Struct(schema, Object.fromEntries(members.map((each) => [each.name, each === chosen ? each.codec.read((message as Members)[each.name]) : null])))
      },
    }
  }

  #field(field: Protobuf.Field): ProtobufCodec {
    if ('keyType' in field) return mapCodec(String(field.keyType), this.#single(field, false))
    const single = this.#single(field, field.options?.['proto3_optional'] === true)
    return field.repeated ? arrayCodec({ ...single, schema: { ...single.schema, optional: false } }) : single
  }

  #single(field: Protobuf.Field, optional: boolean): ProtobufCodec {
    field.resolve()
    const { resolvedType } = field
    if (resolvedType === null) return scalarCodec(field, optional)
    if ('values' in resolvedType) return this.#enum(resolvedType, optional)
    const codec = resolvedType.fullName === '.confluent.type.Decimal' ? decimalCodec(Number(metaOf(field)[scaleOption] ?? 0)) : this.message(resolvedType, !field.map)
    return codec
  }

  #enum(type: Protobuf.Enum, optional: boolean): ProtobufCodec {
    const kind = `${prefix}.Enum`
    const parameters = Object.fromEntries([[kind, this.#nameOf(type)], ...Object.entries(type.values).map(([symbol, number]): [string, string] => [`${kind}.${symbol}`, String(number)])])
    return {
      schema: make.string({ parameters, optional }),
      write(symbol) {
        const number = type.values[String(symbol)]
        if (number === undefined) throw dataError(`the Protobuf enum ${type.name} has no ${String(symbol)}`)
        return number
      },
      read: (number) => type.valuesById[number as number] ?? `UNKNOWN_${String(number)}`,
    }
  }
}

function isSet(message: Members, name: string): boolean {
  return Object.hasOwn(message, name) && (message[name] ?? null) !== null
}

function messageWay(typeName: string, members: readonly Member[], schema: Schema): Pick<ProtobufCodec, 'write' | 'read'> {
  return {
    write(value) {
      if (!(value instanceof Struct)) throw dataError(`a struct is needed for the Protobuf message ${typeName}`)
      const own = new Map(value.schema.fields!.map(({ name }) => [validName(name, { scrubs: true }), name]))
      return Object.assign({}, ...members.map(({ name, field, codec }): Members => {
        const source = own.get(name)
        const given = source === undefined ? null : value.get(source)
        if (given === null) return {}
        return field === null ? (codec.write(given) as Members) : { [field]: codec.write(given) }
      })) as Members
    },
    read(message) {
      return new Struct(schema, Object.fromEntries(members.map(({ name, field, codec }) => {
        if (field === null) return [name, codec.read(message)]
        const { optional } = codec.schema
        return [name, optional && !isSet(message as Members, field) ? null : codec.read((message as Members)[field])]
      })))
    },
  }
}

// ------------------------------------------------------------------------------------------------ scalars and collections

const same = { write: (value: unknown) => value, read: (value: unknown) => value }
const bytesWay = { write: (value: unknown) => value, read: (value: unknown) => Buffer.from(value as Uint8Array) }

interface Long {
  readonly low: number
  readonly high: number
}

const longs = (isUnsigned: boolean) => ({
  write: (value: unknown) => {
    const wide = BigInt(value as number | bigint)
    return { low: Number(BigInt.asIntN(32, wide)), high: Number(BigInt.asIntN(32, wide >> 32n)), unsigned: isUnsigned }
  },
  /** Unsigned ones beyond int64 wrap, as in Java. */
  read: (value: unknown) => (typeof value === 'number' ? value : int64Value(BigInt.asIntN(64, (BigInt((value as Long).high) << 32n) | BigInt((value as Long).low >>> 0)))),
})

function scalarCodec(field: Protobuf.Field, optional: boolean): ProtobufCodec {
  const options = { optional }
  switch (field.type) {
    case 'int32': case 'sint32': case 'sfixed32': {
      const width = metaOf(field)[typeOption]
      return { schema: width === 'int8' ? make.int8(options) : width === 'int16' ? make.int16(options) : make.int32(options), ...same }
    }
    case 'uint32': case 'fixed32': return { schema: make.int64(options), ...same }
    case 'int64': case 'sint64': case 'sfixed64': return { schema: make.int64(options), ...longs(false) }
    case 'uint64': case 'fixed64': return { schema: make.int64(options), ...longs(true) }
    case 'float': return { schema: make.float32(options), ...same }
    case 'double': return { schema: make.float64(options), ...same }
    case 'bool': return { schema: make.boolean(options), ...same }
    case 'string': return { schema: make.string(options), ...same }
    case 'bytes': return { schema: make.bytes(options), ...bytesWay }
    default: throw dataError(`the Protobuf type ${field.type} is not known`)
  }
}

function arrayCodec(items: ProtobufCodec): ProtobufCodec {
  return {
    schema: make.array(items.schema),
    write: (value) => (value as readonly unknown[]).map((each) => items.write(required(each, 'list'))),
    read: (value) => ((value ?? []) as readonly unknown[]).map((each) => items.read(each)),
  }
}

function mapCodec(keyType: string, values: ProtobufCodec): ProtobufCodec {
  const isWide = keyType.endsWith('64')
  const isText = keyType === 'string'
  const key = isText ? make.string() : keyType === 'bool' ? make.boolean() : isWide || keyType.startsWith('u') || keyType === 'fixed32' ? make.int64() : make.int32()
  // protobufjs keeps keys as texts, wide ones as eight characters
  const wideKey = (text: string) => int64Value(Buffer.from(text, 'latin1').readBigInt64LE())
  const wideText = (value: number | bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(value))
    return bytes.toString('latin1')
  }
  const readKey = (text: string): unknown => (isText ? text : isWide ? wideKey(text) : keyType === 'bool' ? text === 'true' : Number(text))
  return {
    schema: make.map(key, values.schema),
    write: (value) => Object.fromEntries([...(value as ReadonlyMap<unknown, unknown>)].map(([name, each]) => [isWide ? wideText(name as number | bigint) : String(name), values.write(required(each, 'map'))])),
    read: (value) => new Map(Object.entries((value ?? {}) as Members).map(([name, each]) => [readKey(name), values.read(each)])),
  }
}

function required(value: unknown, where: string): unknown {
  if ((value ?? null) === null) throw dataError(`Protobuf has no null in a ${where}`)
  return value
}

/** Of Confluent's option `field_meta`. */
function metaOf({ parsedOptions }: Protobuf.Field): Readonly<Record<string, string>> {
  const metas = ((parsedOptions ?? []) as readonly Members[]).map((each) => each['(confluent.field_meta)'] as { readonly params?: unknown } | undefined)
  const params = metas.flatMap((each) => (each?.params ?? []) as { readonly key: string; readonly value: string } | readonly { readonly key: string; readonly value: string }[])
  return Object.fromEntries(params.map(({ key, value }) => [key, value]))
}

// ------------------------------------------------------------------------------------------------ messages that mean more

const dayMs = 86_400_000

function decimalCodec(scale: number): ProtobufCodec {
  return {
    schema: make.decimal(scale, { optional: true }),
    write(value) {
      const decimal = value as Decimal
      if (decimal.scale !== scale) throw dataError(`the decimal ${decimal.toString()} has scale ${decimal.scale}, its Protobuf schema ${scale}`)
      return { value: Buffer.from(decimal.toBytes()), scale }
    },
    read: (value) => Decimal.fromBytes((value as Members)['value'] as Uint8Array, scale),
  }
}

const number = (value: unknown) => Number(typeof value === 'object' && value !== null ? longs(false).read(value) : (value ?? 0))

const wellKnown: Readonly<Record<string, (optional: boolean) => ProtobufCodec>> = {
  '.google.protobuf.Timestamp': (optional) => ({
    schema: make.timestamp({ optional }),
    write: (value) => {
      const ms = (value as Date).getTime()
      const seconds = Math.floor(ms / 1000)
      return { seconds, nanos: (ms - seconds * 1000) * 1_000_000 }
    },
    read: (value) => new Date(number((value as Members)['seconds']) * 1000 + Math.floor(number((value as Members)['nanos']) / 1_000_000)),
  }),
  '.google.type.Date': (optional) => ({
    schema: make.date({ optional }),
    write: (value) => ({ year: (value as Date).getUTCFullYear(), month: (value as Date).getUTCMonth() + 1, day: (value as Date).getUTCDate() }),
    read: (value) => {
      const [year, month, day] = ['year', 'month', 'day'].map((name) => number((value as Members)[name]))
      return new Date(Math.floor(new Date(0).setUTCFullYear(year!, month! - 1, day!) / dayMs) * dayMs)
    },
  }),
  '.google.type.TimeOfDay': (optional) => ({
    schema: make.time({ optional }),
    write: (value) => {
      const ms = (value as Date).getTime()
      return { hours: Math.floor(ms / 3_600_000), minutes: Math.floor(ms / 60_000) % 60, seconds: Math.floor(ms / 1000) % 60, nanos: (ms % 1000) * 1_000_000 }
    },
    read: (value) => {
      const [hours, minutes, seconds, nanos] = ['hours', 'minutes', 'seconds', 'nanos'].map((name) => number((value as Members)[name]))
      return new Date(hours! * 3_600_000 + minutes! * 60_000 + seconds! * 1000 + Math.floor(nanos! / 1_000_000))
    },
  }),
}
