import type { Clock } from '../../../core/index.ts'

interface Stage {
  readonly description: string
  readonly startedAt: number
  endedAt: number | null
}

/** What a worker does for those who ask something of it: told to those whom it takes too long (KIP-1007). */
export class Stages {
  readonly #clock: Clock
  #newest: Stage | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Of several that go on at a time it is the newest that is told. */
  async during<T>(description: string, work: () => T | Promise<T>): Promise<T> {
    const stage: Stage = { description, startedAt: this.#clock.now(), endedAt: null }
    this.#newest = stage
    try {
      return await work()
    } finally {
      stage.endedAt = this.#clock.now()
    }
  }

  /** Upstream's sentence; empty before anything was done. */
  get text(): string {
    if (this.#newest === undefined) return ''
    const { description, startedAt, endedAt } = this.#newest
    const began = `${description}, which began at ${new Date(startedAt).toISOString()}`
    return endedAt === null ? `The worker is currently ${began}` : `The last operation the worker completed was ${began} and completed at ${new Date(endedAt).toISOString()}`
  }
}
