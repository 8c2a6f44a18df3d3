import { configError, connectorError } from 'millrace/connect'
import type { RawConfig, SourceConnector, SourceOffset, SourcePartition } from 'millrace/connect'
import { capturedTables, unmatched } from './cdc/catalog.ts'
import { Connection } from './connection.ts'
import { progressOf } from './query/progress.ts'
import type { PostgresQueryConfig } from './query-config.ts'

/** Divides the tables among tasks, in turn. Tables that are made later are read after a restart of the connector. */
export class PostgresQueryConnector implements SourceConnector<PostgresQueryConfig> {
  #config: PostgresQueryConfig | undefined

  start(config: PostgresQueryConfig): void {
    this.#config = config
  }

  async taskConfigs(maxTasks: number): Promise<readonly RawConfig[]> {
    const config = this.#config
    if (config === undefined) throw configError('the connector has not been started')
    if (config.query !== null) return [{}]
    const connection = new Connection(config, 'millrace query source')
    const tables = await connection.use((client) => capturedTables(client, config['table.include.list'])).finally(() => connection.close())
    if (tables.length === 0) throw connectorError(`no table matches table.include.list, so there is nothing to read: ${unmatched(config['table.include.list'], tables) ?? 'the database has none'}`)
    const shares = Math.min(maxTasks, tables.length)
    return Array.from({ length: shares }, (_, share) => ({ 'task.tables': tables.filter((_table, index) => index % shares === share).map(({ name }) => name).join(',') }))
  }

  stop(): void {}

  supportsExactlyOnce({ mode }: PostgresQueryConfig): boolean {
    return mode !== 'bulk'
  }

  alterOffsets(_config: PostgresQueryConfig, offsets: readonly (readonly [SourcePartition, SourceOffset | null])[]): boolean {
    for (const [partition, offset] of offsets) {
      if (typeof partition['table'] !== 'string') throw connectorError(`${JSON.stringify(partition)} is no source partition of this connector: {"table": "schema.table"} is`)
      if (offset !== null) progressOf(offset)
    }
    return false
  }
}
