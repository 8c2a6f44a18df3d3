import { isStreamError } from '../../core/index.ts'
import type { HostedTask, HostedTaskOptions, TaskHost } from './task-host.ts'

/** A task of one of the plans of its connector. */
export interface PlannedTask {
  readonly connector: string
  readonly task: number
  /** Of the plan, as this worker counts them. */
  readonly generation: number
}

/** What a task of an exactly-once source passes before it writes: no task of an earlier plan may be able to any more (KIP-618). */
export interface SourceGate {
  /** Before the task is started. Resolves when every task of an earlier plan is shut out. @throws BACKEND_UNAVAILABLE, retriable, ABORTED */
  enter(task: PlannedTask, signal: AbortSignal): Promise<void>
  /** When the task has its transactional id, and before its first record: there may be a newer plan, whose tasks are not to be disturbed. @throws BACKEND_UNAVAILABLE, retriable */
  confirm(task: PlannedTask): Promise<void>
}

/** Starts the task where `host` does, once it is let in; what it is told meanwhile holds from its start, and a stop ends the wait. */
export function hostBehind(enter: (signal: AbortSignal) => Promise<void>, host: TaskHost): TaskHost {
  return (options) => new WaitingTask(enter, host, options)
}

class WaitingTask implements HostedTask {
  readonly done: Promise<void>
  readonly #stopping = new AbortController()
  #isPaused: boolean
  #hosted: HostedTask | undefined

  constructor(enter: (signal: AbortSignal) => Promise<void>, host: TaskHost, options: HostedTaskOptions) {
    this.#isPaused = options.isPaused
    this.done = this.#run(enter, host, options)
  }

  async #run(enter: (signal: AbortSignal) => Promise<void>, host: TaskHost, options: HostedTaskOptions): Promise<void> {
    const { signal } = this.#stopping
    try {
      await enter(signal)
    } catch (error) {
      if (signal.aborted && isStreamError(error)) return
      throw error
    }
    if (signal.aborted) return
    this.#hosted = host({ ...options, isPaused: this.#isPaused })
    return this.#hosted.done
  }

  pause(): void {
    this.#isPaused = true
    this.#hosted?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#hosted?.resume()
  }

  stop(): void {
    this.#stopping.abort()
    this.#hosted?.stop()
  }

  gauges(): ReturnType<HostedTask['gauges']> {
    return this.#hosted?.gauges() ?? []
  }

  async kill(): Promise<void> {
    this.#stopping.abort()
    await this.#hosted?.kill()
  }
}
