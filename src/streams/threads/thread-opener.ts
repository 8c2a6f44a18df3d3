import { StreamError } from '../../core/index.ts'
import type { ResolvedConfig } from '../config.ts'
import { diskOpener } from '../disk-opener.ts'
import { batchLimits } from '../runtime/topic-setup.ts'
import type { Topology } from '../topology/topology.ts'
import type { AppThread, ThreadEvents } from './app-thread.ts'
import { LocalThread } from './local-thread.ts'
import { WorkerThread } from './worker-thread.ts'

export interface ThreadOpenerOptions {
  readonly config: ResolvedConfig
  readonly topology: Topology
  /** Of every topic the application touches; a thread of this JavaScript thread adds to it. */
  readonly partitionCounts: Map<string, number>
}

/** A thread that was not started; `index` counts from 1. `asksShutdown`: all that it is to do is to end the application everywhere. */
export type OpenThread = (index: number, events: ThreadEvents, asksShutdown: boolean) => AppThread

/** How the threads of an application are made: the first one runs here if it is to be the only one, all others are worker threads. */
export async function threadOpener({ config, topology, partitionCounts }: ThreadOpenerOptions): Promise<OpenThread> {
  const { applicationId, instanceId, broker, threads, topologyModule } = config
  const limits = await batchLimits(broker, topology, applicationId, partitionCounts)
  const openDisk = threads === 1 ? await diskOpener(config) : null
  return (index, events, asksShutdown) => {
    const name = `${applicationId}-${instanceId}-StreamThread-${index}`
    if (index === 1 && threads === 1) return new LocalThread({ name, topology, config, partitionCounts, openDisk, batchLimits: limits, events, asksShutdown })
    return new WorkerThread({
      name, config, partitionCounts, events, asksShutdown,
      batchLimits: limits,
      module: topologyModule!,
      worker: workerOf(config),
      description: topology.describe(),
      globalStores: new Set(topology.globalStores.map(({ store }) => store.name)),
    })
  }
}

/** From TypeScript sources, which Node 20 cannot run in a thread, there is no default. */
function workerOf({ threadWorker }: ResolvedConfig): URL {
  if (threadWorker !== null) return threadWorker
  if (!import.meta.url.endsWith('.ts')) return new URL(import.meta.resolve('#stream-thread'))
  throw new StreamError('INVALID_CONFIG', 'worker threads need threadWorker where this package itself runs from TypeScript', { details: { key: 'threadWorker' } })
}
