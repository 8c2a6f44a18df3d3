/**
 * The contract between a connector and the worker that runs it. A connector author implements a *plugin*: a manifest with a
 * factory for the connector (which plans) and one for its tasks (which move data).
 *
 * ```
 *   connector:  start ─▶ taskConfigs … (again after requestTaskReconfiguration) ─▶ stop
 *   SourceTask: start ─▶ (poll ─▶ commitRecord* ─▶ commit)* ─▶ stop
 *   SinkTask:   start ─▶ (open ─▶ (put | preCommit)* ─▶ close)* ─▶ stop
 * ```
 * A task is called by one caller at a time. It may run in a thread of its own: connector and tasks share no memory.
 * Errors: `retriableError` makes the worker wait and call again; anything else fails the task, unless said otherwise below.
 */
import type { Clock, TopicPartition } from '../core/index.ts'
import type { ConfigSpec, RawConfig } from './config-spec.ts'
import type { ConnectRecord, SinkRecord, SourceOffset, SourcePartition, SourcePosition, SourceRecord, SourceSpans } from './connect-record.ts'

// ---------------------------------------------------------------------------------------------------- plugins

interface Plugin {
  /** The name in `connector.class`; by custom a dotted path, such as `org.acme.TideSource`. */
  readonly class: string
  /** Other names for it, among them the short ones. */
  readonly aliases?: readonly string[]
  readonly version: string
  /** One or two sentences for lists and documentation. */
  readonly doc?: string
}

/** `C`: parsed connector config, `T`: parsed task config. */
export interface SourcePlugin<C = unknown, T = C> extends Plugin {
  readonly type: 'source'
  readonly config: ConfigSpec<C>
  /** True: its connector and tasks change nothing outside before `commit` is called, so that a dry run may poll them. Default false. */
  readonly onlyReadsUntilCommit?: boolean
  /** Spec of the task configs. Absent: the same as `config`. */
  readonly taskConfig?: ConfigSpec<T>
  createConnector(): SourceConnector<C>
  createTask(): SourceTask<T>
}

export interface SinkPlugin<C = unknown, T = C> extends Plugin {
  readonly type: 'sink'
  readonly config: ConfigSpec<C>
  readonly taskConfig?: ConfigSpec<T>
  createConnector(): SinkConnector<C>
  createTask(): SinkTask<T>
}

export type ConnectorPlugin = SourcePlugin | SinkPlugin

/** What a module of plugins exports: `export const plugins: readonly AnyPlugin[] = [tideSource]`. */
export interface PluginManifest {
  readonly plugins: readonly AnyPlugin[]
}

export type AnyPlugin = ConnectorPlugin | TransformPlugin | PredicatePlugin

// ---------------------------------------------------------------------------------------------------- shared

/** What the worker lends to connectors and tasks alike. */
export interface PluginContext {
  readonly connectorName: string
  readonly clock: Clock
  readonly log: Log
  /** Fires when the worker wants it to stop: waits should end early. */
  readonly signal: AbortSignal
}

/** For people: what happened, where, what to do. Never a secret. */
export interface Log {
  debug(text: string): void
  info(text: string): void
  warn(text: string): void
  error(text: string): void
}

export interface GaugeSettings {
  /** Small letters, digits and `_`, with the unit last, such as `file_lag_bytes`. Shown as `millrace_connector_<name>` with the labels `connector` and `task`. */
  readonly name: string
  /** One sentence for people. */
  readonly help: string
}

export interface TaskContext extends PluginContext {
  readonly taskId: number
  /**
   * Publishes a number at the worker's `/metrics` for as long as the task runs. `read` is called when somebody looks, or twice a
   * second: it must be cheap and not wait. While it throws or gives NaN there is no number. The same name again replaces it.
   */
  gauge(settings: GaugeSettings, read: () => number): void
}

export interface ConnectorContext extends PluginContext {
  /** Call when the outside system changed so that tasks should be divided anew; the worker asks `taskConfigs` again soon. */
  requestTaskReconfiguration(): void
  /** Call when the connector cannot go on: it is shown as failed, its tasks go on. */
  raiseError(error: Error): void
}

interface Connector<C> {
  /** Once, before `taskConfigs`. May reach out to the outside system; should fail in seconds, not hang. */
  start(config: C, context: ConnectorContext): void | Promise<void>
  /**
   * Divides the work into at most `maxTasks` configs, one a task. Each is laid over the connector's config, so it needs only what
   * differs; it is stored and may be read by people.
   */
  taskConfigs(maxTasks: number): readonly RawConfig[] | Promise<readonly RawConfig[]>
  /** Once, last. Must not throw for what is gone already. */
  stop(): void | Promise<void>
  /** Further checks before a config is accepted, such as a login: option name → complaint. Must not change anything. */
  validate?(config: C): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
}

// ---------------------------------------------------------------------------------------------------- sources

export interface SourceConnector<C = unknown> extends Connector<C> {
  /** Whether, with this config, each record comes with an offset from which reading goes on without repeat. Default false. */
  supportsExactlyOnce?(config: C): boolean
  /** Whether its tasks call `context.transaction`. Default false. */
  definesTransactions?(config: C): boolean
  /**
   * Before offsets are changed by hand; null = reset. Throws when the outside system cannot go on from there.
   * Answers true when it keeps offsets elsewhere too and has changed them there.
   */
  alterOffsets?(config: C, offsets: readonly (readonly [SourcePartition, SourceOffset | null])[]): boolean | Promise<boolean>
  /**
   * Passes on what a person asks of the running tasks (`POST /connectors/{name}/signals`), by way of the outside system: this may be called on any
   * worker, on a connector that was not started. Answers when it is sure to reach the tasks; throws for what they would not understand.
   */
  signal?(config: C, signal: ConnectorSignal): void | Promise<void>
}

export interface ConnectorSignal {
  /** Such as `execute-snapshot`. */
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface SourceTaskContext extends TaskContext {
  /** Committed offsets, in the order asked; undefined where none is. For `start`, or when a new source partition appears. */
  offsets(partitions: readonly SourcePartition[]): Promise<readonly (SourceOffset | undefined)[]>
  /** Every source partition of the connector, of all its tasks, that has a committed offset. For sources that must recognise what they know by other names. */
  allOffsets(): Promise<readonly (readonly [SourcePartition, SourceOffset])[]>
  /** True in a worker without exactly-once sources: what was given before a crash may be in the topics, though its offset was not committed. */
  readonly atLeastOnce?: boolean
  /** Present when `transaction.boundary=connector` in a worker with exactly-once sources. */
  readonly transaction?: TransactionContext
}

/** Lets a source task say which records belong together. Takes effect for the batch that `poll` returns next. */
export interface TransactionContext {
  /** Ends the transaction after the next batch. */
  commitAfterBatch(): void
  abortAfterBatch(): void
  /** Ends the transaction after this record of the next batch. */
  commitAfter(record: SourceRecord): void
  abortAfter(record: SourceRecord): void
}

export interface SourceTask<T = unknown> {
  /** Once, first. Look up where to go on with `context.offsets`. */
  start(config: T, context: SourceTaskContext): void | Promise<void>
  /**
   * Gives the next records, in order per source partition; null or empty: none for now. When there is nothing, wait for a
   * second or so, or until `signal` fires (stop or pause), rather than returning at once. The worker calls it again only when
   * the bytes in flight are below its bound. @throws a retriable error: called again after a back-off
   */
  poll(signal: AbortSignal): Promise<SourcePoll | null>
  /** After a record was appended and acknowledged (`metadata`), or dropped by a transform or by tolerance (null). In order. Not called for spans, nor for records of an aborted transaction. */
  commitRecord?(record: SourceRecord, metadata: AppendedRecord | null): void
  /** After offsets were committed: everything up to `offsets` will not be asked for again. A place to acknowledge to the outside system. */
  commit?(offsets: readonly (readonly [SourcePartition, SourceOffset])[]): void | Promise<void>
  /** Once, last; never while `poll` runs. Must not throw for what is gone already. */
  stop(): void | Promise<void>
}

/**
 * In order, per source partition. What is no list is gone through once, before the next `poll`, and gives something: a generator makes
 * records when their turn comes, so that the worker is done with one before the next ones take memory.
 */
export type SourcePoll = SourceSpans | Iterable<SourceRecord | SourceSpans | SourcePosition>

export interface AppendedRecord extends TopicPartition {
  readonly offset: number
}

// ---------------------------------------------------------------------------------------------------- sinks

export interface SinkConnector<C = unknown> extends Connector<C> {
  /** As `SourceConnector.alterOffsets`, for a sink that keeps its offsets itself, beside those of other connectors: partition → next offset, null = reset. */
  alterOffsets?(config: C, offsets: readonly (TopicPartition & { readonly offset: number | null })[], connectorName: string): boolean | Promise<boolean>
}

/** The next offset to read, per partition. */
export type SinkOffsets = readonly (TopicPartition & { readonly offset: number })[]

export interface SinkTaskContext extends TaskContext {
  /** Partitions owned now. */
  assignment(): readonly TopicPartition[]
  /** Reading goes on from here: for sinks that keep offsets themselves. Call it from `open` (or `put`); takes effect before the next `put`. */
  seek(offsets: SinkOffsets): void
  /** No records of these until `resume`. */
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** Asks for `preCommit` as soon as `put` returns. */
  requestCommit(): void
  /** Present when a batch that `put` refuses is handed over again in halves, to find the records to blame (`errors.sink.bisect`): `put` had better return only when it knows. Errors with `details: { ofNoRecord: true }` fail the task at once. */
  readonly bisects?: true
  /** How long the worker waits before it calls `put` again after the retriable error about to be thrown. */
  retryAfter(delayMs: number): void
  /**
   * For a record that the outside system refuses for what is in it: sends it to the dead-letter topic, or fails the task when
   * `errors.tolerance` is none. Its offset is not committed before the promise settles.
   */
  reject(record: SinkRecord, error: unknown): Promise<void>
}

export interface SinkTask<T = unknown> {
  /** Once, first. */
  start(config: T, context: SinkTaskContext): void | Promise<void>
  /** Partitions were assigned; only the new ones. */
  open?(partitions: readonly TopicPartition[]): void | Promise<void>
  /**
   * Takes records in order per partition; may only buffer them. Called with none at all, too, as a tick at least every second.
   * @throws a retriable error: the worker waits, then hands over the *same* records again. With `details.ofEarlierRecords` it is about records of a put
   * before, and none of these is to blame
   */
  put(records: readonly SinkRecord[]): void | Promise<void>
  /** Makes what `put` took durable; `offsets` is the position after the last `put`. Called by the default `preCommit`. */
  flush?(offsets: SinkOffsets): void | Promise<void>
  /**
   * Before offsets are committed: answers the offsets that are safe, at most those given. Default: `flush(offsets)`, then all of them.
   * Empty: commit nothing now. It is asked at an interval, when `requestCommit` was called, and before partitions are
   * closed, whether or not something came since. @throws a retriable error: reading goes back to the last committed offsets; another fails the task
   */
  preCommit?(offsets: SinkOffsets): SinkOffsets | Promise<SinkOffsets>
  /** Partitions were taken away; `preCommit` was called before, unless they are lost. */
  close?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** Once, last. Must not throw for what is gone already. */
  stop(): void | Promise<void>
}

// ---------------------------------------------------------------------------------------------------- records on the way

/** Changes records one at a time, between a connector and the topic. Synchronous and without side effects: it may run again for the same record. */
export interface Transform {
  /** The record, another one, or null to drop it. */
  apply<R extends ConnectRecord>(record: R): R | null
  close?(): void
}

/** Decides whether a transform applies. */
export interface Predicate {
  test(record: ConnectRecord): boolean
  close?(): void
}

export interface TransformPlugin<C = unknown> extends Plugin {
  readonly type: 'transformation'
  readonly config: ConfigSpec<C>
  /** `log`: of the task; absent where only the config is looked at. */
  create(config: C, log?: Log): Transform
}

export interface PredicatePlugin<C = unknown> extends Plugin {
  readonly type: 'predicate'
  readonly config: ConfigSpec<C>
  create(config: C): Predicate
}
