/**
 * What `millrace` exports: the log, its clients, and what programs and connectors need of both. `core/index.ts` has besides what streams,
 * Connect and the console share with it, which is nobody else's business and may change at any time.
 */
export { StreamError, errorCodes, isStreamError } from './core/index.ts'
export type { ErrorCode, StreamErrorOptions } from './core/index.ts'

// The log: its interface, and the places where it is
export { openEmbeddedBroker, openKafkaBroker, kafkaOptionsFromProperties, openPortBroker, servePort } from './core/index.ts'
export type { EmbeddedBroker, EmbeddedBrokerOptions, KafkaBrokerOptions, KafkaClient, LogMetric, PortBrokerOptions, PortServer, SaslOptions } from './core/index.ts'
export type {
  Assignor, AssignmentInput, BatchMetadata, Broker, ClusterDescription, ClusterNode, CommittedOffset, ConfigEntry, GroupAdmin, GroupDescription, GroupMember,
  GroupMetadata, GroupOptions, Isolation, LastAssignment, OffsetAnswer, OffsetQuery, OffsetReset, PartitionDescription, PartitionPosition, PartitionRecords,
  Producer, ProducerOptions, ReadOptions, ReadResult, Reader, ReaderOptions, RebalanceEvent, RecordBatch, TopicAdmin, TopicChange, TopicDescription, TopicSpec,
  TransactionOffsets, UnsealedBatch,
} from './core/index.ts'
export { cooperativeStickyAssignor, rangeAssignor, roundRobinAssignor, stickyAssignor } from './core/index.ts'
export { checkDataDirectory, repairDataDirectory } from './core/index.ts'
export type { CheckFinding, DirectoryCheckOptions, LostRange, PartitionCheck, PartitionRepair, RepairMode } from './core/index.ts'

// Records, and how they are written
export { RecordBatchBuilder, StickyPartitioner, murmur2, partitionForKey } from './core/index.ts'
export type { Header, ProducerRecord, RecordBatchBuilderOptions, RecordMetadata, RecordReader, RecordView, TopicPartition } from './core/index.ts'
export {
  bigintSerde, booleanSerde, bytesSerde, doubleSerde, floatSerde, integerSerde, jsonSerde, listSerde, longSerde, shortSerde, stringSerde, uuidSerde, voidSerde, zodSerde,
} from './core/index.ts'
export type { SchemaIssue, SchemaResult, Serde, StandardSchema } from './core/index.ts'

// Dead letters
export { readDeadLetter, readDeadLetterTopic, redrive, redriveGroup } from './core/index.ts'
export type { DeadLetter, FoundDeadLetter, RedriveFix, RedriveOptions } from './core/index.ts'

// Time and chance, which arrive as arguments
export { durationMs, randomInteger, seededRandom, sleep, systemClock, systemRandom } from './core/index.ts'
export type { Clock, Duration, Random, Timer } from './core/index.ts'
