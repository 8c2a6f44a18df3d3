/** What the parts of the contract suite share. */
import { expect } from 'vitest'
import type {
  Broker, GroupMember, GroupOptions, Isolation, PartitionPosition, Producer, ProducerRecord, RebalanceEvent, RecordView, TopicPartition, TopicSpec,
} from '../../src/core/index.ts'
import { RecordBatchBuilder, isStreamError } from '../../src/core/index.ts'
import type { ErrorCode, UnsealedBatch } from '../../src/core/index.ts'

/** A log that the suite may use: its topics are the suite's own, by name. */
export interface ContractLog {
  /** A client of the log. Where the client is the log, the same one each time; the suite does not close it. */
  connect(): Promise<Broker>
  /** Ends every client, and the log where it is the backend's own. */
  stop(): Promise<void>
}

export interface ContractBackend {
  start(): Promise<ContractLog>
  /** Tests that the backend cannot pass, by the end of their name, and why. */
  readonly skips?: Readonly<Record<string, string>>
  /** Whether the tests of groups run several at a time: on a cluster they wait more than they work. */
  readonly groupsSideBySide?: boolean
}

/** For what must come about but may take its time, such as a topic that was just created on a cluster. */
export const patienceMs = 45_000

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
export const decode = (bytes: Uint8Array | null): string | null => (bytes === null ? null : new TextDecoder().decode(bytes))

let names = 0
const run = Date.now().toString(36)

/** Not used by any earlier test, also not of an earlier run on the same cluster. */
export function freshName(what: string): string {
  names++
  return `contract-${what}-${run}-${process.pid}-${names}`
}

/** Creation may be eventually consistent: resolves when the topic can be used. */
export async function createTopic(broker: Broker, spec: Partial<TopicSpec> = {}): Promise<string> {
  const topic = spec.topic ?? freshName('topic')
  await broker.topics.create([{ ...spec, topic }]).catch((error: unknown) => {
    // Under a name that nobody else has: a broker that got no answer from the controller in time asked it twice.
    if (spec.topic !== undefined || !isStreamError(error, 'TOPIC_ALREADY_EXISTS')) throw error
  })
  await eventually(async () => {
    const [description] = await broker.topics.describe([topic])
    expect(description?.partitions.length).toBe(spec.partitions ?? 1)
    await broker.topics.listOffsets(description!.partitions.map(({ partition }) => ({ topic, partition, at: 'latest' })))
  })
  return topic
}

/** Tries until it does not throw any more. */
export async function eventually<T>(attempt: () => Promise<T>, withinMs = patienceMs): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await pause(20)
    }
  }
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}

/** The code of the StreamError that the call must end with. */
export async function codeOf(call: Promise<unknown> | (() => unknown)): Promise<ErrorCode> {
  const error = await errorOf(call)
  if (!isStreamError(error)) throw error
  return error.code
}

export async function errorOf(call: Promise<unknown> | (() => unknown)): Promise<unknown> {
  try {
    await (typeof call === 'function' ? call() : call)
  } catch (error) {
    return error
  }
  throw new Error('the call succeeded, and had to fail')
}

export function batchOf(values: readonly string[], timestamp = 1_000): UnsealedBatch {
  const builder = new RecordBatchBuilder({ maxBytes: 1_000_000 })
  for (const value of values) builder.add(null, encode(value), timestamp)
  return builder.build()
}

export async function appendAll(producer: Producer, target: TopicPartition, values: readonly string[]): Promise<void> {
  await Promise.all(values.map((value) => producer.append(recordOf(target, value))))
}

export function recordOf(target: TopicPartition, value: string): ProducerRecord {
  return { topic: target.topic, partition: target.partition, value: encode(value) }
}

export interface ReadAllOptions {
  readonly isolation?: Isolation
  readonly from?: number
  /** Records to wait for. */
  readonly count: number
}

/** Reads one partition until so many records came, and fails when they do not come. */
export async function readRecords(broker: Broker, target: TopicPartition, options: ReadAllOptions): Promise<readonly RecordView[]> {
  const reader = await broker.openReader()
  reader.assign([{ ...target, offset: options.from ?? 0 }])
  const records: RecordView[] = []
  const deadline = performance.now() + patienceMs
  try {
    while (records.length < options.count && performance.now() < deadline) {
      const { partitions } = await reader.read({ maxWaitMs: 200, ...(options.isolation && { isolation: options.isolation }) })
      for (const { batches } of partitions) for (const batch of batches) records.push(...batch)
    }
  } finally {
    await reader.close()
  }
  expect(records.map((record) => decode(record.value))).toHaveLength(options.count)
  return records
}

export async function readValues(broker: Broker, target: TopicPartition, options: ReadAllOptions): Promise<readonly (string | null)[]> {
  return (await readRecords(broker, target, options)).map((record) => decode(record.value))
}

/** What is visible now and no more: reads until nothing comes, at the end of the partition under the isolation level. */
export async function visibleValues(broker: Broker, target: TopicPartition, isolation: Isolation): Promise<readonly (string | null)[]> {
  const reader = await broker.openReader()
  const [start] = await broker.topics.listOffsets([{ ...target, at: 'earliest' }])
  const [end] = await broker.topics.listOffsets([{ ...target, at: 'latest' }], { isolation })
  const values: (string | null)[] = []
  let position = start!.offset
  reader.assign([{ ...target, offset: position }])
  while (position < end!.offset) {
    const { partitions } = await reader.read({ maxWaitMs: 200, isolation })
    for (const { batches, nextOffset } of partitions) {
      for (const batch of batches) for (const record of batch) values.push(decode(record.value))
      position = nextOffset
    }
  }
  await reader.close()
  return values
}

/** Kafka answers a commit before its markers are in the partitions, so what it made visible may take a moment to show. */
export async function expectCommitted(broker: Broker, target: TopicPartition, values: readonly string[]): Promise<void> {
  await eventually(async () => expect(await visibleValues(broker, target, 'read-committed')).toEqual(values))
}

export async function topicWith(broker: Broker, partitions: number, values: readonly string[] = []): Promise<string> {
  const topic = await createTopic(broker, { partitions })
  const producer = await broker.openProducer()
  for (let partition = 0; partition < partitions; partition++) await appendAll(producer, { topic, partition }, values)
  await producer.close()
  return topic
}

export function partitionsOf(topic: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, partition) => `${topic}-${partition}`)
}

/** A group member that reads all the time, as an application does. */
export class PollingMember {
  readonly events: RebalanceEvent[] = []
  readonly values: (string | null)[] = []
  readonly positions = new Map<string, PartitionPosition>()
  member!: GroupMember
  #polling: Promise<void> = Promise.resolve()
  #stopped = false
  /** What ended the reading, when nobody stopped it. */
  failure: unknown = null

  static async join(broker: Broker, options: GroupOptions): Promise<PollingMember> {
    const polling = new PollingMember()
    polling.member = await broker.joinGroup({ ...options, onRebalance: async (event) => {
      polling.events.push(event)
      await options.onRebalance?.(event)
    } })
    polling.#polling = polling.#poll()
    return polling
  }

  get assigned(): readonly string[] {
    return this.member.assignment.map(({ topic, partition }) => `${topic}-${partition}`).sort()
  }

  /** Ends the reading; the member stays in the group. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#polling
    if (this.failure !== null) throw this.failure
  }

  async leave(): Promise<void> {
    await this.stop()
    await this.member.leave()
  }

  async #poll(): Promise<void> {
    try {
      while (!this.#stopped) {
        for (const { batches, topic, partition, nextOffset } of (await this.member.read({ maxWaitMs: 50 })).partitions) {
          for (const batch of batches) for (const record of batch) this.values.push(decode(record.value))
          this.positions.set(`${topic}-${partition}`, { topic, partition, offset: nextOffset })
        }
      }
    } catch (error) {
      this.failure = error
    }
  }
}
