/** Twins of test/kit/kafka/connect/Scripted.java: connectors that do what a script says, and write down every call of the worker. */
import { appendFileSync } from 'node:fs'
import { configSpec, option, retriableError, sleep } from '../../src/connect/index.ts'
import type { AnyPlugin, ConfigOf, SinkRecord, SinkTask, SinkTaskContext, SourceRecord, SourceTask, SourceTaskContext } from '../../src/connect/index.ts'
import type { TopicPartition } from '../../src/core/index.ts'

interface Throwing {
  readonly throws?: 'retriable' | 'fatal'
}

interface ScriptedPoll extends Throwing {
  readonly records?: readonly { readonly value: unknown; readonly key?: unknown; readonly topic?: string; readonly ends?: 'commit' | 'abort' }[]
  readonly ends?: 'commit' | 'abort'
}

interface ScriptedPut extends Throwing {
  readonly reports?: readonly string[]
  readonly requestsCommit?: boolean
  readonly timeoutMs?: number
  readonly seeks?: Readonly<Record<string, number>>
  readonly pauses?: string
  readonly resumes?: string
}

interface Script {
  readonly polls?: readonly ScriptedPoll[]
  readonly opens?: readonly ScriptedPut[]
  readonly puts?: readonly ScriptedPut[]
  readonly preCommits?: readonly (Throwing & { readonly answers?: Readonly<Record<string, number>> })[]
}

const config = configSpec({
  script: option.string({ doc: 'What to do.', default: '{}' }),
  calls: option.string({ doc: 'The file to write to.' }),
})

type Config = ConfigOf<typeof config>

/** A call of the worker, in the words of Kafka Connect's interfaces. */
export interface Call {
  readonly call: string
  readonly throws?: string
  readonly values?: readonly unknown[]
  readonly value?: unknown
  readonly at?: (TopicPartition & { readonly offset: number }) | null
}

class Notebook {
  readonly script: Script
  readonly #file: string

  constructor({ script, calls }: Config) {
    this.script = JSON.parse(script) as Script
    this.#file = calls
  }

  note(call: string, members: Readonly<Record<string, unknown>> = {}): void {
    appendFileSync(this.#file, `${JSON.stringify({ call, ...members })}\n`)
  }

  throwIfAsked({ throws }: Throwing): void {
    if (throws === 'retriable') throw retriableError('try again')
    if (throws === 'fatal') throw new Error('cannot go on')
  }
}

const sourcePartition = { log: 'a' }

class FromScript implements SourceTask<Config> {
  #notebook!: Notebook
  #context!: SourceTaskContext
  #next = 0

  async start(given: Config, context: SourceTaskContext): Promise<void> {
    this.#notebook = new Notebook(given)
    this.#context = context
    const [offset] = await context.offsets([sourcePartition])
    this.#notebook.note('start', { offset: offset ?? null })
    this.#next = offset === undefined ? 0 : Number(offset['poll']) + 1
  }

  async poll(signal: AbortSignal): Promise<readonly SourceRecord[] | null> {
    const { polls = [] } = this.#notebook.script
    if (this.#next >= polls.length) {
      await sleep(this.#context.clock, 50, signal)
      return null
    }
    const number = this.#next++
    const poll = polls[number]!
    const { transaction } = this.#context
    const records = (poll.records ?? []).map(({ topic = 'out', key = null, value, ends }): SourceRecord => {
      const record: SourceRecord = { topic, key, value, sourcePartition, sourceOffset: { poll: number } }
      if (ends === 'commit') transaction?.commitAfter(record)
      if (ends === 'abort') transaction?.abortAfter(record)
      return record
    })
    this.#notebook.note('poll', poll.throws === undefined ? { values: records.map(({ value }) => value) } : { throws: poll.throws })
    this.#notebook.throwIfAsked(poll)
    if (poll.ends === 'commit') transaction?.commitAfterBatch()
    if (poll.ends === 'abort') transaction?.abortAfterBatch()
    return records
  }

  commitRecord({ value }: SourceRecord, at: (TopicPartition & { readonly offset: number }) | null): void {
    this.#notebook.note('commitRecord', { value, at })
  }

  commit(): void {
    this.#notebook.note('commit')
  }

  stop(): void {
    this.#notebook.note('stop')
  }
}

const nameOf = ({ topic, partition }: TopicPartition) => `${topic}-${partition}`

function partitionOf(name: string): TopicPartition {
  const dash = name.lastIndexOf('-')
  return { topic: name.slice(0, dash), partition: Number(name.slice(dash + 1)) }
}

type Offsets = readonly (TopicPartition & { readonly offset: number })[]

const numbersOf = (offsets: Offsets) => Object.fromEntries(offsets.map((each) => [nameOf(each), each.offset] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)))
const positionsOf = (numbers: Readonly<Record<string, number>>): Offsets => Object.entries(numbers).map(([name, offset]) => ({ ...partitionOf(name), offset }))

class ToScript implements SinkTask<Config> {
  #notebook!: Notebook
  #context!: SinkTaskContext
  readonly #counts = new Map<string, number>()

  start(given: Config, context: SinkTaskContext): void {
    this.#notebook = new Notebook(given)
    this.#context = context
    this.#notebook.note('start')
  }

  /** The script's entry for this call of the part; missing: nothing special. */
  #step<Part extends 'opens' | 'puts' | 'preCommits'>(part: Part): NonNullable<Script[Part]>[number] {
    const index = this.#counts.get(part) ?? 0
    this.#counts.set(part, index + 1)
    return this.#notebook.script[part]?.[index] ?? {}
  }

  open(partitions: readonly TopicPartition[]): void {
    this.#notebook.note('open', { partitions: partitions.map(nameOf).toSorted() })
    this.#context.seek(positionsOf(this.#step('opens').seeks ?? {}))
  }

  put(records: readonly SinkRecord[]): void {
    if (records.length === 0) return
    const step = this.#step('puts')
    this.#notebook.note('put', { values: records.map(({ value }) => value), ...(step.throws !== undefined && { throws: step.throws }) })
    for (const record of records.filter(({ value }) => step.reports?.includes(String(value)))) void this.#context.reject(record, new Error('refused'))
    if (step.requestsCommit === true) this.#context.requestCommit()
    if (step.timeoutMs !== undefined) this.#context.retryAfter(step.timeoutMs)
    this.#context.seek(positionsOf(step.seeks ?? {}))
    if (step.pauses !== undefined) this.#context.pause([partitionOf(step.pauses)])
    if (step.resumes !== undefined) this.#context.resume([partitionOf(step.resumes)])
    this.#notebook.throwIfAsked(step)
  }

  preCommit(offsets: Offsets): Offsets {
    const step = this.#step('preCommits')
    this.#notebook.note('preCommit', { offsets: numbersOf(offsets), ...(step.throws !== undefined && { throws: step.throws }) })
    this.#notebook.throwIfAsked(step)
    if ('answers' in step && step.answers !== undefined) return positionsOf(step.answers)
    this.#notebook.note('flush', { offsets: numbersOf(offsets) })
    return offsets
  }

  close(partitions: readonly TopicPartition[]): void {
    this.#notebook.note('close', { partitions: partitions.map(nameOf).toSorted() })
  }

  stop(): void {
    this.#notebook.note('stop')
  }
}

const planner = () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {} })

export const scriptedPlugins: readonly AnyPlugin[] = [
  {
    type: 'source', class: 'Scripted$Source', version: '1', config, createTask: () => new FromScript(),
    createConnector: () => ({ ...planner(), supportsExactlyOnce: () => true, definesTransactions: () => true }),
  },
  { type: 'sink', class: 'Scripted$Sink', version: '1', config, createConnector: planner, createTask: () => new ToScript() },
]
