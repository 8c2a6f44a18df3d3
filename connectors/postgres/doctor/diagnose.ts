/** Looks at a server with the eyes of a change-data source: what would fail, what would hurt later, and the SQL that cures it. */
import type { Client } from 'pg'
import { capturedTables, lossReason, quotedTable, unmatched } from '../cdc/catalog.ts'
import type { CapturedTable } from '../cdc/catalog.ts'
import { quoteName, quoteText } from '../sink/sql-text.ts'
import type { DiagnoseOptions, Finding } from './finding.ts'

/** A slot further behind than this is worth a word. */
const longLagBytes = 1024 ** 3

export async function diagnose(client: Client, options: DiagnoseOptions): Promise<readonly Finding[]> {
  const settings = await settingsOf(client)
  return [
    ...serverFindings(settings),
    ...await slotFindings(client, settings, options.slot),
    ...await roleFindings(client),
    ...await tableFindings(client, options),
    ...await publicationFindings(client, options),
    ...await failoverFindings(client, settings),
    ...await transactionFindings(client),
  ]
}

type Settings = ReadonlyMap<string, string>

async function settingsOf(client: Client): Promise<Settings> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings where name in ('server_version_num', 'server_version', 'wal_level', 'max_replication_slots', 'max_wal_senders', 'max_slot_wal_keep_size', 'wal_sender_timeout', 'idle_replication_slot_timeout', 'synchronized_standby_slots')`,
  )
  return new Map(rows.map(({ name, setting }) => [name, setting]))
}

function serverFindings(settings: Settings): Finding[] {
  const level = settings.get('wal_level') ?? ''
  const keep = Number(settings.get('max_slot_wal_keep_size') ?? -1)
  const timeoutMs = Number(settings.get('wal_sender_timeout') ?? 0)
  return [
    { level: 'ok', subject: 'server', text: `PostgreSQL ${settings.get('server_version')}` },
    level === 'logical'
      ? { level: 'ok', subject: 'wal_level', text: 'logical' }
      : { level: 'error', subject: 'wal_level', text: `${level}; changes can be read when it is logical, after a restart of the server`, sql: `alter system set wal_level = 'logical'` },
    keep < 0
      ? { level: 'warning', subject: 'max_slot_wal_keep_size', text: 'without a limit, a slot whose reader is gone keeps the log until the disk is full; with one, the slot is given up instead, and the connector says so', sql: `alter system set max_slot_wal_keep_size = '50GB'; select pg_reload_conf()` }
      : { level: 'ok', subject: 'max_slot_wal_keep_size', text: `${keep} MB` },
    timeoutMs > 0 && timeoutMs < 10_000
      ? { level: 'warning', subject: 'wal_sender_timeout', text: `${timeoutMs} ms; keep the connector's status.interval.ms well below it`, sql: `alter system set wal_sender_timeout = '60s'; select pg_reload_conf()` }
      : { level: 'ok', subject: 'wal_sender_timeout', text: timeoutMs === 0 ? 'off: the server does not notice a reader that is gone' : `${timeoutMs} ms` },
  ]
}

interface SlotRow {
  readonly name: string
  readonly plugin: string | null
  /** Null: of no database. */
  readonly database: string | null
  /** The process that serves its reader; null: nobody reads it. */
  readonly pid: number | null
  readonly status: string | null
  /** Of a lost one, from PostgreSQL 17 on. */
  readonly reason: string | null
  readonly lag: string | null
  readonly confirmed: string | null
}

async function slotFindings(client: Client, settings: Settings, wanted: string): Promise<Finding[]> {
  const { rows } = await client.query<SlotRow & { here: string }>(
    `select slot_name as name, plugin, database, current_database() as here, active_pid as pid, wal_status as status, to_jsonb(s) ->> 'invalidation_reason' as reason, confirmed_flush_lsn::text as confirmed,
            pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn)::int8::text as lag
     from pg_replication_slots s order by slot_name`,
  )
  const senders = await client.query<{ count: number }>('select count(*)::int as count from pg_stat_replication')
  const ours = rows.find(({ name }) => name === wanted)
  const findings = [
    roomFinding('max_replication_slots', Number(settings.get('max_replication_slots')), rows.length, ours !== undefined),
    roomFinding('max_wal_senders', Number(settings.get('max_wal_senders')), senders.rows[0]!.count, ours !== undefined && ours.pid !== null),
    ...rows.map(slotFinding),
  ]
  if (ours === undefined || (ours.plugin === 'pgoutput' && ours.database === ours.here)) return findings
  return [...findings, { level: 'error', subject: `slot ${wanted}`, text: `belongs to ${ours.plugin ?? 'a standby'}${ours.database === null ? '' : ` in database ${ours.database}`}: give the connector a slot.name of its own` }]
}

/** `isOurs`: one of those in use is the connector's. */
function roomFinding(setting: string, most: number, used: number, isOurs: boolean): Finding {
  if (used < most || isOurs) return { level: 'ok', subject: setting, text: `${used} of ${most} in use` }
  return { level: 'error', subject: setting, text: `all ${most} are in use; the connector needs one more, after a restart of the server`, sql: `alter system set ${setting} = ${most + 10}` }
}

function slotFinding({ name, pid, status, reason, lag, confirmed }: SlotRow): Finding {
  const subject = `slot ${name}`
  const drop = `select pg_drop_replication_slot(${quoteText(name)})`
  const behind = Number(lag ?? 0)
  if (status === 'lost') return { level: 'error', subject, text: `invalidated: ${lossReason(reason)}. Its changes are gone; drop it, and let the connector read the tables again (slot.lost=snapshot)`, sql: drop }
  if (status === 'unreserved') {
    return { level: 'error', subject, text: `about to be invalidated (wal_status unreserved), ${megabytes(behind)} behind: let its reader catch up at once, without a limit until it has`, sql: 'alter system set max_slot_wal_keep_size = -1; select pg_reload_conf()' }
  }
  if (pid === null && behind > longLagBytes) return { level: 'warning', subject, text: `nobody reads it, and it holds back ${megabytes(behind)} of the log; drop it unless its reader comes back`, sql: drop }
  if (behind > longLagBytes) return { level: 'warning', subject, text: `${megabytes(behind)} behind: its reader is slower than the writers` }
  return { level: 'ok', subject, text: `${pid === null ? 'not active' : `read through process ${pid}`}, ${megabytes(behind)} behind, confirmed ${confirmed ?? 'nothing'}, wal_status ${status ?? 'unknown'}` }
}

function megabytes(bytes: number): string {
  return bytes < 1_048_576 ? `${Math.ceil(bytes / 1024)} kB` : `${Math.round(bytes / 1_048_576)} MB`
}

async function roleFindings(client: Client): Promise<Finding[]> {
  const { rows } = await client.query<{ name: string; replication: boolean; create: boolean; superuser: boolean }>(
    // rds_replication: what Amazon grants instead
    `select rolname as name, rolreplication or exists (select from pg_roles given where given.rolname = 'rds_replication' and pg_has_role(given.oid, 'member')) as replication, rolsuper as superuser, has_database_privilege(current_database(), 'create') as create from pg_roles where rolname = current_user`,
  )
  const { name, replication, create, superuser } = rows[0]!
  return [
    replication || superuser
      ? { level: 'ok', subject: `role ${name}`, text: 'may replicate' }
      : { level: 'error', subject: `role ${name}`, text: 'may not replicate', sql: `alter role ${quoteName(name)} replication` },
    create || superuser
      ? { level: 'ok', subject: `role ${name}`, text: 'may create a publication for tables that it owns' }
      : { level: 'warning', subject: `role ${name}`, text: 'may not create a publication: let an owner create it, and set publication.autocreate.mode=disabled', sql: `grant create on database current_database to ${quoteName(name)}`.replace('current_database', quoteName((await client.query<{ name: string }>('select current_database() as name')).rows[0]!.name)) },
  ]
}

async function tableFindings(client: Client, { tables: patterns }: DiagnoseOptions): Promise<Finding[]> {
  const tables = await capturedTables(client, patterns)
  if (tables.length === 0) return [{ level: 'error', subject: 'tables', text: `none matches: ${unmatched(patterns, tables) ?? 'the database has none'}` }]
  const { rows } = await client.query<{ oid: string; identity: string; readable: boolean; owned: boolean; role: string; owner: string }>(
    `select oid::int8 as oid, current_user as role, pg_get_userbyid(relowner) as owner, relreplident as identity, has_table_privilege(oid, 'select') as readable, pg_has_role(relowner, 'usage') as owned from pg_class where oid = any ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  )
  const facts = new Map(rows.map((row) => [Number(row.oid), row]))
  return tables.flatMap((table): Finding[] => {
    const subject = `table ${table.name}`
    const { identity, readable, owned, role, owner } = facts.get(table.oid)!
    const found: Finding[] = []
    if (!readable) found.push({ level: 'error', subject, text: 'may not be read', sql: `grant select on ${quotedTable(table)} to ${quoteName(role)}` })
    if (!owned) found.push({ level: 'warning', subject, text: `belongs to ${owner}, so this role cannot put it into a publication; where it is in one, that is fine`, sql: `grant ${quoteName(owner)} to ${quoteName(role)}` })
    found.push(identityFinding(subject, quotedTable(table), identity, table.keyColumns.length > 0))
    return found
  })
}

function identityFinding(subject: string, name: string, identity: string, hasKey: boolean): Finding {
  if (identity === 'f') return { level: 'ok', subject, text: 'replica identity full: changes come with the whole row before' }
  if (identity === 'i') return { level: 'ok', subject, text: 'replica identity by an index' }
  const sql = hasKey ? `alter table ${name} replica identity default` : `alter table ${name} replica identity full`
  if (identity === 'n') return { level: 'error', subject, text: 'replica identity nothing: once it is published, updates and deletes of it fail', sql }
  if (hasKey) return { level: 'ok', subject, text: 'replica identity default: deletes and key changes come with the key before' }
  return { level: 'error', subject, text: 'has no primary key: once it is published, updates and deletes of it fail', sql }
}

interface PublicationRow {
  readonly all: boolean
  readonly operations: boolean
  readonly viaRoot: boolean
  readonly tables: readonly string[]
  /** Of which not every row is published, from PostgreSQL 15 on. */
  readonly filtered: readonly string[]
  /** Of which not every column is published, from PostgreSQL 15 on. */
  readonly narrowed: readonly string[]
}

const memberNames = (condition: string) => `coalesce((select json_agg(format('%s.%s', n.nspname, c.relname) order by 1) from pg_publication_rel r join pg_class c on c.oid = r.prrelid join pg_namespace n on n.oid = c.relnamespace where r.prpubid = p.oid and ${condition}), '[]')`

async function publicationFindings(client: Client, { publication, tables: patterns }: DiagnoseOptions): Promise<Finding[]> {
  const { rows } = await client.query<PublicationRow>(
    `select puballtables as all, pubinsert and pubupdate and pubdelete and pubtruncate as operations, coalesce((to_jsonb(p) ->> 'pubviaroot')::boolean, true) as "viaRoot",
            coalesce((select json_agg(schemaname || '.' || tablename) from pg_publication_tables t where t.pubname = p.pubname), '[]') as tables,
            ${memberNames(`(to_jsonb(r) ->> 'prqual') is not null`)} as filtered, ${memberNames(`(to_jsonb(r) ->> 'prattrs') is not null`)} as narrowed
     from pg_publication p where pubname = $1`,
    [publication],
  )
  const [found] = rows
  const wanted = await capturedTables(client, patterns)
  if (found === undefined) return [await missingPublication(client, publication, wanted)]
  const partitioned = found.viaRoot ? new Set<number>() : await partitionedTables(client, wanted)
  return membersFindings(publication, found, wanted, partitioned)
}

function membersFindings(publication: string, found: PublicationRow, wanted: readonly CapturedTable[], partitioned: ReadonlySet<number>): Finding[] {
  const subject = `publication ${publication}`
  const name = quoteName(publication)
  const inParts = wanted.filter(({ oid }) => partitioned.has(oid))
  const missing = wanted.filter((table) => !found.tables.includes(table.name) && !inParts.includes(table))
  const again = (table: CapturedTable) => `alter publication ${name} drop table ${quotedTable(table)}; alter publication ${name} add table ${quotedTable(table)}`
  const findings: Finding[] = []
  if (!found.operations) findings.push({ level: 'warning', subject, text: 'does not publish every kind of change', sql: `alter publication ${name} set (publish = 'insert, update, delete, truncate')` })
  if (inParts.length > 0) findings.push({ level: 'warning', subject, text: `gives changes of ${names(inParts)} under the names of their partitions, where nobody looks for them`, sql: `alter publication ${name} set (publish_via_partition_root = true)` })
  if (missing.length > 0) findings.push({ level: 'warning', subject, text: `lacks ${names(missing)}`, sql: `alter publication ${name} add table ${missing.map(quotedTable).join(', ')}` })
  for (const [what, members] of [['rows', found.filtered], ['columns', found.narrowed]] as const) {
    for (const table of wanted.filter((each) => members.includes(each.name))) findings.push({ level: 'warning', subject, text: `publishes only some ${what} of ${table.name}: snapshots show all, changes do not`, sql: again(table) })
  }
  return findings.length > 0 ? findings : [{ level: 'ok', subject, text: found.all ? 'for all tables' : `holds ${found.tables.length} tables` }]
}

function names(tables: readonly CapturedTable[]): string {
  return tables.map(({ name }) => name).join(', ')
}

async function partitionedTables(client: Client, tables: readonly CapturedTable[]): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ oid: string }>(`select oid::int8 as oid from pg_class where relkind = 'p' and oid = any ($1::oid[])`, [tables.map(({ oid }) => oid)])
  return new Set(rows.map(({ oid }) => Number(oid)))
}

async function missingPublication(client: Client, publication: string, tables: readonly CapturedTable[]): Promise<Finding> {
  const { rows } = await client.query<{ able: boolean }>(
    `select has_database_privilege(current_database(), 'create') and coalesce(bool_and(pg_has_role(relowner, 'usage')), true) as able from pg_class where oid = any ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  )
  const subject = `publication ${publication}`
  if (rows[0]!.able || tables.length === 0) return { level: 'ok', subject, text: 'is not there; the connector makes it' }
  return { level: 'error', subject, text: 'is not there, and this role cannot make it: let the owner of the tables do so, and set publication.autocreate.mode=disabled', sql: `create publication ${quoteName(publication)} for table ${tables.map(quotedTable).join(', ')}` }
}

async function failoverFindings(client: Client, settings: Settings): Promise<Finding[]> {
  const subject = 'failover'
  if (Number(settings.get('server_version_num')) < 170_000) return [{ level: 'ok', subject, text: 'slots do not survive a failover before PostgreSQL 17: the connector says so and stops, or reads the tables again' }]
  const { rows } = await client.query<{ name: string; failover: boolean }>(`select slot_name as name, failover from pg_replication_slots where slot_type = 'logical' and not temporary`)
  const kept = rows.filter(({ failover }) => failover)
  const lost = rows.filter(({ failover }) => !failover)
  const waits = settings.get('synchronized_standby_slots') ?? ''
  if (kept.length > 0 && waits === '') {
    return [...lostFinding(subject, lost), {
      level: 'warning', subject, text: `readers of ${kept.map(({ name }) => name).join(', ')} may be ahead of a standby that takes over, and the connector would stop then: let the server wait for the physical slots of its standbys`,
      sql: `alter system set synchronized_standby_slots = '<physical slot>'; select pg_reload_conf()`,
    }]
  }
  return lost.length > 0 ? lostFinding(subject, lost) : [{ level: 'ok', subject, text: 'every logical slot is kept for standbys' }]
}

function lostFinding(subject: string, rows: readonly { readonly name: string }[]): Finding[] {
  if (rows.length === 0) return []
  return [{ level: 'warning', subject, text: `${rows.map(({ name }) => name).join(', ')} would be lost in a failover: set sync_replication_slots and hot_standby_feedback on the standby, and start their connectors with slot.failover=true, which does this on a replication connection (psql "dbname=… replication=database")`, sql: rows.map(({ name }) => `ALTER_REPLICATION_SLOT ${quoteName(name)} (FAILOVER true)`).join('; ') }]
}

async function transactionFindings(client: Client): Promise<Finding[]> {
  const { rows } = await client.query<{ pid: number; minutes: number; application: string }>(
    `select pid, (extract(epoch from now() - xact_start) / 60)::int as minutes, application_name as application from pg_stat_activity
     where xact_start < now() - interval '10 minutes' and backend_type = 'client backend' order by xact_start limit 5`,
  )
  return rows.map(({ pid, minutes, application }) => ({
    level: 'warning', subject: `process ${pid}`, text: `${application || 'a client'} has had a transaction open for ${minutes} minutes: slots cannot forget what it may have changed`, sql: `select pg_terminate_backend(${pid})`,
  }))
}
