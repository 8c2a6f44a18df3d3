/** The store of a table as the operators of tables see it, whatever its type: rows with a timestamp by key. */
import { deserializeCopy } from '../../core/index.ts'
import type { Serde } from '../../core/index.ts'
import type { Change } from '../change.ts'
import { readInt64 } from '../state/bytes.ts'
import type { FlushedRow } from '../state/flushed-row.ts'
import { KeyValueStore } from '../state/key-value-store.ts'
import type { OpenStore } from '../state/open-store.ts'
import { SessionStore } from '../state/session-store.ts'
import { sessionEndOf, sessionKeys, sessionStartOf, windowSuffix } from '../state/store-keys.ts'
import { timestampBytes } from '../state/value-and-timestamp.ts'
import type { ValueAndTimestamp } from '../state/value-and-timestamp.ts'
import { VersionedStore, notPut, validForever } from '../state/versioned-store.ts'
import { WindowStore } from '../state/window-store.ts'
import { RowChange } from '../row-change.ts'
import type { RowRun } from '../row-change.ts'
import { unread } from '../stream-record.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { TopologyNode } from '../topology/node.ts'
import type { Windowed } from '../windows.ts'
import type { Output } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

export type Row = ValueAndTimestamp<unknown>

export interface TableStore {
  get(key: unknown): Row | null
  /** As `get`, for the operator that keeps the table: it knows by its own clock which rows of a windowed table still change. */
  getToUpdate(key: unknown): Row | null
  /** What held at a time; the current row where the store has no versions. */
  getAsOf(key: unknown, timestamp: number): Row | null
  /** As `getAsOf`, of key and time of the record: a key that nobody has looked at is not read where it need not be. */
  getOf(record: StreamRecord): Row | null
  /** As `getOf`, of the key of a flushed row of another table. */
  getOfChange(change: RowChange): Row | null
  /** `latest`, `out-of-order` (a versioned store has a later row), or `refused` (older than its history: nothing may be sent on). */
  put(key: unknown, value: unknown, timestamp: number): 'latest' | 'out-of-order' | 'refused'
}

/** A table that is kept by the node: put the new row, and send the change on, now or when the cache is flushed. */
export interface KeptTable extends TableStore {
  /** False: `update` makes nothing of an old value, which need not be looked up: none is sent on, or it is found when the cache is flushed. */
  readonly asksOldValue: boolean
  update(record: StreamRecord, key: unknown, change: { readonly newValue: unknown; readonly oldValue: unknown }, timestamp: number): void
}

export function tableStore(store: OpenStore): TableStore {
  const { view } = store
  if (view instanceof VersionedStore) return versionedTable(view)
  if (view instanceof WindowStore) return windowTable(view as WindowStore<unknown, Row>)
  if (view instanceof SessionStore) return sessionTable(view)
  const rows = view as KeyValueStore<unknown, unknown>
  return store.spec.type.startsWith('timestamped-') ? timestampedTable(rows as KeyValueStore<unknown, Row>, store.spec.keySerde) : plainTable(rows)
}

export function keptTable(node: TopologyNode, name: string, sendOldValues: boolean, output: Output, context: OperatorContext): KeptTable {
  const store = context.store(node, name)
  const table = tableStore(store)
  const send = forwardFlushed(store, sendOldValues, output)
  return {
    ...table,
    asksOldValue: sendOldValues && send === 'at-once',
    update(record, key, { newValue, oldValue }, timestamp) {
      const outcome = table.put(key, newValue, timestamp)
      if (outcome === 'refused' || send === 'when-flushed') return
      output.next(record.at(key, { newValue, oldValue: sendOldValues ? oldValue : null, isLatest: outcome === 'latest' }, timestamp))
    },
  }
}

/** Makes flushed rows of a cached store go to `output`, and says when rows are to be sent on. */
export function forwardFlushed(store: OpenStore, withOldValues: boolean, output: Output): 'at-once' | 'when-flushed' {
  if (!store.cached) return 'at-once'
  const decode = rowDecoder(store)
  const send = withOldValues ? null : rowSender(store)
  let found: RowRun | null | undefined
  const findRun = () => (found === undefined ? (found = send === null ? null : (output.rows ?? null)) : found)
  const flushed = (row: FlushedRow) => {
    const run = findRun()
    if (run === null) output.next(decode(row))
    else send!(row, run)
  }
  store.onFlush(flushed, withOldValues, (rows) => findRun()?.lookAhead?.(rows))
  return 'when-flushed'
}

/** Sends on flushed rows without records for them. */
function rowSender(store: OpenStore): (row: FlushedRow, run: RowRun) => void {
  const { keySerde, valueSerde } = store.spec
  const isSession = store.view instanceof SessionStore
  const change = new RowChange({ keySerde, valueSerde, timestampBytes: isSession ? 0 : timestampBytes, hasPlainKey: store.view instanceof KeyValueStore }, keyReader(store))
  return (row, run) => {
    const { table, row: index } = row
    change.row = row
    const isDeletion = table.valueLength(index) < 0
    const key = isSession ? change.readKey() : unread
    const timestamp = isSession ? (key as Windowed<unknown>).end : isDeletion ? row.timestamp : readInt64(table.page(index), table.offset(index) + table.keyLength(index))
    run(isDeletion ? null : run.seesValue ? change.readValue() : unread, key, timestamp, row.headers, change)
  }
}

/** Of a flushed row. */
function keyReader({ spec, view }: OpenStore): (row: FlushedRow) => unknown {
  const { keySerde, windowSizeMs = 0 } = spec
  const isSession = view instanceof SessionStore
  const isWindow = view instanceof WindowStore
  return ({ table, row }) => {
    const page = table.page(row)
    const at = table.offset(row)
    const end = at + table.keyLength(row)
    if (isSession) return sessionOf(keySerde, page, at, end)
    if (!isWindow) return deserializeCopy(keySerde, page, at, end)
    const start = readInt64(page, end - windowSuffix)
    return { key: deserializeCopy(keySerde, page, at, end - windowSuffix), start, end: start + windowSizeMs }
  }
}

/** The record and timestamp of a flushed row are those of its last update. */
function rowDecoder(store: OpenStore): (row: FlushedRow) => StreamRecord<unknown, Change<unknown>> {
  const { valueSerde } = store.spec
  const isSession = store.view instanceof SessionStore
  const beforeValue = isSession ? 0 : timestampBytes
  const keyOf = keyReader(store)
  return (flushed) => {
    const { table, row, oldValue: old, record } = flushed
    const page = table.page(row)
    const valueAt = table.offset(row) + table.keyLength(row)
    const valueLength = table.valueLength(row)
    const key = keyOf(flushed)
    const newValue = valueLength < 0 ? null : deserializeCopy(valueSerde, page, valueAt + beforeValue, valueAt + valueLength)
    const oldValue = old === null ? null : deserializeCopy(valueSerde, old, beforeValue, old.length)
    const timestamp = isSession ? (key as Windowed<unknown>).end : valueLength < 0 ? record.timestamp : readInt64(page, valueAt)
    return record.at(key, { newValue, oldValue, isLatest: true }, timestamp)
  }
}

function sessionOf(keySerde: Serde<unknown>, page: Uint8Array, at: number, end: number): Windowed<unknown> {
  const rowKey = page.subarray(at, end)
  return { key: deserializeCopy(keySerde, page, at, end - sessionKeys.suffixBytes), start: sessionStartOf(rowKey), end: sessionEndOf(rowKey) }
}

function timestampedTable(view: KeyValueStore<unknown, Row>, keySerde: Serde<unknown>): TableStore {
  const get = (key: unknown) => view.get(key)
  return {
    get,
    getToUpdate: get,
    getAsOf: get,
    getOf: (record) => view.getOf(record),
    getOfChange: (change) => (change.hasKeyOf(keySerde) ? view.getOfRow(change.row) : get(change.readKey())),
    put(key, value, timestamp) {
      view.put(key, value === null ? null : { value, timestamp })
      return 'latest'
    },
  }
}

/** Stores of plain values have no timestamps: -1 is older than every record. */
function plainTable(view: KeyValueStore<unknown, unknown>): TableStore {
  const get = (key: unknown) => {
    const value = view.get(key)
    return value === null ? null : { value, timestamp: -1 }
  }
  return {
    get,
    getToUpdate: get,
    getAsOf: get,
    getOf: ({ key }) => get(key),
    getOfChange: (change) => get(change.readKey()),
    put(key, value) {
      view.put(key, value)
      return 'latest'
    },
  }
}

function versionedTable(view: VersionedStore<unknown, unknown>): TableStore {
  return {
    get: (key) => view.get(key),
    getToUpdate: (key) => view.get(key),
    getAsOf: (key, timestamp) => view.getAsOf(key, timestamp),
    getOf: ({ key, timestamp }) => view.getAsOf(key, timestamp),
    getOfChange: (change) => view.get(change.readKey()),
    put(key, value, timestamp) {
      const validTo = view.put(key, value, timestamp)
      return validTo === notPut ? 'refused' : validTo === validForever ? 'latest' : 'out-of-order'
    },
  }
}

function windowTable(view: WindowStore<unknown, Row>): TableStore {
  const get = (key: unknown) => {
    const window = key as Windowed<unknown>
    return view.fetchOne(window.key, window.start)
  }
  return {
    get,
    getToUpdate(key) {
      const window = key as Windowed<unknown>
      return view.fetchToUpdate(window.key, window.start)
    },
    getAsOf: get,
    getOf: ({ key }) => get(key),
    getOfChange: (change) => get(change.readKey()),
    put(key, value, timestamp) {
      const window = key as Windowed<unknown>
      view.put(window.key, value === null ? null : { value, timestamp }, window.start)
      return 'latest'
    },
  }
}

function sessionTable(view: SessionStore<unknown, unknown>): TableStore {
  const get = (key: unknown) => {
    const session = key as Windowed<unknown>
    const value = view.fetchSession(session.key, session.start, session.end)
    return value === null ? null : { value, timestamp: session.end }
  }
  return {
    get,
    getToUpdate: get,
    getAsOf: get,
    getOf: ({ key }) => get(key),
    getOfChange: (change) => get(change.readKey()),
    put(key, value) {
      view.put(key as Windowed<unknown>, value)
      return 'latest'
    },
  }
}
