/** From changes to records: Debezium's envelope, or flat rows. */
import type { SourceOffset, SourcePartition, SourceRecord } from 'millrace/connect'

export type Row = Readonly<Record<string, unknown>>

export interface Change {
  /** begin, end: of a transaction. */
  readonly op: 'c' | 'u' | 'd' | 'r' | 't' | 'm' | 'begin' | 'end'
  readonly schema: string
  readonly table: string
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
export function recordsOf(change: Change, options: EventOptions, nowMs: number, before: () => SourceOffset, after: SourceOffset): SourceRecord[] {
  const steps = change.op === 'u' && change.oldKey !== null ? moved(change) : [change]
  const records = steps.flatMap((step) => eventRecords(step, options, nowMs))
  const last = records.length - 1
  return records.map((record, index) => ({ ...record, sourcePartition: options.partition, sourceOffset: index === last ? after : before() }))
}

type Unplaced = Omit<SourceRecord, 'sourcePartition' | 'sourceOffset'>

function moved(change: Change): Change[] {
  return [
    { ...change, op: 'd', before: change.before ?? change.oldKey, after: null },
    { ...change, op: 'c', before: null, oldKey: null },
  ]
}

function eventRecords(change: Change, options: EventOptions, nowMs: number): Unplaced[] {
  if (change.op === 'begin' || change.op === 'end') return [transactionBound(change, options, nowMs)]
  if (change.message !== null) return [messageEvent(change, change.message, options, nowMs)]
  const topic = `${options.topicPrefix}.${change.schema}.${change.table}`
  const key = keyOf(change)
  const value = options.format === 'debezium' ? envelope(change, options, nowMs) : flat(change)
  const event: Unplaced = { topic, key, value, timestamp: nowMs }
  const tombstone: Unplaced = { topic, key, value: null, timestamp: nowMs }
  if (change.op !== 'd') return [event]
  if (options.format === 'flat') return options.tombstones && key !== null ? [tombstone] : [event]
  return options.tombstones && key !== null ? [event, tombstone] : [event]
}

function keyOf({ op, keyColumns, before, after, oldKey }: Change): Row | null {
  const row = op === 'd' ? (oldKey ?? before) : after
  if (keyColumns.length === 0 || row === null) return null
  return Object.fromEntries(keyColumns.map((name) => [name, row[name] ?? null]))
}

function envelope(change: Change, options: EventOptions, nowMs: number): Row {
  const { op, before, after } = change
  return { before, after, source: sourceOf(change, options), ...transactionOf(change), op, ts_ms: nowMs }
}

function sourceOf({ schema, table, lsn, xid, commitMs, snapshot }: Change, { topicPrefix, database }: EventOptions): Row {
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

function messageEvent(change: Change, { prefix, content }: { readonly prefix: string; readonly content: Buffer }, options: EventOptions, nowMs: number): Unplaced {
  const message = { prefix, content: content.toString('base64') }
  const value = options.format === 'debezium' ? { op: 'm', ts_ms: nowMs, source: sourceOf(change, options), ...transactionOf(change), message } : { ...message, __op: 'm' }
  return { topic: `${options.topicPrefix}.message`, key: { prefix }, value, timestamp: nowMs }
}

function transactionBound(change: Change, { topicPrefix }: EventOptions, nowMs: number): Unplaced {
  const id = transactionId(change)
  const ended = change.op === 'end' && change.counts !== null ? [...change.counts] : null
  const value = {
    status: ended === null ? 'BEGIN' : 'END', id, ts_ms: change.commitMs,
    event_count: ended === null ? null : ended.reduce((sum, [, count]) => sum + count, 0),
    data_collections: ended === null ? null : ended.map(([table, count]) => ({ data_collection: table, event_count: count })),
  }
  return { topic: `${topicPrefix}.transaction`, key: { id }, value, timestamp: nowMs }
}

function flat({ op, before, after }: Change): Row {
  return { ...(after ?? before), __op: op }
}
