import type { Duration, Header } from '../core/index.ts'
import type { StoreDefinition } from './stores.ts'
import type { RecordOrigin, StreamRecord } from './stream-record.ts'

/**
 * An operator of the program's own, for what the others cannot express: it may keep state, forward any number of records
 * to some of its children, and run by time. One instance per task; everything is called from the task, one call at a time.
 * ```
 *   made ──init──▶ running ──process / punctuators…──▶ running ──close──▶ closed
 * ```
 * Semantics: Processor of Kafka Streams.
 */
export interface Processor<K, V, K2 = K, V2 = V> {
  /** Called once, before the first record: take stores, schedule punctuators. A failure keeps the task from starting. */
  init?(context: ProcessorContext<K2, V2>): void
  /** Called for each record. What it throws ends the task, or leaves the record out, by the application's policy. */
  process(record: StreamRecord<K, V>): void
  /** Called when the task is closed or rebuilt after a failure. Stores are closed by the task. */
  close?(): void
}

/** Makes a new instance with every call. */
export type ProcessorFactory<K, V, K2 = K, V2 = V> = () => Processor<K, V, K2, V2>

export interface ScheduleOptions {
  /**
   * Milliseconds since the epoch: the first call is due then, or, if that is past, at the next time that is a whole number of
   * intervals after it. So `{ startAt: 0 }` with `'1h'` calls on the hour, however often the program starts. Semantics: KIP-1146.
   */
  readonly startAt?: number
}

/** What a processor may ask of its task. */
export interface ProcessorContext<K, V> {
  readonly applicationId: string
  /** `<sub-topology>_<partition>`. */
  readonly taskId: string
  /** Largest timestamp of the records taken from the task's input so far; -1 at first. */
  readonly streamTime: number
  /** Wall clock at the time the record was taken, milliseconds since the epoch. */
  now(): number
  /** The input record that is being processed came from here; in a punctuator: topic '', partition and offset -1. */
  readonly origin: RecordOrigin
  /**
   * Sends a record to the child of that name, or to all children in order; they are done when it returns.
   * @throws INVALID_ARGUMENT when there is no such child
   */
  forward(record: StreamRecord<K, V>, child?: string): void
  /** A record that no input led to, for punctuators. */
  record(key: K, value: V, timestamp: number, headers?: readonly Header[]): StreamRecord<K, V>
  /** A store that the processor is connected to. @throws TOPOLOGY_INVALID when it is not */
  store<View>(store: StoreDefinition<View>): View
  store(name: string): unknown
  /**
   * Calls back by time, every `interval`. By `stream-time` the first call follows the first record; by `wall-clock` it is
   * an interval from now. Calls that were missed happen once, with the time of now, and later ones stay on the grid.
   */
  schedule(interval: Duration, type: 'stream-time' | 'wall-clock', punctuator: (timestamp: number) => void, options?: ScheduleOptions): { cancel(): void }
  /** Asks for a commit soon; it does not wait for it. */
  requestCommit(): void
}
