import { StreamError, isStreamError, sleep } from '../../core/index.ts'
import type { Clock, ErrorCode, GroupMember } from '../../core/index.ts'

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

/** For who ends anyway. @throws what `canGoOn` does not cover */
export function throwUnlessPassing(error: unknown): void {
  if (!canGoOn(asStreamError(error))) throw error
}

const maxBackoffMs = 10_000

/** How long to wait after so many failures in a row. */
export function backoffMs(failures: number): number {
  return Math.min(maxBackoffMs, 50 * 2 ** failures)
}

/** Does it again, with growing pauses, for as long as its failure may pass and nobody asks to stop. @throws the last failure */
export async function repeatWhilePassing(work: () => Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  for (let failures = 0; ; failures++) {
    try {
      return await work()
    } catch (error) {
      if (!canGoOn(asStreamError(error)) || signal.aborted) throw error
    }
    await sleep(clock, backoffMs(failures), signal)
  }
}

const hearingPollMs = 100
/** How long a member that asks for the end of the application waits until the others have heard. */
const hearingPatienceMs = 30_000

/** Takes part in the rounds of the group, and reads nothing, until all have heard what this member says there, or it is no use. */
export async function stayUntilHeard(member: GroupMember, isHeard: () => boolean, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + hearingPatienceMs
  while (!isHeard() && clock.monotonic() < deadline) {
    try {
      member.pause(member.assignment)
      await member.read({ maxWaitMs: hearingPollMs, isolation: 'read-committed' })
    } catch (error) {
      // Why the member asks is what its application ends with, not this.
      if (!canGoOn(asStreamError(error))) return
      await sleep(clock, hearingPollMs)
    }
  }
}

/** Every step in turn, also after one that failed. @throws the first failure */
export async function allOf(steps: readonly (() => void | Promise<void> | undefined)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** As a setting, and as an option of the console. */
const policyOf: Partial<Readonly<Record<ErrorCode, readonly [string, string]>>> = {
  DESERIALIZATION_FAILED: ['onDeserializationError', '--on-deserialization-error'],
  PROCESSING_FAILED: ['onProcessingError', '--on-processing-error'],
  SERIALIZATION_FAILED: ['onSerializationError', '--on-serialization-error'],
}

/** A failure on its way to a person: what can be done about it is part of it. */
export function withAdvice(failure: StreamError): StreamError {
  const policy = policyOf[failure.code]
  if (policy === undefined || failure.details['offset'] === undefined) return failure
  const [setting, option] = policy
  const message = `${failure.message}. Nothing of it was committed: correct the program and start again, or set such records aside with ${setting}: 'dead-letter' (millrace run: ${option} dead-letter), or leave them out with 'skip'`
  return new StreamError(failure.code, message, { cause: failure, details: failure.details })
}

/** What a function of the program threw may be anything. */
export function asStreamError(error: unknown): StreamError {
  if (isStreamError(error)) return error
  return new StreamError('PROCESSING_FAILED', `the application failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
}
