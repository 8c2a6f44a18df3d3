import type { RawConfig, SinkConnector } from 'millrace/connect'
import type { FileSinkConfig } from './sink-config.ts'

/** A file has one writer: several tasks only where each partition has a file of its own. */
export class FileSinkConnector implements SinkConnector<FileSinkConfig> {
  #config: FileSinkConfig | undefined

  start(config: FileSinkConfig): void {
    this.#config = config
  }

  taskConfigs(maxTasks: number): readonly RawConfig[] {
    const { file = '', format = 'value' } = this.#config ?? {}
    return Array.from({ length: file.includes('{partition}') ? maxTasks : 1 }, () => ({ file, format }))
  }

  stop(): void {}
}
