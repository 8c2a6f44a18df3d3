/** What happens to a record that fails on its way: upstream's `errors.*` (KIP-298). */
import { isStreamError, StreamError } from '../../core/index.ts'
import type { Log } from '../connector.ts'
import { describeError } from '../errors.ts'

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
    throw error instanceof StageError ? error : new StageError(stage, error)
  }
}

export interface ErrorPolicyOptions {
  readonly tolerance: 'none' | 'all'
  readonly logEnabled: boolean
  readonly log: Log
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

  /**
   * Returns when the record is to be skipped. `where` names the record, never its content.
   * @throws CONVERSION_FAILED or CONNECTOR_FAILED when it is not tolerated; the error itself when it is retriable: the world's trouble is no record's fault
   */
  tolerate(error: unknown, where: string): void {
    const stage = error instanceof StageError ? error.stage : 'TASK_PUT'
    const cause = error instanceof StageError ? error.cause : error
    if (isStreamError(cause) && cause.retriable) throw cause
    const text = `${stageNames[stage]} failed for ${where}: ${describeError(cause)}`
    if (this.#options.tolerance === 'none') {
      const code = stage.endsWith('CONVERTER') ? 'CONVERSION_FAILED' : 'CONNECTOR_FAILED'
      throw new StreamError(code, `${text}. errors.tolerance=none, so the task stops here; with errors.tolerance=all such records are skipped`, { cause })
    }
    this.#skipped++
    if (this.#options.logEnabled) this.#options.log.error(`${text} (skipped)`)
  }
}
