import type { Clock, Timer } from '../../src/core/clock.ts'

interface PendingTimer {
  readonly dueMs: number
  readonly callback: () => void
}

/** A clock that a test moves. Timers fire in order of their due time, each after what the one before started in microtasks has settled. */
export class ManualClock implements Clock {
  #nowMs: number
  #elapsedMs = 0
  /** In the order they were set. */
  readonly #timers = new Set<PendingTimer>()

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), callback }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Lets time pass; what is due fires on the way. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms
    await settle()
    for (let next; (next = this.#nextDue(endMs)) !== null;) {
      this.#moveTo(next.dueMs)
      this.#timers.delete(next)
      next.callback()
      await settle()
    }
    this.#moveTo(endMs)
  }

  /** The machine's clock is set: wall-clock time jumps, no time passes. */
  jump(ms: number): void {
    this.#nowMs += ms
  }

  #moveTo(elapsedMs: number): void {
    this.#nowMs += elapsedMs - this.#elapsedMs
    this.#elapsedMs = elapsedMs
  }

  #nextDue(endMs: number): PendingTimer | null {
    let next: PendingTimer | null = null
    for (const timer of this.#timers) if (timer.dueMs <= endMs && (next === null || timer.dueMs < next.dueMs)) next = timer
    return next
  }
}

/** Longer than any chain of promises that a test waits for; no real time passes. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}
