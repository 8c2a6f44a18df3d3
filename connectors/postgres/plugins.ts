import type { AnyPlugin, SinkPlugin, SourcePlugin } from 'millrace/connect'
import { postgresCdcConfig } from './cdc-config.ts'
import type { PostgresCdcConfig } from './cdc-config.ts'
import { PostgresCdcConnector } from './cdc-connector.ts'
import { PostgresCdcTask } from './cdc-task.ts'
import { postgresQueryConfig, postgresQueryTaskConfig } from './query-config.ts'
import type { PostgresQueryConfig, PostgresQueryTaskConfig } from './query-config.ts'
import { PostgresQueryConnector } from './query-connector.ts'
import { PostgresQueryTask } from './query-task.ts'
import { postgresSinkConfig } from './sink-config.ts'
import type { PostgresSinkConfig } from './sink-config.ts'
import { PostgresSinkConnector } from './sink-connector.ts'
import { PostgresSinkTask } from './sink-task.ts'

export const postgresSink: SinkPlugin<PostgresSinkConfig> = {
  type: 'sink',
  class: 'millrace.postgres.PostgresSink',
  aliases: ['PostgresSink', 'PostgresSinkConnector'],
  version: '0.1.0',
  doc: 'Writes records to PostgreSQL tables: insert, upsert, update, delete; offsets in the same transaction.',
  config: postgresSinkConfig,
  createConnector: () => new PostgresSinkConnector(),
  createTask: () => new PostgresSinkTask(),
}

export const postgresCdcSource: SourcePlugin<PostgresCdcConfig> = {
  type: 'source',
  class: 'millrace.postgres.PostgresCdcSource',
  aliases: ['PostgresCdcSource', 'PostgresCdc'],
  version: '0.1.0',
  doc: 'Captures the rows of PostgreSQL tables and every change to them, from the write-ahead log.',
  config: postgresCdcConfig,
  createConnector: () => new PostgresCdcConnector(),
  createTask: () => new PostgresCdcTask(),
}

export const postgresQuerySource: SourcePlugin<PostgresQueryConfig, PostgresQueryTaskConfig> = {
  type: 'source',
  class: 'millrace.postgres.PostgresQuerySource',
  onlyReadsUntilCommit: true,
  aliases: ['PostgresQuerySource', 'PostgresQuery'],
  version: '0.1.0',
  doc: 'Reads new and changed rows of PostgreSQL tables, or of a query, from time to time.',
  config: postgresQueryConfig,
  taskConfig: postgresQueryTaskConfig,
  createConnector: () => new PostgresQueryConnector(),
  createTask: () => new PostgresQueryTask(),
}

export const plugins: readonly AnyPlugin[] = [postgresSink, postgresCdcSource, postgresQuerySource]
