import { isStreamError, StreamError } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import { ConnectWorker } from './connect-worker.ts'
import type { ConnectorStatus, ConnectWorkerOptions } from './connect-worker.ts'
import type { NamedConfig } from './connector-config.ts'

export interface StandaloneHandle {
  readonly worker: ConnectWorker
  status(): readonly ConnectorStatus[]
  /** Rejects when one of these connectors, or every task of one, has failed for good; settles in no other way. */
  readonly failed: Promise<never>
  /** Commits and stops everything; the broker stays open. Safe to call twice. */
  stop(): Promise<void>
}

/**
 * Runs connectors until it is stopped: what `millrace connect standalone worker.json connector.json…` does.
 * Every config is checked before the first connector starts.
 * @throws INVALID_CONFIG, PLUGIN_NOT_FOUND
 */
export async function runStandalone(config: RawConfig, connectors: readonly NamedConfig[], options: Omit<ConnectWorkerOptions, 'config'>): Promise<StandaloneHandle> {
  let fail: (reason: unknown) => void = () => {}
  const failed = new Promise<never>((_resolve, reject) => { fail = reject })
  failed.catch(() => {})
  const names = connectors.map(({ name }) => name.trim())
  const worker = ConnectWorker.open({
    ...options,
    config,
    onChange: () => {
      options.onChange?.()
      const failure = worker.failure(names)
      if (failure !== undefined) fail(failure)
    },
  })
  for (const connector of connectors) await checkNamed(worker, connector)
  try {
    for (const connector of connectors) await worker.start(connector, connector.initialState && targetOf[connector.initialState])
  } catch (error) {
    await worker.stop()
    throw error
  }
  return { worker, status: () => worker.status(), failed, stop: () => worker.stop() }
}

const targetOf = { RUNNING: 'STARTED', PAUSED: 'PAUSED', STOPPED: 'STOPPED' } as const

/** One of several connectors is at fault: the error says which. */
async function checkNamed(worker: ConnectWorker, connector: NamedConfig): Promise<void> {
  try {
    await worker.check(connector)
  } catch (cause) {
    if (!isStreamError(cause)) throw cause
    throw new StreamError(cause.code, `connector "${connector.name}": ${cause.message}`, { cause, details: cause.details })
  }
}
