import { Worker } from 'node:worker_threads'
import { errorFromPlain, isStreamError, settledWithin, shareBroker } from '../../core/index.ts'
import type { SharedBroker, Timer } from '../../core/index.ts'
import { connectorError } from '../errors.ts'
import { hostInProcess } from './in-process-host.ts'
import type { HostedTask, HostedTaskOptions, TaskHost } from './task-host.ts'
import type { GaugeReading } from './task-gauges.ts'
import { taskName } from './task-spec.ts'
import type { FromThread, TaskThreadData, ToThread } from './thread-messages.ts'

export interface ThreadHostOptions {
  /** What the thread runs. Default: task-worker.ts as it was built; from TypeScript sources, which Node 20 cannot run in a thread, tasks run in-process. */
  readonly workerUrl?: URL
  readonly maxMemoryMiB: number
  /** 0: a thread may be silent for ever. */
  readonly stallTimeoutMs: number
}

/** Three times what is collected at a time. V8 takes 48 in each thread if it may, and gives none of it back. */
const maxYoungGenerationSizeMb = 12

/**
 * Runs each task in a thread of its own, which reaches the log through a port, or a cluster by a client of its own. Whatever the
 * task does (an uncaught error, `process.exit`, running out of memory) ends that thread only, and its transactions and group
 * membership with it.
 */
export function threadHost(options: ThreadHostOptions): TaskHost {
  const isSource = import.meta.url.endsWith('.ts')
  if (options.workerUrl === undefined && isSource) return hostInProcess
  const workerUrl = options.workerUrl ?? new URL(import.meta.resolve('#task-thread'))
  return (task) => hostInThread(task, { ...options, workerUrl })
}

function hostInThread(options: HostedTaskOptions, { workerUrl, maxMemoryMiB, stallTimeoutMs }: Required<ThreadHostOptions>): HostedTask {
  const shared = tryShare(options)
  if (shared === undefined) return hostInProcess(options)
  const workerData: TaskThreadData = { spec: options.spec, isPaused: options.isPaused, broker: shared.handle }
  const thread = new Worker(workerUrl, {
    workerData, transferList: [...shared.transferList], name: taskName(options.spec), resourceLimits: { maxOldGenerationSizeMb: maxMemoryMiB, maxYoungGenerationSizeMb }, execArgv: [],
  })
  const tell = (message: ToThread) => thread.postMessage(message)
  let gauges: readonly GaugeReading[] = []
  thread.on('message', (message: FromThread) => { if (message.kind === 'alive') gauges = message.gauges })
  const watch = watchStalls(thread, options, stallTimeoutMs)
  let ending: Promise<void> | undefined
  const end = () => (ending ??= endThread(thread, options))
  let leave: (reason: Error) => void
  const left = new Promise<never>((_resolve, reject) => { leave = reject })
  return {
    done: Promise.race([outcomeOf(thread, options, maxMemoryMiB), watch.stalled, refusalOf(thread, options), left]).finally(async () => {
      watch.cancel()
      await end()
      shared.close()
    }),
    pause: () => tell({ kind: 'pause' }),
    resume: () => tell({ kind: 'resume' }),
    stop: () => tell({ kind: 'stop' }),
    gauges: () => gauges,
    kill: async () => {
      await end()
      leave(connectorError(`${taskName(options.spec)}: its thread was ended`))
    },
  }
}

/** What the operating system does not give back, such as a read of a file system that is away, ends no sooner than that; nobody waits for it longer than this. */
const terminationMs = 5_000

/** After this nothing counts any more that the thread does: it runs no line when the system gives it back. */
async function endThread(thread: Worker, { clock, log, spec }: HostedTaskOptions): Promise<void> {
  const ended = thread.terminate()
  if (await settledWithin(ended, clock, terminationMs)) return
  const name = taskName(spec)
  log.error(`${name}: its thread is still there ${terminationMs / 1000} s after it was ended: a call of the operating system does not return (a file system that is away?), or the machine is very busy. It is left behind; while it hangs only SIGKILL ends this process`)
  void ended.then(() => log.info(`${name}: the thread that was left behind has ended`))
}

/** undefined: the broker cannot be used from another thread. */
function tryShare({ broker, log, spec }: HostedTaskOptions): SharedBroker | undefined {
  try {
    return shareBroker(broker)
  } catch (error) {
    if (!isStreamError(error, 'UNSUPPORTED')) throw error
    log.warn(`${taskName(spec)}: runs inside the worker, since its broker cannot be reached from a thread: ${error.message}`)
    return undefined
  }
}

/**
 * `stalled` rejects when the thread was silent for too long after its first sign of life, and settles in no other way. A look
 * that comes late itself says nothing: then it was the worker that was busy.
 */
function watchStalls(thread: Worker, { clock, spec }: HostedTaskOptions, stallTimeoutMs: number): { readonly stalled: Promise<never>; cancel(): void } {
  if (stallTimeoutMs === 0) return { stalled: new Promise(() => {}), cancel: () => {} }
  const lookMs = Math.ceil(stallTimeoutMs / 4)
  let lastSignMs = Infinity
  let timer: Timer | undefined
  thread.on('message', () => { lastSignMs = clock.monotonic() })
  const stalled = new Promise<never>((_resolve, reject) => {
    const look = (plannedMs: number) => {
      const nowMs = clock.monotonic()
      if (nowMs - plannedMs > lookMs && lastSignMs !== Infinity) lastSignMs = nowMs
      if (nowMs - lastSignMs > stallTimeoutMs) {
        return reject(connectorError(`${taskName(spec)}: its thread gave no sign of life for ${Math.round((nowMs - lastSignMs) / 1000)} s: something in it blocks the event loop (task.stall.timeout.ms)`))
      }
      timer = clock.setTimer(lookMs, () => look(nowMs + lookMs))
    }
    look(clock.monotonic())
  })
  return { stalled, cancel: () => timer?.cancel() }
}

/** Rejects when the task asks whether it may write and must not. */
function refusalOf(thread: Worker, { confirm }: HostedTaskOptions): Promise<never> {
  return new Promise((_resolve, reject) => {
    thread.on('message', ({ kind }: FromThread) => {
      if (kind === 'opened') confirm().then(() => thread.postMessage({ kind: 'confirmed' } satisfies ToThread), reject)
    })
  })
}

function outcomeOf(thread: Worker, { spec, log, report }: HostedTaskOptions, maxMemoryMiB: number): Promise<void> {
  const name = taskName(spec)
  return new Promise((resolve, reject) => {
    thread.on('message', (message: FromThread) => {
      if (message.kind === 'progress') report(message.progress)
      else if (message.kind === 'log') log[message.level](message.text)
      else if (message.kind === 'stopped') resolve()
      else if (message.kind === 'failed') reject(errorFromPlain(message.error))
    })
    thread.on('error', (error: Error & { readonly code?: string }) => {
      const reason = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? `needed more than ${maxMemoryMiB} MiB of memory; raise task.max.memory.mb if it should have more`
        : `an error was not caught: ${error.message}`
      reject(connectorError(`${name}: its thread was ended: ${reason}`, { cause: error }))
    })
    thread.on('exit', (code) => reject(connectorError(`${name}: its thread ended by itself with exit code ${code}`)))
  })
}
