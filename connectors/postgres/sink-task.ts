import { connectorError, isStreamError } from 'millrace/connect'
import type { SinkOffsets, SinkRecord, SinkTask, SinkTaskContext, TopicPartition } from 'millrace/connect'
import type { Client } from 'pg'
import { Connection } from './connection.ts'
import type { PostgresSinkConfig } from './sink-config.ts'
import { byTopic, HeldTopics } from './sink/held-topics.ts'
import { OffsetTable } from './sink/offset-table.ts'
import { rowOf } from './sink/row.ts'
import type { Row, RowOptions } from './sink/row.ts'
import { quoteText, tableName } from './sink/sql-text.ts'
import { TableWriter } from './sink/table-writer.ts'

interface Started {
  readonly config: PostgresSinkConfig
  readonly context: SinkTaskContext
  readonly connection: Connection
  readonly offsets: OffsetTable
  readonly rowOptions: RowOptions
}

/**
 * Writes records to tables; see the README beside this file for what it promises. One `put` is one transaction:
 *
 *   1. lock the offsets of its partitions and leave out what was written before (by us, or by a predecessor we do not know of)
 *   2. write the rows, table by table; reject records that the table refuses
 *   3. write the offsets
 */
export class PostgresSinkTask implements SinkTask<PostgresSinkConfig> {
  #started: Started | undefined
  readonly #held = new HeldTopics()
  /** The last error came from writing to a table. */
  #metAtTable = false
  /** Where reading of a partition was told to go on when it was opened. */
  readonly #begins = new Map<string, number>()
  /** Writers know the connection's prepared statements, so they end with it. */
  #writers: { readonly client: Client; readonly byTable: Map<string, TableWriter> } | undefined

  start(config: PostgresSinkConfig, context: SinkTaskContext): void {
    this.#started = {
      config,
      context,
      connection: new Connection(config, `millrace ${context.connectorName}-${context.taskId}`),
      offsets: new OffsetTable(config['offsets.table'], context.connectorName),
      rowOptions: {
        pkMode: config['pk.mode'],
        pkFields: config['pk.fields'],
        deleteEnabled: config['delete.enabled'],
        truncateEnabled: config['truncate.enabled'],
        placeholder: config['unavailable.value.placeholder'],
        valueColumn: config['value.column'],
      },
    }
  }

  /** Reading goes on where the database stands, whatever was committed elsewhere. */
  async open(partitions: readonly TopicPartition[]): Promise<void> {
    const { config, context, connection, offsets } = this.#running()
    if (!config['exactly.once']) return
    const stored = await connection.use(async (client) => {
      await client.query(offsets.createStatement)
      await offsets.prepare(client, partitions)
      return offsets.read(client, partitions, 'look')
    })
    for (const { topic, partition, offset } of stored) this.#begins.set(`${topic}-${partition}`, offset)
    if (stored.length > 0) context.seek(stored)
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    await this.#retryHeld()
    if (records.length === 0) return
    for (const record of records) this.#requireBehindBegin(record)
    const waiting = records.filter((record) => this.#held.has(record.originalTopic))
    for (const [topic, late] of byTopic(waiting)) this.#held.add(topic, late)
    await this.#putApart(waiting.length === 0 ? records : records.filter((record) => !this.#held.has(record.originalTopic)))
  }

  /** All in one transaction; or, when it is a table that stands in the way, each topic in its own, and those that cannot be written wait. */
  async #putApart(records: readonly SinkRecord[]): Promise<void> {
    try {
      await this.#writeAll(records)
      return
    } catch (error) {
      const topics = byTopic(records)
      if (!this.#isTroubleOfTable(error) || topics.size === 1) throw error
      const failed: [string, readonly SinkRecord[], unknown][] = []
      for (const [topic, own] of topics) await this.#writeAll(own).catch((reason: unknown) => {
        if (!this.#isTroubleOfTable(reason)) throw reason
        failed.push([topic, own, reason])
      })
      if (failed.length === topics.size) throw error
      for (const [topic, own, reason] of failed) this.#hold(topic, own, reason)
    }
  }

  #hold(topic: string, records: readonly SinkRecord[], reason: unknown): void {
    const { context } = this.#running()
    context.log.error(`${topic} waits, and other topics go on: ${(reason as Error).message}`)
    this.#held.hold(topic, records, context.clock.monotonic())
    context.pause(context.assignment().filter((each) => each.topic === topic))
  }

  async #retryHeld(): Promise<void> {
    const { context } = this.#running()
    for (const [topic, records] of this.#held.due(context.clock.monotonic())) {
      try {
        await this.#writeAll(records)
      } catch (error) {
        if (!this.#isTroubleOfTable(error)) throw error
        this.#hold(topic, records, error)
        continue
      }
      this.#held.release(topic)
      context.resume(context.assignment().filter((each) => each.topic === topic))
      context.log.info(`${topic} goes on`)
    }
  }

  #isTroubleOfTable(error: unknown): boolean {
    if (!this.#metAtTable) return false
    const { code } = ((error as Error).cause ?? {}) as { readonly code?: string }
    return code === '55P03' || code === '57014' || (isStreamError(error, 'CONNECTOR_FAILED') && this.#running().config['table.error'] === 'pause')
  }

  preCommit(offsets: SinkOffsets): SinkOffsets {
    return this.#held.safe(offsets)
  }

  close(partitions: readonly TopicPartition[]): void {
    this.#held.drop(partitions)
  }

  async #writeAll(records: readonly SinkRecord[]): Promise<void> {
    const { config, connection, offsets } = this.#running()
    this.#metAtTable = false
    if (records.length > 0) await connection.transaction(async (client) => {
      const next = nextOffsets(records)
      const stored = config['exactly.once'] ? await offsets.read(client, next, 'lock') : []
      await this.#write(client, notWritten(records, stored))
      if (config['exactly.once']) await offsets.write(client, furthest(next, stored))
    })
  }

  async stop(): Promise<void> {
    const started = this.#started
    this.#started = undefined
    this.#writers = undefined
    await started?.connection.close()
  }

  /** Reading begins before what was told only when the topic ends before it: it is another topic than the one that was written. */
  #requireBehindBegin({ originalTopic: topic, originalPartition: partition, originalOffset: offset }: SinkRecord): void {
    if (this.#begins.size === 0) return
    const begin = this.#begins.get(`${topic}-${partition}`)
    if (begin === undefined || offset >= begin) return
    const { config, context, connection } = this.#running()
    throw connectorError(
      `${config['offsets.table']} in ${connection.server} says that ${topic}-${partition} was written up to offset ${begin}, but the topic goes on at ${offset}: it was made anew, or its offsets were reset. ` +
        `To write it from its beginning: delete from ${config['offsets.table']} where connector = ${quoteText(context.connectorName)} and topic = ${quoteText(topic)}`,
    )
  }

  async #write(client: Client, records: readonly SinkRecord[]): Promise<void> {
    const { config, context, rowOptions } = this.#running()
    const rowsByTable = new Map<string, Row[]>()
    let last = { topic: '', table: '' }
    for (const record of records) {
      if (last.topic !== record.topic) last = { topic: record.topic, table: tableName(config['table.name.format'], record.topic) }
      const { table } = last
      try {
        const row = rowOf(record, rowOptions)
        if (row === undefined) continue
        const rows = rowsByTable.get(table)
        if (rows === undefined) rowsByTable.set(table, [row])
        else rows.push(row)
      } catch (error) {
        await context.reject(record, error)
      }
    }
    this.#metAtTable = true
    for (const [table, rows] of rowsByTable) await this.#writerOf(client, table).write(rows)
    this.#metAtTable = false
  }

  #writerOf(client: Client, table: string): TableWriter {
    const { config, context } = this.#running()
    if (this.#writers?.client !== client) this.#writers = { client, byTable: new Map() }
    const known = this.#writers.byTable.get(table)
    if (known !== undefined) return known
    const options = { mode: config['insert.mode'], batchRows: config['batch.size'], copyRows: config['copy.rows'], autoCreate: config['auto.create'], autoEvolve: config['auto.evolve'] }
    const writer = new TableWriter(client, table, options, (record, error) => context.reject(record, error))
    this.#writers.byTable.set(table, writer)
    return writer
  }

  #running(): Started {
    if (this.#started === undefined) throw new Error('the PostgreSQL sink task is used before start or after stop')
    return this.#started
  }
}

function nextOffsets(records: readonly SinkRecord[]): SinkOffsets {
  const next = new Map<string, SinkOffsets[number]>()
  for (const [index, { originalTopic: topic, originalPartition: partition, originalOffset }] of records.entries()) {
    const follower = records[index + 1]
    if (follower?.originalTopic === topic && follower.originalPartition === partition) continue
    next.set(`${topic}-${partition}`, { topic, partition, offset: originalOffset + 1 })
  }
  return [...next.values()]
}

function notWritten(records: readonly SinkRecord[], stored: SinkOffsets): readonly SinkRecord[] {
  if (stored.length === 0) return records
  const written = new Map(stored.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
  return records.filter(({ originalTopic, originalPartition, originalOffset }) => originalOffset >= (written.get(`${originalTopic}-${originalPartition}`) ?? 0))
}

/** A predecessor may have written more than we were given. */
function furthest(next: SinkOffsets, stored: SinkOffsets): SinkOffsets {
  const written = new Map(stored.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
  return next.map((each) => ({ ...each, offset: Math.max(each.offset, written.get(`${each.topic}-${each.partition}`) ?? 0) }))
}
