import { Decimal, Struct, dataError } from 'millrace/connect'
import type { SinkRecord } from 'millrace/connect'

export type LineFormat = 'value' | 'record'

/** The line of a record, with its newline. @throws a data error for what JSON cannot hold */
export function lineOf(record: SinkRecord, format: LineFormat): string {
  if (format === 'value') return `${typeof record.value === 'string' ? record.value : json(record.value)}\n`
  const { originalTopic: topic, originalPartition: partition, originalOffset: offset, timestamp, key, value } = record
  return `${json({ topic, partition, offset, timestamp, key, value })}\n`
}

/** The value as JSON. @throws a data error for what JSON cannot hold */
export function json(value: unknown): string {
  try {
    return JSON.stringify(plain(value))
  } catch (error) {
    throw dataError(`the value cannot be written as JSON: ${String(error)}`, { cause: error })
  }
}

/** Connect data as JSON has it: bytes as base64, dates as ISO 8601, numbers that JavaScript cannot hold as text. */
export function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value ?? null
  if (value instanceof Struct) return Object.fromEntries((value.schema.fields ?? []).map(({ name }) => [name, plain(value.get(name))]))
  if (value instanceof Decimal) return value.toPlainString()
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [String(name), plain(member)]))
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}
