import type { Clock, Random } from '../../core/index.ts'
import { isStreamError, sleep, StreamError } from '../../core/index.ts'
import type { Log } from '../connector.ts'
import { describeError } from '../errors.ts'

const firstDelayMs = 300

export interface RetryOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signal: AbortSignal
  readonly maxDelayMs: number
  /** What is waited out. Default: what says of itself that it is retriable. */
  readonly isPassing?: (error: unknown) => boolean
  /** Told what is waited for, and null when it is over. */
  readonly waiting: (reason: string | null) => void
  /** A wait that the caller wants in place of the next back-off, once. */
  readonly takeDelay?: () => number | undefined
  /** Called instead of sleeping. Default: sleep. */
  readonly pause?: (delayMs: number) => Promise<void>
}

/**
 * Calls until it succeeds or fails for good: an error that may pass is waited out, with doubling waits up to the ceiling and a
 * random part, so that many tasks do not come back at once. The trouble is logged once when it begins and once when it ends.
 * @throws ABORTED when the signal fires while waiting
 */
export async function retrying<T>(what: string, call: () => Promise<T> | T, options: RetryOptions): Promise<T> {
  const { isPassing = (error) => isStreamError(error) && error.retriable } = options
  for (let attempt = 1; ; attempt++) {
    try {
      const result = await call()
      if (attempt > 1) reportEnd(what, attempt, options)
      return result
    } catch (error) {
      if (!isPassing(error)) throw error
      if (attempt === 1) reportBegin(what, error, options)
      await waitBefore(attempt, options)
      if (options.signal.aborted) throw new StreamError('ABORTED', `${what}: stopped while waiting (${describeError(error)})`, { cause: error })
    }
  }
}

function reportBegin(what: string, error: unknown, { log, waiting }: RetryOptions): void {
  log.warn(`${what}: ${describeError(error)}; waiting, will try again until it works`)
  waiting(describeError(error))
}

function reportEnd(what: string, attempt: number, { log, waiting }: RetryOptions): void {
  log.info(`${what}: works again, at attempt ${attempt}`)
  waiting(null)
}

function waitBefore(attempt: number, { clock, random, signal, maxDelayMs, takeDelay, pause }: RetryOptions): Promise<void> {
  const delayMs = takeDelay?.() ?? backoffMs(attempt, { firstMs: firstDelayMs, maxMs: maxDelayMs }, random)
  return pause === undefined ? sleep(clock, delayMs, signal) : pause(delayMs)
}

/** Doubles with each attempt up to the ceiling; the last fifth of it is random. */
export function backoffMs(attempt: number, { firstMs, maxMs }: { readonly firstMs: number; readonly maxMs: number }, random: Random): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30))
  return Math.ceil(ceiling * (0.8 + 0.2 * random.next()))
}
