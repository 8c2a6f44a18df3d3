/**
 * Shares one disk sync among all who wait: whoever asks while one runs gets the next one, which starts when the running one
 * ends. At most one runs at a time.
 */
export class GroupCommit {
  readonly #run: () => Promise<void>
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null

  /** `run` makes durable everything that was written before it is called. */
  constructor(run: () => Promise<void>) {
    this.#run = run
  }

  /** One runs, or is about to. */
  get isBusy(): boolean {
    return this.#running !== null || this.#next !== null
  }

  /** Resolves when everything written before this call is durable; rejects when that is not known. */
  commit(): Promise<void> {
    // Also in the moment between two of them, when the next one has its turn.
    if (this.#next !== null) return this.#next
    if (this.#running === null) return this.#start()
    this.#next = this.#running.then(() => this.#startNext(), () => this.#startNext())
    return this.#next
  }

  /** Resolves when nothing runs and nobody waits. */
  async idle(): Promise<void> {
    while (this.isBusy) await (this.#next ?? this.#running)?.catch(() => undefined)
  }

  #start(): Promise<void> {
    const running = this.#run().finally(() => {
      if (this.#running === running) this.#running = null
    })
    this.#running = running
    return running
  }

  #startNext(): Promise<void> {
    this.#next = null
    return this.#start()
  }
}
