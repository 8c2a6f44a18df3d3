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
  /** 1: made by a punctuator that runs now; 2: by one of those. */
  depth: number
}

/** Cancelled ones that wait for their time are let go before there are more of them than of the others, and of these. */
const cancelledKept = 64

/**
 * Punctuators of one kind of time. A call that is late happens once, with the time of now, and the next is on the old grid:
 * every 10 ms, asked at 3, 12, 47 and 50, runs at 12, 47 and 50 (and, starting at 0, at 3). Those due at the same time run
 * in the order of a binary heap, which is the one that upstream has them in. Semantics: PunctuationQueue.
 */
export class PunctuationQueue {
  /** The schedule at i is due no later than those at 2i + 1 and 2i + 2. */
  #heap: Schedule[] = []
  #cancelled = 0
  #running: Schedule | null = null

  /** With those that are cancelled, and not let go yet. */
  get size(): number {
    return this.#heap.length
  }

  schedule(firstAt: number, intervalMs: number, run: (timestamp: number) => void): Cancellable {
    const schedule: Schedule = { intervalMs, run, dueAt: firstAt, cancelled: false, depth: this.#running === null ? 0 : this.#running.depth + 1 }
    this.#add(schedule)
    return {
      cancel: () => {
        if (schedule.cancelled) return
        schedule.cancelled = true
        if (schedule !== this.#running && ++this.#cancelled > Math.max(cancelledKept, this.#heap.length / 2)) this.#letCancelledGo()
      },
    }
  }

  /**
   * Runs what is due at `now`, the one due first before the others; true if any ran. What is due that punctuators schedule
   * meanwhile runs as well; what these schedule waits for the next call, so that there is an end.
   */
  punctuate(now: number): boolean {
    if (this.#heap.length === 0 || this.#heap[0]!.dueAt > now) return false
    const later: Schedule[] = []
    let any = false
    for (let first = this.#heap[0]; first !== undefined && first.dueAt <= now; first = this.#heap[0]) {
      this.#removeFirst()
      if (first.cancelled) this.#cancelled--
      else if (first.depth > 1) later.push(first)
      else {
        this.#run(first, now)
        any = true
      }
    }
    for (const schedule of later) this.#add(schedule)
    for (const schedule of this.#heap) schedule.depth = 0
    return any
  }

  #run(schedule: Schedule, now: number): void {
    this.#running = schedule
    try {
      schedule.run(now)
    } finally {
      this.#running = null
    }
    if (schedule.cancelled) return
    schedule.dueAt = nextOnGrid(schedule, now)
    this.#add(schedule)
  }

  #letCancelledGo(): void {
    const kept = this.#heap.filter((schedule) => !schedule.cancelled)
    this.#heap = []
    this.#cancelled = 0
    for (const schedule of kept) this.#add(schedule)
  }

  #add(schedule: Schedule): void {
    let index = this.#heap.length
    while (index > 0) {
      const above = (index - 1) >>> 1
      if (schedule.dueAt >= this.#heap[above]!.dueAt) break
      this.#heap[index] = this.#heap[above]!
      index = above
    }
    this.#heap[index] = schedule
  }

  /** The last one takes the first one's place, and sinks to where it belongs. */
  #removeFirst(): void {
    const last = this.#heap.pop()!
    const count = this.#heap.length
    if (count === 0) return
    let index = 0
    while (2 * index + 1 < count) {
      const left = 2 * index + 1
      const below = left + 1 < count && this.#heap[left + 1]!.dueAt < this.#heap[left]!.dueAt ? left + 1 : left
      if (last.dueAt <= this.#heap[below]!.dueAt) break
      this.#heap[index] = this.#heap[below]!
      index = below
    }
    this.#heap[index] = last
  }
}

/** When a punctuator is first due that belongs to the grid of `startAt`: then, or, if that is past, at the next place after now. Semantics: KIP-1146. */
export function firstOnGrid(startAt: number, intervalMs: number, now: number): number {
  return startAt >= now ? startAt : nextOnGrid({ dueAt: startAt, intervalMs }, now)
}

function nextOnGrid({ dueAt, intervalMs }: Pick<Schedule, 'dueAt' | 'intervalMs'>, now: number): number {
  return dueAt + (Math.floor((now - dueAt) / intervalMs) + 1) * intervalMs
}
