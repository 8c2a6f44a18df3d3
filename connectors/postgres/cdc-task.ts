import type { SourceRecord, SourceTask, SourceTaskContext, SourceOffset, SourcePartition } from 'millrace/connect'
import { connectorError, isStreamError, sleep } from 'millrace/connect'
import { isIncluded, matchesAny } from './cdc/catalog.ts'
import { recordsOf } from './cdc/change-event.ts'
import { ChangeRecords } from './cdc/change-records.ts'
import type { RowMessage, SourceItem } from './cdc/change-records.ts'
import type { Change, EventOptions } from './cdc/change-event.ts'
import { lsnText } from './cdc/lsn.ts'
import { MalformedMessage, PgoutputDecoder } from './cdc/pgoutput.ts'
import type { PgoutputMessage, Relation } from './cdc/pgoutput.ts'
import type { MessageBlock } from './cdc/message-block.ts'
import { IncrementalSnapshot, rowRead, watermarkPrefix, withTable } from './cdc/incremental-snapshot.ts'
import { offsetOf, positionOf } from './cdc/position.ts'
import type { Position } from './cdc/position.ts'
import { Overlap } from './cdc/overlap.ts'
import type { Kept } from './cdc/overlap.ts'
import { reselected } from './cdc/reselect.ts'
import type { ReplicationStream } from './cdc/replication-stream.ts'
import { dropSlot, explainActiveSlot, openSession } from './cdc/session.ts'
import type { Session } from './cdc/session.ts'
import { applySignal, isOfTable, signalOf } from './cdc/signal.ts'
import type { Signal } from './cdc/signal.ts'
import { keyBound, progressBehind, rowAt } from './cdc/snapshot.ts'
import type { Snapshot } from './cdc/snapshot.ts'
import { SnapshotRecords } from './cdc/snapshot-records.ts'
import { TransactionReader } from './cdc/transaction-reader.ts'
import type { PositionedChange } from './cdc/transaction-reader.ts'
import type { PostgresCdcConfig } from './cdc-config.ts'
import { serverOf, silenceTimeoutMs } from './connection.ts'
import { schemaModesOf } from './schemas/schema-config.ts'
import { StructEvents } from './schemas/struct-events.ts'
import { workerError } from './failures.ts'

const longestPollMs = 1_000

interface Run {
  readonly session: Session
  readonly incremental: IncrementalSnapshot
  readonly events: EventOptions
  /** Absent: records have no schemas. */
  readonly structs: StructEvents | undefined
  /** Unset when every row was given. */
  snapshot: Snapshot | undefined
  readonly snapshotRecords: SnapshotRecords
  readonly records: ChangeRecords
  /** Unset before that. */
  stream: ReplicationStream | undefined
  reader: TransactionReader
  readonly decoder: PgoutputDecoder
  /** Present while changes may come that rows of the snapshot show. */
  overlap: Overlap | undefined
  /** Number of the transaction that is being read, where such rows show it. */
  shown: number | undefined
  /** Received; those from `next` on are not read yet. */
  pending: MessageBlock | undefined
  next: number
}

/**
 * Captures the changes of tables; see the README beside this file for what it promises.
 *
 *   connect ──► snapshot rows ──► snapshot done (a heartbeat record) ──► changes ◄──► heartbeats
 *      ▲                                                                 │
 *      └──────────────── back-off of the worker ◄── connection lost ◄────┘
 */
export class PostgresCdcTask implements SourceTask<PostgresCdcConfig> {
  #config: PostgresCdcConfig | undefined
  #context: SourceTaskContext | undefined
  #run: Run | undefined
  /** Behind everything that was given to the worker; it survives the loss of a connection. */
  #given: Position | undefined
  /** What is committed; what was given may still be on its way. The server must not forget more than this. */
  #durableLsn = 0n
  #nextHeartbeatMs = 0
  #slotDropped = false
  #isStart = true

  async start(config: PostgresCdcConfig, context: SourceTaskContext): Promise<void> {
    this.#config = config
    this.#context = context
    this.#publishLag(context)
    const [stored] = await context.offsets([this.#partition])
    this.#given = stored === undefined ? undefined : positionOf(stored)
    if (this.#given?.snapshot === null) this.#durableLsn = this.#given.lsn
    this.#nextHeartbeatMs = context.clock.monotonic() + heartbeatPauseMs(config)
  }

  /** What the server must keep for us, and what it sent that is not given yet. */
  #publishLag(context: SourceTaskContext): void {
    const stream = () => this.#run?.stream
    context.gauge({ name: 'cdc_uncommitted_bytes', help: 'Bytes of the write-ahead log between what is committed and what the server has sent: it must keep them.' }, () => {
      const received = stream()?.receivedLsn
      return received === undefined || this.#durableLsn === 0n ? Number.NaN : Number(received > this.#durableLsn ? received - this.#durableLsn : 0n)
    })
    context.gauge({ name: 'cdc_queued_bytes', help: 'Bytes read ahead of the worker.' }, () => stream()?.queuedBytes ?? Number.NaN)
  }

  async poll(signal: AbortSignal): Promise<readonly SourceItem[] | null> {
    try {
      if (this.#isFinished) return await this.#rest(signal)
      const run = (this.#run ??= await this.#connect())
      const records = run.snapshot === undefined ? await this.#changes(run, signal) : await this.#snapshotRows(run, run.snapshot)
      return records.length === 0 ? null : records
    } catch (error) {
      await this.#disconnect()
      throw this.#explained(error)
    }
  }

  /** Only now may the server forget what is before the position: records and offset are durable. */
  commit(offsets: readonly (readonly [SourcePartition, SourceOffset])[]): void {
    for (const [, offset] of offsets) {
      const { lsn, snapshot } = positionOf(offset)
      if (snapshot !== null || lsn <= this.#durableLsn) continue
      this.#durableLsn = lsn
      this.#run?.stream?.confirm(lsn)
    }
  }

  async stop(): Promise<void> {
    await this.#disconnect()
  }

  /** All that was asked for is given. */
  get #isFinished(): boolean {
    return this.#config!['snapshot.mode'] === 'initial_only' && this.#given?.snapshot === null
  }

  /** A slot that nobody reads would hold the server's log back. It goes when its snapshot is committed. */
  async #rest(signal: AbortSignal): Promise<null> {
    if (!this.#slotDropped && this.#durableLsn >= this.#given!.lsn) {
      await this.#disconnect()
      await dropSlot(this.#config!)
      this.#slotDropped = true
    }
    await sleep(this.#context!.clock, longestPollMs, signal)
    return null
  }

  get #partition(): SourcePartition {
    return { server: this.#config!['topic.prefix'] }
  }

  async #connect(): Promise<Run> {
    const config = this.#config!
    const { clock, log, connectorName: name } = this.#context!
    const session = await openSession({ config, name, clock, log, stored: this.#given, isStart: this.#isStart, mayRepeat: this.#isStart && this.#context!.atLeastOnce === true })
    this.#isStart = false
    const events: EventOptions = {
      topicPrefix: config['topic.prefix'],
      database: session.server.database,
      format: config.format,
      tombstones: config['tombstones.on.delete'],
      partition: this.#partition,
    }
    const first = this.#given === undefined && session.snapshot === undefined
    this.#given = session.position
    if (first) this.#nextHeartbeatMs = clock.monotonic() // the position at which it all began is stored at once
    const stream = session.snapshot === undefined ? await this.#openStream(session, session.position) : undefined
    const incremental = new IncrementalSnapshot({
      client: session.client, types: session.types, tables: session.tables, clock, silenceTimeoutMs: silenceTimeoutMs(config), chunkRows: config['incremental.snapshot.chunk.size'], runId: `${config['slot.name']}-${clock.now()}`, log,
    })
    const modes = schemaModesOf(config)
    const structs = modes && new StructEvents(events, { modes, types: session.types, placeholder: config['unavailable.value.placeholder'] })
    return { session, incremental, events, structs, snapshot: session.snapshot, snapshotRecords: new SnapshotRecords(events), records: new ChangeRecords(events), stream, reader: this.#reader(session.position), decoder: new PgoutputDecoder(), overlap: overlapOf(session, session.position), shown: undefined, pending: undefined, next: 0 }
  }

  async #openStream(session: Session, from: Position): Promise<ReplicationStream> {
    try {
      return await session.stream(from, this.#durableLsn)
    } catch (error) {
      await session.close()
      throw error
    }
  }

  #reader(position: Position): TransactionReader {
    const config = this.#config!
    const placeholder = config['toast.unchanged'] === 'placeholder' ? config['unavailable.value.placeholder'] : undefined
    return new TransactionReader(position, { transactions: config['provide.transaction.metadata'], placeholder })
  }

  async #disconnect(): Promise<void> {
    const run = this.#run
    this.#run = undefined
    await run?.stream?.close()
    await run?.snapshot?.close()
    await run?.session.close()
  }

  #explained(error: unknown): unknown {
    if (isStreamError(error)) return error
    if (error instanceof MalformedMessage) return connectorError(`the server sent ${error.message}: this is not pgoutput as it is known here`, { cause: error })
    const known = explainActiveSlot(error, this.#config!['slot.name'])
    if (isStreamError(known)) return known
    return workerError(serverOf(this.#config!), error)
  }

  async #snapshotRows(run: Run, snapshot: Snapshot): Promise<readonly SourceItem[]> {
    const nowMs = this.#context!.clock.now()
    const rows = await snapshot.next()
    if (rows === null) return this.#endSnapshot(run, snapshot)
    const before = this.#given!
    const behind = (row: number): Position => ({ ...before, snapshot: progressBehind(rows, row) })
    this.#given = behind(rows.block.rowCount - 1)
    if (run.structs !== undefined) {
      const { form, block } = rows
      return Array.from({ length: block.rowCount }, (_, row) => {
        const change = { ...rowRead({ table: form.table, columns: form.columns, row: rowAt(form, block, row) }, before.lsn, nowMs), snapshot: 'true' } as const
        return this.#recordsOf(run, change, nowMs, before, behind(row))
      }).flat()
    }
    return [run.snapshotRecords.of(rows, { lsn: before.lsn, nowMs }, (row) => offsetOf(behind(row)))]
  }

  async #endSnapshot(run: Run, snapshot: Snapshot): Promise<SourceRecord[]> {
    await run.session.client.query('commit')
    await snapshot.close()
    run.snapshot = undefined
    this.#given = { ...this.#given!, snapshot: null }
    run.reader = this.#reader(this.#given)
    run.overlap = overlapOf(run.session, this.#given)
    if (this.#config!['snapshot.mode'] === 'initial_only') {
      this.#context!.log.info('the snapshot is complete, and snapshot.mode=initial_only wants no more')
      return [this.#heartbeat(run, this.#given)]
    }
    run.stream = await this.#openStream(run.session, this.#given)
    this.#context!.log.info(`the snapshot is complete; changes follow from ${lsnText(this.#given.lsn)}`)
    return [this.#heartbeat(run, this.#given)]
  }

  async #changes(run: Run, signal: AbortSignal): Promise<readonly SourceItem[]> {
    const { records, reader } = run
    const nowMs = this.#context!.clock.now()
    const most = this.#config!['max.batch.size']
    records.begin(nowMs)
    if (isReadThrough(run)) {
      const left = await run.incremental.open(reader.position.incremental)
      if (left !== reader.position.incremental) reader.setIncremental(left)
      run.pending = await run.stream!.take(longestPollMs, signal)
      run.next = 0
    }
    while (!isReadThrough(run) && !records.isFull(most)) {
      const waits = this.#read(run, nextMessage(run), nowMs)
      if (waits !== undefined) await waits
    }
    this.#given = reader.position
    const items = records.take()
    return items.length > 0 ? items : await this.#heartbeatIfDue(run)
  }

  /** A promise only when there is something to wait for. */
  #read(run: Run, message: PgoutputMessage, nowMs: number): Promise<void> | undefined {
    const { records, reader, incremental } = run
    if (message.kind === 'relation') return this.#describe(run, message)
    if (message.kind === 'begin') {
      incremental.began(message.xid)
      run.shown = run.overlap?.shows(message.xid) === true ? message.xid : undefined
    } else if (run.shown !== undefined) return this.#readShown(run, run.overlap!, run.shown, message, nowMs)
    if (isRow(message) && this.#isOnlyWritten(run, message)) {
      const held = reader.release()
      if (held.length > 0) return this.#giveAll(run, held, nowMs).then(() => records.add(message, reader.tableOf(message.relation), reader))
      records.add(message, reader.tableOf(message.relation), reader)
      return undefined
    }
    return this.#readWhole(run, message, nowMs)
  }

  #readWhole(run: Run, message: PgoutputMessage, nowMs: number, keptOf?: (relation: number) => Kept): Promise<void> | undefined {
    const { records, reader } = run
    const changes = reader.read(message, keptOf)
    if (message.kind !== 'commit') return changes.length === 0 ? undefined : this.#giveAll(run, changes, nowMs)
    if (changes.length === 0) {
      records.committed(reader.position)
      return undefined
    }
    return this.#giveAll(run, changes, nowMs).then(() => records.committed(reader.position))
  }

  /** Of a transaction that some rows of the snapshot show. */
  #readShown(run: Run, overlap: Overlap, xid: number, message: PgoutputMessage, nowMs: number): Promise<void> | undefined {
    const { reader } = run
    if (isRow(message)) {
      const take = (kept: Kept) => this.#readWhole(run, message, nowMs, () => kept)
      const kept = overlap.keptOf(message, reader.tableOf(message.relation), xid)
      return kept instanceof Promise ? kept.then(take) : take(kept)
    }
    if (message.kind !== 'truncate') return this.#readWhole(run, message, nowMs)
    const kept = new Map(message.relations.map((oid) => [oid, this.#keptOfTruncation(run, overlap, reader.tableOf(oid).name, xid)]))
    return this.#readWhole(run, message, nowMs, (oid) => kept.get(oid)!)
  }

  /** Where some rows of a table are older than the truncation and some are newer, it takes all of them away; the newer ones are read again. */
  #keptOfTruncation({ session, reader }: Run, overlap: Overlap, name: string, xid: number): Kept {
    const truncation = overlap.truncationOf(name, xid)
    if (typeof truncation === 'string') return truncation
    if (session.server.majorVersion < 14) throw connectorError(`table ${name} was truncated while its snapshot was cut off: to read it again beside the changes needs PostgreSQL 14. Reset this connector's offsets`)
    reader.setIncremental(withTable(reader.position.incremental, { name, filter: keyBound(session.tables.find((table) => table.name === name)!, '>', truncation.behind) }))
    return 'all'
  }

  /** Nobody has to look into the row. */
  #isOnlyWritten({ session, structs, incremental, reader }: Run, message: RowMessage): boolean {
    if (incremental.isOpen || structs !== undefined || this.#config!['provide.transaction.metadata']) return false
    const table = reader.tableOf(message.relation)
    return table.isCaptured && table.name !== session.signalTable && ChangeRecords.takes(message, table, this.#config!['toast.unchanged'] === 'absent')
  }

  async #giveAll(run: Run, changes: readonly PositionedChange[], nowMs: number): Promise<void> {
    for (const positioned of changes) {
      const waits = this.#give(run, positioned, run.records.others(), nowMs)
      if (waits !== undefined) await waits
    }
  }

  /** A promise only when there is something to wait for. */
  #give(run: Run, { change, before, after }: PositionedChange, records: SourceItem[], nowMs: number): Promise<void> | undefined {
    const { session, incremental } = run
    const config = this.#config!
    if (change.message?.prefix === watermarkPrefix) {
      this.#giveChunk(run, change.message.content.toString(), after, records, nowMs)
      return undefined
    }
    const signal = signalOf(change, session.signalTable, this.#context!.log)
    if (signal !== undefined) {
      this.#obey(run, signal)
      return undefined
    }
    if (isOfTable(change, session.signalTable)) return undefined
    incremental.observe(change)
    if (change.message !== null && !matchesAny(config['message.prefix.include.list'], change.message.prefix)) return undefined
    const wanted = this.#wantedValues(run, change)
    const add = (whole: Change) => void records.push(...this.#recordsOf(run, whole, nowMs, before, after))
    if (wanted.length > 0) return reselected(session, change, wanted).then(add)
    add(change)
    return undefined
  }

  /** Columns that the log lacks, and that are read from the table. */
  #wantedValues({ structs }: Run, change: Change): readonly string[] {
    const { unavailable, oldKey } = change
    const mode = this.#config!['toast.unchanged']
    // Nobody who reads the topic has the value under the new key of a row.
    if (unavailable.length === 0 || mode === 'reselect' || (mode === 'absent' && oldKey !== null)) return unavailable
    return structs?.withoutPlaceholder(change) ?? []
  }

  #recordsOf({ events, structs }: Run, change: Change, nowMs: number, before: Position, after: Position): readonly SourceRecord[] {
    const records = recordsOf(change, events, nowMs, () => offsetOf(before), offsetOf(after))
    return structs?.of(change, records) ?? records
  }

  #obey({ session, incremental, reader }: Run, signal: Signal): void {
    const { log } = this.#context!
    if (signal.type === 'execute-snapshot' && session.server.majorVersion < 14) return log.error('a signal asks to read tables again, which needs PostgreSQL 14')
    const before = reader.position.incremental
    const progress = applySignal(signal, before, session.tables, log)
    if (progress?.tables[0]?.name !== before?.tables[0]?.name) incremental.cancel()
    reader.setIncremental(progress)
  }

  /** The message behind a chunk has come: its rows are given where it stands. */
  #giveChunk(run: Run, token: string, at: Position, records: SourceItem[], nowMs: number): void {
    const { incremental, reader } = run
    const progress = reader.position.incremental
    const closed = progress === null ? undefined : incremental.close(token, progress)
    if (closed === undefined) return
    for (const { row, progress: reached } of closed.rows) {
      const position = { ...at, incremental: reached }
      records.push(...this.#recordsOf(run, rowRead(row, at.lsn, nowMs), nowMs, position, position))
    }
    reader.setIncremental(closed.done)
    if (closed.done === null) records.push(this.#heartbeat(run, reader.position))
  }

  async #describe({ session, reader }: Run, relation: Relation): Promise<void> {
    const types = await session.types.typesOf(session.client, relation.columns.map(({ typeOid }) => typeOid))
    const name = `${relation.schema}.${relation.table}`
    const patterns = this.#config!['table.include.list']
    const isCaptured = name === session.signalTable || session.tables.some(({ oid }) => oid === relation.oid) || isIncluded(patterns, name)
    if (isCaptured && session.isWhole(relation.oid)) reader.know(relation.oid)
    const known = session.tables.find(({ oid }) => oid === relation.oid)?.keyColumns.map(({ name }) => name) ?? []
    reader.describe({ relation, name, types, keyColumns: keyColumnsOf(relation, known), isCaptured })
  }

  /** When other tables change and ours do not, positions must move too, or the server keeps its log for ever. */
  async #heartbeatIfDue(run: Run): Promise<SourceRecord[]> {
    const { clock } = this.#context!
    if (clock.monotonic() < this.#nextHeartbeatMs) return []
    if (isReadThrough(run) && run.stream!.isEmpty) run.reader.advance(run.stream!.receivedLsn)
    this.#given = run.reader.position
    if (this.#config!['heartbeat.message']) await run.session.client.query(`select pg_logical_emit_message(false, 'millrace.heartbeat', '')`)
    return [this.#heartbeat(run, this.#given)]
  }

  /** `given`: behind everything that was given before it. */
  #heartbeat({ structs }: Run, given: Position): SourceRecord {
    const { clock } = this.#context!
    this.#nextHeartbeatMs = clock.monotonic() + heartbeatPauseMs(this.#config!)
    const prefix = this.#config!['topic.prefix']
    const record: SourceRecord = {
      topic: `${prefix}.heartbeat`, key: { server: prefix }, value: { ts_ms: clock.now(), lsn: lsnText(given.lsn) }, timestamp: clock.now(),
      sourcePartition: this.#partition, sourceOffset: offsetOf(given),
    }
    return structs?.heartbeat(record) ?? record
  }
}

/** The primary key, also when it became another one since the capture began (`known`); where there is none, what identifies the row. */
function keyColumnsOf({ replicaIdentity, columns }: Relation, known: readonly string[]): readonly string[] {
  const identity = columns.filter(({ inIdentity }) => inIdentity).map(({ name }) => name)
  // By default the identity is the primary key, but in the order of the columns.
  if (replicaIdentity === 'd') return identity.length === known.length && identity.every((name) => known.includes(name)) ? known : identity
  return known.length > 0 || replicaIdentity === 'f' ? known.filter((key) => columns.some(({ name }) => name === key)) : identity
}

function isRow(message: PgoutputMessage): message is RowMessage {
  return message.kind === 'insert' || message.kind === 'update' || message.kind === 'delete'
}

function overlapOf({ tables, client }: Session, { resumed }: Position): Overlap | undefined {
  return resumed === null ? undefined : new Overlap(resumed, tables, client)
}

function isReadThrough({ pending, next }: Run): boolean {
  return pending === undefined || next >= pending.messageCount
}

function nextMessage(run: Run): PgoutputMessage {
  const { bytes, spans } = run.pending!
  const at = 2 * run.next++
  return run.decoder.decode(bytes, spans[at]!, spans[at + 1]!)
}

function heartbeatPauseMs(config: PostgresCdcConfig): number {
  return config['heartbeat.interval.ms'] || Number.POSITIVE_INFINITY
}
