/**
 * The two kinds of failure. `assert` (assert.ts) is for our own bugs. `StreamError` is for the world: bad input, a full
 * disk, a fenced producer. Callers branch on `code`, never on the message, the name or `instanceof` across packages.
 */

/** Every code that a `StreamError` may carry, with the sentence that says when it is raised. */
export const errorCodes = {
  // requests
  INVALID_ARGUMENT: 'An argument of a public method has the wrong type or an impossible value.',
  INVALID_CONFIG: 'A configuration key is unknown, or its value cannot be used.',
  CLOSED: 'The object was closed; nothing can be asked of it any more.',
  ABORTED: 'The AbortSignal given to the call fired before it was done.',
  TIMEOUT: 'The answer did not come within the time given.',
  UNSUPPORTED: 'This backend cannot do what was asked; the message says which one can.',
  // topics and records
  UNKNOWN_TOPIC_OR_PARTITION: 'The topic, or that partition of it, does not exist.',
  TOPIC_ALREADY_EXISTS: 'A topic of that name exists.',
  INVALID_TOPIC: 'The topic name breaks the naming rules.',
  INVALID_PARTITIONS: 'The number of partitions is not possible.',
  INVALID_REPLICATION_FACTOR: 'The replication factor is not possible here.',
  POLICY_VIOLATION: 'The configuration of the topic does not allow this.',
  OFFSET_OUT_OF_RANGE: 'The offset is before the log start offset or beyond the log end offset.',
  RECORD_TOO_LARGE: 'A record or batch is larger than the topic allows.',
  INVALID_RECORD: 'A record breaks a rule of its topic, such as a null key in a compacted topic.',
  INVALID_TIMESTAMP: 'A timestamp is negative or too far from now for the topic.',
  CORRUPT_RECORD: 'Bytes do not have the form of a record batch, or their checksum is wrong.',
  UNSUPPORTED_COMPRESSION_TYPE: 'No decoder for this compression is installed.',
  // producers and transactions
  OUT_OF_ORDER_SEQUENCE: 'A batch of an idempotent producer is not the one that must follow.',
  INVALID_PRODUCER_EPOCH: 'A producer with the same id and a newer epoch exists.',
  PRODUCER_FENCED: 'A newer producer with the same transactional id took over; close this one.',
  INVALID_TXN_STATE: 'The transaction is not in a state that allows this call.',
  INVALID_PRODUCER_ID_MAPPING: 'The transactional id is unknown or belongs to another producer id.',
  INVALID_TRANSACTION_TIMEOUT: 'The transaction timeout is not in the allowed range.',
  CONCURRENT_TRANSACTIONS: 'The previous transaction of this transactional id is still being completed.',
  // groups
  INVALID_GROUP_ID: 'The group id is empty or not a string.',
  UNKNOWN_MEMBER_ID: 'The group does not know this member: it was removed or has left.',
  ILLEGAL_GENERATION: 'The call names a generation that has ended.',
  REBALANCE_IN_PROGRESS: 'The group is rebalancing; join again.',
  INCONSISTENT_GROUP_PROTOCOL: 'The member shares no assignor with the rest of the group.',
  INVALID_SESSION_TIMEOUT: 'The session timeout is not in the allowed range.',
  MEMBER_ID_REQUIRED: 'The member must join again with the member id it was given.',
  FENCED_INSTANCE_ID: 'Another member joined with the same group instance id.',
  NON_EMPTY_GROUP: 'The group has members; it must be empty for this.',
  GROUP_ID_NOT_FOUND: 'There is no such group.',
  UNSTABLE_OFFSET_COMMIT: 'Offsets of the partition are part of a transaction that is not yet complete.',
  OFFSET_METADATA_TOO_LARGE: 'The metadata string of a committed offset is too long.',
  // storage
  STORAGE_FULL: 'The disk is full. Nothing is damaged; free space and go on.',
  STORAGE_ERROR: 'The disk refused an operation; the message names the file.',
  STORAGE_CORRUPT: 'A file on disk is damaged; the message names file and position.',
  DIRECTORY_LOCKED: 'Another process has this data directory open.',
  UNSUPPORTED_FORMAT: 'The data directory was written by a newer version.',
  // streams
  TOPOLOGY_INVALID: 'The program cannot be turned into a topology.',
  DESERIALIZATION_FAILED: 'Bytes of a record could not be turned into a key or a value.',
  SERIALIZATION_FAILED: 'A key or a value could not be turned into bytes.',
  PROCESSING_FAILED: 'A function given to an operator threw.',
  STORE_NOT_AVAILABLE: 'A store cannot be asked at present: it is restored, or belongs to another instance.',
  THREAD_DIED: 'A worker thread of an application ended without being told to.',
  SHUTDOWN_REQUESTED: 'An instance of the application failed and asked all of them to end.',
  // connect
  CONNECTOR_FAILED: 'A connector or one of its tasks threw.',
  CONVERSION_FAILED: 'A converter could not read or write a record.',
  INVALID_DATA: 'The data of a record does not have the shape that its schema, a transform or a sink needs.',
  PLUGIN_NOT_FOUND: 'No plugin is installed under that class name.',
  // backends
  BACKEND_UNAVAILABLE: 'The backend cannot be reached.',
  NOT_AUTHORIZED: 'The backend refuses the credentials, or they do not allow this.',
} as const

export type ErrorCode = keyof typeof errorCodes

export interface StreamErrorOptions {
  /** True if the same call may succeed later without a change. Default false. */
  readonly retriable?: boolean
  readonly cause?: unknown
  /** Machine-readable facts: topic, partition, offset, file, position, config key. */
  readonly details?: Readonly<Record<string, unknown>>
}

const brand: unique symbol = Symbol.for('millrace.StreamError') as never

export class StreamError extends Error {
  override readonly name = 'StreamError'
  readonly code: ErrorCode
  readonly retriable: boolean
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: StreamErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retriable = options.retriable ?? false
    this.details = options.details ?? {}
    Object.defineProperty(this, brand, { value: true })
  }
}

/** True for a StreamError of any copy of this package; narrows by `code` when one is given. */
export function isStreamError(error: unknown, code?: ErrorCode): error is StreamError {
  if (typeof error !== 'object' || error === null || (error as Record<symbol, unknown>)[brand] !== true) return false
  return code === undefined || (error as StreamError).code === code
}
