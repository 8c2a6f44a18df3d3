/** What runs in a task's thread: loads the plugin, reaches the log through the port, runs the task, and says how it ended. */
import { parentPort, workerData } from 'node:worker_threads'
import { assert, openSharedBroker, plainError, StreamError, systemClock, systemRandom } from '../../core/index.ts'
import type { ConnectorPlugin, Log } from '../connector.ts'
import { connectorError } from '../errors.ts'
import { loadModule, PluginRegistry } from './plugin-registry.ts'
import { runTask } from './run-task.ts'
import { TaskControl } from './task-control.ts'
import { TaskGauges } from './task-gauges.ts'
import { noProgress } from './task-spec.ts'
import type { TaskProgress, TaskSpec } from './task-spec.ts'
import { signOfLifeMs } from './thread-messages.ts'
import type { FromThread, TaskThreadData, ToThread } from './thread-messages.ts'
import { workerConfig } from './worker-config.ts'

assert(parentPort !== null, 'task-worker runs in a thread')
const worker = parentPort
const { spec, isPaused, broker: brokerHandle } = workerData as TaskThreadData
const say = (message: FromThread) => worker.postMessage(message)
const gauges = new TaskGauges()

/** Progress is of interest to people: ten times a second is enough. */
const progressIntervalMs = 100

await main()

async function main(): Promise<void> {
  const confirmation = new AbortController()
  const control = listen(() => confirmation.abort())
  giveSignsOfLife()
  const progress = throttledProgress()
  try {
    const broker = await openSharedBroker(brokerHandle)
    // the worker has told of broken ones
    const registry = new PluginRegistry({ modules: workerConfig.parse(spec.workerConfig)['plugin.path'], onBroken: () => {} })
    await runTask(spec, { broker, registry, plugin: await findPlugin(spec), control, clock: systemClock, random: systemRandom, log: remoteLog(), report: progress.report, gauges, confirm: () => confirmed(confirmation.signal, control.stopSignal) })
    await broker.close()
    progress.flush()
    say({ kind: 'stopped' })
  } catch (error) {
    progress.flush()
    say({ kind: 'failed', error: plainError(error) })
  }
}

function listen(onConfirmed: () => void): TaskControl {
  const control = new TaskControl({ paused: isPaused })
  worker.on('message', ({ kind }: ToThread) => {
    if (kind === 'stop') control.stop()
    else if (kind === 'pause') control.pause()
    else if (kind === 'resume') control.resume()
    else onConfirmed()
  })
  return control
}

/** Asks the worker, which knows the plans of the cluster. @throws ABORTED when the task is stopped before the answer comes */
async function confirmed(answered: AbortSignal, stopped: AbortSignal): Promise<void> {
  const heard = new Promise((resolve) => { for (const signal of [answered, stopped]) signal.addEventListener('abort', resolve, { once: true }) })
  say({ kind: 'opened' })
  if (!stopped.aborted) await heard
  if (!answered.aborted) throw new StreamError('ABORTED', 'the task was stopped before it began')
}

/** As long as the event loop turns. */
function giveSignsOfLife(): void {
  say({ kind: 'alive', gauges: gauges.readings() })
  systemClock.setTimer(signOfLifeMs, giveSignsOfLife)
}

async function findPlugin({ plugin }: TaskSpec): Promise<ConnectorPlugin> {
  assert(plugin.module !== null, 'a task in a thread has a module')
  const found = (await loadModule(plugin.module)).map((each) => each.plugin).find((each) => each.class === plugin.class && each.version === plugin.version)
  if (found?.type === 'source' || found?.type === 'sink') return found
  throw connectorError(`the module ${plugin.module} has no connector ${plugin.class} in version ${plugin.version}`)
}

function throttledProgress() {
  let last = noProgress
  let saidAtMs = -Infinity
  const flush = () => {
    saidAtMs = systemClock.monotonic()
    say({ kind: 'progress', progress: last })
  }
  const report = (progress: TaskProgress) => {
    const isNews = progress.waitingFor !== last.waitingFor || progress.isStarted !== last.isStarted
    last = progress
    if (isNews || systemClock.monotonic() - saidAtMs >= progressIntervalMs) flush()
    else timer ??= systemClock.setTimer(progressIntervalMs, () => { timer = undefined; flush() })
  }
  let timer: { cancel(): void } | undefined
  return { report, flush }
}

function remoteLog(): Log {
  const write = (level: keyof Log) => (text: string) => say({ kind: 'log', level, text })
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}
