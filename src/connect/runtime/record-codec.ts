import type { Header, RecordView } from '../../core/index.ts'
import type { ConnectHeader, ConnectRecord, SinkRecord, SourceRecord, TimestampType } from '../connect-record.ts'
import type { Converter, HeaderConverter } from '../converters/index.ts'
import type { Schema } from '../schema.ts'
import { atStage } from './error-policy.ts'

/** The converters of one task. */
export interface RecordCodec {
  readonly key: Converter
  readonly value: Converter
  readonly header: HeaderConverter
  /** Their class names, for errors. */
  readonly names: { readonly key: string; readonly value: string; readonly header: string }
}

export interface EncodedRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[] | undefined
}

/** @throws a StageError that says which converter failed */
export function encodeRecord(codec: RecordCodec, { topic, keySchema = null, key = null, valueSchema = null, value, headers = [] }: Omit<SourceRecord, 'sourcePartition' | 'sourceOffset'>): EncodedRecord {
  return {
    headers: headers.length === 0 ? undefined : encodeHeaders(codec, topic, headers),
    key: atStage('KEY_CONVERTER', () => codec.key.fromConnect(topic, keySchema, key)),
    value: atStage('VALUE_CONVERTER', () => codec.value.fromConnect(topic, valueSchema, value)),
  }
}

export function encodeHeaders(codec: RecordCodec, topic: string, headers: readonly ConnectHeader[]): readonly Header[] {
  return headers.map(({ key, schema, value }) => ({ key, value: atStage('HEADER_CONVERTER', () => codec.header.fromConnectHeader(topic, key, schema, value)) }))
}

/** A record read from a topic, on its way to a sink task. Remembers the bytes it came from, for the dead-letter topic. */
export class ReadRecord implements SinkRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number | null
  readonly timestampType: TimestampType = 'create-time'
  readonly keySchema: Schema | null
  readonly key: unknown
  readonly valueSchema: Schema | null
  readonly value: unknown
  readonly headers: readonly ConnectHeader[]
  readonly originalTopic: string
  readonly originalPartition: number
  readonly originalOffset: number
  readonly #raw: RecordView

  constructor(origin: { readonly topic: string; readonly partition: number }, raw: RecordView, data: Omit<ConnectRecord, 'partition' | 'timestamp'> & { readonly partition: number | null; readonly timestamp: number | null }) {
    this.topic = data.topic
    this.partition = data.partition ?? origin.partition
    this.offset = raw.offset
    this.timestamp = data.timestamp
    this.keySchema = data.keySchema
    this.key = data.key
    this.valueSchema = data.valueSchema
    this.value = data.value
    this.headers = data.headers
    this.originalTopic = origin.topic
    this.originalPartition = origin.partition
    this.originalOffset = raw.offset
    this.#raw = raw
  }

  /** The bytes as read; undefined for a record that some other code made. */
  static rawOf(record: SinkRecord): RecordView | undefined {
    return record instanceof ReadRecord ? record.#raw : undefined
  }

  /** The same origin with the data that transforms made. */
  with(data: ConnectRecord): ReadRecord {
    return new ReadRecord({ topic: this.originalTopic, partition: this.originalPartition }, this.#raw, data)
  }
}

const noHeaders: readonly ConnectHeader[] = []

/** @throws a StageError that says which converter failed */
export function decodeRecord(codec: RecordCodec, origin: { readonly topic: string; readonly partition: number }, raw: RecordView): ReadRecord {
  const { topic, partition } = origin
  const key = atStage('KEY_CONVERTER', () => codec.key.toConnect(topic, raw.key))
  const value = atStage('VALUE_CONVERTER', () => codec.value.toConnect(topic, raw.value))
  const headers = raw.headers
  return new ReadRecord(origin, raw, {
    topic,
    partition,
    keySchema: key.schema,
    key: key.value,
    valueSchema: value.schema,
    value: value.value,
    timestamp: raw.timestamp < 0 ? null : raw.timestamp,
    headers: headers.length === 0 ? noHeaders : headers.map((header) => ({ key: header.key, ...atStage('HEADER_CONVERTER', () => codec.header.toConnectHeader(topic, header.key, header.value)) })),
  })
}
