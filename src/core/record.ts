/** The nouns of the log, as every layer names them. */
import type { KeysAhead, RecordPosition, RecordsAhead } from './record-position.ts'
import type { Serde } from './serde.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Header {
  readonly key: string
  readonly value: Uint8Array | null
}

/** A record on its way into the log. */
export interface ProducerRecord {
  readonly topic: string
  /** Absent: chosen from the key (murmur2, as Kafka does), or sticky per batch when there is no key. */
  readonly partition?: number
  readonly key?: Uint8Array | null
  /** null is a tombstone. */
  readonly value: Uint8Array | null
  /** Milliseconds since the epoch, at least 0. Absent: now. */
  readonly timestamp?: number
  readonly headers?: readonly Header[]
}

/** Where an appended record went. */
export interface RecordMetadata extends TopicPartition {
  readonly offset: number
  /** The record's timestamp, or the append time where the topic says so. */
  readonly timestamp: number
}

/**
 * A record as read: a lazy view over batch bytes. Nothing is decoded until a getter is called; `key` and `value` are
 * views that share the batch's memory, valid for as long as they are referenced.
 */
export interface RecordView {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
  /** `serde.deserialize(key)`, null for a null key; without a view being made where the serde can. */
  keyAs?<T>(serde: Serde<T>): T | null
  /** As `keyAs`, of the value. */
  valueAs?<T>(serde: Serde<T>): T | null
}

/**
 * A batch record by record, without an object for each: what it shows is of the record that `next` came to. Errors are those of
 * iterating over the batch.
 */
export interface RecordReader {
  /** Goes on to the next record; false: there was none. @throws CORRUPT_RECORD */
  next(): boolean
  readonly offset: number
  readonly timestamp: number
  readonly headers: readonly Header[]
  readonly hasKey: boolean
  readonly hasValue: boolean
  /** `serde.deserialize(key)`, null for a null key. */
  keyAs<T>(serde: Serde<T>): T | null
  /** As `keyAs`, of the value. */
  valueAs<T>(serde: Serde<T>): T | null
  /** What `recordAt` finds the record by, also when the reader has gone on. */
  readonly mark: number
  recordAt(mark: number): RecordView
  /** True: the key is there and can be read, so that `keyOf` may do it when somebody looks. Absent: not known of any. */
  isKeyReadable?(serde: Serde<unknown>): boolean
  /** As `keyAs`, of the record of that mark, for which `isKeyReadable` was true. */
  keyOf?<T>(mark: number, serde: Serde<T>): T
  /** As `isKeyReadable`, of the value. */
  isValueReadable?(serde: Serde<unknown>): boolean
  /** `serde.wholeNumberOf` of the value. Absent: as -1. */
  wholeNumberOf?(serde: Serde<unknown>, name: string): number
  /** As `keyOf`, of the value. */
  valueAt?<T>(mark: number, serde: Serde<T>): T
  /** Where the record of that mark stands in the batch; good until it is asked again. Absent: there are no such bytes. */
  positionOf?(mark: number): RecordPosition
  /**
   * Writes down where the keys of this record and of the next ones stand, null ones left out, as many as there is room for, and answers how many. It may stop early,
   * also where a record is not sound: that is seen when `next` comes to it. Absent: there are no such bytes.
   */
  findKeysAhead?(keys: KeysAhead): number
  /** Writes down what follows the record that was read last, up to so many records and bytes, and goes on behind that. Absent: there are no such bytes. */
  readAhead?(records: RecordsAhead, limit?: number, maxBytes?: number): void
  /** Goes back to the record of that number, which `next` then gives; `positionOf` and the like find the records before it by their marks. */
  goTo?(records: RecordsAhead, index: number): void
  /** The record that `next` gives is the one of that number. */
  isBefore?(records: RecordsAhead, index: number): boolean
  /** What the batch stands in, if that is used again; absent: it is not. */
  readonly block?: ReadBlock | null
}

/** Memory for reads of one reader, who uses it again. */
export interface ReadMemory {
  take(bytes: number): ReadBlock
  /** What is read ahead for this reader, by who reads it, the oldest first. Absent: nothing is. */
  readonly ahead?: Map<object, BlockAhead>
}

/** What a reader will probably ask for next, on its way from a file while the reader works on what it was given. */
export interface BlockAhead {
  readonly block: ReadBlock
  /** In the file. */
  readonly position: number
  isWhole: boolean
  /** Nobody will ask for it any more. */
  isDropped: boolean
  /** How often others found no place because of it. */
  inTheWay: number
}

/** What batches of one partition were read into. */
export interface ReadBlock {
  readonly bytes: Uint8Array
  /** Something that shows these bytes was handed out, and may be kept as long as somebody likes: nothing else is ever read into them. */
  isShared: boolean
  /** Nobody looks at the batches any more, nor at their readers; what was shared may still be looked at. */
  giveBack(): void
}

export function partitionKey(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
