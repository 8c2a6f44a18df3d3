/**
 * A topology is plain frozen data: nodes that name their parents, stores that nodes name, and functions and serdes as
 * fields. Types of keys and values are erased here; the fluent surface has checked them.
 */
import type { Serde } from '../../core/index.ts'
import type { CustomStoreFactory, RowStoreFactory } from '../custom-store.ts'
import type { ProcessorFactory } from '../processor.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { ValueTransformerFactory } from '../value-transformer.ts'
import type { JoinWindows, SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows } from '../windows.ts'

// ------------------------------------------------------------------------------------------------ functions

/** What operators call: value first, as `Array` and `Map` do. */
export type RecordFunction<R = unknown> = (value: unknown, key: unknown, record: StreamRecord) => R
export type Initializer = () => unknown
/** `(aggregate, value, key, record)`: the aggregate first, as in `Array.reduce`. */
export type Aggregator = (aggregate: unknown, value: unknown, key: unknown, record: StreamRecord) => unknown
/** Joins the aggregates of two sessions. */
export type SessionMerger = (key: unknown, left: unknown, right: unknown) => unknown
/** Event time of a record; negative drops the record. `partitionTime` is the largest timestamp of the partition so far, -1 at first. */
export type TimestampExtractor = (value: unknown, key: unknown, record: StreamRecord, partitionTime: number) => number
/** Partition for a record, undefined for the default (murmur2 of the key), a list for several, an empty list for none. */
export type Partitioner = (topic: string, key: unknown, value: unknown, partitions: number) => number | readonly number[] | undefined
/** A synchronous RxJS operator over `StreamRecord`s. */
export type PipeOperator = (source: never) => unknown

// ------------------------------------------------------------------------------------------------ nodes

interface NodeBase {
  readonly name: string
  /** Names of the nodes whose output this one takes, in the order in which they were connected. */
  readonly parents: readonly string[]
  /** Names of the stores that this node may use. */
  readonly stores: readonly string[]
}

/** Reads topics. A name in `Topology.repartitionTopics` is internal: the application id goes in front of it. */
export interface SourceNode extends NodeBase {
  readonly kind: 'source'
  readonly topics: readonly string[]
  /** Instead of `topics`: every topic whose whole name matches. */
  readonly pattern: RegExp | null
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  /** False: a null key (or value) is passed on. True: such a record counts as one that cannot be deserialised. */
  readonly rejectsNullKey: boolean
  readonly rejectsNullValue: boolean
  /** null: the record's own timestamp, where a negative one is an error. */
  readonly timestampExtractor: TimestampExtractor | null
  /** Where to start without a committed offset; null: the application's setting. */
  readonly offsetReset: 'earliest' | 'latest' | 'none' | { readonly maxAgeMs: number } | null
}

/** Writes a topic, whose name may come from the record. */
export interface SinkNode extends NodeBase {
  readonly kind: 'sink'
  readonly topic: string | RecordFunction<string>
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly partitioner: Partitioner | null
}

export interface FilterNode extends NodeBase {
  readonly kind: 'filter'
  readonly predicate: RecordFunction<boolean>
  readonly negate: boolean
}

/** Drops records without a key before a repartition topic. */
export interface NullKeyFilterNode extends NodeBase {
  readonly kind: 'nullKeyFilter'
}

/** The function gives `[key, value]`. */
export interface MapNode extends NodeBase {
  readonly kind: 'map'
  readonly mapper: RecordFunction<readonly [unknown, unknown]>
}

export interface MapValuesNode extends NodeBase {
  readonly kind: 'mapValues'
  readonly mapper: RecordFunction
}

export interface FlatMapNode extends NodeBase {
  readonly kind: 'flatMap'
  readonly mapper: RecordFunction<Iterable<readonly [unknown, unknown]>>
}

export interface FlatMapValuesNode extends NodeBase {
  readonly kind: 'flatMapValues'
  readonly mapper: RecordFunction<Iterable<unknown>>
}

export interface SelectKeyNode extends NodeBase {
  readonly kind: 'selectKey'
  readonly selector: RecordFunction
}

export interface PeekNode extends NodeBase {
  readonly kind: 'peek'
  readonly action: RecordFunction<void>
}

/** As peek, with nothing after it. */
export interface ForEachNode extends NodeBase {
  readonly kind: 'forEach'
  readonly action: RecordFunction<void>
}

/** Forwards what it gets: merge, and the ends of a branch. */
export interface PassThroughNode extends NodeBase {
  readonly kind: 'passThrough'
}

/** Sends a record to the child of the first predicate that holds, else to `defaultChild`, else nowhere. */
export interface BranchNode extends NodeBase {
  readonly kind: 'branch'
  readonly branches: readonly { readonly child: string; readonly predicate: RecordFunction<boolean> }[]
  readonly defaultChild: string | null
}

/** Synchronous RxJS operators of the user; they see and emit `StreamRecord`s. */
export interface PipeNode extends NodeBase {
  readonly kind: 'pipe'
  readonly operators: readonly PipeOperator[]
}

/** A function that waits, called for several records at once; results keep their order. */
export interface MapAsyncNode extends NodeBase {
  readonly kind: 'mapAsync'
  readonly call: (value: unknown, key: unknown, record: StreamRecord, signal: AbortSignal) => Promise<unknown>
  /** For the order of results by key. */
  readonly keySerde: Serde<unknown>
  readonly order: 'per-key' | 'total'
  readonly maxInFlight: number
  readonly timeoutMs: number
  readonly maxAttempts: number
  /** Before the second attempt; doubles with each further one. */
  readonly backoffMs: number
}

/** An RxJS Subject, as far as an operator uses it. */
export interface RecordSubject {
  readonly observed: boolean
  next(record: StreamRecord): void
}

/** Shows records to the observers of the program, after their commit. */
export interface ObserveNode extends NodeBase {
  readonly kind: 'observe'
  readonly subject: RecordSubject
}

/** A processor of the program; `factory` makes one per task. */
export interface ProcessorNode extends NodeBase {
  readonly kind: 'processor'
  readonly factory: ProcessorFactory<never, never, never, never>
  /** It forwards records only under the key they came with. */
  readonly keepsKeys: boolean
}

/** count, reduce and aggregate of a grouped stream. Emits `Change`s. */
export interface StreamAggregateNode extends NodeBase {
  readonly kind: 'streamAggregate'
  readonly store: string
  /** null: reduce, where the first value becomes the aggregate. */
  readonly initializer: Initializer | null
  readonly aggregator: Aggregator
  readonly sendOldValues: boolean
}

/** The same per tumbling, hopping or unlimited window; keys become `Windowed`. */
export interface WindowAggregateNode extends NodeBase {
  readonly kind: 'windowAggregate'
  readonly store: string
  readonly windows: TimeWindows | UnlimitedWindows
  readonly emit: EmitStrategy
  /** Gets records that came too late for every window, and nothing else; null: nobody does. */
  readonly lateChild: string | null
  readonly initializer: Initializer | null
  readonly aggregator: Aggregator
  readonly sendOldValues: boolean
}

export interface SlidingAggregateNode extends NodeBase {
  readonly kind: 'slidingAggregate'
  readonly store: string
  readonly windows: SlidingWindows
  readonly emit: EmitStrategy
  readonly lateChild: string | null
  readonly initializer: Initializer | null
  readonly aggregator: Aggregator
  readonly sendOldValues: boolean
}

export interface SessionAggregateNode extends NodeBase {
  readonly kind: 'sessionAggregate'
  readonly store: string
  readonly windows: SessionWindows
  readonly emit: EmitStrategy
  readonly lateChild: string | null
  readonly initializer: Initializer | null
  readonly aggregator: Aggregator
  readonly merger: SessionMerger
  readonly sendOldValues: boolean
}

/** Results with every update, or one final result when a window closes. */
export type EmitStrategy = 'on-update' | 'on-window-close'

/** Makes a table of a stream of rows (`table`, `toTable`): keeps the row when `store` is set, emits `Change`s. */
export interface TableSourceNode extends NodeBase {
  readonly kind: 'tableSource'
  /** null: nobody needs the rows kept. */
  readonly store: string | null
  readonly sendOldValues: boolean
}

export interface TableFilterNode extends NodeBase {
  readonly kind: 'tableFilter'
  readonly predicate: RecordFunction<boolean>
  readonly negate: boolean
  /** The table that is filtered keeps rows of the past. */
  readonly hasHistory: boolean
  /** Own store; null: not kept. */
  readonly store: string | null
  readonly sendOldValues: boolean
}

export interface TableMapValuesNode extends NodeBase {
  readonly kind: 'tableMapValues'
  readonly mapper: RecordFunction
  readonly store: string | null
  readonly sendOldValues: boolean
}

/** `Change`s become records of the new values. */
export interface TableToStreamNode extends NodeBase {
  readonly kind: 'tableToStream'
}

/** A table's groupBy: old and new row each under its new key, for the repartition topic. */
export interface TableGroupSelectNode extends NodeBase {
  readonly kind: 'tableGroupSelect'
  /** `[key, value]` of a row. */
  readonly mapper: RecordFunction<readonly [unknown, unknown]>
}

/** Aggregates a grouped table: the old row is taken out, then the new one put in. */
export interface TableAggregateNode extends NodeBase {
  readonly kind: 'tableAggregate'
  readonly store: string
  /** null: reduce. */
  readonly initializer: Initializer | null
  readonly adder: Aggregator
  readonly subtractor: Aggregator
  readonly sendOldValues: boolean
}

/** One side of a primary-key join: a change of this side is joined with the row of the other. */
export interface TableJoinNode extends NodeBase {
  readonly kind: 'tableJoin'
  readonly join: 'inner' | 'left' | 'outer'
  /** Which side this node's input is. */
  readonly side: 'left' | 'right'
  /** `(left, right, key)`. */
  readonly joiner: Joiner
  readonly otherRows: TableRows
  readonly sendOldValues: boolean
}

/** Where both sides of a table join meet; keeps the result when `store` is set. */
export interface TableJoinMergeNode extends NodeBase {
  readonly kind: 'tableJoinMerge'
  readonly store: string | null
  readonly sendOldValues: boolean
}

/** A stream record looks up the table's current row. */
export interface StreamTableJoinNode extends NodeBase {
  readonly kind: 'streamTableJoin'
  readonly join: 'inner' | 'left'
  readonly joiner: Joiner
  readonly rows: TableRows
  /** Global tables: the key to look up, from the stream record. */
  readonly selector: RecordFunction | null
}

/** As streamTableJoin with a grace: records wait in the store until rows of their time have come. */
export interface BufferedStreamTableJoinNode extends NodeBase {
  readonly kind: 'bufferedStreamTableJoin'
  readonly join: 'inner' | 'left'
  readonly joiner: Joiner
  readonly rows: TableRows
  /** Of type `join-buffer`. */
  readonly store: string
}

/** In front of a side of a stream join: keeps what it passes on, for the other side. */
export interface JoinWindowNode extends NodeBase {
  readonly kind: 'joinWindow'
  readonly store: string
}

/** One side of a stream-stream join, behind its `joinWindow`. */
export interface StreamJoinNode extends NodeBase {
  readonly kind: 'streamJoin'
  readonly join: 'inner' | 'left' | 'outer'
  readonly side: 'left' | 'right'
  readonly joiner: Joiner
  readonly windows: JoinWindows
  /** Window store of the other side. */
  readonly otherStore: string
  /** Store of rows without a partner, shared by both sides; null for inner joins. */
  readonly outerStore: string | null
  /** The same text on both sides, and nowhere else: what time both have seen. */
  readonly sharedTime: string
}

/** A stream joined with itself, behind one `joinWindow`. */
export interface SelfJoinNode extends NodeBase {
  readonly kind: 'selfJoin'
  readonly join: 'inner' | 'left' | 'outer'
  readonly joiner: Joiner
  readonly windows: JoinWindows
  readonly store: string
}

/** Holds changes back until a time limit or the close of windows. */
export interface SuppressNode extends NodeBase {
  readonly kind: 'suppress'
  readonly store: string
  readonly until:
    /** `graceMs`: how long after its end a window changes (sessions: gap and grace). `endInclusive`: a record at the very end belongs to it. */
    | { readonly type: 'window-closes'; readonly graceMs: number; readonly endInclusive: boolean }
    | { readonly type: 'time-limit'; readonly ms: number }
  /** null: no bound. */
  readonly maxRecords: number | null
  readonly maxBytes: number | null
  readonly whenFull: 'emit-early' | 'shut-down'
  readonly sendOldValues: boolean
}

/** A table's transformValues; `factory` makes one transformer per task. */
export interface TableTransformValuesNode extends NodeBase {
  readonly kind: 'tableTransformValues'
  readonly factory: ValueTransformerFactory<never, never, unknown>
  readonly store: string | null
  readonly sendOldValues: boolean
}

/**
 * Foreign-key joins, step by step: subscribe ─(topic by foreign key)─▶ receive ─▶ lookUp ─(topic by primary key)─▶ resolve;
 * a change of a right row goes from answer straight to the second topic. What resolve gives is read as a table (`tableSource`).
 */
export interface ForeignKeySubscribeNode extends NodeBase {
  readonly kind: 'foreignKeySubscribe'
  readonly join: 'inner' | 'left'
  /** The foreign key of a left row; null: it has none. */
  readonly extractor: RecordFunction
  readonly foreignKeySerde: Serde<unknown>
  /** For the hash of rows: the same as that of `foreignKeyResolve`. */
  readonly leftValueSerde: Serde<unknown>
}

export interface ForeignKeyReceiveNode extends NodeBase {
  readonly kind: 'foreignKeyReceive'
  /** A `timestamped-key-value` store of bytes to subscriptions. */
  readonly store: string
  readonly foreignKeySerde: Serde<unknown>
  readonly primaryKeySerde: Serde<unknown>
}

export interface ForeignKeyLookUpNode extends NodeBase {
  readonly kind: 'foreignKeyLookUp'
  /** Of the right table. */
  readonly rows: TableRows
}

export interface ForeignKeyAnswerNode extends NodeBase {
  readonly kind: 'foreignKeyAnswer'
  /** Of subscriptions. */
  readonly store: string
  readonly foreignKeySerde: Serde<unknown>
}

export interface ForeignKeyResolveNode extends NodeBase {
  readonly kind: 'foreignKeyResolve'
  readonly join: 'inner' | 'left'
  readonly joiner: Joiner
  /** Of the left table. */
  readonly rows: TableRows
  readonly leftValueSerde: Serde<unknown>
}

/** `(left value, right value, key)`. */
export type Joiner = (left: unknown, right: unknown, key: unknown) => unknown

/**
 * How the current row of a table is found: in its store, or, when the table is not kept, from its parent's row by the same
 * functions that made it. Plain data that the operators interpret (upstream: KTableValueGetter).
 */
export type TableRows =
  | { readonly from: 'store'; readonly store: string }
  | { readonly from: 'filter'; readonly parent: TableRows; readonly predicate: RecordFunction<boolean>; readonly negate: boolean }
  | { readonly from: 'mapValues'; readonly parent: TableRows; readonly mapper: RecordFunction }
  | { readonly from: 'join'; readonly join: 'inner' | 'left' | 'outer'; readonly left: TableRows; readonly right: TableRows; readonly joiner: Joiner }
  /** A row that is held back is as downstream knows it. */
  | { readonly from: 'suppress'; readonly store: string; readonly parent: TableRows }
  | { readonly from: 'nothing' }

export type TopologyNode =
  | SourceNode
  | SinkNode
  | FilterNode
  | NullKeyFilterNode
  | MapNode
  | MapValuesNode
  | FlatMapNode
  | FlatMapValuesNode
  | SelectKeyNode
  | PeekNode
  | ForEachNode
  | PassThroughNode
  | BranchNode
  | PipeNode
  | MapAsyncNode
  | ObserveNode
  | ProcessorNode
  | StreamAggregateNode
  | WindowAggregateNode
  | SlidingAggregateNode
  | SessionAggregateNode
  | TableSourceNode
  | TableFilterNode
  | TableMapValuesNode
  | TableToStreamNode
  | TableGroupSelectNode
  | TableAggregateNode
  | TableJoinNode
  | TableJoinMergeNode
  | StreamTableJoinNode
  | BufferedStreamTableJoinNode
  | JoinWindowNode
  | StreamJoinNode
  | SelfJoinNode
  | SuppressNode
  | TableTransformValuesNode
  | ForeignKeySubscribeNode
  | ForeignKeyReceiveNode
  | ForeignKeyLookUpNode
  | ForeignKeyAnswerNode
  | ForeignKeyResolveNode

export type NodeKind = TopologyNode['kind']
export type NodeOf<Kind extends NodeKind> = Extract<TopologyNode, { readonly kind: Kind }>

// ------------------------------------------------------------------------------------------------ stores and topics

export type StoreType =
  | 'key-value'
  | 'timestamped-key-value'
  | 'window'
  | 'timestamped-window'
  | 'session'
  | 'versioned'
  | 'lru'
  | 'timestamped-lru'
  /** Rows of a left or outer stream join that have no partner yet. */
  | 'outer-join'
  /** Stream records that wait for a table with versions. */
  | 'join-buffer'
  /** Changes that `suppress` holds back. */
  | 'suppress-buffer'
  /** The program's own. */
  | 'custom'

export interface StoreSpec {
  readonly name: string
  readonly type: StoreType
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  /** Kept on disk where a disk store is configured; false: in memory always. */
  readonly persistent: boolean
  /** May stand behind the write-back cache. */
  readonly caching: boolean
  readonly changelog: ChangelogSpec | null
  /** Window and session stores: how long rows are kept after the store's newest. */
  readonly retentionMs?: number
  /** Window stores: for the `end` of keys; Infinity for unlimited windows. */
  readonly windowSizeMs?: number
  readonly retainDuplicates?: boolean
  /** The changelog has the headers of the record that put a row. */
  readonly logsHeaders?: boolean
  /** Timestamped and session stores: rows have headers, beside the value; the changelog has them as those of its records. */
  readonly keepsHeaders?: boolean
  /** Window and session stores of `on-window-close`: ordered by time first. */
  readonly timeOrdered?: boolean
  /** Suppress buffers: what a row that is new counts for beside its bytes, where there are no caches. */
  readonly newRowBytes?: number
  /** Join buffers: how long records wait. */
  readonly graceMs?: number
  /** Outer-join stores: `valueSerde` is the left side's. */
  readonly rightValueSerde?: Serde<unknown>
  /** Versioned stores. */
  readonly historyMs?: number
  readonly segmentMs?: number
  /** LRU stores. */
  readonly maxEntries?: number
  /** Of key-value stores: rows that were not written for so long are gone. */
  readonly ttlMs?: number
  /** Of key-value stores: where rows are kept instead of in memory or on disk. */
  readonly rows?: RowStoreFactory
  /** Stores of the program's own. */
  readonly open?: CustomStoreFactory
}

export interface ChangelogSpec {
  /** A source topic that serves as the changelog; null: the topic `<application id>-<store>-changelog`. */
  readonly sourceTopic: string | null
  /** Topic configs under Kafka's names, over the defaults for the store's type. */
  readonly topicConfig: Readonly<Record<string, string>>
}

/** A topic between two sub-topologies. Its name in the broker is `<application id>-<name>`. */
export interface RepartitionTopicSpec {
  readonly name: string
  /** null: as many as the topics it must be co-partitioned with, or the largest input. */
  readonly partitions: number | null
}

// ------------------------------------------------------------------------------------------------ the whole

/** A connected part of the topology; a StreamTask runs one of them for one partition. */
export interface SubTopology {
  /** First half of the task id `<id>_<partition>`. */
  readonly id: number
  /** In the order of `Topology.nodes`. */
  readonly nodes: readonly TopologyNode[]
  readonly stores: readonly StoreSpec[]
  /** Names as in the nodes: internal topics without the application id. */
  readonly sourceTopics: readonly string[]
  readonly sinkTopics: readonly string[]
}

/** A store that every instance fills from all partitions of a topic, and that all its tasks may read. */
export interface GlobalStore {
  /** Counts among the sub-topologies, though no task runs it. */
  readonly id: number
  readonly source: SourceNode
  /** What fills the store: rows as they come, or a processor of the program, which must not forward. */
  readonly processor: TableSourceNode | ProcessorNode
  /** Has no changelog: the topic is it. */
  readonly store: StoreSpec
}

/** What `StreamsBuilder.build` gives: frozen, and safe to share. */
export interface TopologyData {
  /** In the order in which Kafka Streams writes them; the children of a node are served in this order. */
  readonly nodes: readonly TopologyNode[]
  readonly stores: readonly StoreSpec[]
  readonly repartitionTopics: readonly RepartitionTopicSpec[]
  /** Sets of source topics (internal names bare) that must have equal numbers of partitions. */
  readonly copartitionGroups: readonly (readonly string[])[]
  readonly subTopologies: readonly SubTopology[]
  readonly globalStores: readonly GlobalStore[]
}
