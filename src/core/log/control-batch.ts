import { StreamError } from '../errors.ts'
import { readInt16, readInt32, writeInt16, writeInt32 } from './big-endian.ts'
import { batchAttributes, batchHeaderBytes, writeBatchHeader } from './record-batch.ts'
import type { RecordBatchView } from './record-batch.ts'
import { writeVarint } from './varint.ts'

/** The end of a transaction in one partition. */
export interface TransactionMarker {
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly type: MarkerType
  /** Milliseconds since the epoch. */
  readonly timestamp: number
}

export type MarkerType = 'commit' | 'abort'

const typeIds: Readonly<Record<MarkerType, number>> = { abort: 0, commit: 1 }
const keyBytes = 4
const valueBytes = 6

/** A control batch of one record: key = i16 version 0, i16 type; value = i16 version 0, i32 coordinator epoch. It takes one offset. */
export function encodeMarker(marker: TransactionMarker): Uint8Array {
  // length, attributes, timestamp delta 0, offset delta 0, key length, key, value length, value, no headers
  const bytes = new Uint8Array(batchHeaderBytes + 6 + keyBytes + valueBytes + 1)
  let at = writeVarint(bytes, batchHeaderBytes, bytes.length - batchHeaderBytes - 1)
  at = writeVarint(bytes, at + 3, keyBytes)
  writeInt16(bytes, at + 2, typeIds[marker.type])
  at = writeVarint(bytes, at + keyBytes, valueBytes)
  writeInt32(bytes, at + 2, marker.coordinatorEpoch)
  writeBatchHeader(bytes, {
    baseOffset: 0, leaderEpoch: 0, attributes: batchAttributes.transactional | batchAttributes.control, lastOffsetDelta: 0,
    baseTimestamp: marker.timestamp, maxTimestamp: marker.timestamp,
    producerId: marker.producerId, producerEpoch: marker.producerEpoch, baseSequence: -1, recordCount: 1,
  })
  return bytes
}

/** What a control batch says; null for control records that do not end a transaction (such as a leader change) and for emptied ones. @throws CORRUPT_RECORD */
export function readMarker(batch: RecordBatchView): { readonly type: MarkerType; readonly coordinatorEpoch: number } | null {
  for (const { key, value } of batch) {
    if (key === null || key.length < keyBytes) throw new StreamError('CORRUPT_RECORD', `the control record at offset ${batch.baseOffset} has no key of ${keyBytes} bytes`)
    const typeId = readInt16(key, 2)
    if (typeId !== typeIds.abort && typeId !== typeIds.commit) return null
    if (value === null || value.length < valueBytes) throw new StreamError('CORRUPT_RECORD', `the marker at offset ${batch.baseOffset} has no value of ${valueBytes} bytes`)
    return { type: typeId === typeIds.commit ? 'commit' : 'abort', coordinatorEpoch: readInt32(value, 2) }
  }
  return null
}
