import { isStreamError, sleep } from 'millrace/connect'
import type { SourcePoll, SourceRecord, SourceTask, SourceTaskContext } from 'millrace/connect'
import type { Client } from 'pg'
import { capturedTables } from './cdc/catalog.ts'
import { TypeCatalog } from './cdc/type-catalog.ts'
import { valueForms } from './cdc/session.ts'
import { endClient, openClient, serverOf } from './connection.ts'
import { workerError } from './failures.ts'
import { atBeginning, offsetOf, progressOf } from './query/progress.ts'
import type { Progress } from './query/progress.ts'
import { queryRelation, tableRelation } from './query/relation.ts'
import type { Relation } from './query/relation.ts'
import { RelationReader } from './query/relation-reader.ts'
import type { Clients, ReadRow } from './query/relation-reader.ts'
import type { PostgresQueryTaskConfig } from './query-config.ts'
import { schemaModesOf } from './schemas/schema-config.ts'
import { StructRows } from './schemas/struct-rows.ts'

const longestWaitMs = 1_000

interface Turn {
  readonly reader: RelationReader
  /** Nothing before that. */
  dueMs: number
}

interface Run extends Clients {
  readonly turns: Turn[]
  /** Absent: records have none. */
  readonly schemas: StructRows | undefined
}

/** Reads the tables of its share, one round of one table after the other; see the README for what it promises. */
export class PostgresQueryTask implements SourceTask<PostgresQueryTaskConfig> {
  #config: PostgresQueryTaskConfig | undefined
  #context: SourceTaskContext | undefined
  /** What was given, by relation; it survives the loss of a connection. */
  readonly #given = new Map<string, Progress>()
  #run: Run | undefined

  start(config: PostgresQueryTaskConfig, context: SourceTaskContext): void {
    this.#config = config
    this.#context = context
  }

  async poll(signal: AbortSignal): Promise<SourcePoll | null> {
    try {
      const run = (this.#run ??= await this.#connect())
      const nowMs = this.#context!.clock.monotonic()
      const turn = run.turns.find(({ dueMs }) => dueMs <= nowMs)
      if (turn !== undefined) return await this.#read(run, turn)
      const waitMs = Math.min(longestWaitMs, ...run.turns.map(({ dueMs }) => dueMs - nowMs))
      await sleep(this.#context!.clock, waitMs, signal)
      return null
    } catch (error) {
      await this.#disconnect()
      if (isStreamError(error)) throw error
      throw workerError(serverOf(this.#config!), error)
    }
  }

  async stop(): Promise<void> {
    await this.#disconnect()
  }

  async #connect(): Promise<Run> {
    const config = this.#config!
    const settings = { application_name: `millrace ${this.#context!.connectorName}`, options: valueForms }
    const catalog = await openClient(config, settings)
    let client: Client | undefined
    try {
      client = await openClient(config, { ...settings, statement_timeout: false, query_timeout: 0 }) // a round lasts as long as the worker takes for it
      const relations = await this.#relations(catalog)
      const stored = await this.#context!.offsets(relations.map(({ name }) => ({ table: name })))
      const types = new TypeCatalog()
      const turns = relations.map((relation, index): Turn => {
        const offset = stored[index]
        const progress = this.#given.get(relation.name) ?? (offset === undefined ? atBeginning : progressOf(offset))
        return { reader: new RelationReader(relation, types, progress, config['lookback.ms']), dueMs: 0 }
      })
      const modes = schemaModesOf(config)
      return { client, catalog, turns, schemas: modes && new StructRows(types, modes) }
    } catch (error) {
      await endAll([client, catalog])
      throw error
    }
  }

  async #relations(client: Client): Promise<Relation[]> {
    const config = this.#config!
    if (config.query === null) {
      const tables = await capturedTables(client, config['task.tables'])
      const relations: Relation[] = []
      for (const table of tables) relations.push(await tableRelation(client, table, config))
      return relations
    }
    const relation = await queryRelation(client, config)
    if (!relation.hasXid && config.mode !== 'bulk') this.#context!.log.warn('the query gives no __xid, so rows that are committed out of order may be missed; add the xmin of the table that changes: select o.xmin as __xid, …')
    return [relation]
  }

  async #read(run: Run, turn: Turn): Promise<SourcePoll | null> {
    const { clock } = this.#context!
    const { reader } = turn
    const rows = await reader.read(run, this.#config!['batch.max.rows'], clock.monotonic())
    if (rows.length > 0) {
      const nowMs = clock.now()
      return rows.map((row) => this.#record(run, reader.relation, row, nowMs))
    }
    turn.dueMs = clock.monotonic() + this.#config!['poll.interval.ms']
    run.turns.push(run.turns.splice(run.turns.indexOf(turn), 1)[0]!) // the others come first now
    const before = this.#given.get(reader.relation.name)
    if (before?.round == null) return null // nothing was given: the window just grows
    this.#given.set(reader.relation.name, reader.progress)
    return [{ sourcePartition: { table: reader.relation.name }, sourceOffset: offsetOf(reader.progress) }]
  }

  #record(run: Run, { name, topic, keyColumns }: Relation, { row, columns, progress }: ReadRow, nowMs: number): SourceRecord {
    this.#given.set(name, progress)
    const key = keyColumns.length === 0 ? null : Object.fromEntries(keyColumns.map((column) => [column, row[column] ?? null]))
    const plain: SourceRecord = { topic, key, value: row, timestamp: nowMs, sourcePartition: { table: name }, sourceOffset: offsetOf(progress) }
    return run.schemas?.of(plain, columns, keyColumns) ?? plain
  }

  async #disconnect(): Promise<void> {
    const run = this.#run
    this.#run = undefined
    if (run !== undefined) await endAll([run.client, run.catalog])
  }
}

async function endAll(clients: readonly (Client | undefined)[]): Promise<void> {
  for (const client of clients) if (client !== undefined) await endClient(client)
}
