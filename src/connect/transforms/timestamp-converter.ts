import { option } from '../config-spec.ts'
import { configError, connectorError, dataError } from '../errors.ts'
import { int64Value } from '../int64.ts'
import { logicalOf, schema as make, Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'
import { describeSchema, describeValue } from '../validate.ts'
import { JavaDateFormat } from './java-date-format.ts'
import { MemberRewriter, overwriting } from './member-rewriter.ts'
import { exactly, replaceNull } from './options.ts'
import { fieldReader, oncePerSchema, ownMember, requireMembers, requireStruct, structLike, twoSided, withDefault, withOptional } from './sides.ts'

type Kind = 'string' | 'unix' | 'Date' | 'Time' | 'Timestamp'

const kinds = ['string', 'unix', 'Date', 'Time', 'Timestamp'] as const
const dayMs = 86_400_000
const maxDateMs = 8.64e15

/** One precision: units in a millisecond, or milliseconds in a unit. */
const precisions: Readonly<Record<string, { readonly perMs: bigint } | { readonly ms: bigint }>> = {
  nanoseconds: { perMs: 1_000_000n }, microseconds: { perMs: 1000n }, milliseconds: { perMs: 1n }, seconds: { ms: 1000n },
}
const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n }

const kindSchemas: Readonly<Record<Kind, Schema>> = { string: make.string(), unix: make.int64(), Date: make.date(), Time: make.time(), Timestamp: make.timestamp() }

export const timestampConverter = twoSided('TimestampConverter', {
  'field': option.string({ doc: 'The field to convert; empty: the whole value.', default: '', importance: 'high' }),
  'target.type': option.string({ doc: 'string, unix, Date, Time or Timestamp.', importance: 'high', rule: exactly(...kinds) }),
  'format': option.string({ doc: 'How text is written, as Java\'s SimpleDateFormat, in UTC.', default: '' }),
  'unix.precision': option.string({ doc: 'The unit of numbers.', default: 'milliseconds', importance: 'low', rule: exactly('nanoseconds', 'microseconds', 'milliseconds', 'seconds') }),
  'replace.null.with.default': replaceNull,
}, (config, side) => {
  const target = config['target.type'] as Kind
  if (target === 'string' && config.format === '') throw configError('TimestampConverter requires format option to be specified when using string timestamps')
  const times = new TimeKinds(config.format === '' ? null : new JavaDateFormat(config.format), config.format, config['unix.precision'])
  const replacesNull = config['replace.null.with.default']
  const read = fieldReader(replacesNull)
  const convert = (schema: Schema | null, value: unknown): unknown => {
    if (value === null || value === undefined) return null
    return times.write(target, times.read(schema === null ? kindOfValue(value) : kindOfSchema(schema), value))
  }
  const rewriter = new MemberRewriter(overwriting([config.field]))
  const targetSchema = (of: Schema) => withOptional(kindSchemas[target], of.optional)
  const convertStruct = (struct: Struct, to: Schema): Struct => new Struct(to, struct.schema.fields!.map(({ name, schema: of }) => {
    const value = read(struct, name)
    if (name !== config.field) return value
    kindOfSchema(of)
    return convert(of, value)
  }))
  const convertedSchema = oncePerSchema((schema) => {
    if (schema.fields === undefined) throw dataError(`Cannot list fields on non-struct type: ${describeSchema(schema)}`)
    const to = withOptional(structLike(schema, schema.fields.map(({ name, schema: of }) => ({ name, schema: name === config.field ? targetSchema(of) : of }))), schema.optional)
    return (schema.default ?? null) === null ? to : withDefault(to, convertStruct(schema.default as Struct, to))
  })
  return {
    apply(record) {
      const [schema, value] = [side.schemaOf(record), side.valueOf(record)]
      if (schema === null) {
        if (config.field === '') return side.with(record, null, convert(null, value))
        if (value === null) return record
        const members = requireMembers(value, 'converting timestamp formats')
        return side.with(record, null, rewriter.apply(members, [convert(null, ownMember(members, config.field))]))
      }
      if (config.field === '') return side.with(record, targetSchemaOf(schema, targetSchema), convert(schema, value))
      const struct = value === null ? null : requireStruct(value, 'converting timestamp formats')
      const to = convertedSchema(schema)
      return side.with(record, to, struct === null ? null : convertStruct(struct, to))
    },
  }
})

/** A schema that is no time is refused even for null. */
function targetSchemaOf(schema: Schema, targetSchema: (of: Schema) => Schema): Schema {
  kindOfSchema(schema)
  return targetSchema(schema)
}

function kindOfSchema(schema: Schema): Kind {
  switch (logicalOf(schema)) {
    case 'date': return 'Date'
    case 'time': return 'Time'
    case 'timestamp': return 'Timestamp'
    default: break
  }
  if (schema.type === 'string') return 'string'
  if (schema.type === 'int64') return 'unix'
  throw connectorError(`Schema ${describeSchema(schema)} does not correspond to a known timestamp type format`)
}

function kindOfValue(value: unknown): Kind {
  if (typeof value === 'string') return 'string'
  if (value instanceof Date) return 'Timestamp'
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return 'unix'
  throw dataError(`TimestampConverter does not support ${describeValue(value)} as timestamps`)
}

/** Instants in each of their forms. */
class TimeKinds {
  readonly #format: JavaDateFormat | null
  readonly #pattern: string
  readonly #precision: { readonly perMs: bigint } | { readonly ms: bigint }

  constructor(format: JavaDateFormat | null, pattern: string, precision: string) {
    this.#format = format
    this.#pattern = pattern
    this.#precision = precisions[precision]!
  }

  /** Milliseconds since the epoch. */
  read(kind: Kind, value: unknown): bigint {
    if (kind === 'string') return BigInt(this.#parse(value as string))
    return kind === 'unix' ? this.#fromUnix(BigInt(value as number | bigint)) : BigInt((value as Date).getTime())
  }

  write(kind: Kind, instant: bigint): unknown {
    if (kind === 'unix') return this.#toUnix(instant)
    const ms = dateMs(instant)
    switch (kind) {
      case 'string': return this.#format!.format(ms)
      case 'Date': return new Date(ms - modulo(ms, dayMs))
      case 'Time': return new Date(modulo(ms, dayMs))
      case 'Timestamp': return new Date(ms)
    }
  }

  #parse(text: string): number {
    const ms = this.#format?.parse(text)
    if (ms === undefined) throw dataError(`Could not parse timestamp: value (${text}) does not match pattern (${this.#pattern})`)
    return ms
  }

  #fromUnix(value: bigint): bigint {
    return 'ms' in this.#precision ? within64Bits(value * this.#precision.ms) : value / this.#precision.perMs
  }

  /** Seconds truncate towards zero; what does not fit 64 bits is the nearest that does. */
  #toUnix(ms: bigint): number | bigint {
    return int64Value('ms' in this.#precision ? ms / this.#precision.ms : within64Bits(ms * this.#precision.perMs))
  }
}

function within64Bits(value: bigint): bigint {
  return value > int64.max ? int64.max : value < int64.min ? int64.min : value
}

function dateMs(instant: bigint): number {
  if (instant <= maxDateMs && instant >= -maxDateMs) return Number(instant)
  throw dataError(`the timestamp ${instant} ms is beyond the year 275760, which a date cannot hold; is unix.precision right?`)
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by
}
