/** What happens to a record that fails on its way: upstream's `errors.*` (KIP-298). */
import type { Clock, Random } from '../../core/index.ts'
import { isStreamError, sleep, StreamError } from '../../core/index.ts'
import type { Log } from '../connector.ts'
import { NotReady } from '../converters/not-ready.ts'
import { describeError } from '../errors.ts'
import { backoffMs } from './retry.ts'

/** Upstream's names of the stages. */
export type Stage = 'TASK_POLL' | 'TASK_PUT' | 'TRANSFORMATION' | 'KEY_CONVERTER' | 'VALUE_CONVERTER' | 'HEADER_CONVERTER' | 'KAFKA_PRODUCE' | 'KAFKA_CONSUME'

/** A failure of one record, and where on its way. */
export class StageError extends Error {
  override readonly name = 'StageError'
  readonly stage: Stage

  constructor(stage: Stage, cause: unknown) {
    super(describeError(cause), { cause })
    this.stage = stage
  }
}

/** Runs one step for a record, so that a failure says which step it was. */
export function atStage<T>(stage: Stage, step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw failedAt(stage, error)
  }
}

/** For where a record in ten million of them is worth no function: the same of what was caught. */
export function failedAt(stage: Stage, error: unknown): StageError {
  return error instanceof StageError ? error : new StageError(stage, error)
}

export interface ErrorPolicyOptions {
  readonly tolerance: 'none' | 'all'
  readonly logEnabled: boolean
  /** Whether the log may show the record. */
  readonly logsRecords: boolean
  readonly log: Log
  /** How long a retriable failure of a transform or a converter is waited out in place; -1: for ever, 0: not. */
  readonly retryTimeoutMs: number
  readonly retryMaxDelayMs: number
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

const firstRetryMs = 300

function isRetriable(error: unknown): boolean {
  const cause = error instanceof StageError ? error.cause : error
  return isStreamError(cause) && cause.retriable
}

const stageNames: Readonly<Record<Stage, string>> = {
  TASK_POLL: 'poll', TASK_PUT: 'put', TRANSFORMATION: 'a transform', KEY_CONVERTER: 'the key converter', VALUE_CONVERTER: 'the value converter',
  HEADER_CONVERTER: 'the header converter', KAFKA_PRODUCE: 'the append', KAFKA_CONSUME: 'the read',
}

/** Decides whether a record that failed is skipped or fails its task. */
export class ErrorPolicy {
  readonly #options: ErrorPolicyOptions
  #skipped = 0

  constructor(options: ErrorPolicyOptions) {
    this.#options = options
  }

  get skipped(): number {
    return this.#skipped
  }

  /** Runs a step, again with growing pauses while it fails retriably and there is time left. A promise is made only when there is something to wait for. */
  waitingOut<T>(step: () => T): T | Promise<T> {
    try {
      return step()
    } catch (error) {
      return this.waitOut(error, step)
    }
  }

  /** As `waitingOut`, for a step that has failed once. @throws the error, when waiting cannot help */
  waitOut<T>(error: unknown, step: () => T): Promise<T> {
    const cause = error instanceof StageError ? error.cause : error
    if (cause instanceof NotReady) return this.#whenReady(error, cause.ready, step)
    if (this.#options.retryTimeoutMs === 0 || !isRetriable(error)) throw error
    return this.#again(step)
  }

  /** A failure of what was waited for belongs to the stage that waited. */
  async #whenReady<T>(error: unknown, ready: Promise<void>, step: () => T): Promise<T> {
    try {
      await ready
    } catch (cause) {
      throw error instanceof StageError ? new StageError(error.stage, cause) : cause
    }
    return this.waitingOut(step)
  }

  async #again<T>(step: () => T): Promise<T> {
    const { clock, random, signal, retryTimeoutMs, retryMaxDelayMs } = this.#options
    const deadline = retryTimeoutMs < 0 ? Infinity : clock.monotonic() + retryTimeoutMs
    for (let attempt = 1; ; attempt++) {
      await sleep(clock, Math.min(backoffMs(attempt, { firstMs: firstRetryMs, maxMs: retryMaxDelayMs }, random), Math.max(0, deadline - clock.monotonic())), signal)
      try {
        return step()
      } catch (error) {
        if (!isRetriable(error) || signal.aborted) throw error
        if (clock.monotonic() >= deadline) throw new StageError(error instanceof StageError ? error.stage : 'TRANSFORMATION', new StreamError('CONNECTOR_FAILED', `${describeError(error)} (for longer than errors.retry.timeout, ${retryTimeoutMs} ms)`, { cause: error }))
      }
    }
  }

  /**
   * Returns when the record is to be skipped. `where` names the record, never its content; `record` shows it, where that is wanted.
   * @throws CONVERSION_FAILED or CONNECTOR_FAILED when it is not tolerated; the error itself when it is retriable: the world's trouble is no record's fault
   */
  tolerate(error: unknown, where: string, record?: () => string): void {
    const stage = error instanceof StageError ? error.stage : 'TASK_PUT'
    const cause = error instanceof StageError ? error.cause : error
    if (isStreamError(cause) && cause.retriable) throw cause
    const text = `${stageNames[stage]} failed for ${where}: ${describeError(cause)}`
    if (this.#options.tolerance === 'none') {
      const code = stage.endsWith('CONVERTER') ? 'CONVERSION_FAILED' : 'CONNECTOR_FAILED'
      throw new StreamError(code, `${text}. errors.tolerance=none, so the task stops here; with errors.tolerance=all such records are skipped`, { cause })
    }
    this.#skipped++
    if (!this.#options.logEnabled) return
    const shown = this.#options.logsRecords && record !== undefined ? `: ${record()}` : ''
    this.#options.log.error(`${text} (skipped)${shown}`)
  }
}
