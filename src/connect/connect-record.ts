/** Records on their way between an outside system and a topic. */
import type { Schema } from './schema.ts'

/** Names one log of the outside system, such as `{ filename: '/var/log/a' }`: flat, string keys, scalar values. The members' order is part of the identity. */
export type SourcePartition = Readonly<Record<string, string | number | boolean | null>>

/** A position in a source partition, such as `{ position: 4711 }`: where to go on *after* the record it stands on. */
export type SourceOffset = Readonly<Record<string, string | number | boolean | null>>

export interface ConnectHeader {
  readonly key: string
  readonly schema: Schema | null
  readonly value: unknown
}

/** What source and sink records share, and what transforms and predicates see. Immutable: a change makes a new record. */
export interface ConnectRecord {
  readonly topic: string
  /** null: chosen by the producer. */
  readonly partition: number | null
  readonly keySchema: Schema | null
  readonly key: unknown
  readonly valueSchema: Schema | null
  readonly value: unknown
  /** Milliseconds since the epoch; null: none. */
  readonly timestamp: number | null
  /** In order; a name may repeat. */
  readonly headers: readonly ConnectHeader[]
}

/** What a source task gives for one record; absent members are null. */
export interface SourceRecord extends Partial<Omit<ConnectRecord, 'topic' | 'value'>> {
  readonly topic: string
  readonly value: unknown
  /** One object for many records saves comparing them. */
  readonly sourcePartition: SourcePartition
  /** May be a getter: the worker asks a few records only, and none after the next `poll` unless the task has `commitRecord`. */
  readonly sourceOffset: SourceOffset
}

/**
 * Many records of one source partition as spans of one piece of memory: the value of record `i` is `bytes[spans[2i] … spans[2i+1])`,
 * or null when that ends before it begins. For sources that move bytes: no object per record is made unless a transform or a
 * converter needs it.
 */
export interface SourceSpans {
  readonly topic: string
  readonly partition?: number | null
  readonly sourcePartition: SourcePartition
  /** Not touched by the task again until the next `poll`. */
  readonly bytes: Uint8Array
  /** Pairs of begin and end, `2 × recordCount` of them. */
  readonly spans: Uint32Array
  /** The same for keys, in the same bytes, understood as the values are. Absent: all keys are null. */
  readonly keySpans?: Uint32Array
  readonly recordCount: number
  /** How a value is to be understood: UTF-8 text with a string schema, bytes, or UTF-8 text of JSON, which is data without schema. */
  readonly valueType: SpanType
  /** What the values stand for, where the task knows it already; absent: it is read from the bytes when something has to look. */
  readonly values?: readonly unknown[]
  /** One for all: when they were read. */
  readonly timestamp: number
  /** The same for all. */
  readonly headers?: readonly ConnectHeader[]
  /** Where to go on after record `index`; called for a few records only, in rising order. */
  sourceOffset(index: number): SourceOffset
}

export type SpanType = 'string' | 'bytes' | 'json'

/** A position without a record: for what was passed over, and to forget what is gone. */
export interface SourcePosition {
  readonly sourcePartition: SourcePartition
  /** null: the source partition is forgotten. */
  readonly sourceOffset: SourceOffset | null
}

export type TimestampType = 'create-time' | 'log-append-time'

/** A record as a sink task gets it: converted, after the transforms. */
export interface SinkRecord extends ConnectRecord {
  readonly partition: number
  readonly offset: number
  readonly timestampType: TimestampType
  /** Where it really came from, whatever transforms made of `topic`: offsets are tracked by these. */
  readonly originalTopic: string
  readonly originalPartition: number
  readonly originalOffset: number
}
