import type { ConfigSpec } from '../config-spec.ts'
import type { SpanType } from '../connect-record.ts'
import type { Schema } from '../schema.ts'

export interface SchemaAndValue {
  readonly schema: Schema | null
  readonly value: unknown
}

/** Turns Connect data into the bytes of a record's key or value, and back. Synchronous, without side effects. */
export interface Converter {
  /** @throws INVALID_DATA when the data cannot be written */
  fromConnect(topic: string, schema: Schema | null, value: unknown): Uint8Array | null
  /** @throws INVALID_DATA when the bytes cannot be read */
  toConnect(topic: string, bytes: Uint8Array | null): SchemaAndValue
  /** True when bytes (UTF-8 text with a string schema, bytes with a bytes schema, or JSON without schema) go to the topic as they are. */
  passesThrough?(type: SpanType): boolean
}

export interface HeaderConverter {
  fromConnectHeader(topic: string, key: string, schema: Schema | null, value: unknown): Uint8Array | null
  toConnectHeader(topic: string, key: string, bytes: Uint8Array | null): SchemaAndValue
}

export interface ConverterPlugin<C = unknown> {
  readonly type: 'converter'
  readonly class: string
  readonly aliases?: readonly string[]
  readonly version: string
  readonly config: ConfigSpec<C>
  create(config: C, use: { readonly isKey: boolean }): Converter
}

export interface HeaderConverterPlugin<C = unknown> {
  readonly type: 'header_converter'
  readonly class: string
  readonly aliases?: readonly string[]
  readonly version: string
  readonly config: ConfigSpec<C>
  create(config: C): HeaderConverter
}

/** A converter of record values, used for headers. */
export function headersThrough(converter: Converter): HeaderConverter {
  return {
    fromConnectHeader: (topic, _key, schema, value) => converter.fromConnect(topic, schema, value),
    toConnectHeader: (topic, _key, bytes) => converter.toConnect(topic, bytes),
  }
}
