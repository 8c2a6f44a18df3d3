/** Plays a scenario of test/vectors/connect-runtime against a worker, ours or Kafka's: what the connector is asked to do, and what is there afterwards. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isStreamError, sleep, systemClock } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import type { Call } from './scripted-connectors.ts'

export interface Scenario {
  readonly scenario: string
  readonly about: string
  /** Name → partitions: there before the first step. */
  readonly topics: Readonly<Record<string, number>>
  readonly steps: readonly Step[]
  /** Topics whose committed records are compared at the end. */
  readonly reads: readonly string[]
  readonly expect: Outcome
}

type Step =
  | { readonly produce: readonly { readonly topic: string; readonly partition?: number; readonly key?: string; readonly value: string | null; readonly headers?: Readonly<Record<string, string>> }[] }
  | { readonly create: Readonly<Record<string, string>>; readonly script: unknown }
  /** Until the worker has made that many calls of the kind. */
  | { readonly awaitCalls: string; readonly count: number }
  | { readonly awaitTask: string }
  | { readonly put: 'pause' | 'resume' | 'stop' }
  | { readonly restart: true }
  /** The committed offsets, as REST shows them: part of the outcome. */
  | { readonly offsets: true }
  | { readonly delete: true }

export interface SeenRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: Readonly<Record<string, string>>
}

export interface Outcome {
  readonly calls: readonly Call[]
  readonly offsets: readonly unknown[]
  readonly topics: Readonly<Record<string, readonly SeenRecord[]>>
}

/** Whether its worker has exactly-once sources. */
export const isExactlyOnceScenario = (name: string): boolean => name.startsWith('exactly-once_')

export interface PlayOptions {
  readonly url: string
  readonly broker: Broker
  /** Where the connectors' calls are written. */
  readonly directory: string
  /** How long each wait may take. */
  readonly patienceMs: number
}

export async function playScenario(scenario: Scenario, options: PlayOptions): Promise<Outcome> {
  const play = new Play(scenario, options)
  const { broker } = options
  for (const [topic, partitions] of Object.entries(scenario.topics)) await broker.topics.create([{ topic, partitions }])
  for (const step of scenario.steps) await play.step(step)
  const topics = Object.fromEntries(await Promise.all(scenario.reads.map(async (topic) => [topic, await committedRecords(broker, topic)] as const)))
  return { calls: play.calls(), offsets: play.offsets, topics }
}

const settlingMs = 3000

class Play {
  readonly offsets: unknown[] = []
  readonly #name: string
  readonly #file: string
  readonly #expected: Outcome
  readonly #options: PlayOptions

  constructor({ scenario: name, expect }: Scenario, options: PlayOptions) {
    this.#name = name
    this.#expected = expect
    this.#file = join(options.directory, `${name}.calls`)
    this.#options = options
  }

  calls(): readonly Call[] {
    if (!existsSync(this.#file)) return []
    return readFileSync(this.#file, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as Call)
  }

  async step(step: Step): Promise<void> {
    const path = `/connectors/${this.#name}`
    if ('produce' in step) return this.#produce(step.produce)
    if ('create' in step) return void await this.#ask('PUT', `${path}/config`, { ...step.create, script: JSON.stringify(step.script), calls: this.#file })
    if ('awaitCalls' in step) return this.#until(() => this.calls().filter(({ call }) => call === step.awaitCalls).length >= step.count, `${step.count} calls of ${step.awaitCalls}`)
    if ('awaitTask' in step) return this.#until(async () => (await this.#taskState()) === step.awaitTask, `a task that is ${step.awaitTask}`)
    if ('put' in step) return void await this.#ask('PUT', `${path}/${step.put}`)
    if ('restart' in step) return void await this.#ask('POST', `${path}/tasks/0/restart`)
    if ('offsets' in step) return this.#seeOffsets(`${path}/offsets`)
    await this.#ask('DELETE', path)
  }

  /** A commit may still be on its way: until what is expected is there, or for a while. */
  async #seeOffsets(path: string): Promise<void> {
    const expected = JSON.stringify(this.#expected.offsets[this.offsets.length])
    for (const deadline = systemClock.monotonic() + settlingMs; ; await sleep(systemClock, 50)) {
      const offsets = await this.#ask('GET', path)
      if (JSON.stringify(offsets) !== expected && systemClock.monotonic() < deadline) continue
      this.offsets.push(offsets)
      return
    }
  }

  async #taskState(): Promise<string | undefined> {
    const answer = await fetch(`${this.#options.url}/connectors/${this.#name}/status`)
    const { tasks = [] } = (await answer.json()) as { readonly tasks?: readonly { readonly state: string }[] }
    return tasks[0]?.state
  }

  /** A worker that is about to rebalance refuses for a moment. */
  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    for (let tries = 0; ; tries++) {
      const answer = await fetch(`${this.#options.url}${path}`, { method, headers: { 'content-type': 'application/json' }, ...(body !== undefined && { body: JSON.stringify(body) }) })
      const text = await answer.text()
      if (answer.ok) return text === '' ? null : JSON.parse(text)
      if (tries === 50 || (answer.status !== 409 && !text.includes('rebalance'))) throw new Error(`${this.#name}: ${method} ${path}: ${answer.status} ${text}`)
      await sleep(systemClock, 200)
    }
  }

  async #produce(records: Extract<Step, { readonly produce: unknown }>['produce']): Promise<void> {
    const producer = await this.#options.broker.openProducer()
    const bytes = (text: string | null) => (text === null ? null : Buffer.from(text))
    for (const { topic, partition = 0, key, value, headers = {} } of records) {
      await producer.append({ topic, partition, key: bytes(key ?? null), value: bytes(value), headers: Object.entries(headers).map(([name, text]) => ({ key: name, value: Buffer.from(text) })) })
    }
    await producer.close()
  }

  async #until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
    for (const deadline = systemClock.monotonic() + this.#options.patienceMs; !await isSo(); await sleep(systemClock, 20)) {
      if (systemClock.monotonic() > deadline) throw new Error(`${this.#name}: never came: ${what}; calls: ${JSON.stringify(this.calls())}`)
    }
  }
}

/** With their offsets: where one is missing, a transaction ended or was aborted. A topic that was never made has none. */
async function committedRecords(broker: Broker, topic: string): Promise<readonly SeenRecord[]> {
  try {
    const [described] = await broker.topics.describe([topic])
    const partitions = described!.partitions.map(({ partition }) => ({ topic, partition }))
    const ends = await broker.topics.listOffsets(partitions.map((each) => ({ ...each, at: 'latest' as const })), { isolation: 'read-committed' })
    const reader = await broker.openReader()
    reader.assign(partitions.map((each) => ({ ...each, offset: 0 })))
    const found: SeenRecord[] = []
    while (reader.positions().some((at) => at.offset < ends.find(({ partition }) => partition === at.partition)!.offset)) {
      for (const { partition, batches } of (await reader.read({ isolation: 'read-committed' })).partitions) {
        for (const batch of batches) {
          for (const { offset, key, value, headers } of batch) found.push({ partition, offset, key: textOf(key), value: textOf(value), headers: Object.fromEntries(headers.map((each) => [each.key, textOf(each.value) ?? 'null'])) })
        }
      }
    }
    await reader.close()
    return found.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
  } catch (error) {
    if (isStreamError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return []
    throw error
  }
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString()
}
