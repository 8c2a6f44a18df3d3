import type { Clock, Timer } from '../../core/index.ts'

interface SetTimer {
  readonly at: number
  readonly callback: () => void
}

/** Time that passes only when told, and then fires the timers that it passes, in order; and a wall clock that may be set besides. */
export class SimulatedClock implements Clock {
  #now: number
  /** What the wall clock was set forward by, in all. */
  #jumpedMs = 0
  #timers: SetTimer[] = []

  constructor(startAtMs: number) {
    this.#now = startAtMs
  }

  now(): number {
    return this.#now + this.#jumpedMs
  }

  monotonic(): number {
    return this.#now
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), callback }
    this.#timers.push(timer)
    return { cancel: () => { this.#timers = this.#timers.filter((other) => other !== timer) } }
  }

  /** The wall clock is set; no time passes. */
  jump(ms: number): void {
    this.#jumpedMs += ms
  }

  advance(ms: number): void {
    const end = this.#now + ms
    for (let due = this.#nextDue(end); due !== null; due = this.#nextDue(end)) {
      this.#timers = this.#timers.filter((timer) => timer !== due)
      this.#now = Math.max(this.#now, due.at)
      due.callback()
    }
    this.#now = end
  }

  #nextDue(end: number): SetTimer | null {
    let first: SetTimer | null = null
    for (const timer of this.#timers) if (timer.at <= end && (first === null || timer.at < first.at)) first = timer
    return first
  }
}
