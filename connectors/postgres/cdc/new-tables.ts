/**
 * Tables that a capture meets after it began: they were added to its list, or made since. Their rows are read beside the changes, once
 * every transaction has ended that was running before the publication had them: what such a one wrote before is never sent.
 */
import type { Log } from 'millrace/connect'
import type { Client } from 'pg'
import type { PostgresCdcConfig } from '../cdc-config.ts'
import type { CapturedTable, Server } from './catalog.ts'
import { withTable } from './incremental-snapshot.ts'
import type { Position } from './position.ts'

export interface NewTablesOptions {
  readonly mode: PostgresCdcConfig['snapshot.mode']
  readonly server: Server
  readonly log: Log
}

export interface WithNewTables {
  readonly position: Position
  /** For the snapshot to read, if it is being read. */
  readonly tables: readonly CapturedTable[]
}

/** Call it when the publication has the tables. @returns a position in which those that were not known are to be read, as far as they can be */
export async function withNewTables(client: Client, start: Position, tables: readonly CapturedTable[], options: NewTablesOptions): Promise<WithNewTables> {
  const known = start.tables === null ? undefined : numbersOf(start.tables)
  let position: Position = { ...start, tables: textOf(tables.map(({ oid }) => oid)) }
  const added = known === undefined ? [] : tables.filter(({ oid }) => !known.has(oid))
  if (added.length === 0) return { position, tables }
  const read = new Set<CapturedTable>()
  const since = options.server.majorVersion < 14 ? '' : await nextTransaction(client)
  for (const table of added) {
    const obstacle = obstacleOf(table, options)
    if (obstacle === undefined) {
      read.add(table)
      position = { ...position, incremental: withTable(position.incremental, { name: table.name, filter: null, since }) }
      options.log.info(`table ${table.name} is captured from now on; the rows that it has are read beside the changes`)
    } else if (position.snapshot === null || table.name <= position.snapshot.table) {
      options.log[options.mode === 'never' ? 'warn' : 'error'](`table ${table.name} is captured from now on; the rows that it has are not read: ${obstacle}`)
    }
  }
  return { position, tables: tables.filter((table) => !read.has(table)) }
}

/** With a table of which every change was sent since it was made. */
export function withKnown(position: Position, oid: number): Position {
  const known = numbersOf(position.tables ?? '')
  return known.has(oid) ? position : { ...position, tables: textOf([...known, oid]) }
}

/** Why the rows are not read, and what to do; undefined when they are. */
function obstacleOf({ keyColumns }: CapturedTable, { mode, server: { majorVersion } }: NewTablesOptions): string | undefined {
  const reset = `reset this connector's offsets and drop its slot to read all tables again`
  if (mode === 'never') return 'snapshot.mode=never. The signal execute-snapshot reads them'
  if (mode === 'initial_only') return `snapshot.mode=initial_only ends with the snapshot, which was past it; ${reset}`
  if (majorVersion < 14) return `that needs PostgreSQL 14, and this server is ${majorVersion}; ${reset}`
  if (keyColumns.length === 0) return `that needs a primary key. Give the table one and send the signal execute-snapshot, or ${reset}`
  return undefined
}

async function nextTransaction(client: Client): Promise<string> {
  const { rows } = await client.query<{ next: string }>('select pg_snapshot_xmax(pg_current_snapshot())::text as next')
  return rows[0]!.next
}

/** In order, each but the first as its distance from the one before: offsets hold them. */
function textOf(oids: readonly number[]): string {
  const sorted = oids.toSorted((a, b) => a - b)
  return sorted.map((oid, index) => oid - (sorted[index - 1] ?? 0)).join(',')
}

function numbersOf(text: string): ReadonlySet<number> {
  let oid = 0
  return new Set(text === '' ? [] : text.split(',').map((distance) => (oid += Number(distance))))
}
