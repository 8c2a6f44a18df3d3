import type { RawConfig, SinkConnector } from 'millrace/connect'
import { pathOf } from './sink-config.ts'
import type { FileSinkConfig } from './sink-config.ts'

/** A file has one writer: several tasks only where each partition has a file of its own. */
export class FileSinkConnector implements SinkConnector<FileSinkConfig> {
  #config: FileSinkConfig | undefined

  start(config: FileSinkConfig): void {
    this.#config = config
  }

  taskConfigs(maxTasks: number): readonly RawConfig[] {
    const oneFileEach = this.#config !== undefined && pathOf(this.#config).includes('{partition}')
    return Array.from({ length: oneFileEach ? maxTasks : 1 }, () => ({}))
  }

  stop(): void {}
}
