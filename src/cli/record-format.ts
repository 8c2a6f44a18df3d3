import { StreamError, doubleSerde, integerSerde, longSerde } from '../core/index.ts'
import type { RecordView } from '../core/index.ts'
import { checkProperties } from './properties.ts'
import type { Properties } from './properties.ts'

/** How a record is printed: the properties of Kafka's console consumer. */
export interface RecordFormat {
  readonly parts: readonly ((partition: number, record: RecordView) => Uint8Array)[]
  readonly keySeparator: Uint8Array
  readonly lineSeparator: Uint8Array
}

type Decode = (bytes: Uint8Array) => Uint8Array

const decoders: Readonly<Record<string, Decode>> = {
  string: (bytes) => bytes,
  long: (bytes) => Buffer.from(String(longSerde.deserialize(bytes))),
  integer: (bytes) => Buffer.from(String(integerSerde.deserialize(bytes))),
  double: (bytes) => Buffer.from(String(doubleSerde.deserialize(bytes))),
}

const properties = [
  'print.timestamp', 'print.partition', 'print.offset', 'print.headers', 'print.key', 'print.value', 'key.separator', 'line.separator', 'headers.separator', 'null.literal',
  'key.deserializer', 'value.deserializer',
] as const

/** @throws INVALID_CONFIG for a property that does not exist, or a decoder that does not */
export function recordFormat(given: Properties): RecordFormat {
  checkProperties(given, properties)
  const on = (name: string, byDefault = false) => (given[name] ?? String(byDefault)) === 'true'
  const nullLiteral = Buffer.from(given['null.literal'] ?? 'null')
  const headersSeparator = given['headers.separator'] ?? ','
  const [key, value] = [decoder(given, 'key.deserializer'), decoder(given, 'value.deserializer')]
  const text = (write: (partition: number, record: RecordView) => string) => (partition: number, record: RecordView) => Buffer.from(write(partition, record))
  const parts = [
    ...(on('print.timestamp') ? [text((_, record) => `CreateTime:${record.timestamp}`)] : []),
    ...(on('print.partition') ? [text((partition) => `Partition:${partition}`)] : []),
    ...(on('print.offset') ? [text((_, record) => `Offset:${record.offset}`)] : []),
    ...(on('print.headers') ? [text((_, record) => headersText(record, headersSeparator, nullLiteral))] : []),
    ...(on('print.key') ? [(_: number, record: RecordView) => (record.key === null ? nullLiteral : key(record.key))] : []),
    ...(on('print.value', true) ? [(_: number, record: RecordView) => (record.value === null ? nullLiteral : value(record.value))] : []),
  ]
  return { parts, keySeparator: Buffer.from(given['key.separator'] ?? '\t'), lineSeparator: Buffer.from(given['line.separator'] ?? '\n') }
}

/** The bytes of one line, with its end. */
export function formatRecord(partition: number, record: RecordView, format: RecordFormat): Uint8Array {
  const pieces = format.parts.flatMap((part, index) => (index === 0 ? [part(partition, record)] : [format.keySeparator, part(partition, record)]))
  return Buffer.concat([...pieces, format.lineSeparator])
}

function decoder(given: Properties, property: 'key.deserializer' | 'value.deserializer'): Decode {
  const name = given[property] ?? 'string'
  const decode = Object.hasOwn(decoders, name) ? decoders[name] : undefined
  if (decode !== undefined) return decode
  throw new StreamError('INVALID_CONFIG', `${property}: there is no ${JSON.stringify(name)}; take one of ${Object.keys(decoders).join(', ')}`, { details: { key: property } })
}

function headersText({ headers }: RecordView, separator: string, nullLiteral: Buffer): string {
  if (headers.length === 0) return 'NO_HEADERS'
  return headers.map((header) => `${header.key}:${Buffer.from(header.value ?? nullLiteral).toString()}`).join(separator)
}
