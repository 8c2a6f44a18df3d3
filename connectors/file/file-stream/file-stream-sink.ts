/** Apache Kafka's FileStreamSink: appends the text of each value, as Java writes it, and a newline. At least once. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { connectorError, javaText, retriableError } from 'millrace/connect'
import type { RawConfig, SinkConnector, SinkRecord, SinkTask, SinkTaskContext } from 'millrace/connect'
import type { FileStreamSinkConfig } from './file-stream-config.ts'

export class FileStreamSinkConnector implements SinkConnector<FileStreamSinkConfig> {
  start(): void {}

  taskConfigs(maxTasks: number): readonly RawConfig[] {
    return Array.from({ length: maxTasks }, () => ({}))
  }

  stop(): void {}

  /** Offsets are the group's alone. */
  alterOffsets(): boolean {
    return true
  }
}

const standardOutput = 1

export class FileStreamSinkTask implements SinkTask<FileStreamSinkConfig> {
  #file = 'standard output'
  #handle = standardOutput

  start({ file }: FileStreamSinkConfig, _context: SinkTaskContext): void {
    if (file === null || file === '') return
    this.#file = file
    try {
      this.#handle = openSync(file, 'a')
    } catch (error) {
      throw connectorError(`Couldn't find or create file '${file}' for FileStreamSinkTask (${codeOf(error)})`, { cause: error })
    }
  }

  put(records: readonly SinkRecord[]): void {
    const bytes = Buffer.from(records.map(({ value, valueSchema }) => `${javaText(valueSchema, value)}\n`).join(''))
    let written = 0
    try {
      while (written < bytes.length) written += writeSync(this.#handle, bytes, written)
    } catch (error) {
      throw retriableError(`${this.#file} cannot be written (${codeOf(error)}): the batch is written again`, { cause: error })
    }
  }

  flush(): void {
    if (this.#handle !== standardOutput) fsyncSync(this.#handle)
  }

  stop(): void {
    if (this.#handle !== standardOutput) closeSync(this.#handle)
    this.#handle = standardOutput
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}
