import { deserializeCopy } from '../../core/index.ts'
import type { Serde } from '../../core/index.ts'
import { readInt64, writeInt64 } from './bytes.ts'
import { ScratchBytes } from './scratch-bytes.ts'

/** A row of a timestamped store: the value, and the largest timestamp of the records that led to it. */
export interface ValueAndTimestamp<V> {
  readonly value: V
  /** Milliseconds since the epoch. */
  readonly timestamp: number
}

/** Of the timestamp in front of a stored row. */
export const timestampBytes = 8

/**
 * 8 bytes of timestamp, big-endian, then the value: the layout of Kafka Streams' timestamped stores. For stores, which copy
 * what they are given: the bytes are good until the next ones are asked for.
 */
export function valueAndTimestampSerde<V>(valueSerde: Serde<V>): Serde<ValueAndTimestamp<V>> {
  const scratch = new ScratchBytes()
  const deserializeRange = (bytes: Uint8Array, start: number, end: number): ValueAndTimestamp<V> => ({
    value: deserializeCopy(valueSerde, bytes, start + timestampBytes, end),
    timestamp: readInt64(bytes, start),
  })
  return {
    serialize({ value, timestamp }) {
      const end = scratch.write(valueSerde, value, timestampBytes)
      writeInt64(scratch.room(end), 0, timestamp)
      return scratch.first(end)
    },
    serializeInto({ value, timestamp }, bytes, at) {
      const end = valueSerde.serializeInto?.(value, bytes, at + timestampBytes) ?? -1
      if (end >= 0) writeInt64(bytes, at, timestamp)
      return end
    },
    deserialize: (bytes) => deserializeRange(bytes, 0, bytes.length),
    deserializeRange,
    ...(valueSerde.deserializeFrom && {
      deserializeFrom: (window, start, end) => ({ value: valueSerde.deserializeFrom!(window, start + timestampBytes, end), timestamp: readInt64(window.bytes, start) }),
    }),
  }
}

export function joinTimestamp(timestamp: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(timestampBytes + value.length)
  writeInt64(bytes, 0, timestamp)
  bytes.set(value, timestampBytes)
  return bytes
}

/** The timestamp in front of a stored row. */
export function timestampOf(bytes: Uint8Array): number {
  return readInt64(bytes, 0)
}
