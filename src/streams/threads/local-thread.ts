import { threadMetrics } from '../app-metrics.ts'
import type { Metric } from '../app-metrics.ts'
import type { ResolvedConfig } from '../config.ts'
import { StreamThread } from '../runtime/stream-thread.ts'
import type { ThreadOptions } from '../runtime/thread-options.ts'
import { newThreadMetrics } from '../runtime/thread-metrics.ts'
import type { ThreadMetrics } from '../runtime/thread-metrics.ts'
import type { AppThread, InputSummary, StandbySummary, TaskSummary, ThreadEvents } from './app-thread.ts'

export interface LocalThreadOptions extends Pick<ThreadOptions, 'name' | 'topology' | 'config' | 'partitionCounts' | 'openDisk' | 'batchLimits' | 'asksShutdown'> {
  readonly events: ThreadEvents
}

/** A stream thread that shares this JavaScript thread with the rest of the program. */
export class LocalThread implements AppThread {
  readonly #thread: StreamThread
  readonly #config: ResolvedConfig
  readonly #metrics = newThreadMetrics()
  readonly #pause = { isOn: false }
  #startedAt = 0

  constructor({ events, ...options }: LocalThreadOptions) {
    this.#config = options.config
    this.#thread = new StreamThread({
      ...options,
      metrics: this.#metrics,
      pause: this.#pause,
      onState: (state) => events.onState(state),
      onCommit: () => events.onCommit(this.#thread.tasks.flatMap(({ inputs }) => inputs)),
      onShutdownAsked: () => events.onShutdownAsked(),
      onPartitions: (counts) => events.onPartitions(counts),
    })
  }

  get name(): string {
    return this.#thread.name
  }

  async run(onStarted: () => void): Promise<void> {
    this.#startedAt = this.#config.clock.monotonic()
    await this.#thread.start()
    onStarted()
    await this.#thread.run()
  }

  stop(): void {
    this.#thread.stop()
  }

  pause(): void {
    this.#pause.isOn = true
  }

  resume(): void {
    this.#pause.isOn = false
  }

  commitWhenIdle(): void {
    this.#thread.commitWhenIdle()
  }

  get tasks(): readonly TaskSummary[] {
    return this.#thread.tasks.map(({ task, inputs, bufferedRecords }) => {
      return { taskId: task.taskId, partition: task.partition, stores: [...task.stores.keys()], inputs: inputs.map(plainInput), waitingRecords: bufferedRecords }
    })
  }

  tasksNow(): readonly TaskSummary[] {
    return this.tasks
  }

  standbysNow(): StandbySummary {
    const { standbyTasks, standbyLag, standbyEndpoints } = this.#thread
    return {
      tasks: standbyTasks.map(({ taskId, partition, stores }) => ({ taskId, partition, stores: [...stores.keys()], lagRecords: standbyLag(taskId) })),
      endpoints: standbyEndpoints,
    }
  }

  get restoring(): readonly string[] {
    return this.#thread.tasks.map(({ task }) => task.taskId).filter((taskId) => this.#thread.isMoving || this.#thread.isRestoring(taskId))
  }

  metrics(): Readonly<ThreadMetrics> {
    return { ...this.#metrics, droppedRecords: this.#thread.tasks.reduce((sum, { task }) => sum + task.droppedRecords, this.#metrics.droppedRecords) }
  }

  metricValues(): readonly Metric[] {
    const { name, tasks, produced } = this.#thread
    const measured = { name, tasks, produced, metrics: this.#metrics, isRestoring: (taskId: string) => this.#thread.isRestoring(taskId) }
    return threadMetrics(this.#config, measured, this.#config.clock.monotonic() - this.#startedAt)
  }

  storeViews(name: string, stale: boolean): readonly unknown[] {
    const global = this.#thread.globalStores.get(name)
    if (global !== undefined) return [global.view]
    const tasks = [...this.#thread.tasks.map(({ task }) => task), ...(stale ? this.#thread.standbyTasks : [])]
    return tasks.flatMap(({ stores }) => stores.get(name)?.view ?? [])
  }
}

/** Without what only its own thread needs. */
export function plainInput({ topic, partition, position, readTo, end }: InputSummary): InputSummary {
  return { topic, partition, position, readTo, end }
}
