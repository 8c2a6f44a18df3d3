import { StreamError } from '../core/index.ts'
import type { Header, RecordReader, RecordView, Serde } from '../core/index.ts'

/** Where a record was read from. Inside a punctuator there is none: topic '', partition and offset -1. */
export interface RecordOrigin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The bytes as read, for dead letters; null inside a punctuator. */
  readonly rawKey: Uint8Array | null
  readonly rawValue: Uint8Array | null
}

/** Where records come from: a partition of a topic, and how its bytes are read. */
export interface InputPlace {
  readonly topic: string
  readonly partition: number
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
}

/** A batch of an input that records are read from. */
export interface InputBatch {
  readonly place: InputPlace
  readonly reader: RecordReader
}

/** The origin of a record that was read: the bytes are looked up in its batch when somebody asks. */
export class InputOrigin implements RecordOrigin {
  // Declared, not defined as fields: V8 then makes the object in one step, within the code that asks for it.
  declare readonly offset: number
  declare private readonly batch: InputBatch
  declare private readonly mark: number
  /** As they were read. */
  declare private readonly key: unknown
  declare private readonly value: unknown
  declare private readonly headers: readonly Header[]

  /** `mark`: of the reader of the batch. */
  constructor(batch: InputBatch, offset: number, mark: number, key: unknown, value: unknown, headers: readonly Header[]) {
    this.offset = offset
    this.batch = batch
    this.mark = mark
    this.key = key
    this.value = value
    this.headers = headers
  }

  get topic(): string {
    return this.batch.place.topic
  }

  get partition(): number {
    return this.batch.place.partition
  }

  get rawKey(): Uint8Array | null {
    return this.read.key
  }

  get rawValue(): Uint8Array | null {
    return this.read.value
  }

  /** As it was read; operators may have given what came of it another time, and other headers. */
  get read(): RecordView {
    return this.batch.reader.recordAt(this.mark)
  }

  /** What was read, where these serdes would write `record` with just the bytes, key, value and headers, that it was read from; else null. */
  unchanged({ key, value, headers }: StreamRecord, keySerde: Serde<unknown>, valueSerde: Serde<unknown>): RecordView | null {
    const { place } = this.batch
    if (headers !== this.headers || key !== this.key || value !== this.value) return null
    return writesWhatWasRead(place.keySerde, keySerde) && writesWhatWasRead(place.valueSerde, valueSerde) ? this.read : null
  }
}

/** Serdes of one form share the function that writes. */
function writesWhatWasRead(reader: Serde<unknown>, writer: Serde<unknown>): boolean {
  return reader.isExact === true && writer.isExact === true && reader.serialize === writer.serialize
}

/**
 * What travels between operators, and what a callback gets as its third argument. It is never changed: an operator that
 * changes key or value makes a new one. `headers` and `origin` are shared by all records that one input record led to.
 */
export class StreamRecord<K = unknown, V = unknown> {
  // Declared, not defined as fields: V8 then makes the object in one step, within the code that asks for it.
  declare readonly key: K
  declare readonly value: V
  /** Event time, milliseconds since the epoch, at least 0. */
  declare readonly timestamp: number
  declare readonly headers: readonly Header[]
  declare readonly origin: RecordOrigin

  constructor(key: K, value: V, timestamp: number, headers: readonly Header[], origin: RecordOrigin) {
    this.key = key
    this.value = value
    this.timestamp = timestamp
    this.headers = headers
    this.origin = origin
  }

  /** The topic of the input record that led to this one. */
  get topic(): string {
    return this.origin.topic
  }

  get partition(): number {
    return this.origin.partition
  }

  get offset(): number {
    return this.origin.offset
  }

  withKey<K2>(key: K2): StreamRecord<K2, V> {
    return new StreamRecord(key, this.value, this.timestamp, this.headers, this.origin)
  }

  withValue<V2>(value: V2): StreamRecord<K, V2> {
    return new StreamRecord(this.key, value, this.timestamp, this.headers, this.origin)
  }

  with<K2, V2>(key: K2, value: V2): StreamRecord<K2, V2> {
    return new StreamRecord(key, value, this.timestamp, this.headers, this.origin)
  }

  /** @throws INVALID_TIMESTAMP for a negative one */
  withTimestamp(timestamp: number): StreamRecord<K, V> {
    if (!(timestamp >= 0)) throw new StreamError('INVALID_TIMESTAMP', `a record cannot have the timestamp ${timestamp}; give milliseconds since the epoch, 0 or more`)
    return new StreamRecord(this.key, this.value, timestamp, this.headers, this.origin)
  }

  withHeaders(headers: readonly Header[]): StreamRecord<K, V> {
    return new StreamRecord(this.key, this.value, this.timestamp, headers, this.origin)
  }

  /** The same record in all but what is given: for results that have a time of their own. */
  at<K2, V2>(key: K2, value: V2, timestamp: number): StreamRecord<K2, V2> {
    return new StreamRecord(key, value, timestamp, this.headers, this.origin)
  }
}

export const noHeaders: readonly Header[] = Object.freeze([])

export const noOrigin: RecordOrigin = Object.freeze({ topic: '', partition: -1, offset: -1, rawKey: null, rawValue: null })
