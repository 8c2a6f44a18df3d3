/**
 * What the client side (producers, readers, group members, admin calls) asks of an engine. Two implementations: the engine
 * of this process (`LocalEngine`) and the way to it from another thread (`PortEngine`), so that both backends share every
 * line of client logic. Arguments are plain data; the caller has validated them. Failures are StreamErrors.
 */
import type {
  CommittedOffset, GroupDescription, GroupMetadata, Isolation, OffsetAnswer, OffsetQuery, PartitionPosition, TopicChange, TopicDescription, TopicSpec,
} from '../broker.ts'
import type { ReadMemory, TopicPartition } from '../record.ts'
import type { RecordBatchView } from '../log/record-batch.ts'
import type { GroupProtocol } from './group-state.ts'
import type { ProducerIdentity, TransactionOutcome } from './transaction-state.ts'

export type Acknowledge = 'durable' | 'written'

export interface EngineApi {
  /** An answer is a while on its way: readers ask beforehand for what they will want next. Default false. */
  readonly isInOtherThread?: boolean
  // ---- topics: as TopicAdmin
  createTopics(specs: readonly TopicSpec[]): Promise<void>
  listTopics(options: { readonly includeInternal: boolean }): Promise<readonly string[]>
  describeTopics(topics: readonly string[]): Promise<readonly TopicDescription[]>
  removeTopics(topics: readonly string[]): Promise<void>
  alterTopic(topic: string, change: TopicChange): Promise<void>
  listOffsets(queries: readonly OffsetQuery[], isolation: Isolation): Promise<readonly OffsetAnswer[]>
  deleteRecords(targets: readonly (TopicPartition & { readonly beforeOffset: number })[]): Promise<readonly (TopicPartition & { readonly logStartOffset: number })[]>
  /** Absent for topics that do not exist. */
  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>>

  // ---- producing
  /** Without a transactional id: a fresh identity. With one: as `Broker.openProducer`. */
  initProducer(request: InitProducerRequest): Promise<ProducerIdentity>
  /**
   * Appends one sealed batch; the promise resolves when it is acknowledged. Calls for one partition and mode keep their order. The engine
   * of this process may refuse a batch at once, by throwing.
   */
  append(request: AppendRequest): Promise<AppendAnswer>
  /** @throws as `commitOffsets`, and INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED */
  commitTransactionOffsets(request: TransactionOffsetsRequest): Promise<void>
  /** Resolves when the outcome is durable and visible, with who the producer is from now on. */
  endTransaction(request: EndTransactionRequest): Promise<ProducerIdentity>
  /** The producer is done with its transactional id for good: nobody needs to clean up after it. */
  releaseProducer(transactionalId: string, producer: ProducerIdentity): void

  // ---- reading
  /** As `Reader.read`, from the positions given, in their order. The memory of the batches is the caller's, who may transfer it. */
  fetch(request: FetchRequest, signal?: AbortSignal): Promise<readonly FetchedPartition[]>

  // ---- groups
  /** Resolves when the join phase is over: with the members to assign to for the leader, with none for the others. When the signal fires first, the member is taken out again. */
  joinGroup(request: JoinRequest, signal?: AbortSignal): Promise<JoinAnswer>
  /** Resolves with this member's assignment once the leader has given its own. @throws REBALANCE_IN_PROGRESS, ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID */
  syncGroup(request: SyncRequest): Promise<Uint8Array>
  /** Resolves when the member has to do something; it stays pending as long as the member can go on. Takes the place of heartbeats. */
  watchMember(request: WatchRequest, signal: AbortSignal): Promise<MemberEvent>
  /** Before a member gives its partitions up: does it still have them? */
  memberStatus(groupId: string, memberId: string): Promise<MemberStatus>
  leaveGroup(groupId: string, memberId: string): Promise<void>
  /** With the generation -1 and no member id: a commit from outside, for groups without members. */
  commitOffsets(request: CommitRequest): Promise<void>
  /** All of the group's offsets when `partitions` is null. `stable` waits out open transactions over them. */
  fetchOffsets(request: FetchOffsetsRequest, signal?: AbortSignal): Promise<readonly CommittedOffset[]>
  listGroups(): Promise<readonly string[]>
  describeGroup(groupId: string): Promise<GroupDescription>
  removeGroups(groupIds: readonly string[]): Promise<void>
  removeOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void>
}

export interface InitProducerRequest {
  readonly transactionalId: string | null
  readonly transactionTimeoutMs: number
  /** Who the client believes to be, when it recovers from an error (KIP-360): refused when somebody else took over. */
  readonly expected?: ProducerIdentity
  /** While the id's transaction is open or being completed: `wait` (default) until it is not, or `refuse` with CONCURRENT_TRANSACTIONS, for clients that ask again. */
  readonly whenBusy?: 'wait' | 'refuse'
}

export interface AppendRequest extends TopicPartition {
  readonly bytes: Uint8Array
  readonly recordCount: number
  /** The builder of the batch has seen a key in each record. */
  readonly isKeyed?: boolean
  /** null outside of transactions. */
  readonly transactionalId: string | null
  readonly acknowledge: Acknowledge
}

export interface AppendAnswer {
  readonly baseOffset: number
  /** -1 unless the topic stamps records with it. */
  readonly logAppendTime: number
}

export interface TransactionOffsetsRequest {
  readonly transactionalId: string
  readonly producer: ProducerIdentity
  readonly group: GroupMetadata
  readonly offsets: readonly CommittedOffset[]
}

export interface EndTransactionRequest {
  readonly transactionalId: string
  readonly producer: ProducerIdentity
  readonly outcome: TransactionOutcome
  readonly acknowledge: Acknowledge
  /**
   * Transactions of version 2 (KIP-890): each has an epoch of its own, so that nothing that arrives late can become part of the
   * next one; a call that is repeated with the epoch before gets the same answer. Default false.
   */
  readonly newEpoch?: boolean
}

export interface FetchRequest {
  readonly positions: readonly PartitionPosition[]
  readonly maxBytes: number
  readonly minBytes: number
  readonly maxWaitMs: number
  readonly isolation: Isolation
  /** As of ReadIntoOptions; asked of an engine in this thread only. */
  readonly memory?: ReadMemory | undefined
}

/** What `PartitionRecords` says, with batches whose bytes can be handed on. */
export interface FetchedPartition extends TopicPartition {
  readonly batches: readonly RecordBatchView[]
  readonly nextOffset: number
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
}

export interface JoinRequest {
  readonly groupId: string
  /** Empty when it has none yet. */
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly GroupProtocol[]
  /** True for a member of this process, which cannot die alone: it is watched instead of having to send heartbeats. */
  readonly local: boolean
  /** True: a member without an id is refused with MEMBER_ID_REQUIRED, which names the id to join with (KIP-394). Default false. */
  readonly requireKnownMemberId?: boolean
}

export interface JoinAnswer {
  readonly memberId: string
  readonly generation: number
  readonly protocolType: string
  readonly protocol: string
  readonly leader: string
  readonly members: readonly JoinedMember[]
  /** A static leader that came back: the assignment in force stays, `syncGroup` without assignments gives it. */
  readonly skipAssignment: boolean
}

export interface JoinedMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly metadata: Uint8Array
}

export interface SyncRequest {
  readonly groupId: string
  readonly memberId: string
  readonly generation: number
  /** From the leader only: an assignment for each member. */
  readonly assignments: ReadonlyMap<string, Uint8Array>
  readonly groupInstanceId?: string | null
  /** What the member believes to have joined with; not checked when absent. */
  readonly protocolType?: string | null
  readonly protocol?: string | null
}

export interface WatchRequest {
  readonly groupId: string
  readonly memberId: string
  readonly generation: number
  /** What the leader based its assignment on: a change of it makes the group rebalance. null for followers. */
  readonly partitionCounts: ReadonlyMap<string, number> | null
  readonly topics: readonly string[]
}

/** `rejoin`: the group rebalances, or should. `removed`: the group goes on without this member. */
export type MemberEvent = 'rejoin' | 'removed'

export type MemberStatus = 'member' | 'removed'

export interface CommitRequest {
  readonly groupId: string
  readonly generation: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly offsets: readonly CommittedOffset[]
  /** When the offsets are forgotten, whatever the settings say; absent or negative: as the settings say. */
  readonly retentionTimeMs?: number
}

export interface FetchOffsetsRequest {
  readonly groupId: string
  readonly partitions: readonly TopicPartition[] | null
  readonly stable: boolean
}
