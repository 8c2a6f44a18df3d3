import type { Broker, Clock, PartitionPosition, Producer, Reader, TopicPartition } from '../../../core/index.ts'
import { isStreamError, partitionKey, sleep } from '../../../core/index.ts'
import type { Log } from '../../connector.ts'
import { configError, describeError } from '../../errors.ts'
import { describeOrCreate } from '../topic-creation.ts'
import type { RecordLog } from './config-store.ts'

export interface TopicRecordLogOptions<R> {
  readonly broker: Broker
  readonly topic: string
  readonly partitions: number
  readonly replicationFactor: number | null
  /** Whether a topic of more partitions would be read out of order. */
  readonly needsOnePartition: boolean
  readonly encode: (record: R) => readonly [string, string | null]
  readonly decode: (key: string | null, value: string | null) => R | undefined
  /** Called for each record, in order, from the beginning of the topic on. */
  readonly apply: (record: R) => void
  /** What these records are written with; asked for at each write. */
  readonly writer: (records: readonly R[]) => Promise<RecordWriter>
  readonly clock: Clock
  readonly log: Log
}

/** Writes some records, together where it can. */
export type RecordWriter = (records: readonly { readonly topic: string; readonly key: Uint8Array; readonly value: Uint8Array | null }[]) => Promise<readonly (TopicPartition & { readonly offset: number })[]>

export function plainWriter(producer: Producer): RecordWriter {
  return (records) => Promise.all(records.map((record) => producer.append(record)))
}

/** One transaction for all of them; a producer that was fenced can write no more. */
export function transactionalWriter(producer: Producer): RecordWriter {
  let last: Promise<unknown> = Promise.resolve()
  const write: RecordWriter = async (records) => {
    producer.begin()
    try {
      const written = Promise.all(records.map((record) => producer.append(record)))
      const placed = await written
      await producer.commit()
      return placed
    } catch (error) {
      // where this fails, too, the next transaction says so
      if (!isStreamError(error, 'PRODUCER_FENCED')) await producer.abort().catch(() => {})
      throw error
    }
  }
  return (records) => {
    const done = last.then(() => write(records))
    last = done.catch(() => {})
    return done
  }
}

const pollMs = 500
const retryMs = 500

/** A compacted topic as a table that every worker of a cluster reads whole and follows (upstream's KafkaBasedLog). */
export class TopicRecordLog<R> implements RecordLog<R> {
  readonly #options: TopicRecordLogOptions<R>
  readonly #reader: Reader
  readonly #closing = new AbortController()
  #waiting: { readonly isThere: () => boolean; readonly resolve: () => void }[] = []
  #following: Promise<void> = Promise.resolve()
  /** Up to where the records are applied: the reader's own positions are ahead of it from the end of a read until its records are applied. */
  #applied: readonly PartitionPosition[]

  private constructor(options: TopicRecordLogOptions<R>, reader: Reader) {
    this.#options = options
    this.#reader = reader
    this.#applied = reader.positions()
  }

  /** Makes the topic if it is missing, and resolves when everything in it is applied. @throws INVALID_CONFIG for a topic that would lose records */
  static async open<R>(options: TopicRecordLogOptions<R>): Promise<TopicRecordLog<R>> {
    const { broker, topic, partitions, replicationFactor, needsOnePartition } = options
    const description = await describeOrCreate(broker, topic, {
      topic, partitions, configs: { 'cleanup.policy': 'compact' }, ...(replicationFactor !== null && replicationFactor > 0 && { replicationFactor }),
    })
    const policy = description.configs.find(({ name }) => name === 'cleanup.policy')?.value
    if (policy !== 'compact') throw configError(`topic ${topic} has cleanup.policy=${policy}, which would let what workers need be deleted; it must be compact`)
    if (needsOnePartition && description.partitions.length !== 1) throw configError(`topic ${topic} has ${description.partitions.length} partitions; it must have exactly one, so that its records have an order`)
    const reader = await broker.openReader({ clientId: `connect-${topic}` })
    reader.assign(description.partitions.map(({ partition, logStartOffset }) => ({ topic, partition, offset: logStartOffset })))
    const log = new TopicRecordLog(options, reader)
    log.#following = log.#follow()
    try {
      await log.refresh()
    } catch (error) {
      await log.close()
      throw error
    }
    return log
  }

  async write(records: readonly R[]): Promise<void> {
    if (records.length === 0) return
    const { topic, encode, writer } = this.#options
    const write = await writer(records)
    const placed = await write(records.map((record) => {
      const [key, value] = encode(record)
      return { topic, key: Buffer.from(key), value: value === null ? null : Buffer.from(value) }
    }))
    await this.#until(new Map(placed.map(({ partition, offset }) => [partitionKey(topic, partition), offset + 1])))
  }

  async refresh(): Promise<void> {
    const { broker, topic } = this.#options
    const queries = this.#reader.positions().map(({ partition }) => ({ topic, partition, at: 'latest' as const }))
    const ends = await broker.topics.listOffsets(queries, { isolation: 'read-committed' })
    await this.#until(new Map(ends.map(({ partition, offset }) => [partitionKey(topic, partition), offset])))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#following
    await this.#reader.close()
  }

  async #follow(): Promise<void> {
    const { clock, log, topic } = this.#options
    while (!this.#closing.signal.aborted) {
      try {
        const { partitions } = await this.#reader.read({ maxWaitMs: pollMs, isolation: 'read-committed', signal: this.#closing.signal })
        for (const { batches } of partitions) for (const batch of batches) batch.forEach((record) => this.#apply(record.key, record.value))
      } catch (error) {
        if (this.#closing.signal.aborted) break
        log.warn(`topic ${topic} cannot be read (${describeError(error)}); it is tried again`)
        await sleep(clock, retryMs, this.#closing.signal)
      }
      this.#wake()
    }
    this.#wake()
  }

  #apply(key: Uint8Array | null, value: Uint8Array | null): void {
    const { decode, apply, log, topic } = this.#options
    const record = decode(textOf(key), textOf(value))
    if (record === undefined) log.debug(`topic ${topic}: a record is none of Kafka Connect's and is passed over: ${textOf(key) ?? 'no key'}`)
    else apply(record)
  }

  #until(ends: ReadonlyMap<string, number>): Promise<void> {
    const isThere = () => this.#closing.signal.aborted || this.#applied.every(({ topic, partition, offset }) => offset >= (ends.get(partitionKey(topic, partition)) ?? 0))
    if (isThere()) return Promise.resolve()
    return new Promise((resolve) => { this.#waiting.push({ isThere, resolve }) })
  }

  #wake(): void {
    this.#applied = this.#reader.positions()
    const [there, waiting] = [this.#waiting.filter(({ isThere }) => isThere()), this.#waiting.filter(({ isThere }) => !isThere())]
    this.#waiting = waiting
    for (const { resolve } of there) resolve()
  }
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
