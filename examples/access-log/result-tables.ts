/** The answer, as it can be read in four places: each a table from `path minute` to hits, where a later row replaces an earlier one. */
import { existsSync, readFileSync } from 'node:fs'
import { Client } from 'pg'
import { type Broker, type TopicPartition, openEmbeddedBroker } from 'millrace'
import { brokerDirectory, deadLetterTopic } from './pipeline.ts'
import { perMinute } from './topology.ts'

export type Table = ReadonlyMap<string, number>

export interface Row {
  readonly path: string
  /** Start of the minute, ISO 8601. */
  readonly minute: string
  readonly hits: number
}

export function readFileTable(file: string): Table {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  // while the sink writes, the last line may be there in part only
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  return tableOf(lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row))
}

/** No table yet is an empty one. */
export function readPostgresTable(url: string): Promise<Table> {
  return withPostgres(url, async (client) => {
    const { rows: tables } = await client.query("SELECT FROM pg_tables WHERE tablename = 'hits_per_minute'")
    if (tables.length === 0) return new Map()
    const { rows } = await client.query<Row>('SELECT path, minute, hits FROM hits_per_minute')
    return tableOf(rows)
  })
}

/** For topics that begin anew: neither the rows nor the offsets of earlier ones may count. */
export async function dropPostgresTables(url: string): Promise<void> {
  await withPostgres(url, (client) => client.query('DROP TABLE IF EXISTS hits_per_minute, hits_per_minute_offsets'))
}

async function withPostgres<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** Nobody else may have the directory open. */
export async function readTopicTable(dataDirectory: string): Promise<Table> {
  const rows: Row[] = []
  await withBroker(dataDirectory, (broker) => readTopic(broker, perMinute.name, (value) => rows.push(perMinute.valueSerde.deserialize(value))))
  return tableOf(rows)
}

export async function countDeadLetters(dataDirectory: string): Promise<number> {
  let count = 0
  await withBroker(dataDirectory, (broker) => readTopic(broker, deadLetterTopic, () => count++))
  return count
}

export function differences(expected: Table, actual: Table): string[] {
  return [...new Set([...expected.keys(), ...actual.keys()])].flatMap((row) => {
    const [wanted, found] = [expected.get(row), actual.get(row)]
    return wanted === found ? [] : [`${row}: ${found ?? 'no row'} instead of ${wanted ?? 'no row'}`]
  })
}

export function sumOf(table: Table): number {
  return [...table.values()].reduce((sum, hits) => sum + hits, 0)
}

function tableOf(rows: readonly Row[]): Table {
  return new Map(rows.map(({ path, minute, hits }) => [`${path} ${minute}`, Number(hits)]))
}

async function withBroker(dataDirectory: string, use: (broker: Broker) => Promise<void>): Promise<void> {
  const broker = await openEmbeddedBroker({ directory: brokerDirectory(dataDirectory) })
  try {
    await use(broker)
  } finally {
    await broker.close()
  }
}

/** Everything committed in a topic, partition by partition. */
async function readTopic(broker: Broker, topic: string, visit: (value: Uint8Array) => void): Promise<void> {
  const [description] = await broker.topics.describe([topic])
  const partitions: TopicPartition[] = (description?.partitions ?? []).map(({ partition }) => ({ topic, partition }))
  const reader = await broker.openReader()
  reader.assign(partitions.map((target) => ({ ...target, offset: 0 })))
  const ends = await broker.topics.listOffsets(partitions.map((target) => ({ ...target, at: 'latest' as const })), { isolation: 'read-committed' })
  const isAtEnd = () => reader.positions().every(({ partition, offset }) => offset >= (ends.find((end) => end.partition === partition)?.offset ?? 0))
  while (!isAtEnd()) {
    const { partitions: read } = await reader.read()
    for (const { batches } of read) for (const batch of batches) batch.forEach(({ value }) => value !== null && visit(value))
  }
  await reader.close()
}
