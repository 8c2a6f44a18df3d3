import { join } from 'node:path'
import { connectorError, isStreamError } from 'millrace/connect'
import type { SinkOffsets, SinkRecord, SinkTask, SinkTaskContext, TopicPartition } from 'millrace/connect'
import { deflateOf } from './file-body.ts'
import type { FileBody, TemporaryFile } from './file-body.ts'
import { Lane } from './lane.ts'
import type { ParquetBody } from './parquet-body.ts'
import { groupOf, rootOf, withOffset } from './path-format.ts'
import type { RollingFileSinkConfig } from './rolling-config.ts'
import { CsvLines, TextBody, jsonLines, recordLines, textLines } from './text-body.ts'

const endings = { none: '', gzip: '.gz', zstd: '.zst' } as const

/** Writes whole files and gives them their names when they are complete; see the README for what it promises. */
export class RollingFileSinkTask implements SinkTask<RollingFileSinkConfig> {
  readonly #lanes = new Map<string, Lane>()
  #config: RollingFileSinkConfig | undefined
  #context: SinkTaskContext | undefined
  /** Loaded where it is needed. */
  #parquetBody: typeof ParquetBody | undefined

  async start(config: RollingFileSinkConfig, context: SinkTaskContext): Promise<void> {
    // 51 modules, which tasks that write no Parquet need not hold in memory
    if (config.format === 'parquet') this.#parquetBody = (await import('./parquet-body.ts')).ParquetBody
    this.#config = config
    this.#context = context
  }

  open(partitions: readonly TopicPartition[]): void {
    const begins: { topic: string; partition: number; offset: number }[] = []
    for (const { topic, partition } of partitions) {
      const lane = this.#openLane(topic, partition)
      if (lane.published !== undefined) begins.push({ topic, partition, offset: lane.published })
    }
    if (begins.length > 0) this.#context!.seek(begins)
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    const nowMs = this.#context!.clock.monotonic()
    for (const record of records) {
      const lane = this.#laneOf(record.originalTopic, record.originalPartition)
      if (lane.next !== undefined && record.originalOffset < lane.next) {
        this.#requireSameTopic(record, lane)
        continue // handed over again after trouble with the disk
      }
      try {
        lane.add(record)
        lane.sinceMs ??= nowMs
      } catch (error) {
        if (!isStreamError(error, 'INVALID_DATA')) throw error
        await this.#context!.reject(record, error)
        lane.pass(record)
      }
      if (this.#isFull(lane)) this.#publish(lane)
    }
    for (const lane of this.#lanes.values()) {
      if (lane.sinceMs !== undefined && nowMs - lane.sinceMs >= this.#config!['roll.interval.ms']) this.#publish(lane)
    }
  }

  /** Only what is in published files is safe. */
  preCommit(offsets: SinkOffsets): SinkOffsets {
    return offsets.flatMap((each) => {
      const lane = this.#lanes.get(nameOf(each))
      if (lane === undefined || lane.isEmpty) return [each]
      return lane.published === undefined ? [] : [{ ...each, offset: lane.published }]
    })
  }

  close(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      this.#lanes.get(nameOf(partition))?.close()
      this.#lanes.delete(nameOf(partition))
    }
  }

  stop(): void {
    for (const lane of this.#lanes.values()) lane.close()
    this.#lanes.clear()
  }

  #isFull(lane: Lane): boolean {
    const { 'roll.bytes': bytes, 'roll.records': records } = this.#config!
    return lane.bytes >= bytes || (records > 0 && lane.records >= records)
  }

  #publish(lane: Lane): void {
    lane.publish()
    this.#context!.requestCommit()
  }

  #laneOf(topic: string, partition: number): Lane {
    return this.#lanes.get(nameOf({ topic, partition })) ?? this.#openLane(topic, partition)
  }

  #openLane(topic: string, partition: number): Lane {
    const config = this.#config!
    const lane = new Lane({
      folder: join(rootOf(config.path), '.millrace', this.#context!.connectorName, `${topic}-${partition}`),
      maxOpenFiles: config['max.open.files'],
      bodyOf: (file) => (this.#parquetBody === undefined ? textBodyOf(config, file) : new this.#parquetBody(file)),
      groupOf: (record) => groupOf(config.path, record),
      nameOf: (group, offset) => withOffset(group, offset) + endings[config.compression],
    })
    this.#lanes.set(nameOf({ topic, partition }), lane)
    return lane
  }

  /** Reading begins before what is published only when the topic ends before it: it is another topic than the one that was written. */
  #requireSameTopic({ originalTopic, originalPartition, originalOffset }: SinkRecord, lane: Lane): void {
    if (lane.published === undefined || originalOffset >= lane.published) return
    throw connectorError(
      `${originalTopic}-${originalPartition} was written up to offset ${lane.published}, but goes on at ${originalOffset}: the topic was made anew, or its offsets were reset. ` +
        `To write it from its beginning, move its files away, and ${join(rootOf(this.#config!.path), '.millrace', this.#context!.connectorName)}`,
    )
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

function textBodyOf({ format, compression }: RollingFileSinkConfig, file: TemporaryFile): FileBody {
  const writer = format === 'csv' ? new CsvLines() : format === 'json' ? jsonLines : format === 'record' ? recordLines : textLines
  return new TextBody(file, writer, deflateOf(compression))
}
