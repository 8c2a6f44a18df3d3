import type { AnyPlugin, SinkPlugin, SourcePlugin } from 'millrace/connect'
import { fileStreamSinkConfig, fileStreamSourceConfig } from './file-stream/file-stream-config.ts'
import type { FileStreamSinkConfig, FileStreamSourceConfig } from './file-stream/file-stream-config.ts'
import { FileStreamSinkConnector, FileStreamSinkTask } from './file-stream/file-stream-sink.ts'
import { FileStreamSourceConnector, FileStreamSourceTask } from './file-stream/file-stream-source.ts'
import { rollingFileSinkConfig } from './rolling/rolling-config.ts'
import type { RollingFileSinkConfig } from './rolling/rolling-config.ts'
import { RollingFileSinkTask } from './rolling/rolling-task.ts'
import { fileSinkConfig } from './sink-config.ts'
import type { FileSinkConfig } from './sink-config.ts'
import { FileSinkConnector } from './sink-connector.ts'
import { FileSinkTask } from './sink-task.ts'
import { fileSourceConfig, fileSourceTaskConfig } from './source-config.ts'
import type { FileSourceConfig, FileSourceTaskConfig } from './source-config.ts'
import { FileSourceConnector } from './source-connector.ts'
import { FileSourceTask } from './source-task.ts'

export const fileSource: SourcePlugin<FileSourceConfig, FileSourceTaskConfig> = {
  type: 'source',
  class: 'millrace.file.FileSource',
  onlyReadsUntilCommit: true,
  aliases: ['FileSource', 'FileSourceConnector'],
  version: '0.1.0',
  doc: 'Follows files that grow and rotate; each line is a record.',
  config: fileSourceConfig,
  taskConfig: fileSourceTaskConfig,
  createConnector: () => new FileSourceConnector(),
  createTask: () => new FileSourceTask(),
}

export const fileSink: SinkPlugin<FileSinkConfig> = {
  type: 'sink',
  class: 'millrace.file.FileSink',
  aliases: ['FileSink', 'FileSinkConnector'],
  version: '0.1.0',
  doc: 'Appends a line a record to a file, each record once.',
  config: fileSinkConfig,
  createConnector: () => new FileSinkConnector(),
  createTask: () => new FileSinkTask(),
}

export const rollingFileSink: SinkPlugin<RollingFileSinkConfig> = {
  type: 'sink',
  class: 'millrace.file.RollingFileSink',
  aliases: ['RollingFileSink', 'RollingFileSinkConnector'],
  version: '0.1.0',
  doc: 'Writes whole files, by size, time and the day of records, as JSON, CSV, text or Parquet; each record once.',
  config: rollingFileSinkConfig,
  createConnector: () => ({ start: () => undefined, taskConfigs: (maxTasks) => Array.from({ length: maxTasks }, () => ({})), stop: () => undefined }),
  createTask: () => new RollingFileSinkTask(),
}

export const fileStreamSource: SourcePlugin<FileStreamSourceConfig> = {
  type: 'source',
  class: 'org.apache.kafka.connect.file.FileStreamSourceConnector',
  onlyReadsUntilCommit: true,
  aliases: ['FileStreamSourceConnector', 'FileStreamSource'],
  version: '0.1.0',
  doc: "Apache Kafka's FileStreamSource: the lines of one file that grows and does not rotate.",
  config: fileStreamSourceConfig,
  createConnector: () => new FileStreamSourceConnector(),
  createTask: () => new FileStreamSourceTask(),
}

export const fileStreamSink: SinkPlugin<FileStreamSinkConfig> = {
  type: 'sink',
  class: 'org.apache.kafka.connect.file.FileStreamSinkConnector',
  aliases: ['FileStreamSinkConnector', 'FileStreamSink'],
  version: '0.1.0',
  doc: "Apache Kafka's FileStreamSink: appends a line a record, at least once.",
  config: fileStreamSinkConfig,
  createConnector: () => new FileStreamSinkConnector(),
  createTask: () => new FileStreamSinkTask(),
}

export const plugins: readonly AnyPlugin[] = [fileSource, fileSink, rollingFileSink, fileStreamSource, fileStreamSink]
