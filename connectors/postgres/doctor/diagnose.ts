/** Looks at a server with the eyes of a change-data source: what would fail, what would hurt later, and the SQL that cures it. */
import type { Client } from 'pg'
import { capturedTables, quotedTable } from '../cdc/catalog.ts'
import type { CapturedTable } from '../cdc/catalog.ts'
import { quoteName, quoteText } from '../sink/sql-text.ts'

export interface Finding {
  /** `error`: capturing cannot work. `warning`: it will hurt one day. */
  readonly level: 'ok' | 'warning' | 'error'
  /** What was looked at. */
  readonly subject: string
  readonly text: string
  /** What cures it. */
  readonly sql?: string
}

export interface DiagnoseOptions {
  /** Tables to capture, as schema.table; * stands for any text. Empty: all. */
  readonly tables: readonly string[]
  readonly publication: string
}

/** A slot further behind than this is worth a word. */
const longLagBytes = 1024 ** 3

export async function diagnose(client: Client, options: DiagnoseOptions): Promise<readonly Finding[]> {
  const settings = await settingsOf(client)
  return [
    ...serverFindings(settings),
    ...await slotFindings(client, settings),
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
      ? { level: 'warning', subject: 'wal_sender_timeout', text: `${timeoutMs} ms; keep the connector's status.interval.ms well below it` }
      : { level: 'ok', subject: 'wal_sender_timeout', text: timeoutMs === 0 ? 'off: the server does not notice a reader that is gone' : `${timeoutMs} ms` },
  ]
}

interface SlotRow {
  readonly name: string
  readonly active: boolean
  readonly status: string | null
  readonly lag: string | null
  readonly confirmed: string | null
}

async function slotFindings(client: Client, settings: Settings): Promise<Finding[]> {
  const { rows } = await client.query<SlotRow>(
    `select slot_name as name, active, wal_status as status, confirmed_flush_lsn::text as confirmed,
            pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn)::int8::text as lag
     from pg_replication_slots order by slot_name`,
  )
  const senders = await client.query<{ count: number }>('select count(*)::int as count from pg_stat_replication')
  return [
    roomFinding('max_replication_slots', Number(settings.get('max_replication_slots')), rows.length),
    roomFinding('max_wal_senders', Number(settings.get('max_wal_senders')), senders.rows[0]!.count),
    ...rows.map(slotFinding),
  ]
}

function roomFinding(setting: string, most: number, used: number): Finding {
  if (used < most) return { level: 'ok', subject: setting, text: `${used} of ${most} in use` }
  return { level: 'error', subject: setting, text: `all ${most} are in use; the connector needs one more, after a restart of the server`, sql: `alter system set ${setting} = ${most + 10}` }
}

function slotFinding({ name, active, status, lag, confirmed }: SlotRow): Finding {
  const subject = `slot ${name}`
  const drop = `select pg_drop_replication_slot(${quoteText(name)})`
  const behind = Number(lag ?? 0)
  if (status === 'lost') return { level: 'error', subject, text: 'invalidated: it held back too much of the log. Its changes are gone; drop it, and let the connector read the tables again (slot.lost=snapshot)', sql: drop }
  if (status === 'unreserved') return { level: 'error', subject, text: `about to be invalidated (wal_status unreserved), ${megabytes(behind)} behind: let its reader catch up at once` }
  if (!active && behind > longLagBytes) return { level: 'warning', subject, text: `nobody reads it, and it holds back ${megabytes(behind)} of the log; drop it unless its reader comes back`, sql: drop }
  if (behind > longLagBytes) return { level: 'warning', subject, text: `${megabytes(behind)} behind: its reader is slower than the writers` }
  return { level: 'ok', subject, text: `${active ? 'active' : 'not active'}, ${megabytes(behind)} behind, confirmed ${confirmed ?? 'nothing'}, wal_status ${status ?? 'unknown'}` }
}

function megabytes(bytes: number): string {
  return bytes < 1_048_576 ? `${Math.ceil(bytes / 1024)} kB` : `${Math.round(bytes / 1_048_576)} MB`
}

async function roleFindings(client: Client): Promise<Finding[]> {
  const { rows } = await client.query<{ name: string; replication: boolean; create: boolean; superuser: boolean }>(
    `select rolname as name, rolreplication as replication, rolsuper as superuser, has_database_privilege(current_database(), 'create') as create from pg_roles where rolname = current_user`,
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
  if (tables.length === 0) return [{ level: 'error', subject: 'tables', text: 'none matches' }]
  const { rows } = await client.query<{ oid: string; identity: string; readable: boolean; owned: boolean; role: string }>(
    `select oid::int8 as oid, current_user as role, relreplident as identity, has_table_privilege(oid, 'select') as readable, pg_has_role(relowner, 'usage') as owned from pg_class where oid = any ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  )
  const facts = new Map(rows.map((row) => [Number(row.oid), row]))
  return tables.flatMap((table): Finding[] => {
    const subject = `table ${table.name}`
    const { identity, readable, owned, role } = facts.get(table.oid)!
    const found: Finding[] = []
    if (!readable) found.push({ level: 'error', subject, text: 'may not be read', sql: `grant select on ${quotedTable(table)} to ${quoteName(role)}` })
    if (!owned) found.push({ level: 'warning', subject, text: 'belongs to another role, so this one cannot put it into a publication' })
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

async function publicationFindings(client: Client, { publication, tables: patterns }: DiagnoseOptions): Promise<Finding[]> {
  const { rows } = await client.query<{ all: boolean; operations: boolean; tables: string[] | null }>(
    `select puballtables as all, pubinsert and pubupdate and pubdelete and pubtruncate as operations,
            (select array_agg(schemaname || '.' || tablename) from pg_publication_tables t where t.pubname = p.pubname) as tables
     from pg_publication p where pubname = $1`,
    [publication],
  )
  const subject = `publication ${publication}`
  const [found] = rows
  const wanted = await capturedTables(client, patterns)
  if (found === undefined) return [await missingPublication(client, publication, wanted)]
  const missing = wanted.filter(({ name }) => !(found.tables ?? []).includes(name))
  const findings: Finding[] = []
  if (!found.operations) findings.push({ level: 'warning', subject, text: 'does not publish every kind of change', sql: `alter publication ${quoteName(publication)} set (publish = 'insert, update, delete, truncate')` })
  if (missing.length > 0) findings.push({ level: 'warning', subject, text: `lacks ${missing.map(({ name }) => name).join(', ')}`, sql: `alter publication ${quoteName(publication)} add table ${missing.map(quotedTable).join(', ')}` })
  return findings.length > 0 ? findings : [{ level: 'ok', subject, text: found.all ? 'for all tables' : `holds ${(found.tables ?? []).length} tables` }]
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
  return [{ level: 'warning', subject, text: `${rows.map(({ name }) => name).join(', ')} would be lost in a failover: make them with slot.failover=true, and set sync_replication_slots and hot_standby_feedback on the standby` }]
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
