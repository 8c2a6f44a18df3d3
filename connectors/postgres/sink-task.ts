import { connectorError } from 'millrace/connect'
import type { SinkOffsets, SinkRecord, SinkTask, SinkTaskContext, TopicPartition } from 'millrace/connect'
import type { Client } from 'pg'
import { Connection } from './connection.ts'
import type { PostgresSinkConfig } from './sink-config.ts'
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
    if (records.length === 0) return
    const { config, connection, offsets } = this.#running()
    for (const record of records) this.#requireBehindBegin(record)
    await connection.transaction(async (client) => {
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
    for (const record of records) {
      const table = tableName(config['table.name.format'], record.topic)
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
    for (const [table, rows] of rowsByTable) await this.#writerOf(client, table).write(rows)
  }

  #writerOf(client: Client, table: string): TableWriter {
    const { config, context } = this.#running()
    if (this.#writers?.client !== client) this.#writers = { client, byTable: new Map() }
    const known = this.#writers.byTable.get(table)
    if (known !== undefined) return known
    const options = { mode: config['insert.mode'], batchRows: config['batch.size'], autoCreate: config['auto.create'], autoEvolve: config['auto.evolve'] }
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
  for (const { originalTopic: topic, originalPartition: partition, originalOffset } of records) {
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
