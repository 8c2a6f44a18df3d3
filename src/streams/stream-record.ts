import type { Header, RecordView } from '../core/index.ts'

/** Where a record was read from. Inside a punctuator there is none: topic '', partition and offset -1. */
export interface RecordOrigin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The bytes as read, for dead letters; null inside a punctuator. */
  readonly rawKey: Uint8Array | null
  readonly rawValue: Uint8Array | null
}

/** The origin of a record that was read: the raw bytes are looked up when somebody asks. */
export class InputOrigin implements RecordOrigin {
  readonly topic: string
  readonly partition: number
  readonly #view: RecordView

  constructor(topic: string, partition: number, view: RecordView) {
    this.topic = topic
    this.partition = partition
    this.#view = view
  }

  get offset(): number {
    return this.#view.offset
  }

  get rawKey(): Uint8Array | null {
    return this.#view.key
  }

  get rawValue(): Uint8Array | null {
    return this.#view.value
  }
}

/**
 * What travels between operators, and what a callback gets as its third argument. It is never changed: an operator that
 * changes key or value makes a new one. `headers` and `origin` are shared by all records that one input record led to.
 */
export class StreamRecord<K = unknown, V = unknown> {
  readonly key: K
  readonly value: V
  /** Event time, milliseconds since the epoch, at least 0. */
  readonly timestamp: number
  readonly headers: readonly Header[]
  readonly origin: RecordOrigin

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

  withTimestamp(timestamp: number): StreamRecord<K, V> {
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
