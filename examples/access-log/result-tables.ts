/** The answer, as it can be read in four places: each a table from `path minute` to hits, where a later row replaces an earlier one. */
import { existsSync, readFileSync } from 'node:fs'
import { Client } from 'pg'
import { openResults, readCommitted } from './counts-reader.ts'
import { type LogPlace, deadLetterTopic, openLog } from './log-place.ts'
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

/** The counts and the number of dead letters. Nobody else may have a directory open. */
export async function readTopics(place: LogPlace): Promise<{ table: Table; deadLetters: number }> {
  const rows: Row[] = []
  let deadLetters = 0
  const broker = await openLog(place)
  try {
    const reader = await openResults(broker)
    const ends = await broker.topics.listOffsets(reader.positions().map(({ topic, partition }) => ({ topic, partition, at: 'latest' })), { isolation: 'read-uncommitted' })
    const isAtEnd = () => ends.every((end) => reader.positions().some(({ topic, offset }) => topic === end.topic && offset >= end.offset))
    // a cluster answers a commit a moment before all of it can be read
    while (!isAtEnd()) {
      await readCommitted(reader, (topic, value) => {
        if (topic === deadLetterTopic) deadLetters++
        else if (value !== null) rows.push(perMinute.valueSerde.deserialize(value))
      })
    }
  } finally {
    await broker.close()
  }
  return { table: tableOf(rows), deadLetters }
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
