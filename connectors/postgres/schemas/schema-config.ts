import { option } from 'millrace/connect'
import type { SchemaModes } from './column-schema.ts'

const timeModes = ['adaptive', 'adaptive_time_microseconds', 'connect'] as const

/** Names and values are Debezium's. */
export function schemaOptions(time: SchemaModes['time']) {
  return {
    'schemas.enable': option.boolean({
      doc: 'Records have Connect schemas, as the Avro converter and JSON with schemas need them. false: they are plain data, which is several times faster.',
      default: false,
    }),
    'time.precision.mode': option.oneOf(timeModes, {
      doc: 'With schemas.enable, what dates and times without time zone become. adaptive: io.debezium.time.Date; Time and Timestamp (milliseconds) or MicroTime and MicroTimestamp, by the precision of the column. adaptive_time_microseconds: as adaptive, but always MicroTime. connect: Date, Time and Timestamp of Kafka Connect, to the millisecond.',
      default: time,
    }),
    'decimal.handling.mode': option.oneOf(['precise', 'double', 'string'], {
      doc: 'With schemas.enable, what numeric and money become. precise: Decimal, or io.debezium.data.VariableScaleDecimal where the column has no scale; NaN and infinity are an error then.',
      default: 'precise',
    }),
    'interval.handling.mode': option.oneOf(['numeric', 'string'], { doc: 'With schemas.enable, what interval becomes. numeric: microseconds, with a month as 365.25/12 days. string: ISO 8601.', default: 'numeric' }),
    'hstore.handling.mode': option.oneOf(['json', 'map'], { doc: 'With schemas.enable, what hstore becomes.', default: 'json' }),
  }
}

interface SchemaConfig {
  readonly 'schemas.enable': boolean
  readonly 'time.precision.mode': SchemaModes['time']
  readonly 'decimal.handling.mode': SchemaModes['decimal']
  readonly 'interval.handling.mode': SchemaModes['interval']
  readonly 'hstore.handling.mode': SchemaModes['hstore']
}

/** Undefined: records have none. */
export function schemaModesOf(config: SchemaConfig): SchemaModes | undefined {
  if (!config['schemas.enable']) return undefined
  return { time: config['time.precision.mode'], decimal: config['decimal.handling.mode'], interval: config['interval.handling.mode'], hstore: config['hstore.handling.mode'] }
}
