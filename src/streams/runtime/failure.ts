import type { ErrorCode, StreamError } from '../../core/index.ts'

/** After these the same work can succeed from the last commit: another owner took over, or a backend was away for a while. */
const passing: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS', 'UNSTABLE_OFFSET_COMMIT',
  'PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING', 'OUT_OF_ORDER_SEQUENCE', 'CONCURRENT_TRANSACTIONS',
  'TIMEOUT', 'BACKEND_UNAVAILABLE',
])

/** True for a failure that rolling back and trying again may cure; a wrong program or a damaged log is not among them. */
export function canGoOn(failure: StreamError): boolean {
  return failure.retriable || passing.has(failure.code)
}
