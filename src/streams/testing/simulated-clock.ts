import type { Clock } from '../../core/index.ts'

/** A wall clock that moves only when told. It has no timers: nothing in a task waits. */
export class SimulatedClock implements Clock {
  #now: number

  constructor(startAtMs: number) {
    this.#now = startAtMs
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now
  }

  setTimer(): never {
    throw new Error('a simulated task sets no timers')
  }

  advance(ms: number): void {
    this.#now += ms
  }
}
