import type { RawConfig, SinkConnector } from 'millrace/connect'
import type { FileSinkConfig } from './sink-config.ts'

/** A file has one writer: several tasks only where each partition has a file of its own. */
export class FileSinkConnector implements SinkConnector<FileSinkConfig> {
  #config: FileSinkConfig | undefined

  start(config: FileSinkConfig): void {
    this.#config = config
  }

  taskConfigs(maxTasks: number): readonly RawConfig[] {
    const oneFileEach = this.#config?.file.includes('{partition}') === true
    return Array.from({ length: oneFileEach ? maxTasks : 1 }, () => ({}))
  }

  stop(): void {}
}
