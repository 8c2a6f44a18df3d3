import type { SinkRecord } from '../connect-record.ts'
import type { DeadLetters, Refused } from './dead-letter.ts'
import { refusedOf } from './dead-letter.ts'
import type { ErrorPolicy } from './error-policy.ts'
import { StageError } from './error-policy.ts'
import { ReadRecord } from './record-codec.ts'

/** Records that cannot be converted, or that a sink task refuses: tolerated or not, kept in the dead-letter topic or not. */
export class RejectedRecords {
  readonly #errors: ErrorPolicy
  readonly #deadLetters: DeadLetters | null
  /** On their way to the dead-letter topic: no offset is committed before they are there. */
  readonly #pending = new Set<Promise<void>>()
  #failure: unknown

  constructor(errors: ErrorPolicy, deadLetters: DeadLetters | null) {
    this.#errors = errors
    this.#deadLetters = deadLetters
  }

  /** Resolves when it is kept. @throws when it is not tolerated */
  async refuse(record: Refused, error: unknown): Promise<void> {
    this.#errors.tolerate(error, `topic ${record.topic}, partition ${record.partition}, offset ${record.offset}`, () => `timestamp ${record.timestamp}, key of ${record.key?.length ?? 0} bytes, value of ${record.value?.length ?? 0} bytes`)
    await this.#deadLetters?.send(record, error)
  }

  /** As `refuse`, for a record that was handed to the task. What goes wrong is kept for `settle`, so that it cannot be overlooked. */
  reject(record: SinkRecord, error: unknown): Promise<void> {
    const raw = ReadRecord.rawOf(record)
    const sent = raw === undefined
      ? Promise.reject(new StageError('TASK_PUT', new Error('only a record that was handed to put can be rejected')))
      : this.refuse(refusedOf(record, raw), new StageError('TASK_PUT', error))
    const settled: Promise<void> = sent.catch((failure: unknown) => { this.#failure ??= failure }).finally(() => { this.#pending.delete(settled) })
    this.#pending.add(settled)
    return sent
  }

  /** Resolves when every rejection so far is kept. @throws the first that is not tolerated or could not be kept */
  async settle(): Promise<void> {
    await Promise.all(this.#pending)
    this.throwFailure()
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure as Error
  }
}
