/** What the database knows about tables, publication and slot. */
import { connectorError } from 'millrace/connect'
import type { Client } from 'pg'
import { quoteName } from '../sink/sql-text.ts'
import { parseLsn } from './lsn.ts'

export interface CapturedTable {
  readonly oid: number
  readonly schema: string
  readonly table: string
  /** `schema.table`. */
  readonly name: string
  /** Of the primary key, in order; of the replica identity's index where that is all that deletes tell. Empty when there is neither. */
  readonly keyColumns: readonly KeyColumn[]
}

export interface KeyColumn {
  readonly name: string
  readonly type: string
  /** Quoted; null: that of the type. */
  readonly collation: string | null
}

const tablesQuery = `
  select c.oid::int8 as oid, n.nspname as schema, c.relname as table,
         coalesce((select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'collation', (
                     select format('%I.%I', cn.nspname, co.collname) from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace, pg_type kt where co.oid = a.attcollation and kt.oid = a.atttypid and kt.typcollation <> co.oid)) order by array_position(i.indkey::int2[], a.attnum))
                   from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
                   where i.indrelid = c.oid and i.indexrelid = (
                     select x.indexrelid from pg_index x where x.indrelid = c.oid and (x.indisprimary or (c.relreplident = 'i' and x.indisreplident))
                     order by case when not x.indisprimary then 1
                                   when c.relreplident = 'i' and not x.indkey::int2[] <@ (select r.indkey::int2[] from pg_index r where r.indrelid = c.oid and r.indisreplident) then 2
                                   else 0 end limit 1)), '[]') as keys
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
    and c.relpersistence = 'p'`

/** Tables whose `schema.table` matches one of the patterns, in which * stands for any text; sorted by name. */
export async function capturedTables(client: Client, patterns: readonly string[]): Promise<CapturedTable[]> {
  const { rows } = await client.query<{ oid: string; schema: string; table: string; keys: CapturedTable['keyColumns'] }>(tablesQuery)
  return rows
    .map(({ oid, schema, table, keys }) => ({ oid: Number(oid), schema, table, name: `${schema}.${table}`, keyColumns: keys }))
    .filter(({ name }) => isIncluded(patterns, name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** For a person: the patterns that name none of the tables; null when each names one. */
export function unmatched(patterns: readonly string[], tables: readonly Pick<CapturedTable, 'name'>[]): string | null {
  const lost = patterns.filter((pattern) => !tables.some(({ name }) => matchesAny([pattern], name)))
  return lost.length === 0 ? null : `there is no table ${lost.join(', ')}; names are schema.table, such as public.orders, and * stands for any text`
}

/** No pattern: every table is. */
export function isIncluded(patterns: readonly string[], name: string): boolean {
  return patterns.length === 0 || matchesAny(patterns, name)
}

/** In a pattern * stands for any text. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*')}$`, 'su').test(name))
}

export function quotedTable({ schema, table }: Pick<CapturedTable, 'schema' | 'table'>): string {
  return `${quoteName(schema)}.${quoteName(table)}`
}

/** The table of signals, as a list of one. @throws a connector error when it is missing or of another form */
export async function requireSignalTable(client: Client, name: string): Promise<readonly CapturedTable[]> {
  const [table] = await capturedTables(client, [name])
  const { rows } = table === undefined ? { rows: [] } : await client.query<{ name: string }>('select attname as name from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped', [table.oid])
  if (table !== undefined && ['id', 'type', 'data'].every((column) => rows.some((row) => row.name === column))) return [table]
  throw connectorError(`signal.data.collection names ${name}, which ${table === undefined ? 'is no table' : 'lacks a column'}: create table ${name} (id varchar(42) primary key, type varchar(32) not null, data varchar(2048))`)
}

/** A change of a partition is one of its table. From PostgreSQL 13 on. */
const viaRoot = 'publish_via_partition_root = true'

export interface Publication {
  readonly name: string
  readonly captured: readonly CapturedTable[]
  /** Why it may be that none is captured. */
  readonly doubt: string | null
  readonly signals: readonly CapturedTable[]
  /** The slot that reads it. */
  readonly slot: string
}

/** Makes the publication hold exactly these tables. Where other slots may read it, none is taken out: they would miss its changes, and nobody would say so. */
export async function preparePublication(client: Client, { majorVersion }: Server, { name, captured, doubt, signals, slot }: Publication): Promise<void> {
  const tables = [...captured, ...signals]
  if (captured.length === 0) throw connectorError(`no table matches table.include.list, so there is nothing to capture: ${doubt ?? 'the database has none'}`)
  const list = tables.map(quotedTable).join(', ')
  const existing = await client.query<{ all: boolean; viaRoot: boolean; tables: string[] | null }>(
    `select p.puballtables as all, coalesce((to_jsonb(p) ->> 'pubviaroot')::boolean, true) as "viaRoot", (select array_agg(t.schemaname || '.' || t.tablename order by 1) from pg_publication_tables t where t.pubname = p.pubname) as tables
     from pg_publication p where p.pubname = $1`,
    [name],
  )
  const found = existing.rows[0]
  if (found === undefined) await client.query(`create publication ${quoteName(name)} for table ${list}${majorVersion < 13 ? '' : ` with (${viaRoot})`}`)
  else if (!found.all) {
    if (!found.viaRoot) await client.query(`alter publication ${quoteName(name)} set (${viaRoot})`)
    const held = new Set(found.tables)
    const missing = tables.filter((table) => !held.has(table.name))
    const others = await client.query(`select 1 from pg_replication_slots where database = current_database() and plugin = 'pgoutput' and slot_name <> $1`, [slot])
    if (others.rowCount === 0 && (missing.length > 0 || held.size !== tables.length)) await client.query(`alter publication ${quoteName(name)} set table ${list}`)
    else if (missing.length > 0) await client.query(`alter publication ${quoteName(name)} add table ${missing.map(quotedTable).join(', ')}`)
  }
}

export async function requirePublication(client: Client, name: string): Promise<void> {
  const { rowCount } = await client.query('select 1 from pg_publication where pubname = $1', [name])
  if (rowCount === 0) throw connectorError(`there is no publication ${name}; create it, or set publication.autocreate.mode=filtered`)
}

export async function isOfAllTables(client: Client, publication: string): Promise<boolean> {
  const { rows } = await client.query<{ all: boolean }>('select puballtables as all from pg_publication where pubname = $1', [publication])
  return rows[0]?.all === true
}

export interface Slot {
  readonly plugin: string
  readonly database: string
  readonly walStatus: string | null
  /** Why it was invalidated, from PostgreSQL 17 on. */
  readonly reason: string | null
  readonly isFailover: boolean
  readonly confirmedLsn: bigint | null
}

export async function findSlot(client: Client, name: string): Promise<Slot | undefined> {
  const { rows } = await client.query<{ plugin: string; database: string; wal_status: string | null; reason: string | null; failover: boolean; confirmed: string | null }>(
    `select plugin, database, wal_status, to_jsonb(s) ->> 'invalidation_reason' as reason, coalesce((to_jsonb(s) ->> 'failover')::boolean, false) as failover, confirmed_flush_lsn::text as confirmed
     from pg_replication_slots s where slot_name = $1`,
    [name],
  )
  const [row] = rows
  return row && { plugin: row.plugin, database: row.database, walStatus: row.wal_status, reason: row.reason, isFailover: row.failover, confirmedLsn: row.confirmed === null ? null : parseLsn(row.confirmed) }
}

/** Of an invalidated slot, for people. */
export function lossReason(reason: string | null): string {
  if (reason === 'idle_timeout') return 'nobody read it for so long (idle_replication_slot_timeout)'
  if (reason === 'rows_removed') return 'the catalog rows that it needs were removed'
  if (reason === 'wal_level_insufficient') return 'wal_level was not logical on the primary for a time'
  return 'it held back too much of the log (max_slot_wal_keep_size)'
}

export interface Server {
  readonly database: string
  /** Such as 15. */
  readonly majorVersion: number
}

/** @throws a connector error when the server is not set up for logical replication */
export async function requireLogicalDecoding(client: Client): Promise<Server> {
  const { rows } = await client.query<{ level: string; database: string; version: number }>(
    `select current_setting('wal_level') as level, current_database() as database, current_setting('server_version_num')::int as version`,
  )
  const { level, database, version } = rows[0]!
  if (level !== 'logical') throw connectorError(`wal_level is ${level}; changes can be read when it is logical: alter system set wal_level = 'logical', then restart the server`)
  return { database, majorVersion: Math.floor(version / 10_000) }
}
