import { parentPort, workerData } from 'node:worker_threads'
import { StreamError, assert, isStreamError, openSharedBroker, plainError, systemClock, systemRandom } from '../../core/index.ts'
import type { FailureDecision, ResolvedConfig } from '../config.ts'
import { diskOpener } from '../disk-opener.ts'
import { LocalStores, queryTypeOf, unavailable } from '../local-stores.ts'
import { newThreadMetrics } from '../runtime/thread-metrics.ts'
import { isTopology } from '../topology/topology.ts'
import type { Topology } from '../topology/topology.ts'
import { LocalThread, plainInput } from './local-thread.ts'
import { answerQuestions } from './question-line.ts'
import { ViewAnswers } from './remote-view.ts'
import type { FromStreamThread, Question, StreamThreadData, ToStreamThread } from './thread-messages.ts'

/**
 * What a worker thread of an application does: loads the topology, runs it as one member of the group, answers questions about
 * it, and says how it ended. The only line of a module for `threadWorker` that loads topologies in its own way:
 * ```ts no-run
 * import { serveStreamThread } from 'millrace/streams'
 * await serveStreamThread(async (module) => (await import(module)).default)
 * ```
 */
export async function serveStreamThread(load: (module: string) => Promise<unknown>): Promise<void> {
  assert(parentPort !== null, 'serveStreamThread() is for a worker thread that an application has started')
  const application = parentPort
  const say = (message: FromStreamThread) => application.postMessage(message)
  const data = workerData as StreamThreadData
  const stop = new AbortController()
  let decided = (_decision: FailureDecision) => {}
  let thread: LocalThread | null = null
  let isPaused = false
  application.on('message', (message: ToStreamThread) => {
    switch (message.kind) {
      case 'stop': return stop.abort()
      case 'pause':
      case 'resume':
        isPaused = message.kind === 'pause'
        return thread?.[message.kind]()
      case 'commit-when-idle': return thread?.commitWhenIdle()
      case 'decided': return decided(message.decision)
    }
  })
  let failure: unknown = null
  try {
    const topology = checkedTopology(await load(data.module), data)
    const broker = await openSharedBroker(data.broker)
    const config: ResolvedConfig = {
      ...data.config, broker, clock: systemClock, random: systemRandom, threads: 1, topologyModule: null, threadWorker: null,
      // The application decides: the function is there.
      onFailure: (error) => new Promise((resolve) => {
        decided = resolve
        say({ kind: 'failing', error: plainError(error) })
      }),
      onRestore: (progress) => say({ kind: 'restored', progress }),
    }
    thread = await openThread(topology, config, data, say)
    if (isPaused) thread.pause()
    await runUntil(stop.signal, thread, { topology, data, say })
    await broker.close()
  } catch (error) {
    failure = error
  }
  say({ kind: 'ended', error: failure === null ? null : plainError(failure), metrics: thread?.metrics() ?? newThreadMetrics(), values: thread?.metricValues() ?? [] })
}

async function runUntil(signal: AbortSignal, thread: LocalThread, { topology, data, say }: { readonly topology: Topology; readonly data: StreamThreadData; readonly say: (message: FromStreamThread) => void }): Promise<void> {
  if (signal.aborted) return
  signal.addEventListener('abort', () => thread.stop(), { once: true })
  answer(thread, topology, data)
  await thread.run(() => say({ kind: 'started' }))
}

async function openThread(topology: Topology, config: ResolvedConfig, { name, partitionCounts, batchLimits, asksShutdown }: StreamThreadData, say: (message: FromStreamThread) => void): Promise<LocalThread> {
  const thread: LocalThread = new LocalThread({
    name, topology, config, batchLimits, asksShutdown,
    partitionCounts: new Map(partitionCounts),
    openDisk: await diskOpener(config),
    events: {
      onState: (state) => say({ kind: 'state', state, tasks: thread.tasks }),
      onCommit: (inputs) => say({ kind: 'committed', inputs: inputs.map(plainInput) }),
      onShutdownAsked: () => say({ kind: 'shutdown-asked' }),
      onPartitions: (counts) => say({ kind: 'partitions', counts }),
    },
  })
  return thread
}

/** @throws TOPOLOGY_INVALID when the module gives no topology, or another one than the application has */
function checkedTopology(exported: unknown, { module, description }: StreamThreadData): Topology {
  if (!isTopology(exported)) throw new StreamError('TOPOLOGY_INVALID', `${module} must export a topology by default for a stream thread to run, as in: export default builder.build()`)
  if (exported.describe() === description) return exported
  throw new StreamError('TOPOLOGY_INVALID', `${module} exports another topology than the one that the application was made with: every thread must run the same program`)
}

function answer(thread: LocalThread, topology: Topology, { questions }: StreamThreadData): void {
  const problem = () => unavailable(thread.restoring)
  const stores = new LocalStores({ topology, problem, views: (name) => thread.storeViews(name, false) })
  const staleStores = new LocalStores({ topology, problem: () => null, views: (name) => thread.storeViews(name, true) })
  const views = new ViewAnswers((name, stale) => (stale ? staleStores : stores).open(name, queryTypeOf(stores.specOf(name))))
  answerQuestions(questions, (question: Question) => {
    switch (question.kind) {
      case 'metrics': return thread.metrics()
      case 'metric-values': return thread.metricValues()
      case 'tasks': return thread.tasks
      case 'standbys': return thread.standbysNow()
      case 'value': return views.value(question)
      case 'rows': return views.rows(question)
      case 'more-rows': return views.moreRows(question.iteration)
      case 'end-rows': return views.endRows(question.iteration)
    }
  })
}

/** For a worker that could not even load what it runs. */
export function loadFailure(module: string, cause: unknown): StreamError {
  if (isStreamError(cause)) return cause
  return new StreamError('TOPOLOGY_INVALID', `${module} cannot be loaded in a stream thread; TypeScript that Node does not run itself needs a threadWorker that loads it, or millrace run`, { cause })
}
