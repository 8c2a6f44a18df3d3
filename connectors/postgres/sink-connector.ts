import type { RawConfig, SinkConnector } from 'millrace/connect'
import type { PostgresSinkConfig } from './sink-config.ts'

/** Nothing to divide: each task writes the partitions that it is given, on a connection of its own, by the connector's config. */
export class PostgresSinkConnector implements SinkConnector<PostgresSinkConfig> {
  start(): void {}

  taskConfigs(maxTasks: number): readonly RawConfig[] {
    return Array.from({ length: maxTasks }, () => ({}))
  }

  stop(): void {}
}
