import type { RecordPosition, Serde } from '../../core/index.ts'
import type { RowsAhead } from '../state/byte-rows.ts'
import { KeyValueStore } from '../state/key-value-store.ts'
import type { SuppressBuffer } from '../state/suppress-buffer.ts'
import type { RowChange } from '../row-change.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { TableRows, TopologyNode } from '../topology/node.ts'
import type { OperatorContext } from './operator-context.ts'
import { tableStore } from './table-store.ts'
import type { Row } from './table-store.ts'

/** How a row of another table is looked up: now, or as of a time where its store has versions. `record` is what asks. */
export interface RowReader {
  get(key: unknown, record: StreamRecord): Row | null
  getAsOf(key: unknown, record: StreamRecord, timestamp: number): Row | null
  /** As `getAsOf`, of key and time of the record: a key that nobody has looked at is not read where it need not be. */
  getOf(record: StreamRecord): Row | null
  /** As `get`, of the key of a flushed row of another table. Absent: a record is needed. */
  getOfChange?(change: RowChange): Row | null
  /** A hint that `getOfChange` comes for these rows. Absent: it would be of no use. */
  lookAhead?(rows: RowsAhead): void
  /** As `getOf`, of records that were not made, whose keys stand as the serde would write them. Absent: it has no such way. */
  readonly ofRead?: { readonly keySerde: Serde<unknown>; get(position: RecordPosition): Row | null }
  /** The table has versions, so rows that come out of order are not its latest. */
  readonly versioned: boolean
}

/** Reads a table that may not be kept: the nearest kept ancestor is read and the functions between are called again. Semantics: KTableValueGetter. */
export function rowReader(node: TopologyNode, rows: TableRows, context: OperatorContext): RowReader {
  switch (rows.from) {
    case 'nothing': return { get: () => null, getAsOf: () => null, getOf: () => null, versioned: false }
    case 'store': return storedRows(node, rows.store, context)
    case 'filter': return filteredRows(rowReader(node, rows.parent, context), rows)
    case 'mapValues': return mappedRows(rowReader(node, rows.parent, context), rows)
    case 'suppress': return suppressedRows(rowReader(node, rows.parent, context), context.store(node, rows.store).view as SuppressBuffer)
    case 'join': return joinedRows(rowReader(node, rows.left, context), rowReader(node, rows.right, context), rows)
  }
}

function storedRows(node: TopologyNode, name: string, context: OperatorContext): RowReader {
  const store = context.store(node, name)
  const table = tableStore(store)
  const { spec, view } = store
  const isPlain = view instanceof KeyValueStore && spec.type.startsWith('timestamped-')
  return {
    ...(isPlain && { ofRead: { keySerde: spec.keySerde, get: (position: RecordPosition) => view.getAt(position) as Row | null } }),
    get: (key) => table.get(key),
    getAsOf: (key, _record, timestamp) => table.getAsOf(key, timestamp),
    getOf: (record) => table.getOf(record),
    getOfChange: (change) => table.getOfChange(change),
    ...(isPlain && { lookAhead: (rows: RowsAhead) => view.lookAheadOf(rows) }),
    versioned: spec.type === 'versioned',
  }
}

function filteredRows(parent: RowReader, { predicate, negate }: Extract<TableRows, { from: 'filter' }>): RowReader {
  const pick = (row: Row | null, key: unknown, record: StreamRecord) =>
    row !== null && Boolean(predicate(row.value, key, record)) !== negate ? row : null
  return derived(parent, pick)
}

function mappedRows(parent: RowReader, { mapper }: Extract<TableRows, { from: 'mapValues' }>): RowReader {
  return derived(parent, (row, key, record) => {
    const value = row === null ? null : mapper(row.value, key, record)
    return value === null ? null : { value, timestamp: row!.timestamp }
  })
}

function derived(parent: RowReader, derive: (row: Row | null, key: unknown, record: StreamRecord) => Row | null): RowReader {
  return {
    get: (key, record) => derive(parent.get(key, record), key, record),
    getAsOf: (key, record, timestamp) => derive(parent.getAsOf(key, record, timestamp), key, record),
    getOf: (record) => derive(parent.getOf(record), record.key, record),
    versioned: parent.versioned,
  }
}

function suppressedRows(parent: RowReader, buffer: SuppressBuffer): RowReader {
  const get = (key: unknown, record: StreamRecord): Row | null => {
    const held = buffer.priorValueOf(key)
    if (held === undefined) return parent.get(key, record)
    return held.value === null ? null : { value: held.value, timestamp: -1 }
  }
  return { get, getAsOf: get, getOf: (record) => get(record.key, record), versioned: false }
}

function joinedRows(left: RowReader, right: RowReader, { join, joiner }: Extract<TableRows, { from: 'join' }>): RowReader {
  const get = (key: unknown, record: StreamRecord): Row | null => {
    const leftRow = left.get(key, record)
    const rightRow = right.get(key, record)
    if (leftRow === null && (join !== 'outer' || rightRow === null)) return null
    if (rightRow === null && join === 'inner') return null
    const value = joiner(leftRow?.value ?? null, rightRow?.value ?? null, key)
    return value === null ? null : { value, timestamp: Math.max(leftRow?.timestamp ?? -1, rightRow?.timestamp ?? -1) }
  }
  return { get, getAsOf: get, getOf: (record) => get(record.key, record), versioned: false }
}
