/** Runs one source task without a worker: polls it, keeps what it gives, commits offsets when told, and forgets the rest at a crash. */
import { parseSchemaless } from 'millrace/connect'
import type { Clock, GaugeSettings, Log, RawConfig, SourceOffset, SourcePartition, SourcePlugin, SourcePoll, SourcePosition, SourceRecord, SourceSpans, SourceTask, Schema } from 'millrace/connect'

/** A clock whose timers fire at once, with the time moved on: waiting costs nothing. */
export function hurryingClock(): Clock {
  let nowMs = 1_000_000
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    setTimer(delayMs, callback) {
      const handle = setImmediate(() => {
        nowMs += delayMs
        callback()
      })
      return { cancel: () => clearImmediate(handle) }
    },
  }
}

export interface LogLines extends Log {
  readonly lines: string[]
}

export function collectingLog(): LogLines {
  const lines: string[] = []
  const add = (level: string) => (text: string) => void lines.push(`${level} ${text}`)
  return { lines, debug: add('debug'), info: add('info'), warn: add('warn'), error: add('error') }
}

export interface Given {
  readonly topic: string
  readonly key: unknown
  readonly value: unknown
  /** Null: there is none. */
  readonly keySchema: Schema | null
  readonly valueSchema: Schema | null
  readonly text: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly partition: SourcePartition
  readonly offset: SourceOffset
}

export class SourceHarness<C, T> {
  readonly log = collectingLog()
  readonly gauges = new Map<string, () => number>()
  readonly clock: Clock
  /** Offsets that survive a crash. */
  readonly committed = new Map<string, SourceOffset>()
  readonly #plugin: SourcePlugin<C, T>
  readonly #config: RawConfig
  readonly #longestPollMs: number | undefined
  #task: SourceTask<T> | undefined
  #abort = new AbortController()
  #given: Given[] = []
  #positions: (SourcePosition & { readonly behind: number })[] = []
  #committedCount = 0

  /** @param longestPollMs a poll that finds nothing is called off after that; unset: it waits as long as it does in a worker */
  constructor(plugin: SourcePlugin<C, T>, config: RawConfig, clock: Clock = hurryingClock(), longestPollMs?: number) {
    this.#plugin = plugin
    this.#config = config
    this.clock = clock
    this.#longestPollMs = longestPollMs
  }

  /** Everything that a reader of the topics can see: what came before a crash without its offset is gone. */
  get given(): readonly Given[] {
    return this.#given
  }

  get texts(): readonly string[] {
    return this.#given.map(({ text }) => text)
  }

  async start(tasks = 1, taskId = 0): Promise<void> {
    this.#abort = new AbortController()
    const context = {
      connectorName: 'under-test',
      clock: this.clock,
      log: this.log,
      signal: this.#abort.signal,
      gauge: (settings: GaugeSettings, read: () => number) => void this.gauges.set(settings.name, read),
      requestTaskReconfiguration: () => undefined,
      raiseError: (error: Error) => {
        throw error
      },
    }
    const connector = this.#plugin.createConnector()
    await connector.start(this.#plugin.config.parse(this.#config), context)
    const taskConfigs = await connector.taskConfigs(tasks)
    const spec = this.#plugin.taskConfig ?? (this.#plugin.config as never)
    const task = this.#plugin.createTask()
    const offsets = (partitions: readonly SourcePartition[]) => Promise.resolve(partitions.map((each) => this.committed.get(JSON.stringify(each))))
    const allOffsets = () => Promise.resolve([...this.committed].map(([partition, offset]) => [JSON.parse(partition) as SourcePartition, offset] as const))
    await task.start(spec.parse({ ...this.#config, ...taskConfigs[taskId] }), { ...context, taskId, offsets, allOffsets })
    this.#task = task
  }

  /** One poll. @returns how many records it gave */
  async poll(): Promise<number> {
    const before = this.#given.length
    const isCalledOff = this.#longestPollMs === undefined ? [] : [AbortSignal.timeout(this.#longestPollMs)]
    for (const item of items(await this.#task!.poll(AbortSignal.any([this.#abort.signal, ...isCalledOff])))) {
      if (!('spans' in item) && !('topic' in item)) this.#positions.push({ ...item, behind: this.#given.length })
      else this.#given.push(...recordsOf(item))
    }
    return this.#given.length - before
  }

  /** Polls until two polls in a row give nothing. */
  async drain(): Promise<void> {
    for (let quiet = 0; quiet < 2; ) quiet = (await this.poll()) === 0 ? quiet + 1 : 0
  }

  /** Commits the offsets of the first `count` records not committed yet, and of the positions without record between them. */
  commit(count = this.#given.length - this.#committedCount): void {
    const end = Math.min(this.#given.length, this.#committedCount + count)
    for (; this.#committedCount < end; this.#committedCount++) {
      this.#commitPositions()
      const { partition, offset } = this.#given[this.#committedCount]!
      this.committed.set(JSON.stringify(partition), offset)
    }
    this.#commitPositions()
  }

  #commitPositions(): void {
    while (this.#positions[0] !== undefined && this.#positions[0].behind <= this.#committedCount) {
      const { sourcePartition, sourceOffset } = this.#positions.shift()!
      if (sourceOffset === null) this.committed.delete(JSON.stringify(sourcePartition))
      else this.committed.set(JSON.stringify(sourcePartition), sourceOffset)
    }
  }

  /** Tells the task what is committed, as the worker does after each commit. */
  async tellCommitted(): Promise<void> {
    await this.#task?.commit?.([...this.committed].map(([partition, offset]) => [JSON.parse(partition) as SourcePartition, offset] as const))
  }

  get uncommittedCount(): number {
    return this.#given.length - this.#committedCount
  }

  /** Ends the task; what was not committed is as if it had never been given. */
  async crash(): Promise<void> {
    await this.stop()
    this.#given = this.#given.slice(0, this.#committedCount)
    this.#positions = []
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#task?.stop()
    this.#task = undefined
  }
}

function items(poll: SourcePoll | null): Iterable<SourceSpans | SourceRecord | SourcePosition> {
  if (poll === null) return []
  return 'spans' in poll ? [poll] : poll
}

function recordsOf(item: SourceSpans | SourceRecord): Given[] {
  return 'spans' in item ? Array.from({ length: item.recordCount }, (_, index) => spanAt(item, index)) : [givenBy(item)]
}

function spanAt(spans: SourceSpans, index: number): Given {
  const textAt = (at: Uint32Array | undefined) => (at === undefined || at[2 * index + 1]! < at[2 * index]! ? null : Buffer.from(spans.bytes.subarray(at[2 * index], at[2 * index + 1])).toString())
  const valueOf = (text: string | null) => (text === null || spans.valueType !== 'json' ? text : parseSchemaless(text))
  const text = textAt(spans.spans)
  return { topic: spans.topic, key: valueOf(textAt(spans.keySpans)), value: valueOf(text), keySchema: null, valueSchema: null, text: text ?? 'null', headers: byName(spans.headers), partition: spans.sourcePartition, offset: spans.sourceOffset(index) }
}

function givenBy({ topic, key, value, keySchema, valueSchema, headers, sourcePartition, sourceOffset }: SourceRecord): Given {
  const text = typeof value === 'string' ? value : JSON.stringify(value, (_name, each: unknown) => (typeof each === 'bigint' ? String(each) : each))
  return { topic, key: key ?? null, value, keySchema: keySchema ?? null, valueSchema: valueSchema ?? null, text, headers: byName(headers), partition: sourcePartition, offset: sourceOffset }
}

function byName(headers: SourceRecord['headers'] = []): Readonly<Record<string, unknown>> {
  return Object.fromEntries(headers.map(({ key, value }) => [key, value]))
}
