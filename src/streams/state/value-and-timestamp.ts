import type { Serde } from '../../core/index.ts'
import { readInt64, writeInt64 } from './bytes.ts'

/** A row of a timestamped store: the value, and the largest timestamp of the records that led to it. */
export interface ValueAndTimestamp<V> {
  readonly value: V
  /** Milliseconds since the epoch. */
  readonly timestamp: number
}

const timestampBytes = 8

/** 8 bytes of timestamp, big-endian, then the value: the layout of Kafka Streams' timestamped stores. */
export function valueAndTimestampSerde<V>(valueSerde: Serde<V>): Serde<ValueAndTimestamp<V>> {
  return {
    serialize: ({ value, timestamp }) => joinTimestamp(timestamp, valueSerde.serialize(value)),
    deserialize: (bytes) => ({ value: valueSerde.deserialize(bytes.subarray(timestampBytes)), timestamp: readInt64(bytes, 0) }),
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

export function withoutTimestamp(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(timestampBytes)
}
