/** From changes to records: Debezium's envelope, or flat rows. */
import type { SourceOffset, SourcePartition, SourceRecord } from 'millrace/connect'

export type Row = Readonly<Record<string, unknown>>

export interface Change {
  readonly op: 'c' | 'u' | 'd' | 'r' | 't'
  readonly schema: string
  readonly table: string
  readonly keyColumns: readonly string[]
  /** Null where there is none, or where the replica identity leaves it out. */
  readonly before: Row | null
  /** Columns that the log does not hold (unchanged large values) are absent. */
  readonly after: Row | null
  /** Key of the row before, where it is another one than after. */
  readonly oldKey: Row | null
  readonly lsn: bigint
  readonly xid: number | null
  readonly commitMs: number
  readonly snapshot: boolean
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

function envelope(change: Change, { topicPrefix, database }: EventOptions, nowMs: number): Row {
  const { op, schema, table, before, after, lsn, xid, commitMs, snapshot } = change
  return {
    before,
    after,
    source: { connector: 'postgresql', name: topicPrefix, ts_ms: commitMs, snapshot: String(snapshot), db: database, schema, table, txId: xid, lsn: Number(lsn) },
    op,
    ts_ms: nowMs,
  }
}

function flat({ op, before, after }: Change): Row {
  return { ...(after ?? before), __op: op }
}
