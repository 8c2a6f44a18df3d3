import { StreamError, isStreamError, sleep } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import type { Metric } from '../app-metrics.ts'
import type { FailureDecision } from '../config.ts'
import { newThreadMetrics, sumOfMetrics } from '../runtime/thread-metrics.ts'
import type { ThreadMetrics } from '../runtime/thread-metrics.ts'
import type { AppThread, ThreadEvents, ThreadState } from './app-thread.ts'

export interface AppThreadsOptions {
  readonly open: (index: number, onState: ThreadEvents['onState'], asksShutdown: boolean) => AppThread
  /** What happens after a thread died without having asked itself. */
  readonly decide: (failure: StreamError) => FailureDecision | Promise<FailureDecision>
  /** `running` when all threads are. */
  readonly onState: (state: ThreadState) => void
  readonly clock: Clock
}

interface Slot {
  thread: AppThread
  state: ThreadState
  hasStarted: boolean
  /** It was told to stop, alone or with all. */
  isStopped: boolean
  ended: Promise<void>
}

const maxBackoffMs = 10_000

/** The stream threads of an application: they start together, are added and removed one by one, and end together after a failure. */
export class AppThreads {
  readonly #options: AppThreadsOptions
  readonly #slots = new Map<number, Slot>()
  readonly #stop = new AbortController()
  readonly #stoppedThreads: AppThread[] = []
  #failedThreads = 0
  #isPaused = false
  #endedMetrics: Readonly<ThreadMetrics> = newThreadMetrics()
  #failure: StreamError | null = null
  /** Not null: somebody waits for the end of all threads. */
  #finish: { readonly resolve: () => void; readonly reject: (failure: StreamError) => void } | null = null
  /** Resolves when all threads have ended after `stop`, or rejects with the failure that ended them. */
  readonly finished: Promise<void>

  constructor(options: AppThreadsOptions) {
    this.#options = options
    this.finished = new Promise((resolve, reject) => { this.#finish = { resolve, reject } })
    this.finished.catch(() => {})
  }

  get threads(): readonly AppThread[] {
    return [...this.#slots.values()].map(({ thread }) => thread)
  }

  /** What each thread measures, or measured when all were told to stop. */
  metricValues(): readonly (readonly Metric[])[] {
    return [...this.#stoppedThreads, ...this.threads].map((thread) => thread.metricValues())
  }

  /** Threads that an error ended, those that were replaced included. */
  get failedThreads(): number {
    return this.#failedThreads
  }

  /** Of all threads, those that have ended included. */
  metrics(): Readonly<ThreadMetrics> {
    return sumOfMetrics([this.#endedMetrics, ...this.threads.map((thread) => thread.metrics())])
  }

  /** Resolves when every thread has its first tasks. @throws the failure of the first one that cannot start, after all have ended */
  async start(count: number): Promise<void> {
    try {
      await Promise.all(Array.from({ length: count }, () => this.#startOne()))
    } catch (error) {
      this.end(asFailure(error))
      await this.finished.catch(() => {})
      throw error
    }
  }

  /** Resolves with its name when the thread has its first tasks. @throws what prevents that; the others go on */
  async add(): Promise<string> {
    return (await this.#startOne()).name
  }

  /** Stops the youngest thread after what it is at, and resolves with its name when the others can have its tasks; null when there is none. */
  async remove(): Promise<string | null> {
    const index = Math.max(...[...this.#slots].filter(([, { isStopped }]) => !isStopped).map(([each]) => each))
    const slot = this.#slots.get(index)
    if (slot === undefined) return null
    slot.isStopped = true
    slot.thread.stop()
    await slot.ended
    return slot.thread.name
  }

  /** Also the threads that come later. */
  pause(): void {
    this.#isPaused = true
    for (const { thread } of this.#slots.values()) thread.pause()
  }

  resume(): void {
    this.#isPaused = false
    for (const { thread } of this.#slots.values()) thread.resume()
  }

  /** As each thread's. */
  commitWhenIdle(): void {
    for (const { thread } of this.#slots.values()) thread.commitWhenIdle()
  }

  /** Lets every thread commit and leave. */
  stop(): void {
    this.#stop.abort()
    for (const slot of this.#slots.values()) {
      slot.isStopped = true
      slot.thread.stop()
    }
    this.#finishIfDone()
  }

  // -------------------------------------------------------------------------------------------- one thread

  async #startOne(): Promise<AppThread> {
    let index = 1
    while (this.#slots.has(index)) index++
    const slot: Slot = { thread: this.#open(index, false), state: 'rebalancing', hasStarted: false, isStopped: this.#stop.signal.aborted, ended: Promise.resolve() }
    this.#slots.set(index, slot)
    if (slot.isStopped) slot.thread.stop()
    await new Promise<void>((resolve, reject) => {
      const started = () => {
        slot.hasStarted = true
        resolve()
      }
      slot.ended = this.#run(slot, index, started).then(() => null, asFailure).then((failure) => {
        this.#ended(index, slot, failure)
        if (failure === null) resolve()
        else reject(failure)
      })
    })
    return slot.thread
  }

  #open(index: number, asksShutdown: boolean): AppThread {
    const thread = this.#options.open(index, (state) => {
      const slot = this.#slots.get(index)
      if (slot !== undefined) slot.state = state
      this.#tellState()
    }, asksShutdown)
    if (this.#isPaused) thread.pause()
    return thread
  }

  /** Until it is stopped, or fails for good. A thread that died without asking is replaced if the application says so, be it to ask that all ends. */
  async #run(slot: Slot, index: number, onStarted: () => void): Promise<void> {
    for (let deaths = 0; ; deaths++) {
      let decision: FailureDecision
      try {
        return await slot.thread.run(onStarted)
      } catch (error) {
        this.#failedThreads++
        if (!isStreamError(error, 'THREAD_DIED') || slot.isStopped) throw error
        decision = await this.#options.decide(error)
        if (decision === 'shutdown') throw error
      }
      await sleep(this.#options.clock, Math.min(maxBackoffMs, 50 * 2 ** deaths), this.#stop.signal)
      if (slot.isStopped) return
      this.#endedMetrics = sumOfMetrics([this.#endedMetrics, slot.thread.metrics()])
      slot.thread = this.#open(index, decision === 'shutdown-application')
    }
  }

  #ended(index: number, slot: Slot, failure: StreamError | null): void {
    this.#slots.delete(index)
    this.#endedMetrics = sumOfMetrics([this.#endedMetrics, slot.thread.metrics()])
    if (this.#stop.signal.aborted) this.#stoppedThreads.push(slot.thread)
    if (failure !== null && slot.hasStarted) this.end(failure)
    else if (this.#slots.size > 0) this.#tellState()
    this.#finishIfDone()
  }

  #tellState(): void {
    this.#options.onState([...this.#slots.values()].every(({ state }) => state === 'running') ? 'running' : 'rebalancing')
  }

  /** All threads end, and the application with them. */
  end(failure: StreamError): void {
    this.#failure ??= failure
    this.stop()
  }

  #finishIfDone(): void {
    if (!this.#stop.signal.aborted || this.#slots.size > 0) return
    if (this.#failure === null) this.#finish?.resolve()
    else this.#finish?.reject(this.#failure)
  }
}

function asFailure(error: unknown): StreamError {
  return isStreamError(error) ? error : new StreamError('PROCESSING_FAILED', String(error), { cause: error })
}
