import type { Clock } from '../../core/index.ts'

/** Longest wait for input while somebody waits for a commit: what comes within it is committed with what is there. */
const awaitedPollMs = 5

/** When the next commit of a thread is due: after the interval, or before it as soon as nothing is left to do and somebody waits for that. */
export class CommitSchedule {
  readonly #clock: Clock
  readonly #intervalMs: number
  /** Something was read or processed since the last commit was begun. */
  isDirty = false
  /** Somebody waits for the commit behind which nothing is left. */
  #isAwaited = false
  #begunAt = 0

  constructor({ clock, commitIntervalMs }: { readonly clock: Clock; readonly commitIntervalMs: number }) {
    this.#clock = clock
    this.#intervalMs = commitIntervalMs
  }

  /** Since the last commit was begun. */
  get elapsedMs(): number {
    return this.#clock.monotonic() - this.#begunAt
  }

  commitWhenIdle(): void {
    this.#isAwaited = true
  }

  begin(): void {
    this.#begunAt = this.#clock.monotonic()
  }

  /** How long to wait for input: with something to commit, no longer than until that is due. */
  pollMs(longestMs: number): number {
    if (!this.isDirty) return longestMs
    return Math.max(0, Math.min(this.#isAwaited ? awaitedPollMs : longestMs, this.#intervalMs - this.elapsedMs))
  }

  /** Whether a commit is to begin; who waited for it need not be thought of again. */
  takeDue(isIdle: () => boolean): boolean {
    if (!this.isDirty) return false
    if (this.elapsedMs >= this.#intervalMs) return true
    if (!this.#isAwaited || !isIdle()) return false
    this.#isAwaited = false
    return true
  }
}
