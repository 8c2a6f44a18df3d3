/** JSON to Connect data of a schema, as lenient about wrong types as upstream's JsonConverter. */
import { dataError } from '../errors.ts'
import { int64Value } from '../int64.ts'
import { dateAt } from '../java-calendar.ts'
import { Decimal, logicalOf, Struct } from '../schema.ts'
import type { LogicalName, Schema, SchemaType } from '../schema.ts'
import { validateValue } from '../validate.ts'
import { isObject, own } from './json-schema-node.ts'
import { JsonNumber } from './json-text.ts'
import type { JsonNode } from './json-text.ts'

const dayMs = 86_400_000

/** @throws INVALID_DATA */
export function readJsonValue(schema: Schema, node: JsonNode, replaceNullWithDefault: boolean): unknown {
  if (node === null) {
    if (replaceNullWithDefault && (schema.default ?? null) !== null) return schema.default
    if (schema.optional) return null
    throw dataError(`Invalid null value for required ${schema.type.toUpperCase()} field`)
  }
  const logical = logicalOf(schema)
  if (logical !== undefined) return readLogical(logical, schema, node)
  const inner = (of: Schema, each: JsonNode) => readJsonValue(of, each, replaceNullWithDefault)
  switch (schema.type) {
    case 'array': return itemsOf(node).map((each) => inner(schema.valueSchema!, each))
    case 'map': return readMap(schema, node, inner)
    case 'struct': return readStruct(schema, node, inner)
    default: return readScalar(schema.type, node)
  }
}

type Inner = (of: Schema, node: JsonNode) => unknown

const integerBits: Partial<Record<SchemaType, number>> = { int8: 8, int16: 16, int32: 32, int64: 64 }

function readScalar(type: SchemaType, node: JsonNode): unknown {
  if (type === 'string') return typeof node === 'string' ? node : null
  if (type === 'boolean') return node === true
  if (type === 'bytes') return typeof node === 'string' ? readBase64(node) : null
  if (type === 'float64') return numberOf(node)
  if (type === 'float32') return Math.fround(numberOf(node))
  if (typeof node === 'number' && fitsInteger(type, node)) return node + 0 // -0 is 0
  return int64Value(BigInt.asIntN(integerBits[type]!, integerOf(node)))
}

function fitsInteger(type: SchemaType, value: number): boolean {
  if (type === 'int64') return Number.isSafeInteger(value)
  const unused = 32 - integerBits[type]!
  return (value << unused) >> unused === value
}

function numberOf(node: JsonNode): number {
  if (typeof node === 'number') return node
  if (typeof node === 'string') return unwritable.get(node) ?? 0
  return node instanceof JsonNumber ? Number(node.text) + 0 : 0
}

/** What JSON has no number for is written as text. */
const unwritable: ReadonlyMap<string, number> = new Map([['NaN', Number.NaN], ['Infinity', Number.POSITIVE_INFINITY], ['-Infinity', Number.NEGATIVE_INFINITY]])

/** Digits after the point are dropped; what is no number is 0. */
function integerOf(node: JsonNode): bigint {
  if (typeof node === 'number') return BigInt(node)
  if (!(node instanceof JsonNumber)) return 0n
  if (node.integral) return BigInt(node.text)
  const { unscaled, scale } = Decimal.parse(node.text)
  if (Math.abs(scale) > maxScale) return 0n
  return scale <= 0 ? unscaled * 10n ** BigInt(-scale) : unscaled / 10n ** BigInt(scale)
}

/** A number such as 1e999999999 must not be spelled out. */
const maxScale = 10_000

function readBase64(text: string): Uint8Array {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) throw dataError('Invalid bytes field: the text is not base64')
  return Buffer.from(text, 'base64')
}

function itemsOf(node: JsonNode): readonly JsonNode[] {
  if (Array.isArray(node)) return node as readonly JsonNode[]
  return isObject(node) ? Object.values(node) : []
}

function readMap(schema: Schema, node: JsonNode, inner: Inner): ReadonlyMap<unknown, unknown> {
  const { keySchema, valueSchema } = schema
  if (keySchema!.type === 'string') {
    if (!isObject(node)) throw dataError(`Maps with string fields should be encoded as JSON objects, but found ${kindOf(node)}`)
    return new Map(Object.entries(node).map(([key, each]) => [key, inner(valueSchema!, each)]))
  }
  if (!Array.isArray(node)) throw dataError(`Maps with non-string fields should be encoded as JSON array of tuples, but found ${kindOf(node)}`)
  return new Map((node as readonly JsonNode[]).map((entry) => {
    if (!Array.isArray(entry)) throw dataError(`Found invalid map entry instead of array tuple: ${kindOf(entry)}`)
    const pair = entry as readonly JsonNode[]
    if (pair.length !== 2) throw dataError(`Found invalid map entry, expected length 2 but found :${pair.length}`)
    return [inner(keySchema!, pair[0]!), inner(valueSchema!, pair[1]!)]
  }))
}

function readStruct(schema: Schema, node: JsonNode, inner: Inner): Struct {
  if (!isObject(node)) throw dataError(`Structs should be encoded as JSON objects, but found ${kindOf(node)}`)
  return new Struct(schema, schema.fields!.map((field) => {
    const value = inner(field.schema, own(node, field.name) ?? null)
    if (value !== null || field.schema.default === undefined) validateValue(field.schema, value, `field "${field.name}"`)
    return value
  }))
}

function readLogical(logical: LogicalName, schema: Schema, node: JsonNode): unknown {
  if (logical === 'decimal') return readDecimal(schema, node)
  const integer = typeof node === 'number' || (node instanceof JsonNumber && node.integral)
  if (!integer) throw dataError(`Invalid type for ${logical}, underlying representation should be an integer but was ${kindOf(node)}`)
  const value = Number(BigInt.asIntN(64, integerOf(node)))
  if (logical === 'timestamp') return dateAt(value)
  if (value !== (value | 0)) throw dataError(`Invalid type for ${logical}, underlying representation should be a 32-bit integer`)
  if (logical === 'date') return dateAt(value * dayMs)
  if (value < 0 || value > dayMs) throw dataError('Time values must use number of milliseconds greater than 0 and less than 86400000')
  return new Date(value)
}

function readDecimal(schema: Schema, node: JsonNode): Decimal {
  if (typeof node === 'number') return new Decimal(BigInt(node), 0)
  if (node instanceof JsonNumber) return Decimal.parse(node.text)
  if (typeof node !== 'string') throw dataError(`Invalid type for Decimal, underlying representation should be numeric or bytes but was ${kindOf(node)}`)
  const scale = Number(schema.parameters?.['scale'])
  if (!Number.isInteger(scale)) throw dataError('Invalid bytes for Decimal field: its schema has no parameter "scale"')
  return Decimal.fromBytes(readBase64(node), scale)
}

/** Jackson's names of the kinds of JSON, as in upstream's errors. */
function kindOf(node: JsonNode): string {
  if (node === null) return 'NULL'
  if (typeof node === 'number' || node instanceof JsonNumber) return 'NUMBER'
  return Array.isArray(node) ? 'ARRAY' : typeof node === 'object' ? 'OBJECT' : typeof node === 'string' ? 'STRING' : 'BOOLEAN'
}
