import { z } from 'zod'
import { sleep } from '../../core/index.ts'
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import type { SourceRecord } from '../connect-record.ts'
import type { SourcePlugin, SourceTask, SourceTaskContext } from '../connector.ts'
import { packageVersion } from '../runtime/package-version.ts'
import { schema } from '../schema.ts'

const config = configSpec({
  'topic': option.string({ doc: 'Where the numbers go.', importance: 'high' }),
  'throughput': option.int({ doc: 'Records a second and task; -1: as many as go.', default: 1000, check: z.number().min(-1, 'Value must be at least -1') }),
  'max.records': option.long({ doc: 'Records of each task, then it rests; -1: no end.', default: -1 }),
})
const taskConfig = configSpec({ ...config.options, 'id': option.int({ doc: 'Number of the task: the key of its records.', default: 0 }) })
type TaskConfig = ConfigOf<typeof taskConfig>

const maxBatchRecords = 1000
const keySchema = schema.int32()
const valueSchema = schema.int64()

/** Numbers from 0 on, without a gap: key = the task's number, value = the sequence number. */
class VerifiableSourceTask implements SourceTask<TaskConfig> {
  #config!: TaskConfig
  #context!: SourceTaskContext
  #next = 0
  /** Sequence number and time from which the throughput is counted. */
  #base = { sequence: 0, atMs: 0 }

  async start(settings: TaskConfig, context: SourceTaskContext): Promise<void> {
    this.#config = settings
    this.#context = context
    const [committed] = await context.offsets([{ id: settings.id }])
    this.#next = committed === undefined ? 0 : Number(committed['seqno']) + 1
    this.#base = { sequence: this.#next, atMs: context.clock.monotonic() }
  }

  async poll(signal: AbortSignal): Promise<readonly SourceRecord[] | null> {
    const end = Math.min(this.#allowedEnd(), this.#next + maxBatchRecords)
    if (end <= this.#next) {
      await sleep(this.#context.clock, 10, signal)
      return null
    }
    const { id, topic } = this.#config
    const records: SourceRecord[] = []
    for (; this.#next < end; this.#next++) {
      records.push({ topic, key: id, keySchema, value: this.#next, valueSchema, sourcePartition: { id }, sourceOffset: { seqno: this.#next } })
    }
    return records
  }

  stop(): void {}

  /** The sequence number that must not be given yet. */
  #allowedEnd(): number {
    const { throughput, 'max.records': maxRecords } = this.#config
    const { sequence, atMs } = this.#base
    const byTime = throughput < 0 ? Infinity : sequence + Math.floor(((this.#context.clock.monotonic() - atMs) * throughput) / 1000)
    return Math.min(byTime, maxRecords < 0 ? Infinity : maxRecords)
  }
}

/** Upstream's VerifiableSourceConnector: a stream in which every loss and repeat can be seen. */
export const verifiableSource: SourcePlugin<ConfigOf<typeof config>, TaskConfig> = {
  type: 'source', class: 'org.apache.kafka.connect.tools.VerifiableSourceConnector', aliases: ['VerifiableSource'], version: packageVersion,
  doc: 'Writes numbers without a gap, to prove that nothing is lost or repeated on the way; VerifiableSink checks them.',
  config, taskConfig, onlyReadsUntilCommit: true,
  createConnector: () => ({
    start: () => {}, stop: () => {}, supportsExactlyOnce: () => true,
    taskConfigs: (maxTasks) => Array.from({ length: maxTasks }, (_, id) => ({ id: String(id) })),
  }),
  createTask: () => new VerifiableSourceTask(),
}
