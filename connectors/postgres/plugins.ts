import type { AnyPlugin, SinkPlugin } from 'millrace/connect'
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

export const plugins: readonly AnyPlugin[] = [postgresSink]
