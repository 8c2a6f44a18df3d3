import type { RecordBatch, RecordView } from '../../core/index.ts'

/** One record as the batch that a reader would give. */
export function singleRecordBatch(record: RecordView): RecordBatch {
  return {
    baseOffset: record.offset,
    lastOffset: record.offset,
    maxTimestamp: record.timestamp,
    producerId: -1,
    recordCount: 1,
    sizeBytes: (record.key?.length ?? 0) + (record.value?.length ?? 0),
    forEach: (visit) => visit(record),
    [Symbol.iterator]: () => [record][Symbol.iterator](),
  }
}
