import type { AnyPlugin, SourcePlugin } from 'millrace/connect'
import { fileSourceConfig, fileSourceTaskConfig } from './source-config.ts'
import type { FileSourceConfig, FileSourceTaskConfig } from './source-config.ts'
import { FileSourceConnector } from './source-connector.ts'
import { FileSourceTask } from './source-task.ts'

export const fileSource: SourcePlugin<FileSourceConfig, FileSourceTaskConfig> = {
  type: 'source',
  class: 'millrace.file.FileSource',
  aliases: ['FileSource', 'FileSourceConnector'],
  version: '0.1.0',
  doc: 'Follows files that grow and rotate; each line is a record.',
  config: fileSourceConfig,
  taskConfig: fileSourceTaskConfig,
  createConnector: () => new FileSourceConnector(),
  createTask: () => new FileSourceTask(),
}

export const plugins: readonly AnyPlugin[] = [fileSource]
