import { RecordsAhead } from '../core/index.ts'
import type { Header, RecordReader } from '../core/index.ts'
import { InputOrigin, StreamRecord, noHeaders, unread } from './stream-record.ts'
import type { InputBatch } from './stream-record.ts'

/** Takes what was read of a record, in place of a record. `key`: or `unread`. `mark`: of the reader of the batch. */
export interface HeadRun {
  (value: unknown, key: unknown, timestamp: number, headers: readonly Header[], batch: InputBatch, offset: number, mark: number): void
  /** False: it may be given `unread` for a value that can be read. */
  readonly seesValue: boolean
  /** Takes up to `limit` records of a batch itself, from the one that its reader comes to next, and answers how many it took. */
  readonly goThrough: (pass: BatchPass, limit: number) => number
  /** What may take records before they come to the run, many at a time. */
  readonly ahead: RunAhead | null
}

/**
 * What a run needs to go through the records of a batch in one loop. It spares, for each record, the calls between task, inputs, queue and run, and the objects
 * that numbers become when they are passed on.
 */
export interface BatchPass {
  readonly batch: InputBatch
  /** To show the record that is processed. */
  readonly head: RecordHead
  /** `decode`: the head shows the record that the reader has come to; false: it is left out. */
  readonly queue: { partitionTime: number; decode(): boolean }
  /** `isOver`: nothing more is processed. */
  readonly inputs: { streamTime: number; readonly isOver: boolean }
  readonly context: { beginHead(head: RecordHead, nowMs: number, streamTime: number): void }
  readonly nowMs: number
  /** True: a record whose key and value can be read needs no `decode`. */
  readonly isPlain: boolean
  /** Takes those that can be read together; null: none can. */
  readonly together: RecordsAhead | null
  /** The source does not refuse a record without a key. */
  readonly takesNullKeys: boolean
  /** A value that can be read is not: nobody looks at it, */
  readonly leavesValues: boolean
  /** except for this member, which is the timestamp; null: that is the record's. */
  readonly timeMember: string | null
  /** Hears of each record before it is processed. */
  readonly lookAhead: { pass(reader: RecordReader): void } | null
}

/** Does what a run does, for records of which nothing but their bytes is looked at. */
export interface RunAhead {
  /** Up to `limit` of the records that follow what was read last, never the last one of the batch; answers how many. */
  take(batch: InputBatch, limit: number): number
  /** For so many records nobody needs to try: the run goes through them itself. */
  pause: number
  /** Of the records that the last call has taken, the largest. */
  readonly timestamp: number
  /** Of the last one of them. */
  readonly offset: number
}

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

  /** Gives it another time. */
  stamp(timestamp: number): void {
    this.timestamp = timestamp
    if (this.record !== null && this.record.timestamp !== timestamp) this.record = this.record.withTimestamp(timestamp)
  }

  /** The record. */
  take(): StreamRecord {
    return this.record ?? readRecord(this.batch!, this.offset, this.mark, this.key, this.value, this.timestamp, this.headers)
  }
}

/** A function of its own: within a larger one the compiler calls the constructors instead of making the objects in place. */
export function readRecord(batch: InputBatch, offset: number, mark: number, key: unknown, value: unknown, timestamp: number, headers: readonly Header[]): StreamRecord {
  const read = value === unread ? readValue(batch, mark) : value
  return new StreamRecord(key, read, timestamp, headers, new InputOrigin(batch, offset, mark, key, read, headers))
}

/** A record with the key and the value that it has where a step of a run failed. */
export function recordAtStep(record: StreamRecord, isKeyNew: boolean, key: unknown, value: unknown): StreamRecord {
  const atStep = isKeyNew ? record.withKey(key) : record
  return value === unread ? atStep : atStep.withValue(value)
}

/** The key that was left for later. */
export function readKey({ place, reader }: InputBatch, mark: number): unknown {
  return reader.keyOf?.(mark, place.keySerde)
}

/** The value that was left for later. */
function readValue({ place, reader }: InputBatch, mark: number): unknown {
  return reader.valueAt?.(mark, place.valueSerde)
}

/** In place of records that are not read together. */
export const noRecords = new RecordsAhead(true, 0)

/** As much as a text that values are cut from: what is kept of them keeps it alive. */
const bytesTogether = 4096
/** A text of fewer costs more than it spares. */
const fewestTogether = 8

/** Reads what can be processed together of the next records, up to `limit`, with one text for all of them; answers how many these are: none where they would be few. */
export function readTogether(records: RecordsAhead, reader: RecordReader, limit: number): number {
  reader.readAhead!(records, limit, bytesTogether)
  const { count, window, mark, highBytes } = records
  if (count < fewestTogether) {
    reader.goTo!(records, 0)
    records.count = 0
    return 0
  }
  window!.learn(mark[0]!, mark[count]!, highBytes)
  return count
}
