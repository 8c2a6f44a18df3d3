import { Worker } from 'node:worker_threads'
import type { ResourceLimits } from 'node:worker_threads'
import { StreamError, assert, errorFromPlain, isStreamError, shareBroker } from '../../core/index.ts'
import type { Metric } from '../app-metrics.ts'
import type { ResolvedConfig } from '../config.ts'
import { newThreadMetrics } from '../runtime/thread-metrics.ts'
import type { ThreadMetrics } from '../runtime/thread-metrics.ts'
import { noStandbys } from './app-thread.ts'
import type { AppThread, StandbySummary, TaskSummary, ThreadEvents } from './app-thread.ts'
import { preloadArguments } from './preload-arguments.ts'
import { QuestionLine } from './question-line.ts'
import { remoteView } from './remote-view.ts'
import type { FromStreamThread, PlainConfig, StreamThreadData, ToStreamThread } from './thread-messages.ts'

export interface WorkerThreadOptions {
  readonly name: string
  readonly config: ResolvedConfig
  readonly module: string
  /** What the worker begins with. */
  readonly worker: URL
  /** `describe()` of the topology. */
  readonly description: string
  readonly globalStores: ReadonlySet<string>
  readonly partitionCounts: ReadonlyMap<string, number>
  readonly batchLimits: ReadonlyMap<string, number>
  readonly asksShutdown: boolean
  readonly events: ThreadEvents
}

/**
 * A stream thread in a worker thread: it loads the topology as a module, and reaches the log through a port, or a cluster by a
 * client of its own. Whatever happens in it (an uncaught error, `process.exit`, running out of memory) ends that thread only, and
 * its transactions and its membership with it.
 */
export class WorkerThread implements AppThread {
  readonly #options: WorkerThreadOptions
  readonly #line = new QuestionLine()
  #worker: Worker | null = null
  #isStopped = false
  #isPaused = false
  #tasks: readonly TaskSummary[] = []
  #metrics: ThreadMetrics = newThreadMetrics()
  #values: readonly Metric[] = []

  constructor(options: WorkerThreadOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  get tasks(): readonly TaskSummary[] {
    return this.#tasks
  }

  tasksNow(): readonly TaskSummary[] {
    this.#tasks = this.#tried(() => this.#line.ask({ kind: 'tasks' })) ?? this.#tasks
    return this.#tasks
  }

  standbysNow(): StandbySummary {
    return this.#tried(() => this.#line.ask({ kind: 'standbys' })) ?? noStandbys
  }

  get restoring(): readonly string[] {
    return []
  }

  async run(onStarted: () => void): Promise<void> {
    const { name, config, module, worker: entry, description, partitionCounts, batchLimits, asksShutdown } = this.#options
    const shared = shareBroker(config.broker)
    const questions = this.#line.handle
    const workerData: StreamThreadData = { name, module, description, config: plainConfig(config), broker: shared.handle, partitionCounts, batchLimits, asksShutdown, questions }
    const worker = new Worker(entry, { name, workerData, execArgv: preloadArguments(process.execArgv), transferList: [...shared.transferList, questions.port], resourceLimits: limitsOf(config) })
    this.#worker = worker
    if (this.#isPaused) this.pause()
    if (this.#isStopped) this.stop()
    try {
      await this.#outcome(worker, onStarted)
    } finally {
      this.#worker = null
      this.#tasks = []
      this.#line.close()
      await worker.terminate()
      shared.close()
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#worker?.postMessage({ kind: 'stop' } satisfies ToStreamThread)
  }

  pause(): void {
    this.#isPaused = true
    this.#worker?.postMessage({ kind: 'pause' } satisfies ToStreamThread)
  }

  resume(): void {
    this.#isPaused = false
    this.#worker?.postMessage({ kind: 'resume' } satisfies ToStreamThread)
  }

  commitWhenIdle(): void {
    this.#worker?.postMessage({ kind: 'commit-when-idle' } satisfies ToStreamThread)
  }

  metrics(): Readonly<ThreadMetrics> {
    this.#metrics = this.#tried(() => this.#line.ask({ kind: 'metrics' })) ?? this.#metrics
    return this.#metrics
  }

  metricValues(): readonly Metric[] {
    this.#values = this.#tried(() => this.#line.ask({ kind: 'metric-values' })) ?? this.#values
    return this.#values
  }

  storeViews(name: string, stale: boolean): readonly unknown[] {
    if (this.#worker === null) return []
    const tasks = stale ? [...this.#tasks, ...this.standbysNow().tasks] : this.#tasks
    const has = this.#options.globalStores.has(name) || tasks.some(({ stores }) => stores.includes(name))
    return has ? [remoteView(name, stale, this.#line)] : []
  }

  /** null: there is no answer at present. */
  #tried<T>(ask: () => T): T | null {
    try {
      return this.#worker === null ? null : ask()
    } catch (error) {
      if (isStreamError(error, 'TIMEOUT')) return null
      throw error
    }
  }

  #outcome(worker: Worker, onStarted: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromStreamThread) => {
        if (message.kind === 'started') return onStarted()
        // What a function of the program throws ends the thread, as it does where both share one.
        if (message.kind !== 'ended') return void this.#receive(message).catch(reject)
        this.#metrics = message.metrics
        this.#values = message.values
        if (message.error === null) resolve()
        else reject(errorFromPlain(message.error))
      })
      worker.on('error', (cause: Error & { readonly code?: string }) => {
        const reason = cause.code === 'ERR_WORKER_OUT_OF_MEMORY' ? `it needed more memory than it may have (maxThreadMemoryMiB: ${this.#options.config.maxThreadMemoryMiB ?? 'Node\'s limit'})` : `an error was not caught: ${cause.message}`
        reject(new StreamError('THREAD_DIED', `${this.name} was ended: ${reason}`, { cause }))
      })
      worker.on('exit', (code) => reject(new StreamError('THREAD_DIED', `${this.name} ended by itself with exit code ${code}; does the program call process.exit?`)))
    })
  }

  async #decide(failure: Error): Promise<void> {
    assert(isStreamError(failure), 'a stream thread reports StreamErrors')
    const decision = await this.#options.config.onFailure(failure)
    this.#worker?.postMessage({ kind: 'decided', decision } satisfies ToStreamThread)
  }

  async #receive(message: Exclude<FromStreamThread, { readonly kind: 'started' | 'ended' }>): Promise<void> {
    const { events, config } = this.#options
    switch (message.kind) {
      case 'state':
        this.#tasks = message.tasks
        return events.onState(message.state)
      case 'committed': return events.onCommit(message.inputs)
      case 'partitions': return events.onPartitions(message.counts)
      case 'shutdown-asked': return events.onShutdownAsked()
      case 'restored': return config.onRestore(message.progress)
      case 'failing': return this.#decide(errorFromPlain(message.error))
    }
  }
}

function limitsOf({ maxThreadMemoryMiB }: ResolvedConfig): ResourceLimits {
  return maxThreadMemoryMiB === null ? {} : { maxOldGenerationSizeMb: maxThreadMemoryMiB }
}

const staysHere: readonly string[] = ['broker', 'onFailure', 'onRestore', 'clock', 'random', 'threads', 'topologyModule', 'threadWorker'] satisfies readonly Exclude<keyof ResolvedConfig, keyof PlainConfig>[]

function plainConfig(config: ResolvedConfig): PlainConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !staysHere.includes(key))) as unknown as PlainConfig
}
