import assert from 'node:assert/strict'
import { sleep, systemClock } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import type { SourceOffset, SourcePartition, SourcePosition, SourceRecord, SourceSpans } from '../connect-record.ts'
import type { SourcePlugin, SourcePoll, SourceTask } from '../connector.ts'
import { recordsOfSpans } from '../runtime/source-records.ts'
import { contextFor, inTime, plan, taskConfigOf } from './suite-check.ts'

/**
 * Runs the one task of a source without a worker: polls it, keeps what it gives, commits prefixes of that, and forgets the rest when it
 * is killed, as a transaction does that was never committed.
 */
export class SourceRun {
  readonly #plugin: SourcePlugin
  readonly #config: RawConfig
  /** What a reader of the topics sees. */
  #given: (SourceRecord | SourcePosition)[] = []
  #committedCount = 0
  readonly #committed = new Map<string, readonly [SourcePartition, SourceOffset]>()
  #task: SourceTask | undefined
  #stop = new AbortController()
  #polling: Promise<void> = Promise.resolve()
  readonly #patienceMs: number
  readonly #isData: (record: SourceRecord) => boolean

  constructor(plugin: SourcePlugin, config: RawConfig, { patienceMs, isData }: { readonly patienceMs: number; readonly isData: (record: SourceRecord) => boolean }) {
    this.#plugin = plugin
    this.#config = config
    this.#patienceMs = patienceMs
    this.#isData = isData
  }

  /** But for those that only move positions. */
  get records(): readonly SourceRecord[] {
    return this.#given.filter((each): each is SourceRecord => 'topic' in each && this.#isData(each))
  }

  get uncommittedCount(): number {
    return this.#given.length - this.#committedCount
  }

  async start(): Promise<void> {
    this.#stop = new AbortController()
    const [taskConfig = {}] = await plan(this.#plugin, this.#config, 1)
    const task = this.#plugin.createTask()
    await task.start(taskConfigOf(this.#plugin, this.#config, taskConfig), {
      ...contextFor(this.#stop.signal), taskId: 0, gauge: () => {},
      offsets: (partitions) => Promise.resolve(partitions.map((each) => this.#committed.get(JSON.stringify(each))?.[1])),
      allOffsets: () => Promise.resolve([...this.#committed.values()]),
    })
    this.#task = task
  }

  /** One poll; it is asked to end when it gives nothing for `maxWaitMs`. */
  poll(maxWaitMs: number): Promise<void> {
    const polling = this.#poll(maxWaitMs)
    this.#polling = polling.catch(() => {})
    return polling
  }

  async #poll(maxWaitMs: number): Promise<void> {
    const waiting = new AbortController()
    const timer = systemClock.setTimer(maxWaitMs, () => waiting.abort())
    const signal = AbortSignal.any([this.#stop.signal, waiting.signal])
    const polled = this.#task!.poll(signal)
    const fired = new Promise<void>((resolve) => { signal.addEventListener('abort', () => resolve(), { once: true }) })
    try {
      await Promise.race([polled, fired])
      this.#given.push(...itemsOf(await inTime(polled, 'poll, after its signal fired,', this.#patienceMs)))
    } finally {
      timer.cancel()
    }
  }

  /** Polls until it has given so many records in all, and looks whether it gives more than that. */
  async pollUntil(count: number): Promise<void> {
    const deadlineMs = systemClock.monotonic() + 4 * this.#patienceMs
    while (this.records.length < count) {
      assert.ok(systemClock.monotonic() < deadlineMs, `it gave ${this.records.length} of ${count} records, and then no more`)
      await this.poll(200)
      await sleep(systemClock, 1)
    }
    for (let more = 0; more < 3; more++) await this.poll(20)
  }

  /** The first `count` of what is not committed yet; the task is told. */
  async commit(count = this.uncommittedCount): Promise<void> {
    const news = new Map<string, readonly [SourcePartition, SourceOffset]>()
    for (const { sourcePartition, sourceOffset } of this.#given.slice(this.#committedCount, this.#committedCount + count)) {
      const identity = JSON.stringify(sourcePartition)
      if (sourceOffset === null) this.#committed.delete(identity)
      else news.set(identity, [sourcePartition, sourceOffset])
    }
    for (const [identity, each] of news) this.#committed.set(identity, each)
    this.#committedCount += count
    if (news.size > 0) await this.#task?.commit?.([...news.values()])
  }

  /** Ends the task; what was not committed is as if it had never been given. */
  async kill(): Promise<void> {
    this.#stop.abort()
    await this.#polling
    await inTime(Promise.resolve(this.#task?.stop()), 'stop', this.#patienceMs)
    this.#task = undefined
    this.#given = this.#given.slice(0, this.#committedCount)
  }

  /** Ends the task after a commit. */
  async stop(): Promise<void> {
    await this.commit()
    await this.kill()
  }
}

function itemsOf(given: SourcePoll | null): readonly (SourceRecord | SourcePosition)[] {
  if (given === null) return []
  const items: readonly (SourceRecord | SourceSpans | SourcePosition)[] = 'spans' in given ? [given] : [...given]
  return items.flatMap((each) => ('spans' in each ? [...recordsOfSpans(each)] : [each])).map(remembered)
}

/** What a record works out when it is asked holds until the next poll only. */
function remembered<T extends SourceRecord | SourcePosition>(item: T): T {
  return { ...item, sourceOffset: item.sourceOffset }
}
