/**
 * Kafka's error codes in our terms: which `StreamError` a code becomes, and what the backend does before anyone hears of it.
 * Source: the error table of Apache Kafka's protocol guide.
 */
import { StreamError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'

/** What to do about a code: look up leaders or the coordinator anew, wait a little, or tell the caller. */
export type Remedy = 'refresh-metadata' | 'find-coordinator' | 'back-off' | 'fail'

interface KafkaError {
  readonly name: string
  readonly code: ErrorCode
  readonly remedy: Remedy
}

const errors: ReadonlyMap<number, KafkaError> = new Map([
  [-1, row('UNKNOWN_SERVER_ERROR', 'BACKEND_UNAVAILABLE')],
  [1, row('OFFSET_OUT_OF_RANGE', 'OFFSET_OUT_OF_RANGE')],
  [2, row('CORRUPT_MESSAGE', 'CORRUPT_RECORD')],
  [3, row('UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_OR_PARTITION', 'refresh-metadata')],
  [5, row('LEADER_NOT_AVAILABLE', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [6, row('NOT_LEADER_OR_FOLLOWER', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [7, row('REQUEST_TIMED_OUT', 'BACKEND_UNAVAILABLE', 'back-off')],
  [8, row('BROKER_NOT_AVAILABLE', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [9, row('REPLICA_NOT_AVAILABLE', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [10, row('MESSAGE_TOO_LARGE', 'RECORD_TOO_LARGE')],
  [12, row('OFFSET_METADATA_TOO_LARGE', 'OFFSET_METADATA_TOO_LARGE')],
  [13, row('NETWORK_EXCEPTION', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [14, row('COORDINATOR_LOAD_IN_PROGRESS', 'BACKEND_UNAVAILABLE', 'back-off')],
  [15, row('COORDINATOR_NOT_AVAILABLE', 'BACKEND_UNAVAILABLE', 'find-coordinator')],
  [16, row('NOT_COORDINATOR', 'BACKEND_UNAVAILABLE', 'find-coordinator')],
  [17, row('INVALID_TOPIC_EXCEPTION', 'INVALID_TOPIC')],
  [18, row('RECORD_LIST_TOO_LARGE', 'RECORD_TOO_LARGE')],
  [19, row('NOT_ENOUGH_REPLICAS', 'BACKEND_UNAVAILABLE', 'back-off')],
  [20, row('NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'BACKEND_UNAVAILABLE', 'back-off')],
  [22, row('ILLEGAL_GENERATION', 'ILLEGAL_GENERATION')],
  [23, row('INCONSISTENT_GROUP_PROTOCOL', 'INCONSISTENT_GROUP_PROTOCOL')],
  [24, row('INVALID_GROUP_ID', 'INVALID_GROUP_ID')],
  [25, row('UNKNOWN_MEMBER_ID', 'UNKNOWN_MEMBER_ID')],
  [26, row('INVALID_SESSION_TIMEOUT', 'INVALID_SESSION_TIMEOUT')],
  [27, row('REBALANCE_IN_PROGRESS', 'REBALANCE_IN_PROGRESS')],
  [29, row('TOPIC_AUTHORIZATION_FAILED', 'NOT_AUTHORIZED')],
  [30, row('GROUP_AUTHORIZATION_FAILED', 'NOT_AUTHORIZED')],
  [31, row('CLUSTER_AUTHORIZATION_FAILED', 'NOT_AUTHORIZED')],
  [32, row('INVALID_TIMESTAMP', 'INVALID_TIMESTAMP')],
  [33, row('UNSUPPORTED_SASL_MECHANISM', 'NOT_AUTHORIZED')],
  [35, row('UNSUPPORTED_VERSION', 'UNSUPPORTED')],
  [36, row('TOPIC_ALREADY_EXISTS', 'TOPIC_ALREADY_EXISTS')],
  [37, row('INVALID_PARTITIONS', 'INVALID_PARTITIONS')],
  [38, row('INVALID_REPLICATION_FACTOR', 'INVALID_REPLICATION_FACTOR')],
  [40, row('INVALID_CONFIG', 'INVALID_CONFIG')],
  [41, row('NOT_CONTROLLER', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [42, row('INVALID_REQUEST', 'INVALID_ARGUMENT')],
  [43, row('UNSUPPORTED_FOR_MESSAGE_FORMAT', 'UNSUPPORTED')],
  [44, row('POLICY_VIOLATION', 'NOT_AUTHORIZED')],
  [45, row('OUT_OF_ORDER_SEQUENCE_NUMBER', 'OUT_OF_ORDER_SEQUENCE')],
  [47, row('INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_EPOCH')],
  [48, row('INVALID_TXN_STATE', 'INVALID_TXN_STATE')],
  [49, row('INVALID_PRODUCER_ID_MAPPING', 'INVALID_PRODUCER_ID_MAPPING')],
  [50, row('INVALID_TRANSACTION_TIMEOUT', 'INVALID_TRANSACTION_TIMEOUT')],
  [51, row('CONCURRENT_TRANSACTIONS', 'CONCURRENT_TRANSACTIONS', 'back-off')],
  [53, row('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'NOT_AUTHORIZED')],
  [56, row('KAFKA_STORAGE_ERROR', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [58, row('SASL_AUTHENTICATION_FAILED', 'NOT_AUTHORIZED')],
  [59, row('UNKNOWN_PRODUCER_ID', 'OUT_OF_ORDER_SEQUENCE')],
  [68, row('NON_EMPTY_GROUP', 'NON_EMPTY_GROUP')],
  [69, row('GROUP_ID_NOT_FOUND', 'GROUP_ID_NOT_FOUND')],
  [72, row('LISTENER_NOT_FOUND', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [74, row('FENCED_LEADER_EPOCH', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [75, row('UNKNOWN_LEADER_EPOCH', 'BACKEND_UNAVAILABLE', 'refresh-metadata')],
  [76, row('UNSUPPORTED_COMPRESSION_TYPE', 'UNSUPPORTED_COMPRESSION_TYPE')],
  [78, row('OFFSET_NOT_AVAILABLE', 'BACKEND_UNAVAILABLE', 'back-off')],
  [79, row('MEMBER_ID_REQUIRED', 'MEMBER_ID_REQUIRED')],
  [81, row('GROUP_MAX_SIZE_REACHED', 'INVALID_ARGUMENT')],
  [82, row('FENCED_INSTANCE_ID', 'FENCED_INSTANCE_ID')],
  [87, row('INVALID_RECORD', 'INVALID_RECORD')],
  [88, row('UNSTABLE_OFFSET_COMMIT', 'UNSTABLE_OFFSET_COMMIT', 'back-off')],
  [89, row('THROTTLING_QUOTA_EXCEEDED', 'BACKEND_UNAVAILABLE', 'back-off')],
  [90, row('PRODUCER_FENCED', 'PRODUCER_FENCED')],
  [120, row('TRANSACTION_ABORTABLE', 'INVALID_TXN_STATE')],
])

function row(name: string, code: ErrorCode, remedy: Remedy = 'fail'): KafkaError {
  return { name, code, remedy }
}

export function remedyFor(errorCode: number): Remedy {
  return errors.get(errorCode)?.remedy ?? 'fail'
}

/** `what` says what was asked, such as `produce to orders-3`; the broker's own explanation is added when it gave one. */
export function kafkaError(errorCode: number, what: string, explanation: string | null = null, details: Readonly<Record<string, unknown>> = {}): StreamError {
  const known = errors.get(errorCode) ?? row(`error ${errorCode}`, 'BACKEND_UNAVAILABLE')
  const message = `${what}: Kafka answers ${known.name}${explanation === null || explanation === '' ? '' : ` (${explanation})`}`
  return new StreamError(known.code, message, { retriable: known.remedy !== 'fail', details: { ...details, kafkaError: known.name, kafkaErrorCode: errorCode } })
}

/** Returns when the code is 0. */
export function throwIfError(errorCode: number, what: string, explanation: string | null = null): void {
  if (errorCode !== 0) throw kafkaError(errorCode, what, explanation)
}

/** The remedy for a failure of any kind: a lost connection asks for new metadata, because its broker may be gone. */
export function remedyForFailure(error: unknown): Remedy {
  if (!(error instanceof StreamError)) return 'fail'
  const kafkaCode = error.details['kafkaErrorCode']
  if (typeof kafkaCode === 'number') return remedyFor(kafkaCode)
  return error.retriable ? 'refresh-metadata' : 'fail'
}
