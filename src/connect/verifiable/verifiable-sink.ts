import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import type { SinkRecord } from '../connect-record.ts'
import type { SinkPlugin, SinkTask, SinkTaskContext } from '../connector.ts'
import { connectorError } from '../errors.ts'
import { packageVersion } from '../runtime/package-version.ts'

const config = configSpec({
  'on.gap': option.oneOf(['fail', 'log'], { doc: 'What a missing number makes the task do.', default: 'fail' }),
})
type Config = ConfigOf<typeof config>

/** Keys that are watched at most; more are no work of VerifiableSource. */
const maxSequences = 10_000

/** Remembers the last number of each key and partition. What came before the task began, or before a seek, it cannot know. */
class VerifiableSinkTask implements SinkTask<Config> {
  #config!: Config
  #context!: SinkTaskContext
  readonly #last = new Map<string, number>()
  #records = 0
  #gaps = 0
  #repeats = 0

  start(settings: Config, context: SinkTaskContext): void {
    this.#config = settings
    this.#context = context
    context.gauge({ name: 'verified_records', help: 'Records of VerifiableSource that were looked at.' }, () => this.#records)
    context.gauge({ name: 'verified_gaps', help: 'Numbers of VerifiableSource that are missing.' }, () => this.#gaps)
    context.gauge({ name: 'verified_repeats', help: 'Records of VerifiableSource that came again.' }, () => this.#repeats)
  }

  put(records: readonly SinkRecord[]): void {
    for (const record of records) this.#verify(record)
  }

  /** Another task may have gone on with them meanwhile. */
  close(partitions: readonly { readonly topic: string; readonly partition: number }[]): void {
    for (const { topic, partition } of partitions) {
      for (const identity of this.#last.keys()) if (identity.startsWith(`${topic}-${partition} `)) this.#last.delete(identity)
    }
  }

  stop(): void {}

  #verify({ originalTopic, originalPartition, originalOffset, key, value }: SinkRecord): void {
    const sequence = sequenceOf(value)
    if (sequence === undefined) throw connectorError(`${originalTopic}-${originalPartition} at offset ${originalOffset} holds no number of VerifiableSource`)
    this.#records++
    const identity = `${originalTopic}-${originalPartition} ${String(key)}`
    const last = this.#last.get(identity) ?? (originalOffset === 0 ? -1 : sequence - 1)
    if (sequence <= last) {
      this.#repeats++
      return
    }
    if (sequence > last + 1) this.#missing(`${originalTopic}-${originalPartition} at offset ${originalOffset}: number ${sequence} of key ${String(key)} follows ${last}`, sequence - last - 1)
    if (this.#last.size >= maxSequences && !this.#last.has(identity)) throw connectorError(`${originalTopic} has more than ${maxSequences} keys: these are no records of VerifiableSource`)
    this.#last.set(identity, sequence)
  }

  #missing(text: string, count: number): void {
    this.#gaps += count
    if (this.#config['on.gap'] === 'fail') throw connectorError(`${text}: ${count} missing`)
    this.#context.log.error(`${text}: ${count} missing`)
  }
}

/** A number, or its digits where a converter made a text of it; nothing else has a place in a sequence. */
function sequenceOf(value: unknown): number | undefined {
  const isNumber = typeof value === 'number' || typeof value === 'bigint' || (typeof value === 'string' && /^\d+$/.test(value))
  const sequence = isNumber ? Number(value) : NaN
  return Number.isSafeInteger(sequence) ? sequence : undefined
}

/** Upstream's VerifiableSinkConnector, which looks at the numbers itself. */
export const verifiableSink: SinkPlugin<Config> = {
  type: 'sink', class: 'org.apache.kafka.connect.tools.VerifiableSinkConnector', aliases: ['VerifiableSink'], version: packageVersion,
  doc: 'Checks the numbers of VerifiableSource: a gap fails the task or is told, repeats are counted, at /metrics.',
  config,
  createConnector: () => ({ start: () => {}, stop: () => {}, taskConfigs: (maxTasks) => Array.from({ length: maxTasks }, () => ({})) }),
  createTask: () => new VerifiableSinkTask(),
}
