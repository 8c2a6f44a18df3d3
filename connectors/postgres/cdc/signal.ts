/** What a person asks of a running capture, through a row of the signal table or a logical message; names and shapes are Debezium's. */
import { connectorError } from 'millrace/connect'
import type { Log } from 'millrace/connect'
import type { Client } from 'pg'
import { capturedTables, findSlot, matchesAny, requireLogicalDecoding } from './catalog.ts'
import type { CapturedTable } from './catalog.ts'
import type { Change } from './change-event.ts'
import type { IncrementalProgress } from './position.ts'

export const signalPrefix = 'millrace.signal'

export interface Signal {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

const signalTypes = ['execute-snapshot', 'stop-snapshot', 'pause-snapshot', 'resume-snapshot', 'log']

/** Writes a signal into the log of the server, where the capture with that slot meets it. @throws a connector error when the capture would pass it over */
export async function sendSignal(client: Client, { type, data }: Signal, capture: { readonly slot: string; readonly includeList: readonly string[] }): Promise<void> {
  if (!signalTypes.includes(type)) throw connectorError(`there is no signal ${type}; there are ${signalTypes.join(', ')}`)
  const { majorVersion } = await requireLogicalDecoding(client)
  if (majorVersion < 14) throw connectorError(`signals without a table need PostgreSQL 14; this server is ${majorVersion}. Insert them into the table that signal.data.collection names`)
  if ((await findSlot(client, capture.slot)) === undefined) throw connectorError(`there is no slot ${capture.slot}: the connector has not run yet`)
  if (type === 'execute-snapshot') {
    const patterns = patternsOf(data)
    const tables = await capturedTables(client, capture.includeList)
    if (!tables.some(({ name }) => matchesAny(patterns, name))) throw connectorError(`"data-collections" must be a list of captured tables, as schema.table; * stands for any text. ${patterns.join(', ') || 'Nothing'} is none`)
  }
  await client.query(`select pg_logical_emit_message(true, '${signalPrefix}', $1)`, [JSON.stringify({ type, data })])
}

function patternsOf(data: Signal['data']): readonly string[] {
  return Array.isArray(data['data-collections']) ? data['data-collections'].map(String) : []
}

/** Undefined, and said why, for what cannot be read. */
export function readSignal(type: unknown, data: unknown, log: Log): Signal | undefined {
  try {
    const value: unknown = typeof data === 'string' && data.trim() !== '' ? JSON.parse(data) : (data ?? {})
    if (typeof type === 'string' && typeof value === 'object' && value !== null && !Array.isArray(value)) return { type, data: value as Signal['data'] }
  } catch {
    // said below
  }
  log.warn(`a signal was passed over: its type must be a text and its data a JSON object, not ${String(type)} and ${String(data).slice(0, 200)}`)
  return undefined
}

/** What is left to read again after the signal. */
export function applySignal(signal: Signal, progress: IncrementalProgress | null, tables: readonly CapturedTable[], log: Log): IncrementalProgress | null {
  const { type, data } = signal
  const patterns = patternsOf(data)
  switch (type) {
    case 'execute-snapshot':
      return executed(signal, patterns, progress, tables, log)
    case 'stop-snapshot': {
      const left = progress?.tables.filter(({ name }) => patterns.length > 0 && !matchesAny(patterns, name)) ?? []
      log.info('reading tables again was stopped by a signal')
      if (progress === null || left.length === 0) return null
      return { ...progress, tables: left, after: left[0]!.name === progress.tables[0]!.name ? progress.after : null }
    }
    case 'pause-snapshot':
      return progress === null ? null : { ...progress, paused: true }
    case 'resume-snapshot':
      return progress === null ? null : { ...progress, paused: false }
    case 'log':
      log.info(String(data['message']))
      return progress
    default:
      log.warn(`a signal of unknown type ${type} was passed over`)
      return progress
  }
}

function executed({ data }: Signal, patterns: readonly string[], progress: IncrementalProgress | null, tables: readonly CapturedTable[], log: Log): IncrementalProgress | null {
  const kind = typeof data['type'] === 'string' ? data['type'].toLowerCase() : 'incremental'
  const wanted = tables.filter(({ name }) => matchesAny(patterns, name) && progress?.tables.some((each) => each.name === name) !== true)
  if (kind !== 'incremental' || wanted.length === 0) {
    log.warn(kind === 'incremental' ? `a signal asks for ${patterns.join(', ') || 'no table'}: there is nothing more to read of that` : `a signal asks for a snapshot of type ${kind}: only incremental is known`)
    return progress
  }
  const conditions = Array.isArray(data['additional-conditions']) ? (data['additional-conditions'] as Readonly<Record<string, unknown>>[]) : []
  const filterOf = (name: string) => conditions.find((condition) => matchesAny([String(condition['data-collection'])], name))?.['filter']
  const added = wanted.map(({ name }) => ({ name, filter: typeof filterOf(name) === 'string' ? String(filterOf(name)) : null }))
  log.info(`a signal asks for the rows of ${added.map(({ name }) => name).join(', ')}`)
  return { tables: [...(progress?.tables ?? []), ...added], after: progress?.after ?? null, paused: progress?.paused ?? false }
}

/** Undefined for a change that is none. */
export function signalOf(change: Change, signalTable: string | null, log: Log): Signal | undefined {
  const { op, after, message } = change
  if (message?.prefix === signalPrefix) {
    const { type, data } = jsonObject(message.content.toString())
    return readSignal(type, data, log)
  }
  return op === 'c' && after !== null && isOfTable(change, signalTable) ? readSignal(after['type'], after['data'], log) : undefined
}

export function isOfTable({ op, message, schema, table }: Change, name: string | null): boolean {
  return name !== null && op !== 'begin' && op !== 'end' && message === null && `${schema}.${table}` === name
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
