import type { Clock, Timer } from './clock.ts'

/** Kafka's `max.poll.interval.ms`. */
const defaultMaxPollIntervalMs = 300_000
/** Beyond it a timer of Node fires at once. */
const longestTimerMs = 2 ** 31 - 1

/**
 * Watches that a member of a group goes on reading: heartbeats only say that its process lives.
 * ```
 *   stopped ──done()──▶ counting ──begin()──▶ reading ──done()──▶ counting ──time is up──▶ stopped, and `onExpired`
 * ```
 * One timer in all, not one a read.
 */
export class PollDeadline {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #onExpired: () => void
  #timer: Timer | null = null
  #isReading = false
  /** On the monotonic clock. */
  #lastReadMs = 0
  #reads = 0

  constructor(clock: Clock, intervalMs: number | undefined, onExpired: () => void) {
    this.#clock = clock
    this.#intervalMs = intervalMs ?? defaultMaxPollIntervalMs
    this.#onExpired = onExpired
  }

  begin(): void {
    this.#isReading = true
    this.#reads++
  }

  /** From now on the time counts. */
  done(): void {
    this.#isReading = false
    this.#lastReadMs = this.#clock.monotonic()
    if (this.#timer === null) this.#setTimer(this.#intervalMs)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #setTimer(delayMs: number): void {
    this.#timer = this.#clock.setTimer(Math.min(delayMs, longestTimerMs), () => this.#look())
  }

  /** A process that stood still finds its timers due before its own reads: they get their turn first. */
  #look(): void {
    const remainingMs = this.#isReading ? this.#intervalMs : this.#lastReadMs + this.#intervalMs - this.#clock.monotonic()
    if (remainingMs > 0) return this.#setTimer(remainingMs)
    const { lastReads, timer } = { lastReads: this.#reads, timer: this.#timer }
    setImmediate(() => {
      if (this.#timer !== timer) return
      if (this.#reads !== lastReads) return this.#setTimer(this.#intervalMs)
      this.stop()
      this.#onExpired()
    })
  }
}
