import type { Broker, Header, Producer } from '../../core/index.ts'
import { isStreamError } from '../../core/index.ts'
import type { SinkRecord, SourceRecord } from '../connect-record.ts'
import type { Log } from '../connector.ts'
import { writeJson } from '../converters/json-writer.ts'
import { describeError } from '../errors.ts'
import { javaText } from '../java-text.ts'
import type { Schema } from '../schema.ts'
import { StageError } from './error-policy.ts'
import type { Stage } from './error-policy.ts'

/** A record that was refused, by the bytes it was read as. */
export interface Refused {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
}

export interface DeadLetterOptions {
  readonly broker: Broker
  readonly topic: string
  readonly connector: string
  readonly taskId: number
  /** Whether `__connect.errors.*` headers are added. */
  readonly withContext: boolean
  readonly log: Log
  /** The class that runs in each stage, for the header. */
  readonly classOf: (stage: Stage) => string
}

/** Sends refused records to the dead-letter topic: the bytes as they were read, and what went wrong in headers (KIP-298). */
export class DeadLetters {
  readonly #options: DeadLetterOptions
  readonly #producer: Producer
  #isTold = false

  private constructor(options: DeadLetterOptions, producer: Producer) {
    this.#options = options
    this.#producer = producer
  }

  /** Makes the topic, with one partition, if it is missing. */
  static async open(options: DeadLetterOptions, replicationFactor: number): Promise<DeadLetters> {
    const { broker, topic, connector, taskId } = options
    await createIfMissing(broker, topic, replicationFactor)
    return new DeadLetters(options, await broker.openProducer({ clientId: `connect-dlq-producer-${connector}-${taskId}` }))
  }

  /** Resolves when it is on disk. */
  async send(record: Refused, error: unknown): Promise<void> {
    this.#tell(error)
    const { topic, withContext } = this.#options
    const headers = withContext ? [...record.headers, ...this.#context(record, error)] : record.headers
    await this.#producer.append({ topic, key: record.key, value: record.value, headers, ...(record.timestamp >= 0 && { timestamp: record.timestamp }) })
  }

  /** A record of a source, which never was bytes: its key and value as JSON or, where they are text or bytes, as they are. */
  async sendSource(record: SourceRecord, error: unknown): Promise<void> {
    this.#tell(error)
    const { topic, withContext } = this.#options
    const origin = { 'topic': record.topic, 'source.partition': JSON.stringify(record.sourcePartition), 'source.offset': JSON.stringify(record.sourceOffset) }
    await this.#producer.append({
      topic, key: bytesOf(record.keySchema ?? null, record.key ?? null), value: bytesOf(record.valueSchema ?? null, record.value ?? null),
      headers: withContext ? asHeaders({ ...origin, ...this.#facts(error) }) : [], ...(typeof record.timestamp === 'number' && record.timestamp >= 0 && { timestamp: record.timestamp }),
    })
  }

  close(): Promise<void> {
    return this.#producer.close()
  }

  /** Once: what was configured may be right, and all records be refused. `errors.log.enable` tells each. */
  #tell(error: unknown): void {
    if (this.#isTold) return
    this.#isTold = true
    const { log, connector, taskId, topic } = this.#options
    const cause = error instanceof StageError ? error.cause : error
    log.warn(`${connector}-${taskId}: records go to the dead letters in ${topic}; the first one because ${describeError(cause)}`)
  }

  #context(record: Refused, error: unknown): readonly Header[] {
    return asHeaders({ topic: record.topic, partition: String(record.partition), offset: String(record.offset), ...this.#facts(error) })
  }

  #facts(error: unknown): Readonly<Record<string, string>> {
    const { connector, taskId, classOf } = this.#options
    const stage = error instanceof StageError ? error.stage : 'TASK_PUT'
    const cause = error instanceof StageError ? error.cause : error
    return {
      'connector.name': connector,
      'task.id': String(taskId),
      'stage': stage,
      'class.name': classOf(stage),
      'exception.class.name': errorClass(cause),
      'exception.message': describeError(cause),
      'exception.stacktrace': cause instanceof Error ? (cause.stack ?? '') : '',
    }
  }
}

function asHeaders(facts: Readonly<Record<string, string>>): readonly Header[] {
  return Object.entries(facts).map(([name, text]) => ({ key: `__connect.errors.${name}`, value: Buffer.from(text) }))
}

/** Text and bytes as they are; what cannot be written as JSON, as Java would write it. */
function bytesOf(schema: Schema | null, value: unknown): Uint8Array | null {
  if (value === null) return null
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof Uint8Array) return value
  try {
    return Buffer.from(writeJson(schema, value, { decimalFormat: 'NUMERIC', replaceNullWithDefault: false }))
  } catch {
    return Buffer.from(javaText(schema, value))
  }
}

/** Stable across versions: the code of a StreamError, else the name of the JavaScript class. */
function errorClass(error: unknown): string {
  if (isStreamError(error)) return error.code
  return error instanceof Error ? error.name : typeof error
}

/** The replication factor is upstream's default of three, which one broker cannot give: then it is what the log decides. */
async function createIfMissing(broker: Broker, topic: string, replicationFactor: number): Promise<void> {
  const create = async (factor: number | undefined) => {
    try {
      await broker.topics.create([{ topic, partitions: 1, ...(factor !== undefined && { replicationFactor: factor }) }])
    } catch (error) {
      if (!isStreamError(error, 'TOPIC_ALREADY_EXISTS')) throw error
    }
  }
  const existing = await broker.topics.list()
  if (existing.includes(topic)) return
  try {
    await create(replicationFactor)
  } catch (error) {
    if (!isStreamError(error, 'INVALID_REPLICATION_FACTOR')) throw error
    await create(undefined)
  }
}

/** What the dead-letter topic keeps of a sink record that was converted already. */
export function refusedOf(record: SinkRecord, raw: Omit<Refused, 'topic' | 'partition'>): Refused {
  return {
    topic: record.originalTopic, partition: record.originalPartition, offset: raw.offset, timestamp: raw.timestamp,
    key: raw.key, value: raw.value, headers: raw.headers,
  }
}
