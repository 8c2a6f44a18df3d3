import type { Header, RecordPosition, RecordSpan, Serde } from '../../core/index.ts'
import type { OpenStore } from '../state/open-store.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { SinkNode, TopologyNode } from '../topology/node.ts'
import type { AsyncWork } from './async-work.ts'
import type { Output } from './operate.ts'

/** What an operator may ask of the task that runs it. Everything is synchronous; what waits goes through `asyncWork`. */
export interface OperatorContext {
  readonly applicationId: string
  /** `<sub-topology>_<partition>`. */
  readonly taskId: string
  /** Largest timestamp of the records taken from the task's queues so far; -1 at first. */
  readonly streamTime: number
  /** Wall clock, milliseconds since the epoch. */
  now(): number
  /** The open store of that name. @throws TOPOLOGY_INVALID when the node is not connected to it */
  store(node: TopologyNode, name: string): OpenStore
  /** Makes `record` the one being processed: its timestamp goes to changelogs, and caches remember it. Called before a store is used. */
  enter(record: StreamRecord): void
  /** Counts one record (or window of it) that an operator left out, such as one that came too late. */
  dropped(node: TopologyNode, reason: string): void
  /** Hands a record to the collector; null as the partition leaves the choice to the producer. */
  send(topic: string, partition: number | null, key: Uint8Array | null, value: Uint8Array | null, timestamp: number, headers: readonly Header[]): void
  /** As `send` to the partition of the key, of key, value and headers of a record that was read, just as they stand there. False: not this way, and nothing was sent. */
  sendRead(topic: string, position: RecordPosition, timestamp: number): boolean
  /** As `send` to the partition of the key, of what the serdes write; false: not this way, and nothing was sent. @throws what the serdes throw */
  sendSerialized<K, V>(topic: string, keySerde: Serde<K>, key: K | null, valueSerde: Serde<V>, value: V | null, timestamp: number): boolean
  /** As `send` to the partition of the key, of what stands in other bytes, without headers; false: not this way, and nothing was sent. */
  sendSpan(topic: string, span: RecordSpan, timestamp: number): boolean
  /** The topic's name in the broker: internal topics get the application id in front. */
  topicName(topic: string): string
  partitionCount(topic: string): number
  /** False where the broker has no topic of that name. @throws UNKNOWN_TOPIC_OR_PARTITION where nobody has looked yet: somebody does, and the record comes again */
  hasTopic(topic: string): boolean
  /** The largest batch that a topic takes, in bytes; Infinity where that is not known. */
  batchLimit(topic: string): number
  /**
   * A function of the node threw on `record`. True: the record is dropped here, siblings go on. False: `failure` is to be
   * sent down the pipeline, which ends it.
   */
  continueAfter(node: TopologyNode, record: StreamRecord, error: unknown): boolean
  /** The error with node, topic, partition and offset in it. */
  failure(node: TopologyNode, record: StreamRecord, error: unknown): Error
  /** Calls `run` by stream time or by the wall clock until it is cancelled. `startAt`: a time of the grid; null: as the kind of time has it. */
  schedule(type: 'stream-time' | 'wall-clock', intervalMs: number, startAt: number | null, run: (timestamp: number) => void): { cancel(): void }
  /** Called when the whole pipeline is connected, before its first record, in the order of the topology's nodes: here functions of the program begin. */
  onConnected(node: TopologyNode, begin: () => void): void
  /** Called when the pipeline ends: the task is closed, or rebuilt after a failure. */
  onClose(close: () => void): void
  /** Where operators whose functions wait say so; only they use it, and `setTimer`. */
  readonly asyncWork: AsyncWork
  /** Calls back once, `delayMs` from now; the operator cancels it when it is closed. */
  setTimer(delayMs: number, callback: () => void): { cancel(): void }
  requestCommit(): void
  /** Called after each commit, until the pipeline ends. */
  onCommitted(run: () => void): void
  /** For nodes that choose among their children: where each child listens. */
  childOf(node: TopologyNode, child: string): Output | undefined
  /** Something that several nodes of this pipeline share, made by the first that asks. It does not outlive the pipeline. */
  shared<T>(name: string, make: () => T): T
  /** A number that is committed with the offsets and comes back after a restart, by name. */
  readonly metadata: Map<string, number>
  /** A sink could not write `record`: it has no bytes, too many, or no topic. As `continueAfter`, by the policy for that, with `refusal` for a failure. */
  continueAfterSerialization(node: SinkNode, record: StreamRecord, error: unknown): boolean
  refusal(node: SinkNode, record: StreamRecord, error: unknown): Error
}
