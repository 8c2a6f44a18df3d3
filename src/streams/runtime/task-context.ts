import { AssertionError, StreamError } from '../../core/index.ts'
import type { ErrorCode, Header, RecordPosition, RecordSpan, RecordView, Serde } from '../../core/index.ts'
import type { Output } from '../operators/operate.ts'
import { AsyncWork } from '../operators/async-work.ts'
import type { OperatorContext } from '../operators/operator-context.ts'
import type { OpenStore } from '../state/open-store.ts'
import type { RowOrigins } from '../state/row-origins.ts'
import { isUnseenTopic } from '../missing-topics.ts'
import type { RecordHead } from '../record-head.ts'
import { StreamRecord, noHeaders, noOrigin } from '../stream-record.ts'
import type { RecordOrigin } from '../stream-record.ts'
import type { SinkNode, SourceNode, StoreSpec, TopologyNode } from '../topology/node.ts'
import type { Pipeline } from './compile-task.ts'
import { deadLetterOf } from './dead-letter.ts'
import { PunctuationQueue, firstOnGrid } from './punctuator.ts'
import type { Cancellable, PunctuationType } from './punctuator.ts'
import { messageOf } from './record-queue.ts'
import type { StreamTaskOptions } from './stream-task-options.ts'
import { defaultCacheMaxBytes } from './task-config.ts'
import type { ErrorPolicy } from './task-config.ts'
import { TaskMetrics } from './task-metrics.ts'
import { TaskState } from './task-state.ts'

/** What the operators of one task share, and the task's side of it. */
export class TaskContext implements OperatorContext {
  readonly asyncWork = new AsyncWork()
  readonly state: TaskState
  /** null: at the level `info`. */
  readonly metrics: TaskMetrics | null
  readonly metadata = new Map<string, number>()
  readonly #options: StreamTaskOptions
  #committedMetadata: ReadonlyMap<string, number> = new Map()
  /** What the next commit is about; null: that of then. */
  #sealedMetadata: ReadonlyMap<string, number> | null = null
  #punctuators = newPunctuators()
  #beginners: { readonly node: TopologyNode; readonly begin: () => void }[] = []
  #closers: (() => void)[] = []
  #committers: (() => void)[] = []
  readonly #shared = new Map<string, unknown>()
  readonly #changelogTopics = new Map<StoreSpec, string>()
  #pipeline: Pipeline | null = null
  #current: StreamRecord = idleRecord(0)
  /** In place of a current record that was not made. */
  #head: RecordHead | null = null
  /** The same of a record that is known by a row that it wrote. */
  #origins: RowOrigins | null = null
  #originRow = -1
  #now = 0
  #streamTime = -1
  commitRequested = false
  droppedRecords = 0

  constructor(options: StreamTaskOptions) {
    this.#options = options
    this.#now = options.clock.now()
    const level = options.config.metricsRecordingLevel ?? 'info'
    this.metrics = level === 'info' ? null : new TaskMetrics(level, options.clock)
    this.state = new TaskState({
      metrics: this.metrics,
      stores: options.stores,
      disk: options.disk ?? null,
      cacheMaxBytes: options.config.cacheMaxBytes ?? defaultCacheMaxBytes,
      changelogTopic: (store) => this.#changelogTopic(store),
      host: {
        log: (store, key, value, timestamp, headers) => this.send(this.#changelogTopic(store)!, options.partition, key, value, timestamp, headers),
        logSpan: (store, span, timestamp) => this.#logSpan(this.#changelogTopic(store)!, options.partition, span, timestamp),
        expired: () => { this.droppedRecords++ },
        currentRecord: () => this.#currentRecord(),
        noteOrigin: (origins, row) => {
          if (this.#head === null) origins.set(row, this.#currentRecord())
          else origins.setRead(row, this.#head)
        },
        enter: (record) => this.enter(record),
        enterRow: (origins, row) => this.#enterRow(origins, row),
      },
    })
  }

  get applicationId(): string {
    return this.#options.applicationId
  }

  get taskId(): string {
    return this.#options.taskId
  }

  get streamTime(): number {
    return this.#streamTime
  }

  now(): number {
    return this.#now
  }

  store(node: TopologyNode, name: string): OpenStore {
    return this.#options.globalStores?.get(name) ?? this.state.storeOf(node, name)
  }

  enter(record: StreamRecord): void {
    this.#current = record
    this.#head = null
    this.#origins = null
  }

  #enterRow(origins: RowOrigins, row: number): void {
    this.#head = null
    this.#origins = origins
    this.#originRow = row
  }

  #currentRecord(): StreamRecord {
    if (this.#head !== null) this.enter(this.#head.take())
    else if (this.#origins !== null) this.enter(this.#origins.get(this.#originRow))
    return this.#current
  }

  dropped(_node: TopologyNode, _reason: string): void {
    this.droppedRecords++
  }

  send(topic: string, partition: number | null, key: Uint8Array | null, value: Uint8Array | null, timestamp: number, headers: readonly Header[]): void {
    this.#options.collector.send(topic, partition, key, value, timestamp, headers)
  }

  sendRead(topic: string, position: RecordPosition, timestamp: number): boolean {
    return this.#options.collector.sendRead?.(topic, position, timestamp) ?? false
  }

  sendSerialized<K, V>(topic: string, keySerde: Serde<K>, key: K | null, valueSerde: Serde<V>, value: V | null, timestamp: number): boolean {
    return this.#options.collector.sendSerialized?.(topic, keySerde, key, valueSerde, value, timestamp) ?? false
  }

  sendSpan(topic: string, span: RecordSpan, timestamp: number): boolean {
    const { collector } = this.#options
    if (collector.sendSpan === undefined) return false
    collector.sendSpan(topic, null, span, timestamp)
    return true
  }

  #logSpan(topic: string, partition: number, span: RecordSpan, timestamp: number): void {
    const { collector } = this.#options
    const { bytes, keyAt, keyLength, valueAt, valueLength } = span
    if (collector.sendSpan === undefined) collector.send(topic, partition, bytes.subarray(keyAt, keyAt + keyLength), valueLength < 0 ? null : bytes.subarray(valueAt, valueAt + valueLength), timestamp, noHeaders)
    else collector.sendSpan(topic, partition, span, timestamp)
  }

  topicName(topic: string): string {
    return this.#options.repartitionTopics.includes(topic) ? `${this.applicationId}-${topic}` : topic
  }

  batchLimit(topic: string): number {
    return this.#options.batchLimit?.(topic) ?? Infinity
  }

  hasTopic(topic: string): boolean {
    return this.#options.hasTopic?.(topic) ?? true
  }

  partitionCount(topic: string): number {
    return this.#options.collector.partitionCount(topic)
  }

  childOf(node: TopologyNode, child: string): Output | undefined {
    return this.#pipeline?.childOf(node, child)
  }

  schedule(type: PunctuationType, intervalMs: number, startAt: number | null, run: (timestamp: number) => void): Cancellable {
    const now = type === 'stream-time' ? this.streamTime : this.#now
    const firstAt = startAt === null ? (type === 'stream-time' ? 0 : now + intervalMs) : firstOnGrid(startAt, intervalMs, now)
    return this.#punctuators[type].schedule(firstAt, intervalMs, run)
  }

  shared<T>(name: string, make: () => T): T {
    if (!this.#shared.has(name)) this.#shared.set(name, make())
    return this.#shared.get(name) as T
  }

  onConnected(node: TopologyNode, begin: () => void): void {
    this.#beginners.push({ node, begin })
  }

  onClose(close: () => void): void {
    this.#closers.push(close)
  }

  setTimer(delayMs: number, callback: () => void): { cancel(): void } {
    return this.#options.clock.setTimer(delayMs, callback)
  }

  onCommitted(run: () => void): void {
    this.#committers.push(run)
  }

  requestCommit(): void {
    this.commitRequested = true
  }

  continueAfter(node: TopologyNode, record: StreamRecord, error: unknown): boolean {
    return this.#continues(this.#options.config.onProcessingError, node, record, error)
  }

  continueAfterSerialization(node: SinkNode, record: StreamRecord, error: unknown): boolean {
    return this.#continues(this.#options.config.onSerializationError, node, record, error)
  }

  continueAfterDeserialization(node: SourceNode, view: RecordView, origin: RecordOrigin, error: unknown): boolean {
    return this.#continues(this.#options.config.onDeserializationError, node, { origin, timestamp: view.timestamp }, error)
  }

  failure(node: TopologyNode, record: StreamRecord, error: unknown): Error {
    return this.#failure('PROCESSING_FAILED', node, record, error)
  }

  refusal(node: SinkNode, record: StreamRecord, error: unknown): Error {
    return this.#failure('SERIALIZATION_FAILED', node, record, error)
  }

  // -------------------------------------------------------------------------------------------- for the task

  /** The pipeline stands. @throws what a processor threw when it began */
  connect(pipeline: Pipeline): void {
    this.#pipeline = pipeline
    const { nodes } = this.#options
    const beginners = this.#beginners.splice(0).sort((a, b) => nodes.indexOf(a.node) - nodes.indexOf(b.node))
    for (const { begin } of beginners) begin()
  }

  begin(record: StreamRecord, nowMs: number, streamTime: number): void {
    this.enter(record)
    this.#now = nowMs
    this.#streamTime = streamTime
  }

  /** As `begin`, of a record that is made when somebody asks for it; the head shows it until the next begins. */
  beginHead(head: RecordHead, nowMs: number, streamTime: number): void {
    this.#head = head
    this.#origins = null
    this.#now = nowMs
    this.#streamTime = streamTime
  }

  punctuate(type: PunctuationType, time: number, nowMs: number): boolean {
    this.begin(idleRecord(time), nowMs, type === 'stream-time' ? time : this.#streamTime)
    return this.#punctuators[type].punctuate(time)
  }

  resumeMetadata(operators: ReadonlyMap<string, number>): void {
    for (const [name, time] of operators) this.metadata.set(name, Math.max(time, this.metadata.get(name) ?? -1))
    this.#committedMetadata = new Map(this.metadata)
  }

  /** False: operators do something after each commit, which is about all that was processed before. */
  get canSeal(): boolean {
    return this.#committers.length === 0 && this.state.canSeal
  }

  seal(): void {
    this.commitRequested = false
    this.#sealedMetadata = new Map(this.metadata)
    this.state.seal()
  }

  committed(): void {
    // What was asked for since is for the next one.
    if (this.#sealedMetadata === null) this.commitRequested = false
    this.#committedMetadata = this.#sealedMetadata ?? new Map(this.metadata)
    this.#sealedMetadata = null
    for (const run of this.#committers) run()
  }

  rollback(): void {
    this.commitRequested = false
    this.#sealedMetadata = null
    this.metadata.clear()
    for (const [name, time] of this.#committedMetadata) this.metadata.set(name, time)
    this.close()
  }

  /** Lets processors go, with all that they scheduled. One that fails at it does not keep the others from closing; gives what they threw. */
  close(): readonly unknown[] {
    this.#punctuators = newPunctuators()
    this.#shared.clear()
    this.#committers = []
    this.#beginners = []
    const failures: unknown[] = []
    for (const close of this.#closers.splice(0)) {
      try {
        close()
      } catch (error) {
        failures.push(error)
      }
    }
    return failures
  }

  #changelogTopic(store: StoreSpec): string | null {
    const known = this.#changelogTopics.get(store)
    if (known !== undefined || store.changelog === null) return known ?? null
    const topic = store.changelog.sourceTopic ?? `${this.applicationId}-${store.name}-changelog`
    this.#changelogTopics.set(store, topic)
    return topic
  }

  #failure(code: ErrorCode, node: TopologyNode, { origin: { topic, partition, offset } }: StreamRecord, error: unknown): Error {
    const where = offset < 0 ? 'in a punctuator' : `on ${topic}-${partition} at offset ${offset}`
    return new StreamError(code, `${node.name} failed ${where} (task ${this.taskId}): ${messageOf(error)}`, {
      cause: error,
      details: { node: node.name, taskId: this.taskId, topic, partition, offset },
    })
  }

  #continues(policy: ErrorPolicy | undefined, node: TopologyNode, { origin, timestamp }: Pick<StreamRecord, 'origin' | 'timestamp'>, error: unknown): boolean {
    // A bug of ours is never skipped over, and what was not looked for may be there.
    if (policy === undefined || policy === 'fail' || error instanceof AssertionError || isUnseenTopic(error)) return false
    this.dropped(node, messageOf(error))
    const { deadLetterTopic } = this.#options.config
    if (policy === 'dead-letter' && deadLetterTopic !== undefined) {
      const { applicationId, taskId } = this
      const letter = deadLetterOf(origin, error, { applicationId, taskId, node: node.name })
      this.send(deadLetterTopic, null, letter.key, letter.value, letter.timestamp ?? timestamp, letter.headers)
    }
    return true
  }
}

function newPunctuators(): Readonly<Record<PunctuationType, PunctuationQueue>> {
  return { 'stream-time': new PunctuationQueue(), 'wall-clock': new PunctuationQueue() }
}

/** What is being processed when no record is. */
export function idleRecord(timestamp: number): StreamRecord {
  return new StreamRecord(null, null, timestamp, noHeaders, noOrigin)
}
