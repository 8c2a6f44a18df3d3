import type { ConnectHeader, Schema, SourceOffset, SourcePartition, SourceRecord } from 'millrace/connect'
import type { Entry } from './entry-assembler.ts'

interface LineData {
  readonly topic: string
  readonly value: unknown
  readonly valueSchema: Schema | null
  readonly timestamp: number
  readonly headers: readonly ConnectHeader[]
}

/** The record of an entry. Its offset, which has a digest in it, is worked out when it is asked for: for few of them. */
export class LineRecord implements SourceRecord {
  readonly topic: string
  readonly value: unknown
  readonly valueSchema: Schema | null
  readonly timestamp: number
  readonly headers: readonly ConnectHeader[]
  readonly sourcePartition: SourcePartition
  readonly #entry: Entry

  constructor({ topic, value, valueSchema, timestamp, headers }: LineData, entry: Entry) {
    this.topic = topic
    this.value = value
    this.valueSchema = valueSchema
    this.timestamp = timestamp
    this.headers = headers
    this.sourcePartition = entry.sourcePartition
    this.#entry = entry
  }

  get sourceOffset(): SourceOffset {
    return this.#entry.offset()
  }
}
