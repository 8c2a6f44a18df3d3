import { StreamError, assert } from '../core/index.ts'
import type { Header, ReadBlock, RecordPosition, RecordReader, RecordView, Serde } from '../core/index.ts'

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
  /** What it stands in, if that is used again. */
  readonly block: ReadBlock | null
}

/** What Node asks an object that it shows. */
const inspect: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

/** In place of a key that nobody has looked at. */
export const unread: unique symbol = Symbol('unread')

/** What a record was made with: its key, or `unread`. */
let heldKey: (record: StreamRecord) => unknown

/** The origin of a record that was read: the bytes are looked up in its batch when somebody asks. */
export class InputOrigin implements RecordOrigin {
  // Declared, not defined as fields: V8 then makes the object in one step, within the code that asks for it.
  declare readonly offset: number
  declare private readonly batch: InputBatch
  declare private readonly mark: number
  /** As they were read; `unread` until somebody looks. */
  declare private keyOrUnread: unknown
  declare private readonly value: unknown
  declare private readonly headers: readonly Header[]

  /** `mark`: of the reader of the batch. */
  constructor(batch: InputBatch, offset: number, mark: number, key: unknown, value: unknown, headers: readonly Header[]) {
    this.offset = offset
    this.batch = batch
    this.mark = mark
    this.keyOrUnread = key
    this.value = value
    this.headers = headers
    // It goes wherever its record goes.
    if (batch.block !== null) batch.block.isShared = true
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

  /** Decoded now, if nobody has looked before. */
  readKey(): unknown {
    const { keyOrUnread, batch } = this
    if (keyOrUnread !== unread) return keyOrUnread
    const { place, reader } = batch
    assert(reader.keyOf !== undefined, 'a key was left for later by a reader that reads at once')
    return (this.keyOrUnread = reader.keyOf(this.mark, place.keySerde))
  }

  /**
   * Where the key of `record` stands in the batch, if this serde would write just the bytes that it was read from; else null. Good until the next call
   * for a record of that batch.
   */
  keyPosition(record: StreamRecord, keySerde: Serde<unknown>): RecordPosition | null {
    const key = heldKey(record)
    if (key !== unread && (key === null || key !== this.keyOrUnread)) return null
    return writesWhatWasRead(this.batch.place.keySerde, keySerde) ? this.#position() : null
  }

  /** As `keyPosition`, where that is so of key, value and headers, and they can be copied as they stand. */
  position(record: StreamRecord, keySerde: Serde<unknown>, valueSerde: Serde<unknown>): RecordPosition | null {
    const key = heldKey(record)
    const { place } = this.batch
    if (record.value !== this.value || record.headers !== this.headers || (key !== unread && key !== this.keyOrUnread)) return null
    return writesWhatWasRead(place.keySerde, keySerde) && writesWhatWasRead(place.valueSerde, valueSerde) ? this.#position() : null
  }

  #position(): RecordPosition | null {
    return this.batch.reader.positionOf?.(this.mark) ?? null
  }
}

/** Serdes of one form share the function that writes. */
export function writesWhatWasRead(reader: Serde<unknown>, writer: Serde<unknown>): boolean {
  return reader.isExact === true && writer.isExact === true && reader.serialize === writer.serialize
}

/**
 * What travels between operators, and what a callback gets as its third argument. It is never changed: an operator that
 * changes key or value makes a new one. `headers` and `origin` are shared by all records that one input record led to.
 * `key`, `topic`, `partition` and `offset` are looked up when they are asked for, so `{ ...record }` has none of them (nor do its types): take `record.toJSON()`, or the fields.
 */
export class StreamRecord<K = unknown, V = unknown> {
  // Declared, not defined as fields: V8 then makes the object in one step, within the code that asks for it.
  /** Or `unread`: then `origin` reads it. */
  declare private readonly held: K | typeof unread
  declare readonly value: V
  /** Event time, milliseconds since the epoch, at least 0. */
  declare readonly timestamp: number
  declare readonly headers: readonly Header[]
  declare readonly origin: RecordOrigin

  static {
    heldKey = (record) => record.held
  }

  constructor(key: K | typeof unread, value: V, timestamp: number, headers: readonly Header[], origin: RecordOrigin) {
    this.held = key
    this.value = value
    this.timestamp = timestamp
    this.headers = headers
    this.origin = origin
  }

  get key(): K {
    const { held } = this
    return held === unread ? ((this.origin as InputOrigin).readKey() as K) : held
  }

  /** As `key === null`, but a key that nobody has looked at is not read: it is there. */
  get isKeyNull(): boolean {
    return this.held === null
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
    return new StreamRecord<K, V2>(this.held, value, this.timestamp, this.headers, this.origin)
  }

  with<K2, V2>(key: K2, value: V2): StreamRecord<K2, V2> {
    return new StreamRecord(key, value, this.timestamp, this.headers, this.origin)
  }

  /** @throws INVALID_TIMESTAMP for a negative one */
  withTimestamp(timestamp: number): StreamRecord<K, V> {
    if (!(timestamp >= 0)) throw new StreamError('INVALID_TIMESTAMP', `a record cannot have the timestamp ${timestamp}; give milliseconds since the epoch, 0 or more`)
    return new StreamRecord<K, V>(this.held, this.value, timestamp, this.headers, this.origin)
  }

  withHeaders(headers: readonly Header[]): StreamRecord<K, V> {
    return new StreamRecord<K, V>(this.held, this.value, this.timestamp, headers, this.origin)
  }

  /** What `JSON.stringify` writes of it, and `console.log` shows. */
  toJSON(): object {
    const { key, value, timestamp, headers, topic, partition, offset } = this
    return { key, value, timestamp, headers, topic, partition, offset }
  }

  [inspect](): object {
    return this.toJSON()
  }

  /** As `at`, with the key that it has. */
  withValueAt<V2>(value: V2, timestamp: number): StreamRecord<K, V2> {
    return new StreamRecord<K, V2>(this.held, value, timestamp, this.headers, this.origin)
  }

  /** The same record in all but what is given: for results that have a time of their own. */
  at<K2, V2>(key: K2, value: V2, timestamp: number): StreamRecord<K2, V2> {
    return new StreamRecord(key, value, timestamp, this.headers, this.origin)
  }
}

export const noHeaders: readonly Header[] = Object.freeze([])

export const noOrigin: RecordOrigin = Object.freeze({ topic: '', partition: -1, offset: -1, rawKey: null, rawValue: null })
