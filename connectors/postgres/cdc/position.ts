/** Where reading a database's changes goes on, as it is stored. */
import { connectorError } from 'millrace/connect'
import type { SourceOffset } from 'millrace/connect'
import { lsnText, parseLsn } from './lsn.ts'

export interface Position {
  /** Everything committed before this was given. */
  readonly lsn: bigint
  /** The transaction whose commit stands behind `lsn` and of which that many changes were given. */
  readonly transaction: { readonly finalLsn: bigint; readonly changes: number } | null
  /** While the snapshot is being read. */
  readonly snapshot: SnapshotProgress | null
  /** Of a snapshot that was cut off; until the changes are past what its rows show already. */
  readonly resumed: ResumedSnapshot | null
  /** Tables that are read again, on demand, beside the changes; null: none. */
  readonly incremental: IncrementalProgress | null
  /** Numbers of the tables whose rows are given, or are to be (new-tables.ts); null: not known. */
  readonly tables: string | null
  /** Identifies the database cluster. */
  readonly system: string
  /** Which history of the cluster it was read from: every promotion and every recovery to a point in time begins another. Null: not known. */
  readonly timeline: number | null
}

export interface SnapshotProgress {
  /** `schema.table`; tables that sort before it are done. */
  readonly table: string
  /** Primary key of the last row given, as texts; null: none was. */
  readonly after: readonly string[] | null
}

export interface SnapshotPart extends SnapshotProgress {
  /** Which transactions its rows show, as `pg_current_snapshot()` is written. */
  readonly horizon: string
}

export interface ResumedSnapshot {
  /** Each up to where the next begins. None: every change is given, whatever the rows show. */
  readonly parts: readonly SnapshotPart[]
  /** Behind the commit of everything that the parts show. */
  readonly until: bigint
}

export interface IncrementalProgress {
  /** The first one is being read. */
  readonly tables: readonly IncrementalTable[]
  /** Primary key of the last row given of the first table, as texts; null: none was. */
  readonly after: readonly string[] | null
  readonly paused: boolean
}

export interface IncrementalTable {
  readonly name: string
  /** A condition in SQL; null: all rows. */
  readonly filter: string | null
  /** It is read when all transactions before that one have ended. */
  readonly since?: string
}

export function offsetOf({ lsn, transaction, snapshot, resumed, incremental, tables, system, timeline }: Position): SourceOffset {
  const offset: Record<string, string | number | null> = { lsn: lsnText(lsn), system }
  if (timeline !== null) offset['timeline'] = timeline
  if (tables !== null) offset['tables'] = tables
  if (transaction !== null) {
    offset['txLsn'] = lsnText(transaction.finalLsn)
    offset['txChanges'] = transaction.changes
  }
  if (snapshot !== null) {
    offset['snapshotTable'] = snapshot.table
    offset['snapshotAfter'] = snapshot.after === null ? null : JSON.stringify(snapshot.after)
  }
  if (resumed !== null) offset['resumed'] = JSON.stringify({ parts: resumed.parts, until: lsnText(resumed.until) })
  if (incremental !== null) offset['incremental'] = JSON.stringify(incremental)
  return offset
}

/** @throws a connector error when it was not written by this connector */
export function positionOf(offset: SourceOffset): Position {
  try {
    const { lsn, txLsn, txChanges, snapshotTable, snapshotAfter, resumed, incremental, tables, system, timeline } = offset
    return {
      lsn: parseLsn(String(lsn)),
      transaction: typeof txLsn === 'string' ? { finalLsn: parseLsn(txLsn), changes: Number(txChanges) } : null,
      snapshot: typeof snapshotTable === 'string' ? { table: snapshotTable, after: typeof snapshotAfter === 'string' ? (JSON.parse(snapshotAfter) as string[]) : null } : null,
      resumed: typeof resumed === 'string' ? resumedOf(resumed) : null,
      incremental: typeof incremental === 'string' ? incrementalOf(incremental) : null,
      tables: typeof tables === 'string' ? tablesOf(tables) : null,
      system: String(system),
      timeline: typeof timeline === 'number' ? timeline : null,
    }
  } catch (error) {
    throw connectorError(`the stored offset ${JSON.stringify(offset)} is no position in a write-ahead log`, { cause: error })
  }
}

function resumedOf(text: string): ResumedSnapshot {
  const { parts, until } = JSON.parse(text) as { parts?: unknown; until?: unknown }
  if (!Array.isArray(parts)) throw new TypeError('no parts')
  return { parts: parts as SnapshotPart[], until: parseLsn(String(until)) }
}

function tablesOf(text: string): string {
  if (!/^(\d+(,\d+)*)?$/.test(text)) throw new TypeError('no numbers of tables')
  return text
}

function incrementalOf(text: string): IncrementalProgress {
  const { tables, after, paused } = JSON.parse(text) as Partial<IncrementalProgress>
  if (!Array.isArray(tables) || tables.length === 0) throw new TypeError('no tables')
  return { tables: tables as IncrementalProgress['tables'], after: Array.isArray(after) ? after as string[] : null, paused: paused === true }
}
