import type { Header, RecordView } from '../../core/index.ts'
import type { ConnectHeader, ConnectRecord, SinkRecord, SourceRecord, TimestampType } from '../connect-record.ts'
import type { Converter, HeaderConverter } from '../converters/index.ts'
import type { Schema } from '../schema.ts'
import { atStage, failedAt } from './error-policy.ts'
import type { Stage } from './error-policy.ts'

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
export function encodeRecord(codec: RecordCodec, { topic, keySchema = null, key = null, valueSchema = null, value, headers }: Omit<SourceRecord, 'sourcePartition' | 'sourceOffset'>): EncodedRecord {
  let stage: Stage = 'HEADER_CONVERTER'
  try {
    const encodedHeaders = headers === undefined || headers.length === 0 ? undefined : encodeHeaders(codec, topic, headers)
    stage = 'KEY_CONVERTER'
    const encodedKey = codec.key.fromConnect(topic, keySchema, key)
    stage = 'VALUE_CONVERTER'
    return { headers: encodedHeaders, key: encodedKey, value: codec.value.fromConnect(topic, valueSchema, value) }
  } catch (error) {
    throw failedAt(stage, error)
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
  const timestamp = raw.timestamp < 0 ? null : raw.timestamp
  let stage: Stage = 'KEY_CONVERTER'
  try {
    const { schema: keySchema, value: key } = codec.key.toConnect(topic, raw.key)
    stage = 'VALUE_CONVERTER'
    const { schema: valueSchema, value } = codec.value.toConnect(topic, raw.value)
    stage = 'HEADER_CONVERTER'
    const headers = raw.headers.length === 0 ? noHeaders : raw.headers.map((header) => ({ key: header.key, ...codec.header.toConnectHeader(topic, header.key, header.value) }))
    return new ReadRecord(origin, raw, { topic, partition, keySchema, key, valueSchema, value, timestamp, headers })
  } catch (error) {
    throw failedAt(stage, error)
  }
}
