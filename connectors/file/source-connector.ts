import { configError } from 'millrace/connect'
import type { RawConfig, SourceConnector, SourceOffset, SourcePartition } from 'millrace/connect'
import { storedPosition } from './tail/admission.ts'
import { pathsOf } from './source-config.ts'
import type { FileSourceConfig } from './source-config.ts'

/**
 * Divides logs among tasks by a hash of their path without what rotation adds: all files of a log stay with one task, and
 * no task needs to know the files of another. Each task looks for its files itself.
 */
export class FileSourceConnector implements SourceConnector<FileSourceConfig> {
  #config: FileSourceConfig | undefined

  start(config: FileSourceConfig): void {
    this.#config = config
  }

  taskConfigs(maxTasks: number): readonly RawConfig[] {
    const config = this.#config
    if (config === undefined) throw configError('the connector has not been started')
    const paths = pathsOf(config)
    const shares = paths.some(isGlob) ? maxTasks : Math.min(maxTasks, paths.length)
    return Array.from({ length: shares }, (_, share) => ({ 'task.share': String(share), 'task.shares': String(shares) }))
  }

  stop(): void {}

  supportsExactlyOnce(): boolean {
    return true
  }

  alterOffsets(_config: FileSourceConfig, offsets: readonly (readonly [SourcePartition, SourceOffset | null])[]): boolean {
    for (const [partition, offset] of offsets) {
      const isIdentity = ['device', 'inode', 'fingerprint'].every((name) => typeof partition[name] === 'string')
      if (!isIdentity) throw configError(`${JSON.stringify(partition)} does not name a file: "device", "inode" and "fingerprint" are needed, as text`)
      if (offset !== null && storedPosition(offset) === undefined) {
        throw configError(`${JSON.stringify(offset)} is no position: "position" must be a whole number of bytes, at least 0`)
      }
    }
    return false
  }
}

function isGlob(path: string): boolean {
  return /[*?[{]/.test(path)
}
