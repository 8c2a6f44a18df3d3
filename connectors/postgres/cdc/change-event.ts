/** From changes to records: Debezium's envelope, or flat rows. */
import type { SourceOffset, SourcePartition, SourceRecord } from 'millrace/connect'
import { topicName } from '../topic-name.ts'
import type { TableColumn } from './pgoutput.ts'

export type Row = Readonly<Record<string, unknown>>

export interface Change {
  /** begin, end: of a transaction. */
  readonly op: 'c' | 'u' | 'd' | 'r' | 't' | 'm' | 'begin' | 'end'
  readonly schema: string
  readonly table: string
  /** Of the table, as they were when it changed. */
  readonly columns: readonly TableColumn[]
  readonly keyColumns: readonly string[]
  /** Null where there is none, or where the replica identity leaves it out. */
  readonly before: Row | null
  /** Columns that the log does not hold (unchanged large values) are absent, and named in `unavailable`. */
  readonly after: Row | null
  readonly unavailable: readonly string[]
  /** Key of the row before, where it is another one than after. */
  readonly oldKey: Row | null
  readonly lsn: bigint
  readonly xid: number | null
  readonly commitMs: number
  /** As Debezium: incremental is what was read again on demand. */
  readonly snapshot: 'true' | 'false' | 'incremental'
  readonly message: { readonly prefix: string; readonly content: Buffer } | null
  /** Which change of its transaction, and of its table in it, this is; from 1. Null where that is not asked for. */
  readonly order: { readonly total: number; readonly ofTable: number } | null
  /** Changes by table, for the end of a transaction. */
  readonly counts: ReadonlyMap<string, number> | null
}

/** What of a change its envelope calls the source. */
export type EventSource = Pick<Change, 'schema' | 'table' | 'lsn' | 'xid' | 'commitMs' | 'snapshot'>

export interface EventOptions {
  readonly topicPrefix: string
  readonly database: string
  readonly format: 'debezium' | 'flat'
  readonly tombstones: boolean
  readonly partition: SourcePartition
}

/**
 * The records of a change. `before`: the offset to store for all but the last of them; `after`: for the last. A row that gets
 * another key is a delete under the old key and a create under the new one, so that each key tells its own story.
 */
export function recordsOf(change: Change, options: EventOptions, nowMs: number, before: () => SourceOffset, after: SourceOffset): readonly SourceRecord[] {
  const records: SourceRecord[] = []
  if (change.op === 'u' && change.oldKey !== null) for (const step of moved(change)) addRecords(records, step, options, nowMs, after)
  else addRecords(records, change, options, nowMs, after)
  for (let index = 0; index < records.length - 1; index++) records[index] = { ...records[index]!, sourceOffset: before() }
  return records
}

function moved(change: Change): Change[] {
  return [
    { ...change, op: 'd', before: change.before ?? change.oldKey, after: null },
    { ...change, op: 'c', before: null, oldKey: null },
  ]
}

function addRecords(records: SourceRecord[], change: Change, options: EventOptions, nowMs: number, sourceOffset: SourceOffset): void {
  const { topicPrefix, format, tombstones, partition: sourcePartition } = options
  const { op } = change
  const add = (topic: string, key: Row | null, value: Row | null) => void records.push({ topic, key, value, timestamp: nowMs, sourcePartition, sourceOffset })
  if (op === 'begin' || op === 'end') return add(`${topicPrefix}.transaction`, { id: transactionId(change) }, transactionBound(change))
  if (change.message !== null) return add(`${topicPrefix}.message`, { prefix: change.message.prefix }, messageEvent(change, change.message, options, nowMs))
  const topic = topicOf(topicPrefix, change.schema, change.table)
  const key = keyOf(change)
  const hasTombstone = op === 'd' && tombstones && key !== null
  if (!hasTombstone || format === 'debezium') add(topic, key, format === 'debezium' ? envelope(change, options, nowMs) : flat(change))
  if (hasTombstone) add(topic, key, null)
}

let lastTopic = { prefix: '', schema: '', table: '', topic: '' }

/** Changes of one table tend to come in runs: its name is put together once for all of them. */
export function topicOf(prefix: string, schema: string, table: string): string {
  if (lastTopic.table !== table || lastTopic.schema !== schema || lastTopic.prefix !== prefix) lastTopic = { prefix, schema, table, topic: topicName([prefix, schema, table].join('.')) }
  return lastTopic.topic
}

function keyOf({ op, keyColumns, before, after, oldKey }: Change): Row | null {
  const row = op === 'd' ? (oldKey ?? before) : after
  if (keyColumns.length === 0 || row === null) return null
  const key: Record<string, unknown> = {}
  for (const name of keyColumns) key[name] = row[name] ?? null
  return key
}

function envelope(change: Change, options: EventOptions, nowMs: number): Row {
  const { op, before, after } = change
  const source = sourceOf(change, options)
  return change.order === null ? { before, after, source, op, ts_ms: nowMs } : { before, after, source, ...transactionOf(change), op, ts_ms: nowMs }
}

export function sourceOf({ schema, table, lsn, xid, commitMs, snapshot }: EventSource, { topicPrefix, database }: EventOptions): Row {
  return { connector: 'postgresql', name: topicPrefix, ts_ms: commitMs, snapshot, db: database, schema, table, txId: xid, lsn: Number(lsn) }
}

/** `txId:LSN` of the commit, as Debezium. */
function transactionId({ xid, lsn }: Change): string {
  return `${xid}:${lsn}`
}

function transactionOf(change: Change): Row {
  if (change.order === null) return {}
  return { transaction: { id: transactionId(change), total_order: change.order.total, data_collection_order: change.order.ofTable } }
}

function messageEvent(change: Change, { prefix, content }: { readonly prefix: string; readonly content: Buffer }, options: EventOptions, nowMs: number): Row {
  const message = { prefix, content: content.toString('base64') }
  return options.format === 'debezium' ? { op: 'm', ts_ms: nowMs, source: sourceOf(change, options), ...transactionOf(change), message } : { ...message, __op: 'm' }
}

function transactionBound(change: Change): Row {
  const ended = change.op === 'end' && change.counts !== null ? [...change.counts] : null
  return {
    status: ended === null ? 'BEGIN' : 'END', id: transactionId(change), ts_ms: change.commitMs,
    event_count: ended === null ? null : ended.reduce((sum, [, count]) => sum + count, 0),
    data_collections: ended === null ? null : ended.map(([table, count]) => ({ data_collection: table, event_count: count })),
  }
}

function flat({ op, before, after }: Change): Row {
  return { ...(after ?? before), __op: op }
}
