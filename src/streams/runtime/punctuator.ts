/** When punctuators are due: by the task's stream time, or by the wall clock. */
export type PunctuationType = 'stream-time' | 'wall-clock'

/** A scheduled punctuator; its owner cancels it. */
export interface Cancellable {
  /** No call after this, also when asked for inside the punctuator itself. */
  cancel(): void
}

interface Schedule {
  readonly intervalMs: number
  readonly run: (timestamp: number) => void
  dueAt: number
  cancelled: boolean
}

/**
 * Punctuators of one kind of time. A call that is late happens once, with the time of now, and the next is on the old grid:
 * every 10 ms, asked at 3, 12, 47 and 50, runs at 12, 47 and 50 (and, starting at 0, at 3). Semantics: PunctuationQueue.
 */
export class PunctuationQueue {
  #schedules: Schedule[] = []

  schedule(firstAt: number, intervalMs: number, run: (timestamp: number) => void): Cancellable {
    const schedule: Schedule = { intervalMs, run, dueAt: firstAt, cancelled: false }
    this.#schedules.push(schedule)
    return {
      cancel: () => {
        schedule.cancelled = true
        this.#schedules = this.#schedules.filter((other) => other !== schedule)
      },
    }
  }

  /** Runs what is due at `now`, the one due first before the others; true if any ran. */
  punctuate(now: number): boolean {
    if (this.#schedules.length === 0) return false
    const due = this.#schedules.filter((schedule) => schedule.dueAt <= now).sort((a, b) => a.dueAt - b.dueAt)
    for (const schedule of due) {
      if (schedule.cancelled) continue
      schedule.dueAt = nextOnGrid(schedule, now)
      schedule.run(now)
    }
    return due.length > 0
  }
}

/** When a punctuator is first due that belongs to the grid of `startAt`: then, or, if that is past, at the next place after now. Semantics: KIP-1146. */
export function firstOnGrid(startAt: number, intervalMs: number, now: number): number {
  return startAt >= now ? startAt : nextOnGrid({ dueAt: startAt, intervalMs }, now)
}

function nextOnGrid({ dueAt, intervalMs }: Pick<Schedule, 'dueAt' | 'intervalMs'>, now: number): number {
  return dueAt + (Math.floor((now - dueAt) / intervalMs) + 1) * intervalMs
}
