/**
 * Turns decoded messages into changes with positions, and leaves out what was given before a restart.
 *
 *   begin ──► change, change … ──► commit       a change is held back until the next message is known: the last one of a transaction
 *                                               carries the position behind the commit
 */
import { connectorError } from 'millrace/connect'
import type { Change, Row } from './change-event.ts'
import { columnValue } from './column-value.ts'
import type { ColumnType } from './column-value.ts'
import { unchanged } from './pgoutput.ts'
import type { PgoutputMessage, Relation, Tuple } from './pgoutput.ts'
import type { Position } from './position.ts'

/** A table as the stream describes it at this point. */
export interface StreamedTable {
  readonly relation: Relation
  readonly types: readonly ColumnType[]
  readonly keyColumns: readonly string[]
}

export interface PositionedChange {
  readonly change: Change
  /** Position before and after it. */
  readonly before: Position
  readonly after: Position
}

interface Transaction {
  readonly finalLsn: bigint
  readonly commitMs: number
  readonly xid: number
  /** How many of its changes were given before a restart. */
  readonly given: number
  seen: number
}

export class TransactionReader {
  readonly #tables = new Map<number, StreamedTable>()
  #position: Position
  #transaction: Transaction | undefined
  #held: { readonly change: Change; readonly before: Position } | undefined

  constructor(position: Position) {
    this.#position = position
  }

  /** Behind everything that `read` has answered. */
  get position(): Position {
    return this.#position
  }

  /** Nothing of an unfinished transaction was read. */
  get isBetweenTransactions(): boolean {
    return this.#transaction === undefined
  }

  describe(table: StreamedTable): void {
    this.#tables.set(table.relation.oid, table)
  }

  read(message: PgoutputMessage): readonly PositionedChange[] {
    switch (message.kind) {
      case 'begin':
        this.#begin(message)
        return []
      case 'commit':
        return this.#commit(message.endLsn)
      case 'insert':
      case 'update':
      case 'delete':
        return this.#changed(this.#table(message.relation), message)
      case 'truncate':
        return message.relations.flatMap((oid) => this.#truncated(this.#table(oid)))
      default:
        return []
    }
  }

  /** What was received and lies between transactions moves the position, though it holds nothing for us. */
  advance(lsn: bigint): void {
    if (this.isBetweenTransactions && lsn > this.#position.lsn) this.#position = { ...this.#position, lsn, transaction: null }
  }

  #begin({ finalLsn, commitMs, xid }: Extract<PgoutputMessage, { kind: 'begin' }>): void {
    const { lsn, transaction } = this.#position
    const given = finalLsn < lsn ? Number.POSITIVE_INFINITY : transaction?.finalLsn === finalLsn ? transaction.changes : 0
    this.#transaction = { finalLsn, commitMs, xid, given, seen: 0 }
  }

  #commit(endLsn: bigint): readonly PositionedChange[] {
    this.#transaction = undefined
    if (endLsn > this.#position.lsn) this.#position = { ...this.#position, lsn: endLsn, transaction: null }
    return this.#release(this.#position)
  }

  #changed(table: StreamedTable, message: Extract<PgoutputMessage, { kind: 'insert' | 'update' | 'delete' }>): readonly PositionedChange[] {
    if (!this.#isNew()) return []
    const after = message.kind === 'delete' ? null : rowOf(table, message.after)
    const old = message.kind === 'insert' ? null : message.before
    const oldRow = old === null ? null : rowOf(table, old.cells, old.keyOnly)
    const op = ({ insert: 'c', update: 'u', delete: 'd' } as const)[message.kind]
    const oldKey = op === 'u' && oldRow !== null && after !== null && hasOtherKey(table, oldRow, after) ? oldRow : null
    return this.#hold(this.#change(table, { op, before: oldRow, after, oldKey }))
  }

  #truncated(table: StreamedTable): readonly PositionedChange[] {
    return this.#isNew() ? this.#hold(this.#change(table, { op: 't', before: null, after: null, oldKey: null })) : []
  }

  #isNew(): boolean {
    const transaction = this.#open()
    return ++transaction.seen > transaction.given
  }

  #change({ relation, keyColumns }: StreamedTable, what: Pick<Change, 'op' | 'before' | 'after' | 'oldKey'>): Change {
    const { finalLsn, xid, commitMs } = this.#open()
    return { ...what, schema: relation.schema, table: relation.table, keyColumns, lsn: finalLsn, xid, commitMs, snapshot: false }
  }

  #hold(change: Change): readonly PositionedChange[] {
    const { finalLsn, seen } = this.#open()
    const before: Position = { ...this.#position, transaction: seen === 1 ? null : { finalLsn, changes: seen - 1 } }
    const released = this.#release(before)
    this.#held = { change, before }
    return released
  }

  #release(after: Position): readonly PositionedChange[] {
    const held = this.#held
    this.#held = undefined
    if (held === undefined) return []
    this.#position = after
    return [{ ...held, after }]
  }

  #open(): Transaction {
    if (this.#transaction === undefined) throw connectorError('the server sent a change outside a transaction')
    return this.#transaction
  }

  #table(oid: number): StreamedTable {
    const table = this.#tables.get(oid)
    if (table === undefined) throw connectorError(`the server sent a change of table ${oid} without describing it`)
    return table
  }
}

/** `keyOnly`: cells outside the replica identity say nothing, not null. */
function rowOf({ relation, types }: StreamedTable, cells: Tuple, keyOnly = false): Row {
  const row: Record<string, unknown> = {}
  for (const [index, column] of relation.columns.entries()) {
    const cell = cells[index] ?? null
    if (cell === unchanged || (keyOnly && !column.inIdentity)) continue
    row[column.name] = columnValue(cell, types[index]!)
  }
  return row
}

function hasOtherKey({ keyColumns }: StreamedTable, before: Row, after: Row): boolean {
  return keyColumns.some((name) => name in before && name in after && JSON.stringify(textable(before[name])) !== JSON.stringify(textable(after[name])))
}

function textable(value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
