/** The Connect schema of a column, as Debezium's connector has it, and what its values become. */
import { connectorError, dataError, Decimal, schema as schemas, Struct } from 'millrace/connect'
import type { Schema, SchemaOptions } from 'millrace/connect'
import type { BaseType } from '../cdc/type-catalog.ts'
import { jsonText } from '../json-text.ts'
import { daysOf, intervalMicros, timeMicros, timestampMicros } from './moment.ts'

export interface SchemaModes {
  readonly time: 'adaptive' | 'adaptive_time_microseconds' | 'connect'
  readonly decimal: 'precise' | 'double' | 'string'
  readonly interval: 'numeric' | 'string'
  readonly hstore: 'json' | 'map'
}

export interface ColumnForm {
  readonly schema: Schema
  /** Of what a record without schema holds; not null. @throws a data error for what the schema has no value for */
  of(value: unknown): unknown
}

type FormOf = (type: BaseType, modes: SchemaModes, options: SchemaOptions) => ColumnForm

const asIs = (value: unknown): unknown => value
const asText = (value: unknown): string => (typeof value === 'string' ? value : jsonText(value))
const asNumber = (value: unknown): number => Number(value)
/** What fits is a number, the rest a bigint. */
const asInt64 = (value: bigint): number | bigint => (value >= -9_007_199_254_740_991n && value <= 9_007_199_254_740_991n ? Number(value) : value)

const plain = (made: (options: SchemaOptions) => Schema, of = asIs): FormOf => (_type, _modes, options) => ({ schema: made(options), of })
const text = (name?: string): FormOf => (_type, _modes, options) => ({ schema: schemas.string({ ...options, ...(name !== undefined && { name, version: 1 }) }), of: asText })

const formsByOid: ReadonlyMap<number, FormOf> = new Map([
  [16, plain(schemas.boolean)],
  [21, plain(schemas.int16)],
  [23, plain(schemas.int32)],
  [20, plain(schemas.int64)],
  [26, plain(schemas.int64)],
  [700, plain(schemas.float32, asNumber)],
  [701, plain(schemas.float64, asNumber)],
  [17, plain(schemas.bytes, (value) => Buffer.from(String(value), 'base64'))],
  [1700, numericForm],
  [790, moneyForm],
  [1082, dateForm],
  [1083, timeForm],
  [1114, timestampForm],
  [1184, text('io.debezium.time.ZonedTimestamp')],
  [1266, text('io.debezium.time.ZonedTime')],
  [1186, intervalForm],
  [114, text('io.debezium.data.Json')],
  [3802, text('io.debezium.data.Json')],
  [142, text('io.debezium.data.Xml')],
  [2950, text('io.debezium.data.Uuid')],
  [3614, text('io.debezium.data.Tsvector')],
  [1560, bitsForm],
  [1562, bitsForm],
  [600, pointForm],
])

const formsByName: ReadonlyMap<string, FormOf> = new Map([['hstore', hstoreForm], ['ltree', text('io.debezium.data.Ltree')]])

export function columnForm(type: BaseType, modes: SchemaModes, options: SchemaOptions): ColumnForm {
  const { oid, facts, element } = type
  if (element !== null) return arrayForm(element, modes, options)
  const known = formsByOid.get(oid) ?? (facts === undefined ? undefined : formsByName.get(facts.name))
  if (known !== undefined) return known(type, modes, options)
  if (facts?.class === 'e') return { schema: schemas.string({ ...options, name: 'io.debezium.data.Enum', version: 1, parameters: { allowed: facts.labels?.join(',') ?? '' } }), of: asText }
  if (facts?.class === 'c') return text('io.debezium.data.Json')(type, modes, options)
  return text()(type, modes, options)
}

/** Connect knows no dimensions: the items of all of them, in order. */
function arrayForm(element: BaseType, modes: SchemaModes, options: SchemaOptions): ColumnForm {
  const item = columnForm(element, modes, { optional: true })
  const of = (value: unknown) => (Array.isArray(value) ? value.flat(6).map((each: unknown) => (each === null ? null : item.of(each))) : [])
  return { schema: schemas.array(item.schema, options), of }
}

function numericForm({ modifier }: BaseType, { decimal }: SchemaModes, options: SchemaOptions): ColumnForm {
  if (decimal === 'string') return { schema: schemas.string(options), of: asText }
  if (decimal === 'double') return { schema: schemas.float64(options), of: asNumber }
  if (modifier < 0) return variableScaleForm(options)
  const [precision, scale] = [((modifier - 4) >> 16) & 0xffff, Math.max(0, (((modifier - 4) & 0x7ff) ^ 1024) - 1024)]
  return {
    schema: schemas.decimal(scale, { ...options, parameters: { 'connect.decimal.precision': String(precision) } }),
    of: (value) => withScale(finite(value), scale),
  }
}

function variableScaleForm(options: SchemaOptions): ColumnForm {
  const schema = schemas.struct({ scale: schemas.int32(), value: schemas.bytes() }, { ...options, name: 'io.debezium.data.VariableScaleDecimal', version: 1 })
  return {
    schema,
    of(value) {
      const decimal = finite(value)
      return new Struct(schema, { scale: decimal.scale, value: decimal.toBytes() })
    },
  }
}

/** @throws a connector error for what no decimal can be */
function finite(value: unknown): Decimal {
  const written = String(value)
  if (/^-?(NaN|Infinity)$/.test(written)) throw connectorError(`a numeric column holds ${written}, which decimal.handling.mode=precise has no value for; set it to string or double`)
  return Decimal.parse(written)
}

function withScale({ unscaled, scale }: Decimal, wanted: number): Decimal {
  return new Decimal(unscaled * 10n ** BigInt(Math.max(0, wanted - scale)), Math.max(scale, wanted))
}

function moneyForm(_type: BaseType, { decimal }: SchemaModes, options: SchemaOptions): ColumnForm {
  const number = (value: unknown) => String(value).replaceAll(/[^\d.-]/g, '')
  if (decimal === 'string') return { schema: schemas.string(options), of: number }
  if (decimal === 'double') return { schema: schemas.float64(options), of: (value) => Number(number(value)) }
  return { schema: schemas.decimal(2, options), of: (value) => withScale(Decimal.parse(number(value)), 2) }
}

function dateForm(_type: BaseType, { time }: SchemaModes, options: SchemaOptions): ColumnForm {
  if (time === 'connect') return { schema: schemas.date(options), of: (value) => dateOf(daysOf(String(value)) * 86_400_000) }
  return { schema: schemas.int32({ ...options, name: 'io.debezium.time.Date', version: 1 }), of: (value) => daysOf(String(value)) }
}

function timeForm({ modifier }: BaseType, { time }: SchemaModes, options: SchemaOptions): ColumnForm {
  const milliseconds = (value: unknown) => Math.floor(timeMicros(String(value)) / 1_000)
  if (time === 'connect') return { schema: schemas.time(options), of: (value) => new Date(milliseconds(value)) }
  if (time === 'adaptive' && isCoarse(modifier)) return { schema: schemas.int32({ ...options, name: 'io.debezium.time.Time', version: 1 }), of: milliseconds }
  return { schema: schemas.int64({ ...options, name: 'io.debezium.time.MicroTime', version: 1 }), of: (value) => timeMicros(String(value)) }
}

function timestampForm({ modifier }: BaseType, { time }: SchemaModes, options: SchemaOptions): ColumnForm {
  const micros = (value: unknown) => timestampMicros(String(value))
  const milliseconds = (value: unknown) => Number((micros(value) - (((micros(value) % 1_000n) + 1_000n) % 1_000n)) / 1_000n)
  if (time === 'connect') return { schema: schemas.timestamp(options), of: (value) => dateOf(milliseconds(value)) }
  if (isCoarse(modifier)) return { schema: schemas.int64({ ...options, name: 'io.debezium.time.Timestamp', version: 1 }), of: milliseconds }
  return { schema: schemas.int64({ ...options, name: 'io.debezium.time.MicroTimestamp', version: 1 }), of: (value) => asInt64(micros(value)) }
}

/** Milliseconds are enough. */
function isCoarse(modifier: number): boolean {
  return modifier >= 0 && modifier <= 3
}

const mostMs = 8_640_000_000_000_000

/** Infinity, and years that a Date does not reach, are its ends. */
function dateOf(ms: number): Date {
  return new Date(Math.max(-mostMs, Math.min(mostMs, ms)))
}

function intervalForm(_type: BaseType, { interval }: SchemaModes, options: SchemaOptions): ColumnForm {
  if (interval === 'string') return { schema: schemas.string({ ...options, name: 'io.debezium.time.Interval', version: 1 }), of: asText }
  return { schema: schemas.int64({ ...options, name: 'io.debezium.time.MicroDuration', version: 1 }), of: (value) => asInt64(intervalMicros(String(value))) }
}

function hstoreForm(_type: BaseType, { hstore }: SchemaModes, options: SchemaOptions): ColumnForm {
  if (hstore === 'json') return { schema: schemas.string({ ...options, name: 'io.debezium.data.Json', version: 1 }), of: asText }
  return { schema: schemas.map(schemas.string(), schemas.string({ optional: true }), options), of: (value) => new Map(Object.entries(value as Readonly<Record<string, unknown>>)) }
}

/** The first bit is the lowest of the last byte of the text's, which comes first: little-endian. */
function bitsForm({ oid, modifier }: BaseType, _modes: SchemaModes, options: SchemaOptions): ColumnForm {
  if (oid === 1560 && modifier === 1) return { schema: schemas.boolean(options), of: (value) => value === '1' }
  const length = modifier < 0 ? 2_147_483_647 : modifier
  return { schema: schemas.bytes({ ...options, name: 'io.debezium.data.Bits', version: 1, parameters: { length: String(length) } }), of: (value) => bitBytes(String(value)) }
}

function bitBytes(bits: string): Uint8Array {
  const bytes = new Uint8Array(Math.max(1, Math.ceil(bits.length / 8)))
  for (let place = 0; place < bits.length; place++) if (bits[bits.length - 1 - place] === '1') bytes[place >> 3]! |= 1 << (place & 7)
  return bytes
}

function pointForm(_type: BaseType, _modes: SchemaModes, options: SchemaOptions): ColumnForm {
  const schema = schemas.struct(
    { x: schemas.float64(), y: schemas.float64(), wkb: schemas.bytes({ optional: true }), srid: schemas.int32({ optional: true }) },
    { ...options, name: 'io.debezium.data.geometry.Point', version: 1, doc: 'Geometry (POINT)' },
  )
  return {
    schema,
    of(value) {
      const { x, y } = pointOf(value)
      const wkb = Buffer.alloc(21)
      wkb.writeUInt8(1) // little-endian
      wkb.writeUInt32LE(1, 1) // a point
      wkb.writeDoubleLE(x, 5)
      wkb.writeDoubleLE(y, 13)
      return new Struct(schema, { x, y, wkb, srid: null })
    },
  }
}

/** A point with coordinates that JSON has no number for came as text. */
function pointOf(value: unknown): { readonly x: number; readonly y: number } {
  if (typeof value !== 'string') return value as { x: number; y: number }
  const [x, y] = value.slice(1, -1).split(',').map(Number)
  if (x === undefined || y === undefined) throw dataError(`${value} is no point`)
  return { x, y }
}
