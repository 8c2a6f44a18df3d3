/** Source records in their full shape. */
import type { ConnectHeader, ConnectRecord, SourceOffset, SourcePartition, SourceRecord, SourceSpans, SpanType } from '../connect-record.ts'
import { parseSchemaless } from '../converters/json-text.ts'
import { schema as make } from '../schema.ts'
import type { Schema } from '../schema.ts'

/** Transforms see every member of a record's data; a task may leave them out. */
export function completed({ topic, partition = null, keySchema = null, key = null, valueSchema = null, value, timestamp = null, headers = noHeaders }: SourceRecord): ConnectRecord {
  return { topic, partition, keySchema, key, valueSchema, value, timestamp, headers }
}

const noHeaders: readonly ConnectHeader[] = []

/** Each span as a record of its own, for where something has to look into it. */
export function* recordsOfSpans(spans: SourceSpans): Generator<SourceRecord> {
  const schema = schemaOf[spans.valueType]()
  for (let index = 0; index < spans.recordCount; index++) yield new SpanRecord(spans, index, schema)
}

/** Works its offset out only when it is asked for. */
class SpanRecord implements SourceRecord {
  readonly topic: string
  readonly partition: number | null
  readonly keySchema: Schema | null
  readonly key: unknown
  readonly valueSchema: Schema | null
  readonly value: unknown
  readonly timestamp: number
  readonly headers: readonly ConnectHeader[]
  readonly sourcePartition: SourcePartition
  readonly #spans: SourceSpans
  readonly #index: number

  constructor(spans: SourceSpans, index: number, schema: Schema | null) {
    const { bytes, keySpans, values, valueType } = spans
    this.topic = spans.topic
    this.partition = spans.partition ?? null
    this.key = keySpans === undefined ? null : valueOf(spanAt(bytes, keySpans, index), valueType)
    this.keySchema = this.key === null ? null : schema
    this.value = values === undefined ? valueOf(spanAt(bytes, spans.spans, index), valueType) : values[index]
    this.valueSchema = this.value === null ? null : schema
    this.timestamp = spans.timestamp
    this.headers = spans.headers ?? noHeaders
    this.sourcePartition = spans.sourcePartition
    this.#spans = spans
    this.#index = index
  }

  get sourceOffset(): SourceOffset {
    return this.#spans.sourceOffset(this.#index)
  }
}

/** The same bytes as what spans are taken from fastest: a Buffer takes twice as long. */
export function plainBytes({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}

/** null: there is none. */
export function spanAt(bytes: Uint8Array, spans: Uint32Array, index: number): Uint8Array | null {
  const [start, end] = [spans[2 * index]!, spans[2 * index + 1]!]
  return end < start ? null : bytes.subarray(start, end)
}

const schemaOf = { string: () => make.string(), bytes: () => make.bytes(), json: () => null }

function valueOf(bytes: Uint8Array | null, type: SpanType): unknown {
  if (bytes === null || type === 'bytes') return bytes
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  return type === 'string' ? text : parseSchemaless(text)
}
