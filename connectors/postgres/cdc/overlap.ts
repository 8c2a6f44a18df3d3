/**
 * A snapshot that was cut off goes on with the state of the database at that time. So its rows are of several states, each of which
 * shows the changes of some transactions that the log is still to tell of:
 *
 *   rows:      a ─ ─ ─ ─ k ─ ─ ─ ─ r ─ ─ ─ z          ─► by table and key
 *              slot made   resumed   resumed again        each part with the transactions that it shows
 *   changes:   ├────────────────────────┤──────────►     up to `until` a change is left out where the part of its key shows it
 *
 * So what a part shows comes once, as a row; and what it does not show comes once, as a change.
 */
import type { Client } from 'pg'
import { quoteText } from '../sink/sql-text.ts'
import type { CapturedTable } from './catalog.ts'
import { unchangedCell } from './pgoutput.ts'
import type { OldTuple, Relation, Tuple } from './pgoutput.ts'
import type { RowMessage } from './change-records.ts'
import type { ResumedSnapshot, SnapshotPart, SnapshotProgress } from './position.ts'
import { TransactionHorizon } from './transaction-horizon.ts'
import type { StreamedTable } from './transaction-reader.ts'

/** What of a change is news. old: that the row under the old key is gone; new: that there is one under the new key. */
export type Kept = 'all' | 'none' | 'old' | 'new'

export type Truncation =
  | 'all'
  | 'none'
  /** The rows behind this key were read after it: whoever empties the table must get them again. */
  | { readonly behind: readonly string[] }

/** Offsets hold the parts, so these are bounds for a database that is hardly ever up: then some changes come though their rows show them. */
const mostParts = 32
const mostBytes = 16_384

/** `from`: where the reading goes on, with a state that shows the transactions of `horizon`, all of them committed before `until`. */
export function resumedFrom(before: ResumedSnapshot | null, from: SnapshotProgress, horizon: string, until: bigint): ResumedSnapshot {
  // A part from which nothing was read makes way.
  const earlier = (before?.parts ?? []).filter(({ table, after }) => table < from.table || (table === from.table && JSON.stringify(after) !== JSON.stringify(from.after)))
  const parts = [...earlier, { table: from.table, after: from.after, horizon }]
  while (parts.length > 1 && (parts.length > mostParts || JSON.stringify(parts).length > mostBytes)) parts.splice(1, 1) // its rows count as of the part before
  return { parts: parts.length > 1 || JSON.stringify(parts).length <= mostBytes ? parts : [{ ...parts[0]!, horizon: withoutRunning(horizon) }], until }
}

/** Shows less: nothing that began after the first of the running ones. */
export function withoutRunning(horizon: string): string {
  const [lowest = '0'] = horizon.split(':')
  return `${lowest}:${lowest}:`
}

interface TableParts {
  readonly captured: CapturedTable | undefined
  /** The part in which the table begins; below 0: what was read before the first part. */
  readonly first: number
  /** Those that begin within the table. */
  readonly inside: readonly SnapshotPart[]
}

export class Overlap {
  readonly #parts: readonly SnapshotPart[]
  readonly #horizons: readonly TransactionHorizon[]
  readonly #tables: readonly CapturedTable[]
  readonly #client: Client
  readonly #known = new Map<string, TableParts>()

  /** `client`: asked for the order of keys that only the database knows. */
  constructor({ parts }: ResumedSnapshot, tables: readonly CapturedTable[], client: Client) {
    this.#parts = parts
    this.#horizons = parts.map(({ horizon }) => new TransactionHorizon(horizon))
    this.#tables = tables
    this.#client = client
  }

  /** Whether any part shows it: the last one shows the most. */
  shows(xid: number): boolean {
    return this.#horizons.at(-1)?.sees(xid) === true
  }

  /** A promise only where the database has to be asked. */
  keptOf(message: RowMessage, table: StreamedTable, xid: number): Kept | Promise<Kept> {
    const parts = this.#partsOf(table.name)
    const everywhere = this.#isShownEverywhere(parts, xid)
    if (everywhere !== undefined) return everywhere ? 'none' : 'all'
    const { old, now } = keysOf(message, table.relation, parts.captured!)
    const isOldShown = old === undefined ? undefined : this.#isShown(parts, old, xid)
    const isNewShown = now === undefined ? undefined : this.#isShown(parts, now, xid)
    if (isOldShown instanceof Promise || isNewShown instanceof Promise) return Promise.all([isOldShown, isNewShown]).then(([ofOld, ofNew]) => keptWhere(ofOld, ofNew))
    return keptWhere(isOldShown, isNewShown)
  }

  truncationOf(tableName: string, xid: number): Truncation {
    const parts = this.#partsOf(tableName)
    const everywhere = this.#isShownEverywhere(parts, xid)
    if (everywhere !== undefined) return everywhere ? 'none' : 'all'
    return { behind: parts.inside.find((_part, index) => this.#showsAt(parts.first + 1 + index, xid))!.after! }
  }

  #partsOf(name: string): TableParts {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const first = this.#parts.findLastIndex(({ table, after }) => table < name || (table === name && after === null))
    const made = { captured: this.#tables.find((table) => table.name === name), first, inside: this.#parts.filter(({ table, after }) => table === name && after !== null) }
    this.#known.set(name, made)
    return made
  }

  /** Undefined: it depends on the key. */
  #isShownEverywhere({ captured, first, inside }: TableParts, xid: number): boolean | undefined {
    if (captured === undefined) return false
    const atFirst = this.#showsAt(first, xid)
    return inside.length === 0 || atFirst === this.#showsAt(first + inside.length, xid) ? atFirst : undefined
  }

  #showsAt(part: number, xid: number): boolean {
    return part >= 0 && this.#horizons[part]!.sees(xid)
  }

  #isShown({ captured, first, inside }: TableParts, key: readonly string[], xid: number): boolean | Promise<boolean> {
    const { keyColumns } = captured!
    if (keyColumns.every(({ type }) => integerTypes.has(type))) return this.#showsAt(first + inside.filter(({ after }) => isBeyond(key, after!)).length, xid)
    return this.#countBefore(keyColumns, inside, key).then((count) => this.#showsAt(first + count, xid))
  }

  /** How many of the parts begin before the key, in the order that the snapshot was read in. */
  async #countBefore(columns: CapturedTable['keyColumns'], parts: readonly SnapshotPart[], key: readonly string[]): Promise<number> {
    const row = columns.map(({ type, collation }, index) => `$${index + 1}::text::${type}${collation === null ? '' : ` collate ${collation}`}`).join(', ')
    const beyond = parts.map(({ after }) => `((${row}) > (${columns.map(({ type }, index) => `${quoteText(after![index]!)}::${type}`).join(', ')}))::int`)
    const { rows } = await this.#client.query<{ count: number }>(`select ${beyond.join(' + ')} as count`, [...key])
    return rows[0]!.count
  }
}

const integerTypes: ReadonlySet<string> = new Set(['smallint', 'integer', 'bigint'])

function isBeyond(key: readonly string[], other: readonly string[]): boolean {
  const index = key.findIndex((text, at) => text !== other[at])
  return index >= 0 && BigInt(key[index]!) > BigInt(other[index]!)
}

/** Undefined: the change has no such key. */
function keptWhere(isOldShown: boolean | undefined, isNewShown: boolean | undefined): Kept {
  if ((isOldShown ?? isNewShown) === (isNewShown ?? isOldShown)) return (isOldShown ?? isNewShown) === true ? 'none' : 'all'
  return isOldShown === true ? 'new' : 'old'
}

/** Undefined for a key that the change does not have, or does not tell. */
function keysOf(message: RowMessage, relation: Relation, { keyColumns }: CapturedTable): { readonly old: readonly string[] | undefined; readonly now: readonly string[] | undefined } {
  const textsOf = (tuple: Tuple, other: Tuple | null) => {
    const texts = keyColumns.map(({ name }) => textOf(relation, name, tuple) ?? (other === null ? undefined : textOf(relation, name, other)))
    return texts.every((text) => text !== undefined) ? texts : undefined
  }
  const rowOf = (old: OldTuple) => old.row
  if (message.kind === 'insert') return { old: undefined, now: textsOf(message.after, null) }
  if (message.kind === 'delete') return { old: textsOf(rowOf(message.before), null), now: undefined }
  const before = message.before === null ? null : rowOf(message.before)
  const now = textsOf(message.after, before)
  return { old: before === null ? now : textsOf(before, message.after), now }
}

/** Undefined for null, and for what is not there. */
function textOf({ columns }: Relation, name: string, { bytes, cells }: Tuple): string | undefined {
  const at = 2 * columns.findIndex((column) => column.name === name)
  const start = cells[at] ?? unchangedCell
  return start < 0 ? undefined : bytes.toString('utf8', start, cells[at + 1])
}
