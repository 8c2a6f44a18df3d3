/**
 * What the worker wants of a running task, and how the task learns of it.
 * ```
 *   running ◀──pause / resume──▶ paused ──┐
 *      └──────────────────────────────────┴─ stop ──▶ stopped ── abandon, when it does not end ──▶ abandoned
 * ```
 */
export class TaskControl {
  readonly #stop = new AbortController()
  readonly #abandon = new AbortController()
  #interrupt = new AbortController()
  #paused: boolean
  #changed: (() => void)[] = []

  constructor(options: { readonly paused?: boolean } = {}) {
    this.#paused = options.paused ?? false
  }

  /** Fires once, when the task is to stop. */
  get stopSignal(): AbortSignal {
    return this.#stop.signal
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  get isPaused(): boolean {
    return this.#paused
  }

  /** Fires once, when nobody waits for the task to end any more: nothing that it does from then on may count. */
  get abandonSignal(): AbortSignal {
    return this.#abandon.signal
  }

  get isAbandoned(): boolean {
    return this.#abandon.signal.aborted
  }

  /** Fires at the next stop, pause or `interrupt`: whatever waits should return. A new one each time it has fired. */
  get interruption(): AbortSignal {
    if (this.#interrupt.signal.aborted && !this.isStopped) this.#interrupt = new AbortController()
    return this.#interrupt.signal
  }

  /** Makes what waits return, without a change. */
  interrupt(): void {
    this.#interrupt.abort()
  }

  pause(): void {
    this.#change(true)
  }

  resume(): void {
    this.#change(false)
  }

  stop(): void {
    this.#stop.abort()
    this.#wake()
  }

  abandon(): void {
    this.stop()
    this.#abandon.abort()
  }

  /** Resolves at the next pause, resume or stop; at once when stopped. */
  change(): Promise<void> {
    return this.isStopped ? Promise.resolve() : new Promise((resolve) => { this.#changed.push(resolve) })
  }

  #change(paused: boolean): void {
    if (this.#paused === paused || this.isStopped) return
    this.#paused = paused
    this.#wake()
  }

  #wake(): void {
    this.#interrupt.abort()
    for (const resolve of this.#changed.splice(0)) resolve()
  }
}
