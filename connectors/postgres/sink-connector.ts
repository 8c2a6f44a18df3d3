import type { RawConfig, SinkConnector, TopicPartition } from 'millrace/connect'
import { Connection } from './connection.ts'
import type { PostgresSinkConfig } from './sink-config.ts'
import { OffsetTable } from './sink/offset-table.ts'

/** Nothing to divide: each task writes the partitions that it is given, on a connection of its own, by the connector's config. */
export class PostgresSinkConnector implements SinkConnector<PostgresSinkConfig> {
  start(): void {}

  taskConfigs(maxTasks: number): readonly RawConfig[] {
    return Array.from({ length: maxTasks }, () => ({}))
  }

  stop(): void {}

  /** Where the offsets are kept with the rows, the tasks go on from there, whatever was committed elsewhere. */
  async alterOffsets(config: PostgresSinkConfig, offsets: readonly (TopicPartition & { readonly offset: number | null })[], connectorName: string): Promise<boolean> {
    // A negative offset the runtime refuses.
    if (!config['exactly.once'] || offsets.some(({ offset }) => offset !== null && offset < 0)) return false
    const table = new OffsetTable(config['offsets.table'], connectorName)
    const connection = new Connection(config, `millrace ${connectorName}`)
    try {
      await connection.transaction(async (client) => {
        await client.query(table.createStatement)
        await table.alter(client, offsets)
      })
    } finally {
      await connection.close()
    }
    return true
  }
}
