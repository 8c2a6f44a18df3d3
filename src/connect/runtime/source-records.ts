/** Source records in their full shape. */
import type { ConnectRecord, SourceRecord, SourceSpans, SpanType } from '../connect-record.ts'
import { parseSchemaless } from '../converters/json-text.ts'
import { schema as make } from '../schema.ts'

/** Transforms see every member; a task may leave them out. */
export function completed(record: SourceRecord): SourceRecord & ConnectRecord {
  return { partition: null, keySchema: null, key: null, valueSchema: null, timestamp: null, headers: [], ...record }
}

/** Each span as a record of its own, for where something has to look into it. */
export function* recordsOfSpans(spans: SourceSpans): Generator<SourceRecord> {
  const { topic, partition = null, sourcePartition, timestamp, headers = [], keySpans, valueType } = spans
  const schema = schemaOf[valueType]()
  for (let index = 0; index < spans.recordCount; index++) {
    const value = valueOf(spanAt(spans.bytes, spans.spans, index), valueType)
    const key = keySpans === undefined ? null : valueOf(spanAt(spans.bytes, keySpans, index), valueType)
    yield {
      topic, partition, key, keySchema: key === null ? null : schema, value, valueSchema: value === null ? null : schema, timestamp, headers, sourcePartition,
      sourceOffset: spans.sourceOffset(index),
    }
  }
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
