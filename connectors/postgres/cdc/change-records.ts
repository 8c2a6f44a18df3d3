/**
 * Records of changes, in the order of the log. What only has to be written down goes as bytes into JSON; everything else comes as
 * records from the caller, and stands between the runs of those.
 *
 *   change, change … of one table ──► a run ──► another table, another kind of record, the end of the poll ──► spans
 */
import type { SourceOffset, SourcePosition, SourceRecord, SourceSpans } from 'millrace/connect'
import type { EventOptions, EventSource } from './change-event.ts'
import { EventBytes, tableJson } from './event-bytes.ts'
import type { TableJson } from './event-bytes.ts'
import { unchangedCell } from './pgoutput.ts'
import type { OldTuple, PgoutputMessage, Tuple } from './pgoutput.ts'
import { offsetOf } from './position.ts'
import type { Position } from './position.ts'
import type { StreamedTable, TransactionReader } from './transaction-reader.ts'

export type SourceItem = SourceRecord | SourceSpans | SourcePosition
export type RowMessage = Extract<PgoutputMessage, { kind: 'insert' | 'update' | 'delete' }>

/** Records of one transaction in the run. */
interface Part {
  readonly first: number
  readonly finalLsn: bigint
  /** Before the transaction. */
  readonly base: Position
  /** Behind its commit, once that is known. */
  end: Position | undefined
}

interface Run {
  readonly table: TableJson
  readonly first: number
  readonly parts: Part[]
}

export class ChangeRecords {
  readonly #options: EventOptions
  readonly #events: EventBytes
  readonly #tables = new WeakMap<StreamedTable, TableJson>()
  /** By record: how many changes of its transaction were given with it. */
  readonly #given: number[] = []
  #items: SourceItem[] = []
  #run: Run | undefined
  #source: (EventSource & { readonly finalLsn: bigint }) | undefined
  #nowMs = 0
  /** The last record that was given does not say that its transaction has ended. */
  #endIsOwed = false

  constructor(options: EventOptions) {
    this.#options = options
    this.#events = new EventBytes(options)
  }

  /** What was given before may be overwritten. */
  begin(nowMs: number): void {
    this.#nowMs = nowMs
    this.#items = []
    this.#run = undefined
    this.#events.clear()
    this.#given.length = 0
  }

  /** So many records, or bytes, are enough for one poll. */
  isFull(mostRecords: number): boolean {
    return this.#events.count + this.#items.length >= mostRecords || this.#events.byteCount >= enoughBytes
  }

  /** Whether `add` does all that has to be done about the change. */
  static takes(message: RowMessage, table: StreamedTable, leavesOutUnchanged: boolean): boolean {
    if (message.kind !== 'update') return true
    const { before, after } = message
    if (after.cells.includes(unchangedCell)) return leavesOutUnchanged && before === null
    return before === null || (!before.keyOnly && hasSameKey(table, before, after))
  }

  /** Writes a change of a row; or nothing, when it was given before a restart. */
  add(message: RowMessage, table: StreamedTable, reader: TransactionReader): void {
    const passed = reader.pass()
    if (passed === undefined) return
    const json = this.#tableJson(table)
    const { finalLsn, xid, commitMs, seen } = passed
    if (this.#source?.finalLsn !== finalLsn || this.#source.table !== json.table || this.#source.schema !== json.schema) {
      this.#source = { schema: json.schema, table: json.table, lsn: finalLsn, xid, commitMs, snapshot: 'false', finalLsn }
    }
    const run = this.#runOf(json)
    const count = this.#events.count
    if (run.parts.at(-1)?.finalLsn !== finalLsn) run.parts.push({ first: count, finalLsn, base: reader.base, end: undefined })
    if (message.kind === 'delete') this.#events.addGone(json, cellsOf(withoutRest(message.before, table)), this.#source, this.#nowMs)
    else {
      const before = message.kind === 'update' && message.before !== null ? cellsOf(message.before.row) : null
      this.#events.addPresent(message.kind === 'insert' ? 'c' : 'u', json, before, cellsOf(message.after), this.#source, this.#nowMs)
    }
    // Only the last record of a change stands for it.
    for (let index = count; index < this.#events.count; index++) this.#given[index] = index === this.#events.count - 1 ? seen : seen - 1
    this.#endIsOwed = true
  }

  /** A transaction has ended: whoever goes on behind its last record need not meet it again. */
  committed(end: Position): void {
    const part = this.#run?.parts.at(-1)
    if (part !== undefined) part.end = end
    else if (this.#endIsOwed) this.#items.push({ sourcePartition: this.#options.partition, sourceOffset: offsetOf(end) })
    this.#endIsOwed = false
  }

  /** For records that are made elsewhere. */
  others(): SourceItem[] {
    this.#endRun()
    this.#endIsOwed = false
    return this.#items
  }

  take(): readonly SourceItem[] {
    this.#endRun()
    return this.#items
  }

  #tableJson(table: StreamedTable): TableJson {
    const known = this.#tables.get(table)
    if (known !== undefined) return known
    const { relation, types, keyColumns } = table
    const names = relation.columns.map(({ name }) => name)
    const made = tableJson(this.#options, { schema: relation.schema, table: relation.table, names, types, keyNames: keyColumns })
    this.#tables.set(table, made)
    return made
  }

  #runOf(table: TableJson): Run {
    if (this.#run !== undefined && this.#run.table !== table) this.#endRun()
    return (this.#run ??= { table, first: this.#events.count, parts: [] })
  }

  #endRun(): void {
    const run = this.#run
    if (run === undefined) return
    this.#run = undefined
    const last = this.#events.count - 1
    this.#items.push(this.#events.spans(run.table, this.#nowMs, (index) => this.#offsetAt(run, run.first + index, last), run.first))
  }

  #offsetAt({ parts }: Run, record: number, last: number): SourceOffset {
    const index = parts.findLastIndex(({ first }) => first <= record)
    const { base, finalLsn, end } = parts[index]!
    const isLast = record === (parts[index + 1]?.first ?? last + 1) - 1
    if (isLast && end !== undefined) return offsetOf(end)
    const changes = this.#given[record]!
    return offsetOf({ ...base, transaction: changes === 0 ? null : { finalLsn, changes } })
  }
}

const enoughBytes = 1_048_576

const cellsOf = ({ bytes, cells }: Tuple) => ({ bytes, cells, first: 0 })

/** Cells outside the replica identity say nothing, not null. */
function withoutRest({ row, keyOnly }: OldTuple, { relation: { columns } }: StreamedTable): Tuple {
  if (keyOnly) for (let index = 0; index < columns.length; index++) if (!columns[index]!.inIdentity) row.cells[2 * index] = unchangedCell
  return row
}

function hasSameKey({ relation: { columns }, keyColumns }: StreamedTable, { row: before }: OldTuple, after: Tuple): boolean {
  return keyColumns.every((name) => {
    const at = 2 * columns.findIndex((column) => column.name === name)
    const [start, end] = [before.cells[at] ?? -1, before.cells[at + 1] ?? -1]
    const [startAfter, endAfter] = [after.cells[at] ?? -1, after.cells[at + 1] ?? -1]
    if (start < 0 || startAfter < 0) return start === startAfter
    return before.bytes.compare(after.bytes, startAfter, endAfter, start, end) === 0
  })
}
