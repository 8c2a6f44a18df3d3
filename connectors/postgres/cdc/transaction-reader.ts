/**
 * Turns decoded messages into changes with positions, and leaves out what was given before a restart.
 *
 *   begin ──► change, change … ──► commit       a change is held back until the next message is known: the last one of a transaction
 *                                               carries the position behind the commit
 */
import { connectorError } from 'millrace/connect'
import type { Change, Row } from './change-event.ts'
import { columnValueAt } from './column-value.ts'
import type { ColumnType } from './column-value.ts'
import { nullCell, unchangedCell } from './pgoutput.ts'
import { withKnown } from './new-tables.ts'
import type { Kept } from './overlap.ts'
import type { PgoutputMessage, Relation, Tuple } from './pgoutput.ts'
import type { IncrementalProgress, Position } from './position.ts'

/** A table as the stream describes it at this point. */
export interface StreamedTable {
  readonly relation: Relation
  /** `schema.table`. */
  readonly name: string
  readonly types: readonly ColumnType[]
  readonly keyColumns: readonly string[]
  /** A publication may hold more tables than are wanted. */
  readonly isCaptured: boolean
}

export interface PositionedChange {
  readonly change: Change
  /** Position before and after it. */
  readonly before: Position
  readonly after: Position
}

/** A transaction, as one of its changes sees it. */
export interface PassedChange {
  readonly finalLsn: bigint
  readonly commitMs: number
  readonly xid: number
  /** Which of its changes it is; from 1. */
  readonly seen: number
}

interface Transaction extends PassedChange {
  /** How many of its changes were given before a restart. */
  readonly given: number
  /** Its beginning was told. */
  begun: boolean
  seen: number
  readonly counts: Map<string, number>
}

export interface ReaderOptions {
  /** Tell of the beginning and end of transactions, and number their changes. */
  readonly transactions: boolean
  /** What stands for a large value that did not change; undefined: its column is left out. */
  readonly placeholder: string | undefined
}

export class TransactionReader {
  readonly #options: ReaderOptions
  readonly #tables = new Map<number, StreamedTable>()
  #position: Position
  #transaction: Transaction | undefined
  /** The last change of the transaction so far was given by the caller. */
  #hasPassed = false
  #held: { readonly change: Change; readonly before: Position } | undefined

  constructor(position: Position, options: ReaderOptions) {
    this.#position = position
    this.#options = options
  }

  /** Behind everything that `read` has answered, and that the caller gave by itself. */
  get position(): Position {
    return this.#hasPassed ? { ...this.#position, transaction: { finalLsn: this.#open().finalLsn, changes: this.#open().seen } } : this.#position
  }

  /** Before the transaction that is being read, with what is known of snapshots now. */
  get base(): Position {
    return this.#position
  }

  /** What was held back is known not to be the last of its transaction, for the caller gives the next change by itself. */
  release(): readonly PositionedChange[] {
    if (this.#held === undefined) return nothing
    const { finalLsn, seen } = this.#open()
    return this.#release({ ...this.#position, transaction: { finalLsn, changes: seen } })
  }

  /** Counts a change that the caller gives by itself, after `release`. Undefined: it was given before a restart. */
  pass(): PassedChange | undefined {
    if (!this.#isNew()) return undefined
    this.#hasPassed = true
    return this.#open()
  }

  /** The table that rows with this number belong to. */
  tableOf(oid: number): StreamedTable {
    return this.#table(oid)
  }

  /** Nothing of an unfinished transaction was read. */
  get isBetweenTransactions(): boolean {
    return this.#transaction === undefined
  }

  describe(table: StreamedTable): void {
    this.#tables.set(table.relation.oid, table)
  }

  /** Which transaction it is in; undefined between two. */
  get xid(): number | undefined {
    return this.#transaction?.xid
  }

  /** `keptOf`: what of the change of a table's row, by the number of the table, is to be given. */
  read(message: PgoutputMessage, keptOf: (relation: number) => Kept = keepsAll): readonly PositionedChange[] {
    switch (message.kind) {
      case 'begin':
        this.#begin(message)
        return nothing
      case 'commit':
        return this.#commit(message.endLsn)
      case 'message':
        return message.transactional ? this.#messageInTransaction(message) : this.#lonelyMessage(message)
      case 'insert':
      case 'update':
      case 'delete':
        return this.#changed(this.#table(message.relation), message, this.#keptOf(message.relation, keptOf))
      case 'truncate':
        return message.relations.flatMap((oid) => this.#keptOf(oid, keptOf) === 'none' ? this.#leaveOut() : this.#truncated(this.#table(oid)))
      default:
        return []
    }
  }

  /** What was received and lies between transactions moves the position, though it holds nothing for us. */
  advance(lsn: bigint): void {
    if (!this.isBetweenTransactions || lsn <= this.#position.lsn) return
    const { resumed } = this.#position
    this.#position = { ...this.#position, lsn, transaction: null, resumed: resumed !== null && lsn >= resumed.until ? null : resumed }
  }

  /** Positions from here on say this of the snapshots that were asked for. */
  setIncremental(incremental: IncrementalProgress | null): void {
    this.#position = { ...this.#position, incremental }
    if (this.#held !== undefined) this.#held = { ...this.#held, before: { ...this.#held.before, incremental } }
  }

  /** Of a table that the position does not know, every change is read. */
  know(oid: number): void {
    this.#position = withKnown(this.#position, oid)
  }

  #begin({ finalLsn, commitMs, xid }: Extract<PgoutputMessage, { kind: 'begin' }>): void {
    const { lsn, transaction, resumed } = this.#position
    if (resumed !== null && finalLsn >= resumed.until) this.#position = { ...this.#position, resumed: null }
    const given = finalLsn < lsn ? Number.POSITIVE_INFINITY : transaction?.finalLsn === finalLsn ? transaction.changes : 0
    this.#transaction = { finalLsn, commitMs, xid, given, begun: transaction?.finalLsn === finalLsn, seen: 0, counts: new Map() }
  }

  #commit(endLsn: bigint): readonly PositionedChange[] {
    const transaction = this.#open()
    const end = this.#options.transactions && Number.isFinite(transaction.given) && transaction.counts.size > 0 ? this.#bound('end', transaction) : undefined
    this.#transaction = undefined
    this.#hasPassed = false
    const after: Position = endLsn > this.#position.lsn ? { ...this.#position, lsn: endLsn, transaction: null } : this.#position
    if (end === undefined) {
      this.#position = after
      return this.#release(after)
    }
    const before: Position = { ...this.#position, transaction: { finalLsn: transaction.finalLsn, changes: transaction.seen } }
    const last = this.#release(before)
    this.#position = after
    return [...last, { change: end, before, after }]
  }

  #messageInTransaction({ prefix, content }: Message): readonly PositionedChange[] {
    if (!this.#isNew()) return []
    return this.#hold({ ...this.#bound('begin', this.#open()), op: 'm', message: { prefix, content } })
  }

  /** It belongs to no transaction, and stands between two of them. */
  #lonelyMessage({ lsn, prefix, content }: Message): readonly PositionedChange[] {
    const before = this.#position
    if (this.#transaction !== undefined || lsn < before.lsn) return []
    this.#position = { ...before, lsn: lsn + 1n, transaction: null }
    const change: Change = { ...noRow, op: 'm', message: { prefix, content }, lsn, xid: null, commitMs: 0 }
    return [{ change, before, after: this.#position }]
  }

  #bound(op: 'begin' | 'end', { finalLsn, xid, commitMs, counts }: Transaction): Change {
    return { ...noRow, op, lsn: finalLsn, xid, commitMs, counts: op === 'end' ? counts : null }
  }

  #changed(table: StreamedTable, message: Extract<PgoutputMessage, { kind: 'insert' | 'update' | 'delete' }>, kept: Kept): readonly PositionedChange[] {
    if (kept === 'none') return this.#leaveOut()
    const order = this.#counted(table)
    if (!this.#isNew()) return nothing
    const old = message.kind === 'insert' ? null : message.before
    const oldRow = old === null ? null : rowOf(table, old.row, old.keyOnly)
    const after = message.kind === 'delete' ? null : rowOf(table, message.after)
    const unavailable = message.kind === 'update' ? this.#fillUnchanged(table, message.after, oldRow, after!) : nothing
    const op = operations[message.kind]
    const oldKey = op === 'u' && oldRow !== null && after !== null && hasOtherKey(table, oldRow, after) ? oldRow : null
    if (kept === 'old') return this.#hold(this.#change(table, { op: 'd', before: oldRow, after: null, unavailable: nothing, oldKey, order }))
    if (kept === 'new') return this.#hold(this.#change(table, { op: 'c', before: null, after, unavailable, oldKey, order }))
    return this.#hold(this.#change(table, { op, before: oldRow, after, unavailable, oldKey, order }))
  }

  #keptOf(oid: number, keptOf: (relation: number) => Kept): Kept {
    return this.#table(oid).isCaptured ? keptOf(oid) : 'none'
  }

  /** Counts a change that nobody gives. */
  #leaveOut(): readonly PositionedChange[] {
    const released = this.release()
    if (this.#isNew()) this.#hasPassed = true
    return released
  }

  #truncated(table: StreamedTable): readonly PositionedChange[] {
    const order = this.#counted(table)
    return this.#isNew() ? this.#hold(this.#change(table, { op: 't', before: null, after: null, unavailable: nothing, oldKey: null, order })) : nothing
  }

  #counted({ name }: StreamedTable): Change['order'] {
    if (!this.#options.transactions) return null
    const { counts } = this.#open()
    const ofTable = (counts.get(name) ?? 0) + 1
    counts.set(name, ofTable)
    return { total: [...counts.values()].reduce((sum, count) => sum + count, 0), ofTable }
  }

  /** A large value that did not change is in the old row, where the table keeps that whole. @returns the columns that stay unknown */
  #fillUnchanged({ relation, types }: StreamedTable, { cells }: Tuple, old: Row | null, row: Record<string, unknown>): readonly string[] {
    if (!cells.includes(unchangedCell)) return nothing
    const { placeholder } = this.#options
    const unknown: string[] = []
    for (let index = 0; 2 * index < cells.length; index++) {
      if (cells[2 * index] !== unchangedCell) continue
      const { name } = relation.columns[index]!
      if (old !== null && name in old) row[name] = old[name]
      else {
        unknown.push(name)
        if (placeholder !== undefined) row[name] = placeholderOf(types[index]!, placeholder)
      }
    }
    return unknown
  }

  #isNew(): boolean {
    const transaction = this.#open()
    return ++transaction.seen > transaction.given
  }

  #change({ relation, keyColumns }: StreamedTable, what: Pick<Change, 'op' | 'before' | 'after' | 'unavailable' | 'oldKey' | 'order'>): Change {
    const { finalLsn, xid, commitMs } = this.#open()
    const { op, before, after, unavailable, oldKey, order } = what
    return { op, schema: relation.schema, table: relation.table, columns: relation.columns, keyColumns, before, after, unavailable, oldKey, lsn: finalLsn, xid, commitMs, snapshot: 'false', message: null, order, counts: null }
  }

  #hold(change: Change): readonly PositionedChange[] {
    const transaction = this.#open()
    this.#hasPassed = false
    const { finalLsn, seen } = transaction
    const before: Position = { ...this.#position, transaction: seen === 1 && !transaction.begun ? null : { finalLsn, changes: seen - 1 } }
    const released = this.#release(before)
    if (!this.#options.transactions || transaction.begun || change.order === null) {
      this.#held = { change, before }
      return released
    }
    transaction.begun = true
    const begun: Position = { ...before, transaction: { finalLsn, changes: seen - 1 } }
    this.#position = begun
    this.#held = { change, before: begun }
    return [...released, { change: this.#bound('begin', transaction), before, after: begun }]
  }

  #release(after: Position): readonly PositionedChange[] {
    const held = this.#held
    this.#held = undefined
    if (held === undefined) return nothing
    this.#position = after
    return [{ change: held.change, before: held.before, after }]
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

type Message = Extract<PgoutputMessage, { kind: 'message' }>

const operations = { insert: 'c', update: 'u', delete: 'd' } as const
const nothing: readonly never[] = []
const keepsAll = (): Kept => 'all'

const noRow = { schema: '', table: '', columns: [], keyColumns: [], before: null, after: null, unavailable: [], oldKey: null, snapshot: 'false', message: null, order: null, counts: null } as const

/** In the form that a value of the type has, so that readers of that form can take it. */
function placeholderOf(type: ColumnType, placeholder: string): unknown {
  if (type.kind === 'array') return [placeholderOf(type.element, placeholder)]
  return type.kind === 'bytes' ? Buffer.from(placeholder).toString('base64') : placeholder
}

/** `keyOnly`: cells outside the replica identity say nothing, not null. */
function rowOf({ relation: { columns }, types }: StreamedTable, { bytes, cells }: Tuple, keyOnly = false): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (let index = 0; index < columns.length; index++) {
    const { name, inIdentity } = columns[index]!
    const start = cells[2 * index] ?? nullCell
    if (start === unchangedCell || (keyOnly && !inIdentity)) continue
    row[name] = start === nullCell ? null : columnValueAt(bytes, start, cells[2 * index + 1]!, types[index]!)
  }
  return row
}

function hasOtherKey({ keyColumns }: StreamedTable, before: Row, after: Row): boolean {
  return keyColumns.some((name) => name in before && name in after && JSON.stringify(textable(before[name])) !== JSON.stringify(textable(after[name])))
}

function textable(value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
