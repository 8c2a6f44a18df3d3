/** A log in a temporary directory, and small connectors of which a test sees everything. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openEmbeddedBroker, sleep, systemClock } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { configSpec, option } from '../../../src/connect/index.ts'
import type { Log, SinkPlugin, SinkRecord, SinkTask, SinkTaskContext, SourcePlugin, SourcePoll, SourceTask, SourceTaskContext } from '../../../src/connect/index.ts'

/** Whatever becomes of the test that runs now, the last one first. An `afterEach` of this file would be one of the first file of tests that imports it, and of no other. */
export function afterTest(cleanup: () => void | Promise<void>): void {
  onTestFinished(cleanup)
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-connect-'))
  afterTest(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export async function openBroker(directory = temporaryDirectory()): Promise<Broker> {
  const broker = await openEmbeddedBroker({ directory })
  afterTest(() => broker.close())
  return broker
}

export function memoryLog(): Log & { readonly lines: readonly string[] } {
  const lines: string[] = []
  const write = (level: string) => (text: string) => { lines.push(`${level}: ${text}`) }
  return { lines, debug: () => {}, info: write('info'), warn: write('warn'), error: write('error') }
}

/** Waits until the condition holds, for 20 s at most. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 2000; tries++) {
    if (await condition()) return
    await sleep(systemClock, 10)
  }
  throw new Error(`never happened: ${what}`)
}

/** Everything committed in the topic, as text, in order of partition and offset. */
export async function readTopic(broker: Broker, topic: string): Promise<readonly { readonly key: string | null; readonly value: string | null; readonly headers: Readonly<Record<string, string>> }[]> {
  const [description] = await broker.topics.describe([topic])
  const reader = await broker.openReader()
  const ends = await broker.topics.listOffsets(description!.partitions.map(({ partition }) => ({ topic, partition, at: 'latest' })), { isolation: 'read-committed' })
  reader.assign(description!.partitions.map(({ partition, logStartOffset }) => ({ topic, partition, offset: logStartOffset })))
  const found: { partition: number; offset: number; key: string | null; value: string | null; headers: Readonly<Record<string, string>> }[] = []
  while (reader.positions().some(({ partition, offset }) => offset < ends.find((end) => end.partition === partition)!.offset)) {
    const { partitions } = await reader.read({ isolation: 'read-committed' })
    for (const { partition, batches } of partitions) {
      for (const batch of batches) {
        for (const { offset, key, value, headers } of batch) {
          found.push({ partition, offset, key: text(key), value: text(value), headers: Object.fromEntries(headers.map((each) => [each.key, text(each.value) ?? 'null'])) })
        }
      }
    }
  }
  await reader.close()
  return found.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8')
}

/** A source whose polls a test feeds; counts as one source partition, with positions 1, 2, 3 …. */
export class FedSource {
  readonly polls: (() => SourcePoll | null | Promise<SourcePoll | null>)[] = []
  readonly started: (number | undefined)[] = []
  readonly committed: number[] = []
  readonly acknowledged: string[] = []
  stops = 0
  context: SourceTaskContext | undefined

  readonly plugin: SourcePlugin = {
    type: 'source',
    class: 'test.FedSource',
    version: '1',
    config: configSpec({ limit: option.int({ doc: 'Unused.', default: 1 }) }),
    createConnector: () => ({ start: () => {}, taskConfigs: () => [{}], stop: () => {}, supportsExactlyOnce: () => true }),
    createTask: () => this.#task(),
  }

  feed(...values: readonly string[]): void {
    this.polls.push(() => values.map((value) => this.record(value)))
  }

  #position = 0

  record(value: string) {
    return { topic: 'fed', value, sourcePartition: { log: 'a' }, sourceOffset: { position: ++this.#position } }
  }

  #task(): SourceTask {
    return {
      start: async (_config, context) => {
        this.context = context
        const [offset] = await context.offsets([{ log: 'a' }])
        this.started.push(offset?.['position'] as number | undefined)
      },
      poll: async (signal) => {
        const next = this.polls.shift()
        if (next !== undefined) return next()
        await sleep(systemClock, 20, signal)
        return null
      },
      commit: (offsets) => { this.committed.push(offsets[0]![1]['position'] as number) },
      commitRecord: (record, metadata) => { this.acknowledged.push(`${String(record.value)}@${metadata?.offset ?? 'dropped'}`) },
      stop: () => { this.stops++ },
    }
  }
}

/** A sink that keeps what it is given. */
export class KeepingSink {
  readonly values: unknown[] = []
  readonly calls: string[] = []
  puts = 0
  context: SinkTaskContext | undefined
  onPut: (records: readonly SinkRecord[]) => void | Promise<void> = () => {}
  onOpen: () => void = () => {}

  readonly plugin: SinkPlugin = {
    type: 'sink',
    class: 'test.KeepingSink',
    version: '1',
    config: configSpec({}),
    createConnector: () => ({ start: () => {}, taskConfigs: (max) => Array.from({ length: max }, () => ({})), stop: () => {} }),
    createTask: () => this.#task(),
  }

  #task(): SinkTask {
    const call = (name: string) => { if (this.calls.at(-1) !== name) this.calls.push(name) }
    return {
      start: (_config, context) => {
        call('start')
        this.context = context
      },
      open: () => {
        call('open')
        this.onOpen()
      },
      put: async (records) => {
        this.puts++
        if (records.length > 0) call('put')
        await this.onPut(records)
        this.values.push(...records.map(({ value }) => value))
      },
      flush: () => call('flush'),
      close: () => call('close'),
      stop: () => call('stop'),
    }
  }
}
