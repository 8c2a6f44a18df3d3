/**
 * The seam: everything above the log reaches it through these interfaces, and every backend (the embedded engine, the
 * embedded engine from another thread, Apache Kafka) is held to one contract suite, `test/contract/broker-suite.ts`.
 *
 * What travels here is encoded record batches (Kafka's format v2) with lazy views; no wire types, no promise per record.
 * Failures are `StreamError`s. Public methods validate their arguments; a call on something closed throws CLOSED.
 */
import type { ProducerRecord, ReadMemory, RecordMetadata, RecordReader, RecordView, TopicPartition } from './record.ts'

/** One log, or one cluster of them. Everything opened from it is closed by `close`. */
export interface Broker {
  readonly topics: TopicAdmin
  readonly groups: GroupAdmin
  /**
   * With `transactionalId`: aborts what an earlier producer of that id left open and fences it, before it resolves.
   * @throws INVALID_TRANSACTION_TIMEOUT, BACKEND_UNAVAILABLE (retriable)
   */
  openProducer(options?: ProducerOptions): Promise<Producer>
  /** A reader of partitions that the caller chooses: no group, no commits. */
  openReader(options?: ReaderOptions): Promise<Reader>
  /** Joins a consumer group; resolves once the first assignment was handed to `onRebalance`. @throws ABORTED when the options' signal fires before */
  joinGroup(options: GroupOptions): Promise<GroupMember>
  /** Who serves this log at present. @throws BACKEND_UNAVAILABLE (retriable) */
  describeCluster(): Promise<ClusterDescription>
  /** Commits nothing, aborts open transactions, makes members leave, makes everything appended durable, releases the directory. Safe to call twice. */
  close(): Promise<void>
}

export interface ClusterDescription {
  /** null for the embedded engine. */
  readonly clusterId: string | null
  /** Node id of the active controller, which need not be a broker; -1 while there is none. 0 for the embedded engine. */
  readonly controller: number
  /** Brokers that are up, by node id. The embedded engine is one, with the node id 0. */
  readonly nodes: readonly ClusterNode[]
}

export interface ClusterNode {
  readonly nodeId: number
  /** `host:port`; null for the embedded engine, which listens nowhere. */
  readonly address: string | null
  /** Where it stands (`broker.rack`), when that is configured. */
  readonly rack: string | null
}

// ---------------------------------------------------------------------------------------------------- topics

export interface TopicAdmin {
  /** All or, per topic, an error: the first one is thrown, with the topics before it created. @throws TOPIC_ALREADY_EXISTS, INVALID_TOPIC, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_CONFIG */
  create(topics: readonly TopicSpec[]): Promise<void>
  /** Names of all topics, sorted; internal ones (`__consumer_offsets`, `__transaction_state`) only when asked for. */
  list(options?: { readonly includeInternal?: boolean }): Promise<readonly string[]>
  /** @throws UNKNOWN_TOPIC_OR_PARTITION for the first unknown name */
  describe(topics: readonly string[]): Promise<readonly TopicDescription[]>
  /** Deletes topics with their records. @throws UNKNOWN_TOPIC_OR_PARTITION */
  remove(topics: readonly string[]): Promise<void>
  /** Adds partitions and sets or (with null) resets configs; what is not named stays. @throws INVALID_PARTITIONS when the number would not grow, INVALID_CONFIG */
  alter(topic: string, change: TopicChange): Promise<void>
  /**
   * The offset asked for, per partition, in the order of the queries. Without `isolation` it is read-uncommitted, as in Kafka's admin client:
   * `latest` is the high watermark. @throws INVALID_ARGUMENT for a negative timestamp, UNKNOWN_TOPIC_OR_PARTITION
   */
  listOffsets(queries: readonly OffsetQuery[], options?: { readonly isolation?: Isolation }): Promise<readonly OffsetAnswer[]>
  /** Moves the log start offset forward to `beforeOffset` (-1: the high watermark); answers the new log start offsets. @throws OFFSET_OUT_OF_RANGE */
  deleteRecords(targets: readonly (TopicPartition & { readonly beforeOffset: number })[]): Promise<readonly (TopicPartition & { readonly logStartOffset: number })[]>
}

export interface TopicSpec {
  readonly topic: string
  /** Default 1. */
  readonly partitions?: number
  /** Default 1 (embedded), the cluster's default (Kafka). */
  readonly replicationFactor?: number
  /** Topic configs under Kafka's names, such as `cleanup.policy`. */
  readonly configs?: Readonly<Record<string, string>>
}

export interface TopicChange {
  /** The new total. */
  readonly partitions?: number
  /** null takes a config back to its default. */
  readonly configs?: Readonly<Record<string, string | null>>
}

export interface TopicDescription {
  readonly topic: string
  readonly internal: boolean
  readonly partitions: readonly PartitionDescription[]
  /** Every config with its effective value; `source` says whether the topic set it. */
  readonly configs: readonly ConfigEntry[]
}

export interface PartitionDescription {
  readonly partition: number
  /** Node id of the leader; 0 for the embedded engine, -1 while nobody leads the partition (its offsets are -1 then). */
  readonly leader: number
  readonly replicas: readonly number[]
  /** Those that have everything that is acknowledged. */
  readonly inSyncReplicas: readonly number[]
  readonly logStartOffset: number
  readonly highWatermark: number
  /** Of its segments on disk; -1 where the backend does not tell. */
  readonly sizeBytes: number
}

export interface ConfigEntry {
  readonly name: string
  readonly value: string
  readonly source: 'topic' | 'default'
}

export interface OffsetQuery extends TopicPartition {
  /** `latest` is the high watermark, or under read-committed the last stable offset; a number is a timestamp: the first record with at least it. */
  readonly at: 'earliest' | 'latest' | number
}

export interface OffsetAnswer extends TopicPartition {
  /** -1 when a timestamp was asked for and no record is that young. */
  readonly offset: number
  /** Of the record found by timestamp; -1 otherwise. */
  readonly timestamp: number
}

/** `read-committed` hides records of aborted transactions and everything from the first open one on. */
export type Isolation = 'read-committed' | 'read-uncommitted'

// ---------------------------------------------------------------------------------------------------- producing

export interface ProducerOptions {
  /** Makes `begin`, `commit` and `abort` available, and fences every earlier producer with the same id. */
  readonly transactionalId?: string
  /** An open transaction older than this is aborted by the coordinator, and its producer fenced. Default 60 s. */
  readonly transactionTimeoutMs?: number
  /** Sequence numbers keep a repeated append from being stored twice. Default true. */
  readonly idempotent?: boolean
  /** `durable` (default): acknowledged after the data is on disk; records of a transaction when `commit` resolves. `written`: after the operating system has it; a power cut, but not a killed process, may lose it. */
  readonly acknowledge?: 'durable' | 'written'
  /** Bytes handed to `append` and not yet acknowledged; `append` waits beyond it. Default 32 MiB. */
  readonly maxBufferBytes?: number
  /** For logs and metrics. */
  readonly clientId?: string
}

/**
 * ```
 *   open ──begin──▶ in transaction ──commit / abort──▶ open      (transactional ids only)
 *     └───────────────── close ─────────────────▶ closed
 * ```
 * After PRODUCER_FENCED, INVALID_PRODUCER_EPOCH or OUT_OF_ORDER_SEQUENCE the producer is dead: close it and open another.
 */
export interface Producer {
  /** -1 when not idempotent. */
  readonly producerId: number
  readonly producerEpoch: number
  /**
   * One record, for convenience; appends of one turn of the event loop share batches. Resolves when acknowledged.
   * @throws UNKNOWN_TOPIC_OR_PARTITION, RECORD_TOO_LARGE, INVALID_RECORD, INVALID_TXN_STATE (transactional and no `begin`), PRODUCER_FENCED, STORAGE_FULL (retriable)
   */
  append(record: ProducerRecord): Promise<RecordMetadata>
  /**
   * A whole batch made by a `RecordBatchBuilder`: the fast path, one promise for all its records. The producer stamps its
   * id, epoch and sequence, and seals the batch; the bytes belong to it until the promise settles.
   */
  appendBatch(target: TopicPartition, batch: UnsealedBatch): Promise<BatchMetadata>
  /** Resolves when everything handed over so far is acknowledged; throws the first failure since the last flush. */
  flush(): Promise<void>
  /** @throws INVALID_TXN_STATE when one is open already or there is no transactional id */
  begin(): void
  /**
   * Flushes, then makes the transaction's records and the offsets visible at once, or nothing.
   * @throws PRODUCER_FENCED, ILLEGAL_GENERATION (the group moved on: abort), INVALID_TXN_STATE
   */
  commit(offsets?: TransactionOffsets): Promise<void>
  /** Drops the transaction's records; with none open it does nothing. @throws PRODUCER_FENCED */
  abort(): Promise<void>
  /** Aborts an open transaction, then flushes. Safe to call twice. */
  close(): Promise<void>
}

export interface TransactionOffsets {
  readonly group: GroupMetadata
  readonly offsets: readonly CommittedOffset[]
}

/** An encoded v2 batch with base offset 0 whose producer fields and checksum are still open. Made by `RecordBatchBuilder`. */
export interface UnsealedBatch {
  /** The whole batch, header included. */
  readonly bytes: Uint8Array
  readonly recordCount: number
  /** True: each record has a key, so a compacted topic takes them without looking. Absent: not known. */
  readonly isKeyed?: boolean
}

export interface BatchMetadata extends TopicPartition {
  /** Of the first record of the batch. */
  readonly baseOffset: number
  readonly recordCount: number
  /** -1, or the append time where the topic stamps records with it. */
  readonly logAppendTime: number
}

// ---------------------------------------------------------------------------------------------------- reading

export interface ReaderOptions {
  readonly clientId?: string
}

export interface Reader {
  /** Replaces the assignment; each position is the next offset to read. Takes effect with the next `read`. */
  assign(positions: readonly PartitionPosition[]): void
  /** The next offset to read, per assigned partition. */
  positions(): readonly PartitionPosition[]
  /** Resolves with data, with nothing after `maxWaitMs`, or with nothing when the signal fires. One call at a time. @throws OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, STORAGE_CORRUPT */
  read(options?: ReadOptions): Promise<ReadResult>
  close(): Promise<void>
}

export interface PartitionPosition extends TopicPartition {
  readonly offset: number
}

export interface ReadOptions {
  /** Bytes of batches to return at most, over all partitions; the first batch always fits. Default 1 MiB. */
  readonly maxBytes?: number
  /** Bytes to wait for, at most `maxWaitMs`. Default 1. */
  readonly minBytes?: number
  /** 0 answers at once. Default 500. */
  readonly maxWaitMs?: number
  /** Default `read-committed`. */
  readonly isolation?: Isolation
  readonly signal?: AbortSignal
}

/** As `ReadOptions`, for who says when nobody looks at what was read any more. */
export interface ReadIntoOptions extends ReadOptions {
  /** What is read into where the log is in this thread; elsewhere, and by default, each read has memory of its own. */
  readonly memory?: ReadMemory
}

export interface ReadResult {
  /** Partitions with news, in rotating order; empty after a time-out or an abort. */
  readonly partitions: readonly PartitionRecords[]
}

export interface PartitionRecords extends TopicPartition {
  /** Only data batches that the isolation level lets through; may be empty when only the position moved (markers, aborted records). */
  readonly batches: readonly RecordBatch[]
  /** The position after this read: a committed offset is always the next offset to read. */
  readonly nextOffset: number
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
}

/** A batch as read. Iterating gives lazy views; records below the position that was asked for are left out. */
export interface RecordBatch extends Iterable<RecordView> {
  readonly baseOffset: number
  /** Offset of the last record slot; the next batch begins after it. */
  readonly lastOffset: number
  readonly maxTimestamp: number
  readonly producerId: number
  /** Records that iteration gives at most. */
  readonly recordCount: number
  /** Size in the log. */
  readonly sizeBytes: number
  forEach(visit: (record: RecordView) => void): void
  /** As iterating, without an object for each record. Optional, for speed. */
  reader?(): RecordReader
}

// ---------------------------------------------------------------------------------------------------- groups

export interface GroupOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  /** Default: range. The first one that all members share is used. */
  readonly assignors?: readonly Assignor[]
  /** Default 45 s; the member is removed when it was not heard of for so long (heartbeats are sent by the backend, not by `read`). */
  readonly sessionTimeoutMs?: number
  /** How long a rebalance waits for members. Default 60 s. */
  readonly rebalanceTimeoutMs?: number
  /**
   * Default 5 minutes, as Kafka's `max.poll.interval.ms`: a member whose `read` is not called for so long leaves the group, so that
   * the others get its partitions (a static member stops its heartbeats). `commit` throws UNKNOWN_MEMBER_ID then; the next
   * `read` says that its partitions are lost, and joins again.
   */
  readonly maxPollIntervalMs?: number
  /** Where the member runs, for assignors that look at racks. */
  readonly rackId?: string
  /** A static member keeps its partitions over a restart within the session timeout. */
  readonly groupInstanceId?: string
  /** Where to start when nothing is committed, or the log does not have it any more. Default `latest`, as Kafka's; `none` throws OFFSET_OUT_OF_RANGE from `read`. */
  readonly offsetReset?: OffsetReset
  readonly clientId?: string
  /** Ends the wait for the other members, which can take as long as `rebalanceTimeoutMs`: the member, a static one too, leaves, and `joinGroup` throws ABORTED. Nothing after the group has answered. */
  readonly signal?: AbortSignal
  /**
   * Called before `read` goes on with the new assignment, and awaited: revoked partitions may still be committed inside. What it
   * throws `read` throws; the partitions are given up, or taken up, all the same, and the next `read` goes on with the group.
   */
  readonly onRebalance?: (event: RebalanceEvent) => void | Promise<void>
}

/** `maxAgeMs`: with the first record whose timestamp is at most so old (Kafka's `by_duration:…`), or at the end when all are older. */
export type OffsetReset = 'earliest' | 'latest' | 'none' | { readonly maxAgeMs: number }

export interface RebalanceEvent {
  readonly generation: number
  readonly assigned: readonly TopicPartition[]
  readonly revoked: readonly TopicPartition[]
  /** Partitions that another member may own already: what is in flight for them must be thrown away. */
  readonly lost: readonly TopicPartition[]
  /** What the assignor's `assignedData` sent along with this assignment; absent without any. */
  readonly userData?: Uint8Array
}

/** Divides partitions among members: a pure function, run by the leader. */
export interface Assignor {
  readonly name: string
  /**
   * `eager` (default): members give everything up before they join again. `cooperative` (KIP-429): they go on with what they
   * own, and only what moves is revoked; then `assign` must leave out what another member still owns. A member is cooperative when all its assignors are.
   */
  readonly rebalanceProtocol?: 'eager' | 'cooperative'
  /** Bytes that this member sends along with its subscription; `last` is the newest assignment it had. */
  userData?(topics: readonly string[], last: LastAssignment | null): Uint8Array | null
  assign(input: AssignmentInput): ReadonlyMap<string, readonly TopicPartition[]>
  /** Bytes for members beside their partitions, `RebalanceEvent.userData`; asked of the leader after `assign`, about the same input. */
  assignedData?(input: AssignmentInput): ReadonlyMap<string, Uint8Array>
}

export interface LastAssignment {
  readonly partitions: readonly TopicPartition[]
  readonly generation: number
}

export interface AssignmentInput {
  /** In the order of joining. */
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly topics: readonly string[]
    readonly userData: Uint8Array | null
    /** What the member owned before, for sticky assignors. */
    readonly ownedPartitions: readonly TopicPartition[]
    /** In which it owned them; absent or -1 when it did not say. */
    readonly generation?: number
    /** Where the member runs. */
    readonly rackId?: string | null
  }[]
  /** Partition counts of the topics subscribed to; a topic that does not exist is absent. */
  readonly partitionCounts: ReadonlyMap<string, number>
  /** Racks of the replicas, per topic and partition number, where the backend knows them. */
  readonly partitionRacks?: ReadonlyMap<string, readonly (readonly string[])[]>
}

/** Identifies a member towards the transaction coordinator, so that a member that lost its partitions cannot commit for them. */
export interface GroupMetadata {
  readonly groupId: string
  readonly generation: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface CommittedOffset extends PartitionPosition {
  readonly metadata?: string
}

/**
 * ```
 *   joining ──▶ stable ──(another joins, leaves or is lost)──▶ rebalancing ──▶ stable … ──leave──▶ left
 * ```
 * The backend heartbeats by itself. A rebalance happens inside `read`, so that a caller is never surprised between two reads.
 */
export interface GroupMember {
  /** -1 before the first assignment. */
  readonly generation: number
  readonly memberId: string
  readonly assignment: readonly TopicPartition[]
  metadata(): GroupMetadata
  /** As `Reader.read`, over the assigned partitions that are not paused; runs `onRebalance` when the group moved. */
  read(options?: ReadOptions): Promise<ReadResult>
  /** @throws ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS: the work must be dropped, the records will come again */
  commit(nextOffsets: readonly CommittedOffset[]): Promise<void>
  /** Committed offsets of the group, absent where nothing was committed; waits out an open transaction over them. */
  committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]>
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** The next `read` goes on from here. */
  seek(position: PartitionPosition): void
  /** The next `read` joins anew with what the assignors' `userData` is by then, and so makes the group divide its partitions again. */
  rejoin(): void
  /** Leaves, so that the others rebalance at once; commits nothing. Safe to call twice. */
  leave(): Promise<void>
}

export interface GroupAdmin {
  /** Ids of all groups, sorted. */
  list(): Promise<readonly string[]>
  /** State `dead` with no members for an unknown group, as Kafka answers. */
  describe(groupId: string): Promise<GroupDescription>
  /** Sets offsets of a group without members. @throws NON_EMPTY_GROUP */
  setOffsets(groupId: string, offsets: readonly CommittedOffset[]): Promise<void>
  /** Forgets committed offsets; partitions that have none are passed over. @throws GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP while a member reads one of the topics */
  removeOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void>
  /** @throws GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP */
  remove(groupIds: readonly string[]): Promise<void>
}

export interface GroupDescription {
  readonly groupId: string
  readonly state: 'empty' | 'preparing-rebalance' | 'completing-rebalance' | 'stable' | 'dead'
  readonly generation: number
  readonly assignor: string | null
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly assignment: readonly TopicPartition[]
  }[]
  readonly offsets: readonly CommittedOffset[]
}

