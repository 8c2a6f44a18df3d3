/** Debezium's semantic types, which the names of schemas tell: the column that holds such values, and the values as PostgreSQL reads them. */
import { Decimal, Struct } from 'millrace/connect'
import type { Schema } from 'millrace/connect'
import { dayText, timestampText, timeText } from '../schemas/moment.ts'

interface SemanticType {
  readonly column: string
  /** Absent: the value is as the database reads it. */
  readonly of?: (value: unknown, schema: Schema) => unknown
}

const whole = (value: unknown): bigint => BigInt(value as bigint | number)

const semanticTypes: ReadonlyMap<string, SemanticType> = new Map<string, SemanticType>([
  ['io.debezium.time.Date', { column: 'date', of: (value) => dayText(Number(value)) }],
  ['io.debezium.time.Time', { column: 'time', of: (value) => timeText(whole(value) * 1_000n) }],
  ['io.debezium.time.MicroTime', { column: 'time', of: (value) => timeText(whole(value)) }],
  ['io.debezium.time.NanoTime', { column: 'time', of: (value) => timeText(whole(value) / 1_000n) }],
  ['io.debezium.time.Timestamp', { column: 'timestamp', of: (value) => timestampText(whole(value) * 1_000n) }],
  ['io.debezium.time.MicroTimestamp', { column: 'timestamp', of: (value) => timestampText(whole(value)) }],
  ['io.debezium.time.NanoTimestamp', { column: 'timestamp', of: (value) => timestampText(whole(value) / 1_000n) }],
  ['io.debezium.time.ZonedTimestamp', { column: 'timestamptz' }],
  ['io.debezium.time.ZonedTime', { column: 'timetz' }],
  ['io.debezium.time.IsoDate', { column: 'date' }],
  ['io.debezium.time.IsoTime', { column: 'time' }],
  ['io.debezium.time.IsoTimestamp', { column: 'timestamp' }],
  ['io.debezium.time.MicroDuration', { column: 'interval', of: (value) => `${String(value)} microseconds` }],
  ['io.debezium.time.NanoDuration', { column: 'interval', of: (value) => `${whole(value) / 1_000n} microseconds` }],
  ['io.debezium.time.Interval', { column: 'interval' }],
  ['io.debezium.data.Uuid', { column: 'uuid' }],
  ['io.debezium.data.Json', { column: 'jsonb' }],
  ['io.debezium.data.Xml', { column: 'xml' }],
  ['io.debezium.data.Ltree', { column: 'ltree' }],
  ['io.debezium.data.Tsvector', { column: 'tsvector' }],
  ['io.debezium.data.Enum', { column: 'text' }],
  ['io.debezium.data.Bits', { column: 'varbit', of: (value, schema) => (value instanceof Uint8Array ? bitText(value, Number(schema.parameters?.['length'])) : value) }],
  ['io.debezium.data.VariableScaleDecimal', { column: 'numeric', of: (value) => (value instanceof Struct ? Decimal.fromBytes(value.get('value') as Uint8Array, value.get('scale') as number) : value) }],
  ['io.debezium.data.geometry.Point', { column: 'point', of: (value) => (value instanceof Struct ? { x: value.get('x'), y: value.get('y') } : value) }],
])

/** Undefined for a schema that says nothing of the kind. */
export function semanticColumn({ name }: Schema): string | undefined {
  return name === undefined ? undefined : semanticTypes.get(name)?.column
}

/** Makes of a value, which is not null, what PostgreSQL reads as it; undefined: nothing has to be made of it. */
export function semanticReader(schema: Schema): ((value: unknown) => unknown) | undefined {
  const of = schema.name === undefined ? undefined : semanticTypes.get(schema.name)?.of
  if (of !== undefined) return (value) => of(value, schema)
  const items = schema.type === 'array' ? semanticReader(schema.valueSchema!) : undefined
  return items && ((value) => (value as readonly unknown[]).map((item) => (item === null ? null : items(item))))
}

/** Of bytes whose first one is the lowest. Where the length is not said, as many as the bytes hold. */
function bitText(bytes: Uint8Array, length: number): string {
  const count = length <= bytes.length * 8 ? length : bytes.length * 8
  return Array.from({ length: count }, (_, index) => (bytes[(count - 1 - index) >> 3]! >> ((count - 1 - index) & 7)) & 1).join('')
}
