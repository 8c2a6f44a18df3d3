/** Text to typed values, as upstream's `Values.parseString`: what SimpleHeaderConverter and InsertHeader understand. */
import { isStreamError } from '../../core/index.ts'
import type { SchemaAndValue } from '../converters/converter.ts'
import { dataError } from '../errors.ts'
import { Decimal, logicalOf, schema as make } from '../schema.ts'
import type { Schema, SchemaType } from '../schema.ts'
import { int64Value } from '../int64.ts'
import { dateAt, dayOfCivil } from '../java-calendar.ts'
import { javaTrim, ValueTokens } from './value-tokens.ts'

const nothing: SchemaAndValue = { schema: null, value: null }
const maxDepth = 200

/** The smallest type that fits: numbers, booleans, ISO dates and times, arrays, maps; whatever is none of these is a string. */
export function parseValue(text: string | null): SchemaAndValue {
  if (text === null) return nothing
  if (text.trim() === '') return string(text)
  return parse(new ValueTokens(text), 0) ?? nothing
}

/** undefined: null. */
function parse(tokens: ValueTokens, depth: number): SchemaAndValue | undefined {
  if (depth > maxDepth) throw dataError(`a value is nested deeper than ${maxDepth}`)
  if (!tokens.hasNext) return undefined
  const embedded = depth > 0
  if (embedded && tokens.take('"')) return parseQuoted(tokens)
  const start = tokens.mark()
  const literal = takeLiteral(tokens)
  if (literal !== undefined && (embedded || !tokens.hasNext)) return literal.schema === null ? undefined : literal
  tokens.rewind(start)
  return parseCollection(tokens, depth) ?? parseToken(tokens, embedded)
}

function takeLiteral(tokens: ValueTokens): SchemaAndValue | undefined {
  if (tokens.take('null')) return nothing
  if (tokens.take('true')) return { schema: make.boolean(), value: true }
  return tokens.take('false') ? { schema: make.boolean(), value: false } : undefined
}

function parseQuoted(tokens: ValueTokens): SchemaAndValue {
  let text = ''
  while (tokens.hasNext) {
    if (tokens.take('"')) return temporal(text) ?? string(text)
    text += tokens.next()
  }
  throw dataError('a quoted string has no end')
}

/** Text that begins like an array or a map and is none is taken as a string. Blank tokens before something else stay taken. */
function parseCollection(tokens: ValueTokens, depth: number): SchemaAndValue | undefined {
  const start = tokens.mark()
  try {
    if (tokens.take('[')) return parseArray(tokens, depth)
    if (tokens.take('{')) return parseMap(tokens, depth)
  } catch (error) {
    if (!isStreamError(error, 'INVALID_DATA')) throw error
    tokens.rewind(start)
  }
  return undefined
}

function parseArray(tokens: ValueTokens, depth: number): SchemaAndValue {
  const items: unknown[] = []
  const common = new CommonSchema()
  while (tokens.hasNext) {
    if (tokens.take(']')) return { schema: arrayOf(common.schema), value: items.map((each) => align(common.schema, each)) }
    if (tokens.take(',')) throw dataError('an array element is empty')
    const item = parse(tokens, depth + 1)
    common.merge(item)
    items.push(item?.value ?? null)
    const mark = tokens.mark()
    if (tokens.take(']')) tokens.rewind(mark)
    else if (!tokens.take(',')) throw dataError('array elements are not separated by ","')
  }
  throw dataError('an array has no end')
}

function parseMap(tokens: ValueTokens, depth: number): SchemaAndValue {
  const pairs: (readonly [unknown, unknown])[] = []
  const [keys, values] = [new CommonSchema(), new CommonSchema()]
  while (tokens.hasNext) {
    if (tokens.take('}')) return mapOf(keys.schema, keys.schema === null ? null : values.schema, pairs)
    if (tokens.take(',')) throw dataError('a map entry has no key and no value')
    const key = parse(tokens, depth + 1)
    if (key === undefined || key.value === null) throw dataError('a map key is null')
    if (!tokens.take(':')) throw dataError('a map entry has no ":"')
    const value = parse(tokens, depth + 1)
    pairs.push([key.value, value?.value ?? null])
    tokens.take(',')
    keys.merge(key)
    values.merge(value)
  }
  throw dataError('a map has no end')
}

/** Collections of nothing have no schema of elements, which no other schema can be built without. */
function arrayOf(items: Schema | null): Schema {
  return items === null ? Object.freeze({ type: 'array', optional: false }) : make.array(items)
}

function mapOf(keys: Schema | null, values: Schema | null, pairs: readonly (readonly [unknown, unknown])[]): SchemaAndValue {
  const schema: Schema = Object.freeze({ type: 'map', optional: false, ...(keys !== null && { keySchema: keys }), ...(values !== null && { valueSchema: values }) })
  return { schema, value: new Map(pairs.map(([key, each]) => [align(keys, key), align(values, each)])) }
}

const numberOrder: readonly SchemaType[] = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64']

/** What the elements of a collection have in common: of numbers the wider, of one type the latter; once they have nothing in common, nothing more. */
class CommonSchema {
  schema: Schema | null = null
  #isPossible = true

  merge(latest: SchemaAndValue | undefined): void {
    if (!this.#isPossible || latest === undefined || latest.schema === null) return
    this.schema = this.schema === null ? latest.schema : commonSchema(this.schema, latest.schema)
    this.#isPossible = this.schema !== null
  }
}

function commonSchema(known: Schema, latest: Schema): Schema | null {
  if (known.type === latest.type) return latest
  const [a, b] = [numberOrder.indexOf(known.type), numberOrder.indexOf(latest.type)]
  if (a < 0 || b < 0) return null
  return a > b ? known : latest
}

/** @throws INVALID_DATA when the element is not of the common schema */
function align(to: Schema | null, value: unknown): unknown {
  if (to === null) return value
  if (value === null) throw dataError('null among values of a type')
  const logical = logicalOf(to)
  if ((typeof value === 'number' || typeof value === 'bigint') && logical !== undefined && logical !== 'decimal') {
    if (logical === 'time' && (value < 0 || value > dayMs)) throw dataError(`a time of ${value} ms`)
    return dateAt(Number(value) * (logical === 'date' ? dayMs : 1))
  }
  if (logical !== undefined || !numberOrder.includes(to.type)) return value
  if (typeof value !== 'number' && typeof value !== 'bigint') throw dataError(`a ${typeof value} among numbers`)
  return to.type === 'float32' ? Math.fround(Number(value)) : to.type === 'float64' ? Number(value) : value
}

function parseToken(tokens: ValueTokens, embedded: boolean): SchemaAndValue {
  const token = tokens.next()
  if (token.trim() === '') return string(token)
  const text = javaTrim(token)
  const first = text[0]!
  const isDigit = /\p{Nd}/u.test(first)
  const found = (isDigit ? parseTemporal(tokens, text) : undefined) ?? (isDigit || first === '+' || first === '-' ? parseNumber(text) : undefined)
  if (found !== undefined) return found
  if (embedded) throw dataError('an embedded value is not understood')
  return string(tokens.original)
}

/** A time has colons, which are delimiters: it may reach over five tokens. */
function parseTemporal(tokens: ValueTokens, text: string): SchemaAndValue | undefined {
  const mark = tokens.mark()
  const rest = tokens.nextText(4)
  const long = rest === undefined ? undefined : temporal(text + rest)
  if (long !== undefined) return long
  tokens.rewind(mark)
  return temporal(text)
}

const dayMs = 86_400_000

/** As Java's lenient SimpleDateFormat: numbers of any length, overflowing into the next unit. */
function temporal(escaped: string): SchemaAndValue | undefined {
  const text = escaped.replaceAll('\\:', ':')
  if (text.length === 'HH:mm:ss.SSSZ'.length) {
    const match = /^(\d+):(\d+):(\d+)\.(\d+)Z/.exec(text)
    return match === null ? undefined : { schema: make.time(), value: new Date(timeMs(match.slice(1))) }
  }
  if (text.length === 'yyyy-MM-ddTHH:mm:ss.SSSZ'.length) {
    const match = /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)Z/.exec(text)
    return match === null ? undefined : { schema: make.timestamp(), value: new Date(dateMs(match.slice(1, 4)) + timeMs(match.slice(4))) }
  }
  const match = text.length === 'yyyy-MM-dd'.length ? /^(\d+)-(\d+)-(\d+)/.exec(text) : null
  return match === null ? undefined : { schema: make.date(), value: new Date(dateMs(match.slice(1))) }
}

function timeMs([hours, minutes, seconds, millis]: readonly string[]): number {
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(millis)
}

function dateMs([year, month, day]: readonly string[]): number {
  return dayOfCivil(Number(year), Number(month), Number(day)) * dayMs
}

/** The smallest type that holds the number exactly, or a float that comes near; beyond them a decimal. */
function parseNumber(token: string): SchemaAndValue | undefined {
  const text = asciiDigits(token)
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?$/.test(text)) return undefined
  const decimal = Decimal.parse(text)
  const whole = wholeOf(decimal)
  const integer = whole === undefined ? undefined : integerOf(whole)
  if (integer !== undefined) return integer
  const [value, single] = [Number(text), Math.fround(Number(text))]
  if (Number.isFinite(single) && decimal.scale !== 0) return { schema: make.float32(), value: single }
  if (Number.isFinite(value) && decimal.scale !== 0) return { schema: make.float64(), value }
  return { schema: make.decimal(decimal.scale), value: decimal }
}

const integers = [['int8', 7], ['int16', 15], ['int32', 31], ['int64', 63]] as const

function integerOf(whole: bigint): SchemaAndValue | undefined {
  const fitting = integers.find(([, bits]) => BigInt.asIntN(bits + 1, whole) === whole)
  return fitting === undefined ? undefined : { schema: make[fitting[0]](), value: int64Value(whole) }
}

/** The number without its point, when nothing but zeros stands behind it and it is not absurdly long. */
function wholeOf({ unscaled, scale }: Decimal): bigint | undefined {
  if (unscaled === 0n) return 0n
  if (scale <= 0) return scale < -20 ? undefined : unscaled * 10n ** BigInt(-scale)
  if (scale > String(unscaled).length) return undefined
  const unit = 10n ** BigInt(scale)
  return unscaled % unit === 0n ? unscaled / unit : undefined
}

function asciiDigits(text: string): string {
  return text.replace(/\p{Nd}/gu, (each) => {
    const point = each.codePointAt(0)!
    let zero = point
    while (point - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--
    return String(point - zero)
  })
}

function string(text: string): SchemaAndValue {
  return { schema: make.string(), value: text }
}
