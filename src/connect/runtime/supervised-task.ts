import type { Clock, Random } from '../../core/index.ts'
import { isStreamError, settledWithin, sleep } from '../../core/index.ts'
import type { Log } from '../connector.ts'
import { describeError } from '../errors.ts'
import { backoffMs } from './retry.ts'
import type { HostedTask } from './task-host.ts'
import type { GaugeReading } from './task-gauges.ts'
import { noProgress } from './task-spec.ts'
import type { TaskProgress } from './task-spec.ts'

export type TaskState = 'UNASSIGNED' | 'RUNNING' | 'PAUSED' | 'FAILED' | 'RESTARTING'

export interface RestartPolicy {
  readonly isEnabled: boolean
  readonly firstMs: number
  readonly maxMs: number
  /** In a row; Infinity: no end. */
  readonly maxAttempts: number
}

export interface SupervisedTaskOptions {
  readonly id: number
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly restart: RestartPolicy
  readonly gracefulMs: number
  readonly launch: (start: { readonly isPaused: boolean; readonly report: (progress: TaskProgress) => void }) => HostedTask
  readonly onChange: () => void
}

export interface TaskStatus {
  readonly id: number
  readonly state: TaskState
  /** Why it failed, with the stack. */
  readonly trace?: string
  /** Restarts in a row so far. */
  readonly attempts: number
  /** When it is started again: milliseconds since the epoch. */
  readonly restartsAt?: number
  /** Appended (source) or taken by `put` (sink) since the worker began. */
  readonly records: number
  readonly skipped: number
  /** What it waits out: an outside system that is away. */
  readonly waitingFor?: string
}

/**
 * Keeps one task alive.
 * ```
 *   UNASSIGNED ──start returned──▶ RUNNING ◀─▶ PAUSED
 *                                    │ fails
 *                                    ▼
 *                               RESTARTING ──wait, doubling; start returned──▶ RUNNING
 *                                    └─ out of attempts, or no policy ─▶ FAILED
 * ```
 * One that is paused from the first is shown so while it starts, too.
 * A failure that is retriable (the log or a service is away) is waited out whatever the policy says.
 */
export class SupervisedTask {
  readonly #options: SupervisedTaskOptions
  readonly #stopping = new AbortController()
  #hosted: HostedTask | undefined
  #state: TaskState = 'UNASSIGNED'
  #isPaused: boolean
  #failure: unknown
  #attempts = 0
  #isRelaunching = false
  #restartsAt: number | undefined
  #progress: TaskProgress = noProgress
  /** Counted by launches that ended. */
  #before = noProgress
  #supervision: Promise<void> = Promise.resolve()

  constructor(options: SupervisedTaskOptions, { isPaused }: { readonly isPaused: boolean }) {
    this.#options = options
    this.#isPaused = isPaused
  }

  start(): void {
    this.#supervision = this.#supervise()
  }

  get status(): TaskStatus {
    const { waitingFor } = this.#progress
    return {
      id: this.#options.id,
      state: this.#state,
      attempts: this.#attempts,
      records: this.#before.records + this.#progress.records,
      skipped: this.#before.skipped + this.#progress.skipped,
      ...(this.#failure !== undefined && { trace: traceOf(this.#failure) }),
      ...(this.#restartsAt !== undefined && { restartsAt: this.#restartsAt }),
      ...(waitingFor !== null && { waitingFor }),
    }
  }

  /** How many records of each topic it wrote or took since it was started the last time. */
  get topicRecords(): Readonly<Record<string, number>> {
    return this.#progress.topicRecords
  }

  /** What the task says about itself in numbers; empty while it does not run. */
  gauges(): readonly GaugeReading[] {
    return this.#hosted?.gauges() ?? []
  }

  /** What it failed with for good. */
  get failure(): unknown {
    return this.#state === 'FAILED' ? this.#failure : undefined
  }

  pause(): void {
    this.#isPaused = true
    this.#hosted?.pause()
    if (this.#state === 'RUNNING') this.#become('PAUSED')
  }

  resume(): void {
    this.#isPaused = false
    this.#hosted?.resume()
    if (this.#state === 'PAUSED' && this.#progress.isStarted) this.#become('RUNNING')
  }

  /** Stops it cleanly, if it does so in time, and starts it anew, with its config filled in again; not while it waits for a restart or has failed. */
  relaunch(): void {
    const hosted = this.#hosted
    if (hosted === undefined || this.#isRelaunching) return
    this.#isRelaunching = true
    this.#become('RESTARTING')
    const { clock, gracefulMs } = this.#options
    hosted.stop()
    const late = clock.setTimer(gracefulMs, () => void hosted.kill())
    void hosted.done.catch(() => {}).finally(() => late.cancel())
  }

  /** Resolves when it has stopped, cleanly if it does so in time. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#hosted?.stop()
    const { clock, gracefulMs, log, name } = this.#options
    if (!(await settledWithin(this.#supervision, clock, gracefulMs))) {
      log.warn(`${name}: did not stop within ${gracefulMs} ms and is ended; what it had not committed comes again`)
      await this.#hosted?.kill()
    }
    if (this.#state !== 'FAILED') this.#become('UNASSIGNED')
  }

  async #supervise(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const failure = await this.#runOnce()
      if (this.#isRelaunching) {
        this.#isRelaunching = false
        continue
      }
      if (failure === undefined || this.#stopping.signal.aborted) return
      if (!this.#mayRestart(failure.error)) return this.#fail(failure.error)
      await this.#waitForRestart(failure.error)
    }
  }

  /** undefined: it stopped cleanly. */
  async #runOnce(): Promise<{ readonly error: unknown } | undefined> {
    const { clock, launch, restart } = this.#options
    const startedMs = clock.monotonic()
    if (this.#isPaused) this.#become('PAUSED')
    try {
      this.#hosted = launch({ isPaused: this.#isPaused, report: (progress) => this.#report(progress) })
      await this.#hosted.done
      return undefined
    } catch (error) {
      return { error }
    } finally {
      this.#hosted = undefined
      this.#before = { ...noProgress, records: this.#before.records + this.#progress.records, skipped: this.#before.skipped + this.#progress.skipped }
      this.#progress = noProgress
      if (clock.monotonic() - startedMs > restart.maxMs) this.#attempts = 0
    }
  }

  #mayRestart(error: unknown): boolean {
    const { restart } = this.#options
    if (isStreamError(error) && error.retriable) return true
    if (isStreamError(error, 'INVALID_CONFIG') || isStreamError(error, 'PLUGIN_NOT_FOUND')) return false
    return restart.isEnabled && this.#attempts < restart.maxAttempts
  }

  #fail(error: unknown): void {
    const { log, name } = this.#options
    this.#failure = error
    log.error(`${name}: failed: ${describeError(error)}`)
    this.#become('FAILED')
  }

  async #waitForRestart(error: unknown): Promise<void> {
    const { clock, random, restart, log, name } = this.#options
    this.#attempts++
    this.#failure = error
    const delayMs = backoffMs(this.#attempts, restart, random)
    this.#restartsAt = clock.now() + delayMs
    const isOldNews = isStreamError(error) && error.retriable && this.#attempts > 1
    if (!isOldNews) log.warn(`${name}: failed: ${describeError(error)}; it is started again in ${Math.round(delayMs / 100) / 10} s (attempt ${this.#attempts})`)
    this.#become('RESTARTING')
    await sleep(clock, delayMs, this.#stopping.signal)
    this.#restartsAt = undefined
  }

  #report(progress: TaskProgress): void {
    const isNews = progress.isStarted && !this.#progress.isStarted
    this.#progress = progress
    if (!isNews || this.#stopping.signal.aborted) return this.#options.onChange()
    this.#failure = undefined
    this.#become(this.#isPaused ? 'PAUSED' : 'RUNNING')
  }

  #become(state: TaskState): void {
    this.#state = state
    this.#options.onChange()
  }
}

/** The error with its stack and its causes. */
export function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.stack ?? error.message
  return error.cause === undefined ? own : `${own}\nCaused by: ${traceOf(error.cause)}`
}
