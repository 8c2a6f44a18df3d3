import type { Header } from '../core/index.ts'
import { InputOrigin, StreamRecord, noHeaders } from './stream-record.ts'
import type { InputBatch } from './stream-record.ts'

/** Takes what was read of a record, in place of a record. `key`: or `unread`. `mark`: of the reader of the batch. */
export type HeadRun = (value: unknown, key: unknown, timestamp: number, headers: readonly Header[], batch: InputBatch, offset: number, mark: number) => void

/** What was read of the next record of a queue, before an object is made of it; one for all of them. */
export class RecordHead {
  batch: InputBatch | null = null
  offset = -1
  mark = 0
  timestamp = -1
  key: unknown = null
  value: unknown = null
  headers: readonly Header[] = noHeaders
  /** Made already, where a function of the program had to see it. */
  record: StreamRecord | null = null

  /** The record. */
  take(): StreamRecord {
    return this.record ?? readRecord(this.batch!, this.offset, this.mark, this.key, this.value, this.timestamp, this.headers)
  }
}

/** A function of its own: within a larger one the compiler calls the constructors instead of making the objects in place. */
export function readRecord(batch: InputBatch, offset: number, mark: number, key: unknown, value: unknown, timestamp: number, headers: readonly Header[]): StreamRecord {
  return new StreamRecord(key, value, timestamp, headers, new InputOrigin(batch, offset, mark, key, value, headers))
}

/** The key that was left for later. */
export function readKey({ place, reader }: InputBatch, mark: number): unknown {
  return reader.keyOf?.(mark, place.keySerde)
}
