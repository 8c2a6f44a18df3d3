/** Runs one sink task without a worker: hands it records of a log, follows its seeks, commits, and starts it anew after a crash. */
import type { Clock, RawConfig, SinkOffsets, SinkPlugin, SinkRecord, SinkTask, TopicPartition } from 'millrace/connect'
import { collectingLog, hurryingClock } from './source-harness.ts'

export interface LogRecord {
  readonly key?: unknown
  readonly value: unknown
  readonly keySchema?: SinkRecord['keySchema']
  readonly valueSchema?: SinkRecord['valueSchema']
  readonly timestamp?: number
  readonly headers?: SinkRecord['headers']
}

const nameOf = ({ topic, partition }: TopicPartition) => `${topic}-${partition}`

export class SinkHarness<C, T> {
  readonly log = collectingLog()
  readonly clock: Clock
  readonly rejected: { record: SinkRecord; error: unknown }[] = []
  readonly #plugin: SinkPlugin<C, T>
  readonly #config: RawConfig
  readonly #logs = new Map<string, { partition: TopicPartition; records: LogRecord[]; position: number; committed: number }>()
  #task: SinkTask<T> | undefined
  #abort = new AbortController()
  /** As `errors.tolerance`. */
  tolerant = true
  /** As `errors.sink.bisect`, for what the task is told of it. */
  bisects = false

  constructor(plugin: SinkPlugin<C, T>, config: RawConfig, clock: Clock = hurryingClock()) {
    this.#plugin = plugin
    this.#config = config
    this.clock = clock
  }

  append(topic: string, partition: number, ...records: LogRecord[]): void {
    const of = { topic, partition }
    const log = this.#logs.get(nameOf(of)) ?? { partition: of, records: [], position: 0, committed: 0 }
    log.records.push(...records)
    this.#logs.set(nameOf(of), log)
  }

  async start(): Promise<void> {
    this.#abort = new AbortController()
    const common = { connectorName: 'under-test', clock: this.clock, log: this.log, signal: this.#abort.signal }
    const connector = this.#plugin.createConnector()
    await connector.start(this.#plugin.config.parse(this.#config), {
      ...common,
      requestTaskReconfiguration: () => undefined,
      raiseError: (error) => {
        throw error
      },
    })
    const [taskConfig] = await connector.taskConfigs(1)
    const spec = this.#plugin.taskConfig ?? (this.#plugin.config as never)
    const task = this.#plugin.createTask()
    const partitions = [...this.#logs.values()].map((log) => log.partition)
    const seek = (offsets: SinkOffsets) => {
      for (const { offset, ...of } of offsets) this.#logs.get(nameOf(of))!.position = offset
    }
    for (const log of this.#logs.values()) log.position = log.committed
    await task.start(spec.parse({ ...this.#config, ...taskConfig }), {
      ...common,
      ...(this.bisects && { bisects: true }),
      taskId: 0,
      gauge: () => undefined,
      assignment: () => partitions,
      seek,
      pause: () => undefined,
      resume: () => undefined,
      requestCommit: () => undefined,
      retryAfter: () => undefined,
      reject: (record, error) => {
        this.rejected.push({ record, error })
        return this.tolerant ? Promise.resolve() : Promise.reject(error as Error)
      },
    })
    await task.open?.(partitions)
    this.#task = task
  }

  /** A position behind the end of its partition becomes its beginning, as `auto.offset.reset=earliest` does. */
  resetBeyondEnd(): void {
    for (const log of this.#logs.values()) if (log.position > log.records.length) log.position = 0
  }

  /** Hands over at most `most` records of each partition. @returns how many */
  async put(most = Number.POSITIVE_INFINITY): Promise<number> {
    const before = [...this.#logs.values()].map((log) => ({ log, position: log.position }))
    const batch = before.flatMap(({ log, position }) => sinkRecords(log.partition, log.records.slice(position, position + most), position))
    for (const { log, position } of before) log.position = Math.min(log.records.length, position + most)
    try {
      await this.#task!.put(batch)
    } catch (error) {
      for (const { log, position } of before) log.position = position
      throw error
    }
    return batch.length
  }

  /** @returns what the task says is safe */
  async commit(): Promise<SinkOffsets> {
    const offsets = [...this.#logs.values()].map(({ partition, position }) => ({ ...partition, offset: position }))
    const task = this.#task!
    const safe = task.preCommit === undefined ? (await task.flush?.(offsets), offsets) : await task.preCommit(offsets)
    for (const { offset, ...of } of safe) this.#logs.get(nameOf(of))!.committed = offset
    return safe
  }

  /** Ends the task without a commit. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#task?.stop()
    this.#task = undefined
  }
}

function sinkRecords({ topic, partition }: TopicPartition, records: readonly LogRecord[], from: number): SinkRecord[] {
  return records.map((record, index) => ({
    topic,
    partition,
    offset: from + index,
    timestampType: 'create-time',
    originalTopic: topic,
    originalPartition: partition,
    originalOffset: from + index,
    keySchema: record.keySchema ?? null,
    key: record.key ?? null,
    valueSchema: record.valueSchema ?? null,
    value: record.value,
    timestamp: record.timestamp ?? 1_700_000_000_000 + from + index,
    headers: record.headers ?? [],
  }))
}
