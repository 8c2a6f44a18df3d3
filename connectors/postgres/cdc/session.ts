/** One run of the capture between two losses of the connection: what is checked, in which order, and what it ends up reading. */
import { connectorError, retriableError } from 'millrace/connect'
import type { Clock, Log } from 'millrace/connect'
import type { Client } from 'pg'
import type { PostgresCdcConfig } from '../cdc-config.ts'
import { endClient, openClient, silenceTimeoutMs } from '../connection.ts'
import { quoteName, quoteText } from '../sink/sql-text.ts'
import { capturedTables, findSlot, isIncluded, isOfAllTables, lossReason, preparePublication, requireLogicalDecoding, requirePublication, requireSignalTable, unmatched } from './catalog.ts'
import type { CapturedTable, Server } from './catalog.ts'
import { lsnText, parseLsn } from './lsn.ts'
import { withNewTables } from './new-tables.ts'
import { resumedFrom, withoutRunning } from './overlap.ts'
import type { Position, ResumedSnapshot } from './position.ts'
import { ReplicationStream } from './replication-stream.ts'
import { Snapshot } from './snapshot.ts'
import { forkBefore } from './timeline.ts'
import { TypeCatalog } from './type-catalog.ts'

/** The server writes all values in one form, whatever its configuration is. */
export const valueForms = '-c datestyle=ISO -c intervalstyle=iso_8601 -c timezone=UTC -c extra_float_digits=3 -c lc_monetary=C -c bytea_output=hex -c standard_conforming_strings=on'

export interface Session {
  readonly server: Server
  readonly client: Client
  readonly types: TypeCatalog
  readonly tables: readonly CapturedTable[]
  /** Where signals are written; `null`: nowhere. */
  readonly signalTable: string | null
  /** Where this run begins. */
  readonly position: Position
  /** Present while there are rows to give first. */
  readonly snapshot: Snapshot | undefined
  /** Whether every change came of a table that was met since. */
  isWhole(oid: number): boolean
  /** Opens the stream of changes behind a position, of which `durableLsn` is committed. */
  stream(from: Position, durableLsn: bigint): Promise<ReplicationStream>
  close(): Promise<void>
}

export interface SessionOptions {
  readonly config: PostgresCdcConfig
  readonly name: string
  readonly clock: Clock
  readonly log: Log
  /** Where to go on; undefined at the very first start. */
  readonly stored: Position | undefined
  /** Not only after a connection was lost. */
  readonly isStart: boolean
  /** Rows may be in the topics that no stored position knows of. */
  readonly mayRepeat: boolean
}

/**
 * 1. connect, and check that the server can decode its log
 * 2. publication, then slot: changes are kept from here on
 * 3. check that the slot still is the one that the stored position belongs to
 * 4. pin the snapshot, if rows are to be read
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { config, name } = options
  const opened: Client[] = []
  const open = async (replication: boolean) => {
    const client = await openClient(config, { application_name: `millrace ${name}`, options: valueForms, ...(replication ? { replication: 'database' } : {}) })
    opened.push(client)
    return client
  }
  const close = async () => {
    await Promise.all(opened.splice(0).map(endClient))
  }
  try {
    const client = await open(false)
    const server = await requireLogicalDecoding(client)
    requireVersions(config, server)
    const signalTable = config['signal.data.collection']
    const present = await capturedTables(client, [])
    const tables = present.filter(({ name }) => name !== signalTable && isIncluded(config['table.include.list'], name))
    const doubt = unmatched(config['table.include.list'], tables)
    if (options.isStart && doubt !== null) options.log.warn(`table.include.list: ${doubt}`)
    const signals = signalTable === null ? [] : await requireSignalTable(client, signalTable)
    if (config['publication.autocreate.mode'] === 'filtered') await preparePublication(client, server, { name: config['publication.name'], captured: tables, doubt, signals, slot: config['slot.name'] })
    else await requirePublication(client, config['publication.name'])
    const replication = await open(true)
    const start = await settleSlot(options, client, replication, server)
    const types = new TypeCatalog()
    const { position: begin, tables: unread } = await withNewTables(client, start.position, tables, { mode: config['snapshot.mode'], server, log: options.log })
    const snapshot = await pinSnapshot(options, client, () => open(false), unread, types, { ...start, position: begin })
    const position = snapshot === undefined || start.exported !== undefined ? begin : await resumedPosition(client, server, begin)
    await endClient(replication) // it kept the exported snapshot alive until it was pinned
    const stream = async (from: Position, durableLsn: bigint) => {
      const used = await open(true)
      const made = new ReplicationStream(used, options.clock, streamOptions(config, server, from, durableLsn))
      made.start()
      return made
    }
    const isOfAll = await isOfAllTables(client, config['publication.name'])
    const isWhole = (oid: number) => isOfAll && !present.some((table) => table.oid === oid)
    return { server, client, types, tables, signalTable, position, snapshot, isWhole, stream, close }
  } catch (error) {
    await close()
    throw error
  }
}

function requireVersions(config: PostgresCdcConfig, { majorVersion }: Server): void {
  const needs = (version: number, option: string) => connectorError(`${option} needs PostgreSQL ${version}; this server is ${majorVersion}`)
  if (config['slot.failover'] && majorVersion < 17) throw needs(17, 'slot.failover')
  if (majorVersion >= 14) return
  if (config['message.prefix.include.list'].length > 0) throw needs(14, 'message.prefix.include.list')
}

function streamOptions(config: PostgresCdcConfig, { majorVersion }: Server, { lsn }: Position, durableLsn: bigint) {
  return {
    slot: config['slot.name'],
    publication: config['publication.name'],
    startLsn: lsn,
    messages: majorVersion >= 14,
    durableLsn,
    statusIntervalMs: config['status.interval.ms'],
    maxQueuedBytes: config['max.queue.bytes'],
    silenceTimeoutMs: config['connection.silence.timeout.ms'],
  }
}

interface Start {
  readonly position: Position
  /** Name of the snapshot that the slot's creation exported. */
  readonly exported: string | undefined
}

async function settleSlot({ config, stored, isStart, mayRepeat, log }: SessionOptions, client: Client, replication: Client, { database, majorVersion }: Server): Promise<Start> {
  const name = config['slot.name']
  const { rows } = await replication.query<Identity>('IDENTIFY_SYSTEM')
  const identity = rows[0]!
  const [system, timeline] = [identity.systemid, Number(identity.timeline)]
  const slot = await findSlot(client, name)
  if (slot !== undefined && (slot.plugin !== 'pgoutput' || slot.database !== database)) {
    throw connectorError(`slot ${name} belongs to ${slot.plugin} in database ${slot.database}; give this connector a slot.name of its own`)
  }
  if (slot !== undefined && config['slot.failover'] && !slot.isFailover && slot.walStatus !== 'lost') {
    await replication.query(`ALTER_REPLICATION_SLOT ${quoteName(name)} (FAILOVER true)`)
    log.info(`slot ${name} is kept on standbys from now on`)
  }
  const loss = stored === undefined ? undefined : (lossOf(stored, identity, name, slot) ?? await forkOf(stored, timeline, replication))
  if (stored !== undefined && loss === undefined) {
    const again = isStart && config['snapshot.mode'] === 'always' && stored.snapshot === null
    return { position: { ...stored, timeline, ...(again && { snapshot: { table: '', after: null }, resumed: unknownParts }), ...(mayRepeat && stored.snapshot !== null && { resumed: unknownParts }) }, exported: undefined }
  }
  if (loss !== undefined) {
    if (config['slot.lost'] === 'fail' && config['snapshot.mode'] !== 'when_needed') throw connectorError(`${loss}. Changes are missing. Set slot.lost=snapshot to read the tables again, or reset this connector's offsets`)
    log.error(`${loss}. Changes are missing: the tables are read again, because slot.lost=snapshot or snapshot.mode=when_needed`)
    if (slot !== undefined) await replication.query(`DROP_REPLICATION_SLOT ${quoteName(name)}`)
  }
  const snapshot = loss !== undefined || config['snapshot.mode'] !== 'never' ? { table: '', after: null } : null
  if (slot !== undefined && loss === undefined) {
    // Left by a run that stored nothing: it kept the changes since, too, of which the rows show many already.
    return { position: { lsn: slot.confirmedLsn ?? 0n, transaction: null, snapshot, resumed: mayRepeat ? unknownParts : null, incremental: null, tables: null, system, timeline }, exported: undefined }
  }
  const made = await replication.query<{ consistent_point: string; snapshot_name: string | null }>(`CREATE_REPLICATION_SLOT ${quoteName(name)} LOGICAL pgoutput ${majorVersion >= 17 ? `(SNAPSHOT 'export', FAILOVER ${config['slot.failover']})` : 'EXPORT_SNAPSHOT'}`)
  const { consistent_point: lsn, snapshot_name: exported } = made.rows[0]!
  log.info(`slot ${name} was made at ${lsn}`)
  return { position: { lsn: parseLsn(lsn), transaction: null, snapshot, resumed: null, incremental: null, tables: null, system, timeline }, exported: exported ?? undefined }
}

/** Somebody may have rows that are not there any more: only the changes since tell. */
const unknownParts: ResumedSnapshot = { parts: [], until: 0n }

/**
 * Which changes the rows from here on show. On a standby it is not known which transactions were running; there, only what is older than
 * all of them counts as shown.
 */
async function resumedPosition(client: Client, { majorVersion }: Server, position: Position): Promise<Position> {
  const { snapshot, resumed } = position
  if (snapshot === null || resumed?.parts.length === 0) return position
  const shown = majorVersion < 13 ? 'txid_current_snapshot()' : 'pg_current_snapshot()'
  const { rows } = await client.query<{ horizon: string; until: string; isStandby: boolean }>(`
    select s::text as horizon, pg_is_in_recovery() as "isStandby", (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)::text as until
    from ${shown} s`)
  const { horizon, until, isStandby } = rows[0]!
  return { ...position, resumed: resumedFrom(resumed, snapshot, isStandby ? withoutRunning(horizon) : horizon, parseLsn(until)) }
}

interface Identity {
  readonly systemid: string
  /** A text from PostgreSQL 16 on, where it has 64 bits. */
  readonly timeline: number | string
  /** The end of the log. */
  readonly xlogpos: string
}

/** Why changes behind the stored position cannot be had any more; undefined when they can. */
function lossOf({ lsn, system }: Position, { systemid, xlogpos }: Identity, name: string, slot: Awaited<ReturnType<typeof findSlot>>): string | undefined {
  const at = lsnText(lsn)
  if (system !== systemid) return `the server is another one (system ${systemid}) than the one read so far (${system})`
  if (parseLsn(xlogpos) < lsn) return `the server's log ends at ${xlogpos}, before ${at} up to which was read: it is a standby that had not received everything, or was restored from a backup`
  if (slot === undefined) return `slot ${name} is gone; everything up to ${at} was read`
  if (slot.walStatus === 'lost') return `slot ${name} was invalidated: ${lossReason(slot.reason)}; everything up to ${at} was read`
  if (slot.confirmedLsn === null) return `slot ${name} has no confirmed position; everything up to ${at} was read`
  if (slot.confirmedLsn > lsn) return `slot ${name} stands at ${lsnText(slot.confirmedLsn)}, behind ${at} up to which was read: it was made anew, or somebody else reads it`
  return undefined
}

/** As `lossOf`, of a server that was promoted, or recovered to a point in time, since: its history may have left ours before our position. */
async function forkOf(stored: Position, timeline: number, replication: Client): Promise<string | undefined> {
  if (stored.timeline === null || stored.timeline === timeline) return undefined
  const { rows } = timeline === 1 ? { rows: [] } : await replication.query<{ content: string | Buffer }>(`TIMELINE_HISTORY ${timeline}`)
  return forkBefore(stored.lsn, stored.timeline, timeline, rows[0]?.content.toString() ?? '')
}

async function pinSnapshot({ config, clock }: SessionOptions, client: Client, open: () => Promise<Client>, tables: readonly CapturedTable[], types: TypeCatalog, start: Start): Promise<Snapshot | undefined> {
  const { snapshot } = start.position
  if (snapshot === null) return undefined
  await pin(client, start.exported)
  const threads = config['snapshot.max.threads']
  const readers: Client[] = []
  if (threads > 1) {
    const { rows } = await client.query<{ name: string }>('select pg_export_snapshot() as name')
    for (let reader = 0; reader < threads; reader++) {
      readers.push(await open())
      await pin(readers.at(-1)!, rows[0]!.name)
    }
  }
  return new Snapshot({ client, readers, tables, types, clock, silenceTimeoutMs: silenceTimeoutMs(config), fetchRows: config['snapshot.fetch.size'] }, snapshot)
}

/** From here on the connection sees one state: that of the snapshot named, or the present one. */
async function pin(client: Client, exported: string | undefined): Promise<void> {
  await client.query('begin isolation level repeatable read, read only')
  if (exported !== undefined) await client.query(`set transaction snapshot ${quoteText(exported)}`)
  // A table is one statement, which waits for a slow consumer; sorting all of it first would cost more than going by its index.
  await client.query('set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local enable_sort = off')
}

/** @throws a retriable error for a slot that its last reader has not let go of yet */
export function explainActiveSlot(error: unknown, slot: string): unknown {
  return (error as { code?: string }).code === '55006' ? retriableError(`slot ${slot} is still in use by another connection`, { cause: error }) : error
}

/** Does nothing when there is none. */
export async function dropSlot(config: PostgresCdcConfig): Promise<void> {
  const client = await openClient(config, { application_name: 'millrace' })
  try {
    await client.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active', [config['slot.name']])
  } finally {
    await endClient(client)
  }
}
