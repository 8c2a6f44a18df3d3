import { connectorError } from 'millrace/connect'
import type { SinkOffsets, SinkRecord, SinkTask, SinkTaskContext, TopicPartition } from 'millrace/connect'
import { pathOf } from './sink-config.ts'
import type { FileSinkConfig } from './sink-config.ts'
import { lineOf } from './sink/line-format.ts'
import { OutputFile } from './sink/output-file.ts'

interface Batch {
  readonly lines: string[]
  /** Of the whole file, as they are after these lines. */
  readonly offsets: Map<string, number>
}

/** Appends a line a record; see the README beside this file for what it promises. */
export class FileSinkTask implements SinkTask<FileSinkConfig> {
  readonly #files = new Map<string, OutputFile>()
  /** Where reading of a partition was told to go on when it was opened. */
  readonly #begins = new Map<string, number>()
  #started: { readonly config: FileSinkConfig; readonly context: SinkTaskContext } | undefined

  start(config: FileSinkConfig, context: SinkTaskContext): void {
    this.#started = { config, context }
  }

  /** Reading goes on where the file ends, whatever was committed elsewhere. */
  open(partitions: readonly TopicPartition[]): void {
    const known = partitions.flatMap(({ topic, partition }) => {
      const offset = this.#fileOf(topic, partition).offsets.get(partitionName(topic, partition))
      return offset === undefined ? [] : [{ topic, partition, offset }]
    })
    for (const { topic, partition, offset } of known) this.#begins.set(partitionName(topic, partition), offset)
    if (known.length > 0) this.#running().context.seek(known)
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    const { config, context } = this.#running()
    const batches = new Map<OutputFile, Batch>()
    for (const record of records) {
      const { originalTopic: topic, originalPartition: partition, originalOffset: offset } = record
      const file = this.#fileOf(topic, partition)
      const name = partitionName(topic, partition)
      const batch = batches.get(file) ?? { lines: [], offsets: new Map(file.offsets) }
      batches.set(file, batch)
      this.#requireBehindBegin(file, name, offset)
      if (offset < (batch.offsets.get(name) ?? 0)) continue // handed over again after another file was in trouble
      batch.offsets.set(name, offset + 1)
      try {
        batch.lines.push(lineOf(record, config.format))
      } catch (error) {
        await context.reject(record, error)
      }
    }
    for (const [file, { lines, offsets }] of batches) file.append(Buffer.from(lines.join('')), offsets)
  }

  preCommit(offsets: SinkOffsets): SinkOffsets {
    for (const { topic, partition, offset } of offsets) {
      const file = this.#fileOf(topic, partition)
      const name = partitionName(topic, partition)
      file.offsets.set(name, Math.max(offset, file.offsets.get(name) ?? 0)) // what transforms dropped counts, too
    }
    for (const file of this.#files.values()) file.publish()
    return offsets
  }

  stop(): void {
    for (const file of this.#files.values()) file.close()
    this.#files.clear()
    this.#started = undefined
  }

  /** Reading begins before what was told only when the topic ends before it: it is another topic than the one that was written. */
  #requireBehindBegin(file: OutputFile, partition: string, offset: number): void {
    const begin = this.#begins.get(partition)
    if (begin === undefined || offset >= begin) return
    throw connectorError(
      `${file.manifestPath} says that ${partition} was written up to offset ${begin}, but the topic goes on at ${offset}: it was made anew, or its offsets were reset. ` +
        'To write it from its beginning, move the file and the manifest away',
    )
  }

  #fileOf(topic: string, partition: number): OutputFile {
    const { config, context } = this.#running()
    const path = pathOf(config).replaceAll('{topic}', topic).replaceAll('{partition}', String(partition))
    const open = this.#files.get(path)
    if (open !== undefined) return open
    const opened = new OutputFile(path, (text) => context.log.warn(text))
    this.#files.set(path, opened)
    return opened
  }

  #running() {
    if (this.#started === undefined) throw new Error('the file sink task is used before start or after stop')
    return this.#started
  }
}

function partitionName(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
