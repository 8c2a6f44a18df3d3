import type { RawConfig } from '../config-spec.ts'
import type { SinkRecord } from '../connect-record.ts'
import type { SinkOffsets, SinkPlugin, SinkTask } from '../connector.ts'
import { contextFor, inTime, plan, taskConfigOf } from './suite-check.ts'

/** What a record of the suite's topic holds. */
export interface SuiteRecord extends Partial<Pick<SinkRecord, 'key' | 'keySchema' | 'valueSchema' | 'headers' | 'timestamp'>> {
  readonly value: unknown
}

interface Log {
  readonly records: SuiteRecord[]
  position: number
  committed: number
}

const topic = 'suite'

/** Runs the one task of a sink without a worker: hands it the records of two partitions, commits what it says is safe, and begins anew from there when it is killed. */
export class SinkRun {
  readonly #plugin: SinkPlugin
  readonly #config: RawConfig
  readonly #logs: readonly Log[] = [{ records: [], position: 0, committed: 0 }, { records: [], position: 0, committed: 0 }]
  #task: SinkTask | undefined
  #stop = new AbortController()

  readonly #patienceMs: number

  constructor(plugin: SinkPlugin, config: RawConfig, patienceMs: number) {
    this.#plugin = plugin
    this.#config = config
    this.#patienceMs = patienceMs
  }

  append(partition: number, record: SuiteRecord): void {
    this.#logs[partition]!.records.push(record)
  }

  get committedCount(): number {
    return this.#logs.reduce((sum, { committed }) => sum + committed, 0)
  }

  async start(): Promise<void> {
    this.#stop = new AbortController()
    const [taskConfig = {}] = await plan(this.#plugin, this.#config, 1)
    const task = this.#plugin.createTask()
    const partitions = this.#logs.map((_log, partition) => ({ topic, partition }))
    for (const log of this.#logs) log.position = log.committed
    await task.start(taskConfigOf(this.#plugin, this.#config, taskConfig), {
      ...contextFor(this.#stop.signal), taskId: 0, gauge: () => {}, assignment: () => partitions,
      seek: (offsets) => { for (const { partition, offset } of offsets) this.#logs[partition]!.position = offset },
      pause: () => {}, resume: () => {}, requestCommit: () => {}, retryAfter: () => {},
      reject: (_record, error) => Promise.reject(error instanceof Error ? error : new Error(String(error))),
    })
    await task.open?.(partitions)
    this.#task = task
  }

  /** Hands over the next `count` records of each partition, or fewer. */
  async put(count = Infinity): Promise<void> {
    const batch = this.#logs.flatMap((log, partition) => log.records.slice(log.position, log.position + count).map((record, index) => sinkRecord(partition, log.position + index, record)))
    for (const log of this.#logs) log.position = Math.min(log.records.length, log.position + count)
    await inTime(Promise.resolve(this.#task!.put(batch)), 'put', this.#patienceMs)
  }

  /** A put without records. */
  async tick(): Promise<void> {
    await inTime(Promise.resolve(this.#task!.put([])), 'put', this.#patienceMs)
  }

  /** @returns what the task says is safe */
  async commit(): Promise<SinkOffsets> {
    const task = this.#task!
    const offsets = this.#logs.map(({ position }, partition) => ({ topic, partition, offset: position }))
    const safe = task.preCommit === undefined ? (await task.flush?.(offsets), offsets) : await task.preCommit(offsets)
    for (const { partition, offset } of safe) this.#logs[partition]!.committed = offset
    return safe
  }

  /** Ends the task without a commit. */
  async kill(): Promise<void> {
    this.#stop.abort()
    await inTime(Promise.resolve(this.#task?.stop()), 'stop', this.#patienceMs)
    this.#task = undefined
  }

  /** As a worker that is stopped: commit, close, stop. */
  async stop(): Promise<void> {
    await this.commit()
    await this.#task?.close?.(this.#logs.map((_log, partition) => ({ topic, partition })))
    await this.kill()
  }
}

function sinkRecord(partition: number, offset: number, { value, key = null, keySchema = null, valueSchema = null, headers = [], timestamp = 1_700_000_000_000 + offset }: SuiteRecord): SinkRecord {
  return { topic, partition, offset, key, keySchema, value, valueSchema, headers, timestamp, timestampType: 'create-time', originalTopic: topic, originalPartition: partition, originalOffset: offset }
}
