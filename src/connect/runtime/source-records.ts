/** Source records in their full shape. */
import type { ConnectRecord, SourceRecord, SourceSpans } from '../connect-record.ts'
import { schema as make } from '../schema.ts'

/** Transforms see every member; a task may leave them out. */
export function completed(record: SourceRecord): SourceRecord & ConnectRecord {
  return { partition: null, keySchema: null, key: null, valueSchema: null, timestamp: null, headers: [], ...record }
}

/** Each span as a record of its own, for where something has to look into it. */
export function* recordsOfSpans(spans: SourceSpans): Generator<SourceRecord> {
  const { topic, partition = null, sourcePartition, timestamp, bytes, headers = [] } = spans
  const valueSchema = spans.valueType === 'string' ? make.string() : make.bytes()
  for (let index = 0; index < spans.recordCount; index++) {
    const slice = bytes.subarray(spans.spans[2 * index], spans.spans[2 * index + 1])
    const value = spans.valueType === 'bytes' ? slice : Buffer.from(slice.buffer, slice.byteOffset, slice.length).toString('utf8')
    yield { topic, partition, value, valueSchema, timestamp, headers, sourcePartition, sourceOffset: spans.sourceOffset(index) }
  }
}
