import type { Clock, Header, Random } from '../../core/index.ts'
import { isStreamError, settledWithin, sleep } from '../../core/index.ts'
import type { SourceOffset, SourcePartition, SourcePosition, SourceRecord, SourceSpans } from '../connect-record.ts'
import type { Converter } from '../converters/index.ts'
import type { Log, SourcePoll, SourceTask, SourceTaskContext, TaskContext, TransactionContext } from '../connector.ts'
import { describeError } from '../errors.ts'
import { javaText } from '../java-text.ts'
import type { DeadLetters } from './dead-letter.ts'
import type { ErrorPolicy } from './error-policy.ts'
import { failedAt, StageError } from './error-policy.ts'
import type { OffsetReader } from './offset-reader.ts'
import { encodeHeaders, encodeRecord } from './record-codec.ts'
import type { EncodedRecord, RecordCodec } from './record-codec.ts'
import { quietlyInTime } from './quietly.ts'
import { retrying } from './retry.ts'
import { completed, plainBytes, recordsOfSpans, spanAt } from './source-records.ts'
import type { CommittedOffsets, SourceCommitter } from './source-committer.ts'
import { droppedTicket } from './submitted-offsets.ts'
import type { SubmittedOffsets, Ticket } from './submitted-offsets.ts'
import type { TaskControl } from './task-control.ts'
import type { TaskProgress } from './task-spec.ts'
import type { BatchTicket } from './topic-writer.ts'
import type { TransformChain } from './transform-chain.ts'

export interface SourceWorkerOptions {
  /** For the log and errors. */
  readonly name: string
  readonly task: SourceTask
  readonly taskConfig: unknown
  readonly context: TaskContext
  readonly control: TaskControl
  readonly codec: RecordCodec
  /** null: none. */
  readonly transforms: TransformChain | null
  readonly errors: ErrorPolicy
  readonly committer: SourceCommitter
  readonly submitted: SubmittedOffsets
  /** null: records that fail are not kept. */
  readonly deadLetters: DeadLetters | null
  readonly offsets: OffsetReader
  /** Present when the connector defines its transactions. */
  readonly transaction: RecordTransactions | null
  readonly retryMaxDelayMs: number
  /** How long the task's last steps may take. */
  readonly graceMs: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** `records` are added to those before. */
  readonly progress: (change: Partial<TaskProgress>) => void
}

/** What a task asked for through `context.transaction`. */
export interface RecordTransactions extends TransactionContext {
  takeAfterRecord(record: SourceRecord): 'commit' | 'abort' | undefined
  takeAfterBatch(): 'commit' | 'abort' | undefined
}

/** A poll that gives nothing and returns at once must not keep the thread busy. */
const emptyPollPauseMs = 5
/** As offset.flush.timeout.ms of Kafka Connect. */
const commitAfterFailureMs = 5000

/** What the transforms made of a record, and its bytes. */
interface EncodedSource {
  readonly record: Pick<SourceRecord, 'topic' | 'partition' | 'timestamp'>
  readonly encoded: EncodedRecord
}

interface Delivery {
  readonly record: SourceRecord
  readonly ticket: Ticket
  /** Place inside the batch of the ticket. */
  readonly index: number
}

/**
 * Runs one source task: poll → transforms → converters → append → acknowledge, and commits the longest acknowledged prefix
 * of each source partition.
 *
 * 1. The task is started; it looks up its committed offsets.
 * 2. Poll, unless paused or too many bytes are in flight.
 * 3. Each record is transformed, converted and gathered into a batch of its partition; a dropped record counts as done.
 * 4. When a commit is due, records and offsets are made durable (source-committer.ts), then the task is told.
 * 5. At the end, and at least once also when the task failed, everything handed over is awaited and committed, and the task is stopped.
 */
export class SourceWorker {
  readonly #options: SourceWorkerOptions
  #deliveries: Delivery[] = []
  readonly #refusals: Promise<void>[] = []
  readonly #hasTransforms: boolean
  /** For records without a timestamp of their own: looked up once for those that do not wait for anything. */
  #nowMs = 0
  #reported = 0

  constructor(options: SourceWorkerOptions) {
    this.#options = options
    this.#hasTransforms = options.transforms !== null
  }

  /** Resolves after a clean stop. @throws what made the task fail; what is acknowledged by then is committed, but for exactly once */
  async run(): Promise<void> {
    const { task, name, log, clock, graceMs } = this.#options
    try {
      await this.#runUntilStopped()
      await this.#finish()
    } catch (error) {
      await this.#commitAfterFailure()
      throw error
    } finally {
      await quietlyInTime(`${name}: did not stop cleanly`, () => task.stop(), { log, clock, graceMs })
    }
  }

  /** A wait that the stop cut short is no failure, unless nobody waits for the end any more. */
  async #runUntilStopped(): Promise<void> {
    const { control } = this.#options
    try {
      await this.#start()
      while (!control.isStopped) await this.#turn()
    } catch (error) {
      if (control.isAbandoned || !control.isStopped || !isStreamError(error, 'ABORTED')) throw error
    }
  }

  async #start(): Promise<void> {
    const { task, taskConfig, context, committer, offsets, transaction } = this.#options
    const full: SourceTaskContext = {
      ...context,
      offsets: (partitions) => offsets.offsets(partitions),
      allOffsets: () => offsets.all(),
      ...(committer.isVisibleOnceAcknowledged && { atLeastOnce: true }),
      ...(transaction !== null && { transaction }),
    }
    await this.#retrying('start', async () => { await task.start(taskConfig, full) })
    this.#options.progress({ isStarted: true })
  }

  async #turn(): Promise<void> {
    const { control, committer, transaction } = this.#options
    if (control.isPaused) {
      await this.#tell(await committer.rest())
      return control.change()
    }
    const polled = await this.#poll()
    if (committer.isVisibleOnceAcknowledged) this.#tellAcknowledged()
    if (polled !== null) await this.#process(polled)
    const asked = transaction?.takeAfterBatch()
    if (asked === 'abort') await this.#abort()
    else if (asked === 'commit' || committer.isDue()) await this.#tell(await committer.commit())
  }

  /** Returns early when offsets wait to be committed. */
  async #poll(): Promise<SourcePoll | null> {
    const { task, clock, control, committer } = this.#options
    const dueInMs = committer.dueInMs()
    const timer = dueInMs === undefined ? undefined : clock.setTimer(dueInMs, () => control.interrupt())
    let interruption = control.interruption
    try {
      const polled = await this.#retrying('poll', async () => {
        interruption = control.interruption
        return task.poll(interruption)
      })
      if (polled !== null && isNotEmpty(polled)) return polled
      if (interruption.aborted) return null
      await sleep(clock, emptyPollPauseMs, control.stopSignal)
      return null
    } finally {
      timer?.cancel()
    }
  }

  async #process(polled: SourcePoll): Promise<void> {
    const { committer, submitted, clock } = this.#options
    committer.begin()
    this.#nowMs = clock.now()
    try {
      if ('spans' in polled) await this.#addSpans(polled)
      else {
        for (const each of polled) {
          const waits = this.#add(each)
          if (waits === undefined) continue
          await waits
          this.#nowMs = clock.now()
        }
      }
    } finally {
      submitted.endRun()
    }
    await this.#keepRefused()
    await committer.writer.hasRoom()
  }

  /** No position is committed before what was refused is kept. @throws what stands in the way, each time */
  async #keepRefused(): Promise<void> {
    if (this.#refusals.length === 0) return
    await Promise.all(this.#refusals)
    this.#refusals.length = 0
  }

  /** A promise only when there is something to wait for. */
  #add(item: SourceRecord | SourceSpans | SourcePosition): Promise<void> | undefined {
    if ('spans' in item) return this.#addSpans(item)
    if ('topic' in item) return this.#addRecord(item)
    this.#options.submitted.submit(item.sourcePartition, item.sourceOffset, droppedTicket)
    return undefined
  }

  async #addSpans(spans: SourceSpans): Promise<void> {
    const { codec, committer, submitted } = this.#options
    if (this.#hasTransforms || !passesThrough(codec, spans)) return this.#addSpansOneByOne(spans)
    const { topic, partition = null, timestamp, keySpans, recordCount, sourcePartition } = spans
    const bytes = plainBytes(spans.bytes)
    if (!committer.writer.isOpen(topic)) await committer.writer.open(topic)
    const headers = await this.#options.errors.waitingOut(() => this.#headersOf(spans))
    const noKey = await this.#options.errors.waitingOut(() => codec.key.fromConnect(topic, null, null))
    let ticket: Ticket | undefined
    for (let index = 0; index < recordCount; index++) {
      const key = keySpans === undefined ? noKey : (spanAt(bytes, keySpans, index) ?? noKey)
      const value = spanAt(bytes, spans.spans, index)
      const added = this.#addBytes({ topic, partition, key, value, timestamp, headers })
      const refusal = added instanceof StageError ? added : undefined
      const next = added instanceof StageError ? droppedTicket : added
      if (ticket !== undefined && ticket !== next) submitted.submit(sourcePartition, spans.sourceOffset(index - 1), ticket)
      ticket = next
      if (refusal !== undefined) this.#refuseSpan({ topic, key, value, timestamp, sourcePartition, sourceOffset: spans.sourceOffset(index) }, refusal)
    }
    if (ticket !== undefined) submitted.submit(sourcePartition, spans.sourceOffset(recordCount - 1), ticket)
  }

  #headersOf({ topic, headers }: SourceSpans): readonly Header[] | undefined {
    return headers === undefined || headers.length === 0 ? undefined : encodeHeaders(this.#options.codec, topic, headers)
  }

  /** What is wrong with the record, where it cannot be added. */
  #addBytes({ topic, partition, key, value, timestamp, headers }: {
    readonly topic: string
    readonly partition: number | null
    readonly key: Uint8Array | null
    readonly value: Uint8Array | null
    readonly timestamp: number
    readonly headers: readonly Header[] | undefined
  }): Ticket | StageError {
    try {
      return this.#options.committer.writer.add({ topic, partition }, key, value, timestamp, headers)
    } catch (error) {
      return new StageError('KAFKA_PRODUCE', error)
    }
  }

  /** As `#refuse`, without waiting for the dead letter: `#keepRefused` does. */
  #refuseSpan(record: SourceRecord, error: StageError): void {
    const { errors, name, deadLetters } = this.#options
    errors.tolerate(error, placeOf(name, record))
    if (deadLetters === null) return
    const kept = deadLetters.sendSource(record, error)
    kept.catch(() => undefined) // met by who waits for it
    this.#refusals.push(kept)
  }

  async #addSpansOneByOne(spans: SourceSpans): Promise<void> {
    for (const record of recordsOfSpans(spans)) {
      const waits = this.#addRecord(record)
      if (waits !== undefined) await waits
    }
  }

  #addRecord(record: SourceRecord): Promise<void> | undefined {
    const ticket = this.#addConverted(record)
    return ticket instanceof Promise ? ticket.then((each) => this.#added(record, each)) : this.#added(record, ticket)
  }

  #added(record: SourceRecord, ticket: Ticket): Promise<void> | undefined {
    const { submitted, transaction } = this.#options
    submitted.submitRecord(record, ticket)
    this.#remember(record, ticket)
    const asked = transaction?.takeAfterRecord(record)
    return asked === undefined ? undefined : this.#endTransaction(asked)
  }

  async #endTransaction(asked: 'commit' | 'abort'): Promise<void> {
    const { committer } = this.#options
    await this.#keepRefused()
    if (asked === 'abort') await this.#abort()
    else await this.#tell(await committer.commit())
    committer.begin()
  }

  /** Nobody will see the records of the transaction: the task does not hear of them either. */
  async #abort(): Promise<void> {
    const offsets = await this.#options.committer.abort()
    this.#forgetAppended()
    await this.#tell(offsets)
  }

  async #finish(): Promise<void> {
    const { committer, transaction } = this.#options
    const offsets = await committer.finish()
    if (transaction !== null) this.#forgetAppended()
    await this.#tell(offsets)
  }

  /** As far as it works in time: what goes wrong now is not why the task failed. */
  async #commitAfterFailure(): Promise<void> {
    const { committer, control, clock, log, name } = this.#options
    if (!committer.isVisibleOnceAcknowledged || control.isAbandoned) return
    const committed = this.#keepRefused().then(() => committer.rest()).then((offsets) => this.#tell(offsets)).catch((error: unknown) => {
      log.debug(`${name}: what it had given before it failed could not be committed (${describeError(error)}); the records will come again`)
    })
    await settledWithin(committed, clock, commitAfterFailureMs)
  }

  #forgetAppended(): void {
    this.#deliveries = this.#deliveries.filter(({ ticket }) => ticket === droppedTicket)
  }

  #addConverted(record: SourceRecord): Ticket | Promise<Ticket> {
    try {
      const source = this.#encodeOrWait(record)
      if (source === null) return droppedTicket
      if (source instanceof Promise || !this.#options.committer.writer.isOpen(source.record.topic)) return this.#addLater(record, source)
      return this.#append(source)
    } catch (error) {
      return this.#refuse(record, error)
    }
  }

  #encodeOrWait(record: SourceRecord): EncodedSource | null | Promise<EncodedSource | null> {
    try {
      return this.#encode(record)
    } catch (error) {
      return this.#options.errors.waitOut(error, () => this.#encode(record))
    }
  }

  /** What a converter must ask for first, or what goes to a topic that was not written yet. */
  async #addLater(record: SourceRecord, made: EncodedSource | Promise<EncodedSource | null>): Promise<Ticket> {
    const { writer } = this.#options.committer
    try {
      const source = await made
      if (source === null) return droppedTicket
      if (!writer.isOpen(source.record.topic)) await writer.open(source.record.topic)
      this.#nowMs = this.#options.clock.now()
      return this.#append(source)
    } catch (error) {
      return this.#refuse(record, error)
    }
  }

  #append({ record: { topic, partition = null, timestamp }, encoded: { key, value, headers } }: EncodedSource): Ticket {
    try {
      return this.#options.committer.writer.add({ topic, partition }, key, value, timestamp ?? this.#nowMs, headers)
    } catch (error) {
      throw failedAt('KAFKA_PRODUCE', error)
    }
  }

  async #refuse(record: SourceRecord, error: unknown): Promise<Ticket> {
    const { errors, name, deadLetters } = this.#options
    if (!(error instanceof StageError)) throw error
    errors.tolerate(error, placeOf(name, record), () => shownRecord(record))
    await deadLetters?.sendSource(record, error)
    return droppedTicket
  }

  /** null: a transform dropped it. */
  #encode(record: SourceRecord): EncodedSource | null {
    const transformed = this.#transformed(record)
    return transformed === null ? null : { record: transformed, encoded: encodeRecord(this.#options.codec, transformed) }
  }

  #transformed(record: SourceRecord): Omit<SourceRecord, 'sourcePartition' | 'sourceOffset'> | null {
    const { transforms } = this.#options
    if (transforms === null) return record
    try {
      return transforms.apply(completed(record))
    } catch (error) {
      throw failedAt('TRANSFORMATION', error)
    }
  }

  /** Only for tasks that want to hear of each record. */
  #remember(record: SourceRecord, ticket: Ticket): void {
    if (this.#options.task.commitRecord === undefined) return
    this.#deliveries.push({ record, ticket, index: ticket === droppedTicket ? 0 : (ticket as BatchTicket).recordCount - 1 })
  }

  async #tell(offsets: CommittedOffsets): Promise<void> {
    const { task, committer, progress } = this.#options
    progress({ records: committer.visibleRecords - this.#reported, topicRecords: committer.writer.acknowledgedByTopic() })
    this.#reported = committer.visibleRecords
    this.#tellAcknowledged()
    const stored = offsets.filter((each): each is readonly [SourcePartition, SourceOffset] => each[1] !== null)
    if (stored.length > 0) await task.commit?.(stored)
  }

  #tellAcknowledged(): void {
    const { task } = this.#options
    const pending = this.#deliveries.findIndex(({ ticket }) => !ticket.acknowledged)
    for (const { record, ticket, index } of this.#deliveries.splice(0, pending === -1 ? this.#deliveries.length : pending)) {
      const metadata = ticket === droppedTicket ? null : (ticket as BatchTicket).metadata
      task.commitRecord?.(record, metadata && { topic: metadata.topic, partition: metadata.partition, offset: metadata.baseOffset + index })
    }
  }

  #retrying<T>(step: string, call: () => Promise<T>): Promise<T> {
    const { name, clock, random, log, control, retryMaxDelayMs, progress } = this.#options
    return retrying(`${name}: ${step}`, call, {
      clock, random, log, signal: control.stopSignal, maxDelayMs: retryMaxDelayMs, waiting: (waitingFor) => progress({ waitingFor }),
    })
  }
}

/** Whether the bytes can go to the topic as they are. */
function passesThrough({ key, value }: RecordCodec, { valueType, keySpans }: SourceSpans): boolean {
  const take = (converter: Converter) => converter.passesThrough?.(valueType) ?? false
  return take(value) && (keySpans === undefined || take(key))
}

function placeOf(task: string, { sourcePartition, sourceOffset }: SourceRecord): string {
  return `a record of ${task} from ${JSON.stringify(sourcePartition)} at ${JSON.stringify(sourceOffset)}`
}

/** Key, value and where it came from, for a log that may show them. */
function shownRecord({ topic, key, keySchema, value, valueSchema, timestamp, headers = [] }: SourceRecord): string {
  return `topic ${topic}, timestamp ${timestamp ?? 'none'}, key ${javaText(keySchema ?? null, key ?? null)}, value ${javaText(valueSchema ?? null, value)}, headers ${headers.map((header) => header.key).join(', ') || 'none'}`
}

function isNotEmpty(polled: SourcePoll): boolean {
  if ('spans' in polled) return polled.recordCount > 0
  return !Array.isArray(polled) || polled.length > 0
}
