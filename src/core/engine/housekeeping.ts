import type { Clock } from '../clock.ts'

/** As Kafka: who starts has something better to do first. */
const initialDelayMs = 30_000

/** One thing to tidy up; does a bounded amount of work between two awaits, and may throw: the others go on. */
export type Chore = () => Promise<void>

/**
 * Runs the chores of an engine one after the other, at most once an interval, set off by its use and not by a timer: an
 * engine that nobody uses grows no files, needs no processor time and keeps no process alive.
 */
export class Housekeeping {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #chores: readonly Chore[]
  #lastRun: number
  #running: Promise<void> | null = null
  #closed = false

  constructor(clock: Clock, intervalMs: number, chores: readonly Chore[]) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#chores = chores
    this.#lastRun = clock.monotonic() - intervalMs + initialDelayMs
  }

  /** Called with every use of the engine: a comparison of two numbers until the interval is over. */
  poke(): void {
    if (this.#clock.monotonic() - this.#lastRun < this.#intervalMs || this.#running !== null) return
    this.#lastRun = this.#clock.monotonic()
    this.#running = this.#run().finally(() => (this.#running = null))
  }

  /** Starts nothing more, and resolves when the chore at hand is done. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    for (const chore of this.#chores) {
      if (this.#closed) return
      // What failed now (a full disk) is tried again next time; whoever writes is told about the disk.
      await chore().catch(() => undefined)
    }
  }
}
