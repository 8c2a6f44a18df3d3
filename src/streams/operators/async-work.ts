/** An operator whose functions wait: its results come later than its input. */
export interface AsyncSource {
  /** It takes no more input for now. */
  readonly isFull: boolean
  /** No call is under way, and no result waits to be sent on. */
  readonly isIdle: boolean
  /** Sends on what has come, as far as its order allows; true if there was something. */
  send(): boolean
}

/**
 * What the operators of one task have under way outside of it. Results are only ever sent on when the task asks, between two
 * records, so that everything else about a task stays synchronous.
 */
export class AsyncWork {
  readonly #sources = new Set<AsyncSource>()
  /** Of who waits; who has come to wait again does not any more for what it waited for before. */
  #wake: (() => void) | null = null
  #hasNews = false

  add(source: AsyncSource): void {
    this.#sources.add(source)
  }

  remove(source: AsyncSource): void {
    this.#sources.delete(source)
  }

  /** No operator's functions wait. */
  get isEmpty(): boolean {
    return this.#sources.size === 0
  }

  get isFull(): boolean {
    if (this.#sources.size === 0) return false
    for (const source of this.#sources) if (source.isFull) return true
    return false
  }

  get isIdle(): boolean {
    for (const source of this.#sources) if (!source.isIdle) return false
    return true
  }

  send(): boolean {
    this.#hasNews = false
    let any = false
    for (const source of this.#sources) any = source.send() || any
    return any
  }

  /** A call has come to its end. */
  notify(): void {
    this.#hasNews = true
    this.#wake?.()
    this.#wake = null
  }

  /** Resolves when a call has come to its end since `send` was last called, unless it is asked for again before that: the thread, which is the only one that waits, does so every few milliseconds while a call takes long. */
  next(): Promise<void> {
    return this.#hasNews ? Promise.resolve() : new Promise((resolve) => (this.#wake = resolve))
  }
}
