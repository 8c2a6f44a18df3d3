import { sleep } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Random } from '../random.ts'
import { remedyForFailure } from './kafka-errors.ts'
import type { Remedy } from './kafka-errors.ts'

export interface RetryPolicy {
  readonly clock: Clock
  readonly random: Random
  /** The last failure is thrown when this has passed; at least one attempt is made. */
  readonly timeoutMs: number
  /** What is known about leaders or coordinators is forgotten here, before the next attempt. */
  readonly apply: (remedy: Remedy) => void
  /** Gives up at once, with the failure. */
  readonly signal?: AbortSignal
}

const firstDelayMs = 20
const longestDelayMs = 1_000

/** Repeats the attempt while its failure has a remedy, waiting 20 ms, then twice as long each time up to a second, ±20 %. */
export async function retrying<T>(policy: RetryPolicy, attempt: () => Promise<T>): Promise<T> {
  const deadline = policy.clock.monotonic() + policy.timeoutMs
  for (let failures = 0; ; failures++) {
    try {
      return await attempt()
    } catch (error) {
      const remedy = remedyForFailure(error)
      if (remedy === 'fail' || policy.clock.monotonic() >= deadline || policy.signal?.aborted === true) throw error
      policy.apply(remedy)
      await sleep(policy.clock, retryDelayMs(failures, policy.random), policy.signal)
    }
  }
}

export function retryDelayMs(failures: number, random: Random): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(failures, 10)) * (0.8 + 0.4 * random.next())
}
