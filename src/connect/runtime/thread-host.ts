import { MessageChannel, Worker } from 'node:worker_threads'
import { isStreamError, servePort } from '../../core/index.ts'
import type { PortServer } from '../../core/index.ts'
import { connectorError } from '../errors.ts'
import { hostInProcess } from './in-process-host.ts'
import type { HostedTask, HostedTaskOptions, TaskHost } from './task-host.ts'
import { taskName } from './task-spec.ts'
import { errorFromPlain } from './thread-messages.ts'
import type { FromThread, TaskThreadData, ToThread } from './thread-messages.ts'

export interface ThreadHostOptions {
  /** What the thread runs. Default: task-worker.js beside this file; from TypeScript sources, which Node 20 cannot run in a thread, tasks run in-process. */
  readonly workerUrl?: URL
  readonly maxMemoryMiB: number
}

/**
 * Runs each task in a thread of its own, which reaches the log through a port: whatever the task does (an uncaught error,
 * `process.exit`, running out of memory) ends that thread only, and its transactions and group membership with it.
 */
export function threadHost(options: ThreadHostOptions): TaskHost {
  const isSource = import.meta.url.endsWith('.ts')
  if (options.workerUrl === undefined && isSource) return hostInProcess
  const workerUrl = options.workerUrl ?? new URL('./task-worker.js', import.meta.url)
  return (task) => hostInThread(task, { ...options, workerUrl })
}

function hostInThread(options: HostedTaskOptions, { workerUrl, maxMemoryMiB }: Required<ThreadHostOptions>): HostedTask {
  const { port1, port2 } = new MessageChannel()
  const server = tryServe(options, port1)
  if (server === undefined) {
    port1.close()
    return hostInProcess(options)
  }
  const workerData: TaskThreadData = { spec: options.spec, isPaused: options.isPaused, brokerPort: port2 }
  const thread = new Worker(workerUrl, {
    workerData, transferList: [port2], name: taskName(options.spec), resourceLimits: { maxOldGenerationSizeMb: maxMemoryMiB }, execArgv: [],
  })
  const tell = (message: ToThread) => thread.postMessage(message)
  return {
    done: outcomeOf(thread, options, maxMemoryMiB).finally(async () => {
      await thread.terminate()
      server.close()
    }),
    pause: () => tell({ kind: 'pause' }),
    resume: () => tell({ kind: 'resume' }),
    stop: () => tell({ kind: 'stop' }),
    kill: async () => { await thread.terminate() },
  }
}

/** undefined: the broker has no engine in this process that could be served. */
function tryServe({ broker, log, spec }: HostedTaskOptions, port: MessageChannel['port1']): PortServer | undefined {
  try {
    return servePort(broker, port)
  } catch (error) {
    if (!isStreamError(error, 'UNSUPPORTED')) throw error
    log.debug(`${taskName(spec)}: runs inside the worker, since its broker cannot be reached from a thread`)
    return undefined
  }
}

function outcomeOf(thread: Worker, { spec, log, report }: HostedTaskOptions, maxMemoryMiB: number): Promise<void> {
  const name = taskName(spec)
  return new Promise((resolve, reject) => {
    thread.on('message', (message: FromThread) => {
      if (message.kind === 'progress') report(message.progress)
      else if (message.kind === 'log') log[message.level](message.text)
      else if (message.kind === 'stopped') resolve()
      else reject(errorFromPlain(message.error))
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
